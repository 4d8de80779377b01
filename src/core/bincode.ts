/**
 * Bincode 1.x with its default options, as wire.md states: little endian, fixed width, u64 lengths, u32 tags.
 *
 * The reader never reads past its bytes and never throws on them: the first fault is kept in `failure`, and
 * every later read returns an empty value, so that a decoder reads straight through and asks once at the end.
 */
import { assert } from './assert.js';
import { Reason } from './reasons.js';

/** What was wrong with bytes from outside, and where. */
export interface DecodeFailure {
  /** A code of the decoding group. */
  readonly reason: Reason;
  /** Offset in bytes, from the start of the input, of the item at fault. */
  readonly offset: number;
  /** One line for a person. */
  readonly detail: string;
}

const EMPTY = new Uint8Array(0);
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Reads one input from front to back. The input is borrowed; `bytes` and `fixed` return copies. */
export class BincodeReader {
  readonly #input: Uint8Array;
  readonly #view: DataView;
  #offset = 0;
  #failure: DecodeFailure | null = null;
  /** The fields that the fault lies in, outermost first. */
  #path = '';

  constructor(input: Uint8Array) {
    // A Buffer's slice is a view; what is handed out must be copies.
    this.#input = Buffer.isBuffer(input)
      ? new Uint8Array(input.buffer, input.byteOffset, input.length)
      : input;
    this.#view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  }

  /** The first fault met, or null. Its detail opens with the field's name, as a.b, where one was given. */
  get failure(): DecodeFailure | null {
    if (this.#failure === null || this.#path === '') return this.#failure;
    return { ...this.#failure, detail: `${this.#path}: ${this.#failure.detail}` };
  }

  /** Whether a fault was met. A method, since every read may change it. */
  failed(): boolean {
    return this.#failure !== null;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#input.length - this.#offset;
  }

  /** Records a fault at the given offset, if it is the first. */
  fail(reason: Reason, detail: string, offset: number = this.#offset): void {
    this.#failure ??= { reason, detail, offset };
  }

  /** Says which field the fault just met lies in; each enclosing field puts its own name in front. */
  nameFault(field: string): void {
    this.#path = this.#path === '' ? field : `${field}.${this.#path}`;
  }

  /** Goes back to an earlier offset and forgets a fault met since: for a tag with two readings. */
  rewind(offset: number): void {
    assert(offset >= 0 && offset <= this.#offset, 'a reader goes back, never forward');
    this.#offset = offset;
    this.#failure = null;
    this.#path = '';
  }

  u8(): number {
    return this.#take(1) ? this.#view.getUint8(this.#offset - 1) : 0;
  }

  u16(): number {
    return this.#take(2) ? this.#view.getUint16(this.#offset - 2, true) : 0;
  }

  u32(): number {
    return this.#take(4) ? this.#view.getUint32(this.#offset - 4, true) : 0;
  }

  i32(): number {
    return this.#take(4) ? this.#view.getInt32(this.#offset - 4, true) : 0;
  }

  u64(): bigint {
    return this.#take(8) ? this.#view.getBigUint64(this.#offset - 8, true) : 0n;
  }

  i64(): bigint {
    return this.#take(8) ? this.#view.getBigInt64(this.#offset - 8, true) : 0n;
  }

  f64(): number {
    return this.#take(8) ? this.#view.getFloat64(this.#offset - 8, true) : 0;
  }

  bool(): boolean {
    const at = this.#offset;
    const byte = this.u8();
    if (byte > 1) this.fail(Reason.BadBool, `a bool must be 0 or 1, found ${byte}`, at);
    return byte === 1;
  }

  /** Whether an option holds a value. */
  option(): boolean {
    const at = this.#offset;
    const byte = this.u8();
    if (byte > 1) this.fail(Reason.BadOption, `an option byte must be 0 or 1, found ${byte}`, at);
    return byte === 1;
  }

  /** An enum tag below `count`. */
  tag(count: number, what: string): number {
    const at = this.#offset;
    const tag = this.u32();
    if (tag >= count) this.fail(Reason.UnknownTag, `${what} has no tag ${tag}`, at);
    return this.#failure === null ? tag : 0;
  }

  /**
   * A length, refused where not even items of `minItemBytes` would fit in what is left: the caller may
   * allocate that many items.
   */
  length(minItemBytes: number): number {
    const at = this.#offset;
    const low = this.u32();
    const high = this.u32();
    if (this.#failure !== null) return 0;
    const length = high * 2 ** 32 + low;
    if (length * Math.max(1, minItemBytes) > this.remaining) {
      this.fail(
        Reason.LengthBeyondInput,
        `a length of ${length} does not fit in the ${this.remaining} bytes left`,
        at,
      );
      return 0;
    }
    return length;
  }

  /** Exactly `count` bytes, copied. */
  fixed(count: number): Uint8Array {
    return this.#take(count) ? this.#input.slice(this.#offset - count, this.#offset) : new Uint8Array(count);
  }

  /** Passes over exactly `count` bytes. */
  skip(count: number): void {
    this.#take(count);
  }

  /** A Vec<u8>, copied. */
  bytes(): Uint8Array {
    const length = this.length(1);
    return length === 0 ? EMPTY : this.fixed(length);
  }

  /** A String: strict UTF-8, nothing replaced. */
  string(): string {
    const length = this.length(1);
    const at = this.#offset;
    if (length === 0 || !this.#take(length)) return '';
    try {
      return strictUtf8.decode(this.#input.subarray(at, at + length));
    } catch {
      this.fail(Reason.BadUtf8, 'a string is not valid UTF-8', at);
      return '';
    }
  }

  /** Records a fault where bytes are left over. */
  end(): void {
    if (this.#failure === null && this.remaining > 0) {
      this.fail(Reason.TrailingBytes, `${this.remaining} bytes are left over`);
    }
  }

  #take(count: number): boolean {
    if (this.#failure !== null) return false;
    if (count > this.remaining) {
      this.fail(Reason.Truncated, `${count} bytes wanted, ${this.remaining} left`);
      return false;
    }
    this.#offset += count;
    return true;
  }
}

/** The longest buffer that is kept for the next writer. */
const SPARE_BYTES = 65_536;

/** Buffers of this thread's last writers, for the next ones: most values are small, and buffers cost more than they do. */
const spares: DataView[] = [];
/** As many as write at once: a packet, and what it carries. */
const SPARES = 2;

/**
 * Writes values one after another into a buffer that grows, up to one `finish`. What it writes is our own: a bad value
 * is our bug.
 */
export class BincodeWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  #isFinished = false;

  constructor(expectedBytes = 256) {
    const taken = spares.pop();
    const isEnough = taken !== undefined && taken.byteLength >= expectedBytes;
    this.#view = isEnough ? taken : new DataView(new ArrayBuffer(expectedBytes));
    this.#bytes = new Uint8Array(this.#view.buffer);
  }

  /** A copy of everything written. The writer is done with. */
  finish(): Uint8Array {
    return this.lend((bytes) => bytes.slice());
  }

  /**
   * Everything written, without a copy. The writer is done with.
   * @param use gets a view that is valid during the call alone
   */
  lend<T>(use: (bytes: Uint8Array) => T): T {
    assert(!this.#isFinished, 'a writer is finished once');
    this.#isFinished = true;
    const result = use(this.#bytes.subarray(0, this.#length));
    if (this.#bytes.length <= SPARE_BYTES && spares.length < SPARES) spares.push(this.#view);
    return result;
  }

  u8(value: number): void {
    const at = this.#grow(1);
    this.#view.setUint8(at, inRange(value, 0, 0xff));
  }

  u16(value: number): void {
    const at = this.#grow(2);
    this.#view.setUint16(at, inRange(value, 0, 0xffff), true);
  }

  u32(value: number): void {
    const at = this.#grow(4);
    this.#view.setUint32(at, inRange(value, 0, 0xffff_ffff), true);
  }

  i32(value: number): void {
    const at = this.#grow(4);
    this.#view.setInt32(at, inRange(value, -0x8000_0000, 0x7fff_ffff), true);
  }

  u64(value: bigint): void {
    assert(value >= 0n && value <= U64_MAX, 'a u64 is from 0 to 2^64-1');
    const at = this.#grow(8);
    this.#view.setBigUint64(at, value, true);
  }

  i64(value: bigint): void {
    assert(BigInt.asIntN(64, value) === value, 'an i64 has 64 bits');
    const at = this.#grow(8);
    this.#view.setBigInt64(at, value, true);
  }

  f64(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value, true);
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  tag(value: number): void {
    this.u32(value);
  }

  length(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a length is a whole number');
    const at = this.#grow(8);
    this.#view.setUint32(at, value % 2 ** 32, true);
    this.#view.setUint32(at + 4, value / 2 ** 32, true);
  }

  /** Raw bytes without a length. */
  fixed(value: Uint8Array): void {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  bytes(value: Uint8Array): void {
    this.length(value.length);
    this.fixed(value);
  }

  string(value: string): void {
    const at = this.#grow(8 + MOST_UTF8_BYTES * value.length);
    const { written } = utf8Encoder.encodeInto(value, this.#bytes.subarray(at + 8));
    this.#length = at;
    this.length(written);
    this.#length += written;
  }

  #grow(count: number): number {
    assert(!this.#isFinished, 'nothing is written after the end');
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}

/** 2^64-1: the largest u64, and the cost that means unreachable (routing.md). */
export const U64_MAX: bigint = (1n << 64n) - 1n;

const utf8Encoder = new TextEncoder();
/** Of one unit of a text. */
const MOST_UTF8_BYTES = 3;

function inRange(value: number, low: number, high: number): number {
  assert(Number.isInteger(value) && value >= low && value <= high, `${value} is not from ${low} to ${high}`);
  return value;
}
