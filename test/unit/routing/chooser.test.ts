/** The choice among routes (routing.md, Anti-monopoly 1 to 4) against its predicates, written out slowly. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey, type NodeKey } from '../../../src/core/ids.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import {
  effectiveCap,
  entityWeight,
  feeFactor,
  qualityOf,
  type MonopolyPolicy,
} from '../../../src/routing/monopoly.js';
import { RoutingTable, type Route } from '../../../src/routing/table.js';
import { id, ids, numberOf } from '../../support/discovery-bench.js';
import { NO_FEES } from '../../../src/simulate/network.js';

const key = (number: number): NodeKey => nodeKey(id(number));

function tableOf(peers: readonly number[], monopoly?: MonopolyPolicy): RoutingTable {
  const clock = new VirtualClock();
  const common = { self: id(0), clock, random: new SeededRandom(3), fees: NO_FEES };
  const table = new RoutingTable({ ...common, ...(monopoly === undefined ? {} : { monopoly }) });
  for (const peer of peers) table.addDirectPeer(id(peer), `peer-${peer}`);
  return table;
}

/** How often each first hop is drawn, recording every choice as a paid packet. */
function drawn(table: RoutingTable, destination: number, count: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const choice = table.chooser.choose(id(destination), { paidMsat: 1_000n });
    if (!choice.ok) continue;
    table.shares.record(choice.route.ids.slice(1, -1), 1_000n);
    const firstHop = numberOf(present(choice.route.ids[1], 'a first hop'));
    counts.set(firstHop, (counts.get(firstHop) ?? 0) + 1);
  }
  return counts;
}

describe('chooser > share limit', () => {
  it('never gives an entity more than the cap while another route is left, against a slow model', () => {
    const route = fc.record({
      routers: fc.uniqueArray(fc.integer({ min: 10, max: 20 }), { minLength: 0, maxLength: 3 }),
      cost: fc.bigInt({ min: 0n, max: 9n }),
    });
    const scenario = fc.record({
      routes: fc.array(route, { minLength: 1, maxLength: 3 }),
      payees: fc.array(fc.tuple(fc.integer({ min: 1, max: 20 }), fc.constantFrom('a', 'b')), {
        maxLength: 6,
      }),
      history: fc.array(fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 2 }), { maxLength: 30 }),
      concentration: fc.constantFrom('degrade' as const, 'strict' as const),
    });
    const seen = { permitted: 0, degraded: 0, refused: 0 };
    fc.assert(
      fc.property(scenario, ({ routes, payees, history, concentration }) => {
        const table = tableOf([1, 2, 3], { maxEntityShare: 0.25, concentration });
        for (const [node, payee] of payees) table.entities.setPayee(key(node), payee);
        for (const [index, { routers, cost }] of routes.entries()) {
          table.learn(ids(0, index + 1, ...routers, 99), cost);
        }
        const forwarded: (readonly [routers: readonly number[], msat: number])[] = [
          ...Array.from({ length: 100 }, (_, i) => [[4 + (i % 5)], 10] as const),
          ...history.map((routers) => [routers, 100] as const),
        ];
        for (const [routers, msat] of forwarded) table.shares.record(ids(...routers), BigInt(msat));

        const choice = table.chooser.choose(id(99), { paidMsat: 200n });
        const cap = table.chooser.cap;
        const sums = new Map<NodeKey, number>();
        let total = 0;
        for (const [routers, msat] of forwarded) {
          for (const router of routers) {
            const entity = table.entities.entityOf(key(router));
            sums.set(entity, (sums.get(entity) ?? 0) + msat);
            total += msat;
          }
        }
        const isPermitted = ({ ids }: Route): boolean => {
          const entities = ids.slice(1, -1).map((router) => table.entities.entityOf(nodeKey(router)));
          const after = entities.map((entity) => (sums.get(entity) ?? 0) + 200);
          const share = Math.max(0, ...after.map((sum) => sum / (total + 200 * entities.length)));
          return new Set(entities).size === entities.length && share <= cap;
        };
        const isThere = table.alternatives(id(99)).some(isPermitted);
        if (!choice.ok) {
          expect([choice.reason, concentration, isThere]).toEqual([
            Reason.RouteConcentrated,
            'strict',
            false,
          ]);
          seen.refused += 1;
        } else {
          expect(isPermitted(choice.route)).toBe(isThere);
          expect(choice.isDegraded).toBe(!isThere);
          expect(isThere || concentration === 'degrade').toBe(true);
          seen[isThere ? 'permitted' : 'degraded'] += 1;
        }
      }),
      { numRuns: 300, seed: 7 },
    );
    expect(Math.min(seen.permitted, seen.degraded, seen.refused)).toBeGreaterThan(2);
  });

  it('holds a cheap rival to the cap and gives the rest to the others', () => {
    const table = tableOf([1, 2, 3, 4, 5]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 9), 2n);
    table.learn(ids(0, 3, 9), 2n);
    for (let i = 0; i < 100; i++) table.shares.record(ids(2, 3, 4, 5), 1_000n);
    drawn(table, 9, 3_000);
    for (const { share } of table.chooser.stats().shares) expect(share).toBeLessThan(0.43);
    const table2 = tableOf([1, 2, 3], { maxEntityShare: 0.5, concentration: 'degrade' });
    table2.learn(ids(0, 1, 9), 0n);
    table2.learn(ids(0, 2, 8, 9), 0n);
    for (let i = 0; i < 100; i++) table2.shares.record(ids(3), 1_000n);
    drawn(table2, 9, 5_000);
    expect(table2.shares.shareOf(key(1))).toBeLessThanOrEqual(0.5);
  });

  it('an only route is used, flagged and counted; in strict mode it is refused', () => {
    for (const concentration of ['degrade', 'strict'] as const) {
      const table = tableOf([1], { maxEntityShare: 0.25, concentration });
      table.learn(ids(0, 1, 9), 1n);
      for (let i = 0; i < 100; i++) table.shares.record(ids(1, 5, 6, 7, 8), i < 50 ? 9_000n : 1n);
      for (let i = 0; i < 60; i++) table.shares.record(ids(1), 9_000n);
      // Five entities and more are known as routers, so that the cap is 25 %.
      for (const router of [2, 3, 4, 5, 6]) table.chooser.outcome({ ids: ids(0, router, 9) }, true, null);
      const choice = table.chooser.choose(id(9));
      if (concentration === 'degrade') expect(choice).toMatchObject({ ok: true, isDegraded: true });
      else expect(choice).toEqual({ ok: false, reason: Reason.RouteConcentrated });
      const { degraded, refused } = table.chooser.stats();
      expect([degraded, refused]).toEqual(concentration === 'degrade' ? [1, 0] : [0, 1]);
    }
  });

  it('a route that repeats an entity is not chosen while another is there, whatever it costs', () => {
    const table = tableOf([1, 2]);
    table.learn(ids(0, 1, 5, 9), 0n);
    table.learn(ids(0, 2, 6, 9), 1_000n);
    table.entities.setPayee(key(1), 'rival');
    table.entities.setPayee(key(5), 'rival');
    expect([...drawn(table, 9, 50).keys()]).toEqual([2]);
  });

  it('of routes that repeat an entity the cheapest is used: no share would permit the others', () => {
    const table = tableOf([1, 2]);
    table.learn(ids(0, 1, 5, 9), 1n);
    table.learn(ids(0, 2, 6, 7, 8, 9), 2n);
    for (const rival of [1, 5, 2, 8]) table.entities.setPayee(key(rival), 'rival');
    for (let i = 0; i < 100; i++) table.shares.record(ids(1, 5), 1_000n);
    expect([...drawn(table, 9, 50).keys()]).toEqual([1]);
    expect(table.chooser.stats()).toMatchObject({ chosen: 50, degraded: 50 });
  });
});

describe('chooser > quality', () => {
  it('is the product of its factors, each in [0, 1]; of a direct route its success rate', () => {
    const unit = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        unit,
        unit,
        unit,
        unit,
        fc.array(fc.nat(3), { maxLength: 9 }),
        (success, share, price, latency, routers) => {
          const entities = routers.map(key);
          const quality = qualityOf({
            successRate: success,
            entities,
            largestShare: share,
            cap: 0.25,
            priceRatio: price,
            latencyRatio: latency,
          });
          const slow =
            routers.length === 0
              ? success
              : (success * Math.max(0, 1 - share / 0.25) * new Set(routers).size * price * latency) /
                routers.length;
          expect(quality).toBeCloseTo(slow, 12);
          expect(quality >= 0 && quality <= 1).toBe(true);
        },
      ),
    );
  });

  it('falls with failures, after six of which in a row the last route is dropped and a fresh request wanted', () => {
    const table = tableOf([1, 2]);
    const starved: number[] = [];
    const losing: number[] = [];
    table.observe({
      onJoined: () => undefined,
      onStarved: (node) => starved.push(numberOf(node)),
      onLosing: (node) => losing.push(numberOf(node)),
    });
    table.learn(ids(0, 1, 9), 1n);
    const route = present(table.findRoute(id(9)), 'a route');
    table.chooser.outcome(route, false, null);
    expect(table.chooser.qualities([route])).toEqual([0.5]);
    expect(losing).toEqual([]);
    table.chooser.outcome(route, false, null);
    expect(losing).toEqual([9]);
    for (let i = 0; i < 3; i++) table.chooser.outcome(route, false, null);
    expect(table.findRoute(id(9))).not.toBeNull();
    expect(starved).toEqual([]);
    table.chooser.outcome(route, false, null);
    expect(table.findRoute(id(9))).toBeNull();
    expect(starved).toEqual([9]);
    // The same route learned anew is not as good as new.
    table.learn(ids(0, 1, 9), 1n);
    expect(table.chooser.qualities(table.alternatives(id(9)))[0]).toBeLessThan(0.3);
  });

  it('three failures in a row drop a route where another is known', () => {
    const table = tableOf([1, 2]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 9), 1n);
    const [first, second] = table.alternatives(id(9));
    for (let i = 0; i < 3; i++) table.chooser.outcome(present(first, 'a route'), false, null);
    expect(table.alternatives(id(9))).toEqual([second]);
  });

  it('prefers the faster of two routes', () => {
    const table = tableOf([1, 2]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 9), 1n);
    const [first, second] = table.alternatives(id(9));
    table.chooser.outcome(present(first, 'a route'), true, 99);
    table.chooser.outcome(present(second, 'a route'), true, 9);
    expect(table.chooser.qualities(table.alternatives(id(9)))).toEqual([0.1, 1]);
  });

  it('is drawn with the weight of the least known entity: a quarter for a new one, all of it after 100 deliveries', () => {
    expect([0, 50, 100, 1_000].map((delivered) => entityWeight(delivered, 100))).toEqual([0.25, 0.625, 1, 1]);
    const table = tableOf([1, 2]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 9), 1n);
    const known = present(table.alternatives(id(9))[0], 'a route');
    for (let i = 0; i < 100; i++) table.chooser.outcome(known, true, null);
    let newcomer = 0;
    for (let i = 0; i < 5_000; i++) {
      const choice = table.chooser.choose(id(9));
      if (choice.ok && numberOf(present(choice.route.ids[1], 'a hop')) === 2) newcomer += 1;
    }
    // One in five, and five standard deviations.
    expect(Math.abs(newcomer - 1_000)).toBeLessThan(145);
  });
});

describe('chooser > cap and fee weights', () => {
  it('c_eff leaves room for equal shares of few entities', () => {
    expect([1, 2, 4, 5, 6, 100].map((k) => effectiveCap(0.25, k))).toEqual([
      1.25, 0.625, 0.3125, 0.25, 0.25, 0.25,
    ]);
  });

  it('d is 1 up to the cap and falls to 0 at twice the cap', () => {
    expect([0, 0.25, 0.375, 0.5, 0.9].map((share) => feeFactor(share, 0.25))).toEqual([1, 1, 0.5, 0, 0]);
  });

  it('shift the 30 % from a router over the cap to the others; the sum is unchanged', () => {
    const table = tableOf([1]);
    table.learn(ids(0, 1, 2, 9), 3n);
    for (const router of [3, 4, 5, 6, 7]) table.chooser.outcome({ ids: ids(0, router, 9) }, true, null);
    for (let i = 0; i < 100; i++) table.shares.record(ids(1, 2, 3), i < 50 ? 100n : 1n);
    for (let i = 0; i < 100; i++) table.shares.record(ids(1), 100n);
    const route = present(table.findRoute(id(9)), 'a route');
    const fee = table.calculateFee(route, 0n);
    expect(fee.routerMsat).toEqual([0n, 900n]);
    expect(fee.destinationMsat + fee.treasuryMsat + 900n).toBe(fee.totalMsat);
    // Where all have lost their weight, they share equally.
    expect(table.chooser.feeWeights(ids(1))).toEqual([0n]);
    table.learn(ids(0, 1, 8), 3n);
    expect(table.calculateFee(present(table.findRoute(id(8)), 'a route'), 0n).routerMsat).toEqual([900n]);
  });
});
