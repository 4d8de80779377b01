/**
 * Whole paid packets through the pool, from bytes to a verdict: by unknown invoices, which cost a curve operation
 * each, and by invoices that this node issued, with and without the disk. Each packet is new, none is a replay.
 *
 * Targets (workers = cores): unknown invoices at 0.80 of raw recovery on as many threads; issued ones, durable, at 6
 * times it; two workers at 1.8 times one.
 */
import { Bed, type BedOptions, type Expected } from './bed.js';
import { CurveCrew } from './recovery.js';
import { paidSamples, type PaidSample } from './samples.js';
import { median, ratioAtLeast, type Reading } from './stats.js';
import type { Runner } from './suite.js';

const PAYLOAD_BYTES = 200;

/** Packets of one round: half a second of them, or a quick look. */
const UNKNOWN_PACKETS = 16_384;
const ISSUED_PACKETS = 65_536;
const QUICK_SHARE = 4;

/** Before a clock runs, so that workers and main thread run compiled code. */
const WARM_UNKNOWN = 2_048;
const WARM_ISSUED = 8_192;

export function asPaid(samples: readonly PaidSample[]): readonly Expected[] {
  return samples.map(({ bytes }) => ({ bytes, kind: 'paid' }));
}

/** Opens a bed, warms it up with the first packets, and tells at which rate it judges the others. */
export async function rateOf(
  options: Omit<BedOptions, 'keys'>,
  packets: readonly Expected[],
  warm: number,
): Promise<number> {
  const bed = await Bed.open({ ...options, keys: packets.length });
  try {
    await bed.rate(packets.slice(0, warm));
    return await bed.rate(packets.slice(warm));
  } finally {
    await bed.close();
  }
}

export function paidPipelines(): Runner {
  return {
    name: 'paid pipeline',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const workers = Math.max(...counts);
      const share = isQuick ? QUICK_SHARE : 1;
      const unknown = asPaid(paidSamples(UNKNOWN_PACKETS / share + WARM_UNKNOWN, PAYLOAD_BYTES));
      const issued = paidSamples(ISSUED_PACKETS / share + WARM_ISSUED, PAYLOAD_BYTES);
      const ways = {
        'unknown invoices': () => rateOf({ workers }, unknown, WARM_UNKNOWN),
        'issued invoices': () => rateOf({ workers, issued }, asPaid(issued), WARM_ISSUED),
        'issued invoices, durable': () =>
          rateOf({ workers, issued, isDurable: true }, asPaid(issued), WARM_ISSUED),
        'unknown invoices, durable': () => rateOf({ workers, isDurable: true }, unknown, WARM_UNKNOWN),
      };
      const crew = await CurveCrew.start(workers, isQuick);
      const raw: number[] = [];
      const samples = Object.keys(ways).map((): number[] => []);
      for (let round = 0; round < rounds; round++) {
        const around = [await crew.rate()];
        for (const [index, measure] of Object.values(ways).entries()) {
          samples[index]?.push(await measure());
          around.push(await crew.rate());
        }
        raw.push(median(around));
      }
      await crew.close();
      const reference = `raw recovery, ${workers} threads`;
      const targets = [ratioAtLeast(0.8), null, ratioAtLeast(6), null];
      const readings = Object.keys(ways).map((name, index): Reading => {
        const target = targets[index] ?? null;
        return {
          name: `${name}, ${workers} workers`,
          unit: 'packets/s',
          samples: samples[index] ?? [],
          reference,
          ...(target === null ? {} : { target }),
        };
      });
      return [{ name: reference, unit: 'keys/s', samples: raw }, ...readings];
    },
  };
}

/** Unknown invoices on each number of workers, and the curve alone on as many threads: what this machine can scale. */
export function scaling(): Runner {
  return {
    name: 'scaling',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const share = isQuick ? QUICK_SHARE : 1;
      const packets = asPaid(paidSamples(UNKNOWN_PACKETS / share + WARM_UNKNOWN, PAYLOAD_BYTES));
      const crew = await CurveCrew.start(Math.max(...counts), isQuick);
      const raw = counts.map((): number[] => []);
      const paid = counts.map((): number[] => []);
      for (let round = 0; round < rounds; round++) {
        for (const [index, workers] of counts.entries()) {
          raw[index]?.push(await crew.rate(workers));
          paid[index]?.push(await rateOf({ workers }, packets, WARM_UNKNOWN));
        }
      }
      await crew.close();
      const readingsOf = (of: string, unit: string, samples: readonly (readonly number[])[]): Reading[] =>
        counts.map((workers, index) => ({
          name: `${of}, ${workers}`,
          unit,
          samples: samples[index] ?? [],
          ...(index === 0 ? {} : { reference: `${of}, ${counts[0]}` }),
          ...(of === PIPELINE && index > 0 && workers === 2 && counts[0] === 1
            ? { target: ratioAtLeast(1.8) }
            : {}),
        }));
      return [
        ...readingsOf('raw recovery, threads', 'keys/s', raw),
        ...readingsOf(PIPELINE, 'packets/s', paid),
      ];
    },
  };
}

const PIPELINE = 'unknown invoices, workers';
