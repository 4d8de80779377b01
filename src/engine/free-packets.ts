/**
 * Packets that nobody paid for: whether they are taken once they passed the judge, and the short way of most of them,
 * from the link that brought them to the link of the next hop, without being held in between.
 *
 * Rules: payments.md, Free traffic, and any proof, 6 (replays); routing.md (source routes). Under load they are nearly
 * all that passes, so that no object is made for one here. Main thread only.
 */
import { present } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, PeerLink } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import type { Counters } from '../metrics/counters.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import { declaredTraffic } from '../packet/declared.js';
import { PacketHead } from '../packet/head.js';
import type { PacketVerdict } from '../pool/judge-port.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RoutingTable } from '../routing/table.js';
import type { DirectPeer } from '../routing/table-types.js';
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

const NOTHING = new Uint8Array(0);

/** What packets have in common that follow each other: their sender, and all that stands before their sequence numbers. */
interface Run {
  /** Address of the sender, or null where they start here. */
  from: string | null;
  /** Of the first; null before there was one. */
  head: PacketHead | null;
  /** The next hop, where there is one that is a neighbour. */
  nextPeer: DirectPeer | null;
  /** Whether their quota of free traffic was not charged when they came: where all is free, so is what says that it is paid. */
  isUncharged: boolean;
  /** Whose numbers theirs are, where the link vouches for it: a payment's own key protects paid packets. */
  window: NodeId | null;
  /** When the first was passed on; null before one was. A run is over in the turn of the event loop in which it began. */
  sinceMillis: number | null;
}

export class FreePackets {
  readonly #parts: FreePacketsParts;
  readonly #care: PacketCare;
  readonly #passed: PassedPackets;
  readonly #hops: NextHops;
  /** Of the packet that was asked for last. */
  readonly #run: Run = {
    from: null,
    head: null,
    nextPeer: null,
    isUncharged: false,
    window: null,
    sinceMillis: null,
  };
  readonly #passing: { bytes: Uint8Array; from: string } = { bytes: NOTHING, from: '' };

  constructor(parts: FreePacketsParts, care: PacketCare, passed: PassedPackets, hops: NextHops) {
    this.#parts = parts;
    this.#care = care;
    this.#passed = passed;
    this.#hops = hops;
  }

  /**
   * Whether a packet is taken; a refusal changes nothing but the quota of who sent it. To be asked for every free packet, in
   * the order of their verdicts, since those that follow others are not looked at again.
   * @param from address of the peer that gave it to us, or null where it started here
   * @returns Accepted, `duplicate` where it is in care already, or why it is refused
   */
  admit(bytes: Uint8Array, verdict: PacketVerdict, from: string | null): Reason | 'duplicate' {
    const { peers, replay } = this.#parts;
    const run = this.#run;
    if (!verdict.follows || run.from !== from) this.#begin(new PacketHead(bytes), verdict, from);
    // Nothing else tells a packet that was relayed from the same one offered again.
    if (this.#care.holdsFree(verdict.mark)) return 'duplicate';
    if (this.#isBacklogged(run)) return Reason.LinkFull;
    if (from === null) return Reason.Accepted;
    if (run.isUncharged && !peers.chargeFree(from, bytes.length)) return Reason.FreeQuotaExceeded;
    if (run.window === null) return Reason.Accepted;
    const sequence = verdict.follows ? verdict.sequence : headOf(run).sequence;
    return replay.checkReplay(null, run.window, sequence);
  }

  /**
   * Gives the packet that was admitted last to its next hop, where that has a link which takes it at once.
   * @returns false where nothing was done
   */
  passOn(bytes: Uint8Array, { mark, position, hasTtl }: PacketVerdict, from: string): boolean {
    const { clock, counters, link, peers, recorder } = this.#parts;
    const run = this.#run;
    const { nextPeer } = run;
    if (hasTtl || nextPeer === null) return false;
    const now = run.sinceMillis ?? clock.monotonicMillis();
    if (!link.passOn(nextPeer.address, bytes, from, now)) return false;
    counters.hot.packets_sent.count++;
    counters.hot.packets_forwarded.count++;
    counters.passed('free', bytes.length);
    peers.sentTo(nextPeer.address);
    this.#passing.bytes = bytes;
    this.#passing.from = from;
    recorder.passed('forwarded', this.#passing, Reason.Accepted);
    if (run.sinceMillis === null) this.#hops.noteUse(headOf(run), position, now);
    run.sinceMillis = now;
    this.#passed.add(bytes, mark, from, position, nextPeer.nodeId, now);
    return true;
  }

  #begin(head: PacketHead, { position }: PacketVerdict, from: string | null): void {
    const { peers, table } = this.#parts;
    const run = this.#run;
    run.from = from;
    run.sinceMillis = null;
    run.head = head;
    const isAtEnd = position === head.ids - 1;
    run.nextPeer = isAtEnd ? null : table.directPeerOf(head.bytes, head.idAt(position + 1));
    run.isUncharged = declaredTraffic(head.bytes) === 'paid';
    run.window = from !== null && position === 1 ? peers.windowOf(from) : null;
  }

  /** Whether so much waits for the link to the next hop already that free packets are refused. */
  #isBacklogged({ nextPeer }: Run): boolean {
    if (nextPeer === null || !this.#care.isAnyBlocked) return false;
    return this.#care.blockedBytesAt(nextPeer.address) >= LIMITS.LINK_BLOCKED_BYTES;
  }
}

function headOf({ head }: Run): PacketHead {
  return present(head, 'a packet is admitted in a run');
}
