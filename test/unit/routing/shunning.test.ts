/** Requests that leave out nodes: who is shunned follows from the id alone, and the suspected are (docs/routing.md). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { SeededRandom } from '../../../src/core/random.js';
import { nodeIdOf } from '../../../src/core/ids.js';
import { reachOf, requestIdOf } from '../../../src/routing/relays.js';
import { shunnedBy, shunningId } from '../../../src/routing/shunning.js';
import { Bench, id, numberOf, request, response } from '../../support/discovery-bench.js';

const nodeId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(nodeIdOf);

describe('shunning', () => {
  it('a drawn id shuns all that it should, and is one for everybody', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(nodeId, { maxLength: LIMITS.SHUNNED_NODES, selector: String }),
        fc.nat(),
        (nodes, seed) => {
          const requestId = shunningId(new SeededRandom(seed), nodes);
          const shuns = shunnedBy(requestId);
          expect(requestId).toBeLessThan(2n ** 64n);
          expect(reachOf(requestId)).toBe('everybody');
          expect(nodes.every((node) => shuns?.(node) === true)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('about one in a hundred of the others is shunned by chance, other ones by each id', () => {
    const random = new SeededRandom(7);
    const nodes = Array.from({ length: 4_000 }, () => nodeIdOf(random.bytes(32)));
    const shunned = [0, 1].map(() => {
      const shuns = shunnedBy(shunningId(random, []));
      return new Set(nodes.filter((node) => shuns?.(node) === true));
    });
    const [first, second] = shunned;
    expect(first?.size).toBeGreaterThan(15);
    expect(first?.size).toBeLessThan(80);
    expect([...(first ?? [])].filter((node) => second?.has(node)).length).toBeLessThan(10);
  });

  it('no request of another kind shuns anybody', () => {
    fc.assert(
      fc.property(
        fc.bigInt(0n, 2n ** 64n - 1n),
        fc.constantFrom('frugal', 'selective', 'everybody'),
        (drawn, reach) => {
          expect(shunnedBy(requestIdOf(drawn, reach))).toBeNull();
        },
      ),
    );
  });
});

describe('discovery > thorough requests of others', () => {
  const PEERS = Array.from({ length: 40 }, (_, at) => at + 1);
  /** Draws until the destination's neighbours below are as wanted. */
  const thorough = (shunned: readonly number[]): bigint => shunningId(new SeededRandom(3), shunned.map(id));

  it('go to none that they shun, and no answer over one is taken', () => {
    const requestId = thorough([2]);
    const shuns = shunnedBy(requestId);
    const passed = PEERS.filter((peer) => peer !== 1 && shuns?.(id(peer)) === false);
    const bench = new Bench(PEERS);
    expect(bench.from(1, request({ requestId }))).toBe(Reason.Accepted);
    expect(bench.reached()).toEqual(passed);
    const [asked = 0] = passed;
    const over = (router: number): Reason =>
      bench.from(asked, response({ requestId, route: [0, asked, router, 90].map(id) }));
    expect(over(2)).toBe(Reason.ResponseBadRoute);
    const other = PEERS.map((peer) => peer + 1_000).find((node) => shuns?.(id(node)) === false) ?? 0;
    expect(over(other)).toBe(Reason.Accepted);
  });

  it('answers go back to every neighbour that brought one, up to the limit', () => {
    const requestId = thorough([]);
    const shuns = shunnedBy(requestId);
    const peers = PEERS.filter((peer) => shuns?.(id(peer)) === false);
    const [asked = 0, ...others] = peers;
    const bench = new Bench(peers);
    for (const peer of others) bench.from(peer, request({ requestId, maxHops: 8 }));
    bench.take();
    expect(bench.from(asked, response({ requestId, route: [0, asked, 90].map(id) }))).toBe(Reason.Accepted);
    expect(bench.reached()).toEqual(others.slice(0, LIMITS.WAYS_BACK));
  });

  it('for this node are answered to several neighbours, each once', () => {
    const bench = new Bench(PEERS);
    const forUs = request({ requestId: thorough([]), destination: id(0), maxHops: 5 });
    for (const peer of [...PEERS, ...PEERS]) bench.from(peer, forUs);
    const answered = bench
      .take()
      .map(({ to, message }) => [to, message.kind, 'route' in message ? message.route.map(numberOf) : null]);
    expect(answered).toEqual(
      PEERS.slice(0, LIMITS.WAYS_BACK).map((peer) => [peer, 'RouteResponse', [peer, 0]]),
    );
  });
});
