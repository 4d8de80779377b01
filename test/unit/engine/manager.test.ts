// The coordinator in whole networks: delivery over several hops, duplicates and replays, refusals that change
// nothing, free traffic. What happens when neighbours are lost is in repair.test.ts.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { Reason, reasonName } from '../../../src/core/reasons.js';
import { MeshError } from '../../../src/core/errors.js';
import { RECORD_TYPES } from '../../../src/engine/ledger-records.js';
import type { PacketOutcome } from '../../../src/engine/packet-outcome.js';
import { encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { STRATUM_MESSAGES } from '../../../src/packet/stratum-wire.js';
import { EngineNet, PLENTY_MSAT, PROTOCOL, type EngineNetOptions } from '../../support/engine-net.js';
import { stratumSample } from '../../support/stratum-samples.js';
import { present } from '../../../src/core/assert.js';

const LINE: readonly (readonly [number, number])[] = [
  [0, 1],
  [1, 2],
  [2, 3],
  [3, 4],
];
const TRIANGLE: readonly (readonly [number, number])[] = [
  [0, 1],
  [1, 2],
  [0, 2],
];

const nets: EngineNet[] = [];

async function netOf(options: EngineNetOptions): Promise<EngineNet> {
  const net = await EngineNet.start(options);
  nets.push(net);
  return net;
}

/** `refused: Reason`, or what else became of a packet. */
function told(outcome: PacketOutcome): string {
  return outcome.kind === 'refused' ? `refused: ${reasonName(outcome.reason)}` : outcome.kind;
}

/** A Stratum packet along a route: free in `payment_gated`. */
function freePacket(net: EngineNet, route: readonly number[], changes: Partial<MeshPacket> = {}): MeshPacket {
  const message = present(STRATUM_MESSAGES[0], 'there are Stratum messages');
  return net.packet(route, {
    packetType: 'StratumV2',
    paymentProof: null,
    payload: stratumSample(message, 'full'),
    metadata: null,
    ...changes,
  });
}

const openMode = (): Partial<JudgePolicy> => ({ mode: 'open' });

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

describe('manager > delivery', () => {
  it.each([1, 2, 3, 4])('over %i hops: once, to the right protocol, paid at every node', async (hops) => {
    const net = await netOf({ nodes: 5, links: LINE });
    await net.discover(0, hops);
    const sent = await net.send(0, hops, utf8('over the hills'));
    expect(sent).toMatchObject({ ok: true, priceMsat: 1_000n + 100n * BigInt(hops) + 10n });
    await net.run(100);
    expect(net.node(hops).delivered()).toEqual([
      { protocolId: PROTOCOL, payload: utf8('over the hills'), source: net.idOf(0) },
    ]);
    expect(net.hops.map(({ from, to }) => [from, to])).toEqual(LINE.slice(0, hops));
    for (const [index, node] of net.nodes.entries()) {
      const isOnRoute = index <= hops;
      expect(node.ledger.totals().totalMsat).toBe(isOnRoute ? PLENTY_MSAT : 0n);
      expect(node.counters.countOf('packets_paid')).toBe(isOnRoute ? 1 : 0);
      expect(node.counters.countOf('packets_forwarded')).toBe(index < hops ? 1 : 0);
      expect(node.counters.countOf('packets_delivered')).toBe(index === hops ? 1 : 0);
      expect(node.refusals()).toBe(0);
      expect((await node.audit()).conserved).toBe(true);
    }
    expect(net.node(hops).accounts.received().packets).toBe(1);
  });

  it('arrives whatever the links do to the order of packets', async () => {
    const quality = { latencyMillis: [1, 40], loss: 0, reordering: 0.3 } as const;
    const net = await netOf({ nodes: 5, links: LINE, quality });
    await net.discover(0, 4);
    const payloads = Array.from({ length: 20 }, (_, n) => `message ${n}`);
    for (const payload of payloads) expect((await net.send(0, 4, utf8(payload))).ok).toBe(true);
    await net.run(1_000);
    const arrived = net
      .node(4)
      .delivered()
      .map(({ payload }) => Buffer.from(payload).toString());
    expect(arrived).not.toEqual(payloads);
    expect(arrived.sort()).toEqual(payloads.sort());
  });

  it('tells what became of a packet: forwarded, then delivered', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const packet = net.packet([0, 1, 2]);
    expect(await net.inject(0, 1, packet)).toEqual({ kind: 'forwarded' });
    expect(await net.inject(1, 2, packet)).toEqual({ kind: 'delivered' });
  });

  it('announces each accepted payment once, and none that was refused', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const packet = net.packet([0, 1, 2]);
    await net.inject(0, 1, packet);
    await net.inject(0, 1, packet);
    expect(net.node(1).announced).toEqual([packet.paymentProof]);
  });

  it('leaves nothing behind: when its time is over, no node holds any of it', async () => {
    const net = await netOf({ nodes: 5, links: LINE, packetTtlSeconds: 3 });
    await net.discover(0, 4);
    await net.send(0, 4, utf8('short-lived'));
    await net.run(50);
    expect(net.node(1).manager.stats().kept).toBe(1);
    await net.run(3_000);
    for (const node of net.nodes) expect(node.manager.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
  });
});

describe('manager > the same packet again', () => {
  it('from the same peer, while it is in care: acknowledged, not sent twice, no penalty', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const packet = net.packet([0, 1, 2]);
    await net.inject(0, 1, packet);
    const { ledger, keys, sent } = net.node(1).state();
    for (const bytes of [encodePacket(packet), encodePacket(packet, { magic: false })]) {
      expect(await net.inject(0, 1, bytes)).toEqual({ kind: 'duplicate' });
    }
    await net.run(100);
    expect(net.node(1).state()).toMatchObject({ ledger, keys, sent });
    expect(net.node(1).refusals()).toBe(0);
    expect(net.node(1).counters.countOf('packets_duplicate')).toBe(2);
    expect(net.hops).toHaveLength(1);
    expect(net.node(2).delivered()).toHaveLength(1);
  });

  it('while it waits for a next hop that is away: the same', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    net.cut(1, 2);
    const packet = net.packet([0, 1, 2]);
    expect(told(await net.inject(0, 1, packet))).toBe('held');
    expect(told(await net.inject(0, 1, packet))).toBe('duplicate');
    expect(net.node(1).manager.stats().waiting).toBe(1);
    net.connect(1, 2);
    await net.run(500);
    expect(net.node(2).delivered()).toHaveLength(1);
  });

  it('after it left care: a replay', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2), packetTtlSeconds: 2 });
    const packet = net.packet([0, 1, 2]);
    await net.inject(0, 1, packet);
    await net.run(2_500);
    expect(told(await net.inject(0, 1, packet))).toBe('refused: ReplayedPayment');
  });

  it('at the same time: one is forwarded', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const packet = net.packet([0, 1, 2]);
    const outcomes = await Promise.all([1, 2, 3].map(() => net.inject(0, 1, packet)));
    expect(outcomes.map(told).filter((outcome) => outcome === 'forwarded')).toHaveLength(1);
    await net.run(100);
    expect(net.node(2).delivered()).toHaveLength(1);
    expect(net.node(1).ledger.totals().postings).toBe(1);
  });

  it.each<[string, (packet: MeshPacket, net: EngineNet) => Partial<MeshPacket>]>([
    ['timestamp', ({ timestamp }) => ({ timestamp: timestamp + 1n })],
    ['sequence', ({ sequence }) => ({ sequence: sequence + 1n })],
    ['payload', () => ({ payload: utf8('something else') })],
    ['metadata', () => ({ metadata: null })],
    ['route', (_, net) => ({ route: [0, 1, 3, 2].map((index) => net.idOf(index)) })],
    [
      'proof',
      ({ paymentProof: proof }) => ({
        paymentProof: proof?.kind === 'Lightning' ? { ...proof, timestamp: proof.timestamp - 1n } : proof,
      }),
    ],
  ])('with another %s, in care or not: a replay', async (_, change) => {
    const net = await netOf({ nodes: 4, links: LINE.slice(0, 2), packetTtlSeconds: 2 });
    const packet = net.packet([0, 1, 2]);
    await net.inject(0, 1, packet);
    const changed = { ...packet, ...change(packet, net) };
    expect(told(await net.inject(0, 1, changed))).toBe('refused: ReplayedPayment');
    await net.run(2_500);
    expect(told(await net.inject(0, 1, changed))).toBe('refused: ReplayedPayment');
    expect(net.node(1).counters.refusedFor(Reason.ReplayedPayment)).toBe(2);
    expect(net.node(2).delivered()).toHaveLength(1);
  });
});

describe('manager > packets of this node', () => {
  it('start at it: any other place on the route is refused', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const { manager } = net.node(1);
    expect(told(await manager.submitPacket(net.packet([1, 2]), 10))).toBe('accepted');
    expect(told(await manager.submitPacket(net.packet([0, 1, 2]), 10))).toBe('refused: WrongPreviousHop');
    expect(told(await manager.submitPacket(net.packet([0, 2]), 10))).toBe('refused: NotOnRoute');
  });

  it('pay like everybody: not twice with one payment, and not to this node itself', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const { manager } = net.node(1);
    const packet = net.packet([1, 2]);
    const again = { ...packet, sequence: packet.sequence + 1n };
    const selfPaid = net.packet([1, 2], { paymentProof: net.pay(1) });
    expect(told(await manager.submitPacket(packet, 10))).toBe('accepted');
    expect(told(await manager.submitPacket(again, 10))).toBe('refused: ReplayedPayment');
    expect(told(await manager.submitPacket(selfPaid, 10))).toBe('refused: PayeeIsSource');
  });

  it('cannot come from a peer', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    expect(told(await net.inject(0, 1, net.packet([1, 2])))).toBe('refused: SpoofedSource');
  });
});

describe('manager > a refusal changes nothing', () => {
  it('no key, no window, no posting, no neighbour, no route, for every kind of refusal', async () => {
    const net = await netOf({ nodes: 4, links: LINE.slice(0, 3) });
    const lie = (lies: Parameters<EngineNet['pay']>[2]): MeshPacket =>
      net.packet([0, 1, 2], { paymentProof: net.pay(2, {}, lies) });
    const refused: [string, MeshPacket | Uint8Array][] = [
      ['UnknownTag', utf8('this is no packet at all, whatever it is')],
      ['PacketTooLarge', new Uint8Array(LIMITS.PACKET_BYTES + 1)],
      ['UnsupportedVersion', net.packet([0, 1, 2], { version: 2 })],
      ['NotOnRoute', net.packet([0, 3, 2])],
      ['WrongPreviousHop', net.packet([3, 1, 2])],
      ['PaymentRequired', net.packet([0, 1, 2], { paymentProof: null })],
      ['TypeMismatch', freePacket(net, [0, 1, 2], { payload: utf8('no stratum') })],
      ['UnexpectedProof', freePacket(net, [0, 1, 2], { paymentProof: net.pay(2) })],
      ['WrongPreimage', lie({ preimage: new Uint8Array(32) })],
      ['AmountMismatch', lie({ amountMsats: PLENTY_MSAT + 1n })],
      ['AmountTooLow', net.packet([0, 1, 2], { paymentProof: net.pay(2, { amountMsat: 1n }) })],
      ['PayeeNotAccepted', net.packet([0, 1, 2], { paymentProof: net.pay(3) })],
    ];
    const node = net.node(1);
    const before = node.state();
    for (const [reason, packet] of refused) {
      expect(told(await net.inject(0, 1, packet))).toBe(`refused: ${reason}`);
      expect(node.state()).toEqual(before);
    }
    expect(node.refusals()).toBe(refused.length);
    expect(net.hops).toEqual([]);
  });

  it('a refused payment is still good for an honest packet', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const honest = net.packet([0, 1, 2]);
    const { paymentProof } = honest;
    const tooLarge = { ...honest, payload: new Uint8Array(LIMITS.PAYLOAD_BYTES) };
    net.node(1).setMode('bitcoin_only');
    expect(told(await net.inject(0, 1, honest))).toBe('refused: ModeForbids');
    net.node(1).setMode('payment_gated');
    expect(told(await net.inject(0, 1, { ...honest, paymentProof, version: 9 }))).toBe(
      'refused: UnsupportedVersion',
    );
    expect(told(await net.inject(0, 1, { ...tooLarge, paymentProof: net.pay(2, { amountMsat: 1n }) }))).toBe(
      'refused: AmountTooLow',
    );
    expect(told(await net.inject(0, 1, honest))).toBe('forwarded');
  });

  it('a peer that is over its packets per minute leaves the others theirs', async () => {
    const net = await netOf({ nodes: 3, links: TRIANGLE, packetsPerMinute: 600 });
    const unpaid = net.packet([0, 2], { paymentProof: null });
    const flood = async (): Promise<PacketOutcome> => net.inject(0, 2, unpaid);
    let last = await flood();
    for (let i = 0; i < 200 && told(last) !== 'refused: PacketQuotaExceeded'; i++) last = await flood();
    expect(told(last)).toBe('refused: PacketQuotaExceeded');
    expect(told(await net.inject(0, 2, net.packet([0, 2])))).toBe('refused: PacketQuotaExceeded');
    expect(told(await net.inject(1, 2, net.packet([1, 2])))).toBe('delivered');
    await net.run(1_000);
    expect(told(await net.inject(0, 2, net.packet([0, 2])))).toBe('delivered');
  });

  it('a payment that cannot be written down is refused, and nothing is sent or posted', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const node = net.node(1);
    node.disk.before = (operation) => {
      if (operation === 'sync') throw new Error('the disk is gone');
    };
    const packet = net.packet([0, 1, 2]);
    expect(told(await net.inject(0, 1, packet))).toBe('refused: NotRecorded');
    // The disk may hold it: the payment stays used until a restart has read what is there.
    const keyed = node.state()['keys'];
    expect(keyed).toBe(1);
    // From here on no payment is claimed any more.
    expect(told(await net.inject(0, 1, packet))).toBe('refused: NotRecorded');
    expect(told(await net.inject(0, 1, net.packet([0, 1, 2])))).toBe('refused: NotRecorded');
    expect(node.state()['keys']).toBe(keyed);
    expect(node.manager.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
    expect(node.ledger.totals().postings).toBe(0);
    expect(net.hops).toEqual([]);
    expect(told(await net.inject(0, 1, freePacket(net, [0, 1, 2])))).toBe('forwarded');
    await net.restart(1, 'kill');
    await net.until(() => net.areNeighbours(0, 1) && net.areNeighbours(1, 2), 5_000);
    expect(told(await net.inject(0, 1, packet))).toBe('forwarded');
  });

  it('a journal that is behind refuses payments before they are claimed, and takes them afterwards', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const node = net.node(1);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    node.disk.before = (operation) => (operation === 'sync' ? released : undefined);
    const waiting: Promise<void>[] = [];
    const payload = new Uint8Array(LIMITS.JOURNAL_GROUP_BYTES - 100);
    const foreign = { type: RECORD_TYPES.carried, keepUntil: 0, payload };
    while (node.journal.hasRoom(payload.length)) waiting.push(node.journal.append([foreign]));
    while (node.journal.hasRoom(2_000))
      waiting.push(node.journal.append([{ ...foreign, payload: new Uint8Array(1_000) }]));
    while (node.accounts.canRecord())
      waiting.push(node.journal.append([{ ...foreign, payload: new Uint8Array(10) }]));
    const packet = net.packet([0, 1, 2]);
    expect(told(await net.inject(0, 1, packet))).toBe('refused: NotRecorded');
    expect(node.state()['keys']).toBe(0);
    expect(told(await net.inject(0, 1, freePacket(net, [0, 1, 2])))).toBe('forwarded');
    release();
    await Promise.all(waiting);
    expect(told(await net.inject(0, 1, packet))).toBe('forwarded');
  });

  it('a payment that was claimed and then surely not written is as good as new', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2) });
    const node = net.node(1);
    const packet = net.packet([0, 1, 2]);
    // It fills up between the question and the claim.
    const busy = new MeshError('JOURNAL_BUSY', 'too slow');
    const append = vi.spyOn(node.journal, 'append').mockRejectedValueOnce(busy);
    expect(told(await net.inject(0, 1, packet))).toBe('refused: NotRecorded');
    expect(append).toHaveBeenCalledTimes(1);
    expect(node.state()['keys']).toBe(0);
    expect(told(await net.inject(0, 1, packet))).toBe('forwarded');
    expect(node.state()['keys']).toBe(1);
    expect((await node.audit()).conserved).toBe(true);
  });

  it('a node that has as much in care as it may refuses before the payment is claimed', async () => {
    const net = await netOf({ nodes: 3, links: LINE.slice(0, 2), policy: openMode });
    net.cut(1, 2);
    const payload = new Uint8Array(LIMITS.PAYLOAD_BYTES);
    const heavy = (): MeshPacket => freePacket(net, [0, 1, 2], { payload, packetType: 'Paid' });
    let outcome = await net.inject(0, 1, heavy());
    for (let i = 0; i < 300 && outcome.kind === 'held'; i++) outcome = await net.inject(0, 1, heavy());
    expect(told(outcome)).toBe('refused: Overloaded');
    for (const node of net.nodes) node.setMode('payment_gated');
    const paid = net.packet([0, 1, 2], { payload, paymentProof: net.pay(2) });
    const before = net.node(1).state();
    expect(told(await net.inject(0, 1, paid))).toBe('refused: Overloaded');
    expect(net.node(1).state()).toEqual(before);
    expect(before['keys']).toBe(0);
    // It drains as soon as its next hop is back, and then there is room.
    net.connect(1, 2);
    await net.until(() => net.node(1).manager.stats().waiting === 0, 1_000);
    expect(told(await net.inject(0, 1, paid))).toBe('forwarded');
    // Sixty-four MiB go through the plain twin of the kernel's fingerprint.
  }, 60_000);
});

describe('manager > free traffic', () => {
  it('of the authenticated sender itself passes once per sequence number', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]] });
    const [one, other] = STRATUM_MESSAGES.map((message) => stratumSample(message, 'full'));
    const first = freePacket(net, [0, 1], { sequence: 5n, payload: present(one, 'a message') });
    expect(told(await net.inject(0, 1, first))).toBe('delivered');
    const again = { ...first, payload: present(other, 'another message') };
    expect(told(await net.inject(0, 1, first))).toBe('refused: SequenceReplayed');
    expect(told(await net.inject(0, 1, again))).toBe('refused: SequenceReplayed');
    expect(told(await net.inject(0, 1, { ...again, sequence: 4n }))).toBe('delivered');
    expect(net.node(1).delivered()).toHaveLength(2);
  });

  it('that is relayed names a source that nobody vouches for: its number counts for nothing', async () => {
    const net = await netOf({ nodes: 3, links: TRIANGLE });
    const spoofed = freePacket(net, [0, 1, 2], { sequence: (1n << 64n) - 1n });
    expect(told(await net.inject(1, 2, spoofed))).toBe('delivered');
    expect(net.node(2).replay.stats().trackedPeers).toBe(0);
    expect(told(await net.inject(0, 2, freePacket(net, [0, 2], { sequence: 7n })))).toBe('delivered');
    expect(net.node(2).replay.stats().trackedPeers).toBe(1);
  });

  it('that is refused moves no window', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]] });
    const highest = (1n << 64n) - 1n;
    const junk = freePacket(net, [0, 1], { sequence: highest, payload: utf8('junk') });
    expect(told(await net.inject(0, 1, junk))).toBe('refused: TypeMismatch');
    expect(told(await net.inject(0, 1, freePacket(net, [0, 1], { sequence: 1n })))).toBe('delivered');
  });

  it('offered again by the same peer while it is in care is a duplicate, and never counted twice', async () => {
    const net = await netOf({ nodes: 4, links: LINE.slice(0, 3), packetTtlSeconds: 5 });
    for (const [from, to] of [
      [0, 1],
      [1, 2],
    ] as const) {
      const packet = freePacket(net, [0, 1, 2, 3]);
      expect(told(await net.inject(from, to, packet))).toBe('forwarded');
      const { care } = net.node(to).state();
      for (let i = 0; i < 5; i++) expect(told(await net.inject(from, to, packet))).toBe('duplicate');
      expect(net.node(to).state()).toMatchObject({ care });
    }
    await net.run(10_000);
    for (const node of net.nodes) expect(node.manager.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
  });
});
