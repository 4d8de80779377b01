/**
 * The few Stratum V2 messages that mining-pool-v1 needs, and the hashing of block headers.
 *
 * Rules: the Stratum V2 specification, 3 (framing, data types) and 5 (mining protocol); little endian throughout.
 */
import { createHash } from 'node:crypto';

const CHANNEL_BIT = 0x8000;
const HEADER_BYTES = 6;
const HASH_BYTES = 32;
const BLOCK_HEADER_BYTES = 80;

/** Message types, and whether they belong to a channel. */
const TYPES = {
  open: [0x10, false],
  opened: [0x11, false],
  job: [0x15, true],
  share: [0x1a, true],
  accepted: [0x1c, true],
  refused: [0x1d, true],
  prevHash: [0x20, true],
} as const;

export type MessageName = keyof typeof TYPES;

/** A message: its name and the bytes of its fields. */
export interface Message {
  readonly name: MessageName;
  readonly fields: Buffer;
}

export function frame(name: MessageName, ...fields: readonly Uint8Array[]): Uint8Array {
  const [type, isOfChannel] = TYPES[name];
  const body = Buffer.concat(fields);
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16LE(isOfChannel ? CHANNEL_BIT : 0);
  header.writeUInt8(type, 2);
  header.writeUIntLE(body.length, 3, 3);
  return Buffer.concat([header, body]);
}

/** The message in bytes that the mesh has judged to be one; null where it is none of those above. */
export function parse(bytes: Uint8Array): Message | null {
  const found = Object.entries(TYPES).find(([, [type]]) => bytes[2] === type);
  if (found === undefined || bytes.length < HEADER_BYTES) return null;
  return { name: found[0] as MessageName, fields: Buffer.from(bytes.subarray(HEADER_BYTES)) };
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function f32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

/** B0_255 and STR0_255. */
export function short(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(bytes.length), bytes]);
}

/** What a miner hashes. Hashes and root: 32 bytes, as they stand in a block header. */
export interface Work {
  readonly version: number;
  readonly prevHash: Uint8Array;
  readonly merkleRoot: Uint8Array;
  readonly time: number;
  readonly bits: number;
}

/** Double SHA-256 of the block header, 32 bytes, lowest byte first. */
export function workHash(work: Work, nonce: number): Buffer {
  const header = Buffer.alloc(BLOCK_HEADER_BYTES);
  header.writeUInt32LE(work.version);
  header.set(work.prevHash, 4);
  header.set(work.merkleRoot, 4 + HASH_BYTES);
  header.writeUInt32LE(work.time, 68);
  header.writeUInt32LE(work.bits, 72);
  header.writeUInt32LE(nonce, 76);
  const once = createHash('sha256').update(header).digest();
  return createHash('sha256').update(once).digest();
}

/** Whether a hash is at most the target; both are numbers of 32 bytes, lowest byte first. */
export function meets(hash: Uint8Array, target: Uint8Array): boolean {
  return Buffer.compare(Buffer.from(hash).reverse(), Buffer.from(target).reverse()) <= 0;
}
