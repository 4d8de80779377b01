/**
 * The searches of this node itself: requests that go ever farther until a route is found or the time is over.
 *
 * Rules: routing.md, Discovery (random id, rings of 2, 4 and 10 hops, 30 s, one in flight per destination, what a
 * response must satisfy). Neighbours that advertise the destination are asked before any ring. A selective ring
 * (relays.ts) asks under one id for each alternative that the table keeps: the neighbours are dealt out over the ids
 * at random, so that the answers come through distinct first hops. One ring asks everybody, under one id.
 * Main thread only.
 */
import { present } from '../core/assert.js';
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { randomBelow, randomU64 } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import type { RouteRequest, RouteResponse } from '../packet/discovery.js';
import { keysOf, type RelayQuestion } from './relays.js';
import { judgeResponse, type Route } from './route.js';
import type { RoutingTable } from './table.js';

/**
 * How far each ring goes, whom it asks under how many ids, and when it starts, in thirtieths of the whole time.
 * An answer has one way back, and a single lost message ends it: so the widest ring is asked again and again, everybody
 * once, and a few under several ids more often, which costs less for each way that it tries.
 */
const RINGS = [
  { hops: LIMITS.ROUTE_HOPS, whom: 'hinted', ids: 3, startsAt: 0 },
  { hops: 2, whom: 'selected', ids: 3, startsAt: 0.5 },
  { hops: 4, whom: 'selected', ids: 3, startsAt: 1 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selected', ids: 1, startsAt: 2 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selected', ids: 2, startsAt: 5 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'all', ids: 1, startsAt: 9 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selected', ids: 3, startsAt: 15 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selected', ids: 3, startsAt: 22 },
] as const;
const RINGS_END_AT = 30;

type Ring = (typeof RINGS)[number];

export interface SearchLimits {
  /** Hops of the longest route wanted: 1 to 10, 10 by default. */
  readonly maxHops?: number;
  /** The whole time: 1 to 30 s, 30 s by default; outside of that the nearest. */
  readonly timeoutMillis?: number;
}

export interface SearchesOptions {
  readonly self: NodeId;
  readonly table: RoutingTable;
  readonly clock: Clock;
  readonly random: Random;
  /** Whom to ask (relays.ts). */
  readonly relays: {
    readonly of: (question: RelayQuestion, nowMillis: number) => readonly NodeId[];
    readonly hinted: (question: RelayQuestion, nowMillis: number) => readonly NodeId[];
  };
  readonly ask: (peer: NodeId, request: RouteRequest) => void;
  readonly onFound: (route: Route) => void;
  readonly onFailed: (destination: NodeId, reason: Reason) => void;
}

interface Search {
  readonly destination: NodeId;
  readonly maxHops: number;
  readonly timeoutMillis: number;
  readonly answer: Promise<Route | null>;
  readonly resolve: (route: Route | null) => void;
  /** Ids that still may be answered. */
  readonly open: Set<bigint>;
  isFound: boolean;
  timer: Timer | null;
}

/** One request id: who was asked under it, and how far it goes. */
interface Branch {
  readonly search: Search;
  readonly hops: number;
  readonly asked: ReadonlySet<NodeKey>;
}

export class RouteSearches {
  readonly #options: SearchesOptions;
  readonly #byDestination = new Map<NodeKey, Search>();
  readonly #branches = new Map<bigint, Branch>();

  constructor(options: SearchesOptions) {
    this.#options = options;
  }

  /** Searches in flight, those in their grace included. */
  get size(): number {
    return this.#byDestination.size;
  }

  /** Starts a search, or joins the one in flight. Resolves with the first route, or null when the time is over. */
  async start(destination: NodeId, limits: SearchLimits): Promise<Route | null> {
    const { self, table } = this.#options;
    const key = nodeKey(destination);
    const running = this.#byDestination.get(key);
    if (running !== undefined) {
      if (!running.isFound) return running.answer;
      const known = table.findRoute(destination);
      if (known !== null) return known;
      this.#end(running);
    }
    if (equalBytes(destination, self)) return this.#refuse(destination, Reason.Loopback);
    if (table.directPeers().length === 0) return this.#refuse(destination, Reason.RouteUnknown);
    if (this.#byDestination.size >= LIMITS.PENDING_DISCOVERIES) {
      return this.#refuse(destination, Reason.TooManyPending);
    }
    const search = makeSearch(destination, limits);
    this.#byDestination.set(key, search);
    this.#startRing(search, 0, 0);
    return search.answer;
  }

  /** Takes a response to a request of this node, under all conditions of routing.md. */
  take(from: NodeId, response: RouteResponse): Reason {
    const { self, table } = this.#options;
    const branch = this.#branches.get(response.requestId);
    if (branch?.asked.has(nodeKey(from)) !== true) return Reason.ResponseNotAsked;
    const { search, hops } = branch;
    const verdict = judgeResponse(response, self, from, search.destination, hops);
    if (verdict !== Reason.Accepted) return verdict;
    const learned = table.learn(response.route, response.cost);
    if (learned !== Reason.Accepted) return learned;
    this.#close(response.requestId);
    if (!search.isFound) this.#found(search);
    return Reason.Accepted;
  }

  /** Ends every search without a result. */
  close(): void {
    for (const search of this.#byDestination.values()) {
      this.#end(search);
      search.resolve(null);
    }
  }

  /** @param now in thirtieths of the whole time */
  #startRing(search: Search, index: number, now: number): void {
    const ring = present(RINGS[index], 'a ring is started while there is one');
    const next = RINGS[index + 1];
    const isAsked = this.#ask(search, ring);
    // Where nobody advertises the destination, nothing is waited for.
    const until = isAsked ? (next?.startsAt ?? RINGS_END_AT) : now;
    const goOn = (): void => {
      if (next !== undefined) {
        this.#startRing(search, index + 1, until);
        return;
      }
      this.#end(search);
      search.resolve(null);
      this.#options.onFailed(search.destination, Reason.DiscoveryTimeout);
    };
    if (until === now) {
      goOn();
      return;
    }
    const wait = ((until - now) * search.timeoutMillis) / RINGS_END_AT;
    search.timer = this.#options.clock.after(wait, goOn);
  }

  /** Sends the requests of a ring; false where there is nobody to ask. */
  #ask(search: Search, ring: Ring): boolean {
    const { random } = this.#options;
    const maxHops = Math.min(ring.hops, search.maxHops);
    const isSelective = ring.whom !== 'all';
    const peers = this.#whom(search, ring, maxHops);
    for (let offset = 0; offset < ring.ids; offset++) {
      const dealt = peers.filter((_, index) => index % ring.ids === offset);
      if (dealt.length > 0) this.#askUnder(requestIdOf(random, isSelective), search, maxHops, dealt);
    }
    return ring.whom !== 'hinted' || peers.length > 0;
  }

  #whom({ destination }: Search, { whom, ids }: Ring, hopsLeft: number): readonly NodeId[] {
    const { self, relays, random, clock } = this.#options;
    const now = clock.monotonicMillis();
    const requestId = whom === 'all' ? 1n : 0n;
    const question = { requestId, destination, source: self, from: null, hopsLeft };
    if (whom === 'hinted') return relays.hinted(question, now).slice(0, ids);
    return shuffled(random, [...relays.of(question, now)]);
  }

  #askUnder(requestId: bigint, search: Search, maxHops: number, peers: readonly NodeId[]): void {
    const { self, ask } = this.#options;
    const { destination } = search;
    this.#branches.set(requestId, { search, hops: maxHops, asked: keysOf(peers) });
    search.open.add(requestId);
    const request: RouteRequest = { kind: 'RouteRequest', destination, source: self, requestId, maxHops };
    for (const peer of peers) ask(peer, request);
  }

  #found(search: Search): void {
    const { table, clock, onFound } = this.#options;
    const route = present(table.findRoute(search.destination), 'a route just learned is found');
    search.isFound = true;
    search.timer?.cancel();
    search.timer = clock.after(LIMITS.DISCOVERY_GRACE_MILLIS, () => {
      this.#end(search);
    });
    search.resolve(route);
    onFound(route);
  }

  #end(search: Search): void {
    search.timer?.cancel();
    for (const requestId of search.open) this.#close(requestId);
    this.#byDestination.delete(nodeKey(search.destination));
  }

  /** A request id is answered once. */
  #close(requestId: bigint): void {
    this.#branches.get(requestId)?.search.open.delete(requestId);
    this.#branches.delete(requestId);
  }

  #refuse(destination: NodeId, reason: Reason): null {
    this.#options.onFailed(destination, reason);
    return null;
  }
}

function makeSearch(
  destination: NodeId,
  { maxHops = LIMITS.ROUTE_HOPS, timeoutMillis = LIMITS.DISCOVERY_TIMEOUT_MILLIS }: SearchLimits,
): Search {
  let resolve: (route: Route | null) => void = () => undefined;
  const answer = new Promise<Route | null>((settle) => {
    resolve = settle;
  });
  return {
    destination,
    maxHops: clamp(maxHops, 1, LIMITS.ROUTE_HOPS),
    timeoutMillis: clamp(timeoutMillis, LIMITS.DISCOVERY_TIMEOUT_MIN_MILLIS, LIMITS.DISCOVERY_TIMEOUT_MILLIS),
    answer,
    resolve,
    open: new Set<bigint>(),
    isFound: false,
    timer: null,
  };
}

/** Random but for the last bit, which says whom the request is for (relays.ts). */
function requestIdOf(random: Random, isSelective: boolean): bigint {
  const id = randomU64(random);
  return isSelective ? id & ~1n : id | 1n;
}

/** Fisher and Yates. */
function shuffled<T>(random: Random, items: T[]): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    const [a, b] = [present(items[i], 'within the list'), present(items[j], 'within the list')];
    items[i] = b;
    items[j] = a;
  }
  return items;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
