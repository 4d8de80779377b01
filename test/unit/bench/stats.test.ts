// The arithmetic of the bench suite: its medians, percentiles and ratios, and when a target counts as met.
import { describe, expect, it } from 'vitest';
import { numberText, resultOf, targetText } from '../../../bench/report.js';
import {
  atLeast,
  isMet,
  linesOf,
  median,
  neverAbove,
  percentile,
  ratioAtLeast,
  ratioAtMost,
  ratioOf,
  type Reading,
} from '../../../bench/stats.js';

const RAW: Reading = { name: 'raw', unit: 'keys/s', samples: [100, 50, 200] };

describe('bench statistics', () => {
  it('take the middle value, or the mean of the middle two, whatever the order', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([4, 10, 1, 2])).toBe(3);
    expect(median([7])).toBe(7);
    expect(() => median([])).toThrow('no sample');
  });

  it('take the nearest rank as a percentile', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect([1, 50, 99, 100].map((percent) => percentile(hundred, percent))).toEqual([1, 50, 99, 100]);
    expect(percentile([3, 8], 50)).toBe(3);
    expect(percentile([3, 8], 51)).toBe(8);
  });

  it('compare round by round, so that a slow round of both changes no ratio', () => {
    expect(ratioOf([80, 8, 800], [100, 10, 1_000])).toBeCloseTo(0.8);
    // Of medians it would be 2: the rounds do not belong together.
    expect(ratioOf([20, 40, 20], [10, 20, 20])).toBe(2);
    expect(ratioOf([6], [1, 2, 3])).toBe(3);
  });
});

describe('bench lines', () => {
  it('name group, reference and ratio; a reference has none', () => {
    const lines = linesOf('paid', [
      RAW,
      { name: 'pool', unit: 'packets/s', samples: [90, 45, 160], reference: 'raw' },
    ]);
    expect(lines).toEqual([
      {
        name: 'paid: raw',
        unit: 'keys/s',
        median: 100,
        min: 50,
        max: 200,
        reference: null,
        ratio: 1,
        target: null,
      },
      {
        name: 'paid: pool',
        unit: 'packets/s',
        median: 90,
        min: 45,
        max: 160,
        reference: 'paid: raw',
        ratio: 0.9,
        target: null,
      },
    ]);
  });

  it('refuse a reference that was not measured', () => {
    expect(() => linesOf('paid', [{ ...RAW, reference: 'nobody' }])).toThrow('paid: raw names "nobody"');
  });

  it('say of a target whether it is met, in the number that it is for', () => {
    const textOf = (reading: Reading): string => {
      const line = linesOf('g', [RAW, reading]).at(-1);
      return line === undefined ? 'no line' : targetText(line);
    };
    const pool: Reading = { name: 'pool', unit: 'packets/s', samples: [79, 39, 158], reference: 'raw' };
    expect(textOf({ ...pool, target: ratioAtLeast(0.8) })).toBe('>= 0.80 short');
    expect(textOf({ ...pool, target: ratioAtMost(0.8) })).toBe('<= 0.80 ok');
    expect(textOf({ ...pool, target: atLeast(79) })).toBe('>= 79 ok');
    expect(textOf({ ...pool, target: neverAbove(100) })).toBe('<= 100 short');
    expect(textOf(pool)).toBe('');
  });

  it('hold a target for the worst round to the maximum', () => {
    const [line] = linesOf('g', [{ name: 'pause', unit: 'ms', samples: [0.1, 1.5, 0.2] }]);
    expect(line !== undefined && isMet(line, neverAbove(1))).toBe(false);
    expect(line !== undefined && isMet(line, neverAbove(1.5))).toBe(true);
  });

  it('are the JSON of the suite without their targets', () => {
    const machine = { cpu: 'a', cores: 2, memoryGiB: 4, node: 'v20' };
    const result = resultOf(machine, linesOf('g', [{ ...RAW, target: atLeast(1) }]));
    expect(result.machine).toEqual(machine);
    expect(result.benches.map((figure) => Object.keys(figure))).toEqual([
      ['name', 'unit', 'median', 'min', 'max', 'reference', 'ratio'],
    ]);
  });
});

describe('bench numbers', () => {
  it('are shown with three digits that matter', () => {
    expect([1_234_567.8, 123.4, 12.34, 1.234, 0.01234, 20, 0].map(numberText)).toEqual([
      '1,234,568',
      '123',
      '12.3',
      '1.23',
      '0.0123',
      '20',
      '0',
    ]);
  });
});
