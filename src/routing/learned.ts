/**
 * The store of learned routes: by destination, by first hop and by age, each of them bounded.
 *
 * Rules: routing.md, Routes (expiry), Discovery (1,024 routes per neighbour), Anti-monopoly 2 (up to 3 alternatives,
 * disjoint by entity where they can be).
 * Where a bound is reached, the least recently used goes: every route here answers a question of this node's own,
 * so what it used last is what it needs. Main thread only.
 */
import { assert, present } from '../core/assert.js';
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { IdMap, prefixOf, prefixOfKey } from './id-map.js';
import { InternedIds } from './interned.js';
import { Queue, type Queued } from '../core/queue.js';
import { compareRoutes, includesNode, type Route } from './route.js';

/** A destination that routes were learned to. */
export interface Destination extends Queued<Destination> {
  readonly id: NodeId;
  /** Best first; a list is never changed, but replaced. None once the last has gone, and then it is forgotten. */
  routes: readonly Learned[];
  /** When it was looked up, or a route to it learned, last. */
  usedMillis: number;
  /** The number of that use among all uses. */
  lastUse: number;
}

export interface Learned extends Route, Queued<Learned> {
  readonly destination: Destination;
  readonly firstHop: NodeKey;
}

export interface LearnedRoutesOptions {
  /** How long a route holds, in milliseconds. */
  readonly expiryMillis: number;
  /** Of more routes to one destination than LIMITS.ROUTES_PER_DESTINATION, cheapest first: those that are worth keeping. */
  readonly worthKeeping: (routes: readonly Learned[]) => readonly Learned[];
  /** The routes of a destination are no longer what they were. */
  readonly onChanged: (destination: NodeId) => void;
}

export class LearnedRoutes {
  readonly #options: LearnedRoutesOptions;
  /** As in the options; may be changed. */
  expiryMillis: number;
  readonly #destinations = new IdMap<Destination>();
  /** In the order of use. */
  readonly #byUse = new Queue<Destination>();
  readonly #byNeighbour = new Map<NodeKey, Set<Learned>>();
  /** In the order in which they were learned, which is the order in which they expire. */
  readonly #byAge = new Queue<Learned>();
  readonly #ids = new InternedIds();
  #uses = 0;

  constructor(options: LearnedRoutesOptions) {
    this.#options = options;
    this.expiryMillis = options.expiryMillis;
  }

  /** Routes held, expired ones that nobody asked for included. */
  get size(): number {
    return this.#byAge.size;
  }

  /**
   * Takes a route whose shape was judged. One over the same nodes is replaced, since the newer answer tells how things
   * are now; of the others those stay that are worth keeping.
   * @param firstHop the key of its second id
   */
  add(route: Route, firstHop: NodeKey): void {
    this.dropExpired(route.learnedAtMillis);
    const replaced = this.of(endOf(route)).find(({ ids }) => isSame(ids, route.ids));
    if (replaced !== undefined) this.#remove(replaced);
    const learned = this.#shared(route, firstHop);
    const { destination } = learned;
    if (destination.routes.length >= LIMITS.ROUTES_PER_DESTINATION) {
      const kept = this.#options.worthKeeping([...destination.routes, learned].sort(compareRoutes));
      if (!kept.includes(learned)) {
        this.#release(learned);
        return;
      }
      for (const other of destination.routes) if (!kept.includes(other)) this.#remove(other);
    }
    this.#makeRoom(learned);
    if (destination.routes.length === 0) {
      this.#destinations.add(destination);
      this.#byUse.push(destination);
    }
    // A new list has just the room that it needs; one that grows takes room for 17.
    destination.routes = destination.routes.concat(learned).sort(compareRoutes);
    this.touch(destination, route.learnedAtMillis);
    const ofNeighbour = this.#byNeighbour.get(firstHop) ?? new Set<Learned>();
    ofNeighbour.add(learned);
    this.#byNeighbour.set(firstHop, ofNeighbour);
    this.#byAge.push(learned);
    this.#options.onChanged(destination.id);
  }

  /** What is known of a destination, where a route to it is held. */
  find(id: NodeId): Destination | undefined {
    return this.#destinations.get(id);
  }

  /** The routes to a destination, best first. May hold expired ones. */
  of(id: NodeId): readonly Learned[] {
    return this.find(id)?.routes ?? [];
  }

  /** Notes that a destination was looked up. */
  touch(destination: Destination, nowMillis: number): void {
    destination.usedMillis = nowMillis;
    destination.lastUse = this.#uses++;
    if (this.#byUse.newest === destination) return;
    this.#byUse.remove(destination);
    this.#byUse.push(destination);
  }

  /** Drops what was learned at or before the time that the expiry reaches back to. */
  dropExpired(nowMillis: number): void {
    for (let route = this.#byAge.oldest; route !== null; route = this.#byAge.oldest) {
      if (nowMillis - route.learnedAtMillis < this.expiryMillis) return;
      this.#remove(route);
    }
  }

  /** Drops the routes that start through a neighbour, and gives them. */
  dropNeighbour(neighbour: NodeKey): readonly Learned[] {
    return this.#dropWhere(this.#ofNeighbour(neighbour), () => true);
  }

  /**
   * Drops the routes that start through a neighbour and pass or end at one of the nodes.
   * @returns them
   */
  dropThrough(neighbour: NodeKey, nodes: ReadonlySet<NodeKey>): readonly Learned[] {
    const prefixes = new Set<number>();
    for (const key of nodes) prefixes.add(prefixOfKey(key));
    // A key costs far more to make than a prefix, and a hostile neighbour may name hundreds of nodes.
    const isNamed = (id: NodeId): boolean => prefixes.has(prefixOf(id)) && nodes.has(nodeKey(id));
    return this.#dropWhere(this.#ofNeighbour(neighbour), (route) => onward(route).some(isNamed));
  }

  /**
   * Drops every route that passes or ends at a node. Looks at all routes.
   * @returns them
   */
  dropNode(node: NodeId): readonly Learned[] {
    return this.#dropWhere(this.#byAge, (route) => includesNode(onward(route), node));
  }

  /** Drops the route over exactly these nodes, and gives it where it was held. */
  dropRoute(route: Pick<Route, 'ids'>): readonly Learned[] {
    const held = this.of(endOf(route)).find(({ ids }) => isSame(ids, route.ids));
    return held === undefined ? [] : this.#dropWhere([held], () => true);
  }

  /** The best route to each of the destinations used last, the last of them at the end. */
  newest(count: number): readonly Route[] {
    const best: Route[] = [];
    for (let one = this.#byUse.newest; one !== null && best.length < count; one = one.older) {
      best.push(present(one.routes[0], 'a destination that is held has a route'));
    }
    return best.reverse();
  }

  /** All routes, oldest first. */
  values(): Iterable<Route> {
    return this.#byAge;
  }

  /** With the ids shared among routes, and under what is known of its destination. */
  #shared(route: Route, firstHop: NodeKey): Learned {
    const last = endOf(route);
    const destination = this.find(last) ?? {
      id: last,
      routes: [],
      usedMillis: 0,
      lastUse: 0,
      older: null,
      newer: null,
    };
    return {
      // A list that is mapped has just the room that it needs.
      ids: route.ids.map((id) => (id === last ? destination.id : this.#ids.take(id))),
      cost: route.cost,
      learnedAtMillis: route.learnedAtMillis,
      destination,
      firstHop,
      older: null,
      newer: null,
    };
  }

  #release({ ids }: Learned): void {
    for (const id of ids.slice(0, -1)) this.#ids.release(id);
  }

  #ofNeighbour(neighbour: NodeKey): Set<Learned> {
    return this.#byNeighbour.get(neighbour) ?? new Set<Learned>();
  }

  #makeRoom({ firstHop, destination }: Learned): void {
    const ofNeighbour = this.#ofNeighbour(firstHop);
    if (ofNeighbour.size >= LIMITS.ROUTES_PER_NEIGHBOUR) this.#remove(leastUsed(ofNeighbour));
    if (this.#byUse.size >= LIMITS.ROUTE_DESTINATIONS && destination.routes.length === 0) {
      const { routes } = present(this.#byUse.oldest, 'a full store has an oldest destination');
      for (const route of routes) this.#remove(route);
    }
  }

  #dropWhere(routes: Iterable<Learned>, matches: (route: Learned) => boolean): readonly Learned[] {
    const dropped: Learned[] = [];
    for (const route of routes) if (matches(route)) dropped.push(route);
    for (const route of dropped) this.#remove(route);
    return dropped;
  }

  #remove(route: Learned): void {
    const { destination, firstHop } = route;
    this.#byAge.remove(route);
    this.#release(route);
    destination.routes = destination.routes.filter((other) => other !== route);
    if (destination.routes.length === 0) {
      this.#destinations.delete(destination.id);
      this.#byUse.remove(destination);
    }
    const ofNeighbour = present(this.#byNeighbour.get(firstHop), 'a held route stands under its first hop');
    assert(ofNeighbour.delete(route), 'a route is removed once');
    if (ofNeighbour.size === 0) this.#byNeighbour.delete(firstHop);
    this.#options.onChanged(destination.id);
  }
}

/** The destination of a judged route. */
function endOf({ ids }: Pick<Route, 'ids'>): NodeId {
  return present(ids[ids.length - 1], 'a judged route has a last id');
}

/** The one whose destination was used longest ago, of several to it the oldest. */
function leastUsed(routes: Iterable<Learned>): Learned {
  let least: Learned | null = null;
  for (const route of routes) {
    if (least === null || route.destination.lastUse < least.destination.lastUse) least = route;
  }
  assert(least !== null, 'a full neighbour has routes');
  return least;
}

/** Whether both lead over the same nodes. */
function isSame(ids: readonly NodeId[], others: readonly NodeId[]): boolean {
  return ids.length === others.length && ids.every((id, at) => equalBytes(id, others[at] ?? id));
}

/** The ids behind this node. */
function onward({ ids }: Route): readonly NodeId[] {
  return ids.slice(1);
}
