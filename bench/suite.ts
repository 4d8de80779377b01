/**
 * Benchmarks by tinybench: each figure beside a reference that was measured in the same run, since this suite is
 * run on machines that differ and are shared. A ratio above 1 means faster than the reference.
 */
import { Bench } from 'tinybench';

/** One thing to measure; `run` does `operations` of it. */
export interface Task {
  readonly name: string;
  readonly unit: string;
  /** Operations in one call of `run`. */
  readonly operations: number;
  readonly run: () => unknown;
}

/** Tasks that are compared with the first of them. */
export interface Group {
  readonly name: string;
  readonly tasks: readonly Task[];
  /** Ends what the tasks need. */
  readonly close?: () => Promise<void>;
}

/** One line of the result; rates are operations per second. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The task that it is compared with, or null for the reference itself. */
  readonly reference: string | null;
  readonly ratio: number;
}

/** Calls of a task at the least, however long one takes: their median must mean something. */
const LEAST_CALLS = 5;

/** Runs a group's tasks one after another. */
export async function measure(group: Group, millisPerTask: number): Promise<readonly Figure[]> {
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
  const rates = bench.tasks.map(({ result }, index) => {
    const operations = group.tasks[index]?.operations ?? 1;
    if (!('latency' in result)) throw new Error(`${group.name} failed: ${JSON.stringify(result)}`);
    const perSecond = (millis: number): number => (operations * 1_000) / millis;
    const { p50, min, max } = result.latency;
    return { median: perSecond(p50), min: perSecond(max), max: perSecond(min) };
  });
  const reference = rates[0]?.median ?? 1;
  return group.tasks.map((task, index) => ({
    name: `${group.name}: ${task.name}`,
    unit: task.unit,
    median: rates[index]?.median ?? 0,
    min: rates[index]?.min ?? 0,
    max: rates[index]?.max ?? 0,
    reference: index === 0 ? null : (group.tasks[0]?.name ?? null),
    ratio: (rates[index]?.median ?? 0) / reference,
  }));
}
