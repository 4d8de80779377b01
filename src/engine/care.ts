/**
 * Accepted packets that this node still owes somebody: they are offered to their next hop until it takes them,
 * routed anew when it is lost, and kept a while after it took them, since a hop that dies may not have passed
 * them on.
 *
 * Rules: payments.md, any proof, 7 (an accepted packet is this node's to deliver, until its ttl); routing.md
 * (a packet in flight whose next hop is gone gets a repair). A packet offered twice on its way is harmless: its
 * payment key lets it through each node once. Main thread only.
 */
import { assert } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { jittered } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import type { MeshPacket } from '../packet/packet.js';

/** A packet in care. */
export interface CaredPacket {
  /** The mark of the packet as it arrived, in hex: the same bytes offered again are recognised by it. */
  readonly mark: string;
  /** The peer that gave it to us, or null where it started here. */
  readonly from: string | null;
  /** With the route in force: a repair replaces it, and the bytes with it. */
  readonly packet: MeshPacket;
  /** The packet as it goes out. */
  readonly bytes: Uint8Array;
  /** Where this node stands on the route. */
  readonly position: number;
}

/** What one attempt came to. */
export type AttemptOutcome =
  /** Done for good: delivered here. */
  | { readonly kind: 'done' }
  /** The next hop's link took it; the packet may have been given another route first. */
  | { readonly kind: 'handedOver'; readonly nextHop: NodeId; readonly cared: CaredPacket }
  /** Not now; try again. */
  | { readonly kind: 'later'; readonly reason: Reason };

export interface CareOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How long a packet is kept after its next hop took it. */
  readonly keepMillis: () => number;
  /** Delivers or forwards once. Never rejects. */
  readonly attempt: (cared: CaredPacket) => Promise<AttemptOutcome>;
  /** The packet's time ran out. */
  readonly onExpired: (cared: CaredPacket, reason: Reason) => void;
}

interface Held {
  cared: CaredPacket;
  readonly deadlineMillis: number;
  waitMillis: number;
  nextHop: NodeId | null;
  lastReason: Reason;
  busy: boolean;
  /** Set when a neighbour is lost while an attempt is under way: it may be the one that takes the packet. */
  isLost: ((nextHop: NodeId) => boolean) | null;
  timer: Timer | null;
}

export class PacketCare {
  readonly #options: CareOptions;
  readonly #held = new Map<string, Held>();
  #bytes = 0;
  #waiting = 0;

  constructor(options: CareOptions) {
    this.#options = options;
  }

  /** Whether one more packet fits: asked before a payment is claimed, so that nothing accepted is dropped. */
  hasRoom(bytes: number): boolean {
    return (
      this.#waiting < LIMITS.PACKETS_IN_CARE &&
      this.#bytesAfterForgetting(bytes) <= LIMITS.PACKETS_IN_CARE_BYTES
    );
  }

  /**
   * Whether this very packet is in care already. The peer is the same then too: the bytes name the hop before us,
   * and its link vouched for that.
   */
  holds(mark: Uint8Array): boolean {
    return this.#held.has(toHex(mark));
  }

  /** Takes a packet over that is not in care. Resolves when its first attempt is over. */
  async take(cared: CaredPacket, ttlMillis: number): Promise<AttemptOutcome> {
    assert(!this.#held.has(cared.mark), 'a packet is taken into care once');
    this.#makeRoom(cared.bytes.length);
    const held: Held = {
      cared,
      deadlineMillis: this.#options.clock.monotonicMillis() + ttlMillis,
      waitMillis: LIMITS.RESEND_MIN_MILLIS,
      nextHop: null,
      lastReason: Reason.NextHopLost,
      busy: false,
      isLost: null,
      timer: null,
    };
    this.#held.set(cared.mark, held);
    this.#bytes += cared.bytes.length;
    this.#waiting += 1;
    return this.#try(held);
  }

  /** A neighbour is gone: what it was given lately goes another way. */
  neighbourLost(isLost: (nextHop: NodeId) => boolean): void {
    for (const held of [...this.#held.values()]) {
      if (held.busy) held.isLost = isLost;
      if (held.busy || held.nextHop === null || !isLost(held.nextHop)) continue;
      held.nextHop = null;
      held.waitMillis = LIMITS.RESEND_MIN_MILLIS;
      this.#waiting += 1;
      void this.#try(held);
    }
  }

  /** A new neighbour or route: what waits is tried at once. */
  nudge(): void {
    for (const held of [...this.#held.values()]) {
      if (!held.busy && held.nextHop === null) void this.#try(held);
    }
  }

  /** Packets not yet with their next hop, packets kept after it took them, bytes of both. */
  stats(): { readonly waiting: number; readonly kept: number; readonly bytes: number } {
    return { waiting: this.#waiting, kept: this.#held.size - this.#waiting, bytes: this.#bytes };
  }

  close(): void {
    for (const held of this.#held.values()) held.timer?.cancel();
    this.#held.clear();
    this.#bytes = 0;
    this.#waiting = 0;
  }

  async #try(held: Held): Promise<AttemptOutcome> {
    held.timer?.cancel();
    held.timer = null;
    held.busy = true;
    held.isLost = null;
    let outcome = await this.#options.attempt(held.cared);
    held.busy = false;
    if (tookAndWasLost(held, outcome)) outcome = { kind: 'later', reason: Reason.NextHopLost };
    if (!this.#held.has(held.cared.mark)) return outcome;
    const { clock } = this.#options;
    const left = held.deadlineMillis - clock.monotonicMillis();
    switch (outcome.kind) {
      case 'done':
        this.#waiting -= 1;
        this.#drop(held);
        break;
      case 'handedOver': {
        this.#waiting -= 1;
        held.nextHop = outcome.nextHop;
        this.#bytes += outcome.cared.bytes.length - held.cared.bytes.length;
        held.cared = outcome.cared;
        const keep = Math.min(left, this.#options.keepMillis());
        if (keep <= 0) this.#drop(held);
        else
          held.timer = clock.after(keep, () => {
            this.#drop(held);
          });
        break;
      }
      case 'later':
        held.lastReason = outcome.reason;
        if (left <= 0) {
          this.#waiting -= 1;
          this.#drop(held);
          this.#options.onExpired(held.cared, held.lastReason);
        } else {
          const wait = Math.min(left, jittered(this.#options.random, held.waitMillis));
          held.waitMillis = Math.min(2 * held.waitMillis, LIMITS.RESEND_MAX_MILLIS);
          held.timer = clock.after(wait, () => {
            void this.#try(held);
          });
        }
        break;
    }
    return outcome;
  }

  #bytesAfterForgetting(bytes: number): number {
    let total = this.#bytes + bytes;
    if (total <= LIMITS.PACKETS_IN_CARE_BYTES) return total;
    for (const held of this.#held.values()) if (held.nextHop !== null) total -= held.cared.bytes.length;
    return total;
  }

  /** Packets that their next hop has taken are only kept as a precaution: the oldest make room. */
  #makeRoom(bytes: number): void {
    if (this.#bytes + bytes <= LIMITS.PACKETS_IN_CARE_BYTES && this.#held.size < 2 * LIMITS.PACKETS_IN_CARE)
      return;
    for (const held of this.#held.values()) {
      if (held.nextHop === null || held.busy) continue;
      this.#drop(held);
      if (this.#bytes + bytes <= LIMITS.PACKETS_IN_CARE_BYTES && this.#held.size < 2 * LIMITS.PACKETS_IN_CARE)
        return;
    }
  }

  #drop(held: Held): void {
    held.timer?.cancel();
    if (this.#held.delete(held.cared.mark)) this.#bytes -= held.cared.bytes.length;
  }
}

/** Whether the neighbour that took the packet was lost while it did. */
function tookAndWasLost(held: Held, outcome: AttemptOutcome): boolean {
  return outcome.kind === 'handedOver' && held.isLost !== null && held.isLost(outcome.nextHop);
}
