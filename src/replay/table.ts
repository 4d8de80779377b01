/**
 * Which payments were used: the contract, and the plain table that a reader can check.
 *
 * Rules: payments.md, any proof, 4, 5 and 8; cheats 23 to 36 and 45. Implementations must pass
 * test/contract/replay-table.ts. The one to run is SharedReplayTable (shared-table.ts).
 */
import { assert } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';

/**
 * `claimed` for exactly one caller per key, however many threads race; `taken` where another has it or is about
 * to; `full` where the key is new and there is no place left. The last two both mean: do not act.
 */
export type ClaimOutcome = 'claimed' | 'taken' | 'full';

export interface ReplayStats {
  /** Keys remembered now, those not yet forgotten included. */
  readonly keys: number;
  /** Keys that fit at most. */
  readonly capacity: number;
}

/** Remembers which payments were used. No key is ever pushed out by another. */
export interface ReplayTable {
  /**
   * Claims a key for one packet, once. Never waits.
   * @param key 32 bytes, not kept
   * @param expiresAt Unix seconds; after them the key may be forgotten. Beyond 2^32-1: never
   */
  claim(key: Uint8Array, expiresAt: number): ClaimOutcome;
  /** Whether a claim of the key would find it taken. */
  has(key: Uint8Array): boolean;
  /**
   * Undoes a claim that was won, so that the next one may win: only on behalf of the winner, once, and on the thread
   * that expires. A key that is not held is left alone.
   */
  release(key: Uint8Array): void;
  /**
   * Forgets keys whose time is over, looking at no more than LIMITS.REPLAY_EXPIRE_SLOTS of them: call it again and
   * again and it goes round. One thread only.
   * @returns keys forgotten
   */
  expire(nowSeconds: number): number;
  /**
   * The latest time that `expire` was given. A judge must not judge at an earlier one: keys that a payment valid
   * then would need may be forgotten already (a clock that was set back).
   */
  horizonSeconds(): number;
  stats(): ReplayStats;
}

/** A Map on one thread. */
export class PlainReplayTable implements ReplayTable {
  readonly #capacity: number;
  readonly #expiries = new Map<string, number>();
  #cursor = this.#expiries.entries();
  #horizon = 0;

  constructor(capacity: number = LIMITS.REPLAY_KEYS) {
    assert(capacity > 0, 'a replay table holds keys');
    this.#capacity = capacity;
  }

  claim(key: Uint8Array, expiresAt: number): ClaimOutcome {
    const name = toHex(key);
    if (this.#expiries.has(name)) return 'taken';
    if (this.#expiries.size >= this.#capacity) return 'full';
    this.#expiries.set(name, expiresAt);
    return 'claimed';
  }

  has(key: Uint8Array): boolean {
    return this.#expiries.has(toHex(key));
  }

  release(key: Uint8Array): void {
    this.#expiries.delete(toHex(key));
  }

  expire(nowSeconds: number): number {
    this.#horizon = Math.max(this.#horizon, nowSeconds);
    const visits = Math.min(this.#expiries.size, LIMITS.REPLAY_EXPIRE_SLOTS);
    let forgotten = 0;
    for (let i = 0; i < visits; i++) {
      let next = this.#cursor.next();
      if (next.done === true) {
        this.#cursor = this.#expiries.entries();
        next = this.#cursor.next();
      }
      if (next.done === true) break;
      const [name, expiresAt] = next.value;
      if (expiresAt < this.#horizon && this.#expiries.delete(name)) forgotten++;
    }
    return forgotten;
  }

  horizonSeconds(): number {
    return this.#horizon;
  }

  stats(): ReplayStats {
    return { keys: this.#expiries.size, capacity: this.#capacity };
  }
}
