/**
 * Memory for copies that are given back in about the order in which they were made, thousands a second: an array of its
 * own for each would be most of what the collector has to do. Main thread only.
 *
 * Whoever gives a copy back must not look at it any more: its memory is used again. A piece of memory is used again when
 * all copies in it were given back, so that copies which are given back much later than those beside them belong into
 * Slabs of their own.
 */

/** Of what is larger than this part of a piece, nothing is copied into it. */
const LARGEST_SHARE = 1 / 8;

/** A piece of memory that several copies share. */
export interface Slab {
  readonly memory: ArrayBuffer;
  used: number;
  /** Copies in it that were not given back. */
  live: number;
}

/** Pieces of one size, which many may share. */
export class SlabPool {
  readonly slabBytes: number;
  readonly #most: number;
  readonly #free: Slab[] = [];

  /** @param most free pieces that are held for the next one who needs one */
  constructor(slabBytes: number, most: number) {
    this.slabBytes = slabBytes;
    this.#most = most;
  }

  take(): Slab {
    return this.#free.pop() ?? { memory: new ArrayBuffer(this.slabBytes), used: 0, live: 0 };
  }

  giveBack(slab: Slab): void {
    slab.used = 0;
    if (this.#free.length < this.#most) this.#free.push(slab);
  }
}

export class Slabs {
  readonly #pool: SlabPool;
  /** Into which the next copy goes; null where nothing was copied since the last `close`. */
  #current: Slab | null = null;

  constructor(pool: SlabPool) {
    this.#pool = pool;
  }

  /** Where bytes of this length go: to be given to `copy` at once; null where they are too many to share memory. */
  slabFor(length: number): Slab | null {
    const { slabBytes } = this.#pool;
    if (length > LARGEST_SHARE * slabBytes) return null;
    const current = this.#current;
    if (current !== null && current.used + length <= slabBytes) return current;
    // A full one goes back with the last of its copies.
    return (this.#current = this.#pool.take());
  }

  /** The same bytes in the slab that `slabFor` has named. */
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
    if (slab === this.#current) slab.used = 0;
    else this.#pool.giveBack(slab);
  }

  /** All copies were given back, and the next may be long in coming: no memory is held for it. */
  close(): void {
    const current = this.#current;
    this.#current = null;
    if (current?.live === 0) this.#pool.giveBack(current);
  }
}
