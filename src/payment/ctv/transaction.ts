/**
 * Reads Bitcoin transactions strictly, as far as a template hash needs them.
 *
 * Rules: the serialisation of Bitcoin's P2P protocol, with and without witness (BIP144). Lengths are written in
 * as few bytes as they need, a witness that is announced is there, and nothing is left over. Whether a
 * transaction keeps the rules of consensus is not asked. Never throws on input.
 */
import { BincodeReader } from '../../core/bincode.js';
import type { Decoded } from '../../core/codec.js';
import { LIMITS } from '../../core/limits.js';
import { Reason } from '../../core/reasons.js';

export interface BitcoinInput {
  /** Transaction id of the output spent, 32 bytes, in the order of the serialisation. */
  readonly prevoutHash: Uint8Array;
  readonly prevoutIndex: number;
  readonly scriptSig: Uint8Array;
  readonly sequence: number;
}

export interface BitcoinOutput {
  /** Satoshis, as the 64 bits stand there: unsigned, whatever sense they make. */
  readonly value: bigint;
  readonly scriptPubkey: Uint8Array;
}

export interface BitcoinTransaction {
  /** The 32 bits of the version, unsigned. */
  readonly version: number;
  /** One at least. */
  readonly inputs: readonly BitcoinInput[];
  readonly outputs: readonly BitcoinOutput[];
  readonly lockTime: number;
  /** Whether a witness followed the outputs. It was checked and left out: no template hash covers it. */
  readonly hasWitness: boolean;
}

/** The fewest bytes of an input, an output, and of the items of a witness. */
const INPUT_BYTES = 41;
const OUTPUT_BYTES = 9;
const WITNESS_ITEM_BYTES = 1;

/** The least sizes that are written in 2, 4 and 8 bytes behind their first. */
const LEAST_SIZES: readonly number[] = [0xfd, 0x1_0000, 0x1_0000_0000];

const VERSION_BYTES = 4;

/** Where inputs would be counted, an extended transaction has a zero and then this flag (BIP144). */
const WITNESS_MARKER = 0;
const WITNESS_FLAG = 1;

/** Decodes a whole transaction of at most LIMITS.TRANSACTION_BYTES; the result holds copies. */
export function readTransaction(bytes: Uint8Array): Decoded<BitcoinTransaction> {
  const reader = new BincodeReader(bytes);
  if (bytes.length > LIMITS.TRANSACTION_BYTES) {
    reader.fail(Reason.InputTooLong, `a transaction has at most ${LIMITS.TRANSACTION_BYTES} bytes`);
  }
  const version = reader.u32();
  // A transaction has inputs, so a zero in their count's place is the marker and nothing else.
  const hasWitness = bytes[VERSION_BYTES] === WITNESS_MARKER;
  if (hasWitness) readMarker(reader);
  const inputs = readMany(reader, INPUT_BYTES, 'inputs', readInput);
  if (inputs.length === 0) reader.fail(Reason.NoFundingInput, 'a transaction has at least one input');
  const outputs = readMany(reader, OUTPUT_BYTES, 'outputs', readOutput);
  if (hasWitness) checkWitness(reader, inputs.length);
  const lockTime = reader.u32();
  reader.end();
  const { failure } = reader;
  if (failure !== null) return { ok: false, failure };
  return { ok: true, value: { version, inputs, outputs, lockTime, hasWitness } };
}

function readMarker(reader: BincodeReader): void {
  const at = reader.offset;
  reader.u8();
  const flag = reader.u8();
  if (flag !== WITNESS_FLAG) {
    reader.fail(Reason.BadWitness, `the flag behind the witness marker must be 1, found ${flag}`, at);
  }
}

function readInput(reader: BincodeReader): BitcoinInput {
  return {
    prevoutHash: reader.fixed(32),
    prevoutIndex: reader.u32(),
    scriptSig: readBytes(reader, 'scriptSig'),
    sequence: reader.u32(),
  };
}

function readOutput(reader: BincodeReader): BitcoinOutput {
  return { value: reader.u64(), scriptPubkey: readBytes(reader, 'scriptPubKey') };
}

/** One stack of items per input. A witness in which every stack is empty is none, and must not be announced. */
function checkWitness(reader: BincodeReader, inputs: number): void {
  const at = reader.offset;
  let items = 0;
  for (let input = 0; input < inputs && !reader.failed(); input++) {
    const count = readCount(reader, WITNESS_ITEM_BYTES, 'witness items');
    for (let item = 0; item < count && !reader.failed(); item++) readBytes(reader, 'witness item');
    items += count;
  }
  if (items === 0) reader.fail(Reason.BadWitness, 'a witness is announced and every part of it is empty', at);
}

function readMany<T>(
  reader: BincodeReader,
  minBytes: number,
  what: string,
  read: (reader: BincodeReader) => T,
): readonly T[] {
  const count = readCount(reader, minBytes, what);
  const items: T[] = [];
  for (let i = 0; i < count && !reader.failed(); i++) items.push(read(reader));
  return items;
}

function readBytes(reader: BincodeReader, what: string): Uint8Array {
  return reader.fixed(readCount(reader, 1, what));
}

/** A compact size, refused where not even so many items of `minBytes` would fit in what is left. */
function readCount(reader: BincodeReader, minBytes: number, what: string): number {
  const at = reader.offset;
  const size = readCompactSize(reader);
  if (size * minBytes <= reader.remaining) return reader.failed() ? 0 : size;
  reader.fail(
    Reason.LengthBeyondInput,
    `${what}: a length of ${size} does not fit in the ${reader.remaining} bytes left`,
    at,
  );
  return 0;
}

/** Bitcoin's variable-length integer, in its shortest form only. What is beyond 2^53 is no length anyway. */
function readCompactSize(reader: BincodeReader): number {
  const at = reader.offset;
  const first = reader.u8();
  if (first < 0xfd) return first;
  const least = LEAST_SIZES[first - 0xfd] ?? 0;
  const size = first === 0xfd ? reader.u16() : first === 0xfe ? reader.u32() : Number(reader.u64());
  if (size < least) reader.fail(Reason.NotCanonical, 'a length is written in more bytes than it needs', at);
  return size;
}
