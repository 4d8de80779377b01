import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../src/core/bytes.js';
import { present } from '../../src/core/assert.js';
import { MESH, MeshBed } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

/** The documents' commands (wire.md, Command line), with their arguments. */
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  status: [],
  peers: [],
  'list-routes': [],
  'config-path': [],
  reload: [],
  'log-level': [],
  'add-peer': ['address'],
  'remove-peer': ['address'],
  'set-mode': ['mode'],
  'send-packet': ['destination', 'payload'],
  settle: ['payee', 'amount', 'reference'],
};

let bed: MeshBed;

beforeAll(async () => {
  bed = await MeshBed.start({
    nodes: 3,
    links: [
      [0, 1],
      [1, 2],
    ],
  });
  await bed.greeted();
});

afterAll(endAll);

async function json(subcommand: string, ...args: readonly string[]): Promise<unknown> {
  const { stdout, stderr, exitCode } = await bed.cli(0, subcommand, ...args, '--json');
  expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
  expect(stdout.trimEnd()).not.toContain('\n');
  return JSON.parse(stdout) as unknown;
}

describe('the node › the registered command line', () => {
  it('is named mesh and has the commands of the documents with their arguments', () => {
    const { node } = bed.at(0);
    const connection = present(
      node.modules.find(MESH, () => true),
      'the module is connected',
    );
    const spec = present(connection.cliSpec, 'a command line is registered');
    expect(spec.name).toBe('mesh');
    const commands = spec.subcommands.map(({ name, args }) => [
      name,
      args.filter(({ required }) => required).map((arg) => arg.name),
    ]);
    expect(Object.fromEntries(commands)).toEqual(COMMANDS);
    for (const { name, about, args } of spec.subcommands) {
      expect(about).not.toBe('');
      const optional = args.filter(({ required }) => !required);
      const flag = optional.pop();
      expect(optional.map((arg) => arg.name)).toEqual(name === 'log-level' ? ['component', 'level'] : []);
      expect(flag).toMatchObject({ name: 'json', long_name: 'json', takes_value: false });
    }
  });

  it('answers misuse with exit code 2 and a text that helps', async () => {
    const destination = toHex(bed.at(1).nodeId);
    const misuses: readonly (readonly [string, ...string[]])[] = [
      ['no-such-command'],
      ['status', 'extra'],
      ['status', '--jsn'],
      ['add-peer'],
      ['add-peer', '10.0.0.2:18444', 'extra'],
      ['add-peer', 'nonsense'],
      ['remove-peer', '10.0.0.2'],
      ['set-mode', 'paid'],
      ['set-mode', ''],
      ['send-packet', destination],
      ['send-packet', destination.slice(1), 'hello'],
      ['send-packet', destination, '0xzz'],
      ['settle', 'nobody', 'all', ''],
      ['settle', `02${'00'.repeat(32)}`, 'all', ''],
      ['constructor'],
    ];
    for (const [subcommand, ...args] of misuses) {
      const result = await bed.cli(0, subcommand, ...args);
      expect({ subcommand, args, ...result }).toMatchObject({ subcommand, args, stdout: '', exitCode: 2 });
      expect(result.stderr).toMatch(/\S.*\n$/);
    }
    expect((await bed.cli(0, 'no-such-command')).stderr).toContain('send-packet');
    expect((await bed.cli(0, 'set-mode', 'paid')).stderr).toContain('bitcoin_only, payment_gated, open');
  });
});

describe('the node › commands that show', () => {
  it('status: for people and, as one JSON object, for scripts', async () => {
    const { stdout, stderr, exitCode } = await bed.cli(1, 'status');
    expect({ stderr, exitCode }).toEqual({ stderr: '', exitCode: 0 });
    expect(stdout).toContain(toHex(bed.at(1).nodeId));
    expect(stdout).toMatch(/peers +2/);
    expect(stdout).toContain('payment_gated on regtest');
    const status = await bed.status(1);
    expect(status).toMatchObject({
      nodeId: toHex(bed.at(1).nodeId),
      mode: 'payment_gated',
      network: 'regtest',
      enabled: true,
      peers: 2,
      workers: 1,
      secp256k1: { name: 'native libsecp256k1', passedOver: [] },
      ledger: { postings: 0, totalMsat: '0', conserved: true },
    });
  });

  it('peers: who has said hello, and where', async () => {
    const near = bed.at(1);
    const entry = { nodeId: toHex(near.nodeId), address: near.node.address };
    expect(await json('peers')).toEqual([entry]);
    const { stdout } = await bed.cli(0, 'peers');
    expect(stdout).toContain(entry.nodeId);
    expect(stdout).toContain(entry.address);
  });

  it('list-routes: hop by hop', async () => {
    const driver = await bed.driver(0);
    const far = bed.at(2).nodeId;
    await waitFor(
      'a route over one hop is found',
      async () => (await driver.client.discoverRoute(far)).route,
    );
    const ids = bed.nodes.map(({ nodeId }) => toHex(nodeId));
    const routes = (await json('list-routes')) as readonly { ids: readonly string[]; costSats: string }[];
    expect(routes.map((route) => route.ids)).toContainEqual(ids);
    const text = (await bed.cli(0, 'list-routes')).stdout;
    expect(text).toContain(ids.map((id) => id.slice(0, 12)).join(' > '));
  });

  it('config-path: the file that was read', async () => {
    const path = `${bed.at(0).dataDir}/config.toml`;
    expect(await bed.cli(0, 'config-path')).toEqual({ stdout: `${path}\n`, stderr: '', exitCode: 0 });
    expect(await json('config-path')).toEqual({ path });
  });
});

describe('the node › commands that change', () => {
  it('remove-peer and add-peer: a peer goes with its routes, and comes back when it is greeted', async () => {
    const { address } = bed.at(1).node;
    expect(await json('remove-peer', address)).toEqual({ address });
    // Its next hello brings it back at any time, so the test looks until it has seen it gone.
    await waitFor('the peer is gone', async () => {
      await bed.cli(0, 'remove-peer', address);
      const { peers, routes } = await bed.status(0);
      return peers === 0 && routes === 0;
    });
    expect(await json('add-peer', address)).toEqual({ address });
    await waitFor('the peer is back', async () => (await bed.status(0)).peers === 1);
    expect((await bed.cli(0, 'add-peer', address)).exitCode).toBe(0);

    const nobody = await bed.cli(0, 'remove-peer', '10.9.9.9:18444');
    expect(nobody).toMatchObject({ stdout: '', exitCode: 1 });
    expect(nobody.stderr).toContain('no peer at 10.9.9.9:18444');
  });

  it('set-mode and send-packet: what is carried changes at once', async () => {
    const destination = toHex(bed.at(1).nodeId);
    const unpaid = await bed.cli(0, 'send-packet', destination, 'hello');
    expect(unpaid).toMatchObject({ stdout: '', exitCode: 1 });
    expect(unpaid.stderr).toMatch(/^[A-Z][A-Za-z]+: .+\n$/);
    expect((await bed.cli(0, 'send-packet', '00'.repeat(32), 'hello')).stderr).toContain('RouteUnknown');
    const toSelf = await bed.cli(0, 'send-packet', toHex(bed.at(0).nodeId), 'hello');
    expect(toSelf).toMatchObject({ exitCode: 1 });
    expect(toSelf.stderr).toContain('Loopback');

    for (const index of [0, 1]) {
      expect(await bed.cli(index, 'set-mode', 'open')).toMatchObject({ exitCode: 0 });
      expect((await bed.status(index)).mode).toBe('open');
    }
    const sent = (await json('send-packet', destination, 'hello')) as { packetId: string; route: string[] };
    expect(sent.packetId).toMatch(/^[0-9a-f]{64}$/);
    expect(sent.route).toEqual([toHex(bed.at(0).nodeId), destination]);
    const inHex = await bed.cli(0, 'send-packet', destination, '0x00ff');
    expect(inHex).toMatchObject({ stderr: '', exitCode: 0 });
    expect(inHex.stdout).toMatch(/^sent [0-9a-f]{64} over 1 hop\n$/);
    expect((await bed.cli(0, 'send-packet', destination, '--json')).exitCode).toBe(0);

    const driver = await bed.driver(1);
    const payloads: string[] = [];
    await waitFor('all three arrive', async () => {
      for (const { payload } of await driver.client.pollLocalDeliveries()) payloads.push(toHex(payload));
      return payloads.length === 3;
    });
    expect(payloads).toEqual([toHex(utf8('hello')), '00ff', toHex(utf8('--json'))]);

    expect(await json('set-mode', 'bitcoin_only')).toEqual({ mode: 'bitcoin_only' });
    expect((await bed.cli(0, 'send-packet', destination, 'hello')).stderr).toContain('ModeForbids');
    expect(await json('set-mode', 'payment_gated')).toEqual({ mode: 'payment_gated' });
  });
});
