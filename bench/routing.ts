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
import type { Group } from './suite.js';

const ROUTES = 10_000;
const MANY_ROUTES = 100_000;
const PEERS = 128;
const HOPS = 6;
const LOOKUPS = 10_000;

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

/** Megabytes that a table of so many routes adds to the heap. */
function megabytes(routes: number): number {
  const used = (): number => {
    globalThis.gc?.();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = used();
  const { table } = filled(routes);
  const after = used();
  if (table.stats().totalRoutes === 0) throw new Error('the table was filled');
  return (after - before) / 1_000_000;
}

/** What 100,000 routes weigh, for the line that the bench prints beside the rates. */
export function routingMemory(): string {
  return `routing: ${MANY_ROUTES} routes weigh ${megabytes(MANY_ROUTES).toFixed(0)} MB (at most 100)`;
}

export function routing(): Group {
  const { table, destinations } = filled(ROUTES);
  const routes = destinations.map((destination): Route => {
    const route = table.findRoute(destination);
    if (route === null) throw new Error('every destination has a route');
    return route;
  });
  const lookups = destinations.slice(0, LOOKUPS);
  const many = filled(MANY_ROUTES);
  let next = 0;
  return {
    name: `routing table of ${ROUTES} routes`,
    tasks: [
      {
        name: 'findRoute cached',
        unit: 'lookups/s',
        operations: LOOKUPS,
        run: () => {
          for (const destination of lookups) table.findRoute(destination);
        },
      },
      {
        name: 'findRoute cold',
        unit: 'lookups/s',
        operations: LOOKUPS,
        run: () => {
          // In turn over more than the cache holds: by the time that one comes round again, it is gone from there.
          for (let i = 0; i < LOOKUPS; i++) {
            const destination = many.destinations[next];
            if (destination !== undefined) many.table.findRoute(destination);
            next = (next + 1) % MANY_ROUTES;
          }
        },
      },
      {
        name: 'calculateFee',
        unit: 'fees/s',
        operations: ROUTES,
        run: () => {
          for (const route of routes) table.calculateFee(route, 1_000n);
        },
      },
    ],
  };
}
