/**
 * Sliding window of sequence numbers for one authenticated sender.
 *
 * Rules: RFC 6479 (bitmap window without shifting); payments.md, any proof, 6: the window moves only after the
 * packet was verified, so that a junk packet cannot push an honest sender out of it.
 */
import { LIMITS } from '../core/limits.js';

const WORD_BITS = 32;
const WORD_SHIFT = 5n;
const WORD_MASK = 31n;

/** One word more than the window has, so that the words behind the newest number can be cleared in whole. */
const WORDS: number = LIMITS.SEQUENCE_WINDOW / WORD_BITS + 1;

const WINDOW = BigInt(LIMITS.SEQUENCE_WINDOW);

/** About 1 kB. Single-threaded. */
export class SequenceWindow {
  readonly #seen = new Uint32Array(WORDS);
  #newest = -1n;

  /** Whether a number is new: above all seen, or at most LIMITS.SEQUENCE_WINDOW below the newest and not seen. */
  isFresh(sequence: bigint): boolean {
    if (sequence > this.#newest) return true;
    if (this.#newest - sequence > WINDOW) return false;
    return ((this.#seen[wordOf(sequence)] ?? 0) & bitOf(sequence)) === 0;
  }

  /** Remembers a fresh number, of a packet that was verified. */
  accept(sequence: bigint): void {
    if (sequence > this.#newest) {
      const from = this.#newest < 0n ? -1n : this.#newest >> WORD_SHIFT;
      const to = sequence >> WORD_SHIFT;
      if (to - from >= BigInt(WORDS)) this.#seen.fill(0);
      else for (let word = from + 1n; word <= to; word++) this.#seen[Number(word % BigInt(WORDS))] = 0;
      this.#newest = sequence;
    }
    const word = wordOf(sequence);
    this.#seen[word] = (this.#seen[word] ?? 0) | bitOf(sequence);
  }
}

function wordOf(sequence: bigint): number {
  return Number((sequence >> WORD_SHIFT) % BigInt(WORDS));
}

function bitOf(sequence: bigint): number {
  return 1 << Number(sequence & WORD_MASK);
}
