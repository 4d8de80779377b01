/** Latencies in buckets of 2 % width: percentiles of any number of them in the same few kilobytes. */

const LOWEST_MILLIS = 0.001;
const WIDTH: number = Math.log(1.02);
const BUCKETS = 1_200;

export interface Latency {
  /** Milliseconds; 0 where there were none. */
  readonly p50Millis: number;
  readonly p99Millis: number;
}

export class LatencyHistogram {
  readonly #buckets = new Uint32Array(BUCKETS);
  #count = 0;

  add(millis: number): void {
    const bucket = Math.floor(Math.log(Math.max(millis, LOWEST_MILLIS) / LOWEST_MILLIS) / WIDTH);
    const at = Math.min(bucket, BUCKETS - 1);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#count += 1;
  }

  /** The upper end of the bucket that the part of all latencies ends in. */
  percentile(part: number): number {
    let left = part * this.#count;
    for (let at = 0; at < BUCKETS; at++) {
      left -= this.#buckets[at] ?? 0;
      if (left <= 0) return this.#count === 0 ? 0 : LOWEST_MILLIS * Math.exp((at + 1) * WIDTH);
    }
    return Infinity;
  }

  summary(): Latency {
    return { p50Millis: this.percentile(0.5), p99Millis: this.percentile(0.99) };
  }
}
