// How a cheat is played against a whole node, and what must be true before, while and after it.
// The catalogue of cheats is in test/cheats.
import { expect } from 'vitest';
import type { NodeId } from '../../src/core/ids.js';
import { Reason, reasonName, type ReasonName } from '../../src/core/reasons.js';
import type { PacketOutcome } from '../../src/engine/packet-outcome.js';
import {
  DISCOVERY_PROTOCOL,
  discoveryPacket,
  helloPacket,
  type ControlHeader,
} from '../../src/packet/control.js';
import { encodeBitcoinMessage } from '../../src/packet/bitcoin-wire.js';
import { decodeDiscovery, type DiscoveryMessage, type RouteRequest } from '../../src/packet/discovery.js';
import { decodePacket, encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import type { LightningProof, PaymentProof } from '../../src/packet/proof.js';
import { EngineNet, type EngineNetOptions, type Stranger } from './engine-net.js';
import { withGroups, type InvoiceOptions } from './invoices.js';
import { testNode } from './paid-packets.js';

const TTL_SECONDS = 2;
/** Keys that a node of these tests remembers at most. */
export const REPLAY_KEYS = 64;

/** A cheat that is ready: who is cheated, and the last blow. */
export interface Attack {
  readonly victim: number;
  readonly strike: () => Promise<PacketOutcome>;
  /** Puts right what the cheat needed wrong before honest traffic can pass. */
  readonly afterwards?: () => void;
  /** In place of a paid packet from 0 over 1 to 2; it is forwarded by the first node that gets it. */
  readonly honest?: (net: EngineNet) => Promise<PacketOutcome>;
}

export type Arrange = (net: EngineNet) => Attack | Promise<Attack>;

/** Nodes 0, 1 and 2 all know each other; 3 is behind 2. */
export function cheatNet(options: Partial<EngineNetOptions> = {}): Promise<EngineNet> {
  const links = [
    [0, 1],
    [1, 2],
    [0, 2],
    [2, 3],
  ] as const;
  return EngineNet.start({
    nodes: 4,
    links,
    packetTtlSeconds: TTL_SECONDS,
    replayKeys: REPLAY_KEYS,
    ...options,
  });
}

export function over(net: EngineNet, from: number, victim: number, packet: MeshPacket | Uint8Array): Attack {
  return { victim, strike: () => net.inject(from, victim, packet) };
}

/** A packet from 0 over 1 to 2, with something changed. */
export const packet =
  (changes: (net: EngineNet) => Partial<MeshPacket>, route: readonly number[] = [0, 1, 2]): Arrange =>
  (net) =>
    over(net, 0, 1, net.packet(route, changes(net)));

/** A packet with a proof that lies. */
export const proof = (of: (net: EngineNet) => PaymentProof): Arrange =>
  packet((net) => ({ paymentProof: of(net) }));

export const invoice = (options: Partial<InvoiceOptions>, lies: Partial<LightningProof> = {}): Arrange =>
  proof((net) => net.pay(2, options, lies));

/** A good payment with another text in the invoice's place. */
export const text = (change: (invoice: string) => string, options: Partial<InvoiceOptions> = {}): Arrange =>
  proof((net) => {
    const paid = net.pay(2, options);
    return { ...paid, invoice: change(paid.invoice) };
  });

/** Sets the groups at a distance from the end of the data. */
export function overwrite(invoiceText: string, fromEnd: number, values: readonly number[]): string {
  return withGroups(invoiceText, (groups) => {
    groups.splice(groups.length - fromEnd, values.length, ...values);
    return groups;
  });
}

/** A packet passes, leaves care, and comes again with something changed. */
export const again =
  (
    change: (packet: MeshPacket, net: EngineNet) => Partial<MeshPacket> | Promise<Partial<MeshPacket>>,
    paid: (net: EngineNet) => LightningProof = (net) => net.pay(2, { seed: 77 }),
  ): Arrange =>
  async (net) => {
    const first = net.packet([0, 1, 2], { paymentProof: paid(net) });
    expect((await net.inject(0, 1, first)).kind).toBe('forwarded');
    await net.run(1_000 * TTL_SECONDS + 500);
    expect(net.node(1).manager.stats().kept).toBe(0);
    return over(net, 0, 1, { ...first, ...(await change(first, net)) });
  };

/** The proof of a packet, changed. */
export function withProof(from: MeshPacket, changes: Partial<LightningProof>): Partial<MeshPacket> {
  expect(from.paymentProof?.kind).toBe('Lightning');
  return { paymentProof: { ...(from.paymentProof as LightningProof), ...changes } };
}

export async function meetAgain(net: EngineNet): Promise<void> {
  const know = (): boolean => net.areNeighbours(0, 1) && net.areNeighbours(1, 2);
  expect(await net.until(know, 10_000)).toBe(true);
}

/** A stranger at node 1 who has said hello. */
async function liarAt1(net: EngineNet, id: NodeId): Promise<Stranger> {
  const liar = net.stranger(1, 'liar');
  const hello = helloPacket(headerOf(net, id), net.idOf(1));
  expect((await liar.send(encodePacket(hello))).kind).toBe('control');
  return liar;
}

export const headerOf = (net: EngineNet, self: NodeId): ControlHeader => ({
  self,
  sequence: 1n,
  nowSeconds: net.clock.unixSeconds(),
});

/** A discovery message from node 0 to node 1. */
export const discovery =
  (message: (net: EngineNet) => DiscoveryMessage): Arrange =>
  (net) =>
    over(net, 0, 1, discoveryPacket(headerOf(net, net.idOf(0)), net.idOf(1), message(net)));

/** Node 1 asks for a node; the liar is asked as well, and answers with a route of its own. */
export const answer =
  (route: (net: EngineNet, liar: NodeId, wanted: NodeId) => readonly NodeId[]): Arrange =>
  async (net) => {
    const id = testNode(0xee);
    const wanted = testNode(0xdd);
    const liar = await liarAt1(net, id);
    void net.node(1).discovery.discover(wanted);
    // The ring that goes farthest.
    await net.run(3_100);
    const { source, requestId } = requestIn(liar.heard);
    const response: DiscoveryMessage = {
      kind: 'RouteResponse',
      destination: wanted,
      source,
      requestId,
      route: route(net, id, wanted),
      cost: 0n,
    };
    const bytes = encodePacket(discoveryPacket(headerOf(net, id), net.idOf(1), response));
    return { victim: 1, strike: () => liar.send(bytes) };
  };

function requestIn(heard: readonly Uint8Array[]): RouteRequest {
  for (const bytes of [...heard].reverse()) {
    const decoded = decodePacket(bytes);
    if (!decoded.ok || decoded.value.packet.metadata?.protocol !== DISCOVERY_PROTOCOL) continue;
    const message = decodeDiscovery(decoded.value.packet.payload);
    if (message.ok && message.value.kind === 'RouteRequest') return message.value;
  }
  throw new Error('the liar was not asked');
}

export const free = (changes: Partial<MeshPacket>): Arrange =>
  packet(() => ({ paymentProof: null, ...changes }));

/** A Bitcoin message: free wherever Bitcoin is. */
export const ping = (net: EngineNet): Partial<MeshPacket> => ({
  packetType: 'BitcoinP2P',
  paymentProof: null,
  payload: encodeBitcoinMessage('regtest', 'ping', net.random.bytes(8)),
  metadata: null,
});

/** A route for nothing to a node that nobody knows. */
export const advertisement = (source: NodeId): DiscoveryMessage => ({
  kind: 'RouteAdvertisement',
  source,
  routes: [{ destination: testNode(9), nextHop: testNode(8), cost: 0n, hopCount: 1 }],
});

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);

export const deliveries = (net: EngineNet): number[] => net.nodes.map((node) => node.delivered().length);

/** Plays a cheat: it fails for this reason, nothing is different afterwards, and honest traffic passes. */
export async function mustFail(
  reason: ReasonName,
  arrange: Arrange,
  options: Partial<EngineNetOptions> = {},
): Promise<void> {
  const net = await cheatNet(options);
  try {
    const { victim, strike, afterwards, honest } = await arrange(net);
    await net.settle();
    const node = net.node(victim);
    const before = { state: node.state(), hops: net.hops.length, delivered: deliveries(net) };
    const counted = { all: node.refusals(), forThis: node.counters.refusedFor(Reason[reason]) };

    const outcome = await strike();
    expect(outcome.kind === 'refused' ? reasonName(outcome.reason) : outcome.kind).toBe(reason);
    expect({ state: node.state(), hops: net.hops.length, delivered: deliveries(net) }).toEqual(before);
    expect(node.counters.refusedFor(Reason[reason])).toBe(counted.forThis + 1);
    expect(node.refusals()).toBe(counted.all + 1);

    afterwards?.();
    const good = await (honest?.(net) ?? net.inject(0, 1, net.packet([0, 1, 2])));
    expect(good.kind).toBe('forwarded');
    await net.run(50);
    expect(sum(deliveries(net))).toBe(sum(before.delivered) + 1);
  } finally {
    await net.close();
  }
}
