// Prices and the split of a fee (routing.md, Fees; payments.md, Fee split).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../../src/core/bincode.js';
import type { FeeSchedule } from '../../../src/core/policy.js';
import { calculateFee, priceMsat, splitFee, type FeeDistribution } from '../../../src/ledger/fee.js';

const FEES: FeeSchedule = { baseMsat: 1_000n, perHopMsat: 500n, perKibMsat: 20n, proportionalPpm: 2_500n };

describe('price', () => {
  it.each([
    [1, 0, 1_500n],
    [1, 1, 1_520n],
    [1, 1_024, 1_520n],
    [1, 1_025, 1_540n],
    [10, 262_144, 11_120n],
  ])('of %i hops and %i bytes is base + per hop + per started KiB', (hops, bytes, price) => {
    expect(priceMsat(FEES, hops, bytes)).toBe(price);
  });

  it('saturates at 2^64-1, the most that a proof can name', () => {
    expect(priceMsat({ ...FEES, perHopMsat: U64_MAX }, 2, 0)).toBe(U64_MAX);
  });
});

describe('calculateFee', () => {
  it('is base + per hop x hops + amount x ppm / 10^6, rounded down, and what the hops declared', () => {
    expect(calculateFee(FEES, 3, 0n)).toBe(2_500n);
    expect(calculateFee(FEES, 3, 1_000_000n)).toBe(5_000n);
    expect(calculateFee(FEES, 3, 399n)).toBe(2_500n);
    expect(calculateFee(FEES, 3, 400n)).toBe(2_501n);
    expect(calculateFee(FEES, 3, 400n, [7n, 0n, 2n])).toBe(2_510n);
  });

  it('is exact where a float is not, and saturates at 2^64-1', () => {
    const exact = { ...FEES, baseMsat: 0n, perHopMsat: 0n, proportionalPpm: 1_000_000n };
    expect(calculateFee(exact, 1, (1n << 53n) + 1n)).toBe((1n << 53n) + 1n);
    expect(calculateFee(exact, 1, U64_MAX, [1n])).toBe(U64_MAX);
  });
});

const amounts = fc.bigInt({ min: 0n, max: U64_MAX });
const totals = fc.oneof(fc.bigInt({ min: 0n, max: 1_000n }), amounts);
const costs = fc.array(fc.oneof(fc.constant(0n), fc.bigInt({ min: 0n, max: 5n }), amounts), { maxLength: 9 });

describe('fee split', () => {
  it('sums to the total exactly, always', () => {
    fc.assert(
      fc.property(totals, costs, (total, routerCosts) => {
        const split = splitFee(total, routerCosts);
        expect(partsOf(split).reduce((sum, part) => sum + part, 0n)).toBe(total);
        expect(split.totalMsat).toBe(total);
        expect(split.routerMsat).toHaveLength(routerCosts.length);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is what exact fractions give, handed out one msat at a time to the largest remainder', () => {
    fc.assert(
      fc.property(totals, costs, (total, routerCosts) => {
        expect(partsOf(splitFee(total, routerCosts))).toEqual(slowSplit(total, routerCosts));
      }),
      { numRuns: 1_000 },
    );
  });

  it('gives 60 % to the destination, 30 % to the routers by cost, 10 % to the treasury', () => {
    expect(splitFee(1_000n, [1n, 2n])).toEqual({
      totalMsat: 1_000n,
      destinationMsat: 600n,
      routerMsat: [100n, 200n],
      treasuryMsat: 100n,
    });
  });

  it('gives routers equal parts where their costs are equal, and where all are 0', () => {
    expect(splitFee(300n, [7n, 7n, 7n]).routerMsat).toEqual([30n, 30n, 30n]);
    expect(splitFee(300n, [0n, 0n, 0n]).routerMsat).toEqual([30n, 30n, 30n]);
  });

  it("gives the routers' 30 % of a two-node route to the destination", () => {
    expect(splitFee(1_000n, [])).toEqual({
      totalMsat: 1_000n,
      destinationMsat: 900n,
      routerMsat: [],
      treasuryMsat: 100n,
    });
  });

  it('gives what is left over to the earliest on the route where fractions are equal', () => {
    // Exact shares: 3 / 0.75 / 0.75 / 0.5. Both routers come before the treasury.
    expect(splitFee(5n, [1n, 1n])).toMatchObject({
      routerMsat: [1n, 1n],
      destinationMsat: 3n,
      treasuryMsat: 0n,
    });
    // Exact shares: 0.75 each of 10 / 4 = 2.5: a tie of four routers for two msat.
    expect(splitFee(10n, [1n, 1n, 1n, 1n])).toMatchObject({ routerMsat: [1n, 1n, 1n, 0n], treasuryMsat: 1n });
    // Exact shares: 1.5 / 3 / 0.5: router and treasury tie.
    expect(splitFee(5n, [9n])).toMatchObject({ routerMsat: [2n], destinationMsat: 3n, treasuryMsat: 0n });
  });

  it('gives nothing to a router of cost 0 beside one that costs', () => {
    expect(splitFee(U64_MAX, [0n, 1n]).routerMsat[0]).toBe(0n);
  });
});

/** Routers in the order of the route, destination, treasury. */
function partsOf(split: FeeDistribution): bigint[] {
  return [...split.routerMsat, split.destinationMsat, split.treasuryMsat];
}

/** A fraction, never reduced: slow and plain. */
interface Fraction {
  readonly top: bigint;
  readonly bottom: bigint;
}

function slowSplit(total: bigint, routerCosts: readonly bigint[]): bigint[] {
  const sum = routerCosts.reduce((a, b) => a + b, 0n);
  const count = BigInt(routerCosts.length);
  const ofTotal = (percent: bigint, share: Fraction): Fraction => ({
    top: total * percent * share.top,
    bottom: 100n * share.bottom,
  });
  const whole: Fraction = { top: 1n, bottom: 1n };
  const exact = [
    ...routerCosts.map((cost) =>
      ofTotal(30n, sum === 0n ? { top: 1n, bottom: count } : { top: cost, bottom: sum }),
    ),
    ofTotal(routerCosts.length === 0 ? 90n : 60n, whole),
    ofTotal(10n, whole),
  ];
  const parts = exact.map(({ top, bottom }) => top / bottom);
  const remainders = exact.map(({ top, bottom }): Fraction => ({ top: top % bottom, bottom }));
  while (parts.reduce((a, b) => a + b, 0n) < total) {
    let best = 0;
    remainders.forEach((remainder, index) => {
      const champion = remainders[best];
      if (champion !== undefined && remainder.top * champion.bottom > champion.top * remainder.bottom)
        best = index;
    });
    parts[best] = (parts[best] ?? 0n) + 1n;
    remainders[best] = { top: 0n, bottom: 1n };
  }
  return parts;
}
