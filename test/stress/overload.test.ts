// A short overload campaign: what is counted must be exact; bounds on time are for `blvm-mesh overload-campaign`.
import { describe, expect, it } from 'vitest';
import { LatencyHistogram } from '../../src/stress/latency.js';
import { missedBounds, runOverloadCampaign, type HonestPart } from '../../src/stress/overload.js';

describe('overload campaign', () => {
  it('of 8 seconds accounts for every packet and lets no junk pass', async () => {
    const result = await runOverloadCampaign({ seconds: 8, seed: 2 });
    expect(result.violations).toEqual([]);
    const refused = Object.values(result.refused).reduce((sum, count) => sum + count, 0);
    expect(result.accepted + refused).toBe(result.offered);
    expect(result.refused.Accepted).toBeUndefined();
    expect(result.accepted).toBeGreaterThan(100);
    // The peer that floods waits for itself: it alone is refused for the load.
    expect(result.flood.accepted / result.flood.offered).toBeGreaterThan(0.5);
    expect(result.refused.Overloaded).toBeGreaterThan(0);
  }, 60_000);
});

describe('overload campaign › tells', () => {
  const part = (changes: Partial<HonestPart> = {}): HonestPart => ({
    offered: 1_000,
    accepted: 1_000,
    p50Millis: 2,
    p99Millis: 4,
    ...changes,
  });
  const fine = {
    alone: part(),
    flood: part(),
    after: part(),
    timesCapacity: 5,
    residentMib: [200, 210],
  } as const;

  it.each([
    ['nothing where all is well', {}, []],
    ['too small a flood', { timesCapacity: 3 }, ['the flood was only 3.0 times the capacity']],
    ['lost throughput', { flood: part({ accepted: 800 }) }, ['honest peers kept 80.0 % of']],
    ['no throughput at all', { flood: part({ offered: 0, accepted: 0 }) }, ['honest peers kept NaN % of']],
    ['a late flood', { flood: part({ p99Millis: 41 }) }, ['p99 went from 4.0 to 41.0 ms']],
    ['a flood that is felt for long', { after: part({ p99Millis: 13 }) }, ['p99 was still 13.0 ms']],
    ['memory that grows', { residentMib: [200, 300] as const }, ['grew from 200 to 300 MiB']],
  ])('%s', (_, changes, expected) => {
    expect(missedBounds({ ...fine, ...changes })).toEqual(
      expected.map((text) => expect.stringContaining(text) as string),
    );
  });
});

describe('latency histogram', () => {
  it('gives percentiles within 2 %, and 0 of nothing', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.summary()).toEqual({ p50Millis: 0, p99Millis: 0 });
    for (let i = 1; i <= 1_000; i++) histogram.add(i / 10);
    expect(histogram.percentile(0.5) / 50).toBeGreaterThan(0.98);
    expect(histogram.percentile(0.5) / 50).toBeLessThan(1.03);
    expect(histogram.percentile(0.99) / 99).toBeGreaterThan(0.98);
    expect(histogram.percentile(0.99) / 99).toBeLessThan(1.03);
    histogram.add(1e12);
    expect(histogram.percentile(1)).toBeGreaterThan(1_000);
  });
});
