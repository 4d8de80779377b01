/**
 * One copy of each id that stands on many routes: every decoded message brings arrays of its own, which would weigh
 * more than all else of a route. Counted, so that nothing outlives the last route that uses it. Main thread only.
 */
import type { NodeId } from '../core/ids.js';
import { IdMap } from './id-map.js';

interface Interned {
  readonly id: NodeId;
  uses: number;
}

export class InternedIds {
  readonly #ids = new IdMap<Interned>();

  /** The copy to use for an id; each call is one use. */
  take(id: NodeId): NodeId {
    const known = this.#ids.get(id);
    if (known !== undefined) {
      known.uses += 1;
      return known.id;
    }
    this.#ids.add({ id, uses: 1 });
    return id;
  }

  /** One use less of an id that was taken. */
  release(id: NodeId): void {
    const known = this.#ids.get(id);
    if (known === undefined) return;
    known.uses -= 1;
    if (known.uses === 0) this.#ids.delete(id);
  }
}
