/**
 * Where the time of a paid packet goes, from its arrival to its payment on the disk, at 1 %, 50 % and 90 % load. The
 * pool runs with a worker that tells times (timed-worker.ts), some 2 us a packet slower than without.
 *
 * The parts of a figure are means over the same packets, so they add up: those between the fastest and the slowest
 * twentieth, since on a shared machine a few packets that wait for the scheduler would be all one sees.
 */
import { systemClock } from '#dist/core/clock.js';
import type { PacketVerdict } from '#dist/pool/judge-port.js';
import { Arrivals } from './arrivals.js';
import { Bed, type Expected } from './bed.js';
import { machineMillis, millisOf } from './machine-clock.js';
import { asPaid } from './paid.js';
import { paidSamples, SOURCE } from './samples.js';
import { percentile, type Reading } from './stats.js';
import type { Runner } from './suite.js';

const LOADS_PERCENT = [1, 50, 90] as const;
const WARM = 2_048;
const CAPACITY_PACKETS = 4_096;
const SLICE_MILLIS = 500;
const LEAST_PACKETS = 250;
const MOST_PACKETS = 24_576;
const MOST_ROUNDS = 3;
const QUICK_SHARE = 4;
const PEERS = 16;

/** In the order in which they follow one another. */
const PARTS = [
  'until the main thread has it',
  'queue wait',
  'to the worker',
  'behind others of its batch',
  'work',
  'from the worker',
  'journal',
] as const;

/** The times of one packet, in milliseconds of the machine's clock: one more than parts. */
type Times = readonly number[];

/** A sender that notes when it is read: that is when its packet is written into a batch. */
class TimedSender {
  readonly origin = 'peer';
  readonly peer: string;
  readAt = 0;

  constructor(peer: string) {
    this.peer = peer;
  }

  get previousHop(): typeof SOURCE {
    this.readAt = machineMillis();
    return SOURCE;
  }
}

export function breakdown(): Runner {
  return {
    name: 'where the time goes',
    measure: async ({ rounds, workers: counts, isQuick }) => {
      const workers = Math.max(...counts);
      const share = isQuick ? QUICK_SHARE : 1;
      const packets = asPaid(paidSamples(MOST_PACKETS, 200));
      const arrivals = new Arrivals();
      const loads = LOADS_PERCENT.map((percent) => ({ percent, means: [] as (readonly number[])[] }));
      for (let round = 0; round < Math.min(rounds, MOST_ROUNDS); round++) {
        const bed = await Bed.open({
          workers,
          isDurable: true,
          workerFile: new URL('./timed-worker.js', import.meta.url),
          asOwn,
        });
        await bed.rate(packets.slice(0, WARM));
        let used = WARM + CAPACITY_PACKETS;
        const { perSecond: capacity } = await bed.rate(packets.slice(WARM, used));
        for (const { percent, means } of loads) {
          const rate = (capacity * percent) / 100;
          const wanted = Math.max(LEAST_PACKETS, (rate * SLICE_MILLIS) / 1_000) / share;
          const batch = packets.slice(used, used + Math.floor(wanted));
          used += batch.length;
          means.push(meansOf(await timesOf(bed, batch, rate, arrivals)));
        }
        await bed.close();
      }
      await arrivals.close();
      return loads.flatMap(({ percent, means }) => readingsOf(`at ${percent} %`, means));
    },
  };
}

function readingsOf(load: string, means: readonly (readonly number[])[]): readonly Reading[] {
  const whole = `${load}, whole`;
  return [
    { name: whole, unit: 'us', samples: means.map((parts) => parts.reduce((sum, part) => sum + part, 0)) },
    ...PARTS.map((part, index) => ({
      name: `${load}, ${part}`,
      unit: 'us',
      samples: means.map((parts) => parts[index] ?? 0),
      reference: whole,
    })),
  ];
}

function timesOf(
  bed: Bed,
  packets: readonly Expected[],
  rate: number,
  arrivals: Arrivals,
): Promise<readonly Times[]> {
  const times: Times[] = [];
  return new Promise((resolve, reject) => {
    const onArrival = (number: number, onDone: () => void, arrivedAt: number): void => {
      const packet = packets[number];
      if (packet === undefined) throw new Error('as many arrivals as packets');
      const sender = new TimedSender(`10.0.0.${number % PEERS}:8334`);
      const takenAt = machineMillis();
      bed.pool.judge(packet.bytes, sender, (verdict) => {
        const toldAt = machineMillis();
        bed.tend();
        const { amountMsat: began, priceMsat: ended, expiresAt: batchBegan } = verdict;
        if (verdict.kind !== 'paid') reject(new Error(`a packet was ${verdict.kind}`));
        bed.enter(packet.bytes, verdict, (error) => {
          if (error !== null) reject(new Error('a payment was not recorded', { cause: error }));
          const { readAt } = sender;
          const work = [batchBegan, millisOf(began), millisOf(ended)];
          times.push([arrivedAt, takenAt, readAt, ...work, toldAt, machineMillis()]);
          onDone();
        });
      });
    };
    arrivals.run(packets.length, rate, onArrival).then(() => {
      resolve(times);
    }, reject);
  });
}

/** The verdict before timed-worker.ts wrote its times into it, as far as the journal minds. */
function asOwn(verdict: PacketVerdict): PacketVerdict {
  return { ...verdict, amountMsat: 10_000n, priceMsat: 1_000n, expiresAt: systemClock.unixSeconds() + 3_600 };
}

/** Microseconds of each part, of the packets that are neither among the fastest nor among the slowest. */
function meansOf(times: readonly Times[]): readonly number[] {
  const wholes = times.map((of) => (of.at(-1) ?? 0) - (of[0] ?? 0));
  const low = percentile(wholes, 5);
  const high = percentile(wholes, 95);
  const usual = times.filter((_, index) => (wholes[index] ?? 0) >= low && (wholes[index] ?? 0) <= high);
  return PARTS.map((_, part) => {
    const sum = usual.reduce((total, of) => total + ((of[part + 1] ?? 0) - (of[part] ?? 0)), 0);
    return (sum * 1_000) / usual.length;
  });
}
