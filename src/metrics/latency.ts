/**
 * Histograms of what is measured on the packet path: fixed buckets in memory made once, no object and no label looked
 * up for an observation. Main thread only.
 */

/** Upper bounds in seconds, from a fifth of a millisecond to half a minute. */
export const LATENCY_BOUNDS: readonly number[] = [
  0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30,
];

/** Upper bounds in seconds of work that is done at once: from two microseconds to a second. */
export const WORK_BOUNDS: readonly number[] = [
  0.000002, 0.000005, 0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.1, 1,
];

/** Hops of a route: 1 to 10. */
export const HOP_BOUNDS: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];

export class Histogram {
  readonly bounds: readonly number[];
  /** One for each bound, and one for what lies above all. */
  readonly #counts: Float64Array;
  #sum = 0;
  #count = 0;

  constructor(bounds: readonly number[] = LATENCY_BOUNDS) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** @param value in the unit of the bounds @param times how often it was so */
  observe(value: number, times = 1): void {
    let at = 0;
    while (at < this.bounds.length && value > (this.bounds[at] ?? Infinity)) at++;
    this.#counts[at] = (this.#counts[at] ?? 0) + times;
    this.#sum += value * times;
    this.#count += times;
  }

  /** So many observations were at most the bound of the same index; the last entry counts all. */
  cumulative(): readonly number[] {
    let sum = 0;
    return Array.from(this.#counts, (count) => (sum += count));
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#count;
  }

  /** The bound below which so large a part of the observations lies; null where there is none, or above all bounds. */
  quantile(part: number): number | null {
    if (this.#count === 0) return null;
    const at = this.cumulative().findIndex((count) => count >= part * this.#count);
    return this.bounds[at] ?? null;
  }
}

/** True for the first of so many, again and again: measures a few of what is too frequent to be measured each. */
export class Sampler {
  readonly #every: number;
  #left = 0;

  constructor(every: number) {
    this.#every = every;
  }

  isDue(): boolean {
    if (this.#left-- > 0) return false;
    this.#left = this.#every - 1;
    return true;
  }
}
