/**
 * What neighbours advertise: hints where a destination may be found, never routes.
 *
 * Rules: routing.md, Discovery: a hint is accepted from an authenticated neighbour only, its next hop is the
 * advertiser whatever the message names, hop_count < 10, next_hop is not this node, and it must be feasible (Babel's
 * condition): its cost lies strictly below the smallest cost that this node has itself announced for the destination.
 * A packet needs the whole list of ids, which no advertisement carries. So a hint only says whom to ask first: a liar
 * wins a question by it, and his answer is judged like any other.
 *
 * What a neighbour says it is next to is kept even where it is no feasible hint: it tells which neighbours a request
 * need not be sent to (relays.ts). Keys are numbers of 48 bits: two ids that share one share a hint, no more.
 * Main thread only.
 */
import type { NodeId, NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import type { AdvertisedRoute } from '../packet/discovery.js';
import { equalBytes } from '../core/bytes.js';
import { shortKey, UNREACHABLE } from './route.js';

/** A neighbour that says it knows the way. */
export interface Hint {
  readonly neighbour: NodeKey;
  /** Sats, as the neighbour advertises it: its own price included. */
  readonly cost: bigint;
  /** Hops from the neighbour to the destination. */
  readonly hopCount: number;
}

interface Entry {
  cost: bigint;
  hopCount: number;
  heardMillis: number;
  isFeasible: boolean;
}

/** The smallest cost announced, and when it was announced last. */
interface Announced {
  cost: bigint;
  announcedMillis: number;
}

export class Hints {
  readonly #self: NodeId;
  readonly #byNeighbour = new Map<NodeKey, Map<number, Entry>>();
  readonly #announced = new Map<number, Announced>();

  constructor(self: NodeId) {
    this.#self = self;
  }

  /**
   * Takes one advertised route that is no retraction.
   * @param from the authenticated neighbour, where the hint leads
   * @returns Accepted where it is now a hint, or why it is none
   */
  take(from: NodeKey, route: AdvertisedRoute, nowMillis: number): Reason {
    const { destination, nextHop, cost, hopCount } = route;
    if (hopCount < 1 || hopCount >= LIMITS.ROUTE_HOPS) return Reason.HopsExhausted;
    if (equalBytes(nextHop, this.#self)) return Reason.RouteRepeatsNode;
    if (equalBytes(destination, this.#self)) return Reason.Loopback;
    // Every router asks for something: nobody who passes packets on can promise a way for nothing.
    if (cost === 0n) return Reason.AdvertisementInfeasible;
    const key = shortKey(destination);
    const entries = this.#byNeighbour.get(from) ?? new Map<number, Entry>();
    const known = entries.get(key);
    if (known === undefined && entries.size >= LIMITS.ROUTES_PER_NEIGHBOUR) {
      return Reason.AdvertisementQuotaExceeded;
    }
    const isFeasible = cost < this.#feasibilityDistance(key, nowMillis);
    entries.set(key, { cost, hopCount, heardMillis: nowMillis, isFeasible });
    this.#byNeighbour.set(from, entries);
    return isFeasible ? Reason.Accepted : Reason.AdvertisementInfeasible;
  }

  /** The neighbour takes a destination back. */
  retract(from: NodeKey, destination: NodeId): void {
    this.#byNeighbour.get(from)?.delete(shortKey(destination));
  }

  dropNeighbour(neighbour: NodeKey): void {
    this.#byNeighbour.delete(neighbour);
  }

  /** This node tells its neighbours that it reaches a destination at this cost. */
  announced(destination: NodeId, cost: bigint, nowMillis: number): void {
    const key = shortKey(destination);
    const known = this.#feasibilityDistance(key, nowMillis);
    const least = cost < known ? cost : known;
    // The order of the map is that of the last announcement.
    this.#announced.delete(key);
    this.#announced.set(key, { cost: least, announcedMillis: nowMillis });
    this.#dropOldest(nowMillis);
  }

  /** A newer request for the destination was answered: what was announced before it no longer counts. */
  answered(destination: NodeId): void {
    this.#announced.delete(shortKey(destination));
  }

  /** Neighbours that advertise a destination feasibly, cheapest first. */
  of(destination: NodeId, nowMillis: number): readonly Hint[] {
    const key = shortKey(destination);
    const found: Hint[] = [];
    for (const [neighbour, entries] of this.#byNeighbour) {
      const entry = entries.get(key);
      if (entry === undefined || !entry.isFeasible || isOld(entry, nowMillis)) continue;
      found.push({ neighbour, cost: entry.cost, hopCount: entry.hopCount });
    }
    return found.sort((a, b) => a.hopCount - b.hopCount || (a.cost < b.cost ? -1 : a.cost > b.cost ? 1 : 0));
  }

  /** Short keys of the nodes that a neighbour says it is next to, or null where it has said nothing lately. */
  nextTo(neighbour: NodeKey, nowMillis: number): readonly number[] | null {
    const entries = this.#byNeighbour.get(neighbour);
    if (entries === undefined) return null;
    const near: number[] = [];
    let isKnown = false;
    for (const [key, entry] of entries) {
      if (isOld(entry, nowMillis)) continue;
      isKnown = true;
      if (entry.hopCount === 1) near.push(key);
    }
    return isKnown ? near : null;
  }

  /** Frees what is too old to be used. */
  sweep(nowMillis: number): void {
    this.#dropOldest(nowMillis);
    for (const [neighbour, entries] of this.#byNeighbour) {
      for (const [key, entry] of entries) if (isOld(entry, nowMillis)) entries.delete(key);
      if (entries.size === 0) this.#byNeighbour.delete(neighbour);
    }
  }

  /** Hints held. */
  get size(): number {
    let size = 0;
    for (const entries of this.#byNeighbour.values()) size += entries.size;
    return size;
  }

  #feasibilityDistance(key: number, nowMillis: number): bigint {
    const announced = this.#announced.get(key);
    if (announced === undefined) return UNREACHABLE;
    return nowMillis - announced.announcedMillis < LIMITS.ANNOUNCED_MILLIS ? announced.cost : UNREACHABLE;
  }

  #dropOldest(nowMillis: number): void {
    for (const [key, { announcedMillis }] of this.#announced) {
      const isGone = nowMillis - announcedMillis >= LIMITS.ANNOUNCED_MILLIS;
      if (!isGone && this.#announced.size <= LIMITS.ANNOUNCED_DESTINATIONS) return;
      this.#announced.delete(key);
    }
  }
}

function isOld({ heardMillis }: Entry, nowMillis: number): boolean {
  return nowMillis - heardMillis >= LIMITS.HINT_MILLIS;
}
