/** Closed loops in the shape of the suite. */
import type { Task } from './suite.js';

/**
 * The same thing some times over, told which time it is.
 * @param operations in one call of the task
 * @param more a target, or another reference than the first task of the group
 */
export function repeated(
  name: string,
  unit: string,
  operations: number,
  once: (index: number) => unknown,
  more: Pick<Task, 'reference' | 'target'> = {},
): Task {
  return {
    name,
    unit,
    operations,
    run: () => {
      for (let index = 0; index < operations; index++) once(index);
    },
    ...more,
  };
}
