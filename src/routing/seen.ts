/**
 * The memory of other nodes' route requests: each is answered or forwarded once, and its answers find the way back.
 *
 * Rules: routing.md, Discovery ((source, request_id) for 30 s). Bounded by LIMITS.SEEN_REQUESTS, where the oldest
 * goes: the hop limit of every request still ends a flood that comes by twice. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import type { NodeId, NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { RouteRequest } from '../packet/discovery.js';
import { reachOf } from './relays.js';

/** One copy of a request that this node took. */
export interface WayBack {
  /** The neighbour that it came from. */
  readonly previous: NodeId;
  /** Hops that it could still go from here, the one to the destination included. */
  readonly hopsLeft: number;
}

/** One request as this node handled it. */
export interface SeenRequest {
  readonly source: NodeId;
  readonly destination: NodeId;
  readonly firstSeenMillis: number;
  /** Never empty. Each reaches farther than the one before, at most 10; but for thorough requests (shunning.ts). */
  readonly waysBack: WayBack[];
  /** The neighbours that were asked, and how often each may still answer. */
  readonly asked: Map<NodeKey, number>;
  /** Answers that may still be passed back: none where this node gave one itself. */
  answersLeft: number;
}

export class SeenRequests {
  /** By request id, in the order of their last sight; ids that several sources chose share a place. */
  readonly #byId = new Map<bigint, SeenRequest[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(source: NodeId, requestId: bigint, nowMillis: number): SeenRequest | undefined {
    const seen = this.#byId.get(requestId)?.find((one) => equalBytes(one.source, source));
    return seen !== undefined && isAlive(seen, nowMillis) ? seen : undefined;
  }

  add(requestId: bigint, seen: SeenRequest): void {
    this.dropExpired(seen.firstSeenMillis);
    for (const [oldest, { length }] of this.#byId) {
      if (this.#size < LIMITS.SEEN_REQUESTS) break;
      this.#byId.delete(oldest);
      this.#size -= length;
    }
    const sameId = this.#byId.get(requestId);
    if (sameId === undefined) {
      this.#byId.set(requestId, [seen]);
      this.#size += 1;
      return;
    }
    const alive = sameId.filter((one) => isAlive(one, seen.firstSeenMillis));
    // The order of the map is that of the last sight.
    this.#byId.delete(requestId);
    this.#byId.set(requestId, [...alive, seen]);
    this.#size += alive.length + 1 - sameId.length;
  }

  dropExpired(nowMillis: number): void {
    for (const [requestId, seen] of this.#byId) {
      const last = seen[seen.length - 1];
      if (last !== undefined && isAlive(last, nowMillis)) return;
      this.#byId.delete(requestId);
      this.#size -= seen.length;
    }
  }
}

function isAlive({ firstSeenMillis }: SeenRequest, nowMillis: number): boolean {
  return nowMillis - firstSeenMillis < LIMITS.SEEN_REQUEST_MILLIS;
}

/**
 * Whether a request that was handled already may go on once more. The first copy to arrive need not have come the
 * shortest way; if it alone counted, a destination 10 hops away would be missed whenever a detour was faster. So a
 * copy of a request for everybody that may still go strictly farther is forwarded too: at most 9 times, within the
 * neighbour's allowance.
 * It adds a way back and replaces none, so that no neighbour can take an answer away from another by a high count.
 */
export function isFartherReaching(seen: SeenRequest, request: RouteRequest, hopsLeft: number): boolean {
  if (reachOf(request.requestId) !== 'everybody') return false;
  if (seen.answersLeft < LIMITS.ANSWERS_TAKEN) return false;
  if (!equalBytes(seen.destination, request.destination)) return false;
  return seen.waysBack.every((way) => way.hopsLeft < hopsLeft - 1);
}
