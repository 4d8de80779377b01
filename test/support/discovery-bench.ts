/** One node with its discovery, for tests: whatever it sends is kept. Node ids are told by numbers; it is node 0. */
import { VirtualClock } from '../../src/core/clock.js';
import { nodeIdOf, type NodeId } from '../../src/core/ids.js';
import { SeededRandom } from '../../src/core/random.js';
import { reasonName, type Reason, type ReasonName } from '../../src/core/reasons.js';
import type {
  DiscoveryMessage,
  RouteAdvertisement,
  RouteRequest,
  RouteResponse,
} from '../../src/packet/discovery.js';
import { RouteDiscovery } from '../../src/routing/discovery.js';
import { RoutingTable, type Route } from '../../src/routing/table.js';
import { NO_FEES } from '../../src/simulate/network.js';

/** A node id that is told by its number. */
export const id = (number: number): NodeId => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return nodeIdOf(bytes);
};
export const ids = (...numbers: number[]): NodeId[] => numbers.map(id);
export const numberOf = (node: NodeId): number => new DataView(node.buffer, node.byteOffset).getUint32(0);

export interface Sent {
  readonly to: number;
  readonly message: DiscoveryMessage;
}

/** Node 0 with some peers; what it sends is kept. */
export class Bench {
  readonly clock = new VirtualClock();
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly sent: Sent[] = [];
  readonly found: Route[] = [];
  readonly failed: [number, ReasonName][] = [];

  constructor(peers: readonly number[], hopCostSats = 7n) {
    const common = { self: id(0), clock: this.clock, random: new SeededRandom(1) };
    this.table = new RoutingTable({ ...common, fees: NO_FEES });
    for (const peer of peers) this.table.addDirectPeer(id(peer), `peer-${peer}`);
    this.discovery = new RouteDiscovery({
      ...common,
      table: this.table,
      hopCostSats,
      transmit: (peer, message) => this.sent.push({ to: numberOf(peer), message }),
      onRouteFound: (route) => this.found.push(route),
      onRouteFailed: (destination, reason) => this.failed.push([numberOf(destination), reasonName(reason)]),
    });
  }

  from(peer: number, message: DiscoveryMessage): Reason {
    return this.discovery.handleMessage(id(peer), message);
  }

  /** What was sent since the last call. */
  take(): Sent[] {
    return this.sent.splice(0);
  }

  /** Peers that something was sent to since the last call, in order of their number. */
  reached(): number[] {
    return this.take()
      .map(({ to }) => to)
      .sort((a, b) => a - b);
  }

  lose(peer: number): void {
    this.table.removeDirectPeer(id(peer));
    this.discovery.announceLoss(id(peer));
  }
}

export const request = (fields: Partial<RouteRequest> = {}): RouteRequest => ({
  kind: 'RouteRequest',
  destination: id(90),
  source: id(80),
  requestId: 5n,
  maxHops: 10,
  ...fields,
});

/** To the request above, as its neighbour 2 would pass it to node 0. */
export const response = (fields: Partial<RouteResponse> = {}): RouteResponse => ({
  kind: 'RouteResponse',
  destination: id(90),
  source: id(80),
  requestId: 5n,
  route: ids(0, 2, 50, 90),
  cost: 3n,
  ...fields,
});

export const advertisement = (
  source: number,
  ...routes: [destination: number, cost: bigint][]
): RouteAdvertisement => ({
  kind: 'RouteAdvertisement',
  source: id(source),
  routes: routes.map(([destination, cost]) => ({
    destination: id(destination),
    nextHop: id(source),
    cost,
    hopCount: 1,
  })),
});
