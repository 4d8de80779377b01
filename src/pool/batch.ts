/**
 * A batch of packets in shared memory: each packet written once, its verdict in a record beside it.
 *
 * Rules: architecture.md (nothing is copied between threads but offsets; verdicts are numbers).
 *
 * Memory ordering. Who may touch a batch is said by its one WORD: state, holder, number of packets.
 * - OPEN (with packets): the main thread adds packets and any worker may take it. The main thread writes a packet and
 *   its record first, then counts it by a compare-exchange of WORD from n packets to n + 1. A worker takes the batch
 *   by a compare-exchange from n packets to TAKEN by itself with n packets. One of two that race loses: a worker looks
 *   again, the main thread puts the packet into another batch. What a worker has taken is whole: all its plain writes
 *   stand before the exchange that counted it.
 * - TAKEN: the batch is the worker's alone. It keeps CURSOR one step behind itself: 2i while it judges packet i, 2i + 1
 *   from before it may claim the payment of packet i, NOT_BEGUN before the first. The verdict on i is written before
 *   CURSOR passes i, so when the worker is gone, every verdict below CURSOR is whole and every packet above it is
 *   untouched. There is no moment in which a batch belongs to nobody: the exchange that takes it names the holder.
 * - DONE: stored by the worker behind its last verdict; the batch is the main thread's, until it is OPEN again.
 * The main thread takes a batch from its holder only when that thread has ended or has left its loop.
 */
import { NODE_ID_BYTES, nodeIdOf } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { PacketSender, PacketVerdict } from './judge-port.js';
import { readVerdict, VERDICT_BYTES, writeVerdict, type RecordView } from './verdict-record.js';

/** The header of a batch, in words. */
const WORD = 0;
const CURSOR = 1;
const SEQUENCE = 2; // batches are taken in this order
const BEGIN = 3; // the first packet that has no verdict
const POLICY_VERSION = 4;
const KIND = 5;
const USED_BYTES = 6;
const WORK_MICROS = 7;
const NOW_SECONDS = 8; // f64
const TAKEN_MILLIS = 10; // f64, of the clock that all threads have in common
const HEADER_BYTES = 64;

/**
 * A record: where a packet lies, who sent it, then its verdict. Offsets in bytes. What one thread writes lies in a line of
 * its own.
 */
const OFFSET = 0; // u32, from the batch's packet bytes
const LENGTH = 4; // u32
const SENDER_FLAGS = 8; // u32
const PREVIOUS_HOP = 16;
const VERDICT = 64;
const RECORD_BYTES: number = Math.ceil((VERDICT + VERDICT_BYTES) / 64) * 64;

const HAS_PREVIOUS_HOP = 1;
const IS_LOCAL = 2;
/** The sender is that of the packet before, and is not written again. */
const IS_SAME = 4;

/** WORD: state in bits 0 and 1, holder in 2 to 11, packets from 12 on. */
const OPEN = 0;
const TAKEN = 1;
const DONE = 2;
const STATE_MASK = 3;
const HOLDER_SHIFT = 2;
/** The highest number of a worker. */
export const HOLDER_MASK = 0x3ff;
const COUNT_SHIFT = 12;

/** A packet begins at most so many bytes behind a multiple of 8. */
const ALIGNMENT_BYTES = 7;

const NOT_BEGUN = -1;
/** What lies in a batch. */
export const BatchKind = { Packets: 0, Invoices: 1 } as const;
export type BatchKind = (typeof BatchKind)[keyof typeof BatchKind];

/** How far a worker came with a batch: it was at `packet`, which may have been claimed; null where it had begun none. */
export type Progress = { readonly packet: number; readonly mayBeClaimed: boolean } | null;

/** One batch. Who may call what is said by its state, see above. */
export class Batch implements RecordView {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly wide: BigUint64Array;
  readonly real: Float64Array;
  readonly #packets: number;
  readonly #bytesOffset: number;
  /** The main thread's own count, which WORD repeats. */
  #count = 0;
  #used = 0;
  /** Of the packet that was put last. */
  #sender: Omit<PacketSender, 'peer'> | null = null;

  constructor(memory: SharedArrayBuffer, start: number, packets: number) {
    const length = batchBytes(packets);
    this.bytes = new Uint8Array(memory, start, length);
    this.words = new Int32Array(memory, start, length / 4);
    this.wide = new BigUint64Array(memory, start, length / 8);
    this.real = new Float64Array(memory, start, length / 8);
    this.#packets = packets;
    this.#bytesOffset = HEADER_BYTES + packets * RECORD_BYTES;
  }

  /** Main thread: makes an empty batch ready for packets. */
  open(
    sequence: number,
    policyVersion: number,
    nowSeconds: number,
    kind: BatchKind = BatchKind.Packets,
  ): void {
    const { words } = this;
    words[BEGIN] = 0;
    words[KIND] = kind;
    words[POLICY_VERSION] = policyVersion;
    this.real[NOW_SECONDS / 2] = nowSeconds;
    Atomics.store(words, CURSOR, NOT_BEGUN);
    Atomics.store(words, SEQUENCE, sequence);
    this.#count = 0;
    this.#used = 0;
    this.#sender = null;
  }

  /** Main thread: packets put into it. */
  get count(): number {
    return this.#count;
  }

  /** Main thread: whether a packet of so many bytes fits. */
  fits(bytes: number): boolean {
    return this.#count < this.#packets && this.#used + ALIGNMENT_BYTES + bytes <= LIMITS.BATCH_BYTES;
  }

  /** Main thread: adds a packet that fits; false where a worker has taken the batch. */
  put(packet: Uint8Array, sender: Omit<PacketSender, 'peer'>): boolean {
    const count = this.#count;
    const record = HEADER_BYTES + count * RECORD_BYTES;
    const word = record >> 2;
    const { words } = this;
    // Where it lies in its own memory, counted from a multiple of 8: bytes are copied to and from shared memory in words
    // only where both ends of the copy begin alike, and one by one elsewhere.
    const start = this.#used + (packet.byteOffset & 7);
    words[word + OFFSET / 4] = start;
    words[word + LENGTH / 4] = packet.length;
    const isSame = this.#isSame(sender);
    words[word + SENDER_FLAGS / 4] = isSame ? IS_SAME : this.#writeSender(sender, record);
    this.bytes.set(packet, this.#bytesOffset + start);
    const used = (start + packet.length + 7) & ~7;
    words[USED_BYTES] = used;
    const before = OPEN | (count << COUNT_SHIFT);
    const after = OPEN | ((count + 1) << COUNT_SHIFT);
    if (Atomics.compareExchange(words, WORD, before, after) !== before) return false;
    this.#used = used;
    this.#count = count + 1;
    this.#sender = sender;
    return true;
  }

  #isSame({ previousHop, origin }: Omit<PacketSender, 'peer'>): boolean {
    const before = this.#sender;
    return before !== null && before.previousHop === previousHop && before.origin === origin;
  }

  /** @returns the flags */
  #writeSender({ previousHop, origin }: Omit<PacketSender, 'peer'>, record: number): number {
    const flags = origin === 'local' ? IS_LOCAL : 0;
    if (previousHop === null) return flags;
    this.bytes.set(previousHop, record + PREVIOUS_HOP);
    return flags | HAS_PREVIOUS_HOP;
  }

  /** Whether it is open and holds packets. */
  get waits(): boolean {
    const word = Atomics.load(this.words, WORD);
    return (word & STATE_MASK) === OPEN && word >>> COUNT_SHIFT > 0;
  }

  get sequence(): number {
    return Atomics.load(this.words, SEQUENCE);
  }

  /** Worker: takes it, unless somebody changed it meanwhile. */
  take(worker: number): boolean {
    const word = Atomics.load(this.words, WORD);
    if ((word & STATE_MASK) !== OPEN || word >>> COUNT_SHIFT === 0) return false;
    return Atomics.compareExchange(this.words, WORD, word, word | TAKEN | (worker << HOLDER_SHIFT)) === word;
  }

  /** Worker: gives a batch back that it has not begun. */
  putBack(): void {
    Atomics.store(this.words, WORD, OPEN | (this.taken << COUNT_SHIFT));
  }

  /** Packets in a batch that was taken. */
  get taken(): number {
    return Atomics.load(this.words, WORD) >>> COUNT_SHIFT;
  }

  /** The first packet that is to be judged. */
  get begin(): number {
    return this.words[BEGIN] ?? 0;
  }

  get policyVersion(): number {
    return this.words[POLICY_VERSION] ?? 0;
  }

  /** Unix seconds at which the packets are judged. */
  get nowSeconds(): number {
    return this.real[NOW_SECONDS / 2] ?? 0;
  }

  get kind(): BatchKind {
    return this.words[KIND] === BatchKind.Invoices ? BatchKind.Invoices : BatchKind.Packets;
  }

  /** Worker: is at a packet; what lies before it is judged. */
  judging(index: number): void {
    Atomics.store(this.words, CURSOR, 2 * index);
  }

  /** Worker: may have claimed the payment of a packet from here on. */
  claiming(index: number): void {
    Atomics.store(this.words, CURSOR, 2 * index + 1);
  }

  /** Worker: copies all packets at once. @param target with room for BATCH_BYTES, from a multiple of 8 on */
  copyPackets(target: Uint8Array): void {
    const start = this.#bytesOffset;
    target.set(this.bytes.subarray(start, start + (this.words[USED_BYTES] ?? 0)));
  }

  /** Where a packet begins behind the first one's beginning. */
  offset(index: number): number {
    return this.words[((HEADER_BYTES + index * RECORD_BYTES) >> 2) + OFFSET / 4] ?? 0;
  }

  /** Bytes of a packet. */
  length(index: number): number {
    return this.words[((HEADER_BYTES + index * RECORD_BYTES) >> 2) + LENGTH / 4] ?? 0;
  }

  /** The bytes of a packet, in place: valid while the batch is one's own. */
  packet(index: number): Uint8Array {
    const start = this.#bytesOffset + this.offset(index);
    return this.bytes.subarray(start, start + this.length(index));
  }

  /** Whether a packet is known to have the same sender as the one before it. */
  isSenderSame(index: number): boolean {
    return (this.#flags(index) & IS_SAME) !== 0;
  }

  /** Who sent a packet; the id lies in place. */
  sender(index: number): Omit<PacketSender, 'peer'> {
    let first = index;
    while (this.isSenderSame(first)) first--;
    const flags = this.#flags(first);
    const hop = HEADER_BYTES + first * RECORD_BYTES + PREVIOUS_HOP;
    return {
      previousHop:
        (flags & HAS_PREVIOUS_HOP) === 0 ? null : nodeIdOf(this.bytes.subarray(hop, hop + NODE_ID_BYTES)),
      origin: (flags & IS_LOCAL) === 0 ? 'peer' : 'local',
    };
  }

  #flags(index: number): number {
    return this.words[(HEADER_BYTES + index * RECORD_BYTES + SENDER_FLAGS) >> 2] ?? 0;
  }

  /** Worker: writes a verdict. @param isInRun whether it wrote that on the packet before, which has the same sender */
  write(index: number, verdict: PacketVerdict, isInRun: boolean): void {
    writeVerdict(this, HEADER_BYTES + index * RECORD_BYTES + VERDICT, verdict, isInRun);
  }

  /**
   * Worker: gives the batch back, judged.
   * @param takenMillis when it was taken, by process.hrtime
   * @param micros of work on it
   */
  finish(takenMillis: number, micros: number): void {
    this.real[TAKEN_MILLIS / 2] = takenMillis;
    this.words[WORK_MICROS] = micros;
    Atomics.store(this.words, WORD, DONE | (this.taken << COUNT_SHIFT));
  }

  get isDone(): boolean {
    return (Atomics.load(this.words, WORD) & STATE_MASK) === DONE;
  }

  /** The worker that has taken it, or null. */
  get holder(): number | null {
    const word = Atomics.load(this.words, WORD);
    return (word & STATE_MASK) === TAKEN ? (word >>> HOLDER_SHIFT) & HOLDER_MASK : null;
  }

  /** A number that changes with every step of whoever judges it. */
  get step(): number {
    return Atomics.load(this.words, CURSOR);
  }

  /** Main thread, of a batch whose holder is gone. */
  get progress(): Progress {
    const cursor = this.step;
    return cursor === NOT_BEGUN ? null : { packet: cursor >> 1, mayBeClaimed: (cursor & 1) === 1 };
  }

  /** Main thread: the verdict on a packet that was judged. */
  read(index: number): PacketVerdict {
    return readVerdict(this, HEADER_BYTES + index * RECORD_BYTES + VERDICT);
  }

  /** Main thread: the work on a batch that is done, in microseconds. */
  get workMicros(): number {
    return this.words[WORK_MICROS] ?? 0;
  }

  /** Main thread: when a batch that is done was taken, by process.hrtime. */
  get takenMillis(): number {
    return this.real[TAKEN_MILLIS / 2] ?? 0;
  }

  /** Main thread, of a batch whose holder is gone: another worker goes on from this packet. */
  reopen(begin: number): void {
    this.words[BEGIN] = begin;
    Atomics.store(this.words, CURSOR, NOT_BEGUN);
    Atomics.store(this.words, WORD, OPEN | (this.#count << COUNT_SHIFT));
  }

  /** Main thread: the batch is free again. */
  release(): void {
    Atomics.store(this.words, WORD, OPEN);
  }

  /** Worker: puts an answer in the place of the packets; none where it is too long. */
  answer(bytes: Uint8Array): void {
    const length = bytes.length <= LIMITS.BATCH_BYTES ? bytes.length : 0;
    this.words[USED_BYTES] = length;
    if (length > 0) this.bytes.set(bytes, this.#bytesOffset);
  }

  /** Main thread: a copy of that answer. */
  get answered(): Uint8Array {
    return this.bytes.slice(this.#bytesOffset, this.#bytesOffset + (this.words[USED_BYTES] ?? 0));
  }
}

/** What one takes: a whole number of lines of 64 bytes. */
export function batchBytes(packets: number): number {
  return Math.ceil((HEADER_BYTES + packets * RECORD_BYTES + LIMITS.BATCH_BYTES) / 64) * 64;
}
