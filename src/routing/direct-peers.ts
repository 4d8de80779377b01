/**
 * The authenticated neighbours: by id, by key and by address. An id has one address and an address one id while the
 * neighbour is connected. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { IdMap } from './id-map.js';
import type { Route } from './route.js';
import type { DirectPeer } from './table-types.js';

export interface DirectEntry {
  readonly id: NodeId;
  readonly key: NodeKey;
  /** From this node to it. */
  readonly route: Route;
  peer: DirectPeer;
}

export class DirectPeers {
  /** In the order in which they joined. */
  readonly #byKey = new Map<NodeKey, DirectEntry>();
  readonly #byId = new IdMap<DirectEntry>();
  readonly #byAddress = new Map<string, DirectEntry>();
  #listed: readonly DirectPeer[] | null = null;

  get size(): number {
    return this.#byKey.size;
  }

  /** @param start where the id begins in the bytes */
  get(bytes: Uint8Array, start = 0): DirectEntry | undefined {
    return this.#byId.get(bytes, start);
  }

  byKey(key: NodeKey): DirectEntry | undefined {
    return this.#byKey.get(key);
  }

  at(address: string): DirectEntry | undefined {
    return this.#byAddress.get(address);
  }

  /** Takes in a neighbour whose id and address are not known yet. @param route from this node to it */
  add(nodeId: NodeId, address: string, route: Route): DirectEntry {
    const entry = { id: nodeId, key: nodeKey(nodeId), route, peer: { nodeId, address } };
    this.#byKey.set(entry.key, entry);
    this.#byId.add(entry);
    this.#byAddress.set(address, entry);
    this.#listed = null;
    return entry;
  }

  /** Nothing changes where the neighbour is none, or the address is another one's. */
  move(nodeId: NodeId, address: string): void {
    const entry = this.get(nodeId);
    if (entry === undefined || this.#byAddress.has(address)) return;
    this.#byAddress.delete(entry.peer.address);
    entry.peer = { nodeId: entry.id, address };
    this.#byAddress.set(address, entry);
    this.#listed = null;
  }

  /** @returns the entry that was removed, where there was one */
  remove(nodeId: NodeId): DirectEntry | undefined {
    const entry = this.get(nodeId);
    if (entry === undefined) return undefined;
    this.#byKey.delete(entry.key);
    this.#byId.delete(entry.id);
    this.#byAddress.delete(entry.peer.address);
    this.#listed = null;
    return entry;
  }

  /** In the order in which they joined. */
  list(): readonly DirectPeer[] {
    this.#listed ??= [...this.#byKey.values()].map(({ peer }) => peer);
    return this.#listed;
  }

  /** The ways to them, in the order in which they joined. */
  routes(): readonly Route[] {
    return [...this.#byKey.values()].map(({ route }) => route);
  }
}
