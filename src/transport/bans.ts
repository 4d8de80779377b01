/**
 * Who is kept out for a while: addresses and node ids that did what no honest node does.
 *
 * Rules: docs/transport.md, Limits. A few strikes within the time of a ban make one; both are forgotten with time, and the
 * oldest where there are too many. Main thread.
 */
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';

/** One ban in force. */
export interface Ban {
  /** An address without port, or a node's id in hex. */
  readonly name: string;
  readonly secondsLeft: number;
}

interface Entry {
  strikes: number;
  /** Until when the strikes count, or the ban lasts. */
  untilMillis: number;
  isBanned: boolean;
}

export class Bans {
  readonly #clock: Clock;
  /** By address without port, or node key; in the order of their last strike. */
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  isBanned(name: string): boolean {
    return this.#current(name)?.isBanned ?? false;
  }

  /** @returns whether this made a ban */
  strike(name: string, weight = 1): boolean {
    const entry = this.#current(name) ?? { strikes: 0, untilMillis: 0, isBanned: false };
    if (entry.isBanned) return false;
    entry.strikes += weight;
    entry.isBanned = entry.strikes >= LIMITS.TRANSPORT_STRIKES;
    entry.untilMillis = this.#clock.monotonicMillis() + LIMITS.TRANSPORT_BAN_MILLIS;
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= LIMITS.TRANSPORT_BANS) break;
      this.#entries.delete(oldest);
    }
    return entry.isBanned;
  }

  /** Bans at once. */
  ban(name: string): void {
    this.strike(name, LIMITS.TRANSPORT_STRIKES);
  }

  /** Bans in force. */
  get size(): number {
    let banned = 0;
    for (const name of [...this.#entries.keys()]) if (this.isBanned(name)) banned += 1;
    return banned;
  }

  /** Bans in force, the newest first, so many at most. */
  list(most: number): readonly Ban[] {
    const now = this.#clock.monotonicMillis();
    return [...this.#entries]
      .filter(([name]) => this.isBanned(name))
      .slice(-most)
      .map(([name, { untilMillis }]) => ({ name, secondsLeft: Math.ceil((untilMillis - now) / 1_000) }))
      .reverse();
  }

  #current(name: string): Entry | null {
    const entry = this.#entries.get(name);
    if (entry === undefined) return null;
    if (entry.untilMillis > this.#clock.monotonicMillis()) return entry;
    this.#entries.delete(name);
    return null;
  }
}
