/** Sums of many runs and pairs. */
import { randomBelow, type SeededRandom } from '../core/random.js';

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** A part of a whole; 0 where there is no whole. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

/** 0 where there are none. */
export function mean(values: readonly number[]): number {
  return ratio(sum(values), values.length);
}

/** How many are set. */
export function count(flags: readonly boolean[]): number {
  return flags.filter(Boolean).length;
}

/** The items in a random order. */
export function shuffled<T>(random: SeededRandom, items: readonly T[]): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(randomBelow(random, left.length), 1));
}
