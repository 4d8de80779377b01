// One pass over a Lightning invoice where it lies: what src/payment/bolt11 reads, for invoices that come all the time, up
// to the curve. Whatever this is not sure of, refusals included, is left to those files, which are the plain twin:
// upper case, an `n`, `r` or `f` field, a description that is not ASCII, numbers near their bounds.
import { GROUPS, INVOICE, MOST_INVOICE, SIGNED } from './layout';

const CHECKSUM_GROUPS: u32 = 6;
const TIMESTAMP_GROUPS: u32 = 7;
const SIGNATURE_GROUPS: u32 = 104;
const HASH_GROUPS: u32 = 52;
const KEY_GROUPS: u32 = 53;
/** So many groups are below 2^50. */
const NUMBER_GROUPS: u32 = 10;
/** So many digits in any unit below a bitcoin are below 2^64 tenths of a msat. */
const MOST_DIGITS: usize = 10;

// What was found, at INVOICE: words, then sums of 64 bits, then bytes, behind which 8 more may be written.
const NETWORK: usize = 0;
const FLAGS: usize = 4;
const SIGNED_BYTES: usize = 8;
const AMOUNT: usize = 16;
const TIMESTAMP: usize = 24;
const EXPIRY: usize = 32;
const PAYMENT_HASH: usize = 40;
const DESCRIPTION_HASH: usize = 80;
const SIGNATURE: usize = 120;

const HAS_AMOUNT: u32 = 1;
const HAS_DESCRIPTION_HASH: u32 = 2;

/** Networks: the index of their letters in the host's list. */
const BC: u32 = 0;
const TB: u32 = 1;
const TBS: u32 = 2;
const BCRT: u32 = 3;

const DEFAULT_EXPIRY: u64 = 3_600;

/** Values of lower-case bech32 characters; 0xff for all others. */
const VALUES: usize = memory.data(128);
/** What the five bits that leave the checksum's register add to it. */
const FEEDBACK: usize = memory.data(128, 16);

/** Fills the tables; once. */
export function makeTables(): void {
  memory.fill(VALUES, 0xff, 128);
  const alphabet = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
  for (let i = 0; i < 32; i++) store<u8>(VALUES + alphabet.charCodeAt(i), <u8>i);
  for (let top: u32 = 0; top < 32; top++) {
    let sum: u32 = 0;
    if ((top & 1) !== 0) sum ^= 0x3b6a57b2;
    if ((top & 2) !== 0) sum ^= 0x26508e6d;
    if ((top & 4) !== 0) sum ^= 0x1ea119fa;
    if ((top & 8) !== 0) sum ^= 0x3d4233dd;
    if ((top & 16) !== 0) sum ^= 0x2a1462b3;
    store<u32>(FEEDBACK + 4 * top, sum);
  }
}

/** Whether the invoice of `length` bytes at `at` was read; what it says is at INVOICE, what was signed at SIGNED. */
export function readInvoiceAt(at: usize, length: u32): bool {
  if (length > MOST_INVOICE) return false;
  const end = at + length;
  let separator = end;
  do {
    if (separator === at) return false;
    separator--;
  } while (load<u8>(separator) !== 0x31);
  const groupBytes = <u32>(end - separator - 1);
  if (groupBytes < CHECKSUM_GROUPS + SIGNATURE_GROUPS + TIMESTAMP_GROUPS) return false;
  if (!readGroups(at, separator, end)) return false;
  store<u32>(INVOICE, 0, FLAGS);
  if (!readPrefix(at, separator)) return false;
  const fieldsEnd = groupBytes - CHECKSUM_GROUPS - SIGNATURE_GROUPS;
  if (!readFields(fieldsEnd)) return false;
  pack(GROUPS + fieldsEnd, SIGNATURE_GROUPS, INVOICE + SIGNATURE);
  if (!isPlainSignature()) return false;
  store<u64>(INVOICE, numberOf(GROUPS, TIMESTAMP_GROUPS), TIMESTAMP);

  const prefixBytes = <u32>(separator - at);
  memory.copy(SIGNED, at, prefixBytes);
  pack(GROUPS, fieldsEnd, SIGNED + prefixBytes);
  store<u32>(INVOICE, prefixBytes + (5 * fieldsEnd + 7) / 8, SIGNED_BYTES);
  return true;
}

function step(sum: u32, value: u32): u32 {
  return ((sum & 0x1ffffff) << 5) ^ value ^ load<u32>(FEEDBACK + ((sum >> 25) << 2));
}

/** Characters to groups; whether all are bech32 in lower case and the checksum is right. */
function readGroups(at: usize, separator: usize, end: usize): bool {
  let sum: u32 = 1;
  for (let p = at; p < separator; p++) sum = step(sum, (<u32>load<u8>(p)) >> 5);
  sum = step(sum, 0);
  for (let p = at; p < separator; p++) sum = step(sum, (<u32>load<u8>(p)) & 31);
  let out = GROUPS;
  let seen: u32 = 0;
  for (let p = separator + 1; p < end; p++) {
    const code: u32 = load<u8>(p);
    const value: u32 = load<u8>(VALUES + (code & 127));
    seen |= value | code;
    store<u8>(out++, <u8>value);
    sum = step(sum, value & 31);
  }
  return (seen & 0x80) === 0 && sum === 1;
}

/** `ln`, the network, and an amount with a multiplier, or none. */
function readPrefix(at: usize, end: usize): bool {
  if (end - at < 4 || load<u16>(at) !== 0x6e6c) return false;
  let p = at + 2;
  while (p < end && !isDigit(load<u8>(p))) p++;
  const letters = p - at - 2;
  const first: u32 = load<u16>(at, 2);
  let network: u32;
  if (letters === 2 && first === 0x6362) network = BC;
  else if (letters === 2 && first === 0x6274) network = TB;
  else if (letters === 3 && first === 0x6274 && load<u8>(at, 4) === 0x73) network = TBS;
  else if (letters === 4 && first === 0x6362 && load<u16>(at, 4) === 0x7472) network = BCRT;
  else return false;
  store<u32>(INVOICE, network, NETWORK);
  store<u64>(INVOICE, 0, AMOUNT);
  if (p === end) return true;

  const start = p;
  let value: u64 = 0;
  for (; p < end && isDigit(load<u8>(p)); p++) {
    if (p - start === MOST_DIGITS) return false;
    value = value * 10 + (load<u8>(p) - 0x30);
  }
  if (p !== end - 1 || (p - start > 1 && load<u8>(start) === 0x30)) return false;
  const multiplier = load<u8>(p);
  // In tenths of a msat.
  if (multiplier === 0x6d) value *= 1_000_000_000;
  else if (multiplier === 0x75) value *= 1_000_000;
  else if (multiplier === 0x6e) value *= 1_000;
  else if (multiplier !== 0x70) return false;
  if (value % 10 !== 0) return false;
  store<u64>(INVOICE, value / 10, AMOUNT);
  store<u32>(INVOICE, HAS_AMOUNT, FLAGS);
  return true;
}

/** From behind the timestamp up to the signature: exactly one p and s, and one of d and h. */
function readFields(end: u32): bool {
  let hasHash = false;
  let hasSecret = false;
  let isDescribed = false;
  let hasExpiry = false;
  store<u64>(INVOICE, DEFAULT_EXPIRY, EXPIRY);
  let at: u32 = TIMESTAMP_GROUPS;
  while (at < end) {
    const p = GROUPS + at;
    const from = p + 3;
    if (at + 3 > end) return false;
    const count = ((<u32>load<u8>(p, 1)) << 5) | (<u32>load<u8>(p, 2));
    at += 3 + count;
    if (at > end) return false;
    const tag: u32 = load<u8>(p);
    if (tag === 1) {
      if (count !== HASH_GROUPS) continue;
      if (hasHash || !isPadded(from, count)) return false;
      hasHash = true;
      pack(from, count, INVOICE + PAYMENT_HASH);
    } else if (tag === 16) {
      if (count !== HASH_GROUPS) continue;
      if (hasSecret || !isPadded(from, count)) return false;
      hasSecret = true;
    } else if (tag === 23) {
      if (count !== HASH_GROUPS) continue;
      if (isDescribed || !isPadded(from, count)) return false;
      isDescribed = true;
      store<u32>(INVOICE, load<u32>(INVOICE, FLAGS) | HAS_DESCRIPTION_HASH, FLAGS);
      pack(from, count, INVOICE + DESCRIPTION_HASH);
    } else if (tag === 13) {
      if (isDescribed || !isPadded(from, count) || !isAsciiText(from, count)) return false;
      isDescribed = true;
    } else if (tag === 6) {
      if (count > NUMBER_GROUPS) return false;
      if (!hasExpiry) store<u64>(INVOICE, numberOf(from, count), EXPIRY);
      hasExpiry = true;
    } else if (tag === 24) {
      if (count > NUMBER_GROUPS) return false;
    } else if (tag === 27) {
      if (!isPadded(from, count)) return false;
    } else if (tag === 5) {
      if (!areKnownFeatures(from, count)) return false;
    } else if (tag === 3 || tag === 9 || (tag === 19 && count === KEY_GROUPS)) {
      return false;
    }
  }
  return hasHash && hasSecret && isDescribed;
}

/** Required (even) features are those of BOLT9 that payers know: bits 8, 14, 16, 48. */
function areKnownFeatures(from: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const group: u32 = load<u8>(from + (count - 1 - i));
    if (group === 0) continue;
    for (let bit: u32 = 0; bit < 5; bit++) {
      const feature = 5 * i + bit;
      if (((group >> bit) & 1) === 0 || (feature & 1) !== 0) continue;
      if (feature !== 8 && feature !== 14 && feature !== 16 && feature !== 48) return false;
    }
  }
  return true;
}

/** Whether the text of some groups is ASCII: none of its bytes has its highest bit set. */
function isAsciiText(from: usize, count: u32): bool {
  const bytes: u32 = (5 * count) / 8;
  for (let i: u32 = 0; i < bytes; i++) {
    const bit = 8 * i;
    if ((load<u8>(from + bit / 5) & (16 >> (bit % 5))) !== 0) return false;
  }
  return true;
}

/** r and s are neither 0 nor near the order of the curve, and the recovery id is one. */
function isPlainSignature(): bool {
  const r = load<u64>(INVOICE, SIGNATURE);
  const s = load<u64>(INVOICE, SIGNATURE + 32);
  return (
    r !== 0 && r !== u64.MAX_VALUE && s !== 0 && s !== u64.MAX_VALUE && load<u8>(INVOICE, SIGNATURE + 64) <= 3
  );
}

/** Groups to bytes; the last one is filled up with zero bits. Writes up to 8 bytes more. */
function pack(from: usize, count: u32, out: usize): void {
  let p = from;
  let left = count;
  for (; left >= 8; left -= 8, p += 8, out += 5) {
    // Eight groups in the lowest byte first to forty bits, highest first.
    const groups = load<u64>(p);
    const pairs = ((groups & 0x001f001f001f001f) << 5) | ((groups >> 8) & 0x001f001f001f001f);
    const quads = ((pairs & 0x000003ff000003ff) << 10) | ((pairs >> 16) & 0x000003ff000003ff);
    const bits = ((quads & 0xfffff) << 20) | (quads >> 32);
    store<u64>(out, bswap<u64>(bits << 24));
  }
  let bits: u64 = 0;
  for (let i: u32 = 0; i < left; i++) bits |= (<u64>load<u8>(p + i)) << (59 - 5 * i);
  store<u64>(out, bswap<u64>(bits));
}

/** Whether groups are what whole bytes give: fewer than 5 bits are left over, all of them 0. */
function isPadded(from: usize, count: u32): bool {
  const left = (5 * count) & 7;
  return left < 5 && (count === 0 || ((<u32>load<u8>(from + (count - 1))) & ((1 << left) - 1)) === 0);
}

function numberOf(from: usize, count: u32): u64 {
  let value: u64 = 0;
  for (let i: u32 = 0; i < count; i++) value = (value << 5) | load<u8>(from + i);
  return value;
}

function isDigit(code: u32): bool {
  return code >= 0x30 && code <= 0x39;
}
