// Which protocol some bytes belong to: the fast twin of src/packet/detect.ts. What is known of the protocols
// (magics, commands, message layouts) comes from that side's tables; here are only the parsers.
import { RESULT, TABLES } from './layout';
import { hash } from './sha256';

// Codes: the index in DETECTED_PROTOCOLS.
export const BITCOIN_P2P: u32 = 0;
export const STRATUM_V2: u32 = 2;
const MESH_PACKET: u32 = 3;
const UNKNOWN: u32 = 4;

/** A Bitcoin message if its checksum is right, which the host tells. */
export const BITCOIN_IF_CHECKSUM: u32 = 5;

/** From so many bytes on the host's hash is faster: it has the processor's own instructions, and costs a call. */
export const HOST_HASH_BYTES: u32 = 64;

/** `MESH`, read as a little-endian word. */
export const MESH_MAGIC: u32 = 0x4853454d;

export const BITCOIN_HEADER: u32 = 24;
const STRATUM_HEADER: u32 = 6;
const CHANNEL_BIT: u32 = 0x8000;

/** A Stratum message type without a layout. */
const NO_LAYOUT: u32 = 0xffff;

// Field operations: one word each, operation in the lowest byte, its three arguments above.
const OP_SKIP: u32 = 0;
const OP_AT_MOST: u32 = 1;
const OP_HASH_RATE: u32 = 2;
const OP_LIST: u32 = 3;

// The tables, in this order: two counts, the layout index, magics, commands, the layouts.
const LAYOUT_INDEX: usize = TABLES + 8;
const MAGICS: usize = LAYOUT_INDEX + 512;

function commands(): usize {
  return MAGICS + 4 * load<u32>(TABLES);
}

function commandsEnd(): usize {
  return commands() + 12 * load<u32>(TABLES, 4);
}

/** The code of the protocol of exactly `length` bytes at `at`, or BITCOIN_IF_CHECKSUM. */
export function detectAt(at: usize, length: u32): u32 {
  if (length >= 4 && load<u32>(at) === MESH_MAGIC) return MESH_PACKET;
  if (isBitcoinHeader(at, length)) {
    if (length - BITCOIN_HEADER >= HOST_HASH_BYTES) return BITCOIN_IF_CHECKSUM;
    if (isChecksumRight(at, length)) return BITCOIN_P2P;
  }
  if (isStratumMessage(at, length)) return STRATUM_V2;
  return UNKNOWN;
}

/** Whether everything but the checksum is right. */
function isBitcoinHeader(at: usize, length: u32): bool {
  if (length < BITCOIN_HEADER) return false;
  if (load<u32>(at, 16) !== length - BITCOIN_HEADER) return false;
  return isMagic(load<u32>(at)) && isCommand(load<u64>(at, 4), load<u32>(at, 12));
}

function isChecksumRight(at: usize, length: u32): bool {
  hash(at + BITCOIN_HEADER, length - BITCOIN_HEADER, RESULT);
  return isChecksumOfResult(at);
}

/** The same where the SHA-256 of the body is the result already. */
export function isChecksumOfResult(at: usize): bool {
  hash(RESULT, 32, RESULT);
  return load<u32>(at, 20) === load<u32>(RESULT);
}

function isMagic(magic: u32): bool {
  const end = commands();
  for (let p = MAGICS; p < end; p += 4) if (load<u32>(p) === magic) return true;
  return false;
}

function isCommand(first: u64, last: u32): bool {
  const end = commandsEnd();
  for (let p = commands(); p < end; p += 12) {
    if (load<u64>(p) === first && load<u32>(p, 8) === last) return true;
  }
  return false;
}

function isStratumMessage(at: usize, length: u32): bool {
  if (length < STRATUM_HEADER) return false;
  const extension: u32 = load<u16>(at);
  if ((extension & ~CHANNEL_BIT) !== 0) return false;
  if (u24(at + 3) !== length - STRATUM_HEADER) return false;
  const start: u32 = load<u16>(LAYOUT_INDEX + 2 * <usize>load<u8>(at, 2));
  if (start === NO_LAYOUT) return false;

  // Layouts of one type: their number; then each as its channel bits (1 clear, 2 set), its number of fields, and
  // a word per field.
  let p = TABLES + start;
  const bit: u32 = extension === CHANNEL_BIT ? 2 : 1;
  let left: u32 = load<u8>(p++);
  while (left-- > 0) {
    const fields: u32 = load<u8>(p, 1);
    if ((load<u8>(p) & bit) !== 0 && fits(p + 2, fields, at, length)) return true;
    p += 2 + 4 * fields;
  }
  return false;
}

/** Whether the fields take up all bytes behind the header, no more and no less. */
function fits(layout: usize, fields: u32, at: usize, length: u32): bool {
  let offset = STRATUM_HEADER;
  for (let i: u32 = 0; i < fields; i++) {
    const field = load<u32>(layout + 4 * i);
    const operation = field & 0xff;
    const argument = (field >> 8) & 0xff;
    if (operation === OP_SKIP) {
      offset += argument;
    } else if (operation === OP_AT_MOST) {
      if (offset + 1 > length || <u32>load<u8>(at + offset) > argument) return false;
      offset += 1;
    } else if (operation === OP_HASH_RATE) {
      // Finite and not negative.
      if (offset + 4 > length || load<u32>(at + offset) >= 0x7f800000) return false;
      offset += 4;
    } else if (operation === OP_LIST) {
      if (offset + argument > length) return false;
      const count: u32 = argument === 1 ? <u32>load<u8>(at + offset) : <u32>load<u16>(at + offset);
      // A bound of 255 or more items is the count's own.
      const most = field >> 24;
      if (most < 0xff && count > most) return false;
      offset += argument + count * ((field >> 16) & 0xff);
    } else {
      offset = skipTransactions(at, offset, length);
    }
    if (offset > length) return false;
  }
  return offset === length;
}

/** A count of 2 bytes, then that many byte arrays, each behind a length of 3 bytes. Behind the end where one is cut. */
function skipTransactions(at: usize, start: u32, length: u32): u32 {
  if (start + 2 > length) return length + 1;
  let left: u32 = load<u16>(at + start);
  let offset = start + 2;
  while (left-- > 0) {
    if (offset + 3 > length) return length + 1;
    offset += 3 + u24(at + offset);
  }
  return offset;
}

function u24(at: usize): u32 {
  return (<u32>load<u16>(at)) | ((<u32>load<u8>(at, 2)) << 16);
}
