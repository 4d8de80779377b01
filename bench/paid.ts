/**
 * Whole paid packets through the pool, from bytes to a verdict: by unknown invoices, which cost a curve operation
 * each, and by invoices that this node issued, with and without the disk. Each packet is new, none is a replay.
 *
 * Targets, beside raw recovery on as many threads as cores: unknown invoices with as many workers at 0.80 of it; issued ones,
 * durable, with the default of a worker less at 6 times it; two workers at 1.8 times one.
 */
import { Bed, type BedOptions, type Expected } from './bed.js';
import { rateReadings, type Rate } from './cpu.js';
import { CurveCrew } from './recovery.js';
import { paidSamples, type PaidSample } from './samples.js';
import { ratioAtLeast, type Target } from './stats.js';
import { besideMain, workersText, type Runner } from './suite.js';

const PAYLOAD_BYTES = 200;

/** Packets of one round: half a second of them, or a quick look. */
const UNKNOWN_PACKETS = 16_384;
const ISSUED_PACKETS = 65_536;
const QUICK_SHARE = 4;

/** Before a clock runs, so that workers and main thread run compiled code. */
const WARM_UNKNOWN = 12_288;
const WARM_ISSUED = 32_768;

export function asPaid(samples: readonly PaidSample[]): readonly Expected[] {
  return samples.map(({ bytes }) => ({ bytes, kind: 'paid' }));
}

/** Opens a bed, warms it up with the first packets, and tells how it judges the others. */
export async function rateOf(options: BedOptions, packets: readonly Expected[], warm: number): Promise<Rate> {
  const bed = await Bed.open(options);
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
    measure: async (settings) => {
      const { rounds, workers: counts, isQuick } = settings;
      const workers = Math.max(...counts);
      const fewer = besideMain(settings);
      const share = isQuick ? QUICK_SHARE : 1;
      const unknown = asPaid(paidSamples(UNKNOWN_PACKETS / share + WARM_UNKNOWN, PAYLOAD_BYTES));
      const issued = paidSamples(ISSUED_PACKETS / share + WARM_ISSUED, PAYLOAD_BYTES);
      const asIssued = asPaid(issued);
      const ways: readonly Way[] = [
        {
          name: `unknown invoices, ${workersText(workers)}`,
          measure: () => rateOf({ workers }, unknown, WARM_UNKNOWN),
          target: ratioAtLeast(0.8),
        },
        {
          name: `unknown invoices, durable, ${workersText(workers)}`,
          measure: () => rateOf({ workers, isDurable: true }, unknown, WARM_UNKNOWN),
        },
        {
          name: `issued invoices, ${workersText(fewer)}`,
          measure: () => rateOf({ workers: fewer, issued }, asIssued, WARM_ISSUED),
        },
        {
          name: `issued invoices, durable, ${workersText(fewer)}`,
          measure: () => rateOf({ workers: fewer, issued, isDurable: true }, asIssued, WARM_ISSUED),
          target: ratioAtLeast(6),
        },
      ];
      // The main thread is the same in all rounds, and is to be as warm in the first as in the last.
      if (!isQuick) for (const { measure } of ways) await measure();
      const crew = await CurveCrew.start(workers, isQuick);
      const raw: Rate[] = [];
      const rates = ways.map((): Rate[] => []);
      for (let round = 0; round < rounds; round++) {
        const around = [await crew.rate()];
        for (const [index, { measure }] of ways.entries()) {
          rates[index]?.push(await measure());
          around.push(await crew.rate());
        }
        raw.push(middleOf(around));
      }
      await crew.close();
      const reference = `raw recovery, ${workers} threads`;
      return [
        ...rateReadings(reference, 'keys/s', raw),
        ...ways.flatMap(({ name, target }, index) =>
          rateReadings(name, 'packets/s', rates[index] ?? [], {
            reference,
            ...(target === undefined ? {} : { target }),
          }),
        ),
      ];
    },
  };
}

interface Way {
  readonly name: string;
  readonly measure: () => Promise<Rate>;
  readonly target?: Target;
}

/** The one of the median rate. */
function middleOf(rates: readonly Rate[]): Rate {
  const ascending = [...rates].sort((a, b) => a.perSecond - b.perSecond);
  const middle = ascending[Math.floor(ascending.length / 2)];
  if (middle === undefined) throw new Error('there is a rate');
  return middle;
}

/** Unknown invoices on each number of workers, and the curve alone on as many threads: what this machine can scale. */
export function scaling(): Runner {
  return {
    name: 'scaling',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const share = isQuick ? QUICK_SHARE : 1;
      const packets = asPaid(paidSamples(UNKNOWN_PACKETS / share + WARM_UNKNOWN, PAYLOAD_BYTES));
      const crew = await CurveCrew.start(Math.max(...counts), isQuick);
      const raw = counts.map((): Rate[] => []);
      const paid = counts.map((): Rate[] => []);
      for (let round = 0; round < rounds; round++) {
        for (const [index, workers] of counts.entries()) {
          raw[index]?.push(await crew.rate(workers));
          paid[index]?.push(await rateOf({ workers }, packets, WARM_UNKNOWN));
        }
      }
      await crew.close();
      const [fewest = 1] = counts;
      return [
        ...counts.flatMap((threads, index) =>
          rateReadings(`raw recovery, threads ${threads}`, 'keys/s', raw[index] ?? [], {
            ...(index === 0 ? {} : { reference: `raw recovery, threads ${fewest}` }),
          }),
        ),
        ...counts.flatMap((workers, index) =>
          rateReadings(`unknown invoices, workers ${workers}`, 'packets/s', paid[index] ?? [], {
            ...(index === 0 ? {} : { reference: `unknown invoices, workers ${fewest}` }),
            ...(fewest === 1 && workers === 2 ? { target: ratioAtLeast(1.8) } : {}),
          }),
        ),
      ];
    },
  };
}
