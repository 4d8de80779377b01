// The fee campaign: random amounts over random routes, each msat accounted for (routing.md, Fees; payments.md, Fee split).
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { runFeeCampaign } from '../../../src/api/fuzz/fee-campaign.js';

const clock = new VirtualClock();

describe('fee campaign', () => {
  it('conserves every msat over seeded pairs, wide and narrow ones', async () => {
    const report = await runFeeCampaign({ pairs: 20_000, seed: 1, clock });
    expect(report.faults).toEqual([]);
    expect(report.destinationMsat + report.routersMsat + report.treasuryMsat).toBe(report.totalMsat);
    expect(report.wide).toBeGreaterThan(500);
    expect(report.withEmptyPart).toBeGreaterThan(500);
  });

  it('is the same run again for the same seed, and another one for another', async () => {
    const [one, again, other] = await Promise.all(
      [7, 7, 8].map((seed) => runFeeCampaign({ pairs: 500, seed, clock })),
    );
    expect(again).toEqual(one);
    expect(other?.totalMsat).not.toBe(one?.totalMsat);
  });
});
