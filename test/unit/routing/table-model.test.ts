/**
 * RoutingTable against a slow model over random operations: a list of everything ever learned, filtered anew at
 * every question (routing.md, Routes: never an expired, looping, over-long or unreachable route, nor one through
 * a disconnected first hop).
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, nodeKey, type NodeId } from '../../../src/core/ids.js';
import { SeededRandom } from '../../../src/core/random.js';
import { RoutingTable } from '../../../src/routing/table.js';

const NODES = 14;
const EXPIRY_SECONDS = 100;
const UNREACHABLE = 2n ** 64n - 1n;

interface ModelRoute {
  readonly nodes: readonly number[];
  readonly cost: bigint;
  readonly learnedAt: number;
  readonly order: number;
}

/** Node 0 is the owner of the table. */
class Model {
  peers = new Set<number>();
  now = 0;
  #routes: ModelRoute[] = [];
  #order = 0;

  learn(nodes: readonly number[], cost: bigint): void {
    const [start, firstHop] = nodes;
    const isGood =
      nodes.length <= 11 &&
      start === 0 &&
      firstHop !== undefined &&
      new Set(nodes).size === nodes.length &&
      cost < UNREACHABLE &&
      this.peers.has(firstHop);
    if (!isGood || nodes.length === 2) return;
    const destination = nodes[nodes.length - 1];
    const same = (route: ModelRoute): boolean => route.nodes[route.nodes.length - 1] === destination;
    const fresh = { nodes, cost, learnedAt: this.now, order: this.#order++ };
    const others = this.#routes.filter((route) => route.nodes.join() !== nodes.join());
    const rivals = [...others.filter((route) => same(route) && this.#holds(route)), fresh].sort(byRank);
    const best = disjointFirst(rivals).slice(0, 3);
    this.#routes = [...others.filter((route) => !same(route)), ...best];
  }

  removePeer(peer: number): void {
    this.peers.delete(peer);
    this.#routes = this.#routes.filter(({ nodes }) => nodes[1] !== peer);
  }

  invalidate(node: number): void {
    this.#routes = this.#routes.filter(({ nodes }) => !nodes.slice(1).includes(node));
  }

  retract(neighbour: number, lost: readonly number[]): void {
    this.#routes = this.#routes.filter(
      ({ nodes }) => nodes[1] !== neighbour || !nodes.slice(1).some((node) => lost.includes(node)),
    );
  }

  alternatives(destination: number): (readonly number[])[] {
    const learned = this.#routes.filter(
      (route) => route.nodes[route.nodes.length - 1] === destination && this.#holds(route),
    );
    const direct = this.peers.has(destination)
      ? [{ nodes: [0, destination], cost: 0n, learnedAt: this.now, order: -1 }]
      : [];
    return [...direct, ...learned]
      .sort(byRank)
      .slice(0, 3)
      .map(({ nodes }) => nodes);
  }

  #holds(route: ModelRoute): boolean {
    return this.now - route.learnedAt < EXPIRY_SECONDS * 1_000;
  }
}

/** Those that share no router with a better one of the same kind, then the rest. */
function disjointFirst(ranked: readonly ModelRoute[]): readonly ModelRoute[] {
  const disjoint: ModelRoute[] = [];
  for (const route of ranked) {
    const routers = route.nodes.slice(1, -1);
    const isClear = disjoint.every(({ nodes }) => !nodes.slice(1, -1).some((node) => routers.includes(node)));
    if (isClear) disjoint.push(route);
  }
  return [...disjoint, ...ranked.filter((route) => !disjoint.includes(route))];
}

function byRank(a: ModelRoute, b: ModelRoute): number {
  if (a.cost !== b.cost) return a.cost < b.cost ? -1 : 1;
  return a.nodes.length - b.nodes.length || a.order - b.order;
}

/** Some share their first bytes, by which the table looks them up and keeps its cache. */
const IDS: readonly NodeId[] = Array.from({ length: NODES }, (_, i) =>
  nodeIdOf(new Uint8Array(32).fill(i + 1).fill(i % 4, 0, 4)),
);
const idOf = (node: number): NodeId => IDS[node] ?? nodeIdOf(new Uint8Array(32));

const node = fc.nat(NODES - 1);
const peer = fc.integer({ min: 1, max: 5 });
const cost = fc.oneof(
  { weight: 9, arbitrary: fc.bigInt({ min: 0n, max: 4n }) },
  { weight: 1, arbitrary: fc.constant(UNREACHABLE) },
);
/** Mostly well-formed routes, and some that start elsewhere, loop or are too long. */
const route = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        peer,
        fc.uniqueArray(fc.integer({ min: 6, max: NODES - 1 }), { minLength: 0, maxLength: 4 }),
        peer,
      )
      .map(([first, middle, last]) => [0, first, ...middle, ...(last % 2 === 0 ? [last] : [])]),
  },
  { weight: 1, arbitrary: fc.array(node, { maxLength: 13 }) },
  {
    weight: 1,
    arbitrary: fc.tuple(peer, fc.array(node, { maxLength: 11 })).map(([p, rest]) => [0, p, ...rest]),
  },
);

const operation = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('add' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('remove' as const), peer }) },
  { weight: 8, arbitrary: fc.record({ op: fc.constant('learn' as const), route, cost }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('invalidate' as const), node }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('retract' as const),
      peer,
      lost: fc.array(node, { maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), millis: fc.nat(60_000) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('sweep' as const) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constant('ask' as const), node }) },
);

describe('routing table > against a slow model', () => {
  it('gives the same alternatives after any operations', () => {
    let answers = 0;
    fc.assert(
      fc.property(fc.array(operation, { minLength: 20, maxLength: 80, size: 'max' }), (operations) => {
        const clock = new VirtualClock();
        const table = new RoutingTable({
          self: idOf(0),
          clock,
          random: new SeededRandom(1),
          routeExpirySeconds: EXPIRY_SECONDS,
          fees: { baseMsat: 1n, perHopMsat: 1n, perKibMsat: 0n, proportionalPpm: 0n },
        });
        const model = new Model();
        const compare = (destination: number): void => {
          const expected = model.alternatives(destination);
          const given = table
            .alternatives(idOf(destination))
            .map(({ ids }) => ids.map((x) => IDS.indexOf(x)));
          expect(given).toEqual(expected);
          answers += given.length;
        };
        for (const step of operations) {
          switch (step.op) {
            case 'add':
              table.addDirectPeer(idOf(step.peer), `peer-${step.peer}`);
              model.peers.add(step.peer);
              break;
            case 'remove':
              table.removeDirectPeer(idOf(step.peer));
              model.removePeer(step.peer);
              break;
            case 'learn':
              table.learn(step.route.map(idOf), step.cost);
              model.learn(step.route, step.cost);
              break;
            case 'invalidate':
              table.invalidateNode(idOf(step.node));
              model.invalidate(step.node);
              break;
            case 'retract':
              table.retract(idOf(step.peer), new Set(step.lost.map((lost) => nodeKey(idOf(lost)))));
              model.retract(step.peer, step.lost);
              break;
            case 'wait':
              clock.advance(step.millis);
              model.now += step.millis;
              break;
            case 'sweep':
              table.sweep();
              break;
            case 'ask':
              compare(step.node);
              break;
          }
        }
        for (let destination = 0; destination < NODES; destination++) compare(destination);
      }),
    );
    // The property holds for something: routes were there to compare.
    expect(answers).toBeGreaterThan(1_000);
  });
});
