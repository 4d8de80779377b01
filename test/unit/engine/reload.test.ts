// The table of what changes while the module runs (config/live.ts, docs/config.md), held against a running mesh: each
// option is changed in its file, the file is read again, and the part that the option is for is looked at.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Reloader } from '../../../src/api/reload.js';
import { loadConfig } from '../../../src/config/config.js';
import { RELOAD } from '../../../src/config/live.js';
import { OPTION_NAMES, type OptionName } from '../../../src/config/schema.js';
import { present } from '../../../src/core/assert.js';
import { systemClock } from '../../../src/core/clock.js';
import { nodeKey } from '../../../src/core/ids.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { systemRandom } from '../../../src/core/random.js';
import { reasonName } from '../../../src/core/reasons.js';
import { runDevNode } from '../../../src/dev/index.js';
import { MeshModule } from '../../../src/engine/module.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import { encodePacket } from '../../../src/packet/packet.js';
import type { HelloBody } from '../../../src/packet/signed-hello.js';
import { judged } from '../../../src/pool/judge-port.js';
import { logDirectory, MeshLog } from '../../../src/store/log.js';
import { TlsNet } from '../../../src/transport/tls-net.js';
import { identity as testIdentity } from '../../support/identities.js';
import { testNode, testPacket } from '../../support/packets.js';
import { candidate, startTransport } from '../../support/transports.js';

const KEY = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
const NODE = nodeKey(testNode(9));
/** In the file before each change. */
const BASE = [
  'network = "regtest"',
  'workers = 1',
  'mode = "payment_gated"',
  'outbound_peers = 0',
  'node_requests_per_second = 1000',
];

let directory: string;
let mesh: MeshModule;
let reloader: Reloader;
let log: MeshLog;
let integration: ModuleIntegration;
let policy: () => JudgePolicy;
let requestRate: () => unknown;
let debtCap: () => unknown;
const closers: (() => unknown)[] = [];

function write(...lines: readonly string[]): void {
  const own = lines.map((line) => line.split(' = ')[0]);
  const base = [...BASE, ...listening].filter((line) => !own.includes(line.split(' = ')[0]));
  writeFileSync(join(directory, 'config.toml'), [...base, ...lines, ''].join('\n'));
}

/** Where the module and a stranger listen. */
let listening: string[] = [];
let strangerPort = 0;
/** An entry point, and how often it was called. */
let entryPort = 0;
let entryCalls = 0;

async function listener(onConnection: () => void): Promise<number> {
  const server = createServer((socket) => {
    onConnection();
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mesh-reload-'));
  closers.push(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  strangerPort = await listener(() => undefined);
  entryPort = await listener(() => (entryCalls += 1));
  // A port that was free a moment ago.
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  listening = [`listen_addr = "127.0.0.1:${port}"`];
  writeFileSync(join(directory, 'peers.txt'), `127.0.0.1:${strangerPort}\n`);
  const dataDir = join(directory, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  const file = join(directory, 'config.toml');
  write();
  const { config } = await loadConfig({ file, env: {} });
  const network = await runDevNode({ nodes: 1 });
  closers.push(() => network.close());
  const common = { clock: systemClock, random: systemRandom };
  log = new MeshLog({
    directory: logDirectory(dataDir),
    level: 'info',
    clock: systemClock,
    standardOutput: 'none',
  });
  integration = await ModuleIntegration.connect({
    socketPath: network.node('node-1').socketPath,
    moduleId: 'blvm-mesh',
    moduleName: 'blvm-mesh',
    version: '0.1.0',
    log,
    requestsPerSecond: 1_000,
    ...common,
  });
  mesh = await MeshModule.start({
    config,
    dataDir,
    integration,
    logs: log.of,
    onNodeShutdown: () => undefined,
    onConfigLoaded: () => undefined,
    ...common,
  });
  reloader = new Reloader({
    read: () => loadConfig({ file, env: {} }),
    hasRoom: (wanted) => wanted < 50,
    onChanged: ({ logLevel: level, logLevels: components }) => {
      log.setLevels({ level, components });
    },
    log,
  });
  reloader.attach(mesh);
  closers.push(async () => {
    await mesh.close();
    await integration.close();
    await log.close();
  });
  const policies = vi.spyOn(mesh.judge, 'updatePolicy');
  policy = () => present(policies.mock.lastCall?.[0], 'the workers were told');
  const rates = vi.spyOn(integration, 'setRequestRate');
  requestRate = () => rates.mock.lastCall?.[0];
  const caps = vi.spyOn(mesh.debts, 'setCap');
  debtCap = () => caps.mock.lastCall?.[0];
  expect((await reloader.reload()).ok).toBe(true);
}, 30_000);

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** What a stranger that connects is told of this node. */
async function hello(): Promise<HelloBody> {
  const identity = testIdentity(strangers++);
  const { port } = present(mesh.links.transport, 'the direct transport listens');
  const told: HelloBody[] = [];
  const stranger = await startTransport(identity, new TlsNet(identity.privateKey), systemClock, {
    peers: [candidate(`127.0.0.1:${String(port)}`)],
    onJoined: (_, body) => told.push(body),
  });
  const body = await vi.waitFor(() => present(told[0], 'the module said hello'), 10_000);
  await stranger.transport.close();
  return body;
}
let strangers = 50;

/** How a packet is judged whose payload is of no known protocol and free. */
async function verdict(): Promise<string> {
  const route = [testNode(1), mesh.self];
  const packet = testPacket({ packetType: 'BitcoinP2P', route, source: testNode(1), destination: mesh.self });
  const sender = { previousHop: testNode(1), origin: 'peer', peer: 'p' } as const;
  const { reason } = await judged(mesh.judge, encodePacket({ ...packet, paymentProof: null }), sender);
  return reasonName(reason);
}

/** Of 50 packets that a peer of its own sends at once, those that its quota lets through. */
function charged(peer: string, traffic: 'paid' | 'free', bytes: number): number {
  const admitted = mesh.peers.connected(peer);
  expect(reasonName(admitted)).toBe('Accepted');
  let passed = 0;
  for (let sent = 0; sent < 50; sent++)
    if (reasonName(mesh.peers.charge(peer, traffic, bytes)) === 'Accepted') passed++;
  mesh.peers.disconnected(peer);
  return passed;
}

interface Probe {
  /** The line of the file. */
  readonly line: string | (() => string);
  /** Of the part that the option is for. */
  readonly look: () => unknown;
  /** What is seen after the change: of an option that needs a start, the same as before. */
  readonly after?: unknown;
}

const known = (): number => present(mesh.links.transport, 'it listens').stats().known;
const asConfigured = (field: keyof MeshModule['config']) => (): unknown => mesh.config[field];

const PROBES: { readonly [N in OptionName]: Probe } = {
  enabled: { line: 'enabled = false', look: verdict, after: 'ModuleDisabled' },
  mode: { line: 'mode = "open"', look: verdict, after: 'Accepted' },
  network: { line: 'network = "signet"', look: () => policy().network },
  listen_addr: { line: 'listen_addr = "127.0.0.1:9"', look: () => mesh.links.transport?.port },
  dashboard_addr: { line: 'dashboard_addr = "127.0.0.1:9"', look: asConfigured('dashboardAddr') },
  advertised_addresses: {
    line: 'advertised_addresses = ["203.0.113.5:8334"]',
    look: async () => (await hello()).addresses,
    after: ['203.0.113.5:8334'],
  },
  workers: { line: 'workers = 2', look: () => mesh.judge.stats().workers, after: 2 },
  batch_max: { line: 'batch_max = 7', look: () => mesh.judge.shape.batchPackets, after: 7 },
  batch_linger_us: { line: 'batch_linger_us = 9', look: () => mesh.judge.shape.batchLingerMicros, after: 9 },
  peers: { line: () => `peers = ["127.0.0.1:${strangerPort}"]`, look: known, after: 1 },
  peer_list: { line: 'peer_list = "peers.txt"', look: known, after: 1 },
  bootstrap_nodes: { line: () => `bootstrap_nodes = ["127.0.0.1:${entryPort}"]`, look: known, after: 1 },
  max_peers: {
    line: 'max_peers = 1',
    look: () => {
      const answers = ['10.9.0.1:1', '10.9.0.2:1'].map((peer) => reasonName(mesh.peers.connected(peer)));
      for (const peer of ['10.9.0.1:1', '10.9.0.2:1']) mesh.peers.disconnected(peer);
      return answers;
    },
    after: ['Accepted', 'TooManyPeers'],
  },
  outbound_peers: {
    line: () => `outbound_peers = 3\nbootstrap_nodes = ["127.0.0.1:${entryPort}"]`,
    look: () => entryCalls > 0,
    after: true,
  },
  family: {
    line: `family = ["${NODE}"]`,
    look: async () => (await hello()).family.map(nodeKey),
    after: [NODE],
  },
  rate_limit_per_minute: {
    line: 'rate_limit_per_minute = 60',
    look: () => charged('10.9.1.1:1', 'paid', 100),
    after: 10,
  },
  free_packets_per_minute: {
    line: 'free_packets_per_minute = 60',
    look: () => charged('10.9.1.2:1', 'free', 100),
    after: 10,
  },
  free_bytes_per_minute: {
    line: 'free_bytes_per_minute = 60',
    look: () => charged('10.9.1.3:1', 'free', 100_000),
    after: 10,
  },
  accepted_payees: {
    line: `accepted_payees = ["${KEY}"]`,
    look: async () => (await hello()).payees.map((key) => Buffer.from(key).toString('hex')).includes(KEY),
    after: true,
  },
  payees: {
    line: `payees = ["${NODE}=${KEY}"]`,
    look: () => policy().declaredPayees,
    after: [[NODE, KEY]],
  },
  own_payee: { line: `own_payee = "${KEY}"`, look: () => policy().ownPayee },
  max_unsettled_msats: { line: 'max_unsettled_msats = 5', look: () => debtCap(), after: 5n },
  binding: { line: 'binding = "strict"', look: () => policy().binding, after: 'strict' },
  ctv: { line: 'ctv = true', look: async () => (await hello()).features, after: 3n },
  receive_scripts: {
    line: 'receive_scripts = ["0014"]',
    look: () => policy().receiveScripts,
    after: ['0014'],
  },
  min_confirmations: { line: 'min_confirmations = 4', look: () => policy().minConfirmations, after: 4 },
  'fees.base_msats': {
    line: 'fees.base_msats = 7',
    look: async () => [policy().fees.baseMsat, (await hello()).baseMsat],
    after: [7n, 7n],
  },
  'fees.per_hop_msats': {
    line: 'fees.per_hop_msats = 8',
    look: async () => [policy().fees.perHopMsat, (await hello()).perHopMsat],
    after: [8n, 8n],
  },
  'fees.per_kib_msats': {
    line: 'fees.per_kib_msats = 9',
    look: async () => [policy().fees.perKibMsat, (await hello()).perKibMsat],
    after: [9n, 9n],
  },
  'fees.proportional_ppm': {
    line: 'fees.proportional_ppm = 10',
    look: async () => [policy().fees.proportionalPpm, (await hello()).proportionalPpm],
    after: [10n, 10n],
  },
  governance_protocols: {
    line: 'governance_protocols = ["votes"]',
    look: () => policy().governanceProtocols,
    after: ['votes'],
  },
  governance_nodes: {
    line: `governance_nodes = ["${NODE}"]`,
    look: () => policy().governanceNodes,
    after: [NODE],
  },
  hello_interval_seconds: {
    line: 'hello_interval_seconds = 2',
    look: () => mesh.peers.silenceMillis,
    after: 6_000,
  },
  route_expiry_seconds: {
    line: 'route_expiry_seconds = 11',
    look: () => mesh.table.routeExpiryMillis,
    after: 11_000,
  },
  max_entity_share: {
    line: 'max_entity_share = 40',
    look: () => mesh.table.chooser.maxEntityShare,
    after: 0.4,
  },
  concentration: {
    line: 'concentration = "strict"',
    look: () => mesh.table.chooser.policy.concentration,
    after: 'strict',
  },
  asn_map: { line: 'asn_map = ["203.0.113.0/24=one"]', look: asConfigured('asnMap') },
  replay_capacity: { line: 'replay_capacity = 2048', look: () => mesh.replay.tableStats().capacity },
  packet_ttl_seconds: { line: 'packet_ttl_seconds = 5', look: asConfigured('packetTtlSeconds'), after: 5 },
  node_requests_per_second: { line: 'node_requests_per_second = 500', look: () => requestRate(), after: 500 },
  log_level: { line: 'log_level = "error"', look: () => log.levels.get('peers'), after: 'error' },
  log_levels: {
    line: 'log_levels = { peers = "trace" }',
    look: () => log.levels.get('peers'),
    after: 'trace',
  },
};

describe('each option, changed while the mesh runs', () => {
  it.each(OPTION_NAMES)(
    '%s does what docs/config.md says',
    async (name) => {
      const { line, look, after } = PROBES[name];
      write();
      expect(await reloader.reload()).toMatchObject({ ok: true });
      const before = await look();
      write(typeof line === 'string' ? line : line());
      const outcome = await reloader.reload();
      if (!outcome.ok) throw new Error(outcome.error);
      if (RELOAD[name].isLive) {
        expect(outcome.changed).toContain(name === 'peer_list' ? 'peers' : name);
        expect(outcome.needRestart).toEqual([]);
        expect(before).not.toEqual(after);
        await vi.waitFor(async () => {
          expect(await look()).toEqual(after);
        }, 5_000);
      } else {
        expect([outcome.changed, outcome.needRestart]).toEqual([[], [name]]);
        expect(reloader.needRestart).toEqual([name]);
        expect(await look()).toEqual(before);
      }
    },
    20_000,
  );
});

describe('a reload', () => {
  it('of a file that is not allowed changes nothing and says why', async () => {
    write('mode = "open"');
    expect(await reloader.reload()).toMatchObject({ ok: true });
    write('min_confirmations = 9', 'mode = "paid"');
    const outcome = await reloader.reload();
    expect(outcome).toMatchObject({ ok: false });
    expect(outcome.ok ? '' : outcome.error).toMatch(/^CONFIG_INVALID: .*config\.toml:\d+:8: mode = "paid"/);
    expect([mesh.config.mode, mesh.config.minConfirmations, policy().minConfirmations]).toEqual([
      'open',
      1,
      1,
    ]);
  });

  it('with more workers than the host has room for beside those that run leaves them, and says so', async () => {
    write();
    await reloader.reload();
    write('workers = 60', 'min_confirmations = 3');
    const outcome = await reloader.reload();
    expect(outcome).toMatchObject({ ok: true, changed: ['min_confirmations'], needRestart: ['workers'] });
    expect(mesh.judge.stats().workers).toBe(1);
  });

  it('that is asked for before the mesh is up comes when it is', async () => {
    const read = vi.fn(() => Promise.reject(new Error('read')));
    const parts = { read, hasRoom: () => true, onChanged: () => undefined, log: { log: () => undefined } };
    const early = new Reloader(parts);
    early.request();
    expect(await early.reload()).toEqual({ ok: false, error: 'the mesh is not up yet' });
    early.attach(mesh);
    await vi.waitFor(() => {
      expect(read).toHaveBeenCalledOnce();
    });
  });
});
