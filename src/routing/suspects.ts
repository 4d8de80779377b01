/**
 * Nodes over which packets were lost, and none delivered since: whoever drops packets, as far as a source can tell.
 *
 * A failure throws doubt on every router of its route, and a delivery clears all of its own: what stays is what the
 * failed routes have that the good ones have not. Doubt ends with time, since links fail too. Main thread only.
 */
import type { NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';

interface Doubt {
  failures: number;
  lastMillis: number;
}

export class Suspects {
  /** In the order of their last failure. */
  readonly #doubts = new Map<NodeKey, Doubt>();

  /** A packet came through these routers. */
  cleared(routers: readonly NodeKey[]): void {
    if (this.#doubts.size === 0) return;
    for (const router of routers) this.#doubts.delete(router);
  }

  /** A packet that went through these routers was lost. */
  failed(routers: readonly NodeKey[], nowMillis: number): void {
    for (const router of routers) {
      const known = this.#doubts.get(router);
      const isOver = known === undefined || nowMillis - known.lastMillis >= LIMITS.SUSPECT_MILLIS;
      this.#doubts.delete(router);
      this.#doubts.set(router, { failures: isOver ? 1 : known.failures + 1, lastMillis: nowMillis });
    }
    for (const oldest of this.#doubts.keys()) {
      if (this.#doubts.size <= LIMITS.SUSPECTS) return;
      this.#doubts.delete(oldest);
    }
  }

  /**
   * How doubtful a route over these is: the squares of the packets lost over each since it delivered last, so that the
   * worst decides, and among routes that share it the others. 0 where none is suspect. What is tried in vain gets
   * worse, so that of several doubtful routes each has its turn.
   */
  doubtOf(routers: readonly NodeKey[], nowMillis: number): number {
    if (this.#doubts.size === 0) return 0;
    return routers.reduce((sum, router) => sum + this.failuresOf(router, nowMillis) ** 2, 0);
  }

  /** Packets lost over one node since it delivered last; 0 where it is not suspect. */
  failuresOf(router: NodeKey, nowMillis: number): number {
    const doubt = this.#doubts.get(router);
    if (doubt === undefined || nowMillis - doubt.lastMillis >= LIMITS.SUSPECT_MILLIS) return 0;
    return doubt.failures < LIMITS.SUSPECT_FAILURES ? 0 : doubt.failures;
  }
}
