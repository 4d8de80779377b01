/**
 * The coordinator: every packet's way from the peer that sent it to the next hop or the local handler.
 *
 * Rules: architecture.md (one packet's way and back), payments.md (order of checks; nothing is acted on before its
 * payment is claimed and durable), routing.md (source routes, repair). Main thread only.
 */
import { toHex } from '../core/bytes.js';
import { errorText } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, PeerLink, Random } from '../core/ports.js';
import type { FeeSchedule } from '../core/policy.js';
import { Reason, reasonName } from '../core/reasons.js';
import { assert, present } from '../core/assert.js';
import { DISCOVERY_PROTOCOL, HELLO_PROTOCOL, isUnknownPeer } from '../packet/control.js';
import { declaredTraffic, type DeclaredTraffic } from '../packet/declared.js';
import { decodeDiscovery } from '../packet/discovery.js';
import { encodePacket, packetId, viewPacket, type MeshPacket } from '../packet/packet.js';
import type { Counters } from '../metrics/counters.js';
import { judged, type PacketJudge, type PacketSender, type PacketVerdict } from '../pool/judge-port.js';
import { priceMsat } from '../ledger/fee.js';
import { amountMsatOf } from '../packet/proof.js';
import { isBoundInvoice } from '../payment/binding.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { RoutingTable } from '../routing/table.js';
import { isSurelyUnwritten, type Accounts } from './accounts.js';
import { PacketCare, type AttemptOutcome, type CaredPacket } from './care.js';
import type { DeliveryDesk } from './delivery.js';
import { Introductions } from './introductions.js';
import type { Peer, PeerBook } from './peers.js';
import type { EventPublisher } from './publisher.js';
import type { Asker, Settlements } from './settlements.js';

/** What became of a packet. */
export type PacketOutcome =
  | { readonly kind: 'delivered' | 'forwarded' | 'held' | 'accepted' | 'duplicate' | 'control' }
  | { readonly kind: 'refused'; readonly reason: Reason };

export interface MeshManagerParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly judge: PacketJudge;
  readonly peers: PeerBook;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly accounts: Accounts;
  readonly replay: ReplayPrevention;
  readonly settlements: Settlements;
  readonly delivery: DeliveryDesk;
  readonly link: PeerLink;
  readonly fees: FeeSchedule;
  readonly packetTtlSeconds: number;
  /** Told of payments that were accepted, and of packets that could not be delivered within their ttl, or at all. */
  readonly publisher: Pick<EventPublisher, 'paymentVerified' | 'routeFailed'>;
}

/** How every request that is flooded ends somewhere: nothing is wrong with it. */
const ROUTINE: ReadonlySet<Reason> = new Set([Reason.RequestSeen, Reason.HopsExhausted]);

export class MeshManager {
  readonly #parts: MeshManagerParts;
  readonly #care: PacketCare;
  readonly #introductions = new Introductions();

  constructor(parts: MeshManagerParts) {
    this.#parts = parts;
    this.#care = new PacketCare({
      clock: parts.clock,
      random: parts.random,
      keepMillis: () => parts.peers.noticedWithinMillis,
      attempt: (cared) => this.#attempt(cared),
      onExpired: (cared, reason) => {
        parts.counters.refuse(reason);
        parts.log.log('warn', 'an accepted packet could not be delivered in time', {
          packetId: toHex(packetId(cared.bytes)),
          destination: nodeKey(cared.packet.destination),
          reason: reasonName(reason),
        });
        if (cared.position === 0) parts.table.chooser.outcome({ ids: cared.packet.route }, false, null);
        parts.publisher.routeFailed(cared.packet.destination, reason);
      },
    });
  }

  /**
   * Judges a packet from a peer and acts on it.
   * @param packetBytes kept; the caller must not change them afterwards
   * @param until `attempted` waits for the first attempt to deliver or forward it; `accepted` does not, for callers
   *   whom the node waits for, since forwarding asks the node (node-ipc.md, 7), and so does a payment on the chain:
   *   one that nothing is known of yet is refused as PaymentUnknown, and known the next time
   * @returns when the packet was refused or is in care; never rejects
   */
  async handlePacket(
    packetBytes: Uint8Array,
    peerAddress: string,
    until: 'attempted' | 'accepted' = 'attempted',
  ): Promise<PacketOutcome> {
    const { accounts, counters, peers } = this.#parts;
    counters.count('packets_received');
    if (packetBytes.length > LIMITS.PACKET_BYTES) return this.#refuse(Reason.PacketTooLarge);
    const peer = peers.heard(peerAddress);
    if (peer === null) return this.#refuse(Reason.TooManyPeers);
    const traffic = declaredTraffic(packetBytes);
    const charged = peers.charge(peerAddress, traffic, packetBytes.length);
    if (charged !== Reason.Accepted) return this.#refuse(charged);
    if (!this.#hasRoom(packetBytes.length, traffic)) return this.#refuse(Reason.Overloaded);
    if (traffic === 'paid' && !accounts.canRecord()) return this.#refuse(Reason.NotRecorded);
    return this.#introductions.inTurn(peer, () => this.#handle(packetBytes, peer, until));
  }

  async #handle(
    packetBytes: Uint8Array,
    peer: Peer,
    until: 'attempted' | 'accepted',
  ): Promise<PacketOutcome> {
    const sender = { previousHop: peer.nodeId, origin: 'peer', peer: peer.address } as const;
    const patience = until === 'attempted' ? 'asked' : 'known';
    const verdict = await this.#judge(packetBytes, sender, { from: peer.address, patience });
    if (verdict.kind === 'refused') {
      const isAgain = verdict.reason === Reason.ReplayedPayment && this.#care.holds(verdict.mark);
      return isAgain ? this.#duplicate() : this.#refuse(verdict.reason);
    }
    const packet = judgedPacket(packetBytes);
    if (verdict.kind === 'control') return this.#handleControl(packet, verdict, peer);
    return this.#accept(packet, packetBytes, verdict, {
      from: peer.address,
      ttlSeconds: this.#parts.packetTtlSeconds,
      until,
    });
  }

  /**
   * Judges and sends a packet that starts at this node.
   * @returns when the packet was refused or accepted, without waiting for its first hop or for the node, as
   *   handlePacket until `accepted`; never rejects
   */
  async submitPacket(packet: MeshPacket, ttlSeconds: number): Promise<PacketOutcome> {
    const packetBytes = encodePacket(packet);
    if (!this.#care.hasRoom(packetBytes.length)) return this.#refuse(Reason.Overloaded);
    const isPaid = packet.packetType === 'Paid';
    if (isPaid && !this.#parts.accounts.canRecord()) return this.#refuse(Reason.NotRecorded);
    const sender = { previousHop: null, origin: 'local', peer: '' } as const;
    const verdict = await this.#judge(packetBytes, sender, { from: null, patience: 'known' });
    if (verdict.kind === 'refused') return this.#refuse(verdict.reason);
    return this.#accept(packet, packetBytes, verdict, { from: null, ttlSeconds, until: 'accepted' });
  }

  /**
   * Sends bytes to a directly connected peer, unjudged.
   * @throws MeshError when the link does not take them
   */
  async sendMeshPacket(peerAddress: string, packetData: Uint8Array): Promise<void> {
    await this.#parts.link.send(peerAddress, packetData);
    this.#parts.counters.count('packets_sent');
  }

  /** A neighbour is gone or was restarted: what it was given lately goes another way, or to it again. */
  neighbourLost(nodeId: NodeId): void {
    const lost = nodeKey(nodeId);
    this.#care.neighbourLost((nextHop) => nodeKey(nextHop) === lost);
  }

  /** A neighbour or a route was found: packets that wait for one are tried at once. */
  routesChanged(): void {
    // Once the caller is done: a new neighbour is told who we are before it gets packets from us.
    queueMicrotask(() => {
      this.#care.nudge();
    });
  }

  stats(): ReturnType<PacketCare['stats']> {
    return this.#care.stats();
  }

  close(): void {
    this.#care.close();
  }

  /** Whether a packet fits in care. Free ones leave a part of the room to paid ones, from however many peers they come. */
  #hasRoom(bytes: number, traffic: DeclaredTraffic): boolean {
    if (traffic !== 'free') return this.#care.hasRoom(bytes);
    const { waiting } = this.#care.stats();
    const share = LIMITS.FREE_SHARE_PERCENT / 100;
    const reserved = (1 - share) * LIMITS.PACKETS_IN_CARE_BYTES;
    return waiting < share * LIMITS.PACKETS_IN_CARE && this.#care.hasRoom(bytes + reserved);
  }

  #refuse(reason: Reason): PacketOutcome {
    this.#parts.counters.refuse(reason);
    return { kind: 'refused', reason };
  }

  /** The same packet from the same peer while it is in care: acknowledged, not sent twice, no penalty. */
  #duplicate(): PacketOutcome {
    this.#parts.counters.count('packets_duplicate');
    return { kind: 'duplicate' };
  }

  /** The judge's verdict; where it left a question to the node, what the answer makes of it. */
  async #judge(packetBytes: Uint8Array, sender: PacketSender, asker: Asker): Promise<PacketVerdict> {
    const { accounts, judge, settlements, replay } = this.#parts;
    const verdict = await judged(judge, packetBytes, sender);
    // A worker claimed a key: the table gets its room for the next ones.
    if (verdict.kind === 'paid') replay.tend();
    if (verdict.kind !== 'question') return verdict;
    const settled = await settlements.settle(judgedPacket(packetBytes), asker);
    const refuse = (reason: Reason): PacketVerdict => ({ ...verdict, kind: 'refused', reason });
    if (!settled.verified) return refuse(settled.reason);
    // The node took its time, in which others may have filled the room.
    if (!this.#care.hasRoom(packetBytes.length)) return refuse(Reason.Overloaded);
    if (!accounts.canRecord()) return refuse(Reason.NotRecorded);
    const { amountMsat, expiresAt } = settled;
    const key = present(settled.replayKey, 'a verified payment has a key');
    const claim = replay.checkReplay({ key, expiresAt }, null, 0n);
    return claim === Reason.Accepted
      ? { ...verdict, kind: 'paid', reason: claim, amountMsat, expiresAt, replayKey: key }
      : refuse(claim);
  }

  #handleControl(packet: MeshPacket, verdict: PacketVerdict, peer: Peer): PacketOutcome {
    const { discovery, counters } = this.#parts;
    const reason = this.#control(packet, verdict, peer, discovery);
    if (reason !== Reason.Accepted && !ROUTINE.has(reason)) return this.#refuse(reason);
    counters.count('packets_control');
    return { kind: 'control' };
  }

  #control(packet: MeshPacket, verdict: PacketVerdict, peer: Peer, discovery: RouteDiscovery): Reason {
    switch (verdict.controlProtocol) {
      case HELLO_PROTOCOL:
        return this.#parts.peers.hello(peer.address, packet.payload, isUnknownPeer(packet.destination));
      case DISCOVERY_PROTOCOL: {
        if (peer.nodeId === null) return Reason.UnauthenticatedPeer;
        const message = decodeDiscovery(packet.payload);
        return message.ok ? discovery.handleMessage(peer.nodeId, message.value) : message.failure.reason;
      }
      case null:
        return Reason.UnknownControl;
    }
  }

  async #accept(
    packet: MeshPacket,
    bytes: Uint8Array,
    verdict: PacketVerdict,
    how: {
      readonly from: string | null;
      readonly ttlSeconds: number;
      readonly until: 'attempted' | 'accepted';
    },
  ): Promise<PacketOutcome> {
    const { from, ttlSeconds, until } = how;
    const { counters, accounts, peers, publisher, replay, log } = this.#parts;
    if (verdict.kind === 'paid') {
      try {
        await accounts.accept(packet, verdict);
      } catch (error) {
        log.log('error', 'a payment could not be recorded; its packet is refused', {
          error: errorText(error),
        });
        // Where nobody can tell whether it was written, the key stays used until a restart reads the disk.
        const key = present(verdict.replayKey, 'an accepted payment has a key');
        if (isSurelyUnwritten(error)) replay.release(key);
        return this.#refuse(Reason.NotRecorded);
      }
      if (packet.paymentProof !== null) publisher.paymentVerified(packet.paymentProof, verdict);
    }
    // Nothing else tells a free packet that was relayed from the same one offered again.
    if (verdict.kind === 'free' && this.#care.holds(verdict.mark)) return this.#duplicate();
    // Where all is free, so is what says that it is paid.
    const isUncharged = verdict.kind === 'free' && packet.packetType === 'Paid';
    if (isUncharged && from !== null && !peers.chargeFree(from, bytes.length)) {
      return this.#refuse(Reason.FreeQuotaExceeded);
    }
    if (verdict.kind === 'free' && from !== null && verdict.position === 1) {
      // The link vouches for the source: its sequence numbers hold. A payment's own key protects paid packets.
      const reason = replay.checkReplay(null, packet.source, packet.sequence);
      if (reason !== Reason.Accepted) return this.#refuse(reason);
    }
    counters.count(verdict.kind === 'paid' ? 'packets_paid' : 'packets_free');
    const { position } = verdict;
    const cared: CaredPacket = { mark: toHex(verdict.mark), from, packet, bytes, position };
    const attempt = this.#care.take(cared, ttlSeconds * 1_000);
    if (until === 'accepted') return { kind: 'accepted' };
    const outcome = await attempt;
    const kind = { done: 'delivered', handedOver: 'forwarded', later: 'held' } as const;
    return { kind: kind[outcome.kind] };
  }

  async #attempt(cared: CaredPacket): Promise<AttemptOutcome> {
    const { counters, delivery } = this.#parts;
    if (cared.position === cared.packet.route.length - 1) {
      const reason = delivery.deliver(cared.packet, cared.bytes, cared.from ?? '');
      if (reason !== Reason.Accepted) return { kind: 'later', reason };
      counters.count('packets_delivered');
      return { kind: 'done' };
    }
    return this.#forward(cared);
  }

  async #forward(offered: CaredPacket): Promise<AttemptOutcome> {
    const { table, counters, discovery, log } = this.#parts;
    let cared = offered;
    let address = table.addressOf(nextHopOf(cared));
    if (address === null) {
      const repaired = this.#repair(cared);
      if (repaired === null) {
        discovery.packetFailed(cared.packet.route, cared.position);
        void discovery.discover(cared.packet.destination);
        return { kind: 'later', reason: Reason.NextHopLost };
      }
      cared = repaired;
      address = table.addressOf(nextHopOf(cared));
      counters.count('packets_repaired');
    }
    if (address === null) return { kind: 'later', reason: Reason.NextHopLost };
    try {
      await this.sendMeshPacket(address, cared.bytes);
    } catch (error) {
      log.log('debug', 'a packet could not be handed to its next hop', { address, error: errorText(error) });
      return { kind: 'later', reason: Reason.NextHopLost };
    }
    counters.count('packets_forwarded');
    this.#noteForwarded(cared);
    return { kind: 'handedOver', nextHop: nextHopOf(cared), cared };
  }

  /** What routing learns of a packet that went on. */
  #noteForwarded({ packet, position }: CaredPacket): void {
    const { table, discovery } = this.#parts;
    const { route, paymentProof } = packet;
    if (position > 0) discovery.packetForwarded(route, position);
    // All that can be known at the source: the wire brings no word of the arrival, only of a failure (RouteFailed).
    else table.chooser.outcome({ ids: route }, true, null);
    if (paymentProof === null) return;
    // Of others' packets only the neighbours are vouched for: a source may write into its route whom it likes.
    const seen = position === 0 ? route.slice(1, -1) : routersBeside(route, position);
    table.shares.record(seen, amountMsatOf(paymentProof));
  }

  /**
   * The packet on another known way from here, as far as its payment reaches; null where there is none. What is bound
   * to its route has no other way: every node behind would refuse it there.
   */
  #repair(cared: CaredPacket): CaredPacket | null {
    const { packet, position } = cared;
    const { paymentProof: proof } = packet;
    if (proof?.kind === 'Lightning' && isBoundInvoice(proof.invoice)) return null;
    const travelled = packet.route.slice(0, position);
    const mostIds = coveredHops(packet, this.#parts.fees) - position + 1;
    const other = this.#parts.table.repair(packet.destination, [nextHopOf(cared), ...travelled], mostIds);
    if (other === null) return null;
    const repaired = { ...packet, route: [...travelled, ...other.ids] };
    return { ...cared, packet: repaired, bytes: encodePacket(repaired) };
  }
}

/** The packet in bytes that a judge has decoded before; it lies in them. */
function judgedPacket(packetBytes: Uint8Array): MeshPacket {
  const decoded = viewPacket(packetBytes);
  assert(decoded.ok, 'a packet that was judged good decodes');
  return decoded.value.packet;
}

function nextHopOf(cared: CaredPacket): NodeId {
  return present(cared.packet.route[cared.position + 1], 'a packet that is forwarded has a next hop');
}

/** The neighbours of a position that are routers: neither the first nor the last of the route. */
function routersBeside(route: readonly NodeId[], position: number): readonly NodeId[] {
  return [position - 1, position + 1].flatMap((at) => {
    const node = route[at];
    return node !== undefined && at > 0 && at < route.length - 1 ? [node] : [];
  });
}

/** The most hops that the packet's payment covers; free traffic may take as many as there are. */
function coveredHops(packet: MeshPacket, fees: FeeSchedule): number {
  const proof = packet.paymentProof;
  if (proof === null) return LIMITS.ROUTE_HOPS;
  const paidMsat = amountMsatOf(proof);
  let hops = LIMITS.ROUTE_HOPS;
  while (hops > 0 && priceMsat(fees, hops, packet.payload.length) > paidMsat) hops -= 1;
  return hops;
}
