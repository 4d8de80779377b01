/**
 * Fresh requests for destinations whose routes went or concentrate on too few.
 *
 * Rules: routing.md, Discovery (starvation triggers a fresh request, never a blind switch), Anti-monopoly 1 (look for
 * others). A lost hub starves many destinations at once: requests wait their turn, few a second, each destination
 * once in LIMITS.REFRESH_MILLIS. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';

export interface RefresherOptions {
  readonly clock: Clock;
  readonly discover: (destination: NodeId) => void;
}

export class Refresher {
  readonly #options: RefresherOptions;
  readonly #waiting = new Map<NodeKey, NodeId>();
  /** When each destination was asked for last, oldest first. */
  readonly #asked = new Map<NodeKey, number>();
  #timer: Timer | null = null;
  #lastMillis = Number.NEGATIVE_INFINITY;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /** Wants a fresh answer for a destination. */
  request(destination: NodeId): void {
    const key = nodeKey(destination);
    const now = this.#options.clock.monotonicMillis();
    for (const [old, askedMillis] of this.#asked) {
      if (now - askedMillis < LIMITS.REFRESH_MILLIS) break;
      this.#asked.delete(old);
    }
    if (this.#asked.has(key) || this.#waiting.size >= LIMITS.REFRESHES_WAITING) return;
    this.#waiting.set(key, destination);
    this.#next();
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting.clear();
  }

  #next(): void {
    if (this.#timer !== null) return;
    const { clock, discover } = this.#options;
    const wait = this.#lastMillis + LIMITS.REFRESH_INTERVAL_MILLIS - clock.monotonicMillis();
    this.#timer = clock.after(Math.max(0, wait), () => {
      this.#timer = null;
      const [next] = this.#waiting;
      if (next === undefined) return;
      const [key, destination] = next;
      this.#waiting.delete(key);
      this.#lastMillis = clock.monotonicMillis();
      this.#asked.set(key, this.#lastMillis);
      discover(destination);
      if (this.#waiting.size > 0) this.#next();
    });
  }
}
