/**
 * Memory for copies that are given back in about the order in which they were made, thousands a second: an array of its
 * own for each would be most of what the collector has to do. Main thread only.
 *
 * Whoever gives a copy back must not look at it any more: its memory is used again.
 */

const SLAB_BYTES = 262_144;
/** What is larger gets memory of its own. */
const LARGEST_BYTES = SLAB_BYTES / 8;

/** A piece of memory that several copies share. */
export interface Slab {
  readonly memory: ArrayBuffer;
  used: number;
  /** Copies in it that were not given back. */
  live: number;
}

function fresh(): Slab {
  return { memory: new ArrayBuffer(SLAB_BYTES), used: 0, live: 0 };
}

export class Slabs {
  #current = fresh();
  readonly #free: Slab[] = [];

  /** Where bytes of this length go: to be given to `copy` at once; null where they get memory of their own. */
  slabFor(length: number): Slab | null {
    if (length > LARGEST_BYTES) return null;
    if (this.#current.used + length > SLAB_BYTES) this.#current = this.#free.pop() ?? fresh();
    return this.#current;
  }

  /** The same bytes in a slab that `slabFor` has named. */
  copy(bytes: Uint8Array, slab: Slab): Uint8Array {
    const copy = new Uint8Array(slab.memory, slab.used, bytes.length);
    copy.set(bytes);
    slab.used += bytes.length;
    slab.live += 1;
    return copy;
  }

  /** One copy in this slab is no longer needed. */
  release(slab: Slab): void {
    slab.live -= 1;
    if (slab.live > 0) return;
    slab.used = 0;
    if (slab !== this.#current) this.#free.push(slab);
  }
}
