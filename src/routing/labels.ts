/**
 * What the anti-monopoly rules ask of a route again and again: its name and the entities of its routers, made once
 * per route and anew when entities change. Main thread only.
 */
import { nodeKey, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Entities, EntityKey } from './entities.js';
import { repeatsEntity } from './monopoly.js';
import type { Route } from './route.js';

export interface RouteLabel {
  /** The keys of all its ids: the same for every route over the same nodes. */
  readonly name: string;
  /** The keys of its routers, in the order of the route. */
  readonly routers: readonly NodeKey[];
  /** The entity of each router, in the order of the route. */
  readonly entities: readonly EntityKey[];
}

interface Versioned extends RouteLabel {
  readonly version: number;
}

export class RouteLabels {
  readonly #entities: Entities;
  readonly #labels = new WeakMap<Pick<Route, 'ids'>, Versioned>();

  constructor(entities: Entities) {
    this.#entities = entities;
  }

  of(route: Pick<Route, 'ids'>): RouteLabel {
    const { version } = this.#entities;
    const known = this.#labels.get(route);
    if (known?.version === version) return known;
    const routers = known?.routers ?? route.ids.slice(1, -1).map(nodeKey);
    const name = known?.name ?? route.ids.map(nodeKey).join('');
    const entities = routers.map((key) => this.#entities.entityOf(key));
    const label = { version, name, routers, entities };
    this.#labels.set(route, label);
    return label;
  }
}

/** The part of some routers that are among others too, 0 to 1. */
export function sharedPart(routers: readonly NodeKey[], others: readonly NodeKey[]): number {
  let shared = 0;
  for (const router of routers) if (others.includes(router)) shared += 1;
  return routers.length === 0 ? 0 : shared / routers.length;
}

/** The part of the routers of either of two routes that both share, 0 to 1. */
export function likenessOf(routers: readonly NodeKey[], others: readonly NodeKey[]): number {
  const shared = sharedPart(routers, others) * routers.length;
  return shared / Math.max(1, routers.length + others.length - shared);
}

/**
 * The few routes that are worth keeping: greedily those that share no entity with one before and repeat none among their
 * own routers, then others that repeat none, then the rest. One that no entity dominates is among them, where there is
 * one: cheaper ones would take its place, and be of no use once that entity has its share.
 * @param routes best first
 */
export function mostDiverse<R extends Route>(
  routes: readonly R[],
  labels: RouteLabels,
  isDominated: (route: R) => boolean,
): readonly R[] {
  const used = new Set<EntityKey>();
  const [disjoint, plain, repeating]: [R[], R[], R[]] = [[], [], []];
  for (const route of routes) {
    const { entities } = labels.of(route);
    if (repeatsEntity(entities)) repeating.push(route);
    else if (entities.some((entity) => used.has(entity))) plain.push(route);
    else {
      for (const entity of entities) used.add(entity);
      disjoint.push(route);
    }
  }
  const ordered = [...disjoint, ...plain, ...repeating];
  const few = ordered.slice(0, LIMITS.ROUTES_PER_DESTINATION);
  if (few.length === ordered.length || !few.every(isDominated)) return few;
  const free = ordered.find((route) => !isDominated(route));
  return free === undefined ? few : [...few.slice(0, -1), free];
}
