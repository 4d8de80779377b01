/**
 * Whom a route request is sent to.
 *
 * A request whose id is even is selective: it goes to neighbours that advertise the destination, and where none does,
 * to as few as reach every node two hops away that the sender before has not reached (dominant pruning, after Lim and
 * Kim 2001); never through an entity that owns more than its share of the nodes known here, while there are others.
 * One whose id is odd goes to everybody: what liars, losses and stale hints keep from a selective one is found by it.
 * Ids are random either way, so a node that knows nothing of this floods both.
 *
 * Rules: routing.md, Discovery and Anti-monopoly. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import type { Hints } from './hints.js';
import { shortKey } from './route.js';
import type { DirectPeer, RoutingTable } from './table.js';

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
  /** What it is next to, or null where that is not known. */
  readonly near: readonly number[] | null;
  readonly gain: number;
}

/** Whether a request is for a few chosen neighbours at each node. */
export function isSelective(requestId: bigint): boolean {
  return (requestId & 1n) === 0n;
}

export class Relays {
  readonly #options: RelaysOptions;

  constructor(options: RelaysOptions) {
    this.#options = options;
  }

  /** The neighbours to ask, best first. */
  of(question: RelayQuestion, nowMillis: number): readonly NodeId[] {
    const { table } = this.#options;
    const { destination, from, requestId } = question;
    if (from !== null && equalBytes(from, destination)) return [];
    if (table.isDirectPeer(destination)) return [destination];
    const others = this.#others(question);
    if (!isSelective(requestId)) return others.map(({ nodeId }) => nodeId);
    const allowed = this.#withoutDominant(others);
    const hinted = this.hinted(question, nowMillis).filter((nodeId) =>
      allowed.some((peer) => equalBytes(peer.nodeId, nodeId)),
    );
    return hinted.length > 0 ? hinted.slice(0, 1) : this.#covering(allowed, from, nowMillis);
  }

  /** Neighbours that advertise the destination within the hops left, nearest first. */
  hinted(question: RelayQuestion, nowMillis: number): readonly NodeId[] {
    const { table, hints } = this.#options;
    const { destination, from, source, hopsLeft } = question;
    return hints
      .of(destination, nowMillis)
      .filter(({ hopCount }) => hopCount < hopsLeft)
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

  /** Few neighbours that together are next to all that these are next to. */
  #covering(peers: readonly DirectPeer[], from: NodeId | null, nowMillis: number): readonly NodeId[] {
    const { self, table, hints } = this.#options;
    const covered = new Set<number>([shortKey(self)]);
    for (const { nodeId } of table.directPeers()) covered.add(shortKey(nodeId));
    if (from !== null) {
      for (const key of hints.nextTo(nodeKey(from), nowMillis) ?? []) covered.add(key);
    }
    const candidates = peers.map(({ nodeId }): Candidate => {
      const near = hints.nextTo(nodeKey(nodeId), nowMillis);
      const gain = near === null ? Infinity : near.filter((key) => !covered.has(key)).length;
      return { nodeId, near, gain };
    });
    candidates.sort((a, b) => (a.gain === b.gain ? 0 : b.gain - a.gain));
    const chosen: NodeId[] = [];
    for (const { nodeId, near } of candidates) {
      if (near?.every((key) => covered.has(key)) === true) continue;
      chosen.push(nodeId);
      for (const key of near ?? []) covered.add(key);
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
