/**
 * The routing table under load: lookups with and without the cache, prices, and what 100,000 routes weigh.
 *
 * Targets: findRoute cached 2 M/s, cold 300,000/s, calculateFee 1 M/s, at 10,000 routes (cold lookups at 100,000,
 * which the cache does not hold); 100,000 routes in 100 MB.
 */
import { nodeIdOf, type NodeId } from '#dist/core/ids.js';
import { systemClock } from '#dist/core/clock.js';
import { SeededRandom } from '#dist/core/random.js';
import { RoutingTable, type Route } from '#dist/routing/table.js';
import { repeated } from './loops.js';
import { heapBytes } from './memory.js';
import { atLeast, atMost, type Target } from './stats.js';
import type { Group, Measurable, Runner, Task } from './suite.js';

const ROUTES = 10_000;
const MANY_ROUTES = 100_000;
const PEERS = 128;
const HOPS = 6;
/** Operations in one call. */
const CALLS = 1_000;

interface Filled {
  readonly table: RoutingTable;
  readonly destinations: readonly NodeId[];
}

/** A table with one route of 6 hops to each destination; every id is an array of its own, as decoded messages have. */
function filled(routes: number): Filled {
  const random = new SeededRandom(1);
  const nodeId = (): NodeId => nodeIdOf(random.bytes(32));
  const self = nodeId();
  const table = new RoutingTable({
    self,
    clock: systemClock,
    random,
    fees: { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 500n },
  });
  const peers = Array.from({ length: PEERS }, nodeId);
  for (const [index, peer] of peers.entries()) table.addDirectPeer(peer, `peer-${index}`);
  const routers = Array.from({ length: 2_000 }, nodeId);
  const any = (): NodeId => routers[Math.floor(random.unit() * routers.length)] ?? self;
  const copyOf = (id: NodeId): NodeId => nodeIdOf(id.slice());
  const destinations = Array.from({ length: routes }, nodeId);
  for (const [index, destination] of destinations.entries()) {
    const between = new Set<NodeId>();
    while (between.size < HOPS - 2) between.add(any());
    table.learn(
      [self, copyOf(peers[index % PEERS] ?? self), ...[...between].map(copyOf), destination],
      BigInt(index),
    );
  }
  return { table, destinations: destinations.map(copyOf) };
}

/** Megabytes that a full table adds to the heap. */
async function megabytes(): Promise<number> {
  const before = await heapBytes();
  const { table } = filled(MANY_ROUTES);
  const after = await heapBytes();
  if (table.stats().totalRoutes < MANY_ROUTES) throw new Error('the table was filled');
  return (after - before) / 1_000_000;
}

/** A task that goes in turn over so many things, some at each call: short calls, of which few are interrupted. */
function inTurn(
  name: string,
  unit: string,
  count: number,
  once: (index: number) => unknown,
  target: Target,
): Task {
  let next = 0;
  const goOn = (): void => {
    once(next);
    next = (next + 1) % count;
  };
  return repeated(name, unit, CALLS, goOn, { target });
}

function lookups(): Group {
  const { table, destinations } = filled(ROUTES);
  const routes = destinations.map((destination): Route => {
    const route = table.findRoute(destination);
    if (route === null) throw new Error('every destination has a route');
    return route;
  });
  // More than the cache holds: by the time that a destination comes round again, it is gone from there.
  const many = filled(MANY_ROUTES);
  const find =
    ({ table, destinations }: Filled) =>
    (index: number): void => {
      const destination = destinations[index];
      if (destination !== undefined) table.findRoute(destination);
    };
  const price = (index: number): void => {
    const route = routes[index];
    if (route !== undefined) table.calculateFee(route, 1_000n);
  };
  return {
    name: 'routing table',
    tasks: [
      inTurn(
        'findRoute cached, 10,000 routes',
        'lookups/s',
        ROUTES,
        find({ table, destinations }),
        atLeast(2_000_000),
      ),
      inTurn('findRoute cold, 100,000 routes', 'lookups/s', MANY_ROUTES, find(many), atLeast(300_000)),
      inTurn('calculateFee', 'fees/s', ROUTES, price, atLeast(1_000_000)),
    ],
  };
}

export function routing(): readonly Measurable[] {
  const memory: Runner = {
    name: 'routing table',
    // Once: it is the same in each round.
    measure: async () => [
      { name: 'memory of 100,000 routes', unit: 'MB', samples: [await megabytes()], target: atMost(100) },
    ],
  };
  return [memory, lookups()];
}
