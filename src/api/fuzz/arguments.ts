/** Numbers on the command lines of the fuzzer and the gate campaign. */
import { InvalidArgumentError } from 'commander';

export const MAX_SEED = 0xffff_ffff;

/** Reads a number of a range; anything else is told to the user. */
export function numberBetween(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= low && value <= high)) {
      throw new InvalidArgumentError(`Give a number from ${low} to ${high}.`);
    }
    return value;
  };
}

/** Reads a whole number of a range. */
export function wholeBetween(low: number, high: number): (text: string) => number {
  const parse = numberBetween(low, high);
  return (text) => {
    const value = parse(text);
    if (!Number.isInteger(value)) throw new InvalidArgumentError('Give a whole number.');
    return value;
  };
}
