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
 * are others. Rules: routing.md, Discovery and Anti-monopoly. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import type { Hints } from './hints.js';
import { shortKey } from './route.js';
import type { DirectPeer, RoutingTable } from './table.js';

/** How widely a request goes: the last two bits of its id. An odd one is for everybody. */
export const REACH = { frugal: 0n, everybody: 1n, selective: 2n } as const;

export type Reach = keyof typeof REACH;

const REACH_BITS = 3n;

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

/** A random number as the id of a request that goes so widely. */
export function requestIdOf(random: bigint, reach: Reach): bigint {
  return reach === 'everybody' ? random | REACH.everybody : (random & ~REACH_BITS) | REACH[reach];
}

export class Relays {
  readonly #options: RelaysOptions;

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
    const others = this.#others(question);
    const reach = reachOf(requestId);
    if (reach === 'everybody') return others.map(({ nodeId }) => nodeId);
    const allowed = this.#withoutDominant(others);
    const hinted = this.hinted(question, nowMillis).find((nodeId) =>
      allowed.some((peer) => equalBytes(peer.nodeId, nodeId)),
    );
    return hinted === undefined ? this.#covering(allowed, question, reach, nowMillis) : [hinted];
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

  #withoutDominant(peers: readonly DirectPeer[]): readonly DirectPeer[] {
    const { entities, chooser } = this.#options.table;
    const dominant = entities.dominant(chooser.maxEntityShare);
    if (dominant.size === 0) return peers;
    const allowed = peers.filter(({ nodeId }) => !dominant.has(entities.entityOfId(nodeId)));
    return allowed.length > 0 ? allowed : peers;
  }

  /** Few neighbours that together lead to all that these lead to: greedily the one that adds most for its price. */
  #covering(
    peers: readonly DirectPeer[],
    { from, hopsLeft }: RelayQuestion,
    reach: Reach,
    nowMillis: number,
  ): readonly NodeId[] {
    const { self, table, hints } = this.#options;
    const isFrugal = reach === 'frugal';
    const covered = new Set<number>([shortKey(self)]);
    const cover = (keys: readonly number[] | null): void => {
      for (const key of keys ?? []) covered.add(key);
    };
    for (const { nodeId } of table.directPeers()) covered.add(shortKey(nodeId));
    const leadsTo = (key: NodeKey): readonly number[] | null => {
      const near = hints.nextTo(key, nowMillis);
      if (!isFrugal || near === null) return near;
      const two = hints.twoFrom(key, nowMillis);
      // Its own neighbours may not have told it anything yet.
      return two?.length === 0 && near.some((node) => !covered.has(node)) ? null : two;
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
    // The destination is not among what is known, and what is behind that is out of reach.
    const isWithinKnown = hopsLeft <= (isFrugal ? 3 : 2);
    const added = ({ leadsTo: keys, price }: Candidate): number => {
      if (keys === null) return Number.POSITIVE_INFINITY;
      if (isWithinKnown) return 0;
      let gain = 0;
      for (const key of keys) if (!covered.has(key)) gain += 1;
      return gain / price;
    };
    for (const candidate of candidates) candidate.worth = added(candidate);
    const left = candidates.filter(({ worth }) => worth > 0).sort((a, b) => a.worth - b.worth);
    const chosen: NodeId[] = [];
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
      chosen.push(best.nodeId);
      cover(best.leadsTo);
    }
    return chosen;
  }
}

function isOneOf(nodeId: NodeId, from: NodeId | null, source: NodeId): boolean {
  return equalBytes(nodeId, source) || (from !== null && equalBytes(nodeId, from));
}

/** The keys of some nodes. */
export function keysOf(nodeIds: readonly NodeId[]): ReadonlySet<NodeKey> {
  return new Set(nodeIds.map(nodeKey));
}
