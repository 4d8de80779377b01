/** Token bucket: so many a second, so many at once. Time comes from the caller, so that tests move it. */

export class TokenBucket {
  #perSecond: number;
  #capacity: number;
  #tokens: number;
  #updatedMillis: number;

  /**
   * @param perSecond tokens gained a second
   * @param capacity tokens that can be saved up; the bucket starts full
   */
  constructor(perSecond: number, capacity: number, nowMillis: number) {
    this.#perSecond = perSecond;
    this.#capacity = capacity;
    this.#tokens = capacity;
    this.#updatedMillis = nowMillis;
  }

  /** Another rate from now on; what is saved up stays, as far as it still may be. */
  change(perSecond: number, capacity: number, nowMillis: number): void {
    this.#refill(nowMillis);
    this.#perSecond = perSecond;
    this.#capacity = capacity;
    this.#tokens = Math.min(this.#tokens, capacity);
  }

  /** Takes tokens if they are there. */
  take(nowMillis: number, count = 1): boolean {
    this.#refill(nowMillis);
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** Takes what there is. */
  empty(nowMillis: number): void {
    this.#refill(nowMillis);
    this.#tokens = 0;
  }

  /** Milliseconds until that many tokens are there; 0 when they are. */
  waitMillis(nowMillis: number, count = 1): number {
    this.#refill(nowMillis);
    return this.#tokens >= count ? 0 : ((count - this.#tokens) / this.#perSecond) * 1_000;
  }

  #refill(nowMillis: number): void {
    // Packets come many at a time.
    if (nowMillis === this.#updatedMillis) return;
    const elapsed = Math.max(0, nowMillis - this.#updatedMillis);
    this.#updatedMillis = nowMillis;
    this.#tokens = Math.min(this.#capacity, this.#tokens + (elapsed * this.#perSecond) / 1_000);
  }
}
