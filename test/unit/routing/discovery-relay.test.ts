/** What a node does with the requests and responses of others (routing.md, Discovery). */
import { describe, expect, it } from 'vitest';
import type { NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason, reasonName } from '../../../src/core/reasons.js';
import type { RouteResponse } from '../../../src/packet/discovery.js';
import { Bench, id, ids, numberOf, request, response } from '../../support/discovery-bench.js';

const UNREACHABLE = 2n ** 64n - 1n;

describe('discovery > requests of others', () => {
  it('are passed on once, to everyone but the sender and the source, with one hop less', () => {
    const bench = new Bench([1, 2, 3, 80]);
    expect(bench.from(1, request())).toBe(Reason.Accepted);
    const sent = bench.take();
    expect(sent.map(({ to }) => to)).toEqual([2, 3]);
    expect(sent[0]?.message).toEqual(request({ maxHops: 9 }));
    expect(bench.from(1, request())).toBe(Reason.RequestSeen);
    expect(bench.from(2, request({ maxHops: 8 }))).toBe(Reason.RequestSeen);
    expect(bench.reached()).toEqual([]);
  });

  it('are told apart by source and id, and forgotten after 30 s', () => {
    const bench = new Bench([1, 2]);
    expect(bench.from(1, request())).toBe(Reason.Accepted);
    expect(bench.from(1, request({ requestId: 6n }))).toBe(Reason.Accepted);
    expect(bench.from(1, request({ source: id(81) }))).toBe(Reason.Accepted);
    bench.clock.advance(LIMITS.SEEN_REQUEST_MILLIS - 1);
    expect(bench.from(1, request())).toBe(Reason.RequestSeen);
    bench.clock.advance(1);
    expect(bench.from(1, request())).toBe(Reason.Accepted);
  });

  it('go no farther than their hops, and never than 10', () => {
    const bench = new Bench([1, 2]);
    expect(bench.from(1, request({ maxHops: 0 }))).toBe(Reason.HopsExhausted);
    expect(bench.from(1, request({ maxHops: 1, requestId: 6n }))).toBe(Reason.HopsExhausted);
    expect(bench.reached()).toEqual([]);
    bench.from(1, request({ maxHops: 255, requestId: 7n }));
    expect(bench.take()[0]?.message).toMatchObject({ maxHops: 9 });
  });

  it('go to the destination alone where it is a neighbour', () => {
    const bench = new Bench([1, 2, 3, 90]);
    bench.from(1, request());
    expect(bench.reached()).toEqual([90]);
  });

  it('for this node are answered once, with the way from the sender', () => {
    const bench = new Bench([1, 2]);
    const forUs = request({ destination: id(0) });
    expect(bench.from(1, forUs)).toBe(Reason.Accepted);
    expect(bench.take()).toEqual([
      { to: 1, message: response({ destination: id(0), route: ids(1, 0), cost: 0n }) },
    ]);
    expect(bench.from(2, forUs)).toBe(Reason.RequestSeen);
    expect(bench.from(2, { ...forUs, maxHops: 255 })).toBe(Reason.RequestSeen);
    expect(bench.reached()).toEqual([]);
  });

  it.each([
    ['from a stranger', 77, {}, 'UnauthenticatedPeer'],
    ["that are this node's own", 1, { source: id(0) }, 'RequestSeen'],
    ['for their own source', 1, { destination: id(80) }, 'Loopback'],
  ] as const)('%s are dropped', (_name, from, fields, reason) => {
    const bench = new Bench([1, 2]);
    expect(reasonName(bench.from(from, request(fields)))).toBe(reason);
    expect(bench.reached()).toEqual([]);
  });

  it('are taken 10 a second from one neighbour, whatever the others send', () => {
    const bench = new Bench([1, 2]);
    const verdicts = (from: number, first: number, count: number): number =>
      Array.from({ length: count }, (_, i) =>
        bench.from(from, request({ requestId: BigInt(first + i) })),
      ).filter((verdict) => verdict === Reason.Accepted).length;
    expect(verdicts(1, 1_000, 50)).toBe(10);
    expect(bench.from(1, request({ requestId: 9_999n }))).toBe(Reason.RequestQuotaExceeded);
    expect(verdicts(2, 2_000, 5)).toBe(5);
    bench.clock.advance(500);
    expect(verdicts(1, 3_000, 50)).toBe(5);
    // Leaving and coming back gives no new allowance.
    bench.table.removeDirectPeer(id(1));
    bench.table.addDirectPeer(id(1), 'again');
    expect(verdicts(1, 4_000, 50)).toBe(0);
    // What another neighbour brings within its own allowance is not lost for this one's excess.
    expect(bench.from(2, request({ requestId: 9_999n }))).toBe(Reason.Accepted);
  });

  it('cost no allowance when they were seen already: every flood comes by once per neighbour', () => {
    const bench = new Bench([1, 2]);
    bench.from(1, request());
    for (let i = 0; i < 100; i++) expect(bench.from(2, request())).toBe(Reason.RequestSeen);
    expect(bench.from(2, request({ requestId: 6n }))).toBe(Reason.Accepted);
  });

  it('that reach farther are passed on again, and the answer goes back both ways', () => {
    const bench = new Bench([1, 2, 3]);
    bench.from(1, request({ maxHops: 4 }));
    bench.take();
    expect(bench.from(3, request({ maxHops: 5 }))).toBe(Reason.Accepted);
    expect(bench.take()).toEqual([
      { to: 1, message: request({ maxHops: 4 }) },
      { to: 2, message: request({ maxHops: 4 }) },
    ]);
    expect(bench.from(2, response())).toBe(Reason.Accepted);
    expect(
      bench.take().map(({ to, message }) => [to, (message as RouteResponse).route.map(numberOf)]),
    ).toEqual([
      [1, [1, 0, 2, 50, 90]],
      [3, [3, 0, 2, 50, 90]],
    ]);
    expect(bench.from(3, request({ maxHops: 9 }))).toBe(Reason.RequestSeen);
  });

  it('and an answer goes back only where it is not too long for the way that was asked', () => {
    const bench = new Bench([1, 2, 3]);
    bench.from(1, request({ maxHops: 3 }));
    bench.from(3, request({ maxHops: 4 }));
    bench.take();
    expect(bench.from(2, response())).toBe(Reason.Accepted);
    expect(bench.reached()).toEqual([3]);
  });

  it('are remembered up to the limit, the newest of them', () => {
    const neighbours = Array.from({ length: 400 }, (_, i) => 100_000 + i);
    const bench = new Bench(neighbours.slice(0, 1));
    for (const peer of neighbours.slice(1)) bench.table.addDirectPeer(id(peer), String(peer));
    let requestId = 0n;
    while (bench.discovery.stats().seen < LIMITS.SEEN_REQUESTS) {
      for (const peer of neighbours) {
        for (let i = 0; i < 10; i++) bench.from(peer, request({ requestId: requestId++, maxHops: 1 }));
      }
      bench.clock.advance(1_000);
    }
    const before = bench.discovery.stats().seen;
    bench.from(100_000, request({ requestId: requestId++, maxHops: 1 }));
    expect(bench.discovery.stats().seen).toBe(before);
    expect(bench.from(100_000, request({ requestId: requestId - 2n, maxHops: 1 }))).toBe(Reason.RequestSeen);
    expect(bench.from(100_000, request({ requestId: 0n, maxHops: 1 }))).toBe(Reason.HopsExhausted);
  });
});

describe('discovery > responses that pass by', () => {
  const asked = (peers: readonly number[] = [1, 2, 3], maxHops = 10): Bench => {
    const bench = new Bench(peers);
    bench.from(1, request({ maxHops }));
    bench.take();
    return bench;
  };

  it('go back on the way of the request with the cost of this node', () => {
    const bench = asked();
    expect(bench.from(2, response())).toBe(Reason.Accepted);
    expect(bench.take()).toEqual([{ to: 1, message: response({ route: ids(1, 0, 2, 50, 90), cost: 10n }) }]);
  });

  it('are few of each neighbour, and in all: whoever is quick to lie keeps nobody from the truth', () => {
    const bench = asked([1, 2, 3, 4]);
    const verdicts = [2, 2, 2, 2, 2, 3, 3, 4, 4, 3].map((peer) => {
      return bench.from(peer, response({ route: ids(0, peer, 90) })) === Reason.Accepted;
    });
    expect(verdicts).toEqual([true, true, true, true, false, true, true, true, true, false]);
    expect(bench.reached()).toEqual(Array.from({ length: LIMITS.ANSWERS_TAKEN }, () => 1));
  });

  it('that contradict what their sender advertises are dropped, but for a request for everybody', () => {
    const bench = new Bench([1, 2, 3]);
    const advertised = { destination: id(50), nextHop: id(50), cost: 3n, hopCount: 1 };
    for (const requestId of [4n, 5n]) bench.from(1, request({ requestId }));
    bench.take();
    bench.from(2, { kind: 'RouteAdvertisement', source: id(2), routes: [advertised] });
    const answer = (requestId: bigint, route: NodeId[]): Reason =>
      bench.from(2, response({ requestId, route }));
    expect(answer(4n, ids(0, 2, 90))).toBe(Reason.ResponseBadRoute);
    expect(answer(4n, ids(0, 2, 50, 90))).toBe(Reason.Accepted);
    expect(answer(5n, ids(0, 2, 90))).toBe(Reason.Accepted);
  });

  it('teach this node nothing: it did not ask', () => {
    const bench = asked();
    bench.from(2, response());
    expect(bench.table.findRoute(id(90))).toBeNull();
  });

  it.each([
    ['an unknown id', { requestId: 6n }, 'ResponseNotAsked'],
    ['an unknown source', { source: id(81) }, 'ResponseNotAsked'],
    ['another destination', { destination: id(91), route: ids(0, 2, 91) }, 'ResponseBadRoute'],
    ['another end', { route: ids(0, 2, 91) }, 'RouteEndsMismatch'],
    ['another start', { route: ids(5, 2, 90) }, 'RouteEndsMismatch'],
    ['a sender that is not the next on it', { route: ids(0, 3, 2, 90) }, 'ResponseBadRoute'],
    ['a loop', { route: ids(0, 2, 50, 2, 90) }, 'RouteRepeatsNode'],
    ['a way through this node again', { route: ids(0, 2, 0, 90) }, 'RouteRepeatsNode'],
    ['a way through the neighbour that asked', { route: ids(0, 2, 1, 90) }, 'RouteRepeatsNode'],
    ['a way through the source', { route: ids(0, 2, 80, 90) }, 'RouteRepeatsNode'],
    ['no route', { route: [] }, 'RouteTooShort'],
    ['12 ids', { route: ids(0, 2, 51, 52, 53, 54, 55, 56, 57, 58, 59, 90) }, 'RouteTooLong'],
    ['the cost that means unreachable', { cost: UNREACHABLE }, 'RouteUnreachable'],
    ['a cost that this node makes unreachable', { cost: UNREACHABLE - 7n }, 'RouteUnreachable'],
  ] as const)('with %s are dropped, and do not spoil the honest one', (_name, fields, reason) => {
    const bench = asked();
    expect(reasonName(bench.from(2, response(fields)))).toBe(reason);
    expect(bench.reached()).toEqual([]);
    expect(bench.from(2, response({ cost: UNREACHABLE - 8n }))).toBe(Reason.Accepted);
    expect(bench.reached()).toEqual([1]);
  });

  it('longer than the request could go are dropped', () => {
    const bench = asked([1, 2], 3);
    expect(bench.from(2, response())).toBe(Reason.RouteTooLong);
    expect(bench.from(2, response({ route: ids(0, 2, 90) }))).toBe(Reason.Accepted);
  });

  it('from a stranger, or from a neighbour that was not asked, are dropped', () => {
    const bench = asked([1, 2, 90]);
    expect(bench.from(77, response({ route: ids(0, 77, 90) }))).toBe(Reason.UnauthenticatedPeer);
    // The destination is a neighbour, so it alone was asked.
    expect(bench.from(2, response())).toBe(Reason.ResponseNotAsked);
    expect(bench.from(90, response({ route: ids(0, 90) }))).toBe(Reason.Accepted);
  });

  it('end here where the way back is gone', () => {
    const bench = asked();
    bench.table.removeDirectPeer(id(1));
    expect(bench.from(2, response())).toBe(Reason.NextHopLost);
    expect(bench.reached()).toEqual([]);
  });
});
