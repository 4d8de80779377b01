/**
 * The memory of other nodes' route requests: each is answered or forwarded once, and its answer finds the way back.
 *
 * Rules: routing.md, Discovery ((source, request_id) for 30 s). Bounded by LIMITS.SEEN_REQUESTS, where the oldest
 * goes: the hop limit of every request still ends a flood that comes by twice. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';

/** One copy of a request that this node took. */
export interface WayBack {
  /** The neighbour that it came from. */
  readonly previous: NodeId;
  /** Hops that it could still go when it came, the one to the destination included. */
  readonly hopsLeft: number;
}

/** One request as this node handled it. */
export interface SeenRequest {
  readonly destination: NodeId;
  readonly firstSeenMillis: number;
  /** Never empty, and each reaches farther than the one before: at most 10. */
  readonly waysBack: WayBack[];
  /** The neighbours that were asked. */
  readonly asked: Set<NodeKey>;
  /** Whether the answer was given or passed back. */
  isAnswered: boolean;
}

export class SeenRequests {
  /** In the order of first sight. */
  readonly #requests = new Map<string, SeenRequest>();

  get size(): number {
    return this.#requests.size;
  }

  get(source: NodeId, requestId: bigint, nowMillis: number): SeenRequest | undefined {
    this.dropExpired(nowMillis);
    return this.#requests.get(keyOf(source, requestId));
  }

  add(source: NodeId, requestId: bigint, seen: SeenRequest): void {
    for (const oldest of this.#requests.keys()) {
      if (this.#requests.size < LIMITS.SEEN_REQUESTS) break;
      this.#requests.delete(oldest);
    }
    this.#requests.set(keyOf(source, requestId), seen);
  }

  dropExpired(nowMillis: number): void {
    for (const [key, seen] of this.#requests) {
      if (nowMillis - seen.firstSeenMillis < LIMITS.SEEN_REQUEST_MILLIS) return;
      this.#requests.delete(key);
    }
  }
}

function keyOf(source: NodeId, requestId: bigint): string {
  return nodeKey(source) + requestId.toString(16);
}
