/**
 * Whom a route request is sent to.
 *
 * The last two bits of its random id say how widely it goes (`reachOf`), so that a node that knows nothing of this
 * floods all of them:
 * - frugal: to the cheapest neighbour that advertises the destination; where none does, to as few as together are two
 *   hops from all that is three hops away (dominant pruning, after Lim and Kim 2001, by what neighbours tell of
 *   theirs). Every node that is within three hops of the destination knows where to send it.
 * - selective: as frugal, but by what neighbours are next to alone, of which they are sure.
 * - everybody: what liars, losses and stale hints keep from the others is found by it.
 *
 * Neither of the first two goes through an entity that owns more than its share of the nodes known here, while there
 * are others. The third last bit lifts that for a single node at a time (`admitsDominant`): nobody next to such a node on
 * the way passes the request to another one, since a route must not repeat an entity. Rules: routing.md, Discovery and
 * Anti-monopoly. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Hints } from './hints.js';
import { shunnedBy } from './shunning.js';
import type { DirectPeer, RoutingTable } from './table.js';

/** How widely a request goes: the last two bits of its id. An odd one is for everybody. */
export const REACH = { frugal: 0n, everybody: 1n, selective: 2n } as const;

export type Reach = keyof typeof REACH;

const REACH_BITS = 3n;
const ADMITS_BIT = 4n;

export interface RelayQuestion {
  readonly requestId: bigint;
  readonly destination: NodeId;
  readonly source: NodeId;
  /** The neighbour that the request came from, or null where it starts here. */
  readonly from: NodeId | null;
  /** Hops that the request may still go from here. */
  readonly hopsLeft: number;
}

export interface RelaysOptions {
  readonly self: NodeId;
  readonly table: RoutingTable;
  readonly hints: Hints;
}

interface Relay {
  readonly nodeId: NodeId;
  /** Whether it told what it leads to. */
  readonly isKnown: boolean;
}

interface Candidate {
  readonly nodeId: NodeId;
  /** What it leads to, or null where that is not known. */
  readonly leadsTo: readonly number[] | null;
  readonly price: number;
  /** What it was worth when it was looked at last: things covered for each sat. It only falls. */
  worth: number;
}

/** How widely a request with this id goes. */
export function reachOf(requestId: bigint): Reach {
  if ((requestId & 1n) === 1n) return 'everybody';
  return (requestId & REACH_BITS) === REACH.selective ? 'selective' : 'frugal';
}

/** Whether a request with this id, for few or some, may go through dominant entities although there are others. */
export function admitsDominant(requestId: bigint): boolean {
  return (requestId & ADMITS_BIT) !== 0n;
}

/** A random number as the id of a request that goes so widely. */
export function requestIdOf(random: bigint, reach: Reach, admits = false): bigint {
  return (random & ~(REACH_BITS | ADMITS_BIT)) | REACH[reach] | (admits ? ADMITS_BIT : 0n);
}

/** By the neighbour that the request came from, null for this node's own. */
type RelaySets = Readonly<Record<Exclude<Reach, 'everybody'>, Map<NodeKey | null, readonly Relay[]>>>;

/** Relay sets that hold until something is learned of the neighbourhood, or its hints grow old. */
interface Remembered {
  readonly peers: readonly DirectPeer[];
  readonly hints: number;
  readonly entities: number;
  readonly sinceMillis: number;
  readonly guarded: RelaySets;
  /** Dominant entities not left out. */
  readonly open: RelaySets;
}

export class Relays {
  readonly #options: RelaysOptions;
  #remembered: Remembered | null = null;

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  /** The neighbours to ask, best first. */
  of(question: RelayQuestion, nowMillis: number): readonly NodeId[] {
    const { table } = this.#options;
    const { destination, from, requestId, hopsLeft } = question;
    if (from !== null && equalBytes(from, destination)) return [];
    if (table.isDirectPeer(destination)) return [destination];
    // Whoever is asked needs a hop to the destination.
    if (hopsLeft < 2) return [];
    const reach = reachOf(requestId);
    if (reach === 'everybody') {
      const shuns = shunnedBy(requestId);
      const others: NodeId[] = [];
      for (const { nodeId } of table.directPeers()) {
        if (!isOneOf(nodeId, from, question.source) && shuns?.(nodeId) !== true) others.push(nodeId);
      }
      return others;
    }
    const isOpen = this.#isOpen(question);
    const hinted = this.hinted(question, nowMillis);
    if (hinted.length > 0) {
      const allowed = this.#allowed(this.#others(question), isOpen);
      const cheapest = hinted.find((nodeId) => allowed.some((peer) => equalBytes(peer.nodeId, nodeId)));
      if (cheapest !== undefined) return [cheapest];
    }
    // The destination is not among what is known, and what is behind that is out of reach.
    const isWithinKnown = hopsLeft <= (reach === 'frugal' ? 3 : 2);
    const relays = this.#relaysOf(from, reach, isOpen, nowMillis).filter(
      ({ nodeId, isKnown }) => !equalBytes(nodeId, question.source) && !(isWithinKnown && isKnown),
    );
    return relays.map(({ nodeId }) => nodeId);
  }

  /** Neighbours that advertise the destination within the hops left, cheapest first. */
  hinted(question: RelayQuestion, nowMillis: number): readonly NodeId[] {
    const { table, hints } = this.#options;
    const { destination, from, source, hopsLeft } = question;
    return hints
      .of(destination, hopsLeft - 1, nowMillis)
      .flatMap(({ neighbour }) => table.directPeer(neighbour)?.nodeId ?? [])
      .filter((nodeId) => !isOneOf(nodeId, from, source));
  }

  #others({ from, source }: RelayQuestion): readonly DirectPeer[] {
    return this.#options.table.directPeers().filter(({ nodeId }) => !isOneOf(nodeId, from, source));
  }

  /** Whether the request may go to a dominant entity from here: neither this node nor the one before it is of one. */
  #isOpen({ requestId, from }: RelayQuestion): boolean {
    if (!admitsDominant(requestId)) return false;
    const { self, table } = this.#options;
    const { dominant } = table.chooser;
    return ![self, from].some((node) => node !== null && dominant.has(table.entities.entityOfId(node)));
  }

  /** Those of some neighbours that a request may go to. @param isOpen whether dominant entities are among them */
  #allowed(peers: readonly DirectPeer[], isOpen: boolean): readonly DirectPeer[] {
    const { entities, chooser } = this.#options.table;
    const { dominant } = chooser;
    if (isOpen || dominant.size === 0) return peers;
    const allowed = peers.filter(({ nodeId }) => !dominant.has(entities.entityOfId(nodeId)));
    return allowed.length > 0 ? allowed : peers;
  }

  /** The relay set for requests from a neighbour, or for this node's own: made once for many of them. */
  #relaysOf(
    from: NodeId | null,
    reach: Exclude<Reach, 'everybody'>,
    isOpen: boolean,
    nowMillis: number,
  ): readonly Relay[] {
    const { table, hints } = this.#options;
    const peers = table.directPeers();
    let known = this.#remembered;
    const isGood =
      known?.peers === peers &&
      known.hints === hints.version &&
      known.entities === table.entities.version &&
      nowMillis - known.sinceMillis < LIMITS.GATHERED_MILLIS;
    if (known === null || !isGood) {
      const versions = { hints: hints.version, entities: table.entities.version };
      known = { peers, ...versions, sinceMillis: nowMillis, guarded: noSets(), open: noSets() };
      this.#remembered = known;
    }
    const relaysFor = (isOpen ? known.open : known.guarded)[reach];
    const fromKey = from === null ? null : (table.directKey(from) ?? nodeKey(from));
    const ready = relaysFor.get(fromKey);
    if (ready !== undefined) return ready;
    const others = from === null ? peers : peers.filter(({ nodeId }) => !equalBytes(nodeId, from));
    const relays = this.#covering(this.#allowed(others, isOpen), from, reach, nowMillis);
    relaysFor.set(fromKey, relays);
    return relays;
  }

  /** Few neighbours that together lead to all that these lead to: greedily the one that adds most for its price. */
  #covering(
    peers: readonly DirectPeer[],
    from: NodeId | null,
    reach: Reach,
    nowMillis: number,
  ): readonly Relay[] {
    const { self, table, hints } = this.#options;
    const isFrugal = reach === 'frugal';
    const covered = new Uint8Array(hints.numbers);
    const cover = (nodes: readonly number[] | null): void => {
      for (const node of nodes ?? []) covered[node] = 1;
    };
    const coverOne = (nodeId: NodeId): void => {
      const number = hints.numberOf(nodeId);
      if (number !== null) covered[number] = 1;
    };
    coverOne(self);
    for (const { nodeId } of table.directPeers()) coverOne(nodeId);
    const leadsTo = (key: NodeKey): readonly number[] | null => {
      const near = hints.nextTo(key, nowMillis);
      if (!isFrugal || near === null) return near;
      const two = hints.twoFrom(key, nowMillis);
      // Its own neighbours may not have told it anything yet.
      return two?.length === 0 && near.some((node) => covered[node] === 0) ? null : two;
    };
    const candidates = peers.map(({ nodeId }): Candidate => {
      const key = nodeKey(nodeId);
      return { nodeId, leadsTo: leadsTo(key), price: hints.priceOf(key), worth: 0 };
    });
    if (isFrugal) {
      for (const { nodeId } of table.directPeers()) cover(hints.nextTo(nodeKey(nodeId), nowMillis));
    }
    if (from !== null) {
      cover(hints.nextTo(nodeKey(from), nowMillis));
      if (isFrugal) cover(hints.twoFrom(nodeKey(from), nowMillis));
    }
    const added = ({ leadsTo: nodes, price }: Candidate): number => {
      if (nodes === null) return Number.POSITIVE_INFINITY;
      let gain = 0;
      for (const node of nodes) if (covered[node] === 0) gain += 1;
      return gain / price;
    };
    for (const candidate of candidates) candidate.worth = added(candidate);
    const left = candidates.filter(({ worth }) => worth > 0).sort((a, b) => a.worth - b.worth);
    const chosen: Relay[] = [];
    for (let best = left.pop(); best !== undefined; best = left.pop()) {
      const worth = added(best);
      if (worth === 0) continue;
      const next = left[left.length - 1];
      if (next !== undefined && worth < next.worth) {
        // Others have taken some of it: it stands again where it belongs.
        best.worth = worth;
        const place = left.findIndex((other) => other.worth > worth);
        left.splice(place < 0 ? left.length : place, 0, best);
        continue;
      }
      chosen.push({ nodeId: best.nodeId, isKnown: best.leadsTo !== null });
      cover(best.leadsTo);
    }
    return chosen;
  }
}

function noSets(): RelaySets {
  return { frugal: new Map(), selective: new Map() };
}

function isOneOf(nodeId: NodeId, from: NodeId | null, source: NodeId): boolean {
  return equalBytes(nodeId, source) || (from !== null && equalBytes(nodeId, from));
}

/** The keys of some nodes. */
export function keysOf(nodeIds: readonly NodeId[]): ReadonlySet<NodeKey> {
  return new Set(nodeIds.map(nodeKey));
}
