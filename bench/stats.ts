/**
 * From samples to figures: medians, percentiles, ratios, and whether a target is met. Pure; tested by
 * test/unit/bench.
 */

/** What a figure should be. Falling short is told, and is no failure: this is a measurement. */
export interface Target {
  /** Which number of the figure; of times and sizes the worst round is `max`. */
  readonly of: 'ratio' | 'median' | 'max';
  readonly bound: 'least' | 'most';
  readonly value: number;
}

/** What was measured of one thing, one sample a round. */
export interface Reading {
  readonly name: string;
  readonly unit: string;
  /** One number a round: a rate, a time, a size. At least one. */
  readonly samples: readonly number[];
  /** The reading of the same group that this one is compared with; left out where it is compared with none. */
  readonly reference?: string;
  readonly target?: Target;
}

/** One entry of the JSON result. */
export interface Figure {
  /** `group: thing`. */
  readonly name: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** Name of the figure that it is compared with, measured in the same run; null for references. */
  readonly reference: string | null;
  /** To the reference; 1 where there is none. */
  readonly ratio: number;
}

/** One line of the table. */
export interface Line extends Figure {
  readonly target: Target | null;
}

/** A target for the ratio to the reference. */
export function ratioAtLeast(value: number): Target {
  return { of: 'ratio', bound: 'least', value };
}

export function ratioAtMost(value: number): Target {
  return { of: 'ratio', bound: 'most', value };
}

/** A target for the median, in the figure's unit. */
export function atLeast(value: number): Target {
  return { of: 'median', bound: 'least', value };
}

export function atMost(value: number): Target {
  return { of: 'median', bound: 'most', value };
}

/** A target that holds for the worst round too. */
export function neverAbove(value: number): Target {
  return { of: 'max', bound: 'most', value };
}

/** The middle value; of an even number of values the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = ascending(values);
  const half = sorted.length / 2;
  return Number.isInteger(half)
    ? (at(sorted, half - 1) + at(sorted, half)) / 2
    : at(sorted, Math.floor(half));
}

/** The smallest value that `percent` % of the values do not exceed (nearest rank). @param percent above 0, to 100 */
export function percentile(values: readonly number[], percent: number): number {
  return at(ascending(values), Math.ceil((percent / 100) * values.length) - 1);
}

/**
 * What a reading is of its reference. Where both have a sample for each round, the median of the rounds' ratios: on
 * a machine that is shared, a slow second hits both alike.
 */
export function ratioOf(samples: readonly number[], reference: readonly number[]): number {
  if (samples.length !== reference.length) return median(samples) / median(reference);
  return median(samples.map((sample, round) => sample / at(reference, round)));
}

/** @throws where a reading has no sample, or names a reference that is not among them: that is the bench's bug */
export function linesOf(group: string, readings: readonly Reading[]): readonly Line[] {
  const nameOf = (reading: Reading): string => `${group}: ${reading.name}`;
  return readings.map((reading) => {
    const reference = readings.find(({ name }) => name === reading.reference);
    if (reading.reference !== undefined && reference === undefined) {
      throw new Error(`${nameOf(reading)} names "${reading.reference}", which was not measured`);
    }
    return {
      name: nameOf(reading),
      unit: reading.unit,
      median: median(reading.samples),
      min: Math.min(...reading.samples),
      max: Math.max(...reading.samples),
      reference: reference === undefined ? null : nameOf(reference),
      ratio: reference === undefined ? 1 : ratioOf(reading.samples, reference.samples),
      target: reading.target ?? null,
    };
  });
}

export function isMet(line: Line, { of, bound, value }: Target): boolean {
  return bound === 'least' ? line[of] >= value : line[of] <= value;
}

function ascending(values: readonly number[]): readonly number[] {
  return [...values].sort((a, b) => a - b);
}

function at(values: readonly number[], index: number): number {
  const value = values[index];
  if (value === undefined) throw new Error('there is no sample');
  return value;
}
