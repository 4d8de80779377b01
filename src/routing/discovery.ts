/**
 * Route discovery: what a node does with the requests, responses and advertisements of its neighbours.
 *
 * Rules: routing.md, Discovery. Who builds the route of a response: the destination answers its predecessor p
 * with [p, destination]; p sees itself first, the sender second and the destination last, as the rule for
 * responses demands, and passes [q, p, destination] to its own predecessor q; so the same conditions hold at
 * every node, and the source receives a route that starts with itself.
 *
 * Only the destination answers: a node that merely knows a route does not. An advertisement can only take routes
 * back (cost 2^64-1); any other is refused as AdvertisementInfeasible, so that no neighbour can draw traffic to
 * itself. Main thread only.
 */
import { present } from '../core/assert.js';
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { TokenBucket } from '../core/token-bucket.js';
import type {
  DiscoveryMessage,
  RouteAdvertisement,
  RouteRequest,
  RouteResponse,
} from '../packet/discovery.js';
import { Refresher } from './refresher.js';
import { Retractions } from './retractions.js';
import { addCosts, hopsOf, includesNode, judgeResponse, UNREACHABLE, type Route } from './route.js';
import { RouteSearches, type SearchLimits } from './searches.js';
import { SeenRequests, type SeenRequest } from './seen.js';
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
  /** A search of this node found its first route. */
  readonly onRouteFound?: (route: Route) => void;
  /** A search of this node ended without a route. */
  readonly onRouteFailed?: (destination: NodeId, reason: Reason) => void;
}

/** Counted since the start, but for the first two. */
export interface DiscoveryStats {
  /** Searches of this node in flight. */
  readonly pending: number;
  /** Requests of others in memory. */
  readonly seen: number;
  readonly requestsSent: number;
  readonly requestsForwarded: number;
  readonly responsesAnswered: number;
  readonly responsesForwarded: number;
  readonly retractionsSent: number;
  readonly routesRetracted: number;
  readonly routesFound: number;
  readonly routesFailed: number;
}

interface Allowance {
  readonly requests: TokenBucket;
  readonly advertisements: TokenBucket;
}

export class RouteDiscovery {
  readonly #self: NodeId;
  readonly #table: RoutingTable;
  readonly #clock: Clock;
  readonly #hopCostSats: bigint;
  readonly #transmit: (peer: NodeId, message: DiscoveryMessage) => void;
  readonly #seen = new SeenRequests();
  readonly #searches: RouteSearches;
  readonly #retractions: Retractions;
  readonly #refresher: Refresher;
  readonly #allowances = new Map<NodeKey, Allowance>();
  readonly #counts = {
    requestsSent: 0,
    requestsForwarded: 0,
    responsesAnswered: 0,
    responsesForwarded: 0,
    retractionsSent: 0,
    routesRetracted: 0,
    routesFound: 0,
    routesFailed: 0,
  };

  constructor(options: RouteDiscoveryOptions) {
    const { self, table, clock, random, hopCostSats = 1n, transmit, onRouteFound, onRouteFailed } = options;
    this.#self = self;
    this.#table = table;
    this.#clock = clock;
    this.#hopCostSats = hopCostSats;
    this.#transmit = transmit;
    this.#searches = new RouteSearches({
      self,
      table,
      clock,
      random,
      ask: (peer, request) => {
        this.#counts.requestsSent += 1;
        transmit(peer, request);
      },
      onFound: (route) => {
        this.#counts.routesFound += 1;
        onRouteFound?.(route);
      },
      onFailed: (destination, reason) => {
        this.#counts.routesFailed += 1;
        onRouteFailed?.(destination, reason);
      },
    });
    this.#refresher = new Refresher({
      clock,
      discover: (destination) => {
        void this.discover(destination);
      },
    });
    this.#retractions = new Retractions({
      self,
      table,
      clock,
      send: (peer, message) => {
        this.#counts.retractionsSent += 1;
        transmit(peer, message);
      },
    });
  }

  /**
   * Asks the network for routes to a destination, whatever the table knows already. Callers that come while a
   * search is in flight share it, with the limits that it was started with.
   * @returns the first route found, null where none was in time; answers that come within a second after it are
   * learned as alternatives
   */
  discover(destination: NodeId, limits: SearchLimits = {}): Promise<Route | null> {
    return this.#searches.start(destination, limits);
  }

  /**
   * The known routes to a destination concentrate on too few: searches for others, at most once in
   * LIMITS.REFRESH_MILLIS for each destination.
   */
  lookForOthers(destination: NodeId): void {
    this.#refresher.request(destination);
  }

  /**
   * Handles one message.
   * @param from the neighbour that the link vouches for, never what the message says
   * @returns Accepted, or why it was dropped
   */
  handleMessage(from: NodeId, message: DiscoveryMessage): Reason {
    const fromKey = nodeKey(from);
    if (!this.#table.hasDirectKey(fromKey)) return Reason.UnauthenticatedPeer;
    switch (message.kind) {
      case 'RouteRequest':
        return this.#onRequest(from, fromKey, message);
      case 'RouteResponse':
        return equalBytes(message.source, this.#self)
          ? this.#searches.take(from, message)
          : this.#passBack(from, message);
      case 'RouteAdvertisement':
        return this.#onAdvertisement(from, fromKey, message);
    }
  }

  /** Tells the neighbours that a direct peer is gone. Called after the table has removed it. */
  announceLoss(nodeId: NodeId): void {
    this.#retractions.announce(nodeId);
  }

  /** Frees what is no longer needed. Called now and then; every bound holds without it. */
  sweep(): void {
    this.#table.sweep();
    this.#seen.dropExpired(this.#clock.monotonicMillis());
    for (const key of this.#allowances.keys()) {
      if (!this.#table.hasDirectKey(key)) this.#allowances.delete(key);
    }
  }

  stats(): DiscoveryStats {
    return { pending: this.#searches.size, seen: this.#seen.size, ...this.#counts };
  }

  /** Ends every search with null and sends nothing more of its own accord. */
  close(): void {
    this.#searches.close();
    this.#retractions.close();
    this.#refresher.close();
  }

  #onRequest(from: NodeId, fromKey: NodeKey, request: RouteRequest): Reason {
    const { destination, source, requestId } = request;
    if (equalBytes(source, this.#self)) return Reason.RequestSeen;
    if (equalBytes(source, destination)) return Reason.Loopback;
    if (request.maxHops === 0) return Reason.HopsExhausted;
    const now = this.#clock.monotonicMillis();
    const hopsLeft = Math.min(request.maxHops, LIMITS.ROUTE_HOPS);
    const seen = this.#seen.get(source, requestId, now);
    if (seen !== undefined && !isFartherReaching(seen, request, hopsLeft)) return Reason.RequestSeen;
    if (!this.#allowanceOf(fromKey, now).requests.take(now)) return Reason.RequestQuotaExceeded;

    const isForUs = equalBytes(destination, this.#self);
    const wayBack = { previous: from, hopsLeft };
    if (seen !== undefined) {
      seen.waysBack.push(wayBack);
      return this.#forward(from, request, seen, hopsLeft - 1);
    }
    const handled = {
      destination,
      firstSeenMillis: now,
      waysBack: [wayBack],
      askedOnly: null,
      isAnswered: isForUs,
    };
    this.#seen.add(source, requestId, handled);
    if (!isForUs) return this.#forward(from, request, handled, hopsLeft - 1);
    this.#counts.responsesAnswered += 1;
    const route = [from, this.#self];
    this.#transmit(from, { kind: 'RouteResponse', destination, source, requestId, route, cost: 0n });
    return Reason.Accepted;
  }

  /** Passes a request on: to the destination alone where it is a neighbour, otherwise to everyone else. */
  #forward(from: NodeId, request: RouteRequest, seen: SeenRequest, maxHops: number): Reason {
    const { destination, source } = request;
    if (maxHops === 0) return Reason.HopsExhausted;
    const forwarded: RouteRequest = { ...request, maxHops };
    const send = (peer: NodeId): void => {
      this.#counts.requestsForwarded += 1;
      this.#transmit(peer, forwarded);
    };
    if (this.#table.isDirectPeer(destination) && !equalBytes(destination, from)) {
      seen.askedOnly = destination;
      send(destination);
      return Reason.Accepted;
    }
    seen.askedOnly = null;
    for (const { nodeId } of this.#table.directPeers()) {
      if (!equalBytes(nodeId, from) && !equalBytes(nodeId, source)) send(nodeId);
    }
    return Reason.Accepted;
  }

  /** Passes a response back on the ways that its request came, with this node's cost added. */
  #passBack(from: NodeId, response: RouteResponse): Reason {
    const { source, requestId, route } = response;
    const seen = this.#seen.get(source, requestId, this.#clock.monotonicMillis());
    if (seen === undefined || seen.isAnswered) return Reason.ResponseNotAsked;
    if (seen.askedOnly !== null && !equalBytes(seen.askedOnly, from)) return Reason.ResponseNotAsked;
    const farthest = present(seen.waysBack[seen.waysBack.length - 1], 'a request came from somewhere');
    const verdict = judgeResponse(response, this.#self, from, seen.destination, farthest.hopsLeft);
    if (verdict !== Reason.Accepted) return verdict;
    if (includesNode(route, source)) return Reason.RouteRepeatsNode;
    const cost = addCosts(response.cost, this.#hopCostSats);
    if (cost >= UNREACHABLE) return Reason.RouteUnreachable;

    const waysBack = seen.waysBack.filter(
      ({ previous, hopsLeft }) => hopsOf(route) <= hopsLeft && !includesNode(route, previous),
    );
    if (waysBack.length === 0) return Reason.RouteRepeatsNode;
    const connected = waysBack.filter(({ previous }) => this.#table.isDirectPeer(previous));
    if (connected.length === 0) return Reason.NextHopLost;
    seen.isAnswered = true;
    for (const { previous } of connected) {
      this.#counts.responsesForwarded += 1;
      this.#transmit(previous, { ...response, route: [previous, ...route], cost });
    }
    return Reason.Accepted;
  }

  #onAdvertisement(from: NodeId, fromKey: NodeKey, { source, routes }: RouteAdvertisement): Reason {
    const now = this.#clock.monotonicMillis();
    if (!equalBytes(source, from)) return Reason.UnauthenticatedPeer;
    if (!this.#allowanceOf(fromKey, now).advertisements.take(now)) return Reason.AdvertisementQuotaExceeded;
    const retracted = routes.filter(({ cost }) => cost === UNREACHABLE);
    if (retracted.length > 0) {
      const lost = new Set(retracted.map(({ destination }) => nodeKey(destination)));
      this.#counts.routesRetracted += this.#table.retract(from, lost);
    }
    return retracted.length === routes.length ? Reason.Accepted : Reason.AdvertisementInfeasible;
  }

  #allowanceOf(key: NodeKey, now: number): Allowance {
    const known = this.#allowances.get(key);
    if (known !== undefined) return known;
    // A peer that leaves and comes back finds its allowance as it left it, until a sweep.
    if (this.#allowances.size >= 2 * LIMITS.DIRECT_PEERS) this.sweep();
    const fresh = {
      requests: new TokenBucket(LIMITS.REQUESTS_PER_NEIGHBOUR, LIMITS.REQUESTS_PER_NEIGHBOUR, now),
      advertisements: new TokenBucket(
        LIMITS.ADVERTISEMENTS_PER_NEIGHBOUR,
        LIMITS.ADVERTISEMENTS_PER_NEIGHBOUR,
        now,
      ),
    };
    this.#allowances.set(key, fresh);
    return fresh;
  }
}

/**
 * Whether a request that was handled already may go on once more. The first copy to arrive need not have come the
 * shortest way; if it alone counted, a destination 10 hops away would be missed whenever a detour was faster. So a
 * copy that may still go strictly farther is forwarded too: at most 9 times, within the neighbour's allowance.
 * It adds a way back and replaces none, so that no neighbour can take an answer away from another by a high count.
 */
function isFartherReaching(seen: SeenRequest, request: RouteRequest, hopsLeft: number): boolean {
  if (seen.isAnswered || !equalBytes(seen.destination, request.destination)) return false;
  return seen.waysBack.every((way) => way.hopsLeft < hopsLeft);
}
