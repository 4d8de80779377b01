/**
 * What the operator's view costs: the paid (issued) and the free pipeline with counters, timings, flight recorder, a page
 * that is open and metrics that are read, beside the same pipelines without any of it.
 *
 * Each side is a process of its own (overhead-side.ts). The page gets its events every 2 s, as always; the metrics are read
 * at once, and again after every 15 s that were watched, as Prometheus is set up most often. What one reading takes is told
 * beside. Stretches go without, with, with, without, so that a machine that drifts favours neither; a sample is the mean of
 * a round's stretches.
 *
 * Target: at most 3 % of the rate, and of the processor time, which others on the machine change less.
 */
import { Child } from './child.js';
import type { Rate } from './cpu.js';
import { NODE_SETTINGS } from './engine-process.js';
import type { LoadName, SideOperations } from './overhead-side.js';
import { ratioAtLeast, ratioAtMost, type Reading, type Target } from './stats.js';
import type { Runner } from './suite.js';

/** Of two stretches without and two with, in a round. */
const PAIRS = 2;

function mean(stretches: readonly Rate[], of: (rate: Rate) => number): number {
  return stretches.reduce((sum, rate) => sum + of(rate), 0) / stretches.length;
}

function pipeline(name: string, load: LoadName): Runner {
  return {
    name: `${name}, the operator's view`,
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const workers = Math.max(...counts);
      const pairs = isQuick ? 1 : PAIRS;
      const without: Rate[][] = [];
      const watched: Rate[][] = [];
      const scrapes: number[] = [];
      const bare = new Child<SideOperations>('overhead-side', NODE_SETTINGS);
      const seen = new Child<SideOperations>('overhead-side', NODE_SETTINGS);
      try {
        await bare.call('start', { load, workers, isWatched: false });
        await seen.call('start', { load, workers, isWatched: true });
        for (let round = 0; round < rounds; round++) {
          const [plain, watching]: [Rate[], Rate[]] = [[], []];
          for (let pair = 0; pair < pairs; pair++) {
            plain.push(await bare.call('rate'));
            watching.push(await seen.call('rate'));
            watching.push(await seen.call('rate'));
            plain.push(await bare.call('rate'));
          }
          without.push(plain);
          watched.push(watching);
          scrapes.push(await seen.call('scrapeMillis'));
        }
      } finally {
        await Promise.all([bare.close(), seen.close()]);
      }
      const reading = (
        label: string,
        unit: string,
        of: (rate: Rate) => number,
        target?: Target,
      ): readonly Reading[] => [
        { name: `${label} without`, unit, samples: without.map((rates) => mean(rates, of)) },
        {
          name: `${label} with it`,
          unit,
          samples: watched.map((rates) => mean(rates, of)),
          reference: `${label} without`,
          ...(target === undefined ? {} : { target }),
        },
      ];
      return [
        ...reading('rate', 'packets/s', ({ perSecond }) => perSecond, ratioAtLeast(0.97)),
        ...reading('each costs', 'us CPU', ({ cpu }) => cpu.process, ratioAtMost(1.03)),
        ...reading('main thread', 'us CPU', ({ cpu }) => cpu.mainThread),
        { name: 'one reading of the metrics', unit: 'ms CPU', samples: scrapes },
      ];
    },
  };
}

export function overhead(): readonly Runner[] {
  return [pipeline('issued invoices, durable', 'issued'), pipeline('free packets', 'free')];
}
