/**
 * Tells the neighbours which peers this node has lost, so that they drop their routes through it to them.
 *
 * Rules: routing.md, Discovery (cost 2^64-1 retracts; on change, at most once a second; split horizon). Losses
 * within one second share a message. A retraction is a hint: past LIMITS.RETRACTIONS_WAITING it is left out, and
 * the neighbours find out by a packet that does not pass. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';
import type { RouteAdvertisement } from '../packet/discovery.js';
import { UNREACHABLE } from './route.js';
import type { RoutingTable } from './table.js';

export interface RetractionsOptions {
  readonly self: NodeId;
  readonly table: RoutingTable;
  readonly clock: Clock;
  readonly send: (peer: NodeId, message: RouteAdvertisement) => void;
}

export class Retractions {
  readonly #options: RetractionsOptions;
  readonly #waiting = new Map<NodeKey, NodeId>();
  #lastSentMillis = Number.NEGATIVE_INFINITY;
  #timer: Timer | null = null;

  constructor(options: RetractionsOptions) {
    this.#options = options;
  }

  /** A direct peer was lost and is no longer in the table. */
  announce(lost: NodeId): void {
    if (this.#waiting.size >= LIMITS.RETRACTIONS_WAITING) return;
    this.#waiting.set(nodeKey(lost), lost);
    if (this.#timer !== null) return;
    const { clock } = this.#options;
    const wait = this.#lastSentMillis + LIMITS.RETRACTION_INTERVAL_MILLIS - clock.monotonicMillis();
    if (wait <= 0) {
      this.#send();
      return;
    }
    this.#timer = clock.after(wait, () => {
      this.#timer = null;
      this.#send();
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#waiting.clear();
  }

  #send(): void {
    const { self, table, clock, send } = this.#options;
    // A peer that came back meanwhile was never lost to the neighbours.
    const lost = [...this.#waiting.values()].filter((nodeId) => !table.isDirectPeer(nodeId));
    this.#waiting.clear();
    if (lost.length === 0) return;
    this.#lastSentMillis = clock.monotonicMillis();
    const routes = lost.map((destination) => ({
      destination,
      nextHop: destination,
      cost: UNREACHABLE,
      hopCount: 1,
    }));
    // Split horizon holds by itself: whoever is told is a neighbour, and so none of the lost.
    const message: RouteAdvertisement = { kind: 'RouteAdvertisement', routes, source: self };
    for (const { nodeId } of table.directPeers()) send(nodeId, message);
  }
}
