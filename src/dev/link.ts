/**
 * One direction of a virtual link: loses, delays and reorders packets by a seed.
 *
 * The fate of a packet depends only on the seed and on its place in the direction's sequence, never on time, so
 * that a run can be replayed. Reordering holds a packet back until a few later ones have passed it.
 */
import { assert } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { randomBelow } from '../core/random.js';

export interface LinkQuality {
  readonly latencyMillis: number;
  /** Share of the packets that never arrive, 0 to 1. */
  readonly lossRate: number;
  /** Share of the packets that later ones overtake, 0 to 1. */
  readonly reorderRate: number;
}

export const PERFECT_LINK: LinkQuality = { latencyMillis: 0, lossRate: 0, reorderRate: 0 };

/** What became of the packets of one direction; `sent` is the sum of the others but `reordered`. */
export interface LinkStats {
  readonly sent: number;
  readonly delivered: number;
  readonly lost: number;
  readonly reordered: number;
  /** Refused because as many packets as allowed were under way. */
  readonly overflowed: number;
  readonly inFlight: number;
}

/** At most so many later packets overtake a held one. */
const HOLD_PACKETS = 4;
/** A held packet goes after this time even if nothing follows it. */
const HOLD_MILLIS = 20;

interface Held {
  readonly bytes: Uint8Array;
  /** Later packets that still have to pass. */
  passes: number;
  readonly timer: Timer;
}

export class LinkDirection {
  #quality: LinkQuality;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #deliver: (bytes: Uint8Array) => void;
  readonly #held = new Set<Held>();
  #isOpen = true;
  #sent = 0;
  #delivered = 0;
  #lost = 0;
  #reordered = 0;
  #overflowed = 0;
  #inFlight = 0;
  #inFlightBytes = 0;

  /** @param deliver takes the bytes at the far end; they are not copied */
  constructor(quality: LinkQuality, clock: Clock, random: Random, deliver: (bytes: Uint8Array) => void) {
    checkQuality(quality);
    this.#quality = quality;
    this.#clock = clock;
    this.#random = random;
    this.#deliver = deliver;
  }

  get quality(): LinkQuality {
    return this.#quality;
  }

  /** Holds for packets sent from now on. */
  setQuality(quality: LinkQuality): void {
    checkQuality(quality);
    this.#quality = quality;
  }

  /** Sends bytes; a lost or overflowed packet is gone without a sign, as on a real network. */
  send(bytes: Uint8Array): void {
    if (!this.#isOpen) return;
    this.#sent++;
    // Three draws for every packet, used or not: one setting never shifts the fate of later packets.
    const isLost = this.#random.unit() < this.#quality.lossRate;
    const isReordered = this.#random.unit() < this.#quality.reorderRate;
    const passes = 1 + randomBelow(this.#random, HOLD_PACKETS);
    if (isLost) {
      this.#lost++;
    } else if (
      this.#inFlight >= LIMITS.DEV_LINK_PACKETS ||
      this.#inFlightBytes + bytes.length > LIMITS.DEV_LINK_BYTES
    ) {
      this.#overflowed++;
    } else {
      this.#inFlight++;
      this.#inFlightBytes += bytes.length;
      if (isReordered) {
        this.#reordered++;
        this.#hold(bytes, passes);
      } else {
        this.#travel(bytes);
      }
    }
    this.#passHeld();
  }

  stats(): LinkStats {
    return {
      sent: this.#sent,
      delivered: this.#delivered,
      lost: this.#lost,
      reordered: this.#reordered,
      overflowed: this.#overflowed,
      inFlight: this.#inFlight,
    };
  }

  /** Cuts the link: what is under way is lost. */
  close(): void {
    this.#isOpen = false;
    this.#lost += this.#inFlight;
    this.#inFlight = 0;
    this.#inFlightBytes = 0;
    for (const held of this.#held) held.timer.cancel();
    this.#held.clear();
  }

  #hold(bytes: Uint8Array, passes: number): void {
    const held: Held = {
      bytes,
      // The packet itself counts as the first to pass.
      passes: passes + 1,
      timer: this.#clock.after(HOLD_MILLIS, () => {
        this.#held.delete(held);
        this.#travel(bytes);
      }),
    };
    this.#held.add(held);
  }

  #passHeld(): void {
    for (const held of this.#held) {
      if (--held.passes > 0) continue;
      this.#held.delete(held);
      held.timer.cancel();
      this.#travel(held.bytes);
    }
  }

  #travel(bytes: Uint8Array): void {
    if (this.#quality.latencyMillis === 0) {
      this.#arrive(bytes);
    } else {
      this.#clock.after(this.#quality.latencyMillis, () => {
        if (this.#isOpen) this.#arrive(bytes);
      });
    }
  }

  #arrive(bytes: Uint8Array): void {
    this.#inFlight--;
    this.#inFlightBytes -= bytes.length;
    this.#delivered++;
    this.#deliver(bytes);
  }
}

function checkQuality(quality: LinkQuality): void {
  assert(quality.latencyMillis >= 0 && Number.isFinite(quality.latencyMillis), 'a latency is 0 ms or more');
  assert(quality.lossRate >= 0 && quality.lossRate <= 1, 'a loss rate is from 0 to 1');
  assert(quality.reorderRate >= 0 && quality.reorderRate <= 1, 'a reorder rate is from 0 to 1');
}
