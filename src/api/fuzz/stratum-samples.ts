/** One body for each known Stratum V2 message, made from its layout: as short as can be, or with everything filled. */
import { concatBytes } from '../../core/bytes.js';
import { encodeStratumMessage, type StratumField, type StratumMessage } from '../../packet/stratum-wire.js';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const filled = (count: number): Uint8Array => new Uint8Array(count).fill(0x21);

const SHORT: { readonly [F in StratumField]: Uint8Array } = {
  u8: bytes(1),
  u16: filled(2),
  u32: filled(4),
  u64: filled(8),
  u256: filled(32),
  f32: bytes(0, 0, 0, 0),
  protocol: bytes(0),
  'option-u32': bytes(0),
  b1: bytes(0),
  'b1-32': bytes(0),
  b2: bytes(0, 0),
  'list1-u256': bytes(0),
  'list2-u16': bytes(0, 0),
  'list2-u32': bytes(0, 0),
  'list2-u256': bytes(0, 0),
  'list2-b3': bytes(0, 0),
};

const FULL: { readonly [F in StratumField]: Uint8Array } = {
  ...SHORT,
  f32: bytes(0xff, 0xff, 0x7f, 0x7f),
  protocol: bytes(3),
  'option-u32': concatBytes(bytes(1), filled(4)),
  b1: concatBytes(bytes(255), filled(255)),
  'b1-32': concatBytes(bytes(32), filled(32)),
  b2: concatBytes(bytes(0x01, 0x02), filled(0x201)),
  'list1-u256': concatBytes(bytes(2), filled(64)),
  'list2-u16': concatBytes(bytes(3, 0), filled(6)),
  'list2-u32': concatBytes(bytes(3, 0), filled(12)),
  'list2-u256': concatBytes(bytes(2, 0), filled(64)),
  'list2-b3': concatBytes(bytes(2, 0), bytes(1, 0, 0, 7), bytes(0, 1, 0), filled(256)),
};

/** The frame of a message: all its lists and arrays empty, or all in use. */
export function stratumSample(message: StratumMessage, size: 'short' | 'full'): Uint8Array {
  const samples = size === 'short' ? SHORT : FULL;
  const body = concatBytes(...message.fields.map((field) => samples[field]));
  return encodeStratumMessage(message.type, message.channelBit === 'set', body);
}
