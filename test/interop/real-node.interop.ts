// Against a real blvm-node: `npm run test:interop` with BLVM_REAL_NODE=path/of/realnode. What was measured is in
// docs/interop.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { askModule } from '../../src/api/door/client.js';
import { toHex, utf8 } from '../../src/core/bytes.js';
import { systemClock } from '../../src/core/clock.js';
import { nodeIdOf, parseNodeId, type NodeId } from '../../src/core/ids.js';
import { systemRandom } from '../../src/core/random.js';
import type { NodeEvent } from '../../src/node/messages.js';
import { ModuleIntegration } from '../../src/node/module-integration.js';
import { helloPacket } from '../../src/packet/control.js';
import { encodePacket, PACKET_VERSION, type MeshPacket } from '../../src/packet/packet.js';
import { eventTypesOf, verdictsOf, type InteropStatus } from './support.js';
import { configText } from '../support/mesh-bed.js';
import {
  endAll,
  endLater,
  MeshProcess,
  runCli,
  temporaryDirectory,
  waitFor,
} from '../support/mesh-process.js';
import { REAL_NODE, RealNode } from './real-node.js';
import { WireTap } from './wire-tap.js';

const MESH = 'blvm-mesh';
const BURST = 100_000;
const LOAD_SECONDS = Number(process.env['BLVM_INTEROP_LOAD_SECONDS'] ?? 600);
const MIB = 1_048_576;
/** `verack` of regtest: a whole Bitcoin message, free in every mode. */
const VERACK = Buffer.from('fabfb5da76657261636b000000000000000000005df6e0e2', 'hex');

/** Whom events tell of. */
const REMOTE: NodeId = nodeIdOf(new Uint8Array(32).fill(0x11));
const PEER = '203.0.113.9:8333';

/** Every figure of a run on one line, for docs/interop.md. */
function report(what: string, facts: object): void {
  process.stderr.write(`interop: ${what} ${JSON.stringify(facts)}\n`);
}

if (REAL_NODE === '')
  process.stderr.write('interop: skipped, since BLVM_REAL_NODE names no built real node\n');

afterEach(endAll);

async function connectAs(
  moduleId: string,
  socketPath: string,
  requestsPerSecond?: number,
): Promise<ModuleIntegration> {
  const integration = await ModuleIntegration.connect({
    socketPath,
    moduleId,
    moduleName: moduleId,
    version: '0.1.0',
    clock: systemClock,
    random: systemRandom,
    log: { log: () => undefined },
    connectTimeoutMillis: 20_000,
    ...(requestsPerSecond === undefined ? {} : { requestsPerSecond }),
  });
  endLater(() => integration.close());
  return integration;
}

/** A module process, attached as an operator attaches it. */
class Attached {
  readonly dataDir: string = join(temporaryDirectory(), 'data');
  readonly module: MeshProcess;

  constructor(socketPath: string) {
    mkdirSync(this.dataDir, { mode: 0o700 });
    const quotas = ['rate_limit_per_minute', 'free_packets_per_minute'].map((name) => `${name} = 100000000`);
    const text = configText([...quotas, 'free_bytes_per_minute = 1000000000000']);
    writeFileSync(join(this.dataDir, 'config.toml'), text.replace(/^node_requests_per_second.*$/m, ''));
    this.module = new MeshProcess(['run', '--socket', socketPath, '--data-dir', this.dataDir]);
  }

  async status(): Promise<InteropStatus | null> {
    try {
      return (await askModule(this.dataDir, 'status', {})) as InteropStatus;
    } catch {
      return null;
    }
  }

  /** Waits until status says so. */
  until(what: string, holds: (status: InteropStatus) => boolean, millis = 60_000): Promise<InteropStatus> {
    const probe = async (): Promise<InteropStatus | null> => {
      if (!this.module.isAlive) throw new Error(`the module ended: ${this.module.stderr}`);
      const status = await this.status();
      await new Promise((resolve) => setTimeout(resolve, 50));
      return status !== null && holds(status) ? status : null;
    };
    return waitFor(what, probe, millis);
  }
}

function freePacket(from: NodeId, to: NodeId, sequence: bigint): MeshPacket {
  return {
    version: PACKET_VERSION,
    packetType: 'BitcoinP2P',
    source: from,
    destination: to,
    route: [from, to],
    sequence,
    timestamp: BigInt(systemClock.unixSeconds()),
    paymentProof: null,
    payload: VERACK,
    metadata: null,
  };
}

/**
 * Brings a peer that only events speak of to the module: the node refuses what the module sends to it, until it stops.
 * Since it cannot answer the challenge, nothing proves it: it may deliver packets for the module, and is no neighbour.
 */
async function introduce(node: RealNode, attached: Attached): Promise<InteropStatus> {
  const up = await attached.until('the module is up', ({ node: { state } }) => state === 'connected');
  const header = { self: REMOTE, sequence: 1n, nowSeconds: systemClock.unixSeconds() };
  const hello = toHex(encodePacket(helloPacket(header, selfOf(up))));
  return waitFor(
    'its hello has come, and sending to it is given up',
    async () => {
      await node.command(`mesh ${hello} ${PEER}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
      const status = await attached.status();
      const isRefused =
        status?.node.refused.some(({ request }) => request === 'SendMeshPacketToPeer') === true;
      const hasHello = (status?.counters.counts['packets_control'] ?? 0) > 0;
      return isRefused && hasHello && status.node.state === 'connected' ? status : null;
    },
    120_000,
  );
}

function selfOf({ nodeId }: InteropStatus): NodeId {
  const self = parseNodeId(nodeId);
  if (self === null) throw new Error('status tells the node id');
  return self;
}

describe.skipIf(REAL_NODE === '')('a module attached to a real node', () => {
  it('shakes hands, subscribes to every event of the generation, and asks about chain, network and payments', async () => {
    const node = await RealNode.start();
    await node.command(`perm ${MESH}`);
    const tap = await WireTap.open('queries', node.socketPath);
    const mesh = await connectAs(MESH, tap.path);
    const events = eventTypesOf(mesh.nodeVersion);
    await mesh.subscribeEvents(events);
    expect(await node.command('subs')).toContain(MESH);
    const api = mesh.nodeApi();
    const tip = await api.getChainTip();
    const answers = {
      height: await api.getBlockHeight(),
      tip: toHex(tip),
      info: (await api.getChainInfo()).height,
      header: (await api.getBlockHeader(tip)) !== null,
      utxo: await api.getUtxo({ hash: new Uint8Array(32), index: 0 }),
      peers: (await api.getNetworkPeers()).length,
      lightning: await api.getLightningInfo(),
      lightningModule: await api.isModuleAvailable('blvm-lightning'),
    };
    expect(answers).toMatchObject({
      height: 0n,
      info: 0n,
      header: true,
      utxo: null,
      peers: 0,
      lightning: null,
      lightningModule: false,
    });
    expect(mesh.stats()).toMatchObject({ lost: 0, corrupt: 0, ignored: 0, refusedRequests: [] });
    // A node without payments closes the connection, as it does on everything that fails: learnt, and done without.
    for (let strike = 1; strike <= 2; strike++) {
      await expect(api.getPaymentState('nobody asked for this')).rejects.toThrow('GetPaymentState');
      await waitFor('the connection is back', () => mesh.state === 'connected', 20_000);
    }
    expect(mesh.stats().refusedRequests).toEqual(['GetPaymentState']);
    expect(await api.getBlockHeight()).toBe(0n);
    report('queries', {
      nodeVersion: mesh.nodeVersion,
      generation: mesh.stats().generation,
      events: events.length,
      tip: answers.tip,
    });
  });

  it('sees an event that it publishes; a second subscriber sees one on the next connection', async () => {
    const node = await RealNode.start();
    const published: NodeEvent = {
      name: 'RouteFailed',
      value: { destination: new Uint8Array(32), reason: 'interop' },
    };
    for (const moduleId of [MESH, 'second']) {
      await node.command(`perm ${moduleId}`);
      const tap = await WireTap.open(`publish-${moduleId}`, node.socketPath);
      const mesh = await connectAs(moduleId, tap.path);
      const seen: string[] = [];
      mesh.onEvent(({ name }) => void seen.push(name));
      await mesh.subscribeEvents(['RouteFailed']);
      await mesh.publish(published);
      await waitFor('the event comes', () => seen.includes('RouteFailed'));
      await mesh.close();
    }
  });

  it(`receives ${BURST} packets in one burst, decodes and judges them, and loses none`, async () => {
    const node = await RealNode.start();
    await node.command(`perm ${MESH}`);
    const tap = await WireTap.open('burst', node.socketPath);
    const attached = new Attached(tap.path);
    const bytes = encodePacket(freePacket(REMOTE, selfOf(await introduce(node, attached)), 1_000n));
    const count = ({ counters }: InteropStatus): number => counters.counts['packets_received'] ?? 0;
    // Where the socket is not read for a moment, the node itself drops events: then the burst counts as no burst.
    for (let attempt = 1; ; attempt++) {
      const before = await attached.until('it is idle', () => true);
      const startedMillis = performance.now();
      tap.watch(bytes);
      const published = await node.command(`mesh ${toHex(bytes)} ${PEER} ${BURST}`);
      const isOver = (status: InteropStatus): boolean =>
        count(status) - count(before) === tap.watched &&
        verdictsOf(status) - verdictsOf(before) === tap.watched;
      await attached.until('all that the node sent is judged', isOver, 60_000);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const after = await attached.until('nothing came later', isOver);
      expect(after.node.events.dropped).toBe(0);
      expect(after.node).toMatchObject({ state: 'connected', corrupt: 0, lost: before.node.lost });
      // On a busy machine some of the verdicts are Overloaded: one peer has one queue.
      const { refused } = after.counters;
      const tookMillis = Math.round(performance.now() - startedMillis) - 1_000;
      report('burst', { attempt, published, sent: tap.watched, tookMillis, refused });
      if (tap.watched === BURST) break;
      expect(attempt, 'bursts of which the node dropped a part').toBeLessThan(5);
    }
  });

  it('goes on without what the node does not permit, says so, and does not loop', async () => {
    const node = await RealNode.start();
    const tap = await WireTap.open('refusals', node.socketPath);
    const attached = new Attached(tap.path);
    const status = await attached.until(
      'the mesh is up',
      ({ node: { state, refused } }) => state === 'connected' && refused.length >= 2,
      150_000,
    );
    const refused = status.node.refused.map(({ request }) => request);
    expect(refused).toEqual(expect.arrayContaining(['GetNetworkPeers', 'RegisterModuleApi']));
    expect(
      status.node.refused.every(
        ({ consequence, remedy }) => consequence !== '' && remedy.includes('capabilities'),
      ),
    ).toBe(true);
    const settled = await attached.status();
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const later = await attached.status();
    expect(later?.node).toMatchObject({ state: 'connected', lost: settled?.node.lost });
    report('refusals', { refused, connectionsLost: status.node.lost });
  });

  it('connects again to a node that was killed under load, and judges on', async () => {
    const work = temporaryDirectory();
    const first = await RealNode.start({ work });
    await first.command(`perm ${MESH}`);
    const attached = new Attached(first.socketPath);
    const before = await introduce(first, attached);
    const self = selfOf(before);
    void first
      .command(`mesh ${toHex(encodePacket(freePacket(REMOTE, self, 2_000n)))} ${PEER} 1000000`)
      .catch(() => undefined);
    await attached.until(
      'the load arrives',
      ({ counters }) => (counters.counts['packets_received'] ?? 0) > 5_000,
    );
    await first.kill();
    const down = await attached.until('the end is noticed', ({ node: { state } }) => state !== 'connected');
    const second = await RealNode.start({ work });
    await second.command(`perm ${MESH}`);
    await introduce(second, attached);
    const received = (await attached.status())?.counters.counts['packets_received'] ?? 0;
    await second.command(`mesh ${toHex(encodePacket(freePacket(REMOTE, self, 3_000n)))} ${PEER} 1000`);
    const after = await attached.until(
      'it judges on',
      ({ counters }) => (counters.counts['packets_received'] ?? 0) >= received + 1_000,
    );
    expect(after.uptimeSeconds).toBeGreaterThanOrEqual(down.uptimeSeconds);
    report('killed node', {
      connectionsLost: after.node.lost,
      packetsBefore: down.counters.counts['packets_received'],
    });
  });

  it(
    `asks for ${LOAD_SECONDS} s as fast as it may, among events, and never trips the rate limit of the node`,
    async () => {
      const node = await RealNode.start();
      await node.command(`perm ${MESH}`);
      const tap = await WireTap.open('load', node.socketPath);
      const mesh = await connectAs(MESH, tap.path);
      let events = 0;
      mesh.onEvent(() => {
        events++;
      });
      await mesh.subscribeEvents(['MeshPacketReceived']);
      const api = mesh.nodeApi();
      const until = performance.now() + 1_000 * LOAD_SECONDS;
      let answered = 0;
      const ask = async (): Promise<void> => {
        while (performance.now() < until) {
          await api.getBlockHeight();
          answered++;
        }
      };
      let published = 0;
      const publish = async (): Promise<void> => {
        while (performance.now() < until) {
          await node.command(`mesh ${toHex(utf8('MESH and no packet'))} ${PEER} 50`);
          published += 50;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      };
      await Promise.all([...Array.from({ length: 200 }, ask), publish()]);
      await waitFor('the last events', () => events >= published, 10_000);
      expect(mesh.stats()).toMatchObject({ lost: 0, connections: 1, refusedRequests: [] });
      expect(tap.closed).toBe(0);
      expect(events).toBe(published);
      expect(answered / LOAD_SECONDS).toBeGreaterThan(60);
      report('load', { seconds: LOAD_SECONDS, answered, perSecond: answered / LOAD_SECONDS, events });
    },
    1_000 * (LOAD_SECONDS + 120),
  );
});

describe.skipIf(REAL_NODE === '')('a module that a real node starts', () => {
  async function startedWith(moduleMemoryBytes?: number): Promise<RealNode> {
    const work = temporaryDirectory();
    const { code, stderr } = await runCli(['install', join(work, 'modules')]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const limits = moduleMemoryBytes === undefined ? {} : { moduleMemoryBytes };
    return RealNode.start({ work, enabledModules: [MESH], ...limits });
  }

  it('under the 512 MiB of the default is refused by its launcher, who says which setting to change', async () => {
    const node = await startedWith();
    const log = await waitFor('the launcher has written to the log', () => node.moduleLog() || null, 60_000);
    expect(log).toContain('512 MiB of address space; the least that works is');
    expect(log).toContain('default_max_memory_bytes');
    report('spawned, default limits', { log: log.trim().split('\n').at(-1) });
  });

  it('with 2 GiB comes up to where this node lets it: waiting for its turn on the socket', async () => {
    const node = await startedWith(2_048 * MIB);
    const log = await waitFor(
      'the module says what it waits for',
      () =>
        /waiting for it/.test(node.moduleLog()) || /the mesh is up/.test(node.moduleLog())
          ? node.moduleLog()
          : null,
      90_000,
    );
    const answer = await node.command('call get_node_id');
    report('spawned, 2 GiB', {
      log: log
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { msg: string }).msg),
      call: answer,
    });
    expect(log).not.toContain('the least that works');
    expect(log).toContain('starting');
  });
});
