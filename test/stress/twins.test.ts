// A short twin campaign. The long one is `blvm-mesh twin-campaign --packets 1000000`.
import { describe, expect, it } from 'vitest';
import { Reason } from '../../src/core/reasons.js';
import { refusedVerdict } from '../../src/pool/judge.js';
import { Trace, TRACE_GROUPS } from '../../src/stress/trace.js';
import { differences, runTwinCampaign } from '../../src/stress/twins.js';

describe('twin campaign', () => {
  it('of 5,000 packets finds the plain judge and the fast engine of one mind about each', async () => {
    const seen: number[] = [];
    const result = await runTwinCampaign({ packets: 5_000, seed: 3, onProgress: (done) => seen.push(done) });
    expect(result.violations).toEqual([]);
    expect(result.packets).toBe(5_000);
    expect(seen.at(-1)).toBe(5_000);
    const sum = (counts: Readonly<Record<string, number>>): number =>
      Object.values(counts).reduce((whole, count) => whole + count, 0);
    expect(sum(result.groups)).toBe(5_000);
    expect(sum(result.reasons)).toBe(5_000);
    // It says something only where packets of all kinds came all the way.
    for (const group of TRACE_GROUPS) expect(result.groups[group]).toBeGreaterThan(100);
    expect(Object.keys(result.reasons).length).toBeGreaterThan(30);
    expect(result.claimed).toBeGreaterThan(50);
    expect(result.reasons.ReplayedPayment).toBeGreaterThan(50);
    expect(result.reasons.Overloaded).toBeUndefined();
  }, 60_000);
});

describe('twin campaign › tells', () => {
  it('every field in which two verdicts differ, bytes included', () => {
    const verdict = { ...refusedVerdict(Reason.ReplayedPayment), replayKey: new Uint8Array(32).fill(1) };
    expect(differences(verdict, { ...verdict, replayKey: new Uint8Array(32).fill(1) })).toEqual([]);
    const found = differences(verdict, {
      ...verdict,
      reason: Reason.Accepted,
      kind: 'paid',
      amountMsat: 5n,
      replayKey: null,
      mark: new Int32Array(4).fill(0x02020202),
    });
    expect([...found].sort()).toEqual([
      'amountMsat is 0 plainly and 5 fast',
      'kind is refused plainly and paid fast',
      `mark is ${'00'.repeat(16)} plainly and ${'02'.repeat(16)} fast`,
      'reason is ReplayedPayment plainly and Accepted fast',
      `replayKey is ${'01'.repeat(32)} plainly and null fast`,
    ]);
  });
});

describe('trace', () => {
  it('is the same for the same seed, and another for another', () => {
    const [one, again, other] = [new Trace(5), new Trace(5), new Trace(6)].map((trace) => {
      trace.window(200);
      return trace.window(100);
    });
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    expect(one?.packets).toHaveLength(100);
  });
});
