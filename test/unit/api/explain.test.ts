// Explanations of recorded packets: each check in its order, what it looked at, and something to do about it.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { REASON_TABLE, Reason, reasonOf } from '../../../src/core/reasons.js';
import { present } from '../../../src/core/assert.js';
import { toHex } from '../../../src/core/bytes.js';
import { loadConfig, type MeshConfig } from '../../../src/config/config.js';
import { explain, explainText, type Explanation, type Recorded } from '../../../src/api/explain/explain.js';
import { remedyOf } from '../../../src/api/explain/remedies.js';
import { FlightRecorder } from '../../../src/metrics/recorder.js';
import { helloPacket } from '../../../src/packet/control.js';
import { encodePacket, packetId } from '../../../src/packet/packet.js';
import { ISSUED_AT, makeInvoice, proofOf } from '../../support/invoices.js';
import { endAll, temporaryDirectory } from '../../support/mesh-process.js';
import { paidPacket, PAYEES, SELF, SOURCE } from '../../support/paid-packets.js';

let config: MeshConfig;

beforeAll(async () => {
  const file = join(temporaryDirectory(), 'config.toml');
  const env = { MODULE_CONFIG_NETWORK: 'regtest', MODULE_CONFIG_LISTEN_ADDR: '' };
  ({ config } = await loadConfig({ file, mayBeAbsent: true, env }));
});

afterAll(endAll);

const invoice = makeInvoice({ seed: 1, payee: PAYEES.self, amountMsat: 900n });
const bytes = encodePacket(paidPacket(proofOf(invoice)));

function meshOf(): Recorded {
  const clock = new VirtualClock(ISSUED_AT + 10);
  return {
    recorder: new FlightRecorder({ clock, entries: 2_000 }),
    config,
    self: SELF,
    peers: { list: () => [] },
  };
}

async function explained(reason: Reason, packetBytes: Uint8Array = bytes): Promise<Explanation> {
  const mesh = meshOf();
  mesh.recorder.refused(reason, packetBytes, '10.0.0.1:1', SOURCE);
  const [found] = await explain(mesh, { last: 1 });
  return present(found, 'one is recorded');
}

const stateOf = (found: Explanation, check: string): string | undefined =>
  found.checks.find((line) => line.check === check)?.state;

describe('explain', () => {
  it('passes over hellos that passed, unless one is asked for by its id', async () => {
    const mesh = meshOf();
    mesh.recorder.refused(Reason.AmountTooLow, bytes, '10.0.0.1:1', SOURCE);
    const hello = encodePacket(helloPacket({ self: SOURCE, sequence: 1n, nowSeconds: ISSUED_AT }, SELF));
    mesh.recorder.passed('control', { bytes: hello, from: '10.0.0.1:1' }, Reason.Accepted);
    expect((await explain(mesh, { last: 5 })).map(({ reason }) => reason)).toEqual(['AmountTooLow']);
    const [found] = await explain(mesh, { last: 5, packetId: toHex(packetId(hello)) });
    expect(found?.outcome).toBe('control');
  });

  it('says of a packet that paid too little what it paid, what it costs, and what was not looked at any more', async () => {
    const found = await explained(Reason.AmountTooLow);
    expect(found).toMatchObject({
      packetId: toHex(packetId(bytes)),
      outcome: 'refused',
      reason: 'AmountTooLow',
      peer: toHex(SOURCE),
    });
    const failed = found.checks.filter(({ state }) => state === 'failed');
    expect(failed).toEqual([
      {
        check: 'amount and price',
        state: 'failed',
        inputs: 'the proof says 900 msat, the invoice 900 msat; 3 hops cost 1,310 msat here',
      },
    ]);
    expect(stateOf(found, 'preimage hashes to the payment hash')).toBe('ok');
    expect(stateOf(found, 'payment was not used before')).toBe('not reached');
    expect(found.remedy).toContain('must pay the price');
  });

  it('tells who the route says, and who sent it, where they differ', async () => {
    const found = await explained(Reason.WrongPreviousHop);
    const line = found.checks.find(({ state }) => state === 'failed');
    expect(line?.inputs).toBe(
      `10.0.0.1:1, who is ${toHex(SOURCE).slice(0, 12)}; the route says ${toHex(SOURCE).slice(0, 12)}`,
    );
  });

  it('says at which byte a packet cannot be read', async () => {
    const found = await explained(Reason.Truncated, bytes.subarray(0, 90));
    expect(found.checks.find(({ state }) => state === 'failed')).toMatchObject({
      check: 'it can be read',
      inputs: expect.stringMatching(/^byte \d+: /) as string,
    });
  });

  it('never shows a preimage', async () => {
    const found = await explained(Reason.WrongPreimage);
    const text = JSON.stringify(found);
    expect(text).not.toContain(toHex(proofOf(invoice).preimage));
  });

  it('finds exactly one failed check for every reason, and something to do about it', async () => {
    for (const [code] of REASON_TABLE.slice(1)) {
      const reason = present(reasonOf(code), 'the table holds reasons');
      const found = await explained(reason, bytes.subarray(0, 90));
      expect([code, found.checks.filter(({ state }) => state === 'failed').length]).toEqual([code, 1]);
      expect(remedyOf(reason).length).toBeGreaterThan(10);
    }
  });

  it('says of an accepted packet that could not go on that its way failed, and all before it passed', async () => {
    const mesh = meshOf();
    mesh.recorder.expired(Reason.NextHopLost, { bytes, from: 'a:1' });
    const [found] = await explain(mesh, { last: 1 });
    expect(found?.checks.filter(({ state }) => state !== 'ok').map(({ check }) => check)).toEqual([
      'on its way',
    ]);
  });

  it('finds by the first digits of an id, by reason, and by peer, newest first', async () => {
    const mesh = meshOf();
    const { recorder } = mesh;
    for (let i = 0; i < 1_200; i++)
      recorder.refused(Reason.Truncated, new Uint8Array([i & 255, i >> 8]), 'a:1', null);
    recorder.refused(Reason.WrongPreimage, bytes, 'b:1', SOURCE);
    recorder.refused(Reason.Truncated, bytes.subarray(1), 'c:1', null);
    const id = toHex(packetId(bytes)).slice(0, 12);
    const ask = async (wish: object): Promise<readonly (string | null)[]> =>
      (await explain(mesh, { last: 3, ...wish })).map(({ from }) => from);
    expect(await ask({ packetId: id })).toEqual(['b:1']);
    expect(await ask({ reason: Reason.WrongPreimage })).toEqual(['b:1']);
    expect(await ask({ peer: toHex(SOURCE).slice(0, 6) })).toEqual(['b:1']);
    expect(await ask({ peer: 'c:1' })).toEqual(['c:1']);
    expect(await ask({})).toEqual(['c:1', 'b:1', 'a:1']);
    expect(await ask({ packetId: 'ffffffffffff' })).toEqual([]);
    expect(explainText([], mesh)).toMatch(/^none of the 1202 recorded packets/);
  });
});
