/** Open-loop load: arrivals by chance at a given rate, and how long each thing took from its planned arrival on. */
import { Worker } from 'node:worker_threads';
import { SeededRandom } from '#dist/core/random.js';
import type { ArrivalPlan } from './arrivals-worker.js';
import { machineMillis } from './machine-clock.js';

/** Between the plan and its first arrival. */
const LEAD_MILLIS = 20;

/**
 * Handles one arrival; calls back once, when it is done with.
 * @param plannedAt millisecond of the machine's clock
 */
export type OnArrival = (number: number, onDone: () => void, plannedAt: number) => void;

export class Arrivals {
  readonly #worker = new Worker(new URL('./arrivals-worker.js', import.meta.url));
  readonly #random = new SeededRandom(3);

  /**
   * @param perSecond mean rate; the gaps are exponential, as of many senders that know nothing of one another
   * @returns microseconds from each planned arrival to its end, in the order of arrival
   */
  run(count: number, perSecond: number, onArrival: OnArrival): Promise<Float64Array> {
    const offsetsMillis = new Float64Array(new SharedArrayBuffer(8 * count));
    let at = 0;
    for (let number = 0; number < count; number++) {
      at -= (Math.log(1 - this.#random.unit()) * 1_000) / perSecond;
      offsetsMillis[number] = at;
    }
    const micros = new Float64Array(count);
    return new Promise((resolve, reject) => {
      let taken = 0;
      let done = 0;
      const beginMillis = machineMillis() + LEAD_MILLIS;
      const take = (arrived: number): void => {
        for (; taken < arrived; taken++) {
          const number = taken;
          const plannedAt = beginMillis + (offsetsMillis[number] ?? 0);
          const onDone = (): void => {
            micros[number] = (machineMillis() - plannedAt) * 1_000;
            if (++done < count) return;
            this.#worker.off('message', take);
            this.#worker.off('error', reject);
            resolve(micros);
          };
          onArrival(number, onDone, plannedAt);
        }
      };
      this.#worker.on('message', take);
      this.#worker.on('error', reject);
      const plan: ArrivalPlan = { offsetsMillis, beginMillis };
      this.#worker.postMessage(plan);
    });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
