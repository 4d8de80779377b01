/**
 * Sliding window of sequence numbers for one authenticated sender.
 *
 * Rules: RFC 6479 (bitmap window without shifting); payments.md, any proof, 6: the window moves only after the
 * packet was verified, so that a junk packet cannot push an honest sender out of it.
 */
import { LIMITS } from '../core/limits.js';

const WORD_BITS = 32;
const WORD_SHIFT = 5;

/** One word more than the window has, so that the words behind the newest number can be cleared in whole. */
const WORDS: number = LIMITS.SEQUENCE_WINDOW / WORD_BITS + 1;

const HALF_BITS = 32;
const HALF = 2 ** HALF_BITS;
const LOW_MASK = 0xffff_ffffn;
/** Words that one step of the upper half of a number spans. */
const WORDS_A_HALF = HALF / WORD_BITS;

/** A number that a source gives its packets: 64 bits; as a number where that holds it exactly. */
export type Sequence = number | bigint;

/** About 1 kB. Single-threaded. Counts in halves of 32 bits: a bigint would be an object for each step. */
export class SequenceWindow {
  readonly #seen = new Uint32Array(WORDS);
  /** Halves of the newest number; the upper is -1 before the first. */
  #newestHigh = -1;
  #newestLow = 0;

  /** Whether a number is new: above all seen, or at most LIMITS.SEQUENCE_WINDOW below the newest and not seen. */
  isFresh(sequence: Sequence): boolean {
    const high = highOf(sequence);
    const low = lowOf(sequence);
    // Exact where it is small, which alone is asked.
    const below = (this.#newestHigh - high) * HALF + this.#newestLow - low;
    if (below < 0) return true;
    if (below > LIMITS.SEQUENCE_WINDOW) return false;
    return ((this.#seen[placeOf(high, low)] ?? 0) & bitOf(low)) === 0;
  }

  /** Remembers a fresh number, of a packet that was verified. */
  accept(sequence: Sequence): void {
    const high = highOf(sequence);
    const low = lowOf(sequence);
    const place = placeOf(high, low);
    if ((high - this.#newestHigh) * HALF + low - this.#newestLow > 0) {
      this.#clearUpTo(high, low);
      this.#newestHigh = high;
      this.#newestLow = low;
    }
    this.#seen[place] = (this.#seen[place] ?? 0) | bitOf(low);
  }

  /** Clears the words behind that of the newest number, up to that of a newer one. */
  #clearUpTo(high: number, low: number): void {
    if (this.#newestHigh < 0) return;
    const words = (high - this.#newestHigh) * WORDS_A_HALF + wordIn(low) - wordIn(this.#newestLow);
    if (words >= WORDS) {
      this.#seen.fill(0);
      return;
    }
    const from = placeOf(this.#newestHigh, this.#newestLow);
    for (let word = 1; word <= words; word++) this.#seen[(from + word) % WORDS] = 0;
  }
}

function highOf(sequence: Sequence): number {
  return typeof sequence === 'number'
    ? Math.floor(sequence / HALF)
    : Number(BigInt.asUintN(2 * HALF_BITS, sequence) >> BigInt(HALF_BITS));
}

function lowOf(sequence: Sequence): number {
  return typeof sequence === 'number' ? sequence >>> 0 : Number(sequence & LOW_MASK);
}

function wordIn(low: number): number {
  return low >>> WORD_SHIFT;
}

/** The word of a number: in whole numbers of 32 bits, whose remainders take no division of floating point. */
function placeOf(high: number, low: number): number {
  return ((((high >>> 0) % WORDS) * (WORDS_A_HALF % WORDS) + wordIn(low)) >>> 0) % WORDS;
}

function bitOf(low: number): number {
  return 1 << (low & (WORD_BITS - 1));
}
