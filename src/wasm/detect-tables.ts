/**
 * What the WebAssembly detector must know of the protocols, as bytes: made from the same tables that the plain
 * detector uses, so that there is one source of magics, commands and message layouts.
 *
 * Form, all little endian (read by assembly/detect.ts): number of magics u32, number of commands u32, for each Stratum
 * message type where its layouts begin u16 (0xffff: none), the magics of 4 bytes, the commands of 12 bytes, then the layouts: for each type their number u8, then each as channel bits u8 (1 clear, 2 set), number of
 * steps u8, and a u32 per step, which is a field or several of a fixed size (its operation in the lowest byte, its three
 * arguments above).
 */
import { assert } from '../core/assert.js';
import { BincodeWriter } from '../core/bincode.js';
import { utf8 } from '../core/bytes.js';
import { BITCOIN_COMMANDS, BITCOIN_MAGICS } from '../packet/bitcoin-wire.js';
import {
  STRATUM_MESSAGES,
  type ChannelBit,
  type StratumField,
  type StratumMessage,
} from '../packet/stratum-wire.js';

const COMMAND_BYTES = 12;
const STRATUM_TYPES = 256;
const NO_LAYOUT = 0xffff;

/** Operation and arguments. Of a list: bytes of its count, bytes of an item, and the most items below 255. */
type Operation = readonly [code: number, first: number, second: number, third: number];

const SKIP = 0;
const skip = (count: number): Operation => [SKIP, count, 0, 0];
const atMost = (value: number): Operation => [1, value, 0, 0];
const HASH_RATE: Operation = [2, 0, 0, 0];
const list = (countBytes: 1 | 2, itemBytes: number, most = 0xff): Operation => [
  3,
  countBytes,
  itemBytes,
  most,
];
const TRANSACTIONS: Operation = [4, 0, 0, 0];

const OPERATIONS: { readonly [F in StratumField]: Operation } = {
  u8: skip(1),
  u16: skip(2),
  u32: skip(4),
  u64: skip(8),
  u256: skip(32),
  f32: HASH_RATE,
  protocol: atMost(3),
  'option-u32': list(1, 4, 1),
  b1: list(1, 1),
  'b1-32': list(1, 1, 32),
  b2: list(2, 1),
  'list1-u256': list(1, 32),
  'list2-u16': list(2, 2),
  'list2-u32': list(2, 4),
  'list2-u256': list(2, 32),
  'list2-b3': TRANSACTIONS,
};

const CHANNEL_BITS: { readonly [B in ChannelBit]: number } = { clear: 1, set: 2, either: 3 };

/** The tables in the form above; the same on every call. */
export function detectTables(): Uint8Array {
  const writer = new BincodeWriter(4_096);
  const magics = Object.values(BITCOIN_MAGICS);
  writer.u32(magics.length);
  writer.u32(BITCOIN_COMMANDS.length);

  const layouts = new BincodeWriter(2_048);
  let offset = 8 + 2 * STRATUM_TYPES + 4 * magics.length + COMMAND_BYTES * BITCOIN_COMMANDS.length;
  for (let type = 0; type < STRATUM_TYPES; type++) {
    const alike = STRATUM_MESSAGES.filter((known) => known.type === type);
    writer.u16(alike.length === 0 ? NO_LAYOUT : offset);
    if (alike.length > 0) offset += writeLayouts(layouts, alike);
  }
  assert(offset < NO_LAYOUT, 'an offset into the tables has 16 bits');
  for (const magic of magics) writer.fixed(Uint8Array.from(magic));
  for (const command of BITCOIN_COMMANDS) writer.fixed(padded(command));
  writer.fixed(layouts.finish());
  return writer.finish();
}

/** @returns bytes written */
function writeLayouts(writer: BincodeWriter, alike: readonly StratumMessage[]): number {
  let written = 1;
  writer.u8(alike.length);
  for (const { channelBit, fields } of alike) {
    const operations = operationsOf(fields);
    writer.u8(CHANNEL_BITS[channelBit]);
    writer.u8(operations.length);
    for (const operation of operations) for (const part of operation) writer.u8(part);
    written += 2 + 4 * operations.length;
  }
  return written;
}

/** What fields ask for; those of a fixed size that follow one another are skipped in one step. */
function operationsOf(fields: readonly StratumField[]): readonly Operation[] {
  const operations: Operation[] = [];
  for (const field of fields) {
    const [code, size] = OPERATIONS[field];
    const [lastCode, lastSize] = operations.at(-1) ?? OPERATIONS.f32;
    const isRun = code === SKIP && lastCode === SKIP && size + lastSize <= 0xff;
    if (isRun) operations[operations.length - 1] = skip(size + lastSize);
    else operations.push(OPERATIONS[field]);
  }
  return operations;
}

function padded(command: string): Uint8Array {
  const bytes = new Uint8Array(COMMAND_BYTES);
  bytes.set(utf8(command));
  return bytes;
}
