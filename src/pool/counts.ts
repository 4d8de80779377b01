/** Counts verdicts by reason, for the statistics of every judge. Main thread. */
import { REASON_TABLE, reasonOf, type Reason } from '../core/reasons.js';
import { present } from '../core/assert.js';

const MOST_CODE: number = Math.max(...REASON_TABLE.map(([code]) => code));

export class VerdictCounts {
  /** By code: a flood of refusals must cost next to nothing. */
  readonly #byCode = new Float64Array(MOST_CODE + 1);
  #judged = 0;

  add(reason: Reason): void {
    this.#judged++;
    this.#byCode[reason] = (this.#byCode[reason] ?? 0) + 1;
  }

  get judged(): number {
    return this.#judged;
  }

  /** Those that were counted. A copy. */
  byReason(): ReadonlyMap<Reason, number> {
    const counts = new Map<Reason, number>();
    for (const [code, count] of this.#byCode.entries()) {
      if (count > 0) counts.set(present(reasonOf(code), 'only reasons are counted'), count);
    }
    return counts;
  }
}
