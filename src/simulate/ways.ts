/**
 * Routes as the simulator walks them: node and link numbers in place of ids, made once per route.
 */
import type { NodeId } from '../core/ids.js';
import type { Route } from '../routing/table.js';
import type { Network } from './network.js';

/** No such node or link: what a liar made up. */
export const NOWHERE = -1;

export interface Way {
  /** The route that it was made from; null where a packet was rerouted on its way. */
  readonly route: Route | null;
  readonly ids: readonly NodeId[];
  readonly nodes: readonly number[];
  /** From each node to the next. */
  readonly links: readonly number[];
  /** Msat that its source pays for a packet. */
  readonly priceMsat: number;
  /** When each node on it noted last that the one before relies on the rest. */
  readonly notedMillis: number[];
}

export class Ways {
  readonly #network: Network;
  readonly #ofRoute = new WeakMap<Route, Way>();

  constructor(network: Network) {
    this.#network = network;
  }

  /** The way of a route that a node knows, at that node's price. */
  of(source: number, route: Route): Way {
    const known = this.#ofRoute.get(route);
    if (known !== undefined) return known;
    const { totalMsat } = this.#network.node(source).table.calculateFee(route, 0n);
    const way = this.along(route.ids, Number(totalMsat), route);
    this.#ofRoute.set(route, way);
    return way;
  }

  along(ids: readonly NodeId[], priceMsat: number, route: Route | null = null): Way {
    const nodes = ids.map((id) => this.#network.nodeOf(id)?.index ?? NOWHERE);
    const links = nodes.slice(1).map((node, i) => {
      const before = nodes[i] ?? NOWHERE;
      return node === NOWHERE || before === NOWHERE ? NOWHERE : this.#network.links.between(before, node);
    });
    return { route, ids, nodes, links, priceMsat, notedMillis: ids.map(() => Number.NEGATIVE_INFINITY) };
  }

  /** Whether a packet would arrive that takes it now: everything is up and nobody on it harms packets. */
  works({ nodes, links }: Way): boolean {
    return (
      links.every((link) => link !== NOWHERE && this.#network.links.isUp(link)) &&
      nodes.every((node) => {
        const { isUp, liar } = this.#network.node(node);
        return isUp && (liar === null || liar.packets === 'pass');
      })
    );
  }
}
