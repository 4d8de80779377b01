/** What a node does to find routes itself, and with advertisements (routing.md, Discovery; payments.md, cheats 51-54). */
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { nodeKey, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason, reasonName, type ReasonName } from '../../../src/core/reasons.js';
import type { RouteAdvertisement, RouteRequest, RouteResponse } from '../../../src/packet/discovery.js';
import type { Route } from '../../../src/routing/table.js';
import {
  advertisement,
  Bench,
  id,
  ids,
  numberOf,
  request,
  response,
  type Sent,
} from '../../support/discovery-bench.js';
import { forge, FORGERIES } from '../../../src/simulate/liars.js';

const UNREACHABLE = 2n ** 64n - 1n;

describe('discovery > own searches', () => {
  const requestsOf = (sent: readonly Sent[]): RouteRequest[] =>
    sent.map(({ message }) => message as RouteRequest);
  /** The first request that was sent to a peer. */
  const askedOf = (sent: readonly Sent[], peer: number): RouteRequest =>
    present(sent.find(({ to }) => to === peer)?.message, 'the peer was asked') as RouteRequest;
  const answerTo = ({ requestId }: RouteRequest, route: readonly NodeId[], cost = 0n): RouteResponse =>
    response({ requestId, source: id(0), route, cost });

  it('ask every neighbour in each ring, under three ids at most', () => {
    const bench = new Bench([1, 2, 3, 4, 5, 6, 7]);
    void bench.discovery.discover(id(90));
    const sent = bench.take();
    expect(sent.map(({ to }) => to).sort()).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(new Set(requestsOf(sent).map(({ requestId }) => requestId)).size).toBe(3);
    const few = new Bench([1, 2]);
    void few.discovery.discover(id(90));
    expect(new Set(requestsOf(few.take()).map(({ requestId }) => requestId)).size).toBe(2);
  });

  it('widen over 2, 4 and 10 hops, and end after 30 s', async () => {
    const bench = new Bench([1]);
    const answer = bench.discovery.discover(id(90));
    const rings: [number, number][] = [];
    for (let second = 0; second <= 31; second++) {
      for (const { maxHops } of requestsOf(bench.take())) rings.push([second, maxHops]);
      bench.clock.advance(1_000);
    }
    expect(rings).toEqual([
      [0, 2],
      [1, 4],
      [1, 10],
      [3, 10],
      [6, 10],
      [10, 10],
      [14, 10],
      [19, 10],
      [25, 10],
    ]);
    expect(await answer).toBeNull();
    expect(bench.failed).toEqual([[90, 'DiscoveryTimeout']]);
    expect(bench.discovery.stats()).toMatchObject({ pending: 0, routesFailed: 1 });
  });

  it('keep to the limits of the caller, and those to sane ones', async () => {
    const bench = new Bench([1]);
    const hurried = bench.discovery.discover(id(90), { maxHops: 3, timeoutMillis: 0 });
    bench.clock.advance(998);
    expect(bench.failed).toEqual([]);
    bench.clock.advance(2);
    expect(await hurried).toBeNull();
    expect(requestsOf(bench.take()).map(({ maxHops }) => maxHops)).toEqual([2, 3, 3, 3, 3, 3, 3, 3, 3]);
    void bench.discovery.discover(id(90), { maxHops: 200, timeoutMillis: 1e12 });
    bench.clock.advance(30_000);
    expect(bench.discovery.stats().pending).toBe(0);
    expect(Math.max(...requestsOf(bench.take()).map(({ maxHops }) => maxHops))).toBe(10);
  });

  it('resolve with the first answer, stop asking, and learn more ways for a second', async () => {
    const bench = new Bench([1, 2, 3]);
    const answer = bench.discovery.discover(id(90));
    const sent = bench.take();
    expect(bench.from(1, answerTo(askedOf(sent, 1), ids(0, 1, 90), 4n))).toBe(Reason.Accepted);
    expect((await answer)?.ids.map(numberOf)).toEqual([0, 1, 90]);
    bench.clock.advance(999);
    expect(bench.from(2, answerTo(askedOf(sent, 2), ids(0, 2, 90), 1n))).toBe(Reason.Accepted);
    bench.clock.advance(1);
    expect(bench.from(3, answerTo(askedOf(sent, 3), ids(0, 3, 90)))).toBe(Reason.ResponseNotAsked);
    expect(bench.table.alternatives(id(90)).map(({ ids }) => ids.map(numberOf))).toEqual([
      [0, 2, 90],
      [0, 1, 90],
    ]);
    expect(bench.reached()).toEqual([]);
    expect(bench.found).toHaveLength(1);
  });

  it('answers to an earlier ring still count in a later one', async () => {
    const bench = new Bench([1]);
    const answer = bench.discovery.discover(id(90));
    const [first] = requestsOf(bench.take());
    bench.clock.advance(2_000);
    bench.from(1, answerTo(present(first, 'a request'), ids(0, 1, 90)));
    expect(await answer).not.toBeNull();
  });

  it('one is in flight per destination, and later callers share it', async () => {
    const bench = new Bench([1]);
    const first = bench.discovery.discover(id(90));
    const second = bench.discovery.discover(id(90), { maxHops: 2 });
    const sent = bench.take();
    expect(sent).toHaveLength(1);
    bench.from(1, answerTo(askedOf(sent, 1), ids(0, 1, 90)));
    expect(await second).toBe(await first);
    expect(await bench.discovery.discover(id(90))).toEqual(await first);
    expect(bench.reached()).toEqual([]);
  });

  it('start anew where the route just found is lost within its second of grace', () => {
    const bench = new Bench([1, 2]);
    void bench.discovery.discover(id(90));
    const sent = bench.take();
    bench.from(1, answerTo(askedOf(sent, 1), ids(0, 1, 90)));
    bench.table.removeDirectPeer(id(1));
    void bench.discovery.discover(id(90));
    expect(bench.reached()).toEqual([2]);
    expect(bench.discovery.stats().pending).toBe(1);
  });

  it('cheats 52 to 54 > a response never asked for, with a loop, through the sender twice: none is installed', () => {
    const expected: Record<string, ReasonName> = {
      loop: 'RouteRepeatsNode',
      throughAsker: 'RouteRepeatsNode',
      throughSource: 'RouteRepeatsNode',
      overlong: 'RouteTooLong',
      startsElsewhere: 'RouteEndsMismatch',
      withoutSelf: 'ResponseBadRoute',
      endsElsewhere: 'RouteEndsMismatch',
      otherDestination: 'ResponseBadRoute',
      empty: 'RouteTooShort',
      alone: 'RouteTooShort',
      unreachable: 'RouteUnreachable',
      neverAsked: 'ResponseNotAsked',
      unknownSource: 'ResponseNotAsked',
    };
    for (const [name, forgery] of Object.entries(FORGERIES)) {
      const bench = new Bench([1, 2]);
      void bench.discovery.discover(id(90), { maxHops: 10 });
      bench.clock.advance(3_000);
      const asked = present(
        bench.take().findLast(({ to }) => to === 1),
        'the widest ring',
      ).message as RouteRequest;
      const verdict = bench.from(1, forge(forgery, id(0), id(1), asked, new SeededRandom(9)));
      expect(reasonName(verdict), name).toBe(expected[name]);
      expect(bench.table.stats().totalRoutes, name).toBe(2);
      expect(bench.from(1, answerTo(asked, ids(0, 1, 90))), name).toBe(Reason.Accepted);
    }
  });

  it('an answer comes from a neighbour that was asked under its id, a few times at most, and no longer than its ring', () => {
    const bench = new Bench([1, 2]);
    void bench.discovery.discover(id(90));
    const asked = askedOf(bench.take(), 1);
    expect(bench.from(2, answerTo(asked, ids(0, 2, 90)))).toBe(Reason.ResponseNotAsked);
    expect(bench.from(1, answerTo(asked, ids(0, 1, 50, 90)))).toBe(Reason.RouteTooLong);
    for (let i = 0; i < LIMITS.ANSWERS_TAKEN_OF_ONE; i++) {
      expect(bench.from(1, answerTo(asked, ids(0, 1, 90)))).toBe(Reason.Accepted);
    }
    expect(bench.from(1, answerTo(asked, ids(0, 1, 90)))).toBe(Reason.ResponseNotAsked);
  });

  it('an id is answered a few times by all together', () => {
    const bench = new Bench([1, 2, 3]);
    void bench.discovery.discover(id(90));
    bench.clock.advance(6_000);
    // The ring that asks everybody asks all of them under one id.
    const [asked] = requestsOf(bench.take().slice(-3));
    const verdicts = [1, 2, 3].flatMap((peer) =>
      Array.from({ length: LIMITS.ANSWERS_TAKEN_OF_ONE }, () =>
        bench.from(peer, answerTo(present(asked, 'a request'), ids(0, peer, 90))),
      ),
    );
    const taken = verdicts.filter((verdict) => verdict === Reason.Accepted);
    expect(taken).toHaveLength(LIMITS.ANSWERS_TAKEN);
    expect(verdicts[LIMITS.ANSWERS_TAKEN]).toBe(Reason.ResponseNotAsked);
  });

  it('go on where the first answer leads over a node that loses packets, and take it at the end', async () => {
    const bench = new Bench([1]);
    const lossy = { ids: ids(0, 1, 66, 90) };
    for (let i = 0; i < LIMITS.SUSPECT_FAILURES; i++) bench.table.chooser.outcome(lossy, false, null);
    bench.table.chooser.outcome({ ids: ids(0, 1, 70) }, true, 1);
    let found: Route | null = null;
    void bench.discovery.discover(id(90)).then((route) => (found = route));
    bench.clock.advance(700);
    const ring = askedOf(bench.take().slice(-1), 1);
    expect(bench.from(1, answerTo(ring, lossy.ids))).toBe(Reason.Accepted);
    bench.clock.advance(2_500);
    await Promise.resolve();
    expect(found).toBeNull();
    const later = askedOf(bench.take().slice(-1), 1);
    expect(bench.from(1, answerTo(later, ids(0, 1, 5, 6, 90)))).toBe(Reason.Accepted);
    await Promise.resolve();
    bench.clock.advance(30_000);
    expect(bench.take()).toEqual([]);
    const choice = bench.table.chooser.choose(id(90));
    expect(choice.ok && choice.route.ids.map(numberOf)).toEqual([0, 1, 5, 6, 90]);
  });

  it('end at once where there is nothing to ask or nobody', async () => {
    const bench = new Bench([]);
    expect(await bench.discovery.discover(id(90))).toBeNull();
    expect(await bench.discovery.discover(id(0))).toBeNull();
    expect(bench.failed).toEqual([
      [90, 'RouteUnknown'],
      [0, 'Loopback'],
    ]);
  });

  it('are no more at once than the limit', async () => {
    const bench = new Bench([1]);
    for (let i = 0; i < LIMITS.PENDING_DISCOVERIES; i++) void bench.discovery.discover(id(1_000 + i));
    expect(await bench.discovery.discover(id(90))).toBeNull();
    expect(bench.failed).toEqual([[90, 'TooManyPending']]);
  });

  it('end with null when the discovery is closed', async () => {
    const bench = new Bench([1]);
    const answer = bench.discovery.discover(id(90));
    bench.take();
    bench.discovery.close();
    expect(await answer).toBeNull();
    bench.clock.advance(60_000);
    expect(bench.reached()).toEqual([]);
    expect(bench.discovery.stats().pending).toBe(0);
  });
});

describe('discovery > advertisements', () => {
  const knowing = (): Bench => {
    const bench = new Bench([1, 2]);
    bench.table.learn(ids(0, 1, 50, 90), 3n);
    bench.table.learn(ids(0, 2, 50), 3n);
    return bench;
  };

  it('cheat 51 > one of 0 cost from a non-neighbour is refused, and from a neighbour too', () => {
    const bench = knowing();
    expect(bench.from(77, advertisement(77, [90, 0n]))).toBe(Reason.UnauthenticatedPeer);
    expect(bench.from(2, advertisement(2, [90, 0n]))).toBe(Reason.AdvertisementInfeasible);
    expect(bench.table.alternatives(id(90))).toHaveLength(1);
  });

  it('one that takes routes back is taken for those through its sender', () => {
    const bench = knowing();
    expect(bench.from(1, advertisement(2, [50, UNREACHABLE]))).toBe(Reason.UnauthenticatedPeer);
    expect(bench.from(1, advertisement(1, [50, UNREACHABLE]))).toBe(Reason.Accepted);
    expect(bench.table.findRoute(id(90))).toBeNull();
    expect(bench.table.findRoute(id(50))).not.toBeNull();
    expect(bench.discovery.stats().routesRetracted).toBe(1);
  });

  it('one that does both is taken for what it takes back and for its hints, of which none is a route', () => {
    const bench = knowing();
    const both = advertisement(1, [50, UNREACHABLE], [91, 1n]);
    expect(bench.from(1, both)).toBe(Reason.Accepted);
    expect(bench.table.findRoute(id(90))).toBeNull();
    expect(bench.table.findRoute(id(91))).toBeNull();
    expect(bench.discovery.stats()).toMatchObject({ routesRetracted: 1, hintsTaken: 1 });
  });

  it('are taken 2 a second from one neighbour', () => {
    const bench = knowing();
    const verdicts = [0, 0, 0].map(() => reasonName(bench.from(1, advertisement(1))));
    expect(verdicts).toEqual(['Accepted', 'Accepted', 'AdvertisementQuotaExceeded']);
    expect(bench.from(2, advertisement(2))).toBe(Reason.Accepted);
    bench.clock.advance(500);
    expect(bench.from(1, advertisement(1))).toBe(Reason.Accepted);
  });

  it('go out when peers are lost, at most once a second, those of one second together', () => {
    const bench = new Bench([1, 2, 3, 4, 5]);
    bench.lose(1);
    const retraction = (...lost: number[]): RouteAdvertisement => ({
      ...advertisement(0),
      routes: lost.map((peer) => ({
        destination: id(peer),
        nextHop: id(peer),
        cost: UNREACHABLE,
        hopCount: 1,
      })),
    });
    expect(bench.take()).toEqual([2, 3, 4, 5].map((to) => ({ to, message: retraction(1) })));
    bench.lose(2);
    bench.lose(3);
    bench.lose(2);
    bench.lose(4);
    bench.table.addDirectPeer(id(4), 'peer-4');
    bench.clock.advance(999);
    expect(bench.take()).toEqual([]);
    bench.clock.advance(1);
    // Peer 4 came back: the others learn that it is here, and it learns who is.
    const besides = (peer: number): RouteAdvertisement['routes'] => [
      ...retraction(2, 3).routes,
      { destination: id(peer), nextHop: id(peer), cost: 7n, hopCount: 1 },
    ];
    expect(bench.take()).toEqual([
      { to: 5, message: { ...retraction(2, 3), routes: besides(4) } },
      { to: 4, message: { ...retraction(2, 3), routes: besides(5) } },
    ]);
    bench.clock.advance(10_000);
    expect(bench.take()).toEqual([]);
  });

  it('of more losses than one message holds keep to the limit', () => {
    const bench = new Bench(Array.from({ length: LIMITS.RETRACTIONS_WAITING + 50 }, (_, i) => i + 1));
    bench.table.addDirectPeer(id(10_000), 'stays');
    for (let i = 1; i <= LIMITS.RETRACTIONS_WAITING + 50; i++) bench.lose(i);
    bench.take();
    bench.clock.advance(1_000);
    const last = bench.take().at(-1);
    expect((last?.message as RouteAdvertisement).routes).toHaveLength(LIMITS.RETRACTIONS_WAITING);
  });
});

describe('discovery > sweeping', () => {
  it('frees what has expired', () => {
    const bench = new Bench([1, 2]);
    bench.from(1, request());
    bench.table.learn(ids(0, 1, 90), 1n);
    bench.clock.advance(3_600_000);
    bench.discovery.sweep();
    expect(bench.discovery.stats().seen).toBe(0);
    expect([...bench.table.list()].map((route) => nodeKey(present(route.ids[1], 'a first hop')))).toEqual(
      [1, 2].map((peer) => nodeKey(id(peer))),
    );
  });
});
