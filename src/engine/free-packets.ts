/**
 * Packets that nobody paid for: whether they are taken once they passed the judge, and the short way of most of them,
 * from the link that brought them to the link of the next hop, without being held in between.
 *
 * Rules: payments.md, Free traffic, and any proof, 6 (replays); routing.md (source routes). Under load they are nearly
 * all that passes, so that no object is made for one here. Main thread only.
 */
import { LIMITS } from '../core/limits.js';
import type { Clock, PeerLink } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import type { Counters } from '../metrics/counters.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import { declaredTraffic } from '../packet/declared.js';
import type { PacketHead } from '../packet/head.js';
import type { PacketVerdict } from '../pool/judge-port.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RoutingTable } from '../routing/table.js';
import type { PacketCare } from './care.js';
import type { NextHops } from './next-hops.js';
import type { PassedPackets } from './passed.js';
import type { PeerBook } from './peers.js';

export interface FreePacketsParts {
  readonly clock: Clock;
  readonly counters: Counters;
  readonly recorder: FlightRecorder;
  readonly peers: PeerBook;
  readonly table: RoutingTable;
  readonly replay: ReplayPrevention;
  readonly link: PeerLink;
}

export class FreePackets {
  readonly #parts: FreePacketsParts;
  readonly #care: PacketCare;
  readonly #passed: PassedPackets;
  readonly #hops: NextHops;

  constructor(parts: FreePacketsParts, care: PacketCare, passed: PassedPackets, hops: NextHops) {
    this.#parts = parts;
    this.#care = care;
    this.#passed = passed;
    this.#hops = hops;
  }

  /**
   * Whether a packet is taken; a refusal changes nothing but the quota of who sent it.
   * @param from address of the peer that gave it to us, or null where it started here
   * @returns Accepted, `duplicate` where it is in care already, or why it is refused
   */
  admit(head: PacketHead, { mark, position }: PacketVerdict, from: string | null): Reason | 'duplicate' {
    const { peers, replay } = this.#parts;
    // Nothing else tells a packet that was relayed from the same one offered again.
    if (this.#care.holdsFree(mark)) return 'duplicate';
    if (this.#isBacklogged(head, position)) return Reason.LinkFull;
    if (from === null) return Reason.Accepted;
    // Where all is free, so is what says that it is paid.
    const isUncharged = declaredTraffic(head.bytes) === 'paid';
    if (isUncharged && !peers.chargeFree(from, head.bytes.length)) return Reason.FreeQuotaExceeded;
    // A payment's own key protects paid packets.
    return position === 1 ? replay.checkReplay(null, peers.windowOf(from), head.sequence) : Reason.Accepted;
  }

  /**
   * Gives a packet that was admitted to its next hop, where that has a link which takes it at once.
   * @returns false where nothing was done
   */
  passOn(head: PacketHead, { mark, position, hasTtl }: PacketVerdict, from: string): boolean {
    if (hasTtl || position === head.ids - 1) return false;
    const { bytes } = head;
    const { clock, counters, link, peers, recorder, table } = this.#parts;
    const peer = table.directPeerOf(bytes, head.idAt(position + 1));
    const now = clock.monotonicMillis();
    if (peer === null || !link.passOn(peer.address, bytes, from, now)) return false;
    counters.hot.packets_sent.count++;
    counters.hot.packets_forwarded.count++;
    counters.passed('free', bytes.length);
    peers.sentTo(peer.address);
    recorder.passed('forwarded', { bytes, from }, Reason.Accepted);
    this.#hops.noteUse(head, position, now);
    this.#passed.add(bytes, mark, from, position, peer.nodeId, now);
    return true;
  }

  /** Whether so much waits for the link to the next hop already that free packets are refused. */
  #isBacklogged(head: PacketHead, position: number): boolean {
    if (!this.#care.isAnyBlocked || position === head.ids - 1) return false;
    const peer = this.#parts.table.directPeerOf(head.bytes, head.idAt(position + 1));
    return peer !== null && this.#care.blockedBytesAt(peer.address) >= LIMITS.LINK_BLOCKED_BYTES;
  }
}
