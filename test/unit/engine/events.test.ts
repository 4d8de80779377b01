// The node's events: packets are judged side by side up to a bound, what has no effect is ignored, order is kept.
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { EVENT_TABLE, SUBSCRIBED_EVENTS } from '../../../src/engine/event-table.js';
import { followEvents, type EventParts } from '../../../src/engine/events.js';
import { generationFor } from '../../../src/node/generations.js';
import { EVENTS } from '../../../src/node/table-events.js';
import type { NodeEvent } from '../../../src/node/messages.js';
import { EngineNet } from '../../support/engine-net.js';
import { testLog } from '../../support/log.js';
import { encodePacket } from '../../../src/packet/packet.js';

const packetEvent = (n: number, address = 'peer'): NodeEvent => ({
  name: 'MeshPacketReceived',
  value: { packet_data: Uint8Array.of(n), peer_addr: address },
});

const connectedEvent = (address: string): NodeEvent => ({
  name: 'PeerConnected',
  value: { peer_addr: address, transport_type: 'tcp', services: 0n, version: 1, peer_node_id: null },
});

/** A stream that the test fills; it notes how much of it was taken. */
class Stream implements AsyncIterable<NodeEvent> {
  taken = 0;
  readonly #events: NodeEvent[] = [];
  #wake: (() => void) | null = null;
  #isOver = false;

  push(...events: NodeEvent[]): void {
    this.#events.push(...events);
    this.#wake?.();
  }

  end(): void {
    this.#isOver = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<NodeEvent> {
    for (;;) {
      const event = this.#events[this.taken];
      if (event !== undefined) {
        this.taken += 1;
        yield event;
      } else if (this.#isOver) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Bench {
  readonly stream: Stream;
  readonly parts: EventParts;
  readonly ended: Promise<void>;
  readonly calls: string[];
  readonly shutdowns: () => number;
  /** Packets under way, oldest first: calling one ends it. */
  readonly underWay: (() => void)[];
}

/** Events go to doubles that note what they were told; each packet stays under way until the test ends it. */
async function benchOf(): Promise<Bench> {
  const net = await EngineNet.start({ nodes: 1, links: [] });
  const { manager, peers, settlements } = net.node(0);
  const calls: string[] = [];
  const underWay: (() => void)[] = [];
  let shutdowns = 0;
  manager.handlePacket = (bytes, address) => {
    calls.push(`packet ${String(bytes[0])} from ${address}`);
    return new Promise((resolve) => {
      underWay.push(() => {
        resolve({ kind: 'control' });
      });
    });
  };
  const connected = peers.connected.bind(peers);
  const disconnected = peers.disconnected.bind(peers);
  peers.connected = (address) => {
    calls.push(`connected ${address}`);
    return connected(address);
  };
  peers.disconnected = (address) => {
    calls.push(`disconnected ${address}`);
    disconnected(address);
  };
  settlements.outputsChanged = () => calls.push('outputs changed');
  peers.restrain = (address) => calls.push(`restrained ${address}`);
  settlements.chainChanged = () => calls.push('chain changed');
  const invoices = {
    created: (invoice: string) => calls.push(`invoice ${invoice}`),
    settled: (invoice: string, msat: bigint) => calls.push(`settled ${invoice} with ${msat}`),
  };
  const onNodeShutdown = (): number => (shutdowns += 1);
  const delivery = { moduleGone: (name: string) => calls.push(`gone ${name}`) };
  const parts: EventParts = {
    manager,
    peers,
    settlements,
    invoices,
    delivery,
    log: testLog(),
    onNodeShutdown,
    greetPeers: () => calls.push('greet'),
    reload: () => calls.push('reload'),
    maintain: () => calls.push('maintain'),
  };
  const stream = new Stream();
  const ended = followEvents(stream, parts);
  return { stream, parts, ended, calls, underWay, shutdowns: () => shutdowns };
}

describe('events > packets', () => {
  it('are judged side by side, up to the bound: past it the stream waits, and goes on with each that ends', async () => {
    const { stream, calls, underWay } = await benchOf();
    const most = LIMITS.PACKETS_QUEUED;
    for (let n = 0; n < most + 10; n++) stream.push(packetEvent(n % 200));
    await settle();
    expect(calls).toHaveLength(most);
    // The one that waits was taken off the stream, and no other behind it.
    expect(stream.taken).toBe(most + 1);
    underWay.shift()?.();
    await settle();
    expect(calls).toHaveLength(most + 1);
    expect(stream.taken).toBe(most + 2);
    for (const end of underWay.splice(0)) end();
    await settle();
    expect(calls).toHaveLength(most + 10);
  });

  it('are given on in the order in which they came, among the other events', async () => {
    const { stream, calls } = await benchOf();
    stream.push(connectedEvent('a'), packetEvent(1, 'a'), packetEvent(2, 'a'), {
      name: 'PeerDisconnected',
      value: { peer_addr: 'a', reason: 'gone' },
    });
    await settle();
    expect(calls).toEqual(['connected a', 'packet 1 from a', 'packet 2 from a', 'disconnected a']);
  });

  it('of real peers go through the engine', async () => {
    const net = await EngineNet.start({ nodes: 2, links: [[0, 1]] });
    const { manager, peers, settlements } = net.node(1);
    const stream = new Stream();
    const none = (): undefined => undefined;
    const ended = followEvents(stream, {
      ...{ manager, peers, settlements, log: testLog(), onNodeShutdown: none },
      invoices: { created: none, settled: none },
      delivery: { moduleGone: none },
      ...{ greetPeers: none, reload: none, maintain: none },
    });
    const packet_data = encodePacket(net.packet([0, 1]));
    stream.push({ name: 'MeshPacketReceived', value: { packet_data, peer_addr: net.addressOf(0) } });
    stream.end();
    await ended;
    await net.run(10);
    expect(net.node(1).delivered()).toHaveLength(1);
    await net.close();
  });
});

describe('events > others', () => {
  it('a ban is a lost peer, and a shutdown is passed on', async () => {
    const { stream, calls, shutdowns } = await benchOf();
    stream.push(
      { name: 'PeerBanned', value: { peer_addr: 'b', reason: 'bad', ban_duration_seconds: 1n } },
      { name: 'NodeShutdown', value: { reason: 'done', timeout_seconds: 1n } },
    );
    await settle();
    expect(calls).toEqual(['disconnected b']);
    expect(shutdowns()).toBe(1);
  });

  it('of the chain tell that what the node said about payments may not hold any more', async () => {
    const { stream, calls } = await benchOf();
    const hash = new Uint8Array(32);
    stream.push(
      { name: 'NewBlock', value: { block_hash: hash, height: 1n } },
      { name: 'BlockDisconnected', value: { hash, height: 1n } },
      { name: 'ChainReorg', value: { old_tip: hash, new_tip: hash } },
    );
    await settle();
    expect(calls).toEqual(['outputs changed', 'chain changed', 'chain changed']);
  });

  it('of invoices that the node issues, and of what was paid for them, are passed on', async () => {
    const { stream, calls } = await benchOf();
    const created = { payment_id: 'p', amount_sats: 1n };
    stream.push(
      { name: 'PaymentRequestCreated', value: { ...created, invoice: 'lnbcrt1' } },
      { name: 'PaymentRequestCreated', value: { ...created, invoice: null } },
      { name: 'PaymentVerified', value: { payment_id: 'p', amount_msats: 999n, invoice: 'lnbcrt1' } },
    );
    await settle();
    expect(calls).toEqual(['invoice lnbcrt1', 'settled lnbcrt1 with 999']);
  });

  it('a peer too many is refused and logged, no more', async () => {
    const { stream, parts } = await benchOf();
    for (let n = 0; n < 100; n++) {
      stream.push(connectedEvent(`p${n}`));
    }
    await settle();
    expect(parts.peers.list()).toHaveLength(64);
    expect((parts.log as ReturnType<typeof testLog>).lines).toHaveLength(36);
  });

  it('without an effect here are ignored', async () => {
    const { stream, calls, ended } = await benchOf();
    stream.push(
      { name: 'NewTransaction', value: { tx_hash: new Uint8Array(32) } },
      { name: 'RouteFailed', value: { destination: new Uint8Array(32), reason: 'x' } },
    );
    stream.end();
    await ended;
    expect(calls).toEqual([]);
  });

  it('the end of the stream ends the following, whatever is under way', async () => {
    const { stream, ended, underWay } = await benchOf();
    stream.push(packetEvent(1));
    stream.end();
    await ended;
    expect(underWay).toHaveLength(1);
  });

  it('of peers that ask too much cost them what they had saved of their quotas', async () => {
    const { stream, calls } = await benchOf();
    stream.push(
      { name: 'DoSAttackDetected', value: { peer_addr: 'a', attack_type: 'flood', severity: 'high' } },
      { name: 'RateLimitExceeded', value: { peer_addr: 'b', limit_type: 'x', current_rate: 2, limit: 1 } },
    );
    await settle();
    expect(calls).toEqual(['restrained a', 'restrained b']);
  });

  it('of a partition lose the peers behind it; what is back, or a node that is up, is greeted', async () => {
    const { stream, calls } = await benchOf();
    const partition_id = new Uint8Array(8);
    stream.push(
      {
        name: 'NetworkPartition',
        value: { partition_id, disconnected_peers: ['a', 'b'], partition_size: 2n },
      },
      { name: 'NetworkReconnected', value: { partition_id, reconnected_peers: ['a'] } },
      { name: 'NodeStartupCompleted', value: { duration_ms: 1n, components: [] } },
    );
    await settle();
    expect(calls).toEqual(['disconnected a', 'disconnected b', 'greet', 'greet']);
  });

  it('of modules that end free their protocols', async () => {
    const { stream, calls } = await benchOf();
    stream.push(
      { name: 'ModuleUnloaded', value: { module_name: 'm1', version: '1' } },
      { name: 'ModuleStopped', value: { module_name: 'm2' } },
      { name: 'ModuleCrashed', value: { module_name: 'm3', error: 'x' } },
    );
    await settle();
    expect(calls).toEqual(['gone m1', 'gone m2', 'gone m3']);
  });

  it('of configuration, maintenance, payments and the mempool do what the table says; shortages are logged', async () => {
    const { stream, calls, parts } = await benchOf();
    stream.push(
      { name: 'ConfigLoaded', value: { changed_sections: [], config_json: null } },
      {
        name: 'DataMaintenance',
        value: {
          operation: 'prune',
          urgency: 'low',
          reason: '',
          target_age_days: null,
          timeout_seconds: null,
        },
      },
      { name: 'PaymentSettled', value: { payment_id: 'p', tx_hash: new Uint8Array(32), confirmations: 1 } },
      { name: 'MempoolCleared', value: { cleared_count: 1n } },
      {
        name: 'DiskSpaceLow',
        value: { available_bytes: 1n, total_bytes: 2n, percent_free: 1, disk_path: '/' },
      },
    );
    await settle();
    expect(calls).toEqual(['reload', 'maintain', 'chain changed', 'chain changed']);
    expect((parts.log as ReturnType<typeof testLog>).lines).toHaveLength(1);
  });
});

describe('events > the table', () => {
  it('names events that the node has, each once, with an effect or a reason for having none', () => {
    expect(SUBSCRIBED_EVENTS.filter((name) => !(name in EVENTS))).toEqual([]);
    expect(new Set(SUBSCRIBED_EVENTS).size).toBe(SUBSCRIBED_EVENTS.length);
    expect(EVENT_TABLE.filter(({ effect, whyNone }) => (effect === null) === (whyNone === ''))).toEqual([]);
  });

  it('holds 46 events or more of what generations from 0.1.10 on have', () => {
    const { EventPayload = {} } = generationFor('0.1.10').generation.enums;
    expect(SUBSCRIBED_EVENTS.filter((name) => name in EventPayload).length).toBeGreaterThanOrEqual(46);
  });
});
