/** Counts verdicts by reason, for the statistics of every judge. Main thread. */
import type { Reason } from '../core/reasons.js';
import type { PacketVerdict } from './judge-port.js';

export class VerdictCounts {
  readonly #byReason = new Map<Reason, number>();
  #judged = 0;

  add({ reason }: PacketVerdict): void {
    this.#judged++;
    this.#byReason.set(reason, (this.#byReason.get(reason) ?? 0) + 1);
  }

  get judged(): number {
    return this.#judged;
  }

  /** A copy. */
  byReason(): ReadonlyMap<Reason, number> {
    return new Map(this.#byReason);
  }
}
