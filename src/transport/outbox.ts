/**
 * What goes out to one peer: small frames are gathered and written together, at the end of the turn of the event loop or
 * when a block is full; what the peer does not read waits in three classes, control before paid before free.
 *
 * Rules: docs/transport.md, Frames and Order. A frame is held at most a millisecond to be written with others, or until the
 * channel has taken what was given to it before, which would copy what it is given meanwhile. A quiet peer is written small
 * parts, for which its channel has memory already. Memory is bounded: a class without room refuses. Blocks are shared by all
 * peers, so that an idle one holds none. Main thread.
 */
import { FRAME_HEADER_BYTES } from '../core/frame.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import type { SlabPool } from '../core/slabs.js';
import { declaredTraffic, type DeclaredTraffic } from '../packet/declared.js';
import type { Blocks } from './blocks.js';
import type { Channel } from './channel.js';
import { FairQueue } from './fair-queue.js';

/** A frame up to this length takes no block as long as it is alone. */
const SINGLE_BYTES = 2_048;

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
  /** Frames that wait; made when the first one has to. */
  #queues: { readonly [C in DeclaredTraffic]: FairQueue } | null = null;
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
  /** What the channel has. */
  #writing: Piece | null = null;
  /** Since when something lies there. */
  #heldSince = 0;
  #unsentBytes = 0;
  /** How many of them may be: as many as a prompt peer takes in no time. */
  #unsentMost: number = LIMITS.TRANSPORT_UNSENT_BYTES;
  /** When the peer last took something, or began to be owed something. */
  #movedAt = 0;
  /** Bytes written since the last pause. */
  #burstBytes = 0;
  #isFlushDue = false;
  /** Classes that have refused something since they had room. */
  #refused: Set<DeclaredTraffic> | null = null;
  #isClosed = false;
  #onEmpty: (() => void) | null = null;
  /** Frames and bytes that were given to the channel. */
  frames = 0;
  bytes = 0;
  lastWriteMillis: number;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
    this.lastWriteMillis = parts.clock.monotonicMillis();
  }

  /** Bytes that wait in queues. */
  get waitingBytes(): number {
    const queues = this.#queues;
    return queues === null ? 0 : queues.control.bytes + queues.paid.bytes + queues.free.bytes;
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
      this.#queues ??= queuesIn(this.#parts.blocks.waiting);
      const isTaken = this.#queues[traffic].put(packet, source);
      if (!isTaken) (this.#refused ??= new Set()).add(traffic);
      return isTaken;
    }
    this.#gather(packet, now);
    return true;
  }

  /** Writes what was gathered, or lets it gather until the channel is done with what it has. */
  flush(): void {
    if (this.#writing === null) this.#cut();
  }

  /** Calls back once when all is written that waits: at once where nothing does, and never where it was closed before. */
  whenEmpty(onEmpty: () => void): void {
    this.#onEmpty = onEmpty;
    this.flush();
    this.#tellEmpty();
  }

  /** Drops everything. What the channel still holds is its own. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { blocks } = this.#parts;
    for (const block of [this.#block, ...this.#ready.map((piece) => piece.block)]) {
      if (block !== null) blocks.giveBack(block);
    }
    const block = this.#writing?.block ?? null;
    if (block !== null) blocks.lose(block);
    this.#block = null;
    this.#single = null;
    this.#filled = 0;
    this.#ready = [];
  }

  #gather(packet: Uint8Array, now: number): void {
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
    const block = this.#block ?? this.#blockFor(frameBytes);
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

  /** A block that holds what was gathered and a frame; null where there is none. */
  #blockFor(frameBytes: number): Uint8Array | null {
    const { blocks } = this.#parts;
    if (frameBytes > this.#pieceMost) return null;
    const block = blocks.take(this.#isBurst);
    if (block === null || this.#filled + frameBytes <= block.length) return block;
    blocks.giveBack(block);
    return null;
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

  /** Whether the peer is sent so little that memory counts more than a few writes. */
  get #isQuiet(): boolean {
    return this.#burstBytes <= LIMITS.TRANSPORT_QUIET_BYTES;
  }

  get #isBurst(): boolean {
    return this.#burstBytes >= LIMITS.TRANSPORT_BURST_BYTES;
  }

  /** Bytes that are written at once, as far as the block holds them: fewer to a slow peer, so that each is seen to be taken. */
  get #pieceMost(): number {
    const most = this.#isBurst ? this.#unsentMost / PIECES : LIMITS.TRANSPORT_BLOCK_BYTES;
    return Math.min(this.#block?.length ?? LIMITS.TRANSPORT_BURST_BLOCK_BYTES, most);
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
    this.#unsentBytes += piece.bytes.length;
    this.bytes += piece.bytes.length;
    if (this.#writing !== null) {
      this.#ready.push(piece);
      return;
    }
    // All that was given before is taken: from now on the peer is owed something.
    this.#movedAt = this.#parts.clock.monotonicMillis();
    this.#write(piece, this.#movedAt);
  }

  /** @param since monotonic ms, now */
  #write(piece: Piece, since: number): void {
    const { channel, clock, blocks } = this.#parts;
    const { bytes, block } = piece;
    this.#writing = piece;
    if (since - this.lastWriteMillis > LIMITS.TRANSPORT_BURST_PAUSE_MILLIS) this.#burstBytes = 0;
    this.#burstBytes += bytes.length;
    this.lastWriteMillis = since;
    const partMost = this.#isQuiet ? LIMITS.TRANSPORT_QUIET_PART_BYTES : bytes.length;
    writeInParts(channel, bytes, partMost, () => {
      this.#writing = null;
      if (block !== null && !this.#isClosed) blocks.giveBack(block);
      this.#unsentBytes -= bytes.length;
      this.#movedAt = clock.monotonicMillis();
      this.lastWriteMillis = this.#movedAt;
      this.#unsentMost =
        this.#movedAt - since < LIMITS.TRANSPORT_PROMPT_MILLIS
          ? Math.min(2 * this.#unsentMost, LIMITS.TRANSPORT_UNSENT_MOST_BYTES)
          : LIMITS.TRANSPORT_UNSENT_BYTES;
      const next = this.#ready.shift();
      if (next !== undefined) this.#write(next, this.#movedAt);
      this.#refill();
      this.flush();
      this.#tellRoom();
      this.#tellEmpty();
    });
  }

  #tellEmpty(): void {
    if (this.#onEmpty === null || this.#isClosed || this.pendingBytes > 0) return;
    const onEmpty = this.#onEmpty;
    this.#onEmpty = null;
    onEmpty();
  }

  /** Lets what waits go on, the most urgent first. */
  #refill(): void {
    const queues = this.#queues;
    if (queues === null) return;
    while (this.#hasRoom && !this.#isClosed) {
      if (!CLASSES.some((name) => queues[name].take(this.#gatherNext))) return;
    }
  }

  #tellRoom(): void {
    const [queues, refused] = [this.#queues, this.#refused];
    if (queues === null || refused === null) return;
    const { size } = refused;
    for (const traffic of refused) {
      const queue = queues[traffic];
      if (queue.bytes > ROOM_SHARE * queue.roomBytes) continue;
      queue.readmit();
      refused.delete(traffic);
    }
    if (refused.size < size && !this.#isClosed) this.#parts.onRoom();
  }
}

function queuesIn(pool: SlabPool): { readonly [C in DeclaredTraffic]: FairQueue } {
  return {
    control: new FairQueue(LIMITS.TRANSPORT_CONTROL_QUEUE_BYTES, pool),
    paid: new FairQueue(LIMITS.TRANSPORT_PAID_QUEUE_BYTES, pool),
    free: new FairQueue(LIMITS.TRANSPORT_FREE_QUEUE_BYTES, pool),
  };
}

/** One part after the other, each when the one before is taken. */
function writeInParts(
  channel: Pick<Channel, 'write'>,
  bytes: Uint8Array,
  partMost: number,
  onWritten: () => void,
): void {
  if (bytes.length <= partMost) {
    channel.write(bytes, onWritten);
    return;
  }
  channel.write(bytes.subarray(0, partMost), () => {
    writeInParts(channel, bytes.subarray(partMost), partMost, onWritten);
  });
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
