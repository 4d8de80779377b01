/**
 * What goes out to one peer: small frames are gathered and written together, at the end of the turn of the event loop or
 * when a block is full; what the peer does not read waits in three classes, control before paid before free.
 *
 * Rules: docs/transport.md, Frames and Order. A frame is held at most a millisecond to be written with others. Memory is
 * bounded: a class without room refuses. Blocks are shared by all peers, so that an idle one holds none. Main thread.
 */
import { FRAME_HEADER_BYTES } from '../core/frame.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { SlabPool } from '../core/slabs.js';
import { declaredTraffic, type DeclaredTraffic } from '../packet/declared.js';
import type { Channel } from './channel.js';
import { FairQueue } from './fair-queue.js';

/** Pieces of memory for frames that wait: free ones that are kept, and their size. */
const SLABS_KEPT = 64;
const SLAB_BYTES = 65_536;

/** A frame up to this length takes no block as long as it is alone. */
const SINGLE_BYTES = 2_048;

/**
 * Memory for frames that are written together, and for those that wait. A block is made once and kept: what is told to
 * many peers in one turn takes many of them, again and again. It is not cleared, so that pages of it that no frame has
 * reached cost nothing.
 */
export class Blocks {
  readonly waiting: SlabPool = new SlabPool(SLAB_BYTES, SLABS_KEPT);
  readonly #free: Uint8Array[] = [];
  #out = 0;

  /** A block; null while too many are out: then a frame goes by itself. */
  take(): Uint8Array | null {
    if (this.#out >= LIMITS.TRANSPORT_BLOCKS) return null;
    this.#out += 1;
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(LIMITS.TRANSPORT_BLOCK_BYTES);
  }

  giveBack(block: Uint8Array): void {
    this.#out -= 1;
    this.#free.push(block);
  }

  /** Blocks that a closed channel may still read: they are nobody's any more. */
  lose(count: number): void {
    this.#out -= count;
  }
}

export interface OutboxParts {
  readonly channel: Pick<Channel, 'write'>;
  readonly clock: Clock;
  readonly blocks: Blocks;
  /** Runs a callback at the end of this turn of the event loop. */
  readonly atEndOfTurn: (callback: () => void) => void;
  /** Of what was refused, a class has room again. */
  readonly onRoom: () => void;
}

/** Of a class that refused: so little of its room is taken when it tells of room. One source may have half of it. */
const ROOM_SHARE = 1 / 4;

/** Into so many pieces is cut what the socket of a peer may be handed. */
const PIECES = 4;

/** Frames that are written at once, and the block in which they lie, where they do. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly block: Uint8Array | null;
}

/** In the order in which they go. */
const CLASSES: readonly DeclaredTraffic[] = ['control', 'paid', 'free'];

export class Outbox {
  readonly #parts: OutboxParts;
  readonly #queues: { readonly [C in DeclaredTraffic]: FairQueue };
  readonly #gatherNext = (packet: Uint8Array): void => {
    this.#gather(packet, this.#parts.clock.monotonicMillis());
  };
  #block: Uint8Array | null = null;
  /** The only frame of this turn so far, where it is small: most of what a quiet peer is told. */
  #single: Uint8Array | null = null;
  /** Bytes in one of the two. */
  #filled = 0;
  /** What was gathered while the channel was writing: it is given one piece at a time, of several it would make a copy. */
  #ready: Piece[] = [];
  #isWriting = false;
  /** Blocks that are full, or with the channel. */
  #blocksOut = 0;
  /** Since when something lies there. */
  #heldSince = 0;
  #unsentBytes = 0;
  /** How many of them may be: as many as a prompt peer takes in no time. */
  #unsentMost: number = LIMITS.TRANSPORT_UNSENT_BYTES;
  /** When the peer last took something, or began to be owed something. */
  #movedAt = 0;
  #isFlushDue = false;
  /** Classes that have refused something since they had room. */
  readonly #refused = new Set<DeclaredTraffic>();
  #isClosed = false;
  /** Frames and bytes that were given to the channel. */
  frames = 0;
  bytes = 0;
  lastWriteMillis: number;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    const { waiting } = parts.blocks;
    this.#queues = {
      control: new FairQueue(LIMITS.TRANSPORT_CONTROL_QUEUE_BYTES, waiting),
      paid: new FairQueue(LIMITS.TRANSPORT_PAID_QUEUE_BYTES, waiting),
      free: new FairQueue(LIMITS.TRANSPORT_FREE_QUEUE_BYTES, waiting),
    };
    this.lastWriteMillis = parts.clock.monotonicMillis();
  }

  /** Bytes that wait in queues. */
  get waitingBytes(): number {
    return this.#queues.control.bytes + this.#queues.paid.bytes + this.#queues.free.bytes;
  }

  /** Whether the next packet is copied to be written, and not kept. */
  get isClear(): boolean {
    return this.#hasRoom && this.waitingBytes === 0;
  }

  /** Bytes in queues and in the channel. */
  get pendingBytes(): number {
    return this.waitingBytes + this.#unsentBytes + this.#filled;
  }

  /** How long the peer has taken nothing although something waits for it; 0 where nothing does. */
  get stalledMillis(): number {
    if (this.#unsentBytes === 0) return 0;
    return this.#parts.clock.monotonicMillis() - this.#movedAt;
  }

  /**
   * Takes a packet to be sent.
   * @param packet not changed afterwards: a large one is kept where it has to wait
   * @param source whose turn it takes where it has to wait
   * @param now monotonic ms
   * @returns false where as much waits as may
   */
  put(packet: Uint8Array, source: string, now: number = this.#parts.clock.monotonicMillis()): boolean {
    if (this.#isClosed) return false;
    if (!this.isClear) {
      const traffic = declaredTraffic(packet);
      const isTaken = this.#queues[traffic].put(packet, source);
      if (!isTaken) this.#refused.add(traffic);
      return isTaken;
    }
    this.#gather(packet, now);
    return true;
  }

  /** Writes what was gathered, or lets it gather until the channel is done with what it has. */
  flush(): void {
    if (!this.#isWriting) this.#cut();
  }

  /** Drops everything. What the channel still holds is its own. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { blocks } = this.#parts;
    if (this.#block !== null) blocks.giveBack(this.#block);
    blocks.lose(this.#blocksOut);
    this.#block = null;
    this.#single = null;
    this.#filled = 0;
    this.#ready = [];
  }

  #gather(packet: Uint8Array, now: number): void {
    const { blocks } = this.#parts;
    const frameBytes = FRAME_HEADER_BYTES + packet.length;
    this.frames += 1;
    if (this.#filled + frameBytes > this.#pieceMost) this.#cut();
    if (this.#filled === 0) this.#heldSince = now;
    if (this.#filled === 0 && frameBytes <= SINGLE_BYTES) {
      this.#single = frameOf(packet);
      this.#filled = frameBytes;
      this.#flushLater();
      return;
    }
    const isLarge = frameBytes > LIMITS.TRANSPORT_BLOCK_BYTES;
    const block = isLarge ? null : (this.#block ?? blocks.take());
    if (block === null) {
      this.#cut();
      this.#give({ bytes: frameOf(packet), block });
      return;
    }
    this.#block = block;
    if (this.#filled === 0) this.#flushLater();
    if (this.#single !== null) block.set(this.#single);
    this.#single = null;
    writeFrame(block, this.#filled, packet);
    this.#filled += frameBytes;
    if (now - this.#heldSince >= LIMITS.TRANSPORT_HOLD_MILLIS) this.flush();
  }

  #flushLater(): void {
    if (this.#isFlushDue) return;
    this.#isFlushDue = true;
    this.#parts.atEndOfTurn(() => {
      this.#isFlushDue = false;
      this.flush();
    });
  }

  /** Whether more may be gathered for the channel. */
  get #hasRoom(): boolean {
    return this.#unsentBytes + this.#filled < this.#unsentMost;
  }

  /** Bytes that are written at once: fewer to a peer that is slow to take them, so that each is seen to be taken. */
  get #pieceMost(): number {
    return Math.min(LIMITS.TRANSPORT_BLOCK_BYTES, this.#unsentMost / PIECES);
  }

  /** What was gathered goes as it is. */
  #cut(): void {
    const block = this.#block;
    const bytes = block === null ? this.#single : block.subarray(0, this.#filled);
    if (bytes === null || this.#isClosed) return;
    this.#block = null;
    this.#single = null;
    this.#filled = 0;
    this.#give({ bytes, block });
  }

  #give(piece: Piece): void {
    if (this.#unsentBytes === 0) this.#movedAt = this.#parts.clock.monotonicMillis();
    if (piece.block !== null) this.#blocksOut += 1;
    this.#unsentBytes += piece.bytes.length;
    this.bytes += piece.bytes.length;
    if (this.#isWriting) this.#ready.push(piece);
    else this.#write(piece);
  }

  #write({ bytes, block }: Piece): void {
    const { channel, clock, blocks } = this.#parts;
    const since = clock.monotonicMillis();
    this.#isWriting = true;
    this.lastWriteMillis = since;
    channel.write(bytes, () => {
      this.#isWriting = false;
      if (block !== null && !this.#isClosed) {
        this.#blocksOut -= 1;
        blocks.giveBack(block);
      }
      this.#unsentBytes -= bytes.length;
      this.#movedAt = clock.monotonicMillis();
      this.#unsentMost =
        this.#movedAt - since < LIMITS.TRANSPORT_PROMPT_MILLIS
          ? Math.min(2 * this.#unsentMost, LIMITS.TRANSPORT_UNSENT_MOST_BYTES)
          : LIMITS.TRANSPORT_UNSENT_BYTES;
      const next = this.#ready.shift();
      if (next !== undefined) this.#write(next);
      this.#refill();
      this.flush();
      this.#tellRoom();
    });
  }

  /** Lets what waits go on, the most urgent first. */
  #refill(): void {
    while (this.#hasRoom && !this.#isClosed) {
      if (!CLASSES.some((name) => this.#queues[name].take(this.#gatherNext))) return;
    }
  }

  #tellRoom(): void {
    let hasRoom = false;
    for (const traffic of this.#refused) {
      const { bytes, roomBytes } = this.#queues[traffic];
      if (bytes > ROOM_SHARE * roomBytes) continue;
      this.#refused.delete(traffic);
      hasRoom = true;
    }
    if (hasRoom && !this.#isClosed) this.#parts.onRoom();
  }
}

function frameOf(packet: Uint8Array): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + packet.length);
  writeFrame(frame, 0, packet);
  return frame;
}

function writeFrame(target: Uint8Array, at: number, packet: Uint8Array): void {
  const { length } = packet;
  target[at] = length >>> 24;
  target[at + 1] = (length >>> 16) & 0xff;
  target[at + 2] = (length >>> 8) & 0xff;
  target[at + 3] = length & 0xff;
  target.set(packet, at + FRAME_HEADER_BYTES);
}
