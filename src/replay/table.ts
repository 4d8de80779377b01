/**
 * Which payments were used: the contract, and the plain table that a reader can check.
 *
 * Rules: payments.md, any proof, 4, 5 and 8; cheats 23 to 36 and 45. Implementations must pass
 * test/contract/replay-table.ts. The one to run is SharedReplayTable (shared-table.ts).
 */
import { assert } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import { bucketOf, endOf, laterSecond } from './lifetimes.js';

/** Of the plain table: about what a Map needs for a key of 64 hex digits. */
const BYTES_PER_KEY = 150;

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
  /** Claims of new keys that found no room, since the table was made. */
  readonly refused: number;
  /** Memory in use. */
  readonly bytes: number;
  /** Parts into which the table has grown. */
  readonly shards: number;
  /** Used part of all slots, and of those of the fullest and of the emptiest shard, 0 to 1. */
  readonly load: number;
  readonly fullestShard: number;
  readonly emptiestShard: number;
  /** Places that a check reads until it finds a key, in the mean; 0 where there is no key. */
  readonly probes: number;
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
   * Tells the table the time, and forgets keys whose time bucket (lifetimes.ts) is over, up to LIMITS.REPLAY_SWEEP
   * of them: call it every second. One thread only, which must tell it the time before the first claim, or else keys
   * are kept for much longer than they need be.
   * @returns keys forgotten
   */
  expire(nowSeconds: number): number;
  /**
   * A small piece of the work that is due: making room ahead of need, forgetting. Same thread as `expire`; call it
   * about as often as keys are claimed.
   * @returns keys forgotten
   */
  tend(): number;
  /**
   * The latest time that `expire` was given. A judge must not judge at an earlier one: keys that a payment valid
   * then would need may be forgotten already (a clock that was set back).
   */
  horizonSeconds(): number;
  stats(): ReplayStats;
}

/** A Map on one thread: keys in hex, with the end of their time bucket. */
export class PlainReplayTable implements ReplayTable {
  readonly #capacity: number;
  readonly #ends = new Map<string, number>();
  #cursor = this.#ends.entries();
  #horizon = 0;
  #refused = 0;

  constructor(capacity: number = LIMITS.REPLAY_KEYS) {
    assert(capacity > 0, 'a replay table holds keys');
    this.#capacity = capacity;
  }

  claim(key: Uint8Array, expiresAt: number): ClaimOutcome {
    const name = toHex(key);
    if (this.#ends.has(name)) return 'taken';
    if (this.#ends.size >= this.#capacity) {
      this.#refused++;
      return 'full';
    }
    this.#ends.set(name, endOf(bucketOf(expiresAt, this.#horizon)));
    return 'claimed';
  }

  has(key: Uint8Array): boolean {
    return this.#ends.has(toHex(key));
  }

  release(key: Uint8Array): void {
    this.#ends.delete(toHex(key));
  }

  expire(nowSeconds: number): number {
    this.#horizon = laterSecond(this.#horizon, nowSeconds);
    return this.#forget(LIMITS.REPLAY_SWEEP);
  }

  tend(): number {
    return this.#forget(LIMITS.REPLAY_STEP);
  }

  horizonSeconds(): number {
    return this.#horizon;
  }

  stats(): ReplayStats {
    const keys = this.#ends.size;
    const load = keys / this.#capacity;
    return {
      keys,
      capacity: this.#capacity,
      refused: this.#refused,
      bytes: keys * BYTES_PER_KEY,
      shards: 1,
      load,
      fullestShard: load,
      emptiestShard: load,
      probes: keys === 0 ? 0 : 1,
    };
  }

  /** Goes round all keys, so many in a call. */
  #forget(most: number): number {
    const visits = Math.min(this.#ends.size, most);
    let forgotten = 0;
    for (let i = 0; i < visits; i++) {
      let next = this.#cursor.next();
      if (next.done === true) {
        this.#cursor = this.#ends.entries();
        next = this.#cursor.next();
      }
      if (next.done === true) break;
      const [name, end] = next.value;
      if (end <= this.#horizon && this.#ends.delete(name)) forgotten++;
    }
    return forgotten;
  }
}
