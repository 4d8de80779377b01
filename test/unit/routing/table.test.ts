/** RoutingTable: what it takes, what it gives, what it forgets (routing.md, Routes and Fees). */
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { FeeSchedule } from '../../../src/core/policy.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { RoutingTable, type Route } from '../../../src/routing/table.js';
import { id, ids, numberOf } from '../../support/discovery-bench.js';

const FEES: FeeSchedule = { baseMsat: 1_000n, perHopMsat: 500n, perKibMsat: 10n, proportionalPpm: 2_000n };

const numbersOf = (route: { readonly ids: readonly NodeId[] } | null): number[] | null =>
  route?.ids.map(numberOf) ?? null;

interface Fixture {
  readonly table: RoutingTable;
  readonly clock: VirtualClock;
  readonly alternatives: (destination: number) => (number[] | null)[];
}

/** The table of node 0. */
function fixture(peers: readonly number[] = [], fees: FeeSchedule = FEES): Fixture {
  const clock = new VirtualClock();
  const table = new RoutingTable({ self: id(0), clock, random: new SeededRandom(1), fees });
  for (const peer of peers) table.addDirectPeer(id(peer), `peer-${peer}`);
  return { table, clock, alternatives: (destination) => table.alternatives(id(destination)).map(numbersOf) };
}

describe('routing table > direct peers', () => {
  it('knows them by id and by address', () => {
    const { table } = fixture([1, 2]);
    expect(table.addressOf(id(1))).toBe('peer-1');
    expect(table.addressOf(id(3))).toBeNull();
    expect(numbersOf({ ids: [present(table.nodeAt('peer-2'), 'peer 2')] })).toEqual([2]);
    expect(table.nodeAt('peer-3')).toBeNull();
    expect(table.directPeers().map(({ address }) => address)).toEqual(['peer-1', 'peer-2']);
    expect(table.isDirectPeer(id(1))).toBe(true);
    expect(numbersOf(table.findRoute(id(1)))).toEqual([0, 1]);
  });

  it('binds an id to one address and an address to one id while they live', () => {
    const { table } = fixture([1]);
    expect(table.addDirectPeer(id(1), 'peer-1')).toBe(Reason.Accepted);
    expect(table.addDirectPeer(id(1), 'elsewhere')).toBe(Reason.HelloMismatch);
    expect(table.addDirectPeer(id(2), 'peer-1')).toBe(Reason.HelloMismatch);
    expect(table.addDirectPeer(id(0), 'mirror')).toBe(Reason.HelloMismatch);
    table.removeDirectPeer(id(1));
    expect(table.nodeAt('peer-1')).toBeNull();
    expect(table.addDirectPeer(id(2), 'peer-1')).toBe(Reason.Accepted);
  });

  it('takes no more than its limit', () => {
    const { table } = fixture();
    for (let i = 1; i <= LIMITS.DIRECT_PEERS; i++) table.addDirectPeer(id(i), String(i));
    expect(table.addDirectPeer(id(LIMITS.DIRECT_PEERS + 1), 'one more')).toBe(Reason.TooManyPeers);
    expect(table.stats().directPeers).toBe(LIMITS.DIRECT_PEERS);
  });
});

describe('routing table > learning', () => {
  const refused: [string, number[], bigint, Reason][] = [
    ['nothing', [], 1n, Reason.RouteTooShort],
    ['one id', [0], 1n, Reason.RouteTooShort],
    ['12 ids', [0, 1, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21], 1n, Reason.RouteTooLong],
    ['another start', [2, 1, 9], 1n, Reason.RouteEndsMismatch],
    ['an id twice', [0, 1, 5, 1, 9], 1n, Reason.RouteRepeatsNode],
    ['this node twice', [0, 1, 0, 9], 1n, Reason.RouteRepeatsNode],
    ['itself as the destination', [0, 1, 0], 1n, Reason.RouteRepeatsNode],
    ['a first hop that is no peer', [0, 5, 9], 1n, Reason.NextHopLost],
    ['a neighbour that is none', [0, 9], 1n, Reason.NextHopLost],
    ['the cost that means unreachable', [0, 1, 9], 2n ** 64n - 1n, Reason.RouteUnreachable],
    ['a cost above all', [0, 1, 9], 2n ** 70n, Reason.RouteUnreachable],
  ];
  it.each(refused)('refuses %s', (_name, route, cost, reason) => {
    const { table } = fixture([1, 2]);
    expect(table.learn(ids(...route), cost)).toBe(reason);
    expect(table.stats().totalRoutes).toBe(2);
  });

  it('takes the longest route and the highest cost', () => {
    const { table, alternatives } = fixture([1]);
    const longest = [0, 1, 12, 13, 14, 15, 16, 17, 18, 19, 20];
    expect(table.learn(ids(...longest), 2n ** 64n - 2n)).toBe(Reason.Accepted);
    expect(alternatives(20)).toEqual([longest]);
  });

  it('keeps the 3 best with distinct first hops, cheapest first, then shortest', () => {
    const { table, alternatives } = fixture([1, 2, 3, 4]);
    table.learn(ids(0, 1, 9), 5n);
    table.learn(ids(0, 2, 6, 9), 1n);
    table.learn(ids(0, 3, 8, 7, 9), 5n);
    expect(alternatives(9)).toEqual([
      [0, 2, 6, 9],
      [0, 1, 9],
      [0, 3, 8, 7, 9],
    ]);
    expect(table.learn(ids(0, 4, 9), 6n)).toBe(Reason.Accepted);
    expect(alternatives(9)).not.toContainEqual([0, 4, 9]);
    table.learn(ids(0, 4, 9), 2n);
    expect(alternatives(9)).toEqual([
      [0, 2, 6, 9],
      [0, 4, 9],
      [0, 1, 9],
    ]);
    expect(numbersOf(table.findRoute(id(9)))).toEqual([0, 2, 6, 9]);
  });

  it('of routes over nodes that lose packets keeps more, those first that differ', () => {
    const { table, alternatives } = fixture([1, 2]);
    const learn = (...routers: number[]): void => {
      table.learn(ids(0, ...routers, 9), 1n);
    };
    learn(1, 9_001);
    const [bad] = table.alternatives(id(9));
    for (let i = 0; i < 2; i++) table.chooser.outcome(present(bad, 'a route'), false, null);
    for (let router = 11; router < 50; router++) learn(1, 8, router);
    learn(1, 5, 6, 7);
    expect(alternatives(9)).toHaveLength(LIMITS.ROUTES_DOUBTED);
    expect(alternatives(9)).toContainEqual([0, 1, 5, 6, 7, 9]);
    // Of those that nobody doubts as many as ever.
    for (let router = 50; router < 60; router++) learn(2, router);
    const trusted = table.alternatives(id(9)).filter((route) => table.chooser.doubtOf(route) === 0);
    expect(trusted).toHaveLength(LIMITS.ROUTES_PER_DESTINATION);
    expect(alternatives(9)).toHaveLength(LIMITS.ROUTES_DOUBTED);
  });

  it('keeps a dearer route that shares no router with the others rather than a cheap one that does', () => {
    const { table, alternatives } = fixture([1, 2, 3, 4]);
    table.learn(ids(0, 1, 6, 9), 1n);
    table.learn(ids(0, 2, 6, 9), 2n);
    table.learn(ids(0, 3, 7, 9), 8n);
    table.learn(ids(0, 4, 8, 9), 9n);
    expect(alternatives(9)).toEqual([
      [0, 1, 6, 9],
      [0, 3, 7, 9],
      [0, 4, 8, 9],
    ]);
  });

  it('replaces a route over the same nodes, even by a dearer one: it is the newer answer', () => {
    const { table, alternatives } = fixture([1]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 1, 5, 9), 2n);
    table.learn(ids(0, 1, 9), 3n);
    expect(alternatives(9)).toEqual([
      [0, 1, 5, 9],
      [0, 1, 9],
    ]);
  });

  it('puts the direct way to a peer before learned ones, and falls back to them when it is lost', () => {
    const { table, alternatives } = fixture([1, 2]);
    table.learn(ids(0, 2, 1), 0n);
    expect(alternatives(1)).toEqual([
      [0, 1],
      [0, 2, 1],
    ]);
    table.removeDirectPeer(id(1));
    expect(alternatives(1)).toEqual([[0, 2, 1]]);
  });
});

describe('routing table > forgetting', () => {
  it('a route holds for an hour and not a millisecond longer', () => {
    const { table, clock, alternatives } = fixture([1, 2]);
    table.learn(ids(0, 1, 9), 1n);
    clock.advance(1_000);
    table.learn(ids(0, 2, 9), 2n);
    clock.advance(3_598_999);
    expect(alternatives(9)).toEqual([
      [0, 1, 9],
      [0, 2, 9],
    ]);
    clock.advance(1);
    expect(alternatives(9)).toEqual([[0, 2, 9]]);
    clock.advance(1_000);
    expect(table.findRoute(id(9))).toBeNull();
    expect(table.stats().totalRoutes).toBe(2);
    expect(numbersOf(table.findRoute(id(1)))).toEqual([0, 1]);
  });

  it('a lost peer takes its routes along at once; the cache forgets their destinations and no others', () => {
    const { table, alternatives } = fixture([1, 2]);
    table.learn(ids(0, 1, 8), 1n);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 9), 2n);
    table.learn(ids(0, 2, 1, 7), 2n);
    for (const destination of [1, 2, 7, 8, 9]) alternatives(destination);
    expect(table.stats().cachedRoutes).toBe(5);
    table.removeDirectPeer(id(1));
    expect(table.stats().cachedRoutes).toBe(2);
    expect(alternatives(8)).toEqual([]);
    expect(alternatives(9)).toEqual([[0, 2, 9]]);
    expect(alternatives(7)).toEqual([[0, 2, 1, 7]]);
    table.addDirectPeer(id(1), 'peer-1');
    expect(alternatives(8)).toEqual([]);
  });

  it('does not cache what it does not know', () => {
    const { table, alternatives } = fixture([1]);
    for (let i = 100; i < 200; i++) alternatives(i);
    expect(table.stats().cachedRoutes).toBe(0);
  });

  it('a failed node takes every route that passes it, whoever is the first hop', () => {
    const { table, alternatives } = fixture([1, 2]);
    table.learn(ids(0, 1, 5, 9), 1n);
    table.learn(ids(0, 2, 5), 1n);
    table.learn(ids(0, 2, 6, 9), 1n);
    expect(table.invalidateNode(id(5))).toBe(2);
    expect(alternatives(5)).toEqual([]);
    expect(alternatives(9)).toEqual([[0, 2, 6, 9]]);
    expect(table.invalidateNode(id(1))).toBe(0);
    expect(alternatives(1)).toEqual([[0, 1]]);
  });

  it('a retraction takes the routes through that neighbour alone', () => {
    const { table, alternatives } = fixture([1, 2]);
    table.learn(ids(0, 1, 5, 9), 1n);
    table.learn(ids(0, 1, 5), 1n);
    table.learn(ids(0, 1, 6), 1n);
    table.learn(ids(0, 2, 5), 1n);
    expect(table.retract(id(1), new Set([nodeKey(id(5)), nodeKey(id(77))]))).toBe(2);
    expect([alternatives(5), alternatives(6), alternatives(9)]).toEqual([[[0, 2, 5]], [[0, 1, 6]], []]);
    expect(table.retract(id(3), new Set([nodeKey(id(5))]))).toBe(0);
  });

  it('past 1,024 routes of one neighbour its least recently used goes, and no other', () => {
    const { table, alternatives } = fixture([1, 2]);
    table.learn(ids(0, 2, 9_999), 1n);
    for (let i = 0; i < LIMITS.ROUTES_PER_NEIGHBOUR; i++) table.learn(ids(0, 1, 10_000 + i), 1n);
    alternatives(10_000);
    table.learn(ids(0, 1, 20_000), 1n);
    expect(table.stats().totalRoutes).toBe(LIMITS.ROUTES_PER_NEIGHBOUR + 3);
    expect(alternatives(10_000)).toHaveLength(1);
    expect(alternatives(10_001)).toHaveLength(0);
    expect(alternatives(10_002)).toHaveLength(1);
    expect(alternatives(20_000)).toHaveLength(1);
    expect(alternatives(9_999)).toHaveLength(1);
  });

  it('past the limit of destinations the least recently used goes', () => {
    const { table, alternatives } = fixture();
    const neighbours = Math.ceil((LIMITS.ROUTE_DESTINATIONS + 1) / LIMITS.ROUTES_PER_NEIGHBOUR);
    for (let i = 1; i <= neighbours; i++) table.addDirectPeer(id(i), String(i));
    for (let i = 0; i < LIMITS.ROUTE_DESTINATIONS; i++) {
      table.learn(ids(0, 1 + Math.floor(i / LIMITS.ROUTES_PER_NEIGHBOUR), 10_000 + i), 1n);
    }
    alternatives(10_000);
    table.learn(ids(0, neighbours, 9_999), 1n);
    expect(table.stats().totalRoutes).toBe(neighbours + LIMITS.ROUTE_DESTINATIONS);
    expect([10_000, 10_001, 10_002, 9_999].map((to) => alternatives(to).length)).toEqual([1, 0, 1, 1]);
  });
});

/** What the chooser draws, or null. */
function choose(
  table: RoutingTable,
  destination: NodeId,
  accepts: (route: Route) => boolean = () => true,
): Route | null {
  const choice = table.chooser.choose(destination, { accepts });
  return choice.ok ? choice.route : null;
}

describe('routing table > choice', () => {
  const free: FeeSchedule = { baseMsat: 0n, perHopMsat: 0n, perKibMsat: 0n, proportionalPpm: 0n };

  it('draws by the cheapest price over the price', () => {
    const { table } = fixture([1, 2, 3], free);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 9), 2n);
    table.learn(ids(0, 3, 9), 4n);
    const drawn = [0, 0, 0, 0];
    for (let i = 0; i < 7_000; i++) {
      const firstHop = present(numbersOf(choose(table, id(9)))?.[1], 'a route');
      drawn[firstHop] = (drawn[firstHop] ?? 0) + 1;
    }
    // Weights 4 : 2 : 1, and five standard deviations on either side.
    for (const [firstHop, expected] of [4_000, 2_000, 1_000].entries()) {
      expect(Math.abs((drawn[firstHop + 1] ?? 0) - expected)).toBeLessThan(210);
    }
  });

  it('never draws what the caller cannot use', () => {
    const { table } = fixture([1, 2]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 5, 9), 9n);
    for (let i = 0; i < 50; i++) {
      expect(numbersOf(choose(table, id(9), ({ cost }) => cost > 5n))).toEqual([0, 2, 5, 9]);
    }
    expect(choose(table, id(9), () => false)).toBeNull();
    expect(choose(table, id(8))).toBeNull();
  });

  it('repairs by a way that avoids the lost hop and the ids already passed, and still fits', () => {
    const { table } = fixture([1, 2, 3]);
    table.learn(ids(0, 1, 9), 1n);
    table.learn(ids(0, 2, 1, 9), 2n);
    table.learn(ids(0, 3, 5, 6, 9), 3n);
    expect(numbersOf(table.repair(id(9), ids(4)))).toEqual([0, 1, 9]);
    expect(numbersOf(table.repair(id(9), ids(1)))).toEqual([0, 3, 5, 6, 9]);
    expect(table.repair(id(9), ids(1, 6))).toBeNull();
    expect(table.repair(id(9), ids(1), 4)).toBeNull();
    expect(numbersOf(table.repair(id(9), ids(1), 5))).toEqual([0, 3, 5, 6, 9]);
  });
});

describe('routing table > fees and display', () => {
  it('prices a route by base, hops, amount and declared cost, and splits it to the last msat', () => {
    const { table } = fixture([1]);
    table.learn(ids(0, 1, 5, 9), 3n);
    const route = present(table.findRoute(id(9)), 'a route');
    // 1,000 + 3 x 500 + 1,000,000 x 2,000 / 10^6 + 3 sats.
    expect(table.calculateFee(route, 1_000_000n)).toEqual({
      totalMsat: 7_500n,
      destinationMsat: 4_500n,
      routerMsat: [1_125n, 1_125n],
      treasuryMsat: 750n,
    });
  });

  it('prices no route below what its first hop asks by its own list', () => {
    const { table } = fixture([1]);
    table.learn(ids(0, 1, 5, 9), 3n);
    table.prices.declare(id(1), { ...FEES, baseMsat: 8_500n });
    const route = present(table.findRoute(id(9)), 'a route');
    // 8,500 + 3 x 500 + 1,000,000 x 2,000 / 10^6.
    expect(table.calculateFee(route, 1_000_000n).totalMsat).toBe(12_000n);
    expect(table.calculateFee(present(table.findRoute(id(1)), 'a route'), 0n).totalMsat).toBe(9_000n);
  });

  it('lists and counts', () => {
    const { table, clock } = fixture([1]);
    clock.advance(2_000);
    table.learn(ids(0, 1, 9), 3n);
    clock.advance(5_500);
    expect(table.list()).toEqual([
      { ids: ids(0, 1), cost: 0n, ageSeconds: 7, isDirect: true },
      { ids: ids(0, 1, 9), cost: 3n, ageSeconds: 5, isDirect: false },
    ]);
    expect(table.stats()).toEqual({
      totalRoutes: 2,
      directPeers: 1,
      cachedRoutes: 0,
      routeExpirySeconds: 3_600,
    });
  });
});
