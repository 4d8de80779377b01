/**
 * How long a paid packet takes: at 1 %, 50 % and 90 % of what the pool can do, by arrivals that wait for nothing
 * (arrivals.ts), and one lonely packet at a time. Beside an arrival that is only noticed, and a bare fdatasync.
 *
 * Target: a lonely packet, durable, p99 within 4 ms.
 */
import { randomBytes } from 'node:crypto';
import { open } from 'node:fs/promises';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SeededRandom } from '#dist/core/random.js';
import { Arrivals } from './arrivals.js';
import { Bed, type Expected } from './bed.js';
import { benchFolder } from './folder.js';
import { asPaid } from './paid.js';
import { paidSamples } from './samples.js';
import { atMost, median, percentile, type Reading } from './stats.js';
import type { Runner } from './suite.js';

const PAYLOAD_BYTES = 200;
const LOADS_PERCENT = [1, 50, 90] as const;
const SLICE_MILLIS = 600;
const QUICK_SLICE_MILLIS = 150;
/** So that a p99 of few packets is not their worst. */
const LEAST_ARRIVALS = 250;
const QUICK_LEAST_ARRIVALS = 60;
/** A round takes seconds, most of them at 1 % load. */
const MOST_ROUNDS = 3;
/** In a closed loop: to warm up, and to see what the pool can do. */
const WARM = 2_048;
const CAPACITY_PACKETS = 4_096;
/** Made ahead; a pool that is faster has shorter slices. */
const MOST_PACKETS = 64_000;

const LONELY = 120;
const QUICK_LONELY = 40;
/** Record, header and trailer of one payment in the journal, about. */
const RECORD_BYTES = 300;
const LOWEST_PAUSE_MILLIS = 1;
const PAUSE_SPREAD_MILLIS = 4;

/** p50 and p99 of some rounds. */
class Percentiles {
  readonly p50: number[] = [];
  readonly p99: number[] = [];

  add(micros: ArrayLike<number>): void {
    const values = Array.from(micros);
    this.p50.push(median(values));
    this.p99.push(percentile(values, 99));
  }

  readings(name: string, reference: string | null): readonly [Reading, Reading] {
    const reading = (which: 'p50' | 'p99'): Reading => ({
      name: `${name}, ${which}`,
      unit: 'us',
      samples: this[which],
      ...(reference === null ? {} : { reference: `${reference}, ${which}` }),
    });
    return [reading('p50'), reading('p99')];
  }
}

export function latencies(): readonly Runner[] {
  return [loaded(false), loaded(true), lonely()];
}

/** Unknown invoices: the dearest packets that there are. */
function loaded(isDurable: boolean): Runner {
  return {
    name: isDurable ? 'latency, durable' : 'latency',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const workers = Math.max(...counts);
      const slice = isQuick ? QUICK_SLICE_MILLIS : SLICE_MILLIS;
      const least = isQuick ? QUICK_LEAST_ARRIVALS : LEAST_ARRIVALS;
      const packets = asPaid(paidSamples(isQuick ? MOST_PACKETS / 4 : MOST_PACKETS, PAYLOAD_BYTES));
      const arrivals = new Arrivals();
      const noticed = new Percentiles();
      const loads = LOADS_PERCENT.map((percent) => ({ percent, percentiles: new Percentiles() }));
      for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
        const bed = await Bed.open({ workers, isDurable });
        await bed.rate(packets.slice(0, WARM));
        let used = WARM + CAPACITY_PACKETS;
        const { perSecond: capacity } = await bed.rate(packets.slice(WARM, used));
        for (const { percent, percentiles } of loads) {
          const rate = (capacity * percent) / 100;
          const count = Math.min(Math.max(least, (rate * slice) / 1_000), packets.length - used);
          const batch = packets.slice(used, used + Math.floor(count));
          percentiles.add(await latenciesAt(rate, bed, batch, arrivals));
          used += batch.length;
        }
        noticed.add(
          await arrivals.run(least, capacity / 100, (_, onDone) => {
            onDone();
          }),
        );
        await bed.close();
      }
      await arrivals.close();
      const reference = 'an arrival alone';
      return [
        ...noticed.readings(reference, null),
        ...loads.flatMap(({ percent, percentiles }) => percentiles.readings(`at ${percent} %`, reference)),
      ];
    },
  };
}

/** All packets, at this rate. @returns microseconds of each */
export async function latenciesAt(
  perSecond: number,
  bed: Bed,
  packets: readonly Expected[],
  arrivals: Arrivals,
): Promise<Float64Array> {
  return new Promise((resolve, reject) => {
    arrivals
      .run(packets.length, perSecond, (number, onDone) => {
        const packet = packets[number];
        if (packet === undefined) throw new Error('as many arrivals as packets');
        bed.judge(packet, number, onDone, reject);
      })
      .then(resolve, reject);
  });
}

/** One packet, then nothing for some milliseconds: everybody sleeps when it comes. */
function lonely(): Runner {
  return {
    name: 'lonely paid packet',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const workers = Math.max(...counts);
      const count = isQuick ? QUICK_LONELY : LONELY;
      const random = new SeededRandom(4);
      const folder = benchFolder();
      const bare = await open(join(folder, 'bare'), 'w');
      const bytes = randomBytes(RECORD_BYTES);
      const disk = new Percentiles();
      const ways = [false, true].map((isDurable) => ({ isDurable, percentiles: new Percentiles() }));
      const packets = asPaid(paidSamples(WARM + count, PAYLOAD_BYTES));
      const oneByOne = async (once: (number: number) => Promise<unknown>): Promise<readonly number[]> => {
        const micros: number[] = [];
        for (let number = 0; number < count; number++) {
          await pause(LOWEST_PAUSE_MILLIS + PAUSE_SPREAD_MILLIS * random.unit());
          const began = performance.now();
          await once(number);
          micros.push((performance.now() - began) * 1_000);
        }
        return micros;
      };
      for (let round = 0; round < rounds; round++) {
        disk.add(
          await oneByOne(async () => {
            await bare.write(bytes);
            await bare.datasync();
          }),
        );
        for (const { isDurable, percentiles } of ways) {
          const bed = await Bed.open({ workers, isDurable });
          await bed.rate(packets.slice(0, WARM));
          const judge = (number: number): Promise<void> =>
            new Promise((resolve, reject) => {
              const packet = packets[WARM + number];
              if (packet === undefined) throw new Error('there are packets enough');
              bed.judge(packet, number, resolve, reject);
            });
          percentiles.add(await oneByOne(judge));
          await bed.close();
        }
      }
      await bare.close();
      rmSync(folder, { recursive: true });
      const reference = 'write and fdatasync alone';
      const [quickly, durably] = ways;
      const [p50, p99] = durably?.percentiles.readings('durable', reference) ?? [];
      return [
        ...disk.readings(reference, null),
        ...(quickly?.percentiles.readings('judged', reference) ?? []),
        ...(p50 === undefined || p99 === undefined ? [] : [p50, { ...p99, target: atMost(4_000) }]),
      ];
    },
  };
}
