/** Says in the log how far some long work at the start has come, so that nobody takes it for a hang. */
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';

export class SlowWork {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #what: string;
  #saidAt: number;

  /** @param what the line in the log, such as `reading the journal` */
  constructor(clock: Clock, log: Log, what: string) {
    this.#clock = clock;
    this.#log = log;
    this.#what = what;
    this.#saidAt = clock.monotonicMillis();
  }

  /** To be called often: now and then it becomes a line. */
  at(facts: Readonly<Record<string, unknown>>): void {
    const now = this.#clock.monotonicMillis();
    if (now - this.#saidAt < LIMITS.PROGRESS_MILLIS) return;
    this.#saidAt = now;
    this.#log.log('info', this.#what, facts);
  }
}
