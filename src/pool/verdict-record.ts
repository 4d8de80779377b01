/**
 * A verdict as a record of fixed size in shared memory: numbers, and the few bytes that some verdicts have.
 *
 * Rules: architecture.md (verdicts are numbers between threads). Written on a worker, read on the main thread; what is
 * not there is neither written nor read, since most packets under load are free or refused.
 */
import { assert, present } from '../core/assert.js';
import { fromHex, holdsAt, toHex } from '../core/bytes.js';
import { reasonOf } from '../core/reasons.js';
import { CONTROL_PROTOCOLS } from '../packet/control.js';
import { DETECTED_PROTOCOLS } from '../packet/detect.js';
import { FINGERPRINT_WORDS } from '../replay/fingerprint.js';
import { NO_MARK, passed, refusedVerdict } from './judge.js';
import { VERDICT_KINDS, type PacketVerdict } from './judge-port.js';

/** One piece of memory, seen four ways. */
export interface RecordView {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly wide: BigUint64Array;
  readonly real: Float64Array;
}

/** Offsets in bytes from the record's start, which is a multiple of 8. */
const REASON = 0; // u16; behind it kind, protocol, control protocol (0 for none, else index + 1), position: u8 each
const KIND = 2;
const PROTOCOL = 3;
const CONTROL = 4;
const POSITION = 5;
const FLAGS = 6; // u8
const AMOUNT = 8; // u64
const PRICE = 16; // u64
const EXPIRES_AT = 24; // f64
const REPLAY_KEY = 32; // 32 bytes
const PAYEE = 64; // 33 bytes
/** Of free packets, which have none of those behind FLAGS: 32 bytes are all that passes between threads for one of them. */
const MARK = 8; // 4 words
const SEQUENCE = 24; // f64

/** Bytes of a record. */
export const VERDICT_BYTES = 104;

const HAS_SUMS = 1; // amount, price, expiry
const HAS_KEY = 2;
const HAS_PAYEE = 4;
const HAS_TTL = 8;
const FOLLOWS = 16; // has a sequence number

const KEY_BYTES = 32;
const PAYEE_BYTES = 33;

const FREE = VERDICT_KINDS.indexOf('free');
const KIND_CODES: ReadonlyMap<string, number> = new Map(VERDICT_KINDS.map((kind, code) => [kind, code]));
const PROTOCOL_CODES: ReadonlyMap<string, number> = new Map(
  DETECTED_PROTOCOLS.map((protocol, code) => [protocol, code]),
);

/** The payee that was written or read last on this thread: most payments go to few. */
const last: { text: string; bytes: Uint8Array } = { text: '', bytes: new Uint8Array(PAYEE_BYTES) };

/** @param isInRun whether the packet before has the same sender, and was written before this one */
export function writeVerdict(view: RecordView, at: number, verdict: PacketVerdict, isInRun: boolean): void {
  const { bytes, wide, real } = view;
  const { reason, kind, controlProtocol, priceMsat, replayKey, payee } = verdict;
  if (kind === 'free') {
    writeFree(view, at, verdict, isInRun);
    return;
  }
  let flags = 0;
  if (priceMsat !== 0n || verdict.amountMsat !== 0n || verdict.expiresAt !== 0) {
    flags |= HAS_SUMS;
    wide[(at + AMOUNT) / 8] = verdict.amountMsat;
    wide[(at + PRICE) / 8] = priceMsat;
    real[(at + EXPIRES_AT) / 8] = verdict.expiresAt;
  }
  if (verdict.hasTtl) flags |= HAS_TTL;
  if (replayKey !== null) {
    flags |= HAS_KEY;
    bytes.set(replayKey, at + REPLAY_KEY);
  }
  if (payee !== null) {
    flags |= HAS_PAYEE;
    bytes.set(payeeBytes(payee), at + PAYEE);
  }
  bytes[at + REASON] = reason & 0xff;
  bytes[at + REASON + 1] = reason >> 8;
  bytes[at + KIND] = KIND_CODES.get(kind) ?? 0;
  bytes[at + PROTOCOL] = PROTOCOL_CODES.get(verdict.protocol) ?? 0;
  bytes[at + CONTROL] = controlProtocol === null ? 0 : 1 + CONTROL_PROTOCOLS.indexOf(controlProtocol);
  bytes[at + POSITION] = verdict.position;
  bytes[at + FLAGS] = flags;
}

/** Most packets under load are free: no more is written of them than is read. */
function writeFree(
  { bytes, words, real }: RecordView,
  at: number,
  { protocol, position, mark, hasTtl, follows, sequence }: PacketVerdict,
  isInRun: boolean,
): void {
  let flags = hasTtl ? HAS_TTL : 0;
  if (follows && isInRun) {
    flags |= FOLLOWS;
    real[(at + SEQUENCE) / 8] = sequence;
  }
  bytes[at + KIND] = FREE;
  bytes[at + PROTOCOL] = DETECTED_PROTOCOLS.indexOf(protocol);
  bytes[at + POSITION] = position;
  bytes[at + FLAGS] = flags;
  for (let i = 0; i < mark.length; i++) words[(at + MARK) / 4 + i] = mark[i] ?? 0;
}

type Changing<T> = { -readonly [K in keyof T]: T[K] };

/** The last free verdict that was read on this thread: there are too many of them for an object each. */
const free: Changing<PacketVerdict> = passed(
  { kind: 'free', protocol: 'Unknown' },
  0,
  new Int32Array(FINGERPRINT_WORDS),
  false,
);

function readFree({ bytes, words, real }: RecordView, at: number, flags: number): PacketVerdict {
  free.protocol = present(DETECTED_PROTOCOLS[bytes[at + PROTOCOL] ?? 0], 'a worker writes known protocols');
  free.position = bytes[at + POSITION] ?? 0;
  const { mark } = free;
  for (let i = 0; i < mark.length; i++) mark[i] = words[(at + MARK) / 4 + i] ?? 0;
  free.hasTtl = (flags & HAS_TTL) !== 0;
  free.follows = (flags & FOLLOWS) !== 0;
  free.sequence = free.follows ? (real[(at + SEQUENCE) / 8] ?? 0) : 0;
  return free;
}

/** The verdict of a record; bytes in it are copies. That of a free packet holds until the next is read. */
export function readVerdict(view: RecordView, at: number): PacketVerdict {
  const { bytes, wide, real } = view;
  const flags = bytes[at + FLAGS] ?? 0;
  if (bytes[at + KIND] === FREE) return readFree(view, at, flags);
  const code = (bytes[at + REASON] ?? 0) | ((bytes[at + REASON + 1] ?? 0) << 8);
  const reason = present(reasonOf(code), 'a worker writes known reasons');
  const kind = present(VERDICT_KINDS[bytes[at + KIND] ?? 0], 'a worker writes known kinds');
  if (flags === 0 && kind === 'refused') return refusedVerdict(reason);
  const hasSums = (flags & HAS_SUMS) !== 0;
  return {
    kind,
    reason,
    protocol: present(DETECTED_PROTOCOLS[bytes[at + PROTOCOL] ?? 0], 'a worker writes known protocols'),
    controlProtocol: CONTROL_PROTOCOLS[(bytes[at + CONTROL] ?? 0) - 1] ?? null,
    position: bytes[at + POSITION] ?? 0,
    amountMsat: hasSums ? (wide[(at + AMOUNT) / 8] ?? 0n) : 0n,
    priceMsat: hasSums ? (wide[(at + PRICE) / 8] ?? 0n) : 0n,
    expiresAt: hasSums ? (real[(at + EXPIRES_AT) / 8] ?? 0) : 0,
    replayKey: (flags & HAS_KEY) === 0 ? null : copied(bytes, at + REPLAY_KEY, KEY_BYTES),
    payee: (flags & HAS_PAYEE) === 0 ? null : payeeText(bytes, at + PAYEE),
    mark: NO_MARK,
    hasTtl: (flags & HAS_TTL) !== 0,
    follows: false,
    sequence: 0,
  };
}

/** A copy in memory that is not shared. */
function copied(bytes: Uint8Array, start: number, length: number): Uint8Array {
  const copy = new Uint8Array(length);
  for (let i = 0; i < length; i++) copy[i] = bytes[start + i] ?? 0;
  return copy;
}

function payeeBytes(text: string): Uint8Array {
  if (text === last.text) return last.bytes;
  const bytes = fromHex(text);
  assert(bytes?.length === PAYEE_BYTES, 'a payee is a key of 33 bytes in hex');
  last.text = text;
  last.bytes = bytes;
  return bytes;
}

function payeeText(bytes: Uint8Array, start: number): string {
  if (last.text !== '' && holdsAt(bytes, start, last.bytes)) return last.text;
  last.bytes = copied(bytes, start, PAYEE_BYTES);
  last.text = toHex(last.bytes);
  return last.text;
}
