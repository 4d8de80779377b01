/**
 * One copy of each id that stands on many routes: every decoded message brings arrays of its own, which would weigh
 * more than all else of a route. Counted, so that nothing outlives the last route that uses it. Main thread only.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { shortKey } from './route.js';

interface Interned {
  readonly id: NodeId;
  readonly key: NodeKey;
  uses: number;
}

export class InternedIds {
  readonly #byShortKey = new Map<number, Interned>();

  /** The copy to use for an id; each call is one use. */
  take(id: NodeId): NodeId {
    const known = this.#byShortKey.get(shortKey(id));
    if (known !== undefined && equalBytes(known.id, id)) {
      known.uses += 1;
      return known.id;
    }
    const fresh = { id, key: nodeKey(id), uses: 1 };
    // Of two ids that share a short key, the first is kept and the other stands for itself.
    if (known === undefined) this.#byShortKey.set(shortKey(id), fresh);
    return id;
  }

  /** The key of an id, the same string for each where it is in use. */
  keyOf(id: NodeId): NodeKey {
    const known = this.#byShortKey.get(shortKey(id));
    return known !== undefined && equalBytes(known.id, id) ? known.key : nodeKey(id);
  }

  /** One use less. */
  release(id: NodeId): void {
    const known = this.#byShortKey.get(shortKey(id));
    if (known === undefined || !equalBytes(known.id, id)) return;
    known.uses -= 1;
    if (known.uses === 0) this.#byShortKey.delete(shortKey(id));
  }

  get size(): number {
    return this.#byShortKey.size;
  }
}
