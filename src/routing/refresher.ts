/**
 * Fresh requests for destinations whose routes went or concentrate on too few.
 *
 * Rules: routing.md, Discovery (starvation triggers a fresh request, never a blind switch), Anti-monopoly 1 (look for
 * others). A lost hub starves many destinations at once: requests wait their turn, few a second, each destination
 * once in LIMITS.REFRESH_MILLIS. Where others are looked for again and again the time between doubles: some pairs have
 * none. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';

export interface RefresherOptions {
  readonly clock: Clock;
  readonly discover: (destination: NodeId) => void;
}

interface Asked {
  readonly atMillis: number;
  /** How long it is not asked for again. */
  readonly restMillis: number;
}

export class Refresher {
  readonly #options: RefresherOptions;
  readonly #waiting = new Map<NodeKey, NodeId>();
  /** When each destination was asked for last, oldest first. */
  readonly #asked = new Map<NodeKey, Asked>();
  #timer: Timer | null = null;
  #lastMillis = Number.NEGATIVE_INFINITY;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /**
   * Wants a fresh answer for a destination.
   * @param restMillisMost the longest that it is put off for having been wanted in vain
   */
  request(destination: NodeId, restMillisMost: number = LIMITS.REFRESH_MILLIS_MOST): void {
    const key = nodeKey(destination);
    const now = this.#options.clock.monotonicMillis();
    const last = this.#asked.get(key);
    if (last !== undefined && now - last.atMillis < Math.min(last.restMillis, restMillisMost)) return;
    if (this.#waiting.size >= LIMITS.REFRESHES_WAITING) return;
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
      this.#note(key, this.#lastMillis);
      discover(destination);
      if (this.#waiting.size > 0) this.#next();
    });
  }

  /** It was wanted again soon after its rest: what was found did not help. */
  #note(key: NodeKey, atMillis: number): void {
    const last = this.#asked.get(key);
    const isAgain = last !== undefined && atMillis - last.atMillis < 2 * last.restMillis;
    const restMillis = isAgain
      ? Math.min(2 * last.restMillis, LIMITS.REFRESH_MILLIS_MOST)
      : LIMITS.REFRESH_MILLIS;
    this.#asked.delete(key);
    this.#asked.set(key, { atMillis, restMillis });
    for (const oldest of this.#asked.keys()) {
      if (this.#asked.size <= LIMITS.REFRESHES_REMEMBERED) return;
      this.#asked.delete(oldest);
    }
  }
}
