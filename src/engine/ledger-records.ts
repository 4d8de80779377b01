/**
 * What the records of the payment journal are: postings of the ledger, each with what kind of event it is for.
 *
 * Rules: payments.md, any proof, 8 (kept until the payment can no longer be valid), Lightning, Bounded trust, and Fee
 * split. The journal itself does not look into them.
 */
import { BincodeReader, BincodeWriter } from '../core/bincode.js';
import { utf8 } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { sha256 } from '../core/hash.js';
import { decodePosting, settlementEntries, type Posting } from '../ledger/posting.js';
import { encodePosting } from '../ledger/posting-bytes.js';
import { KEEP_FOREVER, type JournalRecord } from '../store/journal.js';

/** Types of journal records. */
export const RECORD_TYPES = {
  /** The posting of an accepted payment; its key is the payment's replay key, kept until the record's time. */
  payment: 1,
  /** A posting that stands for dropped records: their balances, carried forward. Its key is nobody's payment. */
  carried: 2,
  /** A payee has settled a debt: a reference of the operator's, as a string, and the posting behind it. */
  settlement: 3,
} as const;

const SETTLEMENT_DOMAIN = utf8('blvm-mesh/settlement');

/** A debt that was settled, as the operator tells it. */
export interface Settlement {
  /** 33 bytes. */
  readonly payee: Uint8Array;
  readonly amountMsat: bigint;
  /** The operator's own, such as an invoice number: of a payee each counts once. Empty for none. */
  readonly reference: string;
}

/** The key of a settlement with a reference: the same for the same payee and reference. */
export function settlementKey({ payee, reference }: Pick<Settlement, 'payee' | 'reference'>): Uint8Array {
  return sha256(SETTLEMENT_DOMAIN, payee, utf8(reference));
}

/** The record of a settlement. @param key of its posting: `settlementKey`, or random where there is no reference */
export function settlementRecord(key: Uint8Array, settlement: Settlement, nowSeconds: number): JournalRecord {
  const writer = new BincodeWriter();
  writer.string(settlement.reference);
  writer.fixed(encodePosting({ key, postedAt: BigInt(nowSeconds), entries: settlementEntries(settlement) }));
  const keepUntil = nowSeconds + LIMITS.SETTLEMENT_KEEP_SECONDS;
  return { type: RECORD_TYPES.settlement, keepUntil, payload: writer.finish() };
}

/** What the operator wrote to a settlement. */
export function referenceOf({ payload }: JournalRecord): string {
  return new BincodeReader(payload).string();
}

/**
 * The bytes of the posting in a record, as a part of its payload.
 * @throws MeshError JOURNAL_CORRUPT where the record is none of these types; whether the bytes are a posting is not looked at
 */
export function postingBytesOf(record: JournalRecord): Uint8Array {
  const { type, payload } = record;
  if (type === RECORD_TYPES.payment || type === RECORD_TYPES.carried) return payload;
  if (type !== RECORD_TYPES.settlement) throw foreignRecord(type, 'unknown type');
  const reader = new BincodeReader(payload);
  reader.string();
  if (reader.failure !== null) throw foreignRecord(type, reader.failure.detail);
  return payload.subarray(reader.offset);
}

/**
 * The posting in a journal record.
 * @throws MeshError JOURNAL_CORRUPT
 */
export function postingOf(record: JournalRecord): Posting {
  const decoded = decodePosting(postingBytesOf(record));
  if (decoded.ok) return decoded.value;
  throw foreignRecord(record.type, decoded.failure.detail);
}

/** A record is whole, and not one that this version writes. */
export function foreignRecord(type: number, detail: string): MeshError {
  return new MeshError(
    'JOURNAL_CORRUPT',
    'a journal record is whole but not one that this version writes. Was the data directory used by a newer one?',
    { type, detail },
  );
}

/** A record of balances that are carried forward, kept for good. */
export function carriedRecord(posting: Posting): JournalRecord {
  return { type: RECORD_TYPES.carried, keepUntil: KEEP_FOREVER, payload: encodePosting(posting) };
}
