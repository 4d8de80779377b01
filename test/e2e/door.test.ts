// A running module asked at its own door, by the commands that an operator types.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { REASON_TABLE } from '../../src/core/reasons.js';
import { encodePacket, packetId } from '../../src/packet/packet.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, runCli, temporaryDirectory, waitFor } from '../support/mesh-process.js';

let bed: MeshBed;

beforeAll(async () => {
  bed = await MeshBed.start({ nodes: 2, links: [[0, 1]] });
  await bed.greeted();
});

afterAll(endAll);

function ask(index: number, ...args: readonly string[]): ReturnType<typeof runCli> {
  return runCli([...args, '--data-dir', bed.at(index).dataDir]);
}

async function json(index: number, ...args: readonly string[]): Promise<unknown> {
  const { stdout, stderr, code } = await ask(index, ...args);
  expect({ stderr, code }).toEqual({ stderr: '', code: 0 });
  return JSON.parse(stdout) as unknown;
}

describe('blvm-mesh at the door of a running module', () => {
  it('shows status, peers, routes and the path of the configuration, for people and for scripts', async () => {
    const other = toHex(bed.at(1).nodeId);
    expect(await json(0, 'status', '--json')).toMatchObject({ nodeId: toHex(bed.at(0).nodeId), peers: 1 });
    expect(await json(0, 'peers', '--json')).toMatchObject([{ nodeId: other }]);
    expect(await json(0, 'list-routes', '--json')).toMatchObject([{ ids: [toHex(bed.at(0).nodeId), other] }]);
    expect(await json(0, 'config-path', '--json')).toEqual({ path: `${bed.at(0).dataDir}/config.toml` });
    expect((await ask(0, 'peers')).stdout).toContain(other);
    expect((await ask(0, 'status')).stdout).toMatch(/^node .*\nmode/);
  });

  it('sends, and shows what came, by the methods of the documents', async () => {
    const [from, to] = [toHex(bed.at(0).nodeId), toHex(bed.at(1).nodeId)];
    // Free traffic is what parses as such: a Bitcoin verack of the test network's.
    const verack = 'fabfb5da76657261636b000000000000000000005df6e0e2';
    const sent = await json(0, 'send', to, `0x${verack}`, '--json');
    expect(sent).toMatchObject({ success: true, route_length: 2, estimated_cost_sats: 0, error: null });
    const polled = await waitFor('the delivery', async () => {
      const { packets } = (await json(1, 'rpc', 'meshpollreceived')) as { packets: readonly unknown[] };
      return packets.length > 0 ? packets : null;
    });
    expect(polled).toMatchObject([{ payload_hex: verack, source_hex: from }]);
    expect(await json(0, 'rpc', 'meshquoteroute', JSON.stringify({ destination_hex: to }))).toMatchObject({
      fee_sats: expect.any(Number) as number,
    });
  });

  it('refuses what cannot be sent, with its reason and exit code 1', async () => {
    const { code, stderr } = await ask(
      0,
      'send',
      toHex(bed.at(1).nodeId),
      'hello',
      '--protocol',
      'messaging-v1',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/^GovernanceNotAllowed.*add a proof/);
  });

  it('tells ledger, configuration and every reason with its count', async () => {
    expect(await json(0, 'rpc', 'ledger')).toMatchObject({
      ledger: { conserved: true },
      debts: { payees: [] },
    });
    expect(await json(0, 'rpc', 'config')).toMatchObject({ network: 'regtest' });
    expect(await json(0, 'rpc', 'reasons')).toHaveLength(REASON_TABLE.length);
  });

  it('explains what became of packets, and traces the way to a node', async () => {
    const other = toHex(bed.at(1).nodeId);
    const packet = bed.packet([1, 0], bed.pay(0, 1n));
    const id = toHex(packetId(encodePacket(packet)));
    bed.sendRaw(1, 0, encodePacket(packet));
    const { stdout } = await waitFor('the refusal', async () => {
      const answer = await ask(0, 'explain', id);
      return answer.code === 0 && answer;
    });
    expect(stdout).toMatch(new RegExp(`packet ${id}, \\d+ bytes from .*${other.slice(0, 12)}`));
    expect(stdout).toMatch(/was refused: AmountTooLow \(416\)/);
    expect(stdout).toMatch(/FAIL {2}amount and price +the proof says 1 msat, the invoice 1 msat; 1 hop cost/);
    expect(stdout).toMatch(/what to do: the sender must pay the price/);
    expect(
      await json(0, 'explain', '--reason', '416', '--peer', other, '--last', '1', '--json'),
    ).toMatchObject({
      packets: [{ packetId: id, outcome: 'refused', reason: 'AmountTooLow' }],
    });
    expect(await ask(0, 'explain', 'abcdef')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('none of the') as string,
    });
    expect(await ask(0, 'explain', '--reason', 'Nonsense')).toMatchObject({ code: 2 });
    expect((await ask(0, 'trace', other)).stdout).toMatch(/1 hop, costs \d+ sats/);
  });

  it('examines a running module: nothing failed, and the clocks were compared', async () => {
    const findings = (await json(0, 'doctor', '--json')) as readonly { check: string; status: string }[];
    expect(findings.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(findings).toContainEqual(expect.objectContaining({ check: 'clock', status: 'ok' }));
    expect((await ask(0, 'doctor')).stdout).toMatch(/ok {4}module runs .*up \d+ s/);
  });

  it('says what is wrong: with arguments exit code 2, without a module exit code 1', async () => {
    expect(await ask(0, 'set-mode', 'paid')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('modes are') as string,
    });
    expect(await ask(0, 'send', 'abc', 'hello')).toMatchObject({ code: 2 });
    expect(await ask(0, 'rpc', 'no-such-method')).toMatchObject({ code: 1 });
    const away = await runCli(['status', '--data-dir', temporaryDirectory()]);
    expect(away).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^DOOR_FAILED: no module answers/) as string,
    });
    expect(await runCli(['status'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/--data-dir/) as string,
    });
  });
});
