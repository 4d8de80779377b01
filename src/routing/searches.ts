/**
 * The searches of this node itself: requests that go ever farther until a good route is found or the time is over.
 *
 * Rules: routing.md, Discovery (random id, rings of 2, 4 and 10 hops, 30 s, one in flight per destination, what a
 * response must satisfy). Neighbours that advertise the destination are asked before any ring. A ring for few
 * (relays.ts) asks under several ids: the neighbours are dealt out over them at random, so that the answers come
 * through distinct first hops. A first route that is not good (it concentrates, or leads over nodes that lose packets)
 * does not end the search before everybody would be asked. Main thread only.
 */
import { present } from '../core/assert.js';
import { equalBytes } from '../core/bytes.js';
import { nodeIdOfKey, nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { randomU64, shuffled } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import type { RouteRequest, RouteResponse } from '../packet/discovery.js';
import { Elimination, type Shunning } from './elimination.js';
import { requestIdOf, type RelayQuestion } from './relays.js';
import { RINGS, RINGS_END_AT, THOROUGH_FROM, type Ring } from './rings.js';
import { judgeResponse, type Route } from './route.js';
import { shunningId } from './shunning.js';
import type { RoutingTable } from './table.js';

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
  /** Whether a neighbour answers against its own word (Hints.deniesNext). */
  readonly contradicts: (from: NodeKey, response: RouteResponse) => boolean;
  readonly ask: (peer: NodeId, request: RouteRequest) => void;
  readonly onFound: (route: Route, tookMillis: number) => void;
  readonly onFailed: (destination: NodeId, reason: Reason) => void;
}

interface Search {
  readonly destination: NodeId;
  maxHops: number;
  timeoutMillis: number;
  readonly startedMillis: number;
  readonly answer: Promise<Route | null>;
  readonly resolve: (route: Route | null) => void;
  /** Ids that still may be answered. */
  readonly open: Set<bigint>;
  /** A route was learned and told. */
  isFound: boolean;
  /** A route was learned that leads over nodes that lose packets: told where nothing better comes in time. */
  isDoubtful: boolean;
  /** Nothing more is asked. */
  rests: boolean;
  timer: Timer | null;
}

/** One request id: who was asked under it, and how far it goes. */
interface Branch {
  readonly search: Search;
  readonly hops: number;
  /** The neighbours that were asked, and how often each may still answer. */
  readonly asked: Map<NodeKey, number>;
  answersLeft: number;
  readonly shunning: Shunning | null;
}

export class RouteSearches {
  readonly #options: SearchesOptions;
  readonly #byDestination = new Map<NodeKey, Search>();
  readonly #branches = new Map<bigint, Branch>();
  readonly #elimination: Elimination;

  constructor(options: SearchesOptions) {
    const { clock, random, table } = options;
    this.#options = options;
    this.#elimination = new Elimination({ clock, random, suspects: table.chooser.suspects });
  }

  /** Searches in flight, those in their grace included. */
  get size(): number {
    return this.#byDestination.size;
  }

  /**
   * Starts a search, or joins the one in flight, which begins anew where it did not go as far or as long. Resolves with
   * the first route, or null when the time is over.
   */
  async start(destination: NodeId, limits: SearchLimits): Promise<Route | null> {
    const { self, table } = this.#options;
    const key = nodeKey(destination);
    const running = this.#byDestination.get(key);
    if (running !== undefined) {
      if (!running.isFound) {
        this.#widen(running, limits);
        return running.answer;
      }
      const known = table.findRoute(destination);
      if (known !== null) return known;
      this.#end(running);
    }
    if (equalBytes(destination, self)) return this.#refuse(destination, Reason.Loopback);
    if (table.directPeers().length === 0) return this.#refuse(destination, Reason.RouteUnknown);
    if (this.#byDestination.size >= LIMITS.PENDING_DISCOVERIES) {
      return this.#refuse(destination, Reason.TooManyPending);
    }
    const search = makeSearch(destination, limits, this.#options.clock.monotonicMillis());
    this.#byDestination.set(key, search);
    this.#elimination.begin(destination);
    this.#startRing(search, 0, 0);
    return search.answer;
  }

  /** Takes a response to a request of this node, under all conditions of routing.md. */
  take(from: NodeId, response: RouteResponse): Reason {
    const { self, table } = this.#options;
    const branch = this.#branches.get(response.requestId);
    const fromKey = nodeKey(from);
    const answersLeft = branch?.asked.get(fromKey) ?? 0;
    if (branch === undefined || answersLeft === 0) return Reason.ResponseNotAsked;
    const { search, hops } = branch;
    const verdict = judgeResponse(response, self, from, search.destination, hops);
    if (verdict !== Reason.Accepted) return verdict;
    if (this.#options.contradicts(fromKey, response)) return Reason.ResponseBadRoute;
    const learned = table.learn(response.route, response.cost);
    if (learned !== Reason.Accepted) return learned;
    branch.asked.set(fromKey, answersLeft - 1);
    branch.answersLeft -= 1;
    if (branch.shunning !== null) branch.shunning.isAnswered = true;
    if (branch.answersLeft === 0) this.#close(response.requestId);
    this.#learned(search);
    return Reason.Accepted;
  }

  /** Ends every search without a result. */
  close(): void {
    for (const search of this.#byDestination.values()) {
      this.#end(search);
      search.resolve(null);
    }
  }

  /** Who joins may want more than who came first; each may so begin it anew only a few times. */
  #widen(search: Search, wanted: SearchLimits): void {
    const { maxHops, timeoutMillis } = withinLimits(wanted);
    if (maxHops <= search.maxHops && timeoutMillis <= search.timeoutMillis) return;
    search.maxHops = Math.max(maxHops, search.maxHops);
    search.timeoutMillis = Math.max(timeoutMillis, search.timeoutMillis);
    search.timer?.cancel();
    this.#startRing(search, 0, 0);
  }

  /** @param now in thirtieths of the whole time */
  #startRing(search: Search, index: number, now: number): void {
    const ring = present(RINGS[index], 'a ring is started while there is one');
    const next = RINGS[index + 1];
    if (search.isFound && (ring.whom === 'everybody' || ring.whom === 'thoroughly')) {
      this.#rest(search);
      return;
    }
    const isAsked = this.#ask(search, ring);
    const until = isAsked ? (next?.startsAt ?? RINGS_END_AT) : now;
    const goOn = (): void => {
      if (next === undefined) this.#over(search);
      else this.#startRing(search, index + 1, until);
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
    if (ring.startsAt >= THOROUGH_FROM) this.#askAround(search);
    const { whom, ids, openIds } = ring;
    if (whom === 'thoroughly') return this.#askWithout(search, null);
    const hops = Math.min(ring.hops, search.maxHops);
    const isAsked = this.#deal(search, whom, hops, ids, false);
    if (openIds === 0 || this.#options.table.chooser.dominant.size === 0) return isAsked;
    return this.#deal(search, whom, hops, openIds, true) || isAsked;
  }

  /** Deals the neighbours to ask out over some ids, which admit dominant entities or do not; false where there are none. */
  #deal(
    search: Search,
    whom: Exclude<Ring['whom'], 'thoroughly'>,
    hops: number,
    ids: number,
    admits: boolean,
  ): boolean {
    const { random } = this.#options;
    const reach = whom === 'hinted' ? 'frugal' : whom;
    const peers = this.#whom(search, whom, requestIdOf(0n, reach, admits), hops);
    // Those who are hinted at are few, and asked one by one.
    const asked = whom === 'hinted' ? peers.slice(0, ids) : shuffled(random, peers);
    for (let offset = 0; offset < ids; offset++) {
      const dealt = asked.filter((_, index) => index % ids === offset);
      if (dealt.length > 0)
        this.#askUnder(requestIdOf(randomU64(random), reach, admits), search, hops, dealt);
    }
    return peers.length > 0;
  }

  /** Where all known routes lose packets, asks for others as well, without those who are most likely at fault. */
  #askAround(search: Search): void {
    const { table } = this.#options;
    const routes = table.alternatives(search.destination);
    if (routes.some((route) => table.chooser.doubtOf(route) === 0)) return;
    for (const shunning of this.#elimination.next(search.destination)) this.#askWithout(search, shunning);
  }

  /** A thorough request for everybody; false where there is nobody to ask. */
  #askWithout(search: Search, shunning: Shunning | null): boolean {
    const requestId = shunningId(this.#options.random, (shunning?.nodes ?? []).map(nodeIdOfKey));
    const peers = this.#whom(search, 'everybody', requestId, search.maxHops);
    if (peers.length > 0) this.#askUnder(requestId, search, search.maxHops, peers, shunning);
    return peers.length > 0;
  }

  #whom({ destination }: Search, whom: Ring['whom'], requestId: bigint, hopsLeft: number): readonly NodeId[] {
    const { self, relays, clock } = this.#options;
    const question = { requestId, destination, source: self, from: null, hopsLeft };
    return whom === 'hinted'
      ? relays.hinted(question, clock.monotonicMillis())
      : relays.of(question, clock.monotonicMillis());
  }

  #askUnder(
    requestId: bigint,
    search: Search,
    maxHops: number,
    peers: readonly NodeId[],
    shunning: Shunning | null = null,
  ): void {
    const { self, ask } = this.#options;
    const { destination } = search;
    const asked = new Map(peers.map((peer) => [nodeKey(peer), LIMITS.ANSWERS_TAKEN_OF_ONE]));
    this.#branches.set(requestId, {
      search,
      hops: maxHops,
      asked,
      answersLeft: LIMITS.ANSWERS_TAKEN,
      shunning,
    });
    search.open.add(requestId);
    const request: RouteRequest = { kind: 'RouteRequest', destination, source: self, requestId, maxHops };
    for (const peer of peers) ask(peer, request);
  }

  /** What a route just learned means for its search. */
  #learned(search: Search): void {
    const { table } = this.#options;
    const routes = table.alternatives(search.destination);
    if (routes.some((route) => table.chooser.isGood(route))) {
      if (search.rests) return;
      this.#tell(search);
      this.#rest(search);
    } else if (routes.some((route) => table.chooser.doubtOf(route) === 0)) this.#tell(search);
    else search.isDoubtful = true;
  }

  /** Nothing more is asked; answers under way are taken for a while. */
  #rest(search: Search): void {
    search.rests = true;
    search.timer?.cancel();
    search.timer = this.#options.clock.after(LIMITS.DISCOVERY_GRACE_MILLIS, () => {
      this.#end(search);
    });
  }

  /** All rings are over. */
  #over(search: Search): void {
    if (search.isDoubtful) this.#tell(search);
    this.#end(search);
    if (search.isFound) return;
    search.resolve(null);
    this.#options.onFailed(search.destination, Reason.DiscoveryTimeout);
  }

  /** A first route is there. */
  #tell(search: Search): void {
    if (search.isFound) return;
    const route = this.#options.table.findRoute(search.destination);
    if (route === null) return;
    search.isFound = true;
    search.resolve(route);
    this.#options.onFound(route, this.#options.clock.monotonicMillis() - search.startedMillis);
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

function withinLimits({
  maxHops = LIMITS.ROUTE_HOPS,
  timeoutMillis = LIMITS.DISCOVERY_TIMEOUT_MILLIS,
}: SearchLimits): Required<SearchLimits> {
  return {
    maxHops: clamp(maxHops, 1, LIMITS.ROUTE_HOPS),
    timeoutMillis: clamp(timeoutMillis, LIMITS.DISCOVERY_TIMEOUT_MIN_MILLIS, LIMITS.DISCOVERY_TIMEOUT_MILLIS),
  };
}

function makeSearch(destination: NodeId, limits: SearchLimits, startedMillis: number): Search {
  let resolve: (route: Route | null) => void = () => undefined;
  const answer = new Promise<Route | null>((settle) => {
    resolve = settle;
  });
  return {
    destination,
    ...withinLimits(limits),
    startedMillis,
    answer,
    resolve,
    open: new Set<bigint>(),
    isFound: false,
    isDoubtful: false,
    rests: false,
    timer: null,
  };
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
