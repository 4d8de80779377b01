/**
 * What a started pool costs while nothing comes: processor time of the whole process, in percent of one core.
 *
 * Target: below 1 %.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Bed } from './bed.js';
import { asPaid } from './paid.js';
import { paidSamples } from './samples.js';
import { atMost } from './stats.js';
import type { Runner } from './suite.js';

/** After work, before it counts: what is left of a start and of garbage collection. */
const SETTLE_MILLIS = 500;
const LOOK_MILLIS = 1_000;
const QUICK_LOOK_MILLIS = 400;
const WARM = 1_024;

export function idlePool(): Runner {
  return {
    name: 'idle pool',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const workers = Math.max(...counts);
      const bed = await Bed.open({ workers });
      await bed.rate(asPaid(paidSamples(WARM, 200)));
      await pause(SETTLE_MILLIS);
      const samples: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const began = performance.now();
        const before = process.cpuUsage();
        await pause(isQuick ? QUICK_LOOK_MILLIS : LOOK_MILLIS);
        const { user, system } = process.cpuUsage(before);
        const wallMicros = (performance.now() - began) * 1_000;
        samples.push((100 * (user + system)) / wallMicros);
      }
      await bed.close();
      return [{ name: `${workers} workers, no packets`, unit: '% CPU', samples, target: atMost(1) }];
    },
  };
}
