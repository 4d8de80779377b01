// Who is connected to whom, on channels in memory and a virtual clock.
// Rules: docs/transport.md (Whom a node dials, One connection for each node, Limits, Addresses).
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { identity, inOrder } from '../../support/identities.js';
import { MemoryWorld } from '../../support/memory-net.js';
import {
  candidate,
  DECLARATION,
  IDLE_MILLIS,
  startTransport,
  type TestNode,
} from '../../support/transports.js';
import type { TransportOptions } from '../../../src/transport/options.js';

const PORT = 8_334;

function world(): {
  readonly world: MemoryWorld;
  node: (n: number, host: string, changes?: Partial<TransportOptions>) => Promise<TestNode>;
} {
  const made = new MemoryWorld(new VirtualClock());
  return {
    world: made,
    node: (n, host, changes = {}) => {
      const owner = identity(n);
      return startTransport(owner, made.at(host, owner), made.clock, {
        listen: { host, port: PORT },
        ...changes,
      });
    },
  };
}

function names(node: TestNode): readonly string[] {
  return node.transport.peers.map(({ remote }) => remote);
}

describe('transport', () => {
  it('connects to a static peer, tells both who is there, and carries packets in order', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const b = await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(100);
    expect(a.joined).toHaveLength(1);
    expect(b.joined[0]?.hello?.nodeId).toEqual(a.identity.nodeId);
    expect(b.transport.isConnectedTo(`1.1.0.1:${PORT}`)).toBe(true);
    expect(b.transport.isConnectedTo(`3.3.0.1:${PORT}`)).toBe(false);
    const [session] = b.joined;
    if (session === undefined) throw new Error('a connection');
    for (let i = 1; i <= 3; i++) expect(b.transport.send(session, Uint8Array.of(i, i), '')).toBe(true);
    await w.run(20);
    expect(a.packets.map(({ packet }) => packet[0])).toEqual([1, 2, 3]);
    expect(a.packets[0]?.from.nodeId).toEqual(b.identity.nodeId);
  });

  it('tells what it declares: at once where it was configured, and else within a tick', async () => {
    const { world: w, node } = world();
    let baseMsat = 1_000n;
    const declare = (): typeof DECLARATION => ({ ...DECLARATION, baseMsat });
    const a = await node(1, '1.1.0.1', { declare });
    const peers = [candidate(`1.1.0.1:${PORT}`)];
    const told = async (n: number): Promise<unknown> => {
      const b = await node(n, `${n}.2.0.1`, { peers });
      await w.run(100);
      return b.joined[0]?.hello?.baseMsat;
    };
    expect(await told(2)).toBe(1_000n);
    baseMsat = 2_000n;
    a.transport.configure({
      advertised: [],
      maxPeers: 128,
      outboundPeers: 8,
      idleMillis: IDLE_MILLIS,
      keepAliveMillis: 20_000,
    });
    expect(await told(3)).toBe(2_000n);
    baseMsat = 3_000n;
    await w.run(LIMITS.TRANSPORT_TICK_MILLIS);
    expect(await told(4)).toBe(3_000n);
  });

  it('sends all that waits before it ends, and takes nothing more', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const b = await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(100);
    const [toB, toA] = [a.joined[0], b.joined[0]];
    if (toB === undefined || toA === undefined) throw new Error('both are joined');
    const large = new Uint8Array(50_000);
    for (let i = 0; i < 20; i++) expect(a.transport.send(toB, large, '')).toBe(true);
    expect(toB.outbox.pendingBytes).toBeGreaterThan(LIMITS.TRANSPORT_UNSENT_BYTES);
    let isClosed = false;
    const closing = a.transport.close().then(() => (isClosed = true));
    expect(a.transport.send(toB, large, '')).toBe(false);
    b.transport.send(toA, large, '');
    await w.run(LIMITS.TRANSPORT_FAREWELL_MILLIS - 100);
    expect(isClosed).toBe(true);
    await closing;
    expect(b.packets).toHaveLength(20);
    expect(a.packets).toEqual([]);
    expect([a.lost.length, b.lost.length]).toEqual([1, 1]);
    await node(3, '3.3.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(100);
    expect(a.joined).toHaveLength(1);
  });

  it('waits for who reads nothing no longer than it has to', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(100);
    for (const ends of w.pairs) for (const end of ends) end.isRead = false;
    const [session] = a.joined;
    if (session === undefined) throw new Error('a connection');
    a.transport.send(session, new Uint8Array(5_000), '');
    let isClosed = false;
    const closing = a.transport.close().then(() => (isClosed = true));
    await w.run(LIMITS.TRANSPORT_FAREWELL_MILLIS - 100);
    expect(isClosed).toBe(false);
    await w.run(200);
    await closing;
    expect(a.lost).toEqual([session]);
  });

  it('keeps one connection of two that are dialled from both ends at once, the same on both sides', async () => {
    const { world: w } = world();
    const [small, large] = inOrder(identity(1), identity(2));
    const of = (id: typeof small, host: string, other: string) =>
      startTransport(id, w.at(host, id), w.clock, {
        listen: { host, port: PORT },
        peers: [candidate(`${other}:${PORT}`)],
      });
    const a = await of(small, '1.1.0.1', '2.2.0.1');
    const b = await of(large, '2.2.0.1', '1.1.0.1');
    await w.run(5_000);
    expect(w.pairs).toHaveLength(2);
    expect(a.transport.peers.map(({ isOutbound }) => isOutbound)).toEqual([true]);
    expect(b.transport.peers.map(({ isOutbound }) => isOutbound)).toEqual([false]);
    const [kept] = w.pairs.filter(([near]) => !near.isClosed);
    expect(kept?.[0].nodeId).toEqual(large.nodeId);
  });

  it('lets a peer that was restarted replace its dead connection', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const peers = [candidate(`1.1.0.1:${PORT}`)];
    await node(2, '2.2.0.1', { peers });
    await w.run(100);
    // The first process is gone without a word: its end of the stream never says so.
    const again = await node(2, '2.2.0.1', { peers });
    await w.run(100);
    expect(a.transport.peers).toHaveLength(1);
    expect(a.transport.peers[0]).toBe(a.joined[1]);
    expect(a.lost).toEqual([a.joined[0]]);
    expect(again.transport.peers).toHaveLength(1);
  });

  it('refuses another node than the pinned one, and tries again later and later', async () => {
    const { world: w, node } = world();
    await node(1, '1.1.0.1');
    const pin = identity(9).nodeId;
    const b = await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`, { pin })] });
    await w.run(60_000, 50);
    expect(b.joined).toEqual([]);
    expect(new Set(b.refused)).toEqual(new Set([Reason.PinMismatch]));
    // 1, 2, 4, 8, 16, 32 seconds, each with jitter.
    expect(w.dials.length).toBeGreaterThanOrEqual(5);
    expect(w.dials.length).toBeLessThanOrEqual(7);
  });

  it('refuses itself, and does not dial itself for ever', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(2_000);
    expect(a.transport.peers).toEqual([]);
    expect(a.refused).toContain(Reason.SelfConnection);
  });

  it('refuses whoever is on another network', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const b = await node(2, '2.2.0.1', { network: 'mainnet', peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(50);
    expect([...a.refused, ...b.refused]).toContain(Reason.HelloOtherNetwork);
    expect(a.transport.peers).toEqual([]);
  });

  it('has room for static peers where it has none for others', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1', { maxPeers: 1, peers: [candidate(`4.4.0.1:${PORT}`)] });
    await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(100);
    await node(3, '3.3.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await node(4, '4.4.0.1');
    await w.run(4_000);
    expect(names(a)).toHaveLength(2);
    expect(names(a)).toContain(`4.4.0.1:${PORT}`);
    expect(a.refused).toContain(Reason.TooManyPeers);
  });

  it('learns addresses from a bootstrap node and fills its slots, each in another network group', async () => {
    const { world: w, node } = world();
    const boot = [candidate(`9.9.0.1:${PORT}`, { source: 'bootstrap' })];
    await node(9, '9.9.0.1');
    // Four in one group, three in groups of their own; each tells where it can be dialled.
    const hosts = ['5.5.0.1', '5.5.0.2', '5.5.0.3', '5.5.0.4', '6.6.0.1', '7.7.0.1', '8.8.0.1'];
    for (const [i, host] of hosts.entries()) {
      await node(20 + i, host, { advertised: [`${host}:${PORT}`], outboundPeers: 1, peers: boot });
    }
    // The bootstrap node dials what it was told, and so comes to know it.
    await w.run(8_000, 20);
    const fresh = await node(50, '30.30.0.1', { outboundPeers: 4, peers: boot });
    await w.run(8_000, 20);
    const outbound = fresh.transport.peers.filter(({ isOutbound }) => isOutbound);
    const groups = outbound.map(({ remote }) => remote.split('.').slice(0, 2).join('.'));
    expect(new Set(groups).size).toBe(groups.length);
    expect(groups.length).toBeGreaterThanOrEqual(3);
    expect(groups).toContain('9.9');
  });

  it('learns no private address from a public peer', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const advertised = [
      '10.0.0.7:8334',
      '127.0.0.1:22',
      '[::1]:80',
      '192.168.1.1:80',
      'router.local:80',
      '2.2.0.9:8334',
    ];
    await node(2, '2.2.0.1', { advertised: advertised.slice(0, 4), peers: [candidate(`1.1.0.1:${PORT}`)] });
    await node(3, '3.3.0.1', { advertised: advertised.slice(4), peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(3_000);
    // The last one alone: where its teller can be dialled, should it leave.
    expect(a.transport.stats().known).toBe(1);
    expect(w.dials.every((to) => to.startsWith('1.1.'))).toBe(true);
    expect(a.transport.peers).toHaveLength(2);
  });

  it('bans an address that sends what no honest node sends, for a while', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const mallory = identity(66);
    const attack = async (): Promise<boolean> => {
      const dialled = await Promise.race([
        w.dial(mallory, '6.6.6.6', `1.1.0.1:${PORT}`),
        w.run(50).then(() => null),
      ]);
      if (dialled?.ok !== true) return false;
      dialled.channel.listen({ onData: () => undefined, onClose: () => undefined });
      dialled.channel.write(Uint8Array.of(0, 0, 0, 0), () => undefined);
      await w.run(50);
      return true;
    };
    for (let i = 0; i < LIMITS.TRANSPORT_STRIKES; i++) expect(await attack()).toBe(true);
    expect(await attack()).toBe(false);
    expect(a.refused).toContain(Reason.FrameEmpty);
    expect(a.refused.at(-1)).toBe(Reason.PeerBanned);
    expect(a.transport.stats().bans).toBe(1);
    const [ban] = a.transport.bans(10);
    expect(ban?.name).toBe('6.6.6.6');
    expect(ban?.secondsLeft).toBeLessThanOrEqual(LIMITS.TRANSPORT_BAN_MILLIS / 1_000);
    expect(ban?.secondsLeft).toBeGreaterThan(LIMITS.TRANSPORT_BAN_MILLIS / 1_000 - 10);
    await w.run(LIMITS.TRANSPORT_BAN_MILLIS, 1_000);
    expect(a.transport.bans(10)).toEqual([]);
    expect(await attack()).toBe(true);
  });

  it('keeps a quiet connection alive, and closes a dead one', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const b = await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(IDLE_MILLIS + 30_000, 100);
    expect(a.transport.peers).toHaveLength(1);
    expect(b.lost).toEqual([]);
    expect(a.packets.length).toBeGreaterThan(3);
    // From now on nothing of b arrives any more.
    const [near] = w.pairs[0] ?? [];
    if (near === undefined) throw new Error('a pair');
    near.other = null;
    await w.run(IDLE_MILLIS + 2_000, 100);
    expect(a.refused).toContain(Reason.PeerIdle);
  });

  it('lets a peer that does not read cost a bounded buffer, then its connection', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    await node(2, '2.2.0.1', { peers: [candidate(`1.1.0.1:${PORT}`)] });
    await w.run(100);
    const [session] = a.joined;
    const [, far] = w.pairs[0] ?? [];
    if (session === undefined || far === undefined) throw new Error('a connection');
    far.isRead = false;
    const packet = new Uint8Array(10_000);
    let taken = 0;
    while (taken < 10_000 && a.transport.send(session, packet, 'x')) taken++;
    expect(taken).toBeLessThan(10_000);
    expect(a.refused).toContain(Reason.LinkFull);
    expect(session.outbox.pendingBytes).toBeLessThan(
      LIMITS.TRANSPORT_UNSENT_BYTES + LIMITS.TRANSPORT_FREE_QUEUE_BYTES + 2 * LIMITS.TRANSPORT_BLOCK_BYTES,
    );
    await w.run(LIMITS.TRANSPORT_SLOW_MILLIS + 2_000, 100);
    expect(a.refused).toContain(Reason.SlowReader);
    expect(a.transport.peers).toEqual([]);
  });

  it('cuts off and bans a node that sends too much of what does not decode', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const peers = [candidate(`1.1.0.1:${PORT}`)];
    await node(2, '2.2.0.1', { peers });
    await w.run(100);
    const [session] = a.joined;
    if (session === undefined) throw new Error('a connection');
    for (let i = 0; i < 10 * LIMITS.TRANSPORT_BAD_PER_SECOND; i++) a.transport.misbehaved(session);
    expect(a.transport.peers).toHaveLength(1);
    a.transport.misbehaved(session);
    expect(a.transport.peers).toEqual([]);
    await w.run(10_000, 20);
    expect(a.transport.peers).toEqual([]);
    expect(a.refused).toContain(Reason.PeerMisbehaved);
    expect(a.refused).toContain(Reason.PeerBanned);
  });

  it('gives its places back: connections that come and go do not use up the limits', async () => {
    const { world: w, node } = world();
    const a = await node(1, '1.1.0.1');
    const visitor = identity(7);
    for (let i = 0; i < 100; i++) {
      const [dialled] = await Promise.all([w.dial(visitor, '7.7.0.1', `1.1.0.1:${PORT}`), w.run(20)]);
      if (dialled.ok) dialled.channel.destroy();
      await w.run(1_000, 100);
    }
    await w.run(100);
    expect(a.transport.stats()).toMatchObject({ connections: 0, handshakes: 0, bans: 0 });
  });
});
