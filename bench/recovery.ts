/**
 * Raw recovery of secp256k1 keys by the native library, on one thread and on several that do nothing else: the
 * reference of the paid pipelines.
 */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { questionsOf } from './bolt11.js';
import { rateReadings, stopwatch, type Rate } from './cpu.js';
import { paidSamples } from './samples.js';
import type { Runner } from './suite.js';

const QUESTIONS = 256;
const SLICE_MILLIS = 400;
const QUICK_SLICE_MILLIS = 150;

/** Threads that wait until they are asked for a slice of work. */
export class CurveCrew {
  readonly #workers: readonly Worker[];
  readonly #millis: number;

  private constructor(workers: readonly Worker[], millis: number) {
    this.#workers = workers;
    this.#millis = millis;
  }

  static async start(threads: number, isQuick: boolean): Promise<CurveCrew> {
    const workerData = questionsOf(paidSamples(QUESTIONS, 0).map(({ invoice }) => invoice));
    const file = new URL('./curve-worker.js', import.meta.url);
    const workers = Array.from({ length: threads }, () => new Worker(file, { workerData }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    return new CurveCrew(workers, isQuick ? QUICK_SLICE_MILLIS : SLICE_MILLIS);
  }

  /** Keys per second of the first so many threads together; all where left out. */
  async rate(threads: number = this.#workers.length): Promise<Rate> {
    const stop = stopwatch();
    const rates = await Promise.all(
      this.#workers.slice(0, threads).map(async (worker) => {
        const answered = once(worker, 'message');
        worker.postMessage(this.#millis);
        const [rate] = (await answered) as [number];
        return rate;
      }),
    );
    const perSecond = rates.reduce((sum, rate) => sum + rate, 0);
    const { cpu } = stop((perSecond * this.#millis) / 1_000);
    return { perSecond, cpu: { ...cpu, mainThread: NaN } };
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** One thread beside as many as there are workers at the most. */
export function rawRecovery(): Runner {
  return {
    name: 'raw native recovery',
    measure: async ({ rounds, workers, isQuick }) => {
      const threads = Math.max(...workers);
      const crew = await CurveCrew.start(threads, isQuick);
      const one: Rate[] = [];
      const all: Rate[] = [];
      for (let round = 0; round < rounds; round++) {
        one.push(await crew.rate(1));
        all.push(await crew.rate());
      }
      await crew.close();
      return [
        ...rateReadings('1 thread', 'keys/s', one),
        ...rateReadings(`${threads} threads`, 'keys/s', all, { reference: '1 thread' }),
      ];
    },
  };
}
