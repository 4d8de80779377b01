/**
 * A map by node id without the cost of a key for each look: by the first four bytes of the id, with the whole id
 * compared. Exact whatever the ids are: those that share their first bytes with one that is in it are kept by their
 * keys, as slow as any other map, so whoever makes such ids gains nothing else by it. Main thread only.
 */
import { equalBytes, holdsAt } from '../core/bytes.js';
import { NODE_ID_BYTES, nodeIdOf, nodeKey, type NodeId, type NodeKey } from '../core/ids.js';

export class IdMap<V extends { readonly id: NodeId }> {
  readonly #byPrefix = new Map<number, V>();
  /** Those that found their place taken. */
  readonly #others = new Map<NodeKey, V>();

  get size(): number {
    return this.#byPrefix.size + this.#others.size;
  }

  /** @param bytes an id, or larger ones in which one begins at `start`: to be found without a view of it */
  get(bytes: Uint8Array, start = 0): V | undefined {
    const first = this.#byPrefix.get(prefixOf(bytes, start));
    if (first !== undefined && holdsAt(bytes, start, first.id)) return first;
    if (this.#others.size === 0) return undefined;
    return this.#others.get(nodeKey(nodeIdOf(bytes.subarray(start, start + NODE_ID_BYTES))));
  }

  /** Takes in a value whose id is not in it yet. */
  add(value: V): void {
    const prefix = prefixOf(value.id);
    if (this.#byPrefix.has(prefix)) this.#others.set(nodeKey(value.id), value);
    else this.#byPrefix.set(prefix, value);
  }

  delete(id: NodeId): void {
    const prefix = prefixOf(id);
    const first = this.#byPrefix.get(prefix);
    if (first !== undefined && equalBytes(first.id, id)) this.#byPrefix.delete(prefix);
    else if (this.#others.size > 0) this.#others.delete(nodeKey(id));
  }
}

/** The first four bytes as an integer of 32 bits with a sign, which is the cheapest key that a map can have. */
export function prefixOf(bytes: Uint8Array, start = 0): number {
  return (
    ((bytes[start] ?? 0) << 24) |
    ((bytes[start + 1] ?? 0) << 16) |
    ((bytes[start + 2] ?? 0) << 8) |
    (bytes[start + 3] ?? 0)
  );
}

/** As `prefixOf`, of the key of an id. */
export function prefixOfKey(key: NodeKey): number {
  return Number.parseInt(key.slice(0, 8), 16) | 0;
}
