// What the host may call. Inputs lie anywhere from inputAddress() on; reserveInput() makes room for so many bytes there.
import { AHEAD, LONG, MOST_AHEAD } from './ahead';
import { detectAt, HOST_HASH_BYTES, isChecksumOfResult } from './detect';
import { makeTables, readInvoiceAt } from './invoice';
import { FOUND, INPUT, INVOICE, RESULT, RULES, SECRET, SIGNED, TABLES, TABLES_BYTES } from './layout';
import { examineAt, lookAheadAt } from './packet';
import { hash } from './sha256';
import { siphash } from './siphash';

makeTables();

export { hashNoted } from './ahead';
export { reserveInput } from './layout';
export { forgetBeginning, isFreeByResult } from './packet';

export function inputAddress(): usize {
  return INPUT;
}

export function resultAddress(): usize {
  return RESULT;
}

export function secretAddress(): usize {
  return SECRET;
}

export function rulesAddress(): usize {
  return RULES;
}

export function foundAddress(): usize {
  return FOUND;
}

export function invoiceAddress(): usize {
  return INVOICE;
}

export function signedAddress(): usize {
  return SIGNED;
}

export function tablesAddress(): usize {
  return TABLES;
}

export function tablesBytes(): i32 {
  return TABLES_BYTES;
}

export function hostHashBytes(): u32 {
  return HOST_HASH_BYTES;
}

/** The protocol's code of `length` bytes at `at`. */
export function detect(at: usize, length: u32): u32 {
  return detectAt(at, length);
}

/**
 * The codes of many messages: at `at` lie `bytes` of them one behind another, then, from the next word boundary on,
 * where each ends, a u32 each. The codes are written behind those, a byte each.
 */
export function detectMany(at: usize, bytes: u32, count: u32): void {
  const ends = (at + bytes + 3) & ~3;
  const codes = ends + 4 * count;
  let start: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const end = load<u32>(ends + 4 * i);
    store<u8>(codes + i, detectAt(at + start, end - start));
    start = end;
  }
}

export function aheadAddress(): usize {
  return AHEAD;
}

export function mostAhead(): u32 {
  return MOST_AHEAD;
}

export function longAddress(): usize {
  return LONG;
}

/**
 * Looks at so many packets ahead, whose beginnings and lengths lie at aheadAddress(), a word each. So many bodies at
 * longAddress() as it returns are to be hashed then, before hashNoted() is called.
 */
export function lookAhead(count: u32): u32 {
  return lookAheadAt(AHEAD, count);
}

/** What the packet of `length` bytes at `at` is; more about it at foundAddress(). */
export function examine(at: usize, length: u32): u32 {
  return examineAt(at, length);
}

/** Whether the invoice of `length` bytes at `at` was read: then what it says is at invoiceAddress(). */
export function readInvoice(at: usize, length: u32): bool {
  return readInvoiceAt(at, length);
}

/** Whether the checksum of the Bitcoin message at `at` is right: the result is the SHA-256 of its body. */
export function isChecksumRight(at: usize): bool {
  return isChecksumOfResult(at);
}

/** SHA-256 of `length` bytes at `at`: 32 bytes of result. */
export function sha256(at: usize, length: u32): void {
  hash(at, length, RESULT);
}

/** Keyed fingerprint of `length` bytes at `at`: 16 bytes of result. */
export function siphash128(at: usize, length: u32): void {
  siphash(at, length, RESULT);
}
