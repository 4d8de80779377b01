/**
 * What this node advertises: whom it is next to, whom its neighbours are next to, the routes that it uses, and what it
 * has lost.
 *
 * Rules: routing.md, Discovery: every 30 s with jitter and on change, at most once a second; split horizon; at most
 * 2 % of the link, which LIMITS.ADVERTISED_BYTES_PER_SECOND is of a slow one. Changes within a second share a message.
 * A cost of 2^64-1 takes a destination back; it is said again in the next rounds, since a message may be lost.
 * Routes that were found are told with the next round: nobody waits for them. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { jittered } from '../core/random.js';
import { TokenBucket } from '../core/token-bucket.js';
import type { AdvertisedRoute, RouteAdvertisement } from '../packet/discovery.js';
import type { Near } from './hints.js';
import { addCosts, hopsOf, shortKey, UNREACHABLE } from './route.js';
import type { DirectPeer } from './table-types.js';
import type { RoutingTable } from './table.js';

/** Of one route in an advertisement: two ids, a cost and a hop count (wire.md). */
const ROUTE_BYTES = 73;
/** Of everything around the routes: the packet with its route and metadata. */
const MESSAGE_BYTES = 300;

/** Routes used last that are told at most where there is much else to tell. */
const ROUTES_TOLD = 32;

/** When the first round comes at the earliest, after a start. */
const FIRST_ROUND_MILLIS = 2_000;

/** Peers that are told in one turn; where they are very many, all are told in so many turns. */
const TOLD_AT_ONCE = 64;
const TELLING_PARTS = 16;
const TELLING_MILLIS = 20;

/** Rounds in which a lost destination is named again. */
const RETRACTED_ROUNDS = 2;

export interface AdvertiserOptions {
  readonly self: NodeId;
  readonly table: RoutingTable;
  readonly clock: Clock;
  readonly random: Random;
  /** Sats that this node asks for as a router. */
  readonly hopCostSats: bigint;
  /** What the neighbours are next to (hints.ts). */
  readonly near: (nowMillis: number) => readonly Near[];
  readonly send: (peer: NodeId, message: RouteAdvertisement) => void;
  /** A destination was announced at this cost: the feasibility distance follows. */
  readonly onAnnounced: (destination: NodeId, cost: bigint) => void;
}

interface Lost {
  readonly nodeId: NodeId;
  /** Who is told, or null for all neighbours. */
  to: Set<NodeKey> | null;
}

export class Advertiser {
  readonly #options: AdvertiserOptions;
  /** Neighbours that joined and are to be told to the others. */
  readonly #joined = new Map<NodeKey, NodeId>();
  readonly #lost = new Map<NodeKey, Lost>();
  /** Lost neighbours, and in how many rounds they are still named. */
  readonly #retracted = new Map<NodeKey, { readonly nodeId: NodeId; roundsLeft: number }>();
  readonly #budgets = new Map<NodeKey, TokenBucket>();
  #lastSentMillis = Number.NEGATIVE_INFINITY;
  #changeTimer: Timer | null = null;
  #roundTimer: Timer | null = null;
  /** Of peers that are still to be told. */
  readonly #telling = new Set<Timer>();
  /** Rounds so far: where the next one begins to list, so that a long list is told in turns. */
  #offset = 0;
  #withheld = 0;

  constructor(options: AdvertiserOptions) {
    this.#options = options;
  }

  /** Messages that a neighbour's part of the link had no room for. */
  get withheld(): number {
    return this.#withheld;
  }

  /** Starts the rounds; the first comes soon, when neighbours have told whom they are next to. */
  start(): void {
    const { clock, random } = this.#options;
    const round = (): void => {
      this.#round();
      this.#roundTimer = clock.after(jittered(random, LIMITS.ADVERTISE_MILLIS), round);
    };
    this.#roundTimer ??= clock.after(FIRST_ROUND_MILLIS * (1 + random.unit()), round);
  }

  /** A direct peer joined and is in the table. */
  joined(nodeId: NodeId): void {
    const key = nodeKey(nodeId);
    this.#retracted.delete(key);
    this.#lost.delete(key);
    this.#joined.set(key, nodeId);
    // A new peer must be greeted before it is told anything, and others may join with it.
    this.#soon(LIMITS.ADVERTISE_CHANGE_MILLIS);
  }

  /** A direct peer was lost and is no longer in the table: all neighbours are told. */
  lost(nodeId: NodeId): void {
    const key = nodeKey(nodeId);
    this.#joined.delete(key);
    this.#budgets.delete(key);
    if (this.#lost.size >= LIMITS.RETRACTIONS_WAITING) return;
    this.#lost.set(key, { nodeId, to: null });
    this.#retracted.set(key, { nodeId, roundsLeft: RETRACTED_ROUNDS });
    this.#soon(0);
  }

  /** The way from some neighbours through this node to another is broken: they are told. */
  retract(nodeId: NodeId, to: ReadonlySet<NodeKey>): void {
    const key = nodeKey(nodeId);
    const waiting = this.#lost.get(key);
    if (waiting === undefined) {
      if (this.#lost.size >= LIMITS.RETRACTIONS_WAITING) return;
      this.#lost.set(key, { nodeId, to: new Set(to) });
    } else if (waiting.to !== null) {
      for (const peer of to) waiting.to.add(peer);
    }
    this.#soon(0);
  }

  close(): void {
    this.#changeTimer?.cancel();
    this.#roundTimer?.cancel();
    this.#changeTimer = null;
    this.#roundTimer = null;
    for (const timer of this.#telling) timer.cancel();
    this.#telling.clear();
    this.#joined.clear();
    this.#lost.clear();
  }

  /**
   * Sends the changes, at once where the last message is a second old.
   * @param leastMillis how long they may wait for others in any case
   */
  #soon(leastMillis: number): void {
    const { clock } = this.#options;
    const wait = this.#lastSentMillis + LIMITS.ADVERTISE_CHANGE_MILLIS - clock.monotonicMillis();
    const due = Math.max(wait, leastMillis);
    if (this.#changeTimer !== null && due > 0) return;
    this.#changeTimer?.cancel();
    this.#changeTimer = null;
    if (due <= 0) {
      this.#sendChanges();
      return;
    }
    this.#changeTimer = clock.after(due, () => {
      this.#changeTimer = null;
      this.#sendChanges();
    });
  }

  #sendChanges(): void {
    const { table, clock } = this.#options;
    this.#lastSentMillis = clock.monotonicMillis();
    const joined = [...this.#joined.values()].filter((nodeId) => table.isDirectPeer(nodeId));
    const isNew = new Set(joined.map(nodeKey));
    const changes = joined.map((nodeId) => this.#next(nodeId));
    // A peer that came back meanwhile was never lost to all; a way through it may be lost to some all the same.
    const lost = [...this.#lost.values()].filter(
      ({ nodeId, to }) => to !== null || !table.isDirectPeer(nodeId),
    );
    this.#joined.clear();
    this.#lost.clear();
    const all = isNew.size > 0 ? this.#all() : [];
    this.#tell(table.directPeers(), (peer) => {
      const key = nodeKey(peer);
      const taken = lost.filter(({ to }) => to === null || to.has(key)).map(({ nodeId }) => back(nodeId));
      // Whoever is new has heard nothing yet.
      return [...taken, ...(isNew.has(key) ? all : changes)];
    });
  }

  #round(): void {
    const { table, clock } = this.#options;
    this.#lastSentMillis = clock.monotonicMillis();
    const gone = [...this.#retracted.values()].filter(({ nodeId }) => !table.isDirectPeer(nodeId));
    for (const [key, entry] of this.#retracted) {
      entry.roundsLeft -= 1;
      if (entry.roundsLeft <= 0) this.#retracted.delete(key);
    }
    const routes = [...gone.map(({ nodeId }) => back(nodeId)), ...this.#all()];
    this.#tell(table.directPeers(), () => routes);
    this.#offset += 1;
  }

  /**
   * Tells peers what concerns them: some at once and the others soon after, before the next changes are due, since a
   * thousand long messages in one turn would need all their memory at once.
   */
  #tell(
    peers: readonly DirectPeer[],
    routesFor: (peer: NodeId) => readonly AdvertisedRoute[],
    atOnce = Math.max(TOLD_AT_ONCE, Math.ceil(peers.length / TELLING_PARTS)),
  ): void {
    const sent = new Set<AdvertisedRoute>();
    for (const { nodeId } of peers.slice(0, atOnce)) {
      // It may have gone while others were told.
      if (this.#options.table.isDirectPeer(nodeId)) this.#send(nodeId, routesFor(nodeId), sent);
    }
    this.#announced(sent);
    if (peers.length <= atOnce) return;
    const timer = this.#options.clock.after(TELLING_MILLIS, () => {
      this.#telling.delete(timer);
      this.#tell(peers.slice(atOnce), routesFor, atOnce);
    });
    this.#telling.add(timer);
  }

  /**
   * Direct peers, then the routes used last, then whom the neighbours are next to, no destination twice. A list that is
   * too long goes on where the last round ended.
   */
  #all(): readonly AdvertisedRoute[] {
    const { table } = this.#options;
    const routes = new Map<number, AdvertisedRoute>();
    const room = (): number => LIMITS.ADVERTISED_ROUTES - routes.size;
    const add = (route: AdvertisedRoute): void => {
      const key = shortKey(route.destination);
      if (room() > 0 && !routes.has(key)) routes.set(key, route);
    };
    for (const { nodeId } of this.#inTurn(table.directPeers(), LIMITS.ADVERTISED_PEERS))
      add(this.#next(nodeId));
    for (const { ids, cost } of table.newestRoutes(Math.min(ROUTES_TOLD, room()))) {
      const [destination, nextHop] = [ids[ids.length - 1], ids[1]];
      if (destination === undefined || nextHop === undefined || hopsOf(ids) >= LIMITS.ROUTE_HOPS) continue;
      add({ destination, nextHop, cost: this.#priced(cost), hopCount: hopsOf(ids) });
    }
    const near = this.#options.near(this.#options.clock.monotonicMillis()).filter(({ destination }) => {
      return !table.isDirectPeer(destination);
    });
    for (const { destination, neighbour, cost } of this.#inTurn(near, room())) {
      const nextHop = table.directPeer(neighbour)?.nodeId;
      if (nextHop === undefined) continue;
      add({ destination, nextHop, cost: this.#priced(cost), hopCount: 2 });
    }
    return [...routes.values()];
  }

  /** As many as there is room for, beginning where the last round ended where that is not for all. */
  #inTurn<T>(items: readonly T[], room: number): readonly T[] {
    if (items.length <= room) return items;
    const from = (this.#offset * room) % items.length;
    return [...items.slice(from), ...items.slice(0, from)].slice(0, room);
  }

  /** What was told to nobody was not announced: it must not make another's way infeasible. */
  #announced(routes: Iterable<AdvertisedRoute>): void {
    for (const { destination, cost } of routes) {
      if (cost < UNREACHABLE) this.#options.onAnnounced(destination, cost);
    }
  }

  /** A direct peer, as it is advertised. */
  #next(nodeId: NodeId): AdvertisedRoute {
    return { destination: nodeId, nextHop: nodeId, cost: this.#priced(0n), hopCount: 1 };
  }

  /** What a neighbour pays for a way of this cost: this node's own price comes on top, and nothing is free. */
  #priced(cost: bigint): bigint {
    const { hopCostSats } = this.#options;
    return addCosts(cost, hopCostSats > 0n ? hopCostSats : 1n);
  }

  /**
   * Sends what concerns a peer, by split horizon: nothing about itself, and no route that leads through it.
   * @param sent takes in what was sent
   */
  #send(peer: NodeId, routes: readonly AdvertisedRoute[], sent: Set<AdvertisedRoute>): void {
    const { self, clock, send } = this.#options;
    const told = routes.filter(
      ({ destination, nextHop }) => !equalBytes(destination, peer) && !equalBytes(nextHop, peer),
    );
    if (told.length === 0) return;
    const bytes = MESSAGE_BYTES + ROUTE_BYTES * told.length;
    if (!this.#budgetOf(nodeKey(peer)).take(clock.monotonicMillis(), bytes)) {
      this.#withheld += 1;
      return;
    }
    for (const route of told) sent.add(route);
    send(peer, { kind: 'RouteAdvertisement', routes: told, source: self });
  }

  #budgetOf(peer: NodeKey): TokenBucket {
    const known = this.#budgets.get(peer);
    if (known !== undefined) return known;
    const perSecond = LIMITS.ADVERTISED_BYTES_PER_SECOND;
    // What a full round takes can be saved up, and once more for the first message to a new peer.
    const saved = 2 * (MESSAGE_BYTES + ROUTE_BYTES * (LIMITS.ADVERTISED_ROUTES + LIMITS.RETRACTIONS_WAITING));
    const fresh = new TokenBucket(perSecond, saved, this.#options.clock.monotonicMillis());
    this.#budgets.set(peer, fresh);
    return fresh;
  }
}

/** A destination taken back. */
function back(nodeId: NodeId): AdvertisedRoute {
  return { destination: nodeId, nextHop: nodeId, cost: UNREACHABLE, hopCount: 1 };
}
