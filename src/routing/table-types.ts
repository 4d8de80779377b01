/** What the routing table shows and tells of itself (wire.md, get_route_stats; api.md). */
import type { NodeId } from '../core/ids.js';
import type { FeeSchedule } from '../core/policy.js';
import type { MonopolyPolicy } from './monopoly.js';

/** As configured; see RoutingTable.configure. */
export interface RoutingSettings {
  readonly fees: FeeSchedule;
  /** How long a learned route holds. */
  readonly routeExpirySeconds?: number;
  readonly monopoly?: MonopolyPolicy;
}

/** An authenticated neighbour. */
export interface DirectPeer {
  readonly nodeId: NodeId;
  /** Its address on its link. */
  readonly address: string;
}

/** As wire.md shows it (get_route_stats). */
export interface RouteStats {
  /** Routes to direct peers and learned ones. */
  readonly totalRoutes: number;
  readonly directPeers: number;
  /** Destinations whose alternatives are ready in the cache. */
  readonly cachedRoutes: number;
  readonly routeExpirySeconds: number;
}

/** One route, for people. */
export interface ListedRoute {
  readonly ids: readonly NodeId[];
  /** Sats. */
  readonly cost: bigint;
  readonly ageSeconds: number;
  readonly isDirect: boolean;
}

/** Who is told what changes in a table. */
export interface TableObserver {
  /** A direct peer was taken in. */
  readonly onJoined: (nodeId: NodeId) => void;
  /** A destination that was used lately has lost its last route, by a message or a failure. */
  readonly onStarved: (destination: NodeId) => void;
  /** A packet was lost, and all routes known to its destination lead over nodes that lose packets. */
  readonly onLosing: (destination: NodeId) => void;
}
