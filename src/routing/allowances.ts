/**
 * What each neighbour may send: requests and advertisements a second.
 *
 * Rules: routing.md, Discovery (requests 10/s, advertisements 2/s; past them the message is dropped and counted).
 * A peer that leaves and comes back finds its allowance as it left it, until a sweep. Main thread only.
 */
import type { NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { TokenBucket } from '../core/token-bucket.js';

export interface Allowance {
  readonly requests: TokenBucket;
  readonly advertisements: TokenBucket;
}

export class Allowances {
  readonly #byNeighbour = new Map<NodeKey, Allowance>();

  of(neighbour: NodeKey, nowMillis: number): Allowance {
    const known = this.#byNeighbour.get(neighbour);
    if (known !== undefined) return known;
    for (const oldest of this.#byNeighbour.keys()) {
      if (this.#byNeighbour.size < 2 * LIMITS.DIRECT_PEERS) break;
      this.#byNeighbour.delete(oldest);
    }
    const fresh = {
      requests: full(LIMITS.REQUESTS_PER_NEIGHBOUR, nowMillis),
      advertisements: full(LIMITS.ADVERTISEMENTS_PER_NEIGHBOUR, nowMillis),
    };
    this.#byNeighbour.set(neighbour, fresh);
    return fresh;
  }

  /** Forgets those who are no neighbours any more. */
  sweep(isNeighbour: (key: NodeKey) => boolean): void {
    for (const key of this.#byNeighbour.keys()) if (!isNeighbour(key)) this.#byNeighbour.delete(key);
  }
}

function full(perSecond: number, nowMillis: number): TokenBucket {
  return new TokenBucket(perSecond, perSecond, nowMillis);
}
