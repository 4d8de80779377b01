/**
 * Processor time, of this process and of its main thread: what a packet costs, whoever else uses the machine meanwhile.
 * Cores divided by it is the most that a pipeline can reach, and so is one by that of the main thread.
 */
import { readFileSync } from 'node:fs';
import type { Reading } from './stats.js';

/** Microseconds since the start of the process, or of each operation in between. */
export interface CpuMicros {
  readonly process: number;
  /** NaN where the system does not tell it (only Linux does), or it is of no interest. */
  readonly mainThread: number;
}

/** What a measured stretch came to. */
export interface Rate {
  readonly perSecond: number;
  /** Of one operation. */
  readonly cpu: CpuMicros;
}

/**
 * Readings of the rates of some rounds: of the rate, and of the processor time. @param unit of the rate
 * @param more the reference and the target of the rate; the reference was made by this function too
 */
export function rateReadings(
  name: string,
  unit: string,
  rates: readonly Rate[],
  more: Pick<Reading, 'reference' | 'target'> = {},
): readonly Reading[] {
  const { reference } = more;
  const of = (part: keyof CpuMicros): number[] => rates.map(({ cpu }) => cpu[part]);
  const mainThread = of('mainThread');
  return [
    { name, unit, samples: rates.map(({ perSecond }) => perSecond), ...more },
    {
      name: cpuName(name),
      unit: 'us CPU',
      samples: of('process'),
      ...(reference === undefined ? {} : { reference: cpuName(reference) }),
    },
    ...(mainThread.some(Number.isNaN)
      ? []
      : [
          {
            name: `${name}: of the main thread`,
            unit: 'us CPU',
            samples: mainThread,
            reference: cpuName(name),
          },
        ]),
  ];
}

function cpuName(name: string): string {
  return `${name}: each costs`;
}

/** Its first number: nanoseconds on a processor, of the thread whose id is the process's. */
const MAIN_THREAD_TIMES = `/proc/self/task/${process.pid}/schedstat`;

const NANOS_PER_MICRO = 1_000;

/** Begins a stretch; call what it returns at its end. */
export function stopwatch(): (operations: number) => Rate {
  const before = cpuMicros();
  const began = performance.now();
  return (operations) => {
    const millis = performance.now() - began;
    const after = cpuMicros();
    return {
      perSecond: (1_000 * operations) / millis,
      cpu: {
        process: (after.process - before.process) / operations,
        mainThread: (after.mainThread - before.mainThread) / operations,
      },
    };
  };
}

function cpuMicros(): CpuMicros {
  const { user, system } = process.cpuUsage();
  return { process: user + system, mainThread: mainThreadMicros() };
}

function mainThreadMicros(): number {
  try {
    return Number(readFileSync(MAIN_THREAD_TIMES, 'utf8').split(' ', 1)[0]) / NANOS_PER_MICRO;
  } catch {
    return NaN;
  }
}
