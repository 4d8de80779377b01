/**
 * What is tidied up now and then while the mesh runs: short-lived things every second, the journal every few minutes.
 *
 * Rules: architecture.md (what has expired is dropped in small steps, off the packet path). Main thread.
 */
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { Journal } from '../store/journal.js';
import type { Accounts } from './accounts.js';
import { CarriedBalances } from './carried.js';
import type { IssuedInvoices } from './registry.js';

/** Short-lived things are dropped this often. */
const SWEEP_MILLIS = 1_000;

export interface UpkeepParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly journal: Journal;
  readonly accounts: Accounts;
  readonly invoices: IssuedInvoices;
  readonly discovery: RouteDiscovery;
  readonly replay: ReplayPrevention;
  readonly recorder: FlightRecorder;
}

export class Upkeep {
  readonly #parts: UpkeepParts;
  /** null before the start and after the end. */
  #sweep: Timer | null = null;
  #compaction: Timer | null = null;
  #compacting: Promise<unknown> | null = null;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, discovery, replay, recorder } = this.#parts;
    const sweep = (): void => {
      discovery.sweep();
      replay.cleanupExpired();
      recorder.renew();
      this.#sweep = clock.after(SWEEP_MILLIS, sweep);
    };
    this.#sweep = clock.after(SWEEP_MILLIS, sweep);
    this.#compactLater();
  }

  stop(): void {
    this.#sweep?.cancel();
    this.#sweep = null;
    this.#compaction?.cancel();
  }

  /** Rewrites the journals without what has expired; callers that come meanwhile share one run. */
  compact(): Promise<unknown> {
    const { clock, random, journal, accounts, invoices } = this.#parts;
    const fold = (): CarriedBalances => new CarriedBalances(clock, random);
    const onRewritten = (dropped: number, carried: number): void => {
      accounts.logRewritten(dropped, carried);
    };
    this.#compacting ??= Promise.all([journal.compact(fold, onRewritten), invoices.compact()]).finally(() => {
      this.#compacting = null;
    });
    return this.#compacting;
  }

  #compactLater(): void {
    this.#compaction = this.#parts.clock.after(LIMITS.JOURNAL_COMPACT_MILLIS, () => {
      void this.compact().then(() => {
        if (this.#sweep !== null) this.#compactLater();
      });
    });
  }
}
