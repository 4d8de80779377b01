/**
 * Numbers for ids: each pair of a tag and 32 bytes gets the next whole number, in flat memory of about 46 bytes a piece.
 *
 * Who is on a route, and which key a payment has, is chosen by others; so the hash is keyed with chance, and no choice of
 * ids makes the lists of a bucket long: multilinear hashing of 16-bit characters in 32 bits (Lemire and Kaser, Strongly
 * universal string hashing is fast) lets two ids meet with a probability of at most 2^-17. Nothing but time depends on it.
 */
import { assert } from '../core/assert.js';
import { systemRandom } from '../core/random.js';

/** Bytes of an id. */
export const ID_BYTES = 32;
const WORDS = ID_BYTES / 4;
const HALF = 0xffff;
const FIRST_CAPACITY = 64;

/** For all tables of this process: one addend, one key for the tag, one for each half of a word. */
const KEYS: Int32Array = new Int32Array(systemRandom.bytes(4 * (2 + 2 * WORDS)).buffer);

export class IdTable {
  /** By number. */
  #tags = new Uint16Array(FIRST_CAPACITY);
  #words = new Int32Array(WORDS * FIRST_CAPACITY);
  /** The number after this one in the list of its bucket, plus 1; 0 ends it. */
  #next = new Int32Array(FIRST_CAPACITY);
  /** By bucket: the newest number in it, plus 1. As many as there is room for ids, a power of two. */
  #heads = new Int32Array(FIRST_CAPACITY);
  #size = 0;

  /** Ids that have a number: 0 to this less 1. */
  get size(): number {
    return this.#size;
  }

  /**
   * The number of an id, or -1.
   * @param view holds its 32 bytes from `at` on
   * @param hash of `hashOf`, where the caller has it already
   */
  find(tag: number, view: DataView, at: number, hash: number = hashOf(tag, view, at)): number {
    const words = this.#words;
    for (let entry = this.#heads[this.#bucket(hash)] ?? 0; entry !== 0; entry = this.#next[entry - 1] ?? 0) {
      const number = entry - 1;
      if (this.#tags[number] !== tag) continue;
      const from = WORDS * number;
      let word = 0;
      while (word < WORDS && words[from + word] === view.getInt32(at + 4 * word, true)) word++;
      if (word === WORDS) return number;
    }
    return -1;
  }

  /** Numbers an id that has none. @param tag 16 bits */
  add(tag: number, view: DataView, at: number, hash: number = hashOf(tag, view, at)): number {
    assert(tag >= 0 && tag <= HALF, 'a tag has 16 bits');
    if (this.#size === this.#tags.length) this.#grow();
    const number = this.#size++;
    this.#tags[number] = tag;
    for (let word = 0; word < WORDS; word++) {
      this.#words[WORDS * number + word] = view.getInt32(at + 4 * word, true);
    }
    this.#link(number, this.#bucket(hash));
    return number;
  }

  tagOf(number: number): number {
    assert(number < this.#size, 'a number that was given');
    return this.#tags[number] ?? 0;
  }

  /** A copy of the 32 bytes. */
  idOf(number: number): Uint8Array {
    const id = new Uint8Array(ID_BYTES);
    const view = new DataView(id.buffer);
    for (let word = 0; word < WORDS; word++)
      view.setInt32(4 * word, this.#words[WORDS * number + word] ?? 0, true);
    return id;
  }

  /** Forgets all ids and keeps the memory. */
  clear(): void {
    this.#heads.fill(0);
    this.#size = 0;
  }

  copy(): IdTable {
    const copy = new IdTable();
    copy.#tags = this.#tags.slice();
    copy.#words = this.#words.slice();
    copy.#next = this.#next.slice();
    copy.#heads = this.#heads.slice();
    copy.#size = this.#size;
    return copy;
  }

  /** The high bits are the ones that the keys mix well. */
  #bucket(hash: number): number {
    return hash >>> (Math.clz32(this.#heads.length) + 1);
  }

  #link(number: number, bucket: number): void {
    this.#next[number] = this.#heads[bucket] ?? 0;
    this.#heads[bucket] = number + 1;
  }

  #grow(): void {
    const capacity = 2 * this.#tags.length;
    this.#tags = grown(this.#tags, new Uint16Array(capacity));
    this.#words = grown(this.#words, new Int32Array(WORDS * capacity));
    this.#next = new Int32Array(capacity);
    this.#heads = new Int32Array(capacity);
    const id = new DataView(new ArrayBuffer(ID_BYTES));
    for (let number = 0; number < this.#size; number++) {
      for (let word = 0; word < WORDS; word++)
        id.setInt32(4 * word, this.#words[WORDS * number + word] ?? 0, true);
      this.#link(number, this.#bucket(hashOf(this.#tags[number] ?? 0, id, 0)));
    }
  }
}

/** The same in all tables of this process. */
export function hashOf(tag: number, view: DataView, at: number): number {
  let sum = ((KEYS[0] ?? 0) + Math.imul(KEYS[1] ?? 0, tag)) | 0;
  for (let word = 0; word < WORDS; word++) {
    const value = view.getInt32(at + 4 * word, true);
    sum = (sum + Math.imul(KEYS[2 + 2 * word] ?? 0, value & HALF)) | 0;
    sum = (sum + Math.imul(KEYS[3 + 2 * word] ?? 0, value >>> 16)) | 0;
  }
  return sum;
}

function grown<T extends Uint16Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
