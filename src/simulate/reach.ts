/**
 * What the real network offers, seen from above: pairs within reach, cheapest prices, what plain flooding would cost.
 *
 * Rules: routing.md, Routes (at most 10 hops) and Fees.
 */
import { present } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import type { FeeSchedule } from '../core/policy.js';
import type { Network } from './network.js';
import type { Flow } from './traffic.js';

const MSAT_PER_SAT = 1_000;

/** Answers by source, made once for each. */
function bySource<T>(make: (source: number) => T): (source: number) => T {
  const known = new Map<number, T>();
  return (source) => {
    const answer = known.get(source) ?? make(source);
    known.set(source, answer);
    return answer;
  };
}

/**
 * Tells whether a flow has a way of at most 10 hops, as the network is now.
 * @param passes which nodes may stand between
 */
export function reachability(
  network: Network,
  passes: (node: number) => boolean = () => true,
): (flow: Flow) => boolean {
  const hopsFrom = bySource((source) => network.hopsFrom(source, passes, LIMITS.ROUTE_HOPS));
  const isUp = (node: number): boolean => network.node(node).isUp;
  return ({ from, to }) => isUp(from) && isUp(to) && (hopsFrom(from)[to] ?? 0) <= LIMITS.ROUTE_HOPS;
}

/**
 * The nodes that every way of at most 10 hops of a flow passes; none where there is no way.
 * @param passes which nodes may stand between
 */
export function hubsOf(
  network: Network,
  { from, to }: Flow,
  passes: (node: number) => boolean,
): readonly number[] {
  const hops = network.hopsFrom(from, passes, LIMITS.ROUTE_HOPS);
  if ((hops[to] ?? 0) > LIMITS.ROUTE_HOPS) return [];
  // Those of one shortest way, without which there is none.
  const hubs: number[] = [];
  for (let at = to; at !== from;) {
    const distance = hops[at] ?? 0;
    const before = network.links
      .ofNode(at)
      .filter((link) => network.links.isUp(link))
      .map((link) => network.links.otherEnd(link, at))
      .find((node) => hops[node] === distance - 1 && (node === from || passes(node)));
    at = present(before, 'a node that was reached was reached from one');
    if (at === from) break;
    const without = network.hopsFrom(from, (node) => node !== at && passes(node), LIMITS.ROUTE_HOPS);
    if ((without[to] ?? 0) > LIMITS.ROUTE_HOPS) hubs.push(at);
  }
  return hubs;
}

/** The cheapest price of each flow over at most 10 hops, in msat; Infinity where there is no such way. */
export function cheapestPrices(
  network: Network,
  flows: readonly Flow[],
  fees: FeeSchedule,
): readonly number[] {
  const pricesFrom = bySource((source) => cheapestFrom(network, source, fees));
  return flows.map(({ from, to }) => pricesFrom(from)[to] ?? Number.POSITIVE_INFINITY);
}

/** Bellman and Ford, one hop a round, since more hops may be cheaper and are limited. */
function cheapestFrom(network: Network, source: number, fees: FeeSchedule): Float64Array {
  const count = network.nodes.length;
  const best = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  let costs = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  costs[source] = 0;
  let reached = [source];
  for (let hops = 1; hops <= LIMITS.ROUTE_HOPS; hops++) {
    const next = costs.slice();
    const own = Number(fees.baseMsat) + Number(fees.perHopMsat) * hops;
    const newly = new Set<number>();
    for (const node of reached) {
      const asks = node === source ? 0 : Number(network.node(node).hopCostSats) * MSAT_PER_SAT;
      for (const link of network.links.ofNode(node)) {
        const other = network.links.otherEnd(link, node);
        const cost = (costs[node] ?? 0) + asks;
        if (!network.links.isUp(link) || cost >= (next[other] ?? 0)) continue;
        next[other] = cost;
        newly.add(other);
        best[other] = Math.min(best[other] ?? 0, own + cost);
      }
    }
    costs = next;
    reached = [...newly];
  }
  return best;
}

/** Messages that plain flooding takes for a route: one request that goes 10 hops everywhere, and its answer. */
export function floodMessages(network: Network, { from, to }: Flow): number {
  const hops = network.hopsFrom(from, undefined, LIMITS.ROUTE_HOPS);
  let messages = 0;
  for (const [node, distance] of hops.entries()) {
    if (node === to) messages += distance <= LIMITS.ROUTE_HOPS ? distance : 0;
    else if (distance < LIMITS.ROUTE_HOPS) {
      const degree = network.links.ofNode(node).filter((link) => network.links.isUp(link)).length;
      messages += degree - (distance === 0 ? 0 : 1);
    }
  }
  return messages;
}
