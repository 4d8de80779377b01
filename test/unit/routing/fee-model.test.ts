/**
 * What a route costs and who gets it, against a slow model (routing.md, Fees and Anti-monopoly, 3; payments.md, Fee
 * split): whole routes from one hop to ten, before shares are enforced and after, routers that share an owner.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey } from '../../../src/core/ids.js';
import type { FeeSchedule } from '../../../src/core/policy.js';
import { SeededRandom } from '../../../src/core/random.js';
import { RoutingTable } from '../../../src/routing/table.js';
import { id, ids } from '../../support/discovery-bench.js';

const U64_MAX = 2n ** 64n - 1n;
const DESTINATION = 20;
const CAP = 0.25;

/** So many paid packets through these routers. */
interface Flow {
  readonly routers: readonly number[];
  readonly msat: bigint;
  readonly packets: number;
}

/** By the number of the node: who is paid for it, or null where nobody knows. */
type Payees = readonly (string | null)[];

const router = fc.integer({ min: 1, max: 9 });
const small = fc.bigInt({ min: 0n, max: 2_000n });
const amount = fc.oneof(small, fc.bigInt({ min: 0n, max: U64_MAX }));
const fees: fc.Arbitrary<FeeSchedule> = fc.record({
  baseMsat: small,
  perHopMsat: small,
  perKibMsat: small,
  proportionalPpm: fc.bigInt({ min: 0n, max: 1_000_000n }),
});
const flow: fc.Arbitrary<Flow> = fc.record({
  routers: fc.uniqueArray(router, { minLength: 1, maxLength: 4 }),
  msat: fc.bigInt({ min: 1n, max: 1_000n }),
  packets: fc.integer({ min: 1, max: 60 }),
});
const scene = fc.record({
  fees,
  amount,
  cost: fc.oneof(
    { weight: 5, arbitrary: fc.bigInt({ min: 0n, max: 50n }) },
    fc.bigInt({ min: 0n, max: U64_MAX - 1n }),
  ),
  routers: fc.uniqueArray(router, { maxLength: 9, size: 'max' }),
  payees: fc.array(fc.constantFrom('a', 'b', null, null, null), { minLength: 10, maxLength: 10 }),
  flows: fc.array(flow, { maxLength: 8, size: 'max' }),
});

/** Any name will do that the nodes of one owner have in common. */
function entityOf(node: number, payees: Payees): string {
  return payees[node] ?? `node ${node}`;
}

/** d of each router; null before a hundred paid packets. */
function factors(routers: readonly number[], flows: readonly Flow[], payees: Payees): number[] | null {
  if (flows.reduce((sum, { packets }) => sum + packets, 0) < 100) return null;
  const carried = new Map<string, number>();
  let all = 0;
  for (const { routers: through, msat, packets } of flows) {
    for (const node of through) {
      const entity = entityOf(node, payees);
      carried.set(entity, (carried.get(entity) ?? 0) + packets * Number(msat));
      all += packets * Number(msat);
    }
  }
  const cap = Math.max(CAP, 1.25 / carried.size);
  return routers.map((node) => {
    const share = (carried.get(entityOf(node, payees)) ?? 0) / all;
    if (share <= cap) return 1;
    return share >= 2 * cap ? 0 : 2 - share / cap;
  });
}

/** The parts of routers that share equally, then the destination's and the treasury's, by largest remainder. */
function equalParts(total: bigint, routers: number): bigint[] {
  const count = BigInt(Math.max(1, routers));
  const whole = 10n * count;
  const shares = [
    ...Array.from({ length: routers }, () => 3n * total),
    (routers === 0 ? 9n : 6n) * count * total,
    count * total,
  ];
  const parts = shares.map((share) => share / whole);
  const left = Number(total - parts.reduce((sum, part) => sum + part, 0n));
  const order = shares.map((_, index) => index);
  order.sort((a, b) => Number((shares[b] ?? 0n) % whole) - Number((shares[a] ?? 0n) % whole) || a - b);
  for (const index of order.slice(0, left)) parts[index] = (parts[index] ?? 0n) + 1n;
  return parts;
}

describe('fees of routes', () => {
  it('are what a slow model reckons, and go to whom it says', () => {
    const seen = { enforced: 0, reduced: 0, equal: 0, direct: 0, saturated: 0 };
    fc.assert(
      fc.property(scene, ({ fees: schedule, amount: carried, cost, routers, payees, flows }) => {
        const table = new RoutingTable({
          self: id(0),
          clock: new VirtualClock(),
          random: new SeededRandom(1),
          fees: schedule,
          monopoly: { maxEntityShare: CAP, concentration: 'degrade' },
        });
        table.addDirectPeer(id(routers[0] ?? DESTINATION), 'first');
        table.learn(ids(0, ...routers, DESTINATION), cost);
        const route = present(table.findRoute(id(DESTINATION)), 'a route');
        for (const { routers: through, msat, packets } of flows) {
          for (let i = 0; i < packets; i++) table.shares.record(ids(...through), msat);
        }
        // Who belongs to whom is learned when the route has been priced before.
        table.calculateFee(route, carried);
        payees.forEach((payee, node) => {
          table.entities.setPayee(nodeKey(id(node)), payee);
        });
        const fee = table.calculateFee(route, carried);

        // A neighbour is reached for nothing but this node's own price.
        const declared = routers.length === 0 ? 0n : 1_000n * cost;
        const { baseMsat, perHopMsat, proportionalPpm } = schedule;
        const own =
          baseMsat + perHopMsat * BigInt(routers.length + 1) + (carried * proportionalPpm) / 1_000_000n;
        const total = own + declared > U64_MAX ? U64_MAX : own + declared;
        const parts = [...fee.routerMsat, fee.destinationMsat, fee.treasuryMsat];
        expect(fee.totalMsat).toBe(total);
        expect(fee.routerMsat).toHaveLength(routers.length);
        expect(parts.reduce((sum, part) => sum + part, 0n)).toBe(total);

        const d = factors(routers, flows, payees);
        const sum = d?.reduce((all, one) => all + one, 0) ?? 0;
        const isEqual = d === null || new Set(d).size <= 1;
        if (isEqual) expect(parts).toEqual(equalParts(total, routers.length));
        else {
          const worth = Number(total);
          const ideal = [...d.map((one) => (0.3 * worth * one) / sum), 0.6 * worth, 0.1 * worth];
          // Factors are taken to a millionth, and a msat is whole.
          for (const [index, part] of parts.entries()) {
            expect(Math.abs(Number(part) - (ideal[index] ?? NaN))).toBeLessThanOrEqual(1 + worth * 1e-6);
          }
          d.forEach((one, index) => {
            if (one === 0) expect(parts[index]).toBeLessThanOrEqual(1n);
          });
        }
        expect(table.chooser.feeWeights(route.ids.slice(1, -1))).toEqual(table.chooser.feeWeightsOf(route));

        seen.enforced += Number(d !== null);
        seen.reduced += Number(!isEqual);
        seen.equal += Number(isEqual && routers.length > 1);
        seen.direct += Number(routers.length === 0);
        seen.saturated += Number(total === U64_MAX);
      }),
      { numRuns: 400 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(5);
  });
});
