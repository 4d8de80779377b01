/**
 * A route: the whole list of ids from this node to a destination, and what it costs.
 *
 * Rules: routing.md, Routes (at most 10 hops, no id twice, costs in sats that saturate at 2^64-1 = unreachable).
 */
import { U64_MAX } from '../core/bincode.js';
import { equalBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import type { RouteResponse } from '../packet/discovery.js';

/** A way to a destination. Never changed after it was made. */
export interface Route {
  /** 2 to 11 distinct ids: this node, the first hop (a direct peer), ..., the destination. */
  readonly ids: readonly NodeId[];
  /** Sats: the sum of what the nodes between the two ends declared. Below 2^64-1. */
  readonly cost: bigint;
  /** When it was learned, by the monotonic clock. */
  readonly learnedAtMillis: number;
}

/** The first 48 bits of an id, for maps in which a collision does no harm. */
export function shortKey(id: NodeId): number {
  const high = ((id[0] ?? 0) << 16) | ((id[1] ?? 0) << 8) | (id[2] ?? 0);
  const low = ((id[3] ?? 0) << 16) | ((id[4] ?? 0) << 8) | (id[5] ?? 0);
  return high * 0x100_0000 + low;
}

/** The cost that means unreachable. */
export const UNREACHABLE: bigint = U64_MAX;

/** The sum of two costs in sats, at most 2^64-1. */
export function addCosts(a: bigint, b: bigint): bigint {
  const sum = a + b;
  return sum > UNREACHABLE ? UNREACHABLE : sum;
}

/** Cheapest first, then shortest; otherwise as they stand. */
export function compareRoutes(a: Route, b: Route): number {
  if (a.cost !== b.cost) return a.cost < b.cost ? -1 : 1;
  return a.ids.length - b.ids.length;
}

/** Hops of a list of ids. */
export function hopsOf(ids: readonly NodeId[]): number {
  return ids.length - 1;
}

/** Whether the id is one of them. */
export function includesNode(ids: readonly NodeId[], id: NodeId): boolean {
  return ids.some((other) => equalBytes(other, id));
}

/**
 * Judges the shape of a list of ids that should lead from one node to another.
 * @param maxIds the longest list allowed, at most LIMITS.ROUTE_IDS
 */
export function judgeIds(
  ids: readonly NodeId[],
  first: NodeId,
  last: NodeId,
  maxIds: number = LIMITS.ROUTE_IDS,
): Reason {
  const start = ids[0];
  const end = ids[ids.length - 1];
  if (start === undefined || end === undefined || ids.length < 2) return Reason.RouteTooShort;
  if (ids.length > Math.min(maxIds, LIMITS.ROUTE_IDS)) return Reason.RouteTooLong;
  if (!equalBytes(start, first) || !equalBytes(end, last)) return Reason.RouteEndsMismatch;
  return repeatsNode(ids) ? Reason.RouteRepeatsNode : Reason.Accepted;
}

/** Whether an id stands twice among the few of a route. */
function repeatsNode(ids: readonly NodeId[]): boolean {
  return ids.some((id, index) => ids.findLastIndex((other) => equalBytes(other, id)) > index);
}

/**
 * Judges the route of a response, by the same conditions at every node that it passes: it starts with this node,
 * goes on with the neighbour that sent it, ends with the destination that was asked for, repeats nobody, and is
 * no longer than the request could have gone.
 * @param from the authenticated neighbour
 * @param hopsLeft how many hops the request could go from here
 */
export function judgeResponse(
  response: RouteResponse,
  self: NodeId,
  from: NodeId,
  destination: NodeId,
  hopsLeft: number,
): Reason {
  const { route } = response;
  const firstHop = route[1];
  if (!equalBytes(response.destination, destination)) return Reason.ResponseBadRoute;
  const verdict = judgeIds(route, self, destination, hopsLeft + 1);
  if (verdict !== Reason.Accepted) return verdict;
  if (firstHop === undefined || !equalBytes(firstHop, from)) return Reason.ResponseBadRoute;
  return response.cost >= UNREACHABLE ? Reason.RouteUnreachable : Reason.Accepted;
}
