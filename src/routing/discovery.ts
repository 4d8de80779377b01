/**
 * Route discovery: what a node does with the requests, responses and advertisements of its neighbours.
 *
 * Rules: routing.md, Discovery; docs/routing.md tells the whole protocol. Who builds the route of a response: whoever
 * answers gives its predecessor p the list [p, itself, ..., destination]; p sees itself first, the sender second and
 * the destination last, as the rule for responses demands, and passes [q, p, ...] to its own predecessor q; so the
 * same conditions hold at every node, and the source receives a route that starts with itself.
 *
 * The destination answers, and for a selective request also a node whose own search found a route moments ago.
 * Advertisements are hints whom to ask first (hints.ts); they install no route. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import type {
  AdvertisedRoute,
  DiscoveryMessage,
  RouteAdvertisement,
  RouteRequest,
  RouteResponse,
} from '../packet/discovery.js';
import { Allowances } from './allowances.js';
import { Advertiser } from './advertiser.js';
import type { RouteDiscoveryOptions } from './discovery-options.js';
import { Hints } from './hints.js';
import { Precursors } from './precursors.js';
import { Refresher } from './refresher.js';
import { admitsDominant, reachOf, Relays } from './relays.js';
import { addCosts, hopsOf, includesNode, judgeResponse, UNREACHABLE, type Route } from './route.js';
import { RouteSearches, type SearchLimits } from './searches.js';
import { isFartherReaching, SeenRequests, type SeenRequest } from './seen.js';
import { shunnedBy } from './shunning.js';
import { DiscoveryCounts, type DiscoveryStats } from './stats.js';
import type { RoutingTable } from './table.js';

export class RouteDiscovery {
  readonly #self: NodeId;
  readonly #table: RoutingTable;
  readonly #clock: Clock;
  readonly #hopCostSats: bigint;
  readonly #transmit: (peer: NodeId, message: DiscoveryMessage) => void;
  readonly #seen = new SeenRequests();
  readonly #searches: RouteSearches;
  readonly #hints: Hints;
  readonly #relays: Relays;
  readonly #precursors: Precursors;
  readonly #advertiser: Advertiser;
  readonly #refresher: Refresher;
  readonly #allowances = new Allowances();
  readonly #counts = new DiscoveryCounts();

  constructor(options: RouteDiscoveryOptions) {
    const { self, table, clock, random, hopCostSats = 1n, transmit, onRouteFound, onRouteFailed } = options;
    this.#self = self;
    this.#table = table;
    this.#clock = clock;
    this.#hopCostSats = hopCostSats;
    this.#transmit = transmit;
    this.#hints = new Hints(self);
    this.#relays = new Relays({ self, table, hints: this.#hints });
    this.#precursors = new Precursors(table.routeExpiryMillis / 2);
    this.#searches = new RouteSearches({
      self,
      table,
      clock,
      random,
      relays: this.#relays,
      contradicts: (from, response) => this.#contradicts(from, response),
      ask: (peer, request) => {
        this.#counts.requestsSent += 1;
        transmit(peer, request);
      },
      onFound: (route, tookMillis) => {
        this.#counts.routesFound += 1;
        const destination = route.ids[route.ids.length - 1];
        if (destination !== undefined) this.#hints.answered(destination);
        onRouteFound?.(route, tookMillis);
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
    this.#advertiser = new Advertiser({
      self,
      table,
      clock,
      random,
      hopCostSats: this.#hopCostSats,
      near: (nowMillis) => this.#hints.near(nowMillis),
      send: (peer, message) => {
        this.#counts.advertisementsSent += 1;
        transmit(peer, message);
      },
      onAnnounced: (destination, cost) => {
        this.#hints.announced(destination, cost, clock.monotonicMillis());
      },
    });
    table.observe({
      onJoined: (nodeId) => {
        this.#advertiser.joined(nodeId);
      },
      onStarved: (destination) => {
        this.lookForOthers(destination);
      },
      onLosing: (destination) => {
        this.lookForOthers(destination, true);
      },
    });
  }

  /** Starts to advertise every 30 s. Requests and responses are handled without it. */
  start(): void {
    this.#advertiser.start();
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
   * The known routes to a destination concentrate on too few, or fail: searches for others now and then, ever less often
   * where that has not helped.
   * @param isLosing packets are lost meanwhile: as often each time
   */
  lookForOthers(destination: NodeId, isLosing = false): void {
    const { REFRESH_LOSING_MILLIS, REFRESH_MILLIS_MOST } = LIMITS;
    this.#refresher.request(destination, isLosing ? REFRESH_LOSING_MILLIS : REFRESH_MILLIS_MOST);
  }

  /**
   * Handles one message.
   * @param from the neighbour that the link vouches for, never what the message says
   * @returns Accepted, or why it was dropped
   */
  handleMessage(from: NodeId, message: DiscoveryMessage): Reason {
    const fromKey = this.#table.directKey(from);
    if (fromKey === null) return Reason.UnauthenticatedPeer;
    switch (message.kind) {
      case 'RouteRequest':
        return this.#onRequest(from, fromKey, message);
      case 'RouteResponse':
        return equalBytes(message.source, this.#self)
          ? this.#searches.take(from, message)
          : this.#passBack(from, fromKey, message);
      case 'RouteAdvertisement':
        return this.#onAdvertisement(from, fromKey, message);
    }
  }

  /** A direct peer is gone: its hints go and the other neighbours are told. Called after the table has removed it. */
  announceLoss(nodeId: NodeId): void {
    this.#hints.dropNeighbour(nodeKey(nodeId));
    this.#advertiser.lost(nodeId);
  }

  /**
   * A packet went on along its route: the neighbour that it came from relies on the rest of it.
   * @param position where this node stands on the route, 1 or more
   */
  packetForwarded(route: readonly NodeId[], position: number): void {
    const before = route[position - 1];
    if (before === undefined) return;
    this.#precursors.note(nodeKey(before), route.slice(position + 1), this.#clock.monotonicMillis());
  }

  /**
   * A packet has no way on from here: the RouteFailed to its source. The neighbour that it came from is told that the
   * next hop is lost; it drops its routes through here to it and tells those who rely on them, up to the source.
   * @param position where this node stands on the route
   */
  packetFailed(route: readonly NodeId[], position: number): void {
    const [before, nextHop] = [route[position - 1], route[position + 1]];
    if (before === undefined || nextHop === undefined) return;
    this.#advertiser.retract(nextHop, new Set([nodeKey(before)]));
  }

  /** Frees what is no longer needed. Called now and then; every bound holds without it. */
  sweep(): void {
    this.#table.sweep();
    const now = this.#clock.monotonicMillis();
    this.#seen.dropExpired(now);
    this.#hints.sweep(now);
    this.#allowances.sweep((key) => this.#table.hasDirectKey(key));
  }

  stats(): DiscoveryStats {
    return this.#counts.stats(this.#searches.size, this.#seen.size);
  }

  /** Ends every search with null and sends nothing more of its own accord. */
  close(): void {
    this.#searches.close();
    this.#advertiser.close();
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
    if (seen !== undefined && shunnedBy(requestId) !== null)
      return this.#onCopy(from, fromKey, request, seen);
    if (seen !== undefined && !isFartherReaching(seen, request, hopsLeft)) return Reason.RequestSeen;
    if (!this.#allowances.of(fromKey, now).requests.take(now)) return Reason.RequestQuotaExceeded;

    const wayBack = { previous: from, hopsLeft: hopsLeft - 1 };
    if (seen !== undefined) {
      seen.waysBack.push(wayBack);
      return this.#forward(from, request, seen, hopsLeft - 1);
    }
    const route = this.#answerTo(from, request, hopsLeft, now);
    const handled: SeenRequest = {
      source,
      destination,
      firstSeenMillis: now,
      waysBack: [wayBack],
      asked: new Map<NodeKey, number>(),
      answersLeft: route === null ? LIMITS.ANSWERS_TAKEN : 0,
    };
    this.#seen.add(requestId, handled);
    if (route === null) return this.#forward(from, request, handled, hopsLeft - 1);
    this.#answer(from, request, route);
    return Reason.Accepted;
  }

  /**
   * A later copy of a thorough request (shunning.ts): answers go back to its sender as well, and the destination answers
   * it. Otherwise whoever is first to pass a request on, and swallows the answers, would keep them from all others.
   */
  #onCopy(from: NodeId, fromKey: NodeKey, request: RouteRequest, seen: SeenRequest): Reason {
    const { waysBack } = seen;
    const now = this.#clock.monotonicMillis();
    const wayBack = { previous: from, hopsLeft: Math.min(request.maxHops, LIMITS.ROUTE_HOPS) - 1 };
    const isFarther = waysBack.every(({ hopsLeft }) => hopsLeft < wayBack.hopsLeft);
    const known = waysBack.findIndex(({ previous }) => equalBytes(previous, from));
    const hasRoom = known < 0 && waysBack.length < LIMITS.WAYS_BACK;
    if (!equalBytes(seen.destination, request.destination)) return Reason.RequestSeen;
    if (!isFarther && !hasRoom) return Reason.RequestSeen;
    if (isFarther && !this.#allowances.of(fromKey, now).requests.take(now))
      return Reason.RequestQuotaExceeded;
    if (known >= 0) waysBack.splice(known, 1);
    waysBack.push(wayBack);
    if (isFarther && seen.answersLeft > 0) return this.#forward(from, request, seen, wayBack.hopsLeft);
    if (known < 0 && equalBytes(seen.destination, this.#self)) {
      this.#answer(from, request, { ids: [this.#self], cost: 0n });
    }
    return Reason.Accepted;
  }

  /** Answers with the ids from this node on. */
  #answer(
    from: NodeId,
    { destination, source, requestId }: RouteRequest,
    { ids, cost }: Pick<Route, 'ids' | 'cost'>,
  ): void {
    this.#counts.responsesAnswered += 1;
    this.#transmit(from, {
      kind: 'RouteResponse',
      destination,
      source,
      requestId,
      route: [from, ...ids],
      cost,
    });
  }

  /** What this node answers by itself: the ids from itself on, and what the asker pays for the nodes between. */
  #answerTo(
    from: NodeId,
    { destination, source, requestId }: RouteRequest,
    hopsLeft: number,
    now: number,
  ): Pick<Route, 'ids' | 'cost'> | null {
    if (equalBytes(destination, this.#self)) return { ids: [this.#self], cost: 0n };
    if (reachOf(requestId) === 'everybody') return null;
    const fresh = this.#table.freshRoutes(destination, LIMITS.ANSWER_FRESH_MILLIS).find((route) => {
      const { ids } = route;
      const isAllowed = admitsDominant(requestId) || !this.#table.chooser.isDominated(route);
      return isAllowed && hopsOf(ids) < hopsLeft && !includesNode(ids, from) && !includesNode(ids, source);
    });
    const cost = fresh === undefined ? UNREACHABLE : addCosts(fresh.cost, this.#hopCostSats);
    if (fresh === undefined || cost >= UNREACHABLE) return null;
    this.#counts.responsesFromTable += 1;
    this.#precursors.note(nodeKey(from), fresh.ids.slice(1), now);
    return { ids: fresh.ids, cost };
  }

  /** Passes a request on, to whom relays.ts selects. */
  #forward(from: NodeId, request: RouteRequest, seen: SeenRequest, maxHops: number): Reason {
    if (maxHops === 0) return Reason.HopsExhausted;
    const { kind, requestId, destination, source } = request;
    const question = { requestId, destination, source, from, hopsLeft: maxHops };
    const forwarded: RouteRequest = { kind, destination, source, requestId, maxHops };
    for (const peer of this.#relays.of(question, this.#clock.monotonicMillis())) {
      seen.asked.set(this.#table.directKey(peer) ?? nodeKey(peer), LIMITS.ANSWERS_TAKEN_OF_ONE);
      this.#counts.requestsForwarded += 1;
      this.#transmit(peer, forwarded);
    }
    return Reason.Accepted;
  }

  /**
   * Passes a response back on the ways that its request came, with this node's cost added. Of several neighbours that
   * answer, the first few are heard: a liar that is quick keeps nobody from the truth.
   */
  #passBack(from: NodeId, fromKey: NodeKey, response: RouteResponse): Reason {
    const { source, requestId, route } = response;
    const seen = this.#seen.get(source, requestId, this.#clock.monotonicMillis());
    if (seen === undefined || seen.answersLeft === 0) return Reason.ResponseNotAsked;
    const answersLeft = seen.asked.get(fromKey) ?? 0;
    if (answersLeft === 0) return Reason.ResponseNotAsked;
    const farthest = Math.max(...seen.waysBack.map((way) => way.hopsLeft));
    const verdict = judgeResponse(response, this.#self, from, seen.destination, farthest);
    if (verdict !== Reason.Accepted) return verdict;
    if (includesNode(route, source)) return Reason.RouteRepeatsNode;
    if (this.#contradicts(fromKey, response)) return Reason.ResponseBadRoute;
    const cost = addCosts(response.cost, this.#hopCostSats);
    if (cost >= UNREACHABLE) return Reason.RouteUnreachable;

    const waysBack = seen.waysBack.filter(
      ({ previous, hopsLeft }) => hopsOf(route) <= hopsLeft && !includesNode(route, previous),
    );
    if (waysBack.length === 0) return Reason.RouteRepeatsNode;
    const connected = waysBack.filter(({ previous }) => this.#table.isDirectPeer(previous));
    if (connected.length === 0) return Reason.NextHopLost;
    seen.answersLeft -= 1;
    seen.asked.set(fromKey, answersLeft - 1);
    const now = this.#clock.monotonicMillis();
    this.#hints.answered(seen.destination);
    for (const { previous } of connected) {
      this.#precursors.note(nodeKey(previous), route.slice(1), now);
      this.#counts.responsesForwarded += 1;
      this.#transmit(previous, { ...response, route: [previous, ...route], cost });
    }
    return Reason.Accepted;
  }

  /**
   * Whether a neighbour answers with a way over a node that, by its own advertisements, it is not next to. Not held
   * against answers to a request for everybody: it is there for what is newer than the last advertisement.
   */
  #contradicts(from: NodeKey, { requestId, route }: RouteResponse): boolean {
    const [, , next] = route;
    if (next === undefined) return false;
    if (reachOf(requestId) === 'everybody') {
      const shuns = shunnedBy(requestId);
      return shuns !== null && route.slice(1, -1).some(shuns);
    }
    return this.#hints.deniesNext(from, next, this.#clock.monotonicMillis());
  }

  #onAdvertisement(from: NodeId, fromKey: NodeKey, { source, routes }: RouteAdvertisement): Reason {
    const now = this.#clock.monotonicMillis();
    if (!equalBytes(source, from)) return Reason.UnauthenticatedPeer;
    if (!this.#allowances.of(fromKey, now).advertisements.take(now)) return Reason.AdvertisementQuotaExceeded;
    const retracted = routes.filter(({ cost }) => cost === UNREACHABLE);
    this.#retracted(from, fromKey, retracted);
    let verdict: Reason | null = retracted.length > 0 || routes.length === 0 ? Reason.Accepted : null;
    for (const route of routes) {
      if (route.cost === UNREACHABLE) continue;
      const reason = this.#hints.take(fromKey, route, now);
      if (reason === Reason.Accepted) this.#counts.hintsTaken += 1;
      else this.#counts.hintsRefused += 1;
      // One good hint makes a good message: many neighbours advertise what this node reaches as well itself.
      if (verdict === null || reason === Reason.Accepted) verdict = reason;
    }
    return verdict ?? Reason.Accepted;
  }

  /** A neighbour has lost nodes: what led through it to them goes, and those who rely on that are told. */
  #retracted(from: NodeId, fromKey: NodeKey, routes: readonly AdvertisedRoute[]): void {
    if (routes.length === 0) return;
    const lost = new Set(routes.map(({ destination }) => nodeKey(destination)));
    this.#counts.routesRetracted += this.#table.retract(from, lost);
    for (const { destination } of routes) {
      this.#hints.retract(fromKey, destination);
      const relying = this.#precursors.take(from, destination);
      if (relying.size > 0) this.#advertiser.retract(destination, relying);
    }
  }
}
