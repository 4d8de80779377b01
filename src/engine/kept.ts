/**
 * Packets that their next hop has taken, the oldest first: kept for a while as a precaution, in memory that is used again
 * and again. Main thread only.
 */
import { keepable } from '../core/bytes.js';
import { Queue, type Queued } from '../core/queue.js';
import { SlabPool, Slabs, type Slab } from '../core/slabs.js';
import type { CaredPacket } from './cared-packet.js';

const SLAB_BYTES = 262_144;
/** Held between a rush and the next one. */
const SLABS_FREE = 16;

/** What can be kept. */
export interface Keepable<T> extends Queued<T> {
  cared: CaredPacket;
  /** Where its bytes are, while it is kept. */
  slab: Slab | null;
}

export class Kept<T extends Keepable<T>> extends Queue<T> {
  readonly #slabs = new Slabs(new SlabPool(SLAB_BYTES, SLABS_FREE));
  bytes = 0;

  override push(held: T): void {
    super.push(held);
    const { length } = held.cared.bytes;
    this.bytes += length;
    const slab = this.#slabs.slabFor(length);
    held.slab = slab;
    held.cared.moveTo((bytes) => (slab === null ? keepable(bytes) : this.#slabs.copy(bytes, slab)));
  }

  /** Takes one out that goes on: in memory of its own. */
  takeBack(held: T): void {
    held.cared.moveTo((bytes) => new Uint8Array(bytes));
    this.remove(held);
  }

  /** Takes one out that nobody looks at any more. */
  override remove(held: T): void {
    super.remove(held);
    this.bytes -= held.cared.bytes.length;
    if (held.slab !== null) this.#slabs.release(held.slab);
    held.slab = null;
  }
}
