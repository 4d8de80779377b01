/**
 * The last step of an accepted packet's way here: handed to a module of this node, or to the next hop of its route, on
 * another way where that hop is lost.
 *
 * Rules: routing.md (source routes; a packet in flight whose next hop is gone gets one repair, else its source is told),
 * Anti-monopoly (shares as seen by this node). Main thread only.
 */
import { keepable } from '../core/bytes.js';
import { errorText } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { FeeSchedule } from '../core/policy.js';
import type { Clock, Log, PeerLink } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { priceMsat } from '../ledger/fee.js';
import type { Counters } from '../metrics/counters.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import type { PacketHead } from '../packet/head.js';
import type { MeshPacket } from '../packet/packet.js';
import { amountMsatOf } from '../packet/proof.js';
import { isBoundInvoice } from '../payment/binding.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { RoutingTable } from '../routing/table.js';
import type { OnAttempted } from './attempts.js';
import type { CaredPacket } from './cared-packet.js';
import type { DeliveryDesk } from './delivery.js';
import type { PeerBook } from './peers.js';

export interface NextHopsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  readonly recorder: FlightRecorder;
  readonly peers: Pick<PeerBook, 'sentTo'>;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly delivery: DeliveryDesk;
  readonly link: PeerLink;
  /** In force. */
  readonly fees: () => FeeSchedule;
}

/** A route of which routing knows lately that it is used need not be told again for so long. */
const NOTED_MILLIS = 1_000;

export class NextHops {
  readonly #parts: NextHopsParts;
  /** The route that was told last, as it stands in a packet, and when. */
  #noted: Uint8Array = new Uint8Array(0);
  #notedMillis = Number.NEGATIVE_INFINITY;

  constructor(parts: NextHopsParts) {
    this.#parts = parts;
  }

  /** Delivers or forwards a packet once. Never throws. */
  attempt(cared: CaredPacket, onOutcome: OnAttempted): void {
    if (!cared.isAtEnd) {
      this.#forward(cared, onOutcome);
      return;
    }
    const { counters, delivery, recorder } = this.#parts;
    // Its taker may keep it.
    cared.moveTo(keepable);
    const reason = delivery.deliver(cared.packet, cared.bytes, cared.from ?? '');
    if (reason === Reason.Accepted) counters.hot.packets_delivered.count++;
    recorder.passed(reason === Reason.Accepted ? 'delivered' : 'held', cared, reason);
    onOutcome(reason === Reason.Accepted ? { kind: 'done' } : { kind: 'later', reason });
  }

  #forward(offered: CaredPacket, onOutcome: OnAttempted): void {
    const { table, log, recorder, peers, counters } = this.#parts;
    const known = table.directPeerOf(offered.nextHop);
    const cared = known === null ? this.#detour(offered) : offered;
    const peer = known ?? (cared === null ? null : table.directPeerOf(cared.nextHop));
    if (cared === null || peer === null) {
      recorder.passed('held', offered, Reason.NextHopLost);
      onOutcome({ kind: 'later', reason: Reason.NextHopLost });
      return;
    }
    // Its id is the table's: one of the packet's own would keep the bytes that it came in.
    const { nodeId: nextHop, address } = peer;
    const handover = this.#parts.link.send(address, cared.bytes, cared.from ?? '');
    if (handover === 'full') {
      recorder.passed('held', cared, Reason.LinkFull);
      onOutcome({ kind: 'full', address });
      return;
    }
    const handedOver = (): void => {
      counters.hot.packets_sent.count++;
      counters.hot.packets_forwarded.count++;
      peers.sentTo(address);
      recorder.passed('forwarded', cared, Reason.Accepted);
      this.#noteForwarded(cared);
      onOutcome({ kind: 'handedOver', nextHop, cared });
    };
    if (handover === 'taken') handedOver();
    else
      handover.then(handedOver, (error: unknown) => {
        log.log('debug', 'a packet could not be handed to its next hop', {
          address,
          error: errorText(error),
        });
        recorder.passed('held', cared, Reason.NextHopLost);
        onOutcome({ kind: 'later', reason: Reason.NextHopLost });
      });
  }

  /** A packet whose next hop is lost, on another way; null where there is none: then its source is told. */
  #detour(cared: CaredPacket): CaredPacket | null {
    const { counters, discovery } = this.#parts;
    const repaired = this.#repair(cared);
    if (repaired !== null) counters.count('packets_repaired');
    else {
      discovery.packetFailed(cared.packet.route, cared.position);
      void discovery.discover(cared.packet.destination);
    }
    return repaired;
  }

  /** That a route is used which others have chosen. @param position of this node, at least 1 */
  noteUse(head: PacketHead, position: number, nowMillis: number): void {
    // Behind the last hop nobody can be lost.
    if (position === head.ids - 2) return;
    if (nowMillis - this.#notedMillis <= NOTED_MILLIS && head.hasRoute(this.#noted)) return;
    this.#noted = head.routeBytes.slice();
    this.#notedMillis = nowMillis;
    this.#parts.discovery.packetForwarded(head.route(), position);
  }

  /** What routing learns of a packet that went on. */
  #noteForwarded({ head, position, paidMsat }: CaredPacket): void {
    const { table, clock } = this.#parts;
    if (position > 0) this.noteUse(head, position, clock.monotonicMillis());
    // All that can be known at the source: the wire brings no word of the arrival, only of a failure (RouteFailed).
    else table.chooser.outcome({ ids: head.route() }, true, null);
    if (paidMsat === 0n) return;
    // Of others' packets only the neighbours are vouched for: a source may write into its route whom it likes.
    const seen = position === 0 ? head.routers() : routersBeside(head, position);
    table.shares.record(seen, paidMsat);
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
    const mostIds = coveredHops(packet, this.#parts.fees()) - position + 1;
    const other = this.#parts.table.repair(packet.destination, [cared.nextHop, ...travelled], mostIds);
    return other === null ? null : cared.rerouted([...travelled, ...other.ids]);
  }
}

/** The neighbours of a position that are routers: neither the first nor the last of the route. */
function routersBeside(head: PacketHead, position: number): readonly NodeId[] {
  const routers: NodeId[] = [];
  if (position > 1) routers.push(head.node(position - 1));
  if (position + 1 < head.ids - 1) routers.push(head.node(position + 1));
  return routers;
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
