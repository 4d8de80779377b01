/**
 * What can be measured: closed loops by tinybench, and runners that measure in a way of their own (threads, arrivals,
 * bytes). Each figure stands beside a reference of the same run, taken in turns with it, since this suite is run on
 * machines that differ and are shared.
 */
import { Bench } from 'tinybench';
import { linesOf, type Line, type Reading, type Target } from './stats.js';

/** How long and on how many threads to measure. */
export interface Settings {
  /** A first look: fewer rounds, smaller tables. */
  readonly isQuick: boolean;
  /** Rounds; in each, every reading of a group gets one sample. */
  readonly rounds: number;
  /** Of one closed loop, over all rounds. */
  readonly millis: number;
  /** Worker counts in ascending order: pipelines have the last, scaling compares all. At least one. */
  readonly workers: readonly number[];
}

/** What a node of as many cores has by default: where the main thread has most to do, it needs a core of its own. */
export function besideMain({ workers }: Settings): number {
  return Math.max(1, Math.max(...workers) - 1);
}

/** `2 workers`. */
export function workersText(count: number): string {
  return count === 1 ? '1 worker' : `${count} workers`;
}

/** A closed loop; `run` does `operations` of it. */
export interface Task {
  readonly name: string;
  /** Of its rate: `packets/s`. */
  readonly unit: string;
  /** Operations in one call of `run`. */
  readonly operations: number;
  readonly run: () => unknown;
  /** The task of the group that it is compared with; the first one where left out. */
  readonly reference?: string;
  readonly target?: Target;
}

/** Tasks that are compared with the first of them, or with the one that they name. */
export interface Group {
  readonly name: string;
  readonly tasks: readonly Task[];
  /** Ends what the tasks need. */
  readonly close?: () => Promise<void>;
}

/** Something that is measured in a way of its own. */
export interface Runner {
  readonly name: string;
  readonly measure: (settings: Settings) => Promise<readonly Reading[]>;
}

export type Measurable = Group | Runner;

/** What stands behind one name of `--only`, made when asked for. */
export type Theme = (settings: Settings) => Measurable | readonly Measurable[] | Promise<Measurable>;

/** Calls of a task in a round at the least, however long one takes: their median must mean something. */
const LEAST_CALLS = 3;

/** Measures all that stands behind a name. */
export async function measureTheme(theme: Theme, settings: Settings): Promise<readonly Line[]> {
  const made = await theme(settings);
  const lines: Line[] = [];
  for (const measurable of Array.isArray(made) ? (made as readonly Measurable[]) : [made as Measurable]) {
    const readings =
      'tasks' in measurable ? await closedLoops(measurable, settings) : await measurable.measure(settings);
    lines.push(...linesOf(measurable.name, readings));
  }
  return lines;
}

/** Runs a group's tasks in turns, some rounds of them; a sample is the rate of a round's median call. */
async function closedLoops(group: Group, { rounds, millis }: Settings): Promise<readonly Reading[]> {
  const samples = group.tasks.map((): number[] => []);
  try {
    for (let round = 0; round < rounds; round++) {
      const rates = await roundOf(group, millis / rounds);
      rates.forEach((rate, index) => samples[index]?.push(rate));
    }
  } finally {
    await group.close?.();
  }
  return group.tasks.map(({ name, unit, reference, target }, index) => {
    const other = index === 0 ? undefined : (reference ?? group.tasks[0]?.name);
    return {
      name,
      unit,
      samples: samples[index] ?? [],
      ...(other === undefined ? {} : { reference: other }),
      ...(target === undefined ? {} : { target }),
    };
  });
}

/** @returns operations a second, in the order of the tasks */
async function roundOf(group: Group, millisPerTask: number): Promise<readonly number[]> {
  const bench = new Bench({
    time: millisPerTask,
    iterations: LEAST_CALLS,
    warmupTime: millisPerTask / 5,
    warmupIterations: 1,
  });
  for (const task of group.tasks) {
    bench.add(task.name, async () => {
      await task.run();
    });
  }
  await bench.run();
  return bench.tasks.map(({ result }, index) => {
    const operations = group.tasks[index]?.operations ?? 1;
    if (!('latency' in result)) throw new Error(`${group.name} failed: ${JSON.stringify(result)}`);
    return (operations * 1_000) / result.latency.p50;
  });
}
