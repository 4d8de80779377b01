/**
 * Prices and the split of a fee: what a packet costs here, and who gets which part of what was paid.
 *
 * Rules: routing.md (Fees), payments.md (any proof, 3; Fee split). All amounts are msat, as integers, exact: worked out in
 * floating point where every number on the way is whole and below 2^53, which is many times faster, and else as bigint.
 */
import { assert, present } from '../core/assert.js';
import { U64_MAX } from '../core/bincode.js';
import type { FeeSchedule } from '../core/policy.js';

/** Payload is charged for each started block of this size. */
const BYTES_PER_KIB = 1_024;
const PPM = 1_000_000;

/** Tenths of a fee (payments.md, Fee split). */
const DESTINATION_TENTHS = 6;
const ROUTERS_TENTHS = 3;
const TREASURY_TENTHS = 1;
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
  const kib = Math.ceil(payloadBytes / BYTES_PER_KIB);
  const { base, perHop, perKib } = numbersOf(fees);
  const price = base + perHop * hops + perKib * kib;
  if (isExact(price)) return BigInt(price);
  const { baseMsat, perHopMsat, perKibMsat } = fees;
  return saturate(baseMsat + perHopMsat * BigInt(hops) + perKibMsat * BigInt(kib));
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
  const { base, perHop, ppm } = numbersOf(fees);
  const millionfold = Number(amountMsat) * ppm;
  let fee = base + perHop * hops + Math.floor(millionfold / PPM);
  for (const cost of declaredMsat) fee += Number(cost);
  if (isExact(millionfold) && isExact(fee)) return BigInt(fee);
  const { baseMsat, perHopMsat, proportionalPpm } = fees;
  const own = baseMsat + perHopMsat * BigInt(hops) + (amountMsat * proportionalPpm) / BigInt(PPM);
  return saturate(declaredMsat.reduce((sum, cost) => sum + cost, own));
}

/** The schedule that was asked for last, which is mostly the same, in numbers; a schedule never changes. */
let lastFees: FeeSchedule | null = null;
let lastNumbers = { base: 0, perHop: 0, perKib: 0, ppm: 0 };

function numbersOf(fees: FeeSchedule): typeof lastNumbers {
  if (fees === lastFees) return lastNumbers;
  lastFees = fees;
  lastNumbers = {
    base: Number(fees.baseMsat),
    perHop: Number(fees.perHopMsat),
    perKib: Number(fees.perKibMsat),
    ppm: Number(fees.proportionalPpm),
  };
  return lastNumbers;
}

/** The weights of routers that share equally, as `splitFee` takes them. */
export function equalWeights(routers: number): readonly bigint[] {
  return (EQUAL_WEIGHTS[routers] ??= Array.from({ length: routers }, () => 1n));
}

/** By the number of routers, which a route bounds. */
const EQUAL_WEIGHTS: (readonly bigint[] | undefined)[] = [];

/**
 * Splits a fee: 60 % to the destination, 30 % to the routers in proportion to their weights (equally where all
 * are 0), 10 % to the treasury. Without routers their 30 % is the destination's.
 *
 * Integers by largest remainder over all parts at once: every part is its exact share rounded down or up, and
 * the msat left over go to the largest fractions, ties to the earliest on the route; the treasury, which is on
 * no route, comes last.
 * @param routerWeights of each router, in the order of the route: its cost, or its cost scaled by how concentrated
 *   its entity is (routing.md, Anti-monopoly, 3); any unit and any size, only their proportion counts
 */
export function splitFee(totalMsat: bigint, routerWeights: readonly bigint[]): FeeDistribution {
  const routers = routerWeights.length;
  const total = Number(totalMsat);
  assert(total >= 0, 'a fee is not negative');
  if (shares.length < routers + 2) {
    shares = new Float64Array(2 * (routers + 2));
    fractions = new Float64Array(2 * (routers + 2));
  }
  let unit = 0;
  const areEqual = routerWeights === EQUAL_WEIGHTS[routers];
  for (let i = 0; i < routers; i++) {
    const weight = areEqual ? 1 : Number(routerWeights[i]);
    assert(weight >= 0, 'a weight is not negative');
    shares[i] = weight;
    unit += weight;
  }
  if (unit === 0) {
    if (routers > 0) return splitFee(totalMsat, equalWeights(routers));
    unit = 1;
  }
  // Exact where no product passes 2^53; a number that was rounded on the way here is past that already.
  return isExact(total * unit * ALL_TENTHS)
    ? splitExactly(totalMsat, total, routers, unit)
    : splitWide(totalMsat, routerWeights);
}

/** Whether a sum or product of whole numbers, rounded where it had to be, is surely the true one. */
function isExact(result: number): boolean {
  return result <= Number.MAX_SAFE_INTEGER;
}

/** What `splitFee` and `splitExactly` work with, filled and used within one call: weights, then what becomes of them. */
let shares = new Float64Array(16);
let fractions = new Float64Array(16);

/**
 * The split in floating point, where all products are whole numbers below 2^53, by the weights that stand in `shares`.
 * @param total as `totalMsat`
 * @param unit sum of the weights, or 1
 */
function splitExactly(totalMsat: bigint, total: number, routers: number, unit: number): FeeDistribution {
  const whole = ALL_TENTHS * unit;
  let left = total;
  for (let i = 0; i < routers + 2; i++) {
    const share = i < routers ? ROUTERS_TENTHS * (shares[i] ?? 0) : tenthsOf(i - routers, routers) * unit;
    const product = total * share;
    // A quotient just below a whole number is at least 1 / product below it, relatively: it is not rounded up to it.
    const part = Math.floor(product / whole);
    shares[i] = part;
    fractions[i] = product - part * whole;
    left -= part;
  }
  for (; left > 0; left--) {
    let largest = 0;
    for (let i = 1; i < routers + 2; i++) if ((fractions[i] ?? 0) > (fractions[largest] ?? 0)) largest = i;
    shares[largest] = (shares[largest] ?? 0) + 1;
    fractions[largest] = -1;
  }
  const routerMsat: bigint[] = [];
  for (let i = 0; i < routers; i++) routerMsat.push(BigInt(shares[i] ?? 0));
  return {
    totalMsat,
    destinationMsat: BigInt(shares[routers] ?? 0),
    routerMsat,
    treasuryMsat: BigInt(shares[routers + 1] ?? 0),
  };
}

/** The split for any amount and any weights, of which not all are 0. */
function splitWide(totalMsat: bigint, weights: readonly bigint[]): FeeDistribution {
  const routers = weights.length;
  // Each share is weight / whole of the total, with one denominator for all.
  const unit = routers > 0 ? weights.reduce((sum, weight) => sum + weight, 0n) : 1n;
  const parts = largestRemainder(
    totalMsat,
    [
      ...weights.map((weight) => BigInt(ROUTERS_TENTHS) * weight),
      BigInt(tenthsOf(0, routers)) * unit,
      BigInt(tenthsOf(1, routers)) * unit,
    ],
    BigInt(ALL_TENTHS) * unit,
  );
  return {
    totalMsat,
    destinationMsat: present(parts[routers], 'the destination has a part'),
    routerMsat: parts.slice(0, routers),
    treasuryMsat: present(parts[routers + 1], 'the treasury has a part'),
  };
}

/** The tenths of the destination (0) and of the treasury (1), behind so many routers. */
function tenthsOf(place: number, routers: number): number {
  if (place === 1) return TREASURY_TENTHS;
  return routers > 0 ? DESTINATION_TENTHS : DESTINATION_TENTHS + ROUTERS_TENTHS;
}

/** Parts of a total in the proportion of the shares, which sum to `whole`; ties go to the earliest. */
function largestRemainder(total: bigint, of: readonly bigint[], whole: bigint): bigint[] {
  const parts = of.map((share) => (total * share) / whole);
  const left = total - parts.reduce((sum, part) => sum + part, 0n);
  // The sort is stable, so equal fractions stay in the order of the route.
  const byFraction = of
    .map((share, index) => ({ index, fraction: (total * share) % whole }))
    .sort((a, b) => (a.fraction === b.fraction ? 0 : a.fraction > b.fraction ? -1 : 1));
  for (const { index } of byFraction.slice(0, Number(left))) parts[index] = (parts[index] ?? 0n) + 1n;
  return parts;
}

function saturate(amount: bigint): bigint {
  return amount > U64_MAX ? U64_MAX : amount;
}
