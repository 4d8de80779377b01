/**
 * Prices and the split of a fee: what a packet costs here, and who gets which part of what was paid.
 *
 * Rules: routing.md (Fees), payments.md (any proof, 3; Fee split). All amounts are msat, as integers, exact.
 */
import { assert, present } from '../core/assert.js';
import { U64_MAX } from '../core/bincode.js';
import type { FeeSchedule } from '../core/policy.js';

/** Payload is charged for each started block of this size. */
const BYTES_PER_KIB = 1_024;
const PPM = 1_000_000n;

/** Tenths of a fee (payments.md, Fee split). */
const DESTINATION_TENTHS = 6n;
const ROUTERS_TENTHS = 3n;
const TREASURY_TENTHS = 1n;
const ALL_TENTHS = DESTINATION_TENTHS + ROUTERS_TENTHS + TREASURY_TENTHS;

/** Who gets what of a fee. The parts sum to `totalMsat` exactly. */
export interface FeeDistribution {
  readonly totalMsat: bigint;
  readonly destinationMsat: bigint;
  /** One part per router, in the order of the route. */
  readonly routerMsat: readonly bigint[];
  readonly treasuryMsat: bigint;
}

/**
 * The price of one packet at this node: base + per hop x hops + per KiB x started KiB of payload.
 * Saturates at 2^64-1, the most that a proof can name.
 * @param hops ids of the route less one: 1 to 10
 * @param payloadBytes length of the payload alone
 */
export function priceMsat(fees: FeeSchedule, hops: number, payloadBytes: number): bigint {
  assert(Number.isInteger(hops) && hops >= 0, 'hops are counted');
  assert(Number.isInteger(payloadBytes) && payloadBytes >= 0, 'bytes are counted');
  const kib = BigInt(Math.ceil(payloadBytes / BYTES_PER_KIB));
  return saturate(fees.baseMsat + fees.perHopMsat * BigInt(hops) + fees.perKibMsat * kib);
}

/**
 * The fee of a route for an amount carried: base + per hop x hops + amount x ppm / 10^6, rounded down as in
 * Lightning (BOLT 7), plus the costs that the hops declared. Saturates at 2^64-1.
 * @param hops ids of the route less one
 * @param declaredMsat what the routers ask for on top, in msat
 */
export function calculateFee(
  fees: FeeSchedule,
  hops: number,
  amountMsat: bigint,
  declaredMsat: readonly bigint[] = [],
): bigint {
  assert(Number.isInteger(hops) && hops >= 0, 'hops are counted');
  assert(amountMsat >= 0n, 'an amount is not negative');
  const own = fees.baseMsat + fees.perHopMsat * BigInt(hops) + (amountMsat * fees.proportionalPpm) / PPM;
  return saturate(declaredMsat.reduce((sum, cost) => sum + cost, own));
}

/**
 * Splits a fee: 60 % to the destination, 30 % to the routers in proportion to their costs (equally where all
 * are 0), 10 % to the treasury. Without routers their 30 % is the destination's.
 *
 * Integers by largest remainder over all parts at once: every part is its exact share rounded down or up, and
 * the msat left over go to the largest fractions, ties to the earliest on the route; the treasury, which is on
 * no route, comes last.
 * @param routerCosts weight of each router, in the order of the route; any unit, only their proportion counts
 */
export function splitFee(totalMsat: bigint, routerCosts: readonly bigint[]): FeeDistribution {
  assert(totalMsat >= 0n, 'a fee is not negative');
  assert(
    routerCosts.every((cost) => cost >= 0n),
    'a cost is not negative',
  );
  const sumOfCosts = routerCosts.reduce((sum, cost) => sum + cost, 0n);
  const weights = sumOfCosts === 0n ? routerCosts.map(() => 1n) : routerCosts;
  const hasRouters = weights.length > 0;
  // Each share is weight / whole of the total, with one denominator for all.
  const unit = hasRouters ? weights.reduce((sum, weight) => sum + weight, 0n) : 1n;
  const shares = [
    ...weights.map((weight) => ROUTERS_TENTHS * weight),
    (hasRouters ? DESTINATION_TENTHS : DESTINATION_TENTHS + ROUTERS_TENTHS) * unit,
    TREASURY_TENTHS * unit,
  ];
  const parts = largestRemainder(totalMsat, shares, ALL_TENTHS * unit);
  return {
    totalMsat,
    destinationMsat: present(parts[weights.length], 'the destination has a part'),
    routerMsat: parts.slice(0, weights.length),
    treasuryMsat: present(parts[weights.length + 1], 'the treasury has a part'),
  };
}

/** Parts of a total in the proportion of the shares, which sum to `whole`; ties go to the earliest. */
function largestRemainder(total: bigint, shares: readonly bigint[], whole: bigint): bigint[] {
  const parts = shares.map((share) => (total * share) / whole);
  const left = total - parts.reduce((sum, part) => sum + part, 0n);
  // The sort is stable, so equal fractions stay in the order of the route.
  const byFraction = shares
    .map((share, index) => ({ index, fraction: (total * share) % whole }))
    .sort((a, b) => (a.fraction === b.fraction ? 0 : a.fraction > b.fraction ? -1 : 1));
  for (const { index } of byFraction.slice(0, Number(left))) parts[index] = (parts[index] ?? 0n) + 1n;
  return parts;
}

function saturate(amount: bigint): bigint {
  return amount > U64_MAX ? U64_MAX : amount;
}
