/** Advertised hints, whom a request goes to, and how the news of a lost node travels (routing.md, Discovery). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { Hints } from '../../../src/routing/hints.js';
import { Bench, advertisement, id, ids, request, response } from '../../support/discovery-bench.js';

const UNREACHABLE = 2n ** 64n - 1n;

describe('hints', () => {
  it('are taken when, and only when, they are feasible, against a list of all that was announced', () => {
    const step = fc.record({
      kind: fc.constantFrom('announce' as const, 'hear' as const, 'answer' as const, 'wait' as const),
      destination: fc.integer({ min: 1, max: 3 }),
      cost: fc.bigInt({ min: 0n, max: 6n }),
      hopCount: fc.integer({ min: 0, max: 11 }),
      nextHop: fc.integer({ min: 0, max: 4 }),
      millis: fc.integer({ min: 1, max: 100_000 }),
    });
    const seen = { feasible: 0, infeasible: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 15, maxLength: 40 }), (steps) => {
        const hints = new Hints(id(0));
        let announced: { destination: number; cost: bigint; at: number }[] = [];
        let now = 0;
        for (const { kind, destination, cost, hopCount, nextHop, millis } of steps) {
          const last = Math.max(
            ...announced.filter((one) => one.destination === destination).map(({ at }) => at),
          );
          // What was announced counts until three minutes after the last time.
          if (now - last >= LIMITS.ANNOUNCED_MILLIS) {
            announced = announced.filter((one) => one.destination !== destination);
          }
          if (kind === 'wait') now += millis;
          else if (kind === 'announce') {
            announced.push({ destination, cost: cost + 1n, at: now });
            hints.announced(id(destination), cost + 1n, now);
          } else if (kind === 'answer') {
            announced = announced.filter((one) => one.destination !== destination);
            hints.answered(id(destination));
          } else {
            const isSane = hopCount >= 1 && hopCount < 10 && nextHop !== 0 && cost > 0n;
            const own = announced.filter((one) => one.destination === destination);
            const isFeasible = isSane && own.every((one) => cost < one.cost);
            const route = { destination: id(destination), nextHop: id(nextHop), cost, hopCount };
            expect(hints.take(nodeKey(id(9)), route, now) === Reason.Accepted).toBe(isFeasible);
            if (isSane) seen[isFeasible ? 'feasible' : 'infeasible'] += 1;
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(seen.feasible, seen.infeasible)).toBeGreaterThan(20);
  });

  it('are measured by what was announced lately: a cost of long ago does not come back with the next announcement', () => {
    const hints = new Hints(id(0));
    const heard = { destination: id(9), nextHop: id(5), cost: 2n, hopCount: 3 };
    hints.announced(id(9), 1n, 0);
    hints.announced(id(9), 3n, LIMITS.ANNOUNCED_MILLIS);
    expect(hints.take(nodeKey(id(1)), heard, LIMITS.ANNOUNCED_MILLIS)).toBe(Reason.Accepted);
  });

  it('lead to the advertiser, whatever next hop it names, and live three and a half rounds', () => {
    const hints = new Hints(id(0));
    const route = { destination: id(9), nextHop: id(5), cost: 2n, hopCount: 3 };
    expect(hints.take(nodeKey(id(1)), route, 0)).toBe(Reason.Accepted);
    expect(hints.of(id(9), 9, 104_999)).toEqual([{ neighbour: nodeKey(id(1)), cost: 2n, hopCount: 3 }]);
    expect(hints.of(id(9), 9, 105_000)).toEqual([]);
  });

  it('of one neighbour are at most 1,024', () => {
    const hints = new Hints(id(0));
    const take = (destination: number): Reason =>
      hints.take(nodeKey(id(1)), { destination: id(destination), nextHop: id(1), cost: 2n, hopCount: 1 }, 0);
    for (let i = 0; i < LIMITS.ROUTES_PER_NEIGHBOUR; i++) expect(take(100 + i)).toBe(Reason.Accepted);
    expect(take(99)).toBe(Reason.AdvertisementQuotaExceeded);
    expect(take(100)).toBe(Reason.Accepted);
    expect(hints.size).toBe(LIMITS.ROUTES_PER_NEIGHBOUR);
  });
});

describe('requests', () => {
  const selective = { requestId: 2n };

  it('go to the neighbour that advertises the destination, and for everybody to all', () => {
    const bench = new Bench([1, 2, 3, 4]);
    bench.from(3, advertisement(3, [90, 2n]));
    bench.from(1, request(selective));
    expect(bench.reached()).toEqual([3]);
    bench.from(1, request({ requestId: 7n }));
    expect(bench.reached()).toEqual([2, 3, 4]);
  });

  it('go to the fewest neighbours that are next to all that the sender is not next to', () => {
    const bench = new Bench([1, 2, 3, 4]);
    bench.from(1, advertisement(1, [20, 2n]));
    bench.from(2, advertisement(2, [20, 2n], [21, 2n]));
    bench.from(3, advertisement(3, [21, 2n], [22, 2n], [23, 2n]));
    bench.from(4, advertisement(4, [20, 2n], [3, 2n]));
    bench.from(1, request(selective));
    expect(bench.reached()).toEqual([3]);
  });

  it('avoid an entity that owns more than its share, while there are others', () => {
    const bench = new Bench([1, 2, 3, 4, 5, 6]);
    for (const node of [3, 4, 5]) bench.table.entities.setPayee(nodeKey(id(node)), 'rival');
    bench.from(1, request(selective));
    expect(bench.reached()).toEqual([2, 6]);
    bench.lose(2);
    bench.lose(6);
    bench.take();
    bench.from(1, request({ requestId: 8n }));
    expect(bench.reached()).toEqual([3, 4, 5]);
  });

  it('are answered from the table by a node that found the destination moments ago, if its way suits', () => {
    const bench = new Bench([1, 2, 3]);
    bench.table.learn(ids(0, 2, 50, 90), 3n);
    bench.from(1, request({ ...selective, maxHops: 4 }));
    expect(bench.take()).toEqual([
      { to: 1, message: response({ requestId: 2n, route: ids(1, 0, 2, 50, 90), cost: 10n }) },
    ]);
    // Too far, through the asker, for everybody, or too old.
    bench.from(1, request({ requestId: 8n, maxHops: 3 }));
    bench.from(2, request({ requestId: 10n }));
    bench.from(1, request({ requestId: 11n }));
    bench.clock.advance(LIMITS.ANSWER_FRESH_MILLIS);
    bench.from(1, request({ requestId: 12n }));
    expect(bench.take().map(({ message }) => message.kind)).not.toContain('RouteResponse');
  });
});

describe('a lost node', () => {
  const passed = (): Bench => {
    const bench = new Bench([1, 2, 3]);
    bench.from(1, request());
    bench.from(2, response());
    bench.take();
    return bench;
  };

  it('is told to those who were given a way over it, and to nobody else', () => {
    const bench = passed();
    bench.from(2, advertisement(2, [50, UNREACHABLE]));
    bench.clock.advance(1_000);
    expect(bench.reached()).toEqual([1]);
    bench.from(2, advertisement(2, [50, UNREACHABLE]));
    bench.clock.advance(1_000);
    expect(bench.reached()).toEqual([]);
  });

  it('is told to those whose packets went over it', () => {
    const bench = new Bench([1, 2, 3]);
    bench.clock.advance(5_000);
    bench.take();
    bench.discovery.packetForwarded(ids(80, 3, 0, 2, 50, 90), 2);
    bench.from(2, advertisement(2, [90, UNREACHABLE]));
    expect(bench.take()).toMatchObject([
      { to: 3, message: { routes: [{ destination: id(90), cost: UNREACHABLE }] } },
    ]);
  });

  it('is told to the neighbour that a packet without a way on came from: the RouteFailed to its source', () => {
    const bench = new Bench([1, 2, 3]);
    bench.clock.advance(5_000);
    bench.take();
    bench.discovery.packetFailed(ids(80, 3, 0, 7, 90), 2);
    expect(bench.take()).toMatchObject([
      { to: 3, message: { routes: [{ destination: id(7), cost: UNREACHABLE }] } },
    ]);
  });

  it('starves a destination in use, which is asked for anew, once in 30 s', () => {
    const bench = new Bench([1, 2]);
    bench.clock.advance(5_000);
    bench.table.learn(ids(0, 1, 50, 90), 3n);
    bench.table.findRoute(id(90));
    bench.take();
    bench.from(1, advertisement(1, [50, UNREACHABLE]));
    bench.clock.advance(300);
    expect(bench.take().filter(({ message }) => message.kind === 'RouteRequest')).not.toEqual([]);
    expect(bench.table.findRoute(id(90))).toBeNull();
  });
});

describe('rounds of advertisements', () => {
  it('make nothing infeasible that split horizon kept from everybody', () => {
    const bench = new Bench([1]);
    bench.table.learn(ids(0, 1, 50, 90), 3n);
    bench.discovery.start();
    bench.clock.advance(30_000);
    expect(bench.take()).toEqual([]);
    // Dearer than this node's own way, which it has told to nobody.
    expect(bench.from(1, advertisement(1, [90, 12n]))).toBe(Reason.Accepted);
  });

  it('name direct peers and routes in use by split horizon, and lost peers twice more', () => {
    const bench = new Bench([1, 2, 3]);
    bench.table.learn(ids(0, 2, 50, 90), 3n);
    bench.clock.advance(2_000);
    bench.lose(3);
    bench.take();
    bench.discovery.start();
    bench.clock.advance(30_000);
    const told = new Map<number, string[]>();
    for (const { to, message } of bench.take()) {
      if (message.kind !== 'RouteAdvertisement') continue;
      const names = message.routes.map(
        ({ destination, cost }) =>
          `${String(destination[3])}${cost === UNREACHABLE ? ' lost' : ` ${String(cost)}`}`,
      );
      told.set(to, names);
    }
    expect(told.get(1)).toEqual(['3 lost', '2 7', '90 10']);
    expect(told.get(2)).toEqual(['3 lost', '1 7']);
    bench.discovery.close();
    bench.clock.advance(100_000);
    expect(bench.take()).toEqual([]);
  });
});
