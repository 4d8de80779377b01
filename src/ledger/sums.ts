/**
 * Sums of amounts by number. Small ones are kept in floating point, where whole numbers below 2^53 are exact, and go over
 * to a bigint before they can pass that.
 */
import { NARROW_MSAT, type PostingView } from './posting-bytes.js';

export class Sums {
  #narrow = new Float64Array(16);
  readonly #wide = new Map<number, bigint>();

  of(index: number): bigint {
    return BigInt(this.#narrow[index] ?? 0) + (this.#wide.get(index) ?? 0n);
  }

  /** Adds an amount of a posting. */
  add(index: number, posting: PostingView, entry: number): void {
    if (index >= this.#narrow.length) this.#grow(index);
    // Exact: both are below 2^52.
    const sum = (this.#narrow[index] ?? 0) + posting.narrowMsatOf(entry);
    if (Math.abs(sum) < NARROW_MSAT) {
      this.#narrow[index] = sum;
      return;
    }
    this.#wide.set(index, this.of(index) + posting.msatOf(entry));
    this.#narrow[index] = 0;
  }

  copy(): Sums {
    const copy = new Sums();
    copy.#narrow = this.#narrow.slice();
    for (const [index, sum] of this.#wide) copy.#wide.set(index, sum);
    return copy;
  }

  #grow(index: number): void {
    const narrow = new Float64Array(2 * index);
    narrow.set(this.#narrow);
    this.#narrow = narrow;
  }
}
