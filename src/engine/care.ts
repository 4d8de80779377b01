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
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { jittered } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import type { CaredPacket } from './cared-packet.js';

/** What one attempt came to. */
export type AttemptOutcome =
  /** Done for good: delivered here. */
  | { readonly kind: 'done' }
  /** The next hop's link took it; the packet may have been given another route first. */
  | { readonly kind: 'handedOver'; readonly nextHop: NodeId; readonly cared: CaredPacket }
  /** Not now; try again. */
  | { readonly kind: 'later'; readonly reason: Reason };

export type OnAttempted = (outcome: AttemptOutcome) => void;

export interface CareOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How long a packet is kept after its next hop took it. */
  readonly keepMillis: () => number;
  /** Delivers or forwards once, and says once what came of it, at once or later. Must not throw. */
  readonly attempt: (cared: CaredPacket, onOutcome: OnAttempted) => void;
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
  /** Of the next attempt. */
  timer: Timer | null;
  /** Until when it is kept after its next hop took it, in monotonic milliseconds. */
  keptUntil: number;
}

export class PacketCare {
  readonly #options: CareOptions;
  readonly #held = new Map<string, Held>();
  #bytes = 0;
  #waiting = 0;
  /** Packets that their next hop has taken, in that order; some may have been offered to another since, or dropped. */
  readonly #kept: Held[] = [];
  #forgetting: Timer | null = null;

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
   * @param key as its acceptance would have it
   */
  holds(key: string, bytes: Uint8Array): boolean {
    return this.#held.get(key)?.cared.cameAs(bytes) === true;
  }

  /** Takes a packet over that is not in care. @param onOutcome told when its first attempt is over */
  take(cared: CaredPacket, ttlMillis: number, onOutcome: OnAttempted): void {
    assert(!this.#held.has(cared.key), 'a packet is taken into care once');
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
      keptUntil: Infinity,
    };
    this.#held.set(cared.key, held);
    this.#bytes += cared.bytes.length;
    this.#waiting += 1;
    this.#try(held, onOutcome);
  }

  /** A neighbour is gone: what it was given lately goes another way. */
  neighbourLost(isLost: (nextHop: NodeId) => boolean): void {
    for (const held of [...this.#held.values()]) {
      if (held.busy) held.isLost = isLost;
      if (held.busy || held.nextHop === null || !isLost(held.nextHop)) continue;
      held.nextHop = null;
      held.keptUntil = Infinity;
      held.waitMillis = LIMITS.RESEND_MIN_MILLIS;
      this.#waiting += 1;
      this.#try(held);
    }
  }

  /** A new neighbour or route: what waits is tried at once. */
  nudge(): void {
    for (const held of [...this.#held.values()]) {
      if (!held.busy && held.nextHop === null) this.#try(held);
    }
  }

  /** Packets not yet with their next hop, packets kept after it took them, bytes of both. */
  stats(): { readonly waiting: number; readonly kept: number; readonly bytes: number } {
    return { waiting: this.#waiting, kept: this.#held.size - this.#waiting, bytes: this.#bytes };
  }

  close(): void {
    for (const held of this.#held.values()) held.timer?.cancel();
    this.#forgetting?.cancel();
    this.#held.clear();
    this.#bytes = 0;
    this.#waiting = 0;
  }

  #try(held: Held, onOutcome?: OnAttempted): void {
    held.timer?.cancel();
    held.timer = null;
    held.busy = true;
    held.isLost = null;
    this.#options.attempt(held.cared, (told) => {
      held.busy = false;
      const outcome = tookAndWasLost(held, told) ? LOST : told;
      if (this.#held.has(held.cared.key)) this.#settle(held, outcome);
      onOutcome?.(outcome);
    });
  }

  #settle(held: Held, outcome: AttemptOutcome): void {
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
        this.#keep(held, Math.min(left, this.#options.keepMillis()));
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
            this.#try(held);
          });
        }
        break;
    }
  }

  /** Keeps a packet for a while that its next hop has taken. */
  #keep(held: Held, millis: number): void {
    if (millis <= 0) {
      this.#drop(held);
      return;
    }
    held.keptUntil = this.#options.clock.monotonicMillis() + millis;
    this.#kept.push(held);
    if (this.#kept.length === 1) this.#forgetIn(millis);
  }

  /** One timer for all, since they are thousands a second: what is behind one with more time waits for that. */
  #forgetIn(millis: number): void {
    this.#forgetting = this.#options.clock.after(millis, () => {
      const now = this.#options.clock.monotonicMillis();
      const first = this.#kept.findIndex((held) => isKept(held) && held.keptUntil > now);
      const over = this.#kept.splice(0, first < 0 ? this.#kept.length : first);
      for (const held of over) if (isKept(held)) this.#drop(held);
      const [next] = this.#kept;
      if (next !== undefined) this.#forgetIn(next.keptUntil - now);
    });
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
    held.keptUntil = Infinity;
    if (this.#held.delete(held.cared.key)) this.#bytes -= held.cared.bytes.length;
  }
}

/** Whether it is still kept; it may be kept anew, and then stands in the list twice. */
function isKept(held: Held): boolean {
  return held.keptUntil !== Infinity;
}

const LOST: AttemptOutcome = { kind: 'later', reason: Reason.NextHopLost };

/** Whether the neighbour that took the packet was lost while it did. */
function tookAndWasLost(held: Held, outcome: AttemptOutcome): boolean {
  return outcome.kind === 'handedOver' && held.isLost !== null && held.isLost(outcome.nextHop);
}
