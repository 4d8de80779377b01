/**
 * How fast requests may go to the node, which closes the connection at the 101st within a second.
 *
 * Rules: node-ipc.md, 6 and 7. The node counts when it handles a request, not when it was sent, and may stop for
 * up to a minute (its one lock) and then handle everything that waited within milliseconds. So besides the bucket
 * there is a bound that holds in any such case: a request goes only while fewer than a second's worth are
 * unanswered or were answered less than a second ago.
 */
import { TokenBucket } from '../core/token-bucket.js';

/** The node's own limit over the rate that this module keeps to: 100 to 80. */
const HEADROOM = 1.25;
const WINDOW_MILLIS = 1_000;

export class RequestPace {
  readonly #bucket: TokenBucket;
  /** One less than the node's limit: the handshake of a new connection counts as well. */
  #mostPerWindow: number;
  #unanswered = 0;
  /** When the latest answers came, oldest first from `#first` on. */
  #answeredMillis: number[] = [];
  #first = 0;

  /** @param perSecond requests a second in the long run; a quarter of that may go at once */
  constructor(perSecond: number, nowMillis: number) {
    this.#bucket = new TokenBucket(perSecond, burstOf(perSecond), nowMillis);
    this.#mostPerWindow = mostPerWindowOf(perSecond);
  }

  /** Another rate from now on. */
  change(perSecond: number, nowMillis: number): void {
    this.#bucket.change(perSecond, burstOf(perSecond), nowMillis);
    this.#mostPerWindow = mostPerWindowOf(perSecond);
  }

  /** Milliseconds until the next request may go; Infinity while that depends on an answer. */
  waitMillis(nowMillis: number): number {
    const counted = this.#unanswered + this.#recentAnswers(nowMillis);
    if (counted < this.#mostPerWindow) return this.#bucket.waitMillis(nowMillis);
    const oldest = this.#answeredMillis[this.#first];
    return oldest === undefined ? Infinity : oldest + WINDOW_MILLIS - nowMillis;
  }

  sent(nowMillis: number): void {
    this.#bucket.take(nowMillis);
    this.#unanswered++;
  }

  /** Also for a request that was given up: the node may handle it any time until now. */
  answered(nowMillis: number): void {
    this.#unanswered--;
    this.#answeredMillis.push(nowMillis);
  }

  /** Forgets answers older than the window and counts the others. */
  #recentAnswers(nowMillis: number): number {
    const times = this.#answeredMillis;
    while (this.#first < times.length && (times[this.#first] ?? 0) <= nowMillis - WINDOW_MILLIS)
      this.#first++;
    if (this.#first > 1_024 && 2 * this.#first > times.length) {
      this.#answeredMillis = times.slice(this.#first);
      this.#first = 0;
    }
    return this.#answeredMillis.length - this.#first;
  }
}

function burstOf(perSecond: number): number {
  return Math.max(1, Math.floor(perSecond * (HEADROOM - 1)));
}

function mostPerWindowOf(perSecond: number): number {
  return Math.max(1, Math.floor(perSecond * HEADROOM) - 1);
}
