/**
 * The bytes of one segment of the journal (little endian):
 *
 *     file   = "BLVMJNL2", u64 began at, u64 dropped at (Unix seconds), u64 first, u64 last (numbers of the segments
 *              that it stands for), u8 whole (0 or 1), u32 CRC-32C of the 41 bytes before; then groups
 *     group  = "MJG1", u32 body bytes, u32 records, u64 number of the group (0, 1, 2 ...), u32 CRC-32C of the body,
 *              u32 CRC-32C of the 24 bytes before; then the body: records
 *     record = u32 payload bytes, u8 type, u64 keep until (Unix seconds); then the payload
 *
 * A group is what one fdatasync makes durable, and the next is written only after it: so at most the last group of
 * the newest segment can be torn, and a bad one with anything behind it means damage.
 */
import { crc32c } from './crc32c.js';
import { LIMITS } from '../core/limits.js';

/** What a record is kept until where it must never be dropped. */
export const KEEP_FOREVER: number = Number.MAX_SAFE_INTEGER;

export interface JournalRecord {
  /** 0 to 255: what the payload is, the caller's own numbering. */
  readonly type: number;
  /** Unix seconds, or KEEP_FOREVER. A later start may drop the record after that. */
  readonly keepUntil: number;
  /** Opaque to the journal. */
  readonly payload: Uint8Array;
}

/** What a segment says of itself and of the journal that it is a part of. */
export interface SegmentHeader {
  /** Unix seconds at which the journal was created; the same in all its segments. */
  readonly beganAt: number;
  /** Whether the journal is as old as the node's identity: then nothing was ever accepted that it did not hold. */
  readonly isWhole: boolean;
  /** The segments that this one stands for: one, or several whose expired records were dropped. Counted from 1. */
  readonly first: number;
  readonly last: number;
  /** Unix seconds up to which records of it may have been dropped as expired; 0 where none were. */
  readonly droppedAt: number;
}

export const FILE_HEADER_BYTES = 45;
const HEADER_CHECKED_BYTES = 41;
export const GROUP_HEADER_BYTES = 28;
export const RECORD_HEADER_BYTES = 13;

const FILE_MAGIC = new Uint8Array(Buffer.from('BLVMJNL2', 'latin1'));
const WORD = 2 ** 32;
/** "MJG1" as a little-endian number. */
const GROUP_MAGIC = 0x3147_4a4d;

export function encodeFileHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(FILE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(FILE_MAGIC);
  view.setBigUint64(8, BigInt(header.beganAt), true);
  view.setBigUint64(16, BigInt(header.droppedAt), true);
  view.setBigUint64(24, BigInt(header.first), true);
  view.setBigUint64(32, BigInt(header.last), true);
  view.setUint8(40, header.isWhole ? 1 : 0);
  view.setUint32(HEADER_CHECKED_BYTES, crc32c(bytes.subarray(0, HEADER_CHECKED_BYTES)), true);
  return bytes;
}

/** What a segment says of itself, or null where the bytes are no file header. */
export function decodeFileHeader(bytes: Uint8Array): SegmentHeader | null {
  if (bytes.length < FILE_HEADER_BYTES || FILE_MAGIC.some((byte, index) => bytes[index] !== byte))
    return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(HEADER_CHECKED_BYTES, true) !== crc32c(bytes.subarray(0, HEADER_CHECKED_BYTES)))
    return null;
  return {
    beganAt: Number(view.getBigUint64(8, true)),
    droppedAt: Number(view.getBigUint64(16, true)),
    first: Number(view.getBigUint64(24, true)),
    last: Number(view.getBigUint64(32, true)),
    isWhole: view.getUint8(40) === 1,
  };
}

/** Bytes that a record takes in a group's body. */
export function recordBytes(record: JournalRecord): number {
  return RECORD_HEADER_BYTES + record.payload.length;
}

/** Writes the header of a group before its body. @param view over the memory that `group` begins */
export function sealGroup(group: Uint8Array, view: DataView, sequence: number, records: number): void {
  view.setUint32(0, GROUP_MAGIC, true);
  view.setUint32(4, group.length - GROUP_HEADER_BYTES, true);
  view.setUint32(8, records, true);
  view.setBigUint64(12, BigInt(sequence), true);
  view.setUint32(20, crc32c(group.subarray(GROUP_HEADER_BYTES)), true);
  view.setUint32(24, crc32c(group.subarray(0, 24)), true);
}

export interface GroupHeader {
  readonly bodyBytes: number;
  readonly records: number;
  readonly sequence: number;
  readonly bodyChecksum: number;
}

/** A group's header, or null where the bytes are none. */
export function decodeGroupHeader(bytes: Uint8Array): GroupHeader | null {
  if (bytes.length < GROUP_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== GROUP_MAGIC) return null;
  if (view.getUint32(24, true) !== crc32c(bytes.subarray(0, 24))) return null;
  const header: GroupHeader = {
    bodyBytes: view.getUint32(4, true),
    records: view.getUint32(8, true),
    sequence: Number(view.getBigUint64(12, true)),
    bodyChecksum: view.getUint32(20, true),
  };
  const fits =
    header.records > 0 &&
    header.bodyBytes >= header.records * RECORD_HEADER_BYTES &&
    header.bodyBytes <= LIMITS.JOURNAL_GROUP_BYTES;
  return fits ? header : null;
}

/** Whether a body is the one of its header: its checksum, and records that fill it exactly. */
export function isWholeBody(header: GroupHeader, body: Uint8Array): boolean {
  if (body.length !== header.bodyBytes || crc32c(body) !== header.bodyChecksum) return false;
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  let records = 0;
  let at = 0;
  while (at + RECORD_HEADER_BYTES <= body.length) {
    at += RECORD_HEADER_BYTES + view.getUint32(at, true);
    records += 1;
  }
  return at === body.length && records === header.records;
}

/** Shown each record of a body: its type, until when it is kept, and where in the body its payload lies. */
export type RecordVisitor = (type: number, keepUntil: number, start: number, end: number) => void;

/** Goes through the records of a body that was found whole. */
export function visitRecords(body: Uint8Array, visit: RecordVisitor): void {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at < body.length;) {
    const start = at + RECORD_HEADER_BYTES;
    const end = start + view.getUint32(at, true);
    const keepUntil = view.getUint32(at + 9, true) * WORD + view.getUint32(at + 5, true);
    visit(view.getUint8(at + 4), keepUntil, start, end);
    at = end;
  }
}
