/**
 * The bytes of a posting, written and read without making an object for each entry: every paid packet makes one, and
 * every start reads all that there are. What the bytes are is said by the codec in posting.ts, which is the twin of this.
 *
 * Amounts are whole numbers below 2^52 in floating point, which is exact, and bigint only where they are larger.
 */
import { assert, present } from '../core/assert.js';
import { ACCOUNT_KINDS, type AccountKind, type Entry, type Posting } from './posting.js';

export const KEY_BYTES = 32;
const PAYEE_BYTES = 33;
/** The key, the time, and the count of entries. */
export const HEAD_BYTES: number = KEY_BYTES + 8 + 8;
/** Of an entry: kind, side, amount. */
export const KIND_BYTES = 4;
export const SIDE_BYTES = 4;
const AMOUNT_BYTES = 8;
export const FIXED_BYTES: number = KIND_BYTES + SIDE_BYTES + AMOUNT_BYTES;

/** The tag of each kind of account. */
export const KINDS: { readonly [K in AccountKind]: number } = {
  PaidIn: 0,
  Destination: 1,
  Router: 2,
  Treasury: 3,
  Payee: 4,
  Unsettled: 5,
};
/** By kind: the bytes that say whose account it is. */
export const ID_BYTES_OF: readonly number[] = [0, 32, 32, 0, PAYEE_BYTES, 0];
export const DEBIT = 0;
export const CREDIT = 1;

/** Amounts below this are numbers; the sum of two of them is exact. */
export const NARROW_MSAT: number = 2 ** 52;
const NARROW_HIGH_WORD = 2 ** 20;
const WORD = 2 ** 32;

/** Bytes that `writePosting` writes. */
function postingBytes({ entries }: Posting): number {
  let bytes = HEAD_BYTES;
  for (const { account } of entries) bytes += FIXED_BYTES + (ID_BYTES_OF[KINDS[account.kind]] ?? 0);
  return bytes;
}

/**
 * Writes a posting, which takes `postingBytes` of it.
 * @param view over `target`, of the same extent
 */
function writePosting(posting: Posting, target: Uint8Array, view: DataView, at: number): void {
  const { key, postedAt, entries } = posting;
  assert(key.length === KEY_BYTES, 'a posting has a key of 32 bytes');
  target.set(key, at);
  view.setBigUint64(at + KEY_BYTES, postedAt, true);
  setLength(view, at + KEY_BYTES + 8, entries.length);
  let to = at + HEAD_BYTES;
  for (const entry of entries) to = writeEntry(entry, target, view, to);
}

/** The posting as bytes, for the journal. */
export function encodePosting(posting: Posting): Uint8Array {
  const bytes = new Uint8Array(postingBytes(posting));
  writePosting(posting, bytes, new DataView(bytes.buffer), 0);
  return bytes;
}

function writeEntry(
  { account, side, amountMsat }: Entry,
  target: Uint8Array,
  view: DataView,
  at: number,
): number {
  const kind = KINDS[account.kind];
  view.setUint32(at, kind, true);
  let to = at + KIND_BYTES;
  const id = 'node' in account ? account.node : 'key' in account ? account.key : null;
  if (id !== null) {
    assert(id.length === ID_BYTES_OF[kind], 'an account has an id of its kind');
    target.set(id, to);
    to += id.length;
  }
  view.setUint32(to, side === 'Debit' ? DEBIT : CREDIT, true);
  view.setBigUint64(to + SIDE_BYTES, amountMsat, true);
  return to + SIDE_BYTES + AMOUNT_BYTES;
}

function setLength(view: DataView, at: number, length: number): void {
  view.setUint32(at, length, true);
  view.setUint32(at + 4, 0, true);
}

/**
 * A posting in its bytes, of which there is one at a time: what was loaded before is gone. The bytes are borrowed until
 * the next one is loaded.
 */
export class PostingView {
  #buffer: ArrayBufferLike = new ArrayBuffer(0);
  #view = new DataView(this.#buffer);
  #start = 0;
  #entries = 0;
  #kinds = new Uint8Array(16);
  /** Where the id of each entry's account begins. */
  #ids = new Float64Array(16);
  /** Where each amount lies, and what it moves its account's balance by; NaN where that is no narrow number. */
  #amountsAt = new Float64Array(16);
  #signedMsat = new Float64Array(16);

  /** The bytes that `keyAt` and `idAt` point into. */
  get view(): DataView {
    return this.#view;
  }

  get keyAt(): number {
    return this.#start;
  }

  /** Unix seconds. */
  get postedAt(): number {
    return Number(this.#view.getBigUint64(this.#start + KEY_BYTES, true));
  }

  /** How many entries there are. */
  get entries(): number {
    return this.#entries;
  }

  /** A copy of the 32 bytes. */
  key(): Uint8Array {
    return new Uint8Array(this.#buffer, this.#start, KEY_BYTES).slice();
  }

  /** The key as a part of the bytes that were loaded, or of those that they are a part of. */
  keyIn(bytes: Uint8Array): Uint8Array {
    const from = this.#start - bytes.byteOffset;
    return bytes.subarray(from, from + KEY_BYTES);
  }

  kindOf(entry: number): AccountKind {
    return present(ACCOUNT_KINDS[this.#kinds[entry] ?? 0], 'a kind that was checked');
  }

  /** The account's kind by its place in ACCOUNT_KINDS. */
  kindCodeOf(entry: number): number {
    return this.#kinds[entry] ?? 0;
  }

  /** Where the id of the account begins: 32 bytes of a node, 33 of a payee; none of other kinds. */
  idAt(entry: number): number {
    return this.#ids[entry] ?? 0;
  }

  /** A copy of the id: empty where the kind has none. */
  idOf(entry: number): Uint8Array {
    return new Uint8Array(this.#buffer, this.idAt(entry), ID_BYTES_OF[this.kindCodeOf(entry)]).slice();
  }

  /** Whether the entry's account is the one of this kind and id. */
  isOf(entry: number, kind: AccountKind, id: Uint8Array): boolean {
    if (this.#kinds[entry] !== KINDS[kind]) return false;
    const at = this.idAt(entry);
    for (let i = 0; i < id.length; i++) if (this.#view.getUint8(at + i) !== id[i]) return false;
    return true;
  }

  /** What the entry adds to its account's balance; NaN where that is NARROW_MSAT or more on either side of 0. */
  narrowMsatOf(entry: number): number {
    return this.#signedMsat[entry] ?? 0;
  }

  /** What the entry adds to its account's balance. */
  msatOf(entry: number): bigint {
    const at = this.#amountsAt[entry] ?? 0;
    const amount = this.#view.getBigUint64(at, true);
    return this.#view.getUint32(at - SIDE_BYTES, true) === DEBIT ? amount : -amount;
  }

  /** Whether debits and credits sum to the same. */
  isBalanced(): boolean {
    let sum = 0;
    for (let entry = 0; entry < this.#entries; entry++) {
      // Also where it is NaN.
      if (!(Math.abs(sum) < NARROW_MSAT)) return this.#isBalancedWide();
      sum += this.#signedMsat[entry] ?? 0;
    }
    return Number.isNaN(sum) ? this.#isBalancedWide() : sum === 0;
  }

  /**
   * Reads a posting, all bytes of it.
   * @returns false where they are none; then nothing is loaded
   */
  load(bytes: Uint8Array): boolean {
    if (bytes.buffer !== this.#buffer) {
      this.#buffer = bytes.buffer;
      this.#view = new DataView(bytes.buffer);
    }
    this.#entries = 0;
    const start = bytes.byteOffset;
    const end = start + bytes.length;
    if (bytes.length < HEAD_BYTES) return false;
    const view = this.#view;
    const count = view.getUint32(start + KEY_BYTES + 8, true);
    const isLong = view.getUint32(start + KEY_BYTES + 12, true) !== 0;
    if (isLong || count * FIXED_BYTES > bytes.length) return false;
    if (count > this.#kinds.length) this.#makeRoom(count);
    let at = start + HEAD_BYTES;
    for (let entry = 0; entry < count; entry++) {
      at = this.#loadEntry(entry, at, end);
      if (at < 0) return false;
    }
    if (at !== end) return false;
    this.#start = start;
    this.#entries = count;
    return true;
  }

  /** @returns where the next one begins, or -1 */
  #loadEntry(entry: number, at: number, end: number): number {
    if (at + FIXED_BYTES > end) return -1;
    const view = this.#view;
    const kind = view.getUint32(at, true);
    const idBytes = ID_BYTES_OF[kind];
    if (idBytes === undefined || at + FIXED_BYTES + idBytes > end) return -1;
    const sideAt = at + KIND_BYTES + idBytes;
    const side = view.getUint32(sideAt, true);
    if (side > CREDIT) return -1;
    const amountAt = sideAt + SIDE_BYTES;
    const high = view.getUint32(amountAt + 4, true);
    const amount = high < NARROW_HIGH_WORD ? high * WORD + view.getUint32(amountAt, true) : Number.NaN;
    this.#kinds[entry] = kind;
    this.#ids[entry] = at + KIND_BYTES;
    this.#amountsAt[entry] = amountAt;
    this.#signedMsat[entry] = side === DEBIT ? amount : -amount;
    return amountAt + AMOUNT_BYTES;
  }

  #isBalancedWide(): boolean {
    let sum = 0n;
    for (let entry = 0; entry < this.#entries; entry++) sum += this.msatOf(entry);
    return sum === 0n;
  }

  #makeRoom(entries: number): void {
    this.#kinds = new Uint8Array(entries);
    this.#ids = new Float64Array(entries);
    this.#amountsAt = new Float64Array(entries);
    this.#signedMsat = new Float64Array(entries);
  }
}
