/**
 * What `batch_max` and `batch_linger_us` do, one at a time with the other at its default: to throughput where hand-over
 * matters most (small free packets), and to the latency of paid ones at half load. Measured when asked for by name.
 */
import { LIMITS } from '#dist/core/limits.js';
import { Arrivals } from './arrivals.js';
import { Bed } from './bed.js';
import { asFree } from './free.js';
import { latenciesAt } from './latency.js';
import { asPaid } from './paid.js';
import { freePackets, paidSamples } from './samples.js';
import { median, percentile, type Reading } from './stats.js';
import type { Runner } from './suite.js';

const BATCH_PACKETS = [8, 32, 128, 1_024];
const LINGER_MICROS = [0, 50, 1_000, 5_000];

const FREE_PACKETS = 65_536;
const DIFFERENT_PACKETS = 4_096;
const WARM = 2_048;
const CAPACITY_PACKETS = 4_096;
const ARRIVALS = 6_144;
const MOST_ROUNDS = 3;

interface Setting {
  readonly name: string;
  readonly batchPackets?: number;
  readonly batchLingerMicros?: number;
}

const DEFAULT: Setting = {
  name: `batch_max ${LIMITS.BATCH_PACKETS}, batch_linger_us ${LIMITS.BATCH_LINGER_MICROS}`,
};

const SETTINGS: readonly Setting[] = [
  DEFAULT,
  ...BATCH_PACKETS.map((batchPackets) => ({ name: `batch_max ${batchPackets}`, batchPackets })),
  ...LINGER_MICROS.map((micros) => ({ name: `batch_linger_us ${micros}`, batchLingerMicros: micros })),
];

export function tuning(): Runner {
  return {
    name: 'tuning',
    measure: async ({ rounds, workers: counts }) => {
      const workers = Math.max(...counts);
      const different = asFree(freePackets(DIFFERENT_PACKETS, 200));
      const free = Array.from({ length: FREE_PACKETS / DIFFERENT_PACKETS }, () => different).flat();
      const paid = asPaid(paidSamples(WARM + CAPACITY_PACKETS + ARRIVALS, 200));
      const arrivals = new Arrivals();
      const found = SETTINGS.map((setting) => ({
        setting,
        rates: [] as number[],
        p50: [] as number[],
        p99: [] as number[],
      }));
      for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
        for (const { setting, rates, p50, p99 } of found) {
          const { name: _name, ...batching } = setting;
          const bed = await Bed.open({ workers, ...batching });
          await bed.rate(different);
          rates.push((await bed.rate(free)).perSecond);
          await bed.rate(paid.slice(0, WARM));
          const { perSecond } = await bed.rate(paid.slice(WARM, WARM + CAPACITY_PACKETS));
          const rest = paid.slice(WARM + CAPACITY_PACKETS);
          const micros = Array.from(await latenciesAt(perSecond / 2, bed, rest, arrivals));
          p50.push(median(micros));
          p99.push(percentile(micros, 99));
          await bed.close();
        }
      }
      await arrivals.close();
      const readings = (what: string, unit: string, samples: 'rates' | 'p50' | 'p99'): readonly Reading[] =>
        found.map(({ setting, ...of }) => ({
          name: `${what}, ${setting.name}`,
          unit,
          samples: of[samples],
          ...(setting === DEFAULT ? {} : { reference: `${what}, ${DEFAULT.name}` }),
        }));
      return [
        ...readings('free, 200 B', 'packets/s', 'rates'),
        ...readings('paid at 50 %, p50', 'us', 'p50'),
        ...readings('paid at 50 %, p99', 'us', 'p99'),
      ];
    },
  };
}
