/**
 * What neighbours advertise: hints where a destination may be found, never routes.
 *
 * Rules: routing.md, Discovery: a hint is accepted from an authenticated neighbour only, its next hop is the
 * advertiser whatever the message names, hop_count < 10, next_hop is not this node, and it must be feasible (Babel's
 * condition): its cost lies strictly below the smallest cost that this node has itself announced for the destination.
 * A packet needs the whole list of ids, which no advertisement carries. So a hint only says whom to ask first: a liar
 * wins a question by it, and his answer is judged like any other.
 *
 * What a neighbour says it is next to, or two hops away from, is kept even where it is no feasible hint: it tells which
 * neighbours a request need not be sent to (relays.ts). Keys are numbers of 48 bits: two ids that share one share a
 * hint, no more. Main thread only.
 */
import type { NodeId, NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import type { AdvertisedRoute } from '../packet/discovery.js';
import { equalBytes } from '../core/bytes.js';
import { InternedIds } from './interned.js';
import { shortKey, UNREACHABLE } from './route.js';

/** How far the nodes are at most that a node tells its neighbours of: its own, and those next to them. */
const TOLD_HOPS = 2;

/** A neighbour that says it knows the way. */
export interface Hint {
  readonly neighbour: NodeKey;
  /** Sats, as the neighbour advertises it: its own price included. */
  readonly cost: bigint;
  /** Hops from the neighbour to the destination. */
  readonly hopCount: number;
}

/** A node that a neighbour is next to, to be told on. */
export interface Near {
  readonly destination: NodeId;
  readonly neighbour: NodeKey;
  readonly cost: bigint;
}

interface Entry {
  cost: bigint;
  hopCount: number;
  heardMillis: number;
  isFeasible: boolean;
  /** Kept where the neighbour is next to it, and null elsewhere: who is told of it needs the whole id. */
  destination: NodeId | null;
  readonly named: Named;
}

/** A node that neighbours say something of. */
interface Named {
  /** A small number of its own, by which sets of nodes are quick: another node's once nobody names it any more. */
  readonly number: number;
  /** How many neighbours do. */
  by: number;
}

/** What one neighbour said. */
interface Heard {
  readonly entries: Map<number, Entry>;
  /** Numbers of what it is next to, and of what is two hops from it; null when they must be gathered anew. */
  near: readonly number[] | null;
  nearTwo: readonly number[] | null;
  gatheredMillis: number;
}

/** The smallest cost announced, and when it was announced last. */
interface Announced {
  cost: bigint;
  announcedMillis: number;
}

export class Hints {
  readonly #self: NodeId;
  readonly #byNeighbour = new Map<NodeKey, Heard>();
  readonly #named = new Map<number, Named>();
  readonly #freeNumbers: number[] = [];
  readonly #announced = new Map<number, Announced>();
  readonly #ids = new InternedIds();
  #version = 0;

  constructor(self: NodeId) {
    this.#self = self;
  }

  /** Changes whenever what neighbours are near to does. */
  get version(): number {
    return this.#version;
  }

  /** All numbers of nodes are below it. */
  get numbers(): number {
    return this.#named.size + this.#freeNumbers.length;
  }

  /** The number of a node, or null where no neighbour says anything of it. Holds until the next message. */
  numberOf(node: NodeId): number | null {
    return this.#named.get(shortKey(node))?.number ?? null;
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
    const heard = this.#heardFrom(from);
    const known = heard.entries.get(key);
    if (known === undefined && heard.entries.size >= LIMITS.ROUTES_PER_NEIGHBOUR) {
      return Reason.AdvertisementQuotaExceeded;
    }
    const isFeasible = cost < this.#feasibilityDistance(key, nowMillis);
    if (known?.hopCount === hopCount) {
      known.cost = cost;
      known.heardMillis = nowMillis;
      known.isFeasible = isFeasible;
    } else {
      if (known !== undefined) this.#forget(heard, key, known);
      const isNext = hopCount === 1;
      const named = this.#named.get(key) ?? { number: this.#freeNumbers.pop() ?? this.#named.size, by: 0 };
      named.by += 1;
      this.#named.set(key, named);
      heard.entries.set(key, {
        cost,
        hopCount,
        heardMillis: nowMillis,
        isFeasible,
        destination: isNext ? this.#ids.take(destination) : null,
        named,
      });
      if (hopCount <= TOLD_HOPS) this.#changed(heard);
    }
    return isFeasible ? Reason.Accepted : Reason.AdvertisementInfeasible;
  }

  /** The neighbour takes a destination back. */
  retract(from: NodeKey, destination: NodeId): void {
    const heard = this.#byNeighbour.get(from);
    const key = shortKey(destination);
    const known = heard?.entries.get(key);
    if (heard !== undefined && known !== undefined) this.#forget(heard, key, known);
  }

  dropNeighbour(neighbour: NodeKey): void {
    const heard = this.#byNeighbour.get(neighbour);
    if (heard === undefined) return;
    for (const [key, entry] of heard.entries) this.#forget(heard, key, entry);
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

  /** Neighbours that advertise a destination feasibly within some hops, cheapest first. */
  of(destination: NodeId, mostHops: number, nowMillis: number): readonly Hint[] {
    const key = shortKey(destination);
    const found: Hint[] = [];
    // Most requests are for one of which nobody says anything.
    if (!this.#named.has(key)) return found;
    for (const [neighbour, { entries }] of this.#byNeighbour) {
      const entry = entries.get(key);
      if (entry === undefined || !entry.isFeasible || entry.hopCount > mostHops) continue;
      if (isOld(entry, nowMillis)) continue;
      found.push({ neighbour, cost: entry.cost, hopCount: entry.hopCount });
    }
    return found.sort((a, b) => (a.cost === b.cost ? a.hopCount - b.hopCount : a.cost < b.cost ? -1 : 1));
  }

  /** Numbers of the nodes that a neighbour says it is next to, or null where it has said nothing lately. */
  nextTo(neighbour: NodeKey, nowMillis: number): readonly number[] | null {
    return this.#gathered(neighbour, nowMillis)?.near ?? null;
  }

  /**
   * Numbers of the nodes that a neighbour says are two hops from it; null where it has said nothing lately, or is near
   * to more than it can tell while a hint lives.
   */
  twoFrom(neighbour: NodeKey, nowMillis: number): readonly number[] | null {
    const { near, nearTwo } = this.#gathered(neighbour, nowMillis) ?? { near: null, nearTwo: null };
    if (near === null || nearTwo === null) return null;
    const isCut =
      near.length >= LIMITS.ADVERTISED_PEERS || near.length + nearTwo.length >= 2 * LIMITS.ADVERTISED_ROUTES;
    return isCut ? null : nearTwo;
  }

  /**
   * Whether a neighbour that says whom it is next to does not name a node: a way from it to that node contradicts its own
   * word. False where it has said nothing, or has more neighbours than it can tell.
   */
  deniesNext(neighbour: NodeKey, node: NodeId, nowMillis: number): boolean {
    const near = this.nextTo(neighbour, nowMillis);
    if (near === null || near.length >= LIMITS.ADVERTISED_PEERS) return false;
    const number = this.numberOf(node);
    return number === null || !near.includes(number);
  }

  /** What a neighbour asks for as a router, as far as it says, in sats. */
  priceOf(neighbour: NodeKey): number {
    const entries = this.#byNeighbour.get(neighbour)?.entries ?? new Map<number, Entry>();
    for (const { hopCount, cost } of entries.values()) if (hopCount === 1) return Number(cost);
    return 1;
  }

  /** What neighbours are next to, the cheapest of each: feasible hints alone. */
  near(nowMillis: number): readonly Near[] {
    const best = new Map<number, Near>();
    for (const [neighbour, { entries }] of this.#byNeighbour) {
      for (const [key, entry] of entries) {
        const { destination, cost } = entry;
        if (destination === null || !entry.isFeasible || isOld(entry, nowMillis)) continue;
        const known = best.get(key);
        if (known === undefined || cost < known.cost) best.set(key, { destination, neighbour, cost });
      }
    }
    return [...best.values()];
  }

  /** Frees what is too old to be used. */
  sweep(nowMillis: number): void {
    this.#dropOldest(nowMillis);
    for (const [neighbour, heard] of this.#byNeighbour) {
      for (const [key, entry] of heard.entries) if (isOld(entry, nowMillis)) this.#forget(heard, key, entry);
      if (heard.entries.size === 0) this.#byNeighbour.delete(neighbour);
    }
  }

  /** Hints held. */
  get size(): number {
    let size = 0;
    for (const { entries } of this.#byNeighbour.values()) size += entries.size;
    return size;
  }

  #heardFrom(neighbour: NodeKey): Heard {
    const known = this.#byNeighbour.get(neighbour);
    if (known !== undefined) return known;
    const fresh = { entries: new Map<number, Entry>(), near: null, nearTwo: null, gatheredMillis: 0 };
    this.#byNeighbour.set(neighbour, fresh);
    return fresh;
  }

  #forget(heard: Heard, key: number, { destination, hopCount, named }: Entry): void {
    if (destination !== null) this.#ids.release(destination);
    heard.entries.delete(key);
    named.by -= 1;
    if (named.by === 0) {
      this.#named.delete(key);
      this.#freeNumbers.push(named.number);
    }
    if (hopCount <= TOLD_HOPS) this.#changed(heard);
  }

  #changed(heard: Heard): void {
    heard.near = heard.nearTwo = null;
    this.#version += 1;
  }

  /** With both lists, or null where nothing was heard lately. */
  #gathered(neighbour: NodeKey, nowMillis: number): Heard | null {
    const heard = this.#byNeighbour.get(neighbour);
    if (heard === undefined) return null;
    const isReady = heard.near !== null && nowMillis - heard.gatheredMillis < LIMITS.GATHERED_MILLIS;
    if (!isReady) {
      const near: number[] = [];
      const nearTwo: number[] = [];
      for (const entry of heard.entries.values()) {
        if (entry.hopCount > TOLD_HOPS || isOld(entry, nowMillis)) continue;
        (entry.hopCount === 1 ? near : nearTwo).push(entry.named.number);
      }
      heard.near = near;
      heard.nearTwo = nearTwo;
      heard.gatheredMillis = nowMillis;
    }
    return heard.near?.length === 0 ? null : heard;
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
