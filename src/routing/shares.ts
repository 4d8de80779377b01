/**
 * Who forwards how much of what is paid: shares by entity over a sliding day.
 *
 * Rules: routing.md, Anti-monopoly: share = paid msat that an entity forwarded as a router / all paid msat forwarded,
 * over 24 h in 24 buckets, as seen by this node; enforced after 100 paid packets. A packet of 500 msat through three
 * routers is 1,500 msat forwarded, 500 by each: the shares of all entities sum to 1, as the cap 1.25 / k takes for
 * granted. Kept by node, so that entities may merge and part. Sums are statistics, in msat as floating point: exact
 * up to 2^53. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import type { Entities, EntityKey } from './entities.js';

const BUCKETS = 24;
const BUCKET_MILLIS = 3_600_000;

/** One hour. */
interface Bucket {
  hour: number;
  packets: number;
  readonly byNode: Map<NodeKey, number>;
}

export class ForwardingShares {
  readonly #entities: Entities;
  readonly #clock: Clock;
  readonly #buckets: Bucket[] = Array.from({ length: BUCKETS }, () => ({
    hour: -1,
    packets: 0,
    byNode: new Map<NodeKey, number>(),
  }));
  /** Sums over the buckets by entity; made anew when the hour or the entities change. */
  readonly #sums = new Map<EntityKey, number>();
  #total = 0;
  #packets = 0;
  #hour = -1;
  #version = -1;

  constructor({ entities, clock }: { readonly entities: Entities; readonly clock: Clock }) {
    this.#entities = entities;
    this.#clock = clock;
  }

  /** A paid packet went through these routers (ids between its two ends; may be none). */
  record(routers: readonly NodeId[], paidMsat: bigint): void {
    this.#refresh();
    const bucket = this.#buckets[this.#hour % BUCKETS];
    if (bucket === undefined) return;
    bucket.packets += 1;
    this.#packets += 1;
    const amount = Number(paidMsat);
    for (const router of routers) {
      const key = nodeKey(router);
      if (bucket.byNode.size >= LIMITS.SHARE_NODES && !bucket.byNode.has(key)) continue;
      bucket.byNode.set(key, (bucket.byNode.get(key) ?? 0) + amount);
      this.#add(key, amount);
    }
  }

  /** The share of an entity, 0 to 1. */
  shareOf(entity: EntityKey): number {
    this.#refresh();
    return this.#total === 0 ? 0 : (this.#sums.get(entity) ?? 0) / this.#total;
  }

  /**
   * The share that an entity would have after one more packet of this value.
   * @param routers how many routers the packet has, this entity's among them
   */
  shareAfter(entity: EntityKey, paidMsat: bigint, routers: number): number {
    this.#refresh();
    const amount = Number(paidMsat);
    const total = this.#total + amount * routers;
    return total === 0 ? 0 : ((this.#sums.get(entity) ?? 0) + amount) / total;
  }

  /** Entities that forwarded something within the window. */
  get entities(): number {
    this.#refresh();
    return this.#sums.size;
  }

  /** Paid packets in the window. */
  get packets(): number {
    this.#refresh();
    return this.#packets;
  }

  /** Whether enough was seen for shares to mean something. */
  get isEnforced(): boolean {
    return this.packets >= LIMITS.SHARE_PACKETS_MIN;
  }

  /** Shares of all entities that forwarded something, largest first; they sum to 1. */
  byEntity(): readonly (readonly [EntityKey, number])[] {
    this.#refresh();
    const shares = [...this.#sums].map(([entity, sum]): [EntityKey, number] => [entity, sum / this.#total]);
    return shares.filter(([, share]) => share > 0).sort((a, b) => b[1] - a[1]);
  }

  /** Herfindahl and Hirschman: the sum of the squares of the shares in per cent, 0 to 10,000. */
  hhi(): number {
    return hhiOf(this.byEntity().map(([, share]) => share));
  }

  /** How many entities it takes to have forwarded more than half; 0 where nothing was forwarded. */
  nakamoto(): number {
    return nakamotoOf(this.byEntity().map(([, share]) => share));
  }

  #add(node: NodeKey, amount: number): void {
    const entity = this.#entities.entityOf(node);
    this.#sums.set(entity, (this.#sums.get(entity) ?? 0) + amount);
    this.#total += amount;
  }

  #refresh(): void {
    const hour = Math.floor(this.#clock.monotonicMillis() / BUCKET_MILLIS);
    if (hour === this.#hour && this.#version === this.#entities.version) return;
    this.#hour = hour;
    this.#version = this.#entities.version;
    const current = this.#buckets[hour % BUCKETS];
    if (current !== undefined && current.hour !== hour) {
      current.hour = hour;
      current.packets = 0;
      current.byNode.clear();
    }
    this.#sums.clear();
    this.#total = 0;
    this.#packets = 0;
    for (const bucket of this.#buckets) {
      if (bucket.hour <= hour - BUCKETS) continue;
      this.#packets += bucket.packets;
      for (const [node, amount] of bucket.byNode) this.#add(node, amount);
    }
  }
}

/** The sum of the squares of shares (0 to 1) in per cent. */
export function hhiOf(shares: readonly number[]): number {
  return shares.reduce((sum, share) => sum + (100 * share) ** 2, 0);
}

/** How many of the largest shares (0 to 1) it takes to exceed a half; 0 where there are none. */
export function nakamotoOf(shares: readonly number[]): number {
  let sum = 0;
  const largestFirst = [...shares].sort((a, b) => b - a);
  for (const [index, share] of largestFirst.entries()) {
    sum += share;
    if (sum > 0.5) return index + 1;
  }
  return largestFirst.length;
}
