/**
 * A group of journal records as it gathers, in the bytes that will be written: each record is copied once, when it is
 * appended. The layout is that of journal-format.ts. The memory is used again for the next group.
 */
import { assert } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import {
  GROUP_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  recordBytes,
  sealGroup,
  type JournalRecord,
} from './journal-format.js';

const FIRST_BYTES = 65_536;
const WORD = 2 ** 32;

export class GroupBuffer {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #end = GROUP_HEADER_BYTES;
  #keepUntils: number[] = [];

  /** Bytes of the records. */
  get bodyBytes(): number {
    return this.#end - GROUP_HEADER_BYTES;
  }

  get records(): number {
    return this.#keepUntils.length;
  }

  /** Until when each record is kept, in order; not changed afterwards. */
  get keepUntils(): readonly number[] {
    return this.#keepUntils;
  }

  /** Whether records of so many bytes, headers included, still fit. */
  fits(bytes: number): boolean {
    return this.bodyBytes + bytes <= LIMITS.JOURNAL_GROUP_BYTES;
  }

  add(record: JournalRecord): void {
    const { type, keepUntil, payload } = record;
    assert(Number.isInteger(type) && type >= 0 && type <= 0xff, 'a record type is one byte');
    assert(
      Number.isSafeInteger(keepUntil) && keepUntil >= 0,
      'a record is kept until a moment in Unix seconds',
    );
    const at = this.#end;
    const end = at + recordBytes(record);
    if (end > this.#bytes.length) this.#grow(end);
    const view = this.#view;
    view.setUint32(at, payload.length, true);
    view.setUint8(at + 4, type);
    view.setUint32(at + 5, keepUntil % WORD, true);
    view.setUint32(at + 9, Math.floor(keepUntil / WORD), true);
    this.#bytes.set(payload, at + RECORD_HEADER_BYTES);
    this.#keepUntils.push(keepUntil);
    this.#end = end;
  }

  /** The group as it is written; borrowed until the buffer is cleared. @param sequence its number in its file */
  finish(sequence: number): Uint8Array {
    assert(this.records > 0 && this.fits(0), 'a group has records and a bound');
    const group = this.#bytes.subarray(0, this.#end);
    sealGroup(group, this.#view, sequence, this.records);
    return group;
  }

  clear(): void {
    this.#end = GROUP_HEADER_BYTES;
    this.#keepUntils = [];
  }

  #grow(bytes: number): void {
    const grown = new Uint8Array(Math.max(bytes, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
