/** The memory of all outboxes of a transport: for frames that are written together, and for those that wait. Main thread. */
import { LIMITS } from '../core/limits.js';
import { SlabPool } from '../core/slabs.js';

/** Pieces of memory for frames that wait: free ones that are kept, and their size. */
const SLABS_KEPT = 64;
const SLAB_BYTES = 65_536;

/**
 * Memory for frames that are written together, and for those that wait. A block is made once and kept: what is told to
 * many peers in one turn takes many of them, again and again. It is not cleared, so that pages of it that no frame has
 * reached cost nothing.
 */
export class Blocks {
  readonly waiting: SlabPool = new SlabPool(SLAB_BYTES, SLABS_KEPT);
  readonly #small = new BlockPool(LIMITS.TRANSPORT_BLOCK_BYTES, LIMITS.TRANSPORT_BLOCKS);
  readonly #large = new BlockPool(LIMITS.TRANSPORT_BURST_BLOCK_BYTES, LIMITS.TRANSPORT_BURST_BLOCKS);

  /** A block, a large one if one is wanted and there; null while too many are out: then a frame goes by itself. */
  take(isBurst: boolean): Uint8Array | null {
    return (isBurst ? this.#large.take() : null) ?? this.#small.take();
  }

  giveBack(block: Uint8Array): void {
    this.#poolOf(block).giveBack(block);
  }

  /** A block that a closed channel may still read: it is nobody's any more. */
  lose(block: Uint8Array): void {
    this.#poolOf(block).lose();
  }

  #poolOf({ length }: Uint8Array): BlockPool {
    return length === LIMITS.TRANSPORT_BURST_BLOCK_BYTES ? this.#large : this.#small;
  }
}

/** Blocks of one size. */
class BlockPool {
  readonly #bytes: number;
  readonly #most: number;
  readonly #free: Uint8Array[] = [];
  #out = 0;

  /** @param most that may be out */
  constructor(bytes: number, most: number) {
    this.#bytes = bytes;
    this.#most = most;
  }

  take(): Uint8Array | null {
    if (this.#out >= this.#most) return null;
    this.#out += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  giveBack(block: Uint8Array): void {
    this.#out -= 1;
    this.#free.push(block);
  }

  lose(): void {
    this.#out -= 1;
  }
}
