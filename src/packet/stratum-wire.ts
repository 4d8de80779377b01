/**
 * Whether bytes are exactly one plain message of Stratum V2.
 *
 * Rules: payments.md, Free traffic (known message type, its channel bit, exact length); the Stratum V2
 * specification, sections 3 (data types, framing) and 5 to 8 (messages). A frame's header alone is easy to
 * forge, so the fields inside must fit the message's layout as well, to the last byte.
 */

/** extension_type u16, msg_type u8, msg_length u24, all little endian. */
export const STRATUM_HEADER_BYTES = 6;

/** Set in extension_type where the message belongs to a channel. */
const CHANNEL_BIT = 0x8000;

/**
 * The data types that messages are made of. Integers and hashes by their size in bytes; bN a byte array behind
 * a length of N bytes; a list behind a count of 1 or 2 bytes. Names of the specification beside them.
 */
export type StratumField =
  | 'u8' // U8, and BOOL: bits above the lowest carry no meaning and are not looked at
  | 'u16'
  | 'u32'
  | 'u64'
  | 'u256'
  | 'f32' // F32: a hash rate, so finite and not negative
  | 'protocol' // U8 of SetupConnection: 0 to 3
  | 'option-u32' // OPTION[U32]
  | 'b1' // B0_255 and STR0_255
  | 'b1-32' // B0_32: at most 32 bytes
  | 'b2' // B0_64K
  | 'list1-u256' // SEQ0_255[U256]
  | 'list2-u16' // SEQ0_64K[U16]
  | 'list2-u32' // SEQ0_64K[U32]
  | 'list2-u256' // SEQ0_64K[U256]
  | 'list2-b3'; // SEQ0_64K[B0_16M]

/** Where the two readings of the specification differ on a message's channel bit, both are taken. */
export type ChannelBit = 'set' | 'clear' | 'either';

export interface StratumMessage {
  readonly type: number;
  readonly name: string;
  readonly channelBit: ChannelBit;
  readonly fields: readonly StratumField[];
}

function message(
  type: number,
  name: string,
  channelBit: ChannelBit,
  ...fields: readonly StratumField[]
): StratumMessage {
  return { type, name, channelBit, fields };
}

/** Every known message. A type stands twice where deployed generations of the specification lay it out differently. */
export const STRATUM_MESSAGES: readonly StratumMessage[] = [
  // Common to all protocols.
  message(
    0x00,
    'SetupConnection',
    'clear',
    'protocol',
    'u16',
    'u16',
    'u32',
    'b1',
    'u16',
    'b1',
    'b1',
    'b1',
    'b1',
  ),
  message(0x01, 'SetupConnection.Success', 'clear', 'u16', 'u32'),
  message(0x02, 'SetupConnection.Error', 'clear', 'u32', 'b1'),
  message(0x03, 'ChannelEndpointChanged', 'set', 'u32'),
  message(0x04, 'Reconnect', 'clear', 'b1', 'u16'),

  // Mining.
  message(0x10, 'OpenStandardMiningChannel', 'clear', 'u32', 'b1', 'f32', 'u256'),
  message(0x11, 'OpenStandardMiningChannel.Success', 'clear', 'u32', 'u32', 'u256', 'b1-32', 'u32'),
  message(0x12, 'OpenMiningChannel.Error', 'clear', 'u32', 'b1'),
  message(0x13, 'OpenExtendedMiningChannel', 'clear', 'u32', 'b1', 'f32', 'u256', 'u16'),
  message(0x14, 'OpenExtendedMiningChannel.Success', 'clear', 'u32', 'u32', 'u256', 'u16', 'b1-32', 'u32'),
  message(0x14, 'OpenExtendedMiningChannel.Success', 'clear', 'u32', 'u32', 'u256', 'u16', 'b1-32'),
  message(0x15, 'NewMiningJob', 'either', 'u32', 'u32', 'option-u32', 'u32', 'u256'),
  message(0x16, 'UpdateChannel', 'set', 'u32', 'f32', 'u256'),
  message(0x17, 'UpdateChannel.Error', 'set', 'u32', 'b1'),
  message(0x18, 'CloseChannel', 'set', 'u32', 'b1'),
  message(0x19, 'SetExtranoncePrefix', 'set', 'u32', 'b1-32'),
  message(0x1a, 'SubmitSharesStandard', 'set', 'u32', 'u32', 'u32', 'u32', 'u32', 'u32'),
  message(0x1b, 'SubmitSharesExtended', 'set', 'u32', 'u32', 'u32', 'u32', 'u32', 'u32', 'b1-32'),
  message(0x1c, 'SubmitShares.Success', 'set', 'u32', 'u32', 'u32', 'u64'),
  message(0x1d, 'SubmitShares.Error', 'set', 'u32', 'u32', 'b1'),
  message(
    0x1f,
    'NewExtendedMiningJob',
    'set',
    ...(['u32', 'u32', 'option-u32', 'u32', 'u8', 'list1-u256', 'b2', 'b2'] as const),
  ),
  message(0x20, 'SetNewPrevHash', 'set', 'u32', 'u32', 'u256', 'u32', 'u32'),
  message(0x21, 'SetTarget', 'set', 'u32', 'u256'),
  message(
    0x22,
    'SetCustomMiningJob',
    'clear',
    ...(['u32', 'u32', 'b1', 'u32', 'u256', 'u32', 'u32'] as const),
    ...(['u32', 'b1', 'u32', 'b2', 'u32', 'list1-u256'] as const),
  ),
  message(0x23, 'SetCustomMiningJob.Success', 'clear', 'u32', 'u32', 'u32'),
  message(0x24, 'SetCustomMiningJob.Error', 'clear', 'u32', 'u32', 'b1'),
  message(0x25, 'SetGroupChannel', 'clear', 'u32', 'list2-u32'),
  message(0x25, 'Reconnect (older)', 'clear', 'b1', 'u16'),
  message(0x26, 'SetGroupChannel (older)', 'clear', 'u32', 'list2-u32'),

  // Job declaration.
  message(0x50, 'AllocateMiningJobToken', 'clear', 'b1', 'u32'),
  message(0x51, 'AllocateMiningJobToken.Success', 'clear', 'u32', 'b1', 'b2'),
  message(0x53, 'IdentifyTransactions', 'clear', 'u32'),
  message(0x54, 'IdentifyTransactions.Success', 'clear', 'u32', 'list2-u256'),
  message(0x55, 'ProvideMissingTransactions', 'clear', 'u32', 'list2-u16'),
  message(0x56, 'ProvideMissingTransactions.Success', 'clear', 'u32', 'list2-b3'),
  message(0x57, 'DeclareMiningJob', 'clear', 'u32', 'b1', 'u32', 'b2', 'b2', 'list2-u256', 'b2'),
  message(0x58, 'DeclareMiningJob.Success', 'clear', 'u32', 'b1'),
  message(0x59, 'DeclareMiningJob.Error', 'clear', 'u32', 'b1', 'b2'),
  message(0x60, 'PushSolution', 'either', 'b1-32', 'u256', 'u32', 'u32', 'u32', 'u32'),

  // Template distribution.
  message(0x70, 'CoinbaseOutputConstraints', 'clear', 'u32', 'u16'),
  message(0x70, 'CoinbaseOutputDataSize', 'clear', 'u32'),
  message(
    0x71,
    'NewTemplate',
    'clear',
    ...(['u64', 'u8', 'u32', 'u32', 'b1', 'u32', 'u64', 'u32', 'b2', 'u32', 'list1-u256'] as const),
  ),
  message(0x72, 'SetNewPrevHash (template)', 'clear', 'u64', 'u256', 'u32', 'u32', 'u256'),
  message(0x73, 'RequestTransactionData', 'clear', 'u64'),
  message(0x74, 'RequestTransactionData.Success', 'clear', 'u64', 'b2', 'list2-b3'),
  message(0x75, 'RequestTransactionData.Error', 'clear', 'u64', 'b1'),
  message(0x76, 'SubmitSolution', 'clear', 'u64', 'u32', 'u32', 'u32', 'b2'),
];

const messagesByType = new Map<number, StratumMessage[]>();
for (const known of STRATUM_MESSAGES) {
  const alike = messagesByType.get(known.type);
  if (alike === undefined) messagesByType.set(known.type, [known]);
  else alike.push(known);
}

/** Whether the bytes are one whole message of a known type, laid out as that type demands, and nothing more. */
export function isStratumMessage(data: Uint8Array): boolean {
  if (data.length < STRATUM_HEADER_BYTES) return false;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const extension = view.getUint16(0, true);
  if ((extension & ~CHANNEL_BIT) !== 0) return false;
  const length = view.getUint16(3, true) + view.getUint8(5) * 0x1_0000;
  if (length !== data.length - STRATUM_HEADER_BYTES) return false;
  const channelBit: ChannelBit = extension === CHANNEL_BIT ? 'set' : 'clear';
  return (messagesByType.get(view.getUint8(2)) ?? []).some(
    (known) => (known.channelBit === channelBit || known.channelBit === 'either') && fits(known.fields, view),
  );
}

/** One frame around a message's own bytes: for tests and the fuzzer. */
export function encodeStratumMessage(type: number, isChannelMessage: boolean, body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(STRATUM_HEADER_BYTES + body.length);
  const view = new DataView(frame.buffer);
  view.setUint16(0, isChannelMessage ? CHANNEL_BIT : 0, true);
  view.setUint8(2, type);
  view.setUint16(3, body.length % 0x1_0000, true);
  view.setUint8(5, Math.floor(body.length / 0x1_0000));
  frame.set(body, STRATUM_HEADER_BYTES);
  return frame;
}

/** Whether the fields take up all bytes behind the header, no more and no less. */
function fits(fields: readonly StratumField[], view: DataView): boolean {
  let offset = STRATUM_HEADER_BYTES;
  for (const field of fields) {
    const next = skipField(field, view, offset);
    if (next === null || next > view.byteLength) return false;
    offset = next;
  }
  return offset === view.byteLength;
}

/** The offset behind a field, which may lie behind the end; null where its own bytes already do not fit. */
function skipField(field: StratumField, view: DataView, offset: number): number | null {
  switch (field) {
    case 'u8':
      return offset + 1;
    case 'u16':
      return offset + 2;
    case 'u32':
      return offset + 4;
    case 'u64':
      return offset + 8;
    case 'u256':
      return offset + 32;
    case 'f32':
      return isHashRate(view, offset) ? offset + 4 : null;
    case 'protocol':
      return hasRoom(view, offset, 1) && view.getUint8(offset) <= 3 ? offset + 1 : null;
    case 'option-u32':
      return skipList(view, offset, 1, 4, 1);
    case 'b1':
      return skipList(view, offset, 1, 1, 0xff);
    case 'b1-32':
      return skipList(view, offset, 1, 1, 32);
    case 'b2':
      return skipList(view, offset, 2, 1, 0xffff);
    case 'list1-u256':
      return skipList(view, offset, 1, 32, 0xff);
    case 'list2-u16':
      return skipList(view, offset, 2, 2, 0xffff);
    case 'list2-u32':
      return skipList(view, offset, 2, 4, 0xffff);
    case 'list2-u256':
      return skipList(view, offset, 2, 32, 0xffff);
    case 'list2-b3':
      return skipTransactions(view, offset);
  }
}

function hasRoom(view: DataView, offset: number, count: number): boolean {
  return offset + count <= view.byteLength;
}

/** A count of 1 or 2 bytes, then that many items of a fixed size. */
function skipList(
  view: DataView,
  offset: number,
  countBytes: 1 | 2,
  itemBytes: number,
  maxCount: number,
): number | null {
  if (!hasRoom(view, offset, countBytes)) return null;
  const count = countBytes === 1 ? view.getUint8(offset) : view.getUint16(offset, true);
  return count > maxCount ? null : offset + countBytes + count * itemBytes;
}

/** A count of 2 bytes, then that many byte arrays, each behind a length of 3 bytes. */
function skipTransactions(view: DataView, offset: number): number | null {
  if (!hasRoom(view, offset, 2)) return null;
  const count = view.getUint16(offset, true);
  let at = offset + 2;
  for (let i = 0; i < count; i++) {
    if (!hasRoom(view, at, 3)) return null;
    at += 3 + view.getUint16(at, true) + view.getUint8(at + 2) * 0x1_0000;
  }
  return at;
}

/** Finite and not negative. */
function isHashRate(view: DataView, offset: number): boolean {
  return hasRoom(view, offset, 4) && view.getUint32(offset, true) < 0x7f80_0000;
}
