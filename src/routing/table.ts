/**
 * The routing table: direct peers, learned routes, and with them who owns the nodes (`entities`), who forwarded how
 * much (`shares`) and the choice among routes (`chooser`). Rules: routing.md, Routes, Fees and Anti-monopoly; api.md,
 * RoutingTable. No route that it gives is expired, looping, over-long or unreachable, and none starts with a peer that is
 * not connected. Main thread only.
 */
import { LRUCache } from 'lru-cache';
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { splitFee, type FeeDistribution } from '../ledger/fee.js';
import { RouteChooser } from './chooser.js';
import { DirectPeers } from './direct-peers.js';
import { Entities } from './entities.js';
import { prefixOf } from './id-map.js';
import { likenessOf, mostDiverse, RouteLabels } from './labels.js';
import { LearnedRoutes, type Destination, type Learned } from './learned.js';
import { DEFAULT_MONOPOLY } from './monopoly.js';
import { NetworkGroups } from './network-group.js';
import { RoutePrices } from './prices.js';
import { includesNode, judgeIds, UNREACHABLE, type Route } from './route.js';
import { ForwardingShares } from './shares.js';
import type { DirectPeer, ListedRoute, RouteStats, RoutingSettings, TableObserver } from './table-types.js';

export type { Route } from './route.js';
export type { DirectPeer, ListedRoute, RouteStats, TableObserver } from './table-types.js';

export interface RoutingTableOptions extends RoutingSettings {
  readonly self: NodeId;
  readonly clock: Clock;
  /** Draws the choice among alternatives. */
  readonly random: Random;
  /** Tells the network groups of neighbours from their addresses; the operator's ASN map is in it. */
  readonly groups?: NetworkGroups;
  /** Who is who, where that is known from elsewhere; several tables may share it. */
  readonly entities?: Entities;
}

/** The alternatives of one destination, good until the first of them expires. */
interface Ranked {
  readonly id: NodeId;
  readonly routes: readonly Route[];
  readonly validUntilMillis: number;
  /** Where routes to it were learned. */
  readonly learned: Destination | undefined;
}

const ROUTE_EXPIRY_SECONDS = 3_600;

/** How much more doubtful a route is taken to be for each one over the same routers that is kept before it. */
const ALIKE = 2;

/** How long the use of a cached destination may go unnoted: often enough for an order of use. */
const NOTED_MILLIS = 1_000;

export class RoutingTable {
  readonly entities: Entities;
  readonly shares: ForwardingShares;
  readonly chooser: RouteChooser;
  readonly prices: RoutePrices;
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #groups: NetworkGroups;
  #expirySeconds: number;
  readonly #direct = new DirectPeers();
  readonly #learned: LearnedRoutes;
  #observer: TableObserver | null = null;
  /**
   * By prefix, which costs a fraction of a whole key; of two destinations that share one, the later has the place.
   * Bounded by size, not by `max`, which would reserve its whole memory at once.
   */
  readonly #cache = new LRUCache<number, Ranked>({
    maxSize: LIMITS.ROUTE_CACHE,
    sizeCalculation: () => 1,
  });

  constructor(options: RoutingTableOptions) {
    const { self, clock, random, routeExpirySeconds = ROUTE_EXPIRY_SECONDS, fees } = options;
    const { monopoly = DEFAULT_MONOPOLY, groups = new NetworkGroups(), entities = new Entities() } = options;
    const labels = new RouteLabels(entities);
    this.entities = entities;
    this.#self = self;
    this.#clock = clock;
    this.#groups = groups;
    this.prices = new RoutePrices(fees);
    this.#expirySeconds = routeExpirySeconds;
    this.#learned = new LearnedRoutes({
      expiryMillis: routeExpirySeconds * 1_000,
      worthKeeping: (routes) => this.#worthKeeping(routes, labels),
      onChanged: (destination) => {
        this.#cache.delete(prefixOf(destination));
      },
    });
    this.shares = new ForwardingShares({ entities, clock });
    this.chooser = new RouteChooser({
      entities,
      labels,
      shares: this.shares,
      clock,
      random,
      policy: monopoly,
      alternatives: (destination) => this.alternatives(destination),
      priceMsat: (route, amountMsat) => this.prices.of(route, amountMsat),
      drop: (route) => {
        this.#dropped(this.#learned.dropRoute(route));
      },
      onLosing: (destination) => {
        this.#observer?.onLosing(destination);
      },
    });
  }

  /** Holds from now on, also for the routes that are known. */
  configure(settings: RoutingSettings): void {
    const { fees, routeExpirySeconds = ROUTE_EXPIRY_SECONDS, monopoly = DEFAULT_MONOPOLY } = settings;
    this.prices.fees = fees;
    this.#expirySeconds = routeExpirySeconds;
    this.#learned.expiryMillis = routeExpirySeconds * 1_000;
    this.chooser.policy = monopoly;
    this.#cache.clear();
  }

  /** Tells the node's route discovery what changes. */
  observe(observer: TableObserver): void {
    this.#observer = observer;
  }

  /**
   * Takes in a neighbour that said who it is. An id keeps its address, and an address its id, until the peer
   * is removed.
   */
  addDirectPeer(nodeId: NodeId, address: string): Reason {
    if (equalBytes(nodeId, this.#self)) return Reason.HelloMismatch;
    const known = this.#direct.get(nodeId);
    if (known !== undefined) return known.peer.address === address ? Reason.Accepted : Reason.HelloMismatch;
    if (this.#direct.at(address) !== undefined) return Reason.HelloMismatch;
    if (this.#direct.size >= LIMITS.DIRECT_PEERS) return Reason.TooManyPeers;
    const route = { ids: [this.#self, nodeId], cost: 0n, learnedAtMillis: this.#clock.monotonicMillis() };
    const { key } = this.#direct.add(nodeId, address, route);
    this.#cache.delete(prefixOf(nodeId));
    this.entities.met(key);
    const group = this.#groups.of(address);
    if (group !== null) this.entities.setGroup(key, group);
    this.#observer?.onJoined(nodeId);
    return Reason.Accepted;
  }

  /** A neighbour is reached at another address; its routes stay. Its network group stays that of the first one. */
  moveDirectPeer(nodeId: NodeId, address: string): void {
    this.#direct.move(nodeId, address);
  }

  /** A neighbour is gone: every route that starts through it goes with it, at once. */
  removeDirectPeer(nodeId: NodeId): void {
    const entry = this.#direct.remove(nodeId);
    if (entry === undefined) return;
    const { key } = entry;
    this.#cache.delete(prefixOf(nodeId));
    this.entities.setGroup(key, null);
    this.entities.lost(key);
    this.#dropped(this.#learned.dropNeighbour(key));
  }

  /** The address of a direct peer, or null where it is none. */
  addressOf(nodeId: NodeId): string | null {
    return this.directPeerOf(nodeId)?.address ?? null;
  }

  /**
   * The direct peer of an id, with an id that is the table's own; null where it is none.
   * @param start where the id begins in the bytes
   */
  directPeerOf(bytes: Uint8Array, start = 0): DirectPeer | null {
    return this.#direct.get(bytes, start)?.peer ?? null;
  }

  /** The direct peer at an address, or null. */
  nodeAt(address: string): NodeId | null {
    return this.#direct.at(address)?.id ?? null;
  }

  /** Whether the node is connected to this one. */
  isDirectPeer(nodeId: NodeId): boolean {
    return this.#direct.get(nodeId) !== undefined;
  }

  /** The key of a direct peer, which is not made anew each time; null where the node is none. */
  directKey(nodeId: NodeId): NodeKey | null {
    return this.#direct.get(nodeId)?.key ?? null;
  }

  /** As `isDirectPeer`, by the key. */
  hasDirectKey(key: NodeKey): boolean {
    return this.#direct.byKey(key) !== undefined;
  }

  /** In the order in which they joined. */
  directPeers(): readonly DirectPeer[] {
    return this.#direct.list();
  }

  /** The direct peer of a key, or null. */
  directPeer(key: NodeKey): DirectPeer | null {
    return this.#direct.byKey(key)?.peer ?? null;
  }

  /** How long a learned route holds, in milliseconds. */
  get routeExpiryMillis(): number {
    return this.#expirySeconds * 1_000;
  }

  /** The learned routes to a destination that are no older than this, best first; their use is not noted. */
  freshRoutes(destination: NodeId, ageMillis: number): readonly Route[] {
    const now = this.#clock.monotonicMillis();
    return this.#learned
      .of(destination)
      .filter(({ learnedAtMillis }) => now - learnedAtMillis < Math.min(ageMillis, this.routeExpiryMillis));
  }

  /** The best route to each of the destinations used last, without direct peers. */
  newestRoutes(count: number): readonly Route[] {
    this.sweep();
    return this.#learned.newest(count);
  }

  /**
   * Takes a route that answers a request of this node.
   * @param route this node, a direct peer, ..., the destination; kept, not copied
   * @param cost sats
   * @returns Accepted also where three better routes are known and it is not kept
   */
  learn(route: readonly NodeId[], cost: bigint): Reason {
    const destination = route[route.length - 1];
    const firstHop = route[1];
    if (destination === undefined || firstHop === undefined) return Reason.RouteTooShort;
    const verdict = judgeIds(route, this.#self, destination);
    if (verdict !== Reason.Accepted) return verdict;
    if (cost >= UNREACHABLE) return Reason.RouteUnreachable;
    const neighbour = this.#direct.get(firstHop);
    if (neighbour === undefined) return Reason.NextHopLost;
    // A neighbour is its own shortest route while it is connected, and none when it is not.
    if (route.length === 2) return Reason.Accepted;
    const learnedAtMillis = this.#clock.monotonicMillis();
    this.#learned.add({ ids: route, cost, learnedAtMillis }, neighbour.key);
    return Reason.Accepted;
  }

  /** The best route: the cheapest, then the shortest. */
  findRoute(destination: NodeId): Route | null {
    return this.alternatives(destination)[0] ?? null;
  }

  /** At most 3 routes, best first. */
  alternatives(destination: NodeId): readonly Route[] {
    const prefix = prefixOf(destination);
    const now = this.#clock.monotonicMillis();
    const cached = this.#cache.get(prefix);
    const isCached =
      cached !== undefined && now < cached.validUntilMillis && equalBytes(cached.id, destination);
    const ranked = isCached ? cached : this.#rank(destination, now);
    if (ranked.learned !== undefined && (!isCached || now - ranked.learned.usedMillis >= NOTED_MILLIS)) {
      this.#learned.touch(ranked.learned, now);
    }
    // Destinations without a route are not cached: anybody may ask for any number of them.
    if (!isCached && ranked.routes.length > 0) this.#cache.set(prefix, ranked);
    return ranked.routes;
  }

  /**
   * Another way for a packet whose next hop is gone.
   * @param avoid ids that the route must not touch: the lost hop, and those that the packet has passed
   * @param maxIds ids that the packet's route has left, this node included
   */
  repair(destination: NodeId, avoid: readonly NodeId[], maxIds: number = LIMITS.ROUTE_IDS): Route | null {
    const isUsable = ({ ids }: Route): boolean =>
      ids.length <= maxIds && !avoid.some((id) => includesNode(ids, id));
    return this.alternatives(destination).find(isUsable) ?? null;
  }

  /**
   * What a route costs for an amount carried, and who gets it (routing.md, Fees). A route holds the sum of what its
   * routers declared, not each one's part, so that their weights differ by d alone (Anti-monopoly, 3).
   */
  calculateFee(route: Route, amountMsat: bigint): FeeDistribution {
    return splitFee(this.prices.of(route, amountMsat), this.chooser.feeWeightsOf(route));
  }

  /**
   * A node is known to have failed: drops every learned route that passes or ends there. A direct peer stays
   * until its link is gone.
   * @returns how many routes were dropped
   */
  invalidateNode(nodeId: NodeId): number {
    return this.#dropped(this.#learned.dropNode(nodeId));
  }

  /**
   * A neighbour took routes back: drops the learned ones that start through it and pass or end at one of the
   * nodes.
   * @returns how many routes were dropped
   */
  retract(neighbour: NodeId, nodes: ReadonlySet<NodeKey>): number {
    return this.#dropped(this.#learned.dropThrough(nodeKey(neighbour), nodes));
  }

  /** Drops what has expired. Lookups never return it anyway: this only frees the memory. */
  sweep(): void {
    this.#learned.dropExpired(this.#clock.monotonicMillis());
  }

  stats(): RouteStats {
    this.sweep();
    return {
      totalRoutes: this.#direct.size + this.#learned.size,
      directPeers: this.#direct.size,
      cachedRoutes: this.#cache.size,
      routeExpirySeconds: this.#expirySeconds,
    };
  }

  /** Learned routes held, expired ones that nobody asked for included. */
  get learnedCount(): number {
    return this.#learned.size;
  }

  /** Every route, direct ones first, then by age. */
  list(): readonly ListedRoute[] {
    this.sweep();
    const now = this.#clock.monotonicMillis();
    const listed = ({ ids, cost, learnedAtMillis }: Route, isDirect: boolean): ListedRoute => ({
      ids,
      cost,
      ageSeconds: Math.floor((now - learnedAtMillis) / 1_000),
      isDirect,
    });
    return [
      ...this.#direct.routes().map((route) => listed(route, true)),
      ...[...this.#learned.values()].map((route) => listed(route, false)),
    ];
  }

  /** How many routes were dropped; destinations in use that have none left are told. */
  #dropped(routes: readonly Learned[]): number {
    const now = this.#clock.monotonicMillis();
    for (const { destination } of routes) {
      const { id, usedMillis } = destination;
      const isStarved = destination.routes.length === 0 && !this.isDirectPeer(id);
      if (isStarved && now - usedMillis < LIMITS.STARVED_USED_MILLIS) this.#observer?.onStarved(id);
    }
    return routes.length;
  }

  #rank(id: NodeId, now: number): Ranked {
    this.#learned.dropExpired(now);
    const learned = this.#learned.find(id);
    const known = learned?.routes ?? [];
    let oldestMillis = Infinity;
    for (const { learnedAtMillis } of known) oldestMillis = Math.min(oldestMillis, learnedAtMillis);
    const direct = this.#direct.get(id)?.route;
    // Nothing is shorter or cheaper than a direct way.
    const routes = direct === undefined ? known : [direct, ...known].slice(0, LIMITS.ROUTES_PER_DESTINATION);
    return { id, routes, validUntilMillis: oldestMillis + this.routeExpiryMillis, learned };
  }

  /**
   * Of the routes to one destination, those that are worth keeping: a few that nobody doubts, those first that share no
   * entity; and of those over nodes that lose packets more, the least doubtful, since what works may be any of them.
   */
  #worthKeeping<R extends Route>(routes: readonly R[], labels: RouteLabels): readonly R[] {
    const rated = routes.map((route) => ({ route, doubt: this.chooser.doubtOf(route) }));
    const trusted = rated.filter(({ doubt }) => doubt === 0).map(({ route }) => route);
    const few = mostDiverse(trusted, labels, (route) => this.chooser.isDominated(route));
    const doubted = rated
      .filter(({ doubt }) => doubt > 0)
      .map(({ route, doubt }) => ({ route, doubt, likeness: 0 }));
    const kept = [...few];
    while (kept.length < LIMITS.ROUTES_DOUBTED) {
      const [first, ...others] = doubted;
      if (first === undefined) break;
      let best = first;
      for (const other of others) {
        if (other.doubt + ALIKE * other.likeness < best.doubt + ALIKE * best.likeness) best = other;
      }
      doubted.splice(doubted.indexOf(best), 1);
      kept.push(best.route);
      const { routers } = labels.of(best.route);
      for (const other of doubted) {
        other.likeness = Math.max(other.likeness, likenessOf(routers, labels.of(other.route).routers));
      }
    }
    return kept;
  }
}
