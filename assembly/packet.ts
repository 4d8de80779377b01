// One pass over a packet of a neighbour where it lies: what src/packet/quick-packet.ts, structure.ts and the free half of
// policy.ts say of it, for packets that come all the time and that pass. Whatever this is not sure of, refusals
// included, is UNSURE: then those files decide, which are the plain twin.
import { clear, hashesOf, longerOnes, note } from './ahead';
import {
  BITCOIN_HEADER,
  BITCOIN_IF_CHECKSUM,
  BITCOIN_P2P,
  detectAt,
  HOST_HASH_BYTES,
  isChecksumOfResult,
  MESH_MAGIC,
  STRATUM_V2,
} from './detect';
import { DIGEST, FOUND, RESULT, RULES } from './layout';
import { siphashBehind, STATE_BYTES } from './siphash';

/** Answers. A FREE packet has its mark; FREE_IF_CHECKSUM is a Bitcoin message whose body the host must hash first. */
const UNSURE: u32 = 0;
const FREE: u32 = 1;
const FREE_IF_CHECKSUM: u32 = 2;
const PAID: u32 = 3;

/** Tags of the packet's type. */
const TYPE_BITCOIN: u32 = 0;
const TYPE_STRATUM: u32 = 2;
const TYPE_PAID: u32 = 3;

const VERSION: u32 = 1;
const ID_BYTES: u32 = 32;
const MOST_IDS: u32 = 11;
const MOST_PAYLOAD: u64 = 262_144;
const MOST_METADATA: u64 = 4_096;
const LIGHTNING_TAG: u32 = 0;
/** Preimage, amount, timestamp, expiry. */
const BEHIND_INVOICE: u64 = 32 + 3 * 8;
/** The names of control protocols begin so; those that do go the other way. */
const CONTROL_PREFIX: u32 = 0x6873656d; // `mesh`
const HIGH_BITS: u64 = 0x8080808080808080;

// Offsets behind the magic.
const SOURCE: usize = 5;
const DESTINATION: usize = SOURCE + ID_BYTES;
const ROUTE_COUNT: usize = DESTINATION + ID_BYTES;
const ROUTE: usize = ROUTE_COUNT + 8;
/** Sequence, timestamp, and whether there is a proof. */
const BEHIND_ROUTE: usize = 17;

// What was found, at FOUND: words, then sums of 64 bits, then the mark.
const POSITION: usize = 0;
const TYPE: usize = 4;
const BINCODE_AT: usize = 8;
const IDS: usize = 12;
const PAYLOAD_AT: usize = 16;
const PAYLOAD_BYTES: usize = 20;
const INVOICE_AT: usize = 24;
const INVOICE_BYTES: usize = 28;
/** 0 where there is no metadata, 1 where it names no protocol, else 2. */
const METADATA: usize = 32;
const PROTOCOL_AT: usize = 36;
const PROTOCOL_BYTES: usize = 40;
const SEQUENCE: usize = 48;
const TIMESTAMP: usize = 56;
const AMOUNT: usize = 64;
const PROOF_TIMESTAMP: usize = 72;
const EXPIRES_AT: usize = 80;
const END: usize = 88;
/** 1 where the packet begins as the one before, else 0. */
const FOLLOWS: usize = 92;
const MARK: usize = 96;

// What this node is, at RULES.
const SELF: usize = 0;
const NETWORK_MAGIC: usize = 32;
const PREVIOUS_HOP: usize = 40;

/**
 * How the packet begins that was examined last, all before its sequence number, where that was free: packets come in runs
 * that begin alike, of which the route is looked at once. No bytes where there is none.
 */
const BEGINNING: usize = memory.data(<i32>(ROUTE + MOST_IDS * ID_BYTES), 16);
let beginning: u32 = 0;
/** The state of the hash of such packets behind it, as far as it has whole words. */
const HASHED: usize = memory.data(STATE_BYTES, 16);
/** Where this node stands on that route. */
let standing: u32 = 0;
/** Bytes of the beginning of the packet that is examined, where it may become the one above. */
let latest: u32 = 0;

/** Other rules hold, or another neighbour speaks: no beginning is known any more. */
export function forgetBeginning(): void {
  beginning = 0;
  latest = 0;
}

/** The packet of `length` bytes at `start`. */
export function examineAt(start: usize, length: u32): u32 {
  const known = beginning;
  forgetBeginning();
  const end = start + length;
  const at = length >= 4 && load<u32>(start) === MESH_MAGIC ? start + 4 : start;
  if (end - at < ROUTE + 2 * ID_BYTES + BEHIND_ROUTE + 8 + 1) return UNSURE;
  const type = load<u32>(at, 1);
  const ids = load<u64>(at, ROUTE_COUNT);
  if (<u32>load<u8>(at) !== VERSION || ids < 2 || ids > MOST_IDS) return UNSURE;
  const count = <u32>ids;
  const behind = at + ROUTE + count * ID_BYTES;
  if (behind + BEHIND_ROUTE + 8 + 1 > end) return UNSURE;

  const beginningBytes = <u32>(behind - at);
  const follows = known === beginningBytes && isBeginning(at, known);
  if (!follows) {
    standing = standingOn(at, count);
    if (standing === 0) return UNSURE;
  }

  let p = behind + BEHIND_ROUTE;
  const hasProof = load<u8>(behind, 16);
  if (hasProof !== (type === TYPE_PAID ? 1 : 0)) return UNSURE;
  if (hasProof === 1) {
    p = readProof(p, end);
    if (p === 0 || p + 9 > end) return UNSURE;
  }

  const payloadBytes = load<u64>(p);
  const payload = p + 8;
  if (payloadBytes > MOST_PAYLOAD || payloadBytes >= <u64>(end - payload)) return UNSURE;
  if (!readMetadata(payload + <usize>payloadBytes, end)) return UNSURE;

  store<u32>(FOUND, standing, POSITION);
  store<u32>(FOUND, type, TYPE);
  store<u32>(FOUND, <u32>at, BINCODE_AT);
  store<u32>(FOUND, count, IDS);
  store<u32>(FOUND, <u32>payload, PAYLOAD_AT);
  store<u32>(FOUND, <u32>payloadBytes, PAYLOAD_BYTES);
  store<u32>(FOUND, <u32>end, END);
  store<u32>(FOUND, <u32>follows, FOLLOWS);
  store<u64>(FOUND, load<u64>(behind), SEQUENCE);
  store<u64>(FOUND, load<u64>(behind, 8), TIMESTAMP);
  if (type === TYPE_PAID) return PAID;
  if (!follows) memory.copy(BEGINNING, at, beginningBytes);
  latest = beginningBytes;
  const judged = judgeFree(type, payload, <u32>payloadBytes, start, at, end);
  if (judged === FREE) beginning = latest;
  return judged;
}

/** Whether the packet at `at`, of a version that is known, begins with the bytes of the known beginning. */
function isBeginning(at: usize, bytes: u32): bool {
  if (load<u32>(at, 1) !== load<u32>(BEGINNING, 1)) return false;
  for (let i: usize = SOURCE; i < <usize>bytes; i += 8) {
    if (load<u64>(at + i) !== load<u64>(BEGINNING + i)) return false;
  }
  return true;
}

/**
 * Where this node stands on a route from source to destination, in which no id is there twice, behind the neighbour that
 * speaks; 0 where it does not.
 */
function standingOn(at: usize, count: u32): u32 {
  const route = at + ROUTE;
  const last = route + (count - 1) * ID_BYTES;
  if (!isSame(at + SOURCE, route) || !isSame(at + DESTINATION, last)) return 0;
  if (repeatsId(route, count)) return 0;
  let self = route + ID_BYTES;
  while (self <= last && !isSame(self, RULES + SELF)) self += ID_BYTES;
  if (self > last || !isSame(self - ID_BYTES, RULES + PREVIOUS_HOP)) return 0;
  return <u32>((self - route) / ID_BYTES);
}

/** A free packet is what a strict parse of its payload says, and of this node's network. */
function judgeFree(type: u32, payload: usize, payloadBytes: u32, start: usize, at: usize, end: usize): u32 {
  if (type !== TYPE_BITCOIN && type !== TYPE_STRATUM) return UNSURE;
  const found = detectAt(payload, payloadBytes);
  if (type === TYPE_STRATUM) {
    if (found !== STRATUM_V2) return UNSURE;
  } else {
    if (found !== BITCOIN_P2P && found !== BITCOIN_IF_CHECKSUM) return UNSURE;
    if (load<u32>(payload) !== load<u32>(RULES, NETWORK_MAGIC)) return UNSURE;
  }
  if (found === BITCOIN_IF_CHECKSUM) {
    const hashes = hashesOf(start);
    if (hashes === 0) return FREE_IF_CHECKSUM;
    if (load<u32>(payload, 20) !== load<u32>(hashes, 32)) return UNSURE;
    markDigested(hashes);
    return FREE;
  }
  mark(at, <u32>(end - at));
  return FREE;
}

/**
 * Whether the packet that was examined last is free, of which that was left open: the result is the SHA-256 of the body
 * of its message.
 */
export function isFreeByResult(): bool {
  memory.copy(DIGEST, RESULT, 32);
  if (!isChecksumOfResult(<usize>load<u32>(FOUND, PAYLOAD_AT))) return false;
  markDigested(DIGEST);
  beginning = latest;
  return true;
}

/**
 * Makes the mark of the packet that was examined last, in which a digest stands for the body of its message
 * (src/packet/mark.ts); the packet itself is not whole any more.
 */
function markDigested(digest: usize): void {
  const at = <usize>load<u32>(FOUND, BINCODE_AT);
  const end = <usize>load<u32>(FOUND, END);
  const payload = <usize>load<u32>(FOUND, PAYLOAD_AT);
  const body = payload + BITCOIN_HEADER;
  const behind = payload + <usize>load<u32>(FOUND, PAYLOAD_BYTES);
  memory.copy(body, digest, 32);
  memory.copy(body + 32, behind, end - behind);
  mark(at, <u32>(body + 32 + (end - behind) - at));
}

/** Makes the mark of the packet that is examined, of so many bytes. */
function mark(at: usize, bytes: u32): void {
  siphashBehind(at, bytes, FOUND + MARK, HASHED, latest & ~7, load<u32>(FOUND, FOLLOWS) === 1);
}

/**
 * Notes the bodies of Bitcoin messages in packets of a list, to be hashed together: where each begins and its length, a word
 * each, in the order in which they lie and are examined then. What they are besides is not looked at.
 * @returns how many the host has to hash (ahead.ts)
 */
export function lookAheadAt(list: usize, count: u32): u32 {
  clear();
  for (let entry = list; entry < list + 8 * count; entry += 8) {
    const start = <usize>load<u32>(entry);
    const end = start + <usize>load<u32>(entry, 4);
    const payload = bitcoinPayload(start, end);
    if (payload === 0) continue;
    const bytes = <u32>load<u64>(payload - 8) - BITCOIN_HEADER;
    if (bytes >= HOST_HASH_BYTES) note(start, payload + BITCOIN_HEADER, bytes);
  }
  return longerOnes();
}

/** Where the payload of a packet begins that says it is a Bitcoin message of this network; 0 of others. */
function bitcoinPayload(start: usize, end: usize): usize {
  if (end - start < 4 + ROUTE + 2 * ID_BYTES + BEHIND_ROUTE + 8 + BITCOIN_HEADER) return 0;
  const at = load<u32>(start) === MESH_MAGIC ? start + 4 : start;
  const ids = load<u64>(at, ROUTE_COUNT);
  if (load<u32>(at, 1) !== TYPE_BITCOIN || ids > MOST_IDS) return 0;
  const behind = at + ROUTE + <usize>ids * ID_BYTES;
  const payload = behind + BEHIND_ROUTE + 8;
  if (payload + BITCOIN_HEADER > end || <u32>load<u8>(behind, 16) !== 0) return 0;
  const bytes = load<u64>(behind, BEHIND_ROUTE);
  if (bytes > <u64>(end - payload) || <u64>load<u32>(payload, 16) + BITCOIN_HEADER !== bytes) return 0;
  return load<u32>(payload) === load<u32>(RULES, NETWORK_MAGIC) ? payload : 0;
}

/** A Lightning proof whose invoice is ASCII. @returns where it ends, or 0 */
function readProof(start: usize, end: usize): usize {
  if (end - start < 12 || load<u32>(start) !== LIGHTNING_TAG) return 0;
  const invoiceBytes = load<u64>(start, 4);
  const invoice = start + 12;
  const left = <u64>(end - invoice);
  if (invoiceBytes > left || left - invoiceBytes < BEHIND_INVOICE) return 0;
  if (!isAscii(invoice, <u32>invoiceBytes)) return 0;
  const behind = invoice + <usize>invoiceBytes + 32;
  store<u32>(FOUND, <u32>invoice, INVOICE_AT);
  store<u32>(FOUND, <u32>invoiceBytes, INVOICE_BYTES);
  store<u64>(FOUND, load<u64>(behind), AMOUNT);
  store<u64>(FOUND, load<u64>(behind, 8), PROOF_TIMESTAMP);
  store<u64>(FOUND, load<u64>(behind, 16), EXPIRES_AT);
  return behind + 24;
}

/** No metadata, or no more than the name of a protocol that is none of control. It takes up all bytes that are left. */
function readMetadata(start: usize, end: usize): bool {
  const has = load<u8>(start);
  let p = start + 1;
  store<u32>(FOUND, has, METADATA);
  if (has === 0) return p === end;
  if (has !== 1 || p >= end) return false;
  const names = load<u8>(p++);
  if (names === 1) {
    if (end - p < 8) return false;
    const bytes = load<u64>(p);
    p += 8;
    if (bytes > MOST_METADATA || bytes > <u64>(end - p)) return false;
    if (bytes >= 4 && load<u32>(p) === CONTROL_PREFIX) return false;
    if (!isAscii(p, <u32>bytes)) return false;
    store<u32>(FOUND, 2, METADATA);
    store<u32>(FOUND, <u32>p, PROTOCOL_AT);
    store<u32>(FOUND, <u32>bytes, PROTOCOL_BYTES);
    p += <usize>bytes;
  } else if (names !== 0) return false;
  return end - p === 8 && load<u64>(p) === 0;
}

function isAscii(at: usize, length: u32): bool {
  const end = at + length;
  let p = at;
  for (; p + 8 <= end; p += 8) if ((load<u64>(p) & HIGH_BITS) !== 0) return false;
  for (; p < end; p++) if (load<u8>(p) >= 0x80) return false;
  return true;
}

/** Nearly all ids differ in their first word. */
function repeatsId(route: usize, count: u32): bool {
  const end = route + count * ID_BYTES;
  for (let a = route; a < end; a += ID_BYTES) {
    const first = load<u64>(a);
    for (let b = a + ID_BYTES; b < end; b += ID_BYTES)
      if (load<u64>(b) === first && isSame(a, b)) return true;
  }
  return false;
}

function isSame(a: usize, b: usize): bool {
  return (
    load<u64>(a) === load<u64>(b) &&
    load<u64>(a, 8) === load<u64>(b, 8) &&
    load<u64>(a, 16) === load<u64>(b, 16) &&
    load<u64>(a, 24) === load<u64>(b, 24)
  );
}
