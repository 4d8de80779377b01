/** What route discovery is given: who it is, its ports, and who hears of its searches. */
import type { NodeId } from '../core/ids.js';
import type { Clock, Random } from '../core/ports.js';
import type { Reason } from '../core/reasons.js';
import type { DiscoveryMessage } from '../packet/discovery.js';
import type { Route } from './route.js';
import type { RoutingTable } from './table.js';

export interface RouteDiscoveryOptions {
  readonly self: NodeId;
  readonly table: RoutingTable;
  readonly clock: Clock;
  readonly random: Random;
  /** Sats that this node asks for as a router, added to every response that it passes back. */
  readonly hopCostSats?: bigint;
  /** Sends a message to a direct peer. Failures are the link's to report. */
  readonly transmit: (peer: NodeId, message: DiscoveryMessage) => void;
  /** A search of this node found its first route, so long after it was started. */
  readonly onRouteFound?: (route: Route, tookMillis: number) => void;
  /** A search of this node ended without a route. */
  readonly onRouteFailed?: (destination: NodeId, reason: Reason) => void;
}
