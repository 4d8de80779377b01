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
import { InternedIds } from './interned.js';
import { compareRoutes, includesNode, type Route } from './route.js';

export interface Learned extends Route {
  readonly destination: NodeKey;
  readonly firstHop: NodeKey;
  /** When it, or another route to its destination, was looked up last. */
  usedMillis: number;
}

export interface LearnedRoutesOptions {
  /** How long a route holds, in milliseconds. */
  readonly expiryMillis: number;
  /** The order in which routes to one destination are worth keeping. */
  readonly rank: (routes: readonly Learned[]) => readonly Learned[];
  /** The routes of a destination are no longer what they were. */
  readonly onChanged: (destination: NodeKey) => void;
}

export class LearnedRoutes {
  readonly #options: LearnedRoutesOptions;
  /** As in the options; may be changed. */
  expiryMillis: number;
  /** Best first. The order of the map is the order of use, oldest first. */
  readonly #byDestination = new Map<NodeKey, readonly Learned[]>();
  /** By first hop, in the order of use. */
  readonly #byNeighbour = new Map<NodeKey, Set<Learned>>();
  readonly #ids = new InternedIds();
  /** In the order in which they were learned, which is the order in which they expire. */
  readonly #byAge = new Set<Learned>();

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
   * are now; of the others those stay that are most worth keeping, at most LIMITS.ROUTES_PER_DESTINATION.
   */
  add(route: Route): void {
    this.dropExpired(route.learnedAtMillis);
    const learned = this.#labelled(route);
    const { destination, firstHop } = learned;
    const replaced = this.of(destination).find(({ ids }) => isSame(ids, learned.ids));
    if (replaced !== undefined) this.#remove(replaced);
    const rivals = this.#byDestination.get(destination) ?? [];
    if (rivals.length >= LIMITS.ROUTES_PER_DESTINATION) {
      const ranked = this.#options.rank([...rivals, learned].sort(compareRoutes));
      const worst = present(ranked[ranked.length - 1], 'a full list has a last');
      if (worst === learned) {
        this.#release(learned);
        return;
      }
      this.#remove(worst);
    }
    this.#makeRoom(learned);
    // A new list has just the room that it needs; one that grows takes room for 17.
    const routes = this.of(destination).concat(learned).sort(compareRoutes);
    this.#byDestination.set(destination, routes);
    const ofNeighbour = this.#byNeighbour.get(firstHop) ?? new Set<Learned>();
    ofNeighbour.add(learned);
    this.#byNeighbour.set(firstHop, ofNeighbour);
    this.#byAge.add(learned);
    this.#options.onChanged(destination);
  }

  /** The routes to a destination, best first. May hold expired ones. */
  of(destination: NodeKey): readonly Learned[] {
    return this.#byDestination.get(destination) ?? [];
  }

  /** Notes that the routes to a destination were used. */
  touch(destination: NodeKey, nowMillis: number): void {
    const routes = this.#byDestination.get(destination);
    if (routes === undefined) return;
    // A map and a set keep the order of insertion, so the end is the place of what was used last.
    this.#byDestination.delete(destination);
    this.#byDestination.set(destination, routes);
    for (const route of routes) {
      route.usedMillis = nowMillis;
      const ofNeighbour = this.#ofNeighbour(route.firstHop);
      ofNeighbour.delete(route);
      ofNeighbour.add(route);
    }
  }

  /** Drops what was learned at or before the time that the expiry reaches back to. */
  dropExpired(nowMillis: number): void {
    for (const route of this.#byAge) {
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
    for (const key of nodes) prefixes.add(Number.parseInt(key.slice(0, 8), 16));
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
  dropRoute({ ids }: Pick<Route, 'ids'>): readonly Learned[] {
    const last = ids[ids.length - 1];
    const held = last && this.of(nodeKey(last)).find((route) => isSame(route.ids, ids));
    return held === undefined ? [] : this.#dropWhere([held], () => true);
  }

  /** The destinations used last, each with its best route. */
  newest(count: number): readonly Route[] {
    const all = [...this.#byDestination.values()];
    return all.slice(Math.max(0, all.length - count)).flatMap((routes) => routes.slice(0, 1));
  }

  /** All routes, oldest first. */
  values(): Iterable<Route> {
    return this.#byAge;
  }

  /** With the ids before the destination shared among routes. */
  #labelled({ ids, cost, learnedAtMillis }: Route): Learned {
    const [, firstHop] = ids;
    const last = ids[ids.length - 1];
    assert(firstHop !== undefined && last !== undefined, 'a judged route has at least two ids');
    // A list that is mapped has just the room that it needs.
    const shared = ids.map((id) => (id === last ? id : this.#ids.take(id)));
    return {
      ids: shared,
      cost,
      learnedAtMillis,
      firstHop: this.#ids.keyOf(firstHop),
      destination: nodeKey(last),
      usedMillis: learnedAtMillis,
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
    if (ofNeighbour.size >= LIMITS.ROUTES_PER_NEIGHBOUR) {
      this.#remove(present(first(ofNeighbour), 'a full neighbour has a first route'));
    }
    if (this.#byDestination.size >= LIMITS.ROUTE_DESTINATIONS && !this.#byDestination.has(destination)) {
      const leastUsed = present(first(this.#byDestination.values()), 'a full store has a first destination');
      for (const route of [...leastUsed]) this.#remove(route);
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
    assert(this.#byAge.delete(route), 'a route is removed once');
    this.#release(route);
    const routes = present(this.#byDestination.get(destination), 'a held route stands under its destination');
    const left = routes.filter((other) => other !== route);
    if (left.length === 0) this.#byDestination.delete(destination);
    else this.#byDestination.set(destination, left);
    const ofNeighbour = present(this.#byNeighbour.get(firstHop), 'a held route stands under its first hop');
    ofNeighbour.delete(route);
    if (ofNeighbour.size === 0) this.#byNeighbour.delete(firstHop);
    this.#options.onChanged(destination);
  }
}

/** Whether both lead over the same nodes. */
function isSame(ids: readonly NodeId[], others: readonly NodeId[]): boolean {
  return ids.length === others.length && ids.every((id, at) => equalBytes(id, others[at] ?? id));
}

/** The ids behind this node. */
function onward({ ids }: Route): readonly NodeId[] {
  return ids.slice(1);
}

function first<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}

/** The first four bytes, as in the first eight digits of the key. */
function prefixOf(id: NodeId): number {
  return (((id[0] ?? 0) << 24) | ((id[1] ?? 0) << 16) | ((id[2] ?? 0) << 8) | (id[3] ?? 0)) >>> 0;
}
