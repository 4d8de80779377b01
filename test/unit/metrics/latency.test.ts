// Histograms that cost next to nothing to observe: right buckets, right sums, and every so many measured.
import { describe, expect, it } from 'vitest';
import { Histogram, Sampler } from '../../../src/metrics/latency.js';

describe('histogram', () => {
  it('counts each value in the first bucket that it fits, and in all above', () => {
    const histogram = new Histogram([1, 2, 5]);
    for (const value of [0.5, 1, 1.5, 5, 99]) histogram.observe(value);
    expect(histogram.cumulative()).toEqual([2, 3, 4, 5]);
    expect(histogram.sum).toBe(107);
    expect(histogram.count).toBe(5);
    expect([0.4, 0.6, 0.8, 1].map((part) => histogram.quantile(part))).toEqual([1, 2, 5, null]);
  });

  it('has no quantile before anything was observed', () => {
    expect(new Histogram().quantile(0.5)).toBeNull();
  });
});

describe('sampler', () => {
  it('is due for the first of so many, again and again', () => {
    const sampler = new Sampler(3);
    expect(Array.from({ length: 7 }, () => sampler.isDue())).toEqual([
      true,
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});
