/**
 * The postings of accepted payments, written from the packet itself into memory that many of them share, without an
 * object for each entry. What is written is said by paymentPosting (posting.ts) and its codec, the twins of this.
 */
import { assert } from '../core/assert.js';
import { NODE_ID_BYTES } from '../core/ids.js';
import type { PacketHead } from '../packet/head.js';
import type { FeeDistribution } from './fee.js';
import type { Due } from './posting.js';
import {
  CREDIT,
  DEBIT,
  FIXED_BYTES,
  HEAD_BYTES,
  ID_BYTES_OF,
  KEY_BYTES,
  KIND_BYTES,
  KINDS,
  SIDE_BYTES,
} from './posting-bytes.js';

const SLAB_BYTES = 65_536;
const WORD = 2 ** 32;

/** One accepted payment. */
export interface PaidPacket {
  /** 32 bytes: its replay key. */
  readonly key: Uint8Array;
  /** Unix seconds. */
  readonly postedAt: number;
  /** Who was on its way. */
  readonly head: PacketHead;
  /** With a part for each of its routers. */
  readonly distribution: FeeDistribution;
  readonly due: Due | null;
}

/** Bytes of the largest posting: 9 routers, the three accounts that every payment has, and a debt. */
export const POSTING_BYTES_MAX: number =
  HEAD_BYTES + 14 * FIXED_BYTES + 10 * NODE_ID_BYTES + (ID_BYTES_OF[KINDS.Payee] ?? 0);

/** Writes postings one behind the other: each is given out once, and stays. */
export class PostingSlab {
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;
  #entries = 0;

  /** The posting of a payment, as bytes that are not written to again. */
  write({ key, postedAt, head, distribution, due }: PaidPacket): Uint8Array {
    const routers = head.ids - 2;
    assert(key.length === KEY_BYTES, 'a posting has a key of 32 bytes');
    assert(routers === distribution.routerMsat.length, 'each router has its part');
    if (this.#at + POSTING_BYTES_MAX > this.#bytes.length) this.#renew();
    const start = this.#at;
    this.#copy(key, 0, KEY_BYTES);
    this.#number(postedAt);
    this.#at += 8; // the count, below
    this.#entries = 0;
    this.#entry(KINDS.PaidIn, null, 0, DEBIT, distribution.totalMsat);
    for (let router = 0; router < routers; router++) {
      const part = distribution.routerMsat[router] ?? 0n;
      this.#entry(KINDS.Router, head.bytes, head.idAt(router + 1), CREDIT, part);
    }
    const { destinationMsat, treasuryMsat } = distribution;
    this.#entry(KINDS.Destination, head.bytes, head.idAt(routers + 1), CREDIT, destinationMsat);
    this.#entry(KINDS.Treasury, null, 0, CREDIT, treasuryMsat);
    if (due !== null) {
      this.#entry(KINDS.Payee, due.payee, 0, DEBIT, due.amountMsat);
      this.#entry(KINDS.Unsettled, null, 0, CREDIT, due.amountMsat);
    }
    this.#view.setUint32(start + KEY_BYTES + 8, this.#entries, true);
    return this.#bytes.subarray(start, this.#at);
  }

  /** Nothing where the amount is 0. @param id bytes in which the account's own begin at `from`; null where it has none */
  #entry(kind: number, id: Uint8Array | null, from: number, side: number, amountMsat: bigint): void {
    if (amountMsat === 0n) return;
    this.#entries++;
    this.#view.setUint32(this.#at, kind, true);
    this.#at += KIND_BYTES;
    if (id !== null) this.#copy(id, from, ID_BYTES_OF[kind] ?? 0);
    this.#view.setUint32(this.#at, side, true);
    this.#view.setBigUint64(this.#at + SIDE_BYTES, amountMsat, true);
    this.#at += FIXED_BYTES - KIND_BYTES;
  }

  /** So short that a loop is faster than a call. */
  #copy(from: Uint8Array, start: number, length: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < length; i++) bytes[at + i] = from[start + i] ?? 0;
    this.#at = at + length;
  }

  #number(value: number): void {
    this.#view.setUint32(this.#at, value % WORD, true);
    this.#view.setUint32(this.#at + 4, Math.floor(value / WORD), true);
    this.#at += 8;
  }

  /** Memory is new and so zero: the high half of a count stays that. */
  #renew(): void {
    this.#bytes = new Uint8Array(SLAB_BYTES);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = 0;
  }
}
