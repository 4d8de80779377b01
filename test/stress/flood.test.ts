// A short flood campaign: what is counted must be exact; bounds on time are for `blvm-mesh flood-campaign`.
import { describe, expect, it } from 'vitest';
import { missedFloodBounds, runFloodCampaign, shareOf, violationsOf } from '../../src/stress/flood.js';

describe('flood campaign', () => {
  it('of 8 seconds accounts for every packet that came, and honest ones arrive', async () => {
    const result = await runFloodCampaign({ seconds: 8, seed: 3 });
    expect(result.violations).toEqual([]);
    // Noise is cut off again and again, and what is well made is refused for what it is.
    expect(result.cutOff).toBeGreaterThan(1);
    expect(result.refused.PeerMisbehaved).toBeGreaterThan(1);
    expect(result.refused.PayeeNotAccepted).toBeGreaterThan(100);
    expect(result.received).toBeGreaterThan(5_000);
    expect(shareOf(result.alone)).toBeGreaterThan(0.5);
    expect(shareOf(result.flood)).toBeGreaterThan(0.5);
    expect(shareOf(result.after)).toBeGreaterThan(0.5);
  }, 60_000);
});

describe('flood campaign › tells', () => {
  const part = { offered: 1_000, arrived: 1_000 };
  const fine = {
    alone: part,
    flood: part,
    after: part,
    floodPerSecond: 20_000,
    residentMib: [200, 210],
  } as const;

  it.each([
    ['nothing where all is well', {}, []],
    ['lost throughput', { flood: { offered: 1_000, arrived: 800 } }, ['80.0 % of what honest peers offered']],
    ['throughput that does not come back', { after: { offered: 1_000, arrived: 0 } }, ['0.0 % of what']],
    ['no throughput at all', { alone: { offered: 0, arrived: 0 } }, ['NaN % of what']],
    ['too small a flood', { floodPerSecond: 300 }, ['the flood was only 300 frames a second']],
    ['memory that grows', { residentMib: [200, 300] as const }, ['grew from 200 to 300 MiB']],
  ])('%s', (_, changes, expected) => {
    expect(missedFloodBounds({ ...fine, ...changes })).toEqual(
      expected.map((text) => expect.stringContaining(text) as string),
    );
  });

  const counts = { packets_received: 1_110, packets_paid: 1_000, packets_control: 10 };
  const refused = { UnknownTag: 60, PayeeNotAccepted: 40, PeerMisbehaved: 3 };

  it.each([
    ['nothing where each packet has its reason', {}, []],
    ['packets without a reason', { packets_received: 1_200 }, ['1200 packets were received, 1110 are']],
    ['junk that passed as paid', { packets_received: 1_111, packets_paid: 1_001 }, ['1001 packets passed']],
    ['junk that passed as free', { packets_received: 1_111, packets_free: 1 }, ['1 packets of junk']],
  ])('%s', (_, changes, expected) => {
    const status = { peers: 5, counts: { ...counts, ...changes }, refused };
    expect(violationsOf(status, [part])).toEqual(
      expected.map((text) => expect.stringContaining(text) as string),
    );
  });
});
