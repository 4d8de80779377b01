/**
 * The cells of onion-v1: always the same size, one layer of encryption for each relay.
 *
 *     cell   = slot x SLOTS | body
 *     slot   = ephemeral public key (32) | sealed id of the next node (32 + 16); for the last one the id is zeros
 *     body   = sealed length (2) and message, filled up with zeros
 *
 * A relay opens the first slot by the secret that it shares with the slot's ephemeral key, mixes all others and the
 * body with the streams of that secret, moves the slots up by one, and puts random bytes where the last one was. So a
 * cell is the same size on every link, no two links show a byte in common, and nobody but the last node can tell how
 * many relays there are: a random slot looks like any other. Only the last node's body opens, so a changed cell is
 * dropped there at the latest. (Two relays that work together can mark a body and recognize it: onion routing of this
 * simple kind does not prevent it.)
 */
import { randomBytes } from 'node:crypto';
import { derive, KEY_BYTES, KeyPair, mix, seal, TAG_BYTES, unseal } from './keys.js';

const ID_BYTES = 32;
const SLOT_BYTES = KEY_BYTES + ID_BYTES + TAG_BYTES;
/** The most nodes that a cell may pass, its receiver included. */
export const SLOTS = 5;
const HEADER_BYTES = SLOTS * SLOT_BYTES;
const BODY_BYTES = 1_024;
const LENGTH_BYTES = 2;
export const CELL_BYTES: number = HEADER_BYTES + BODY_BYTES;
export const MESSAGE_BYTES: number = BODY_BYTES - TAG_BYTES - LENGTH_BYTES;

const LAST = new Uint8Array(ID_BYTES);

/** A node that a cell passes, or ends at. */
export interface OnionHop {
  /** 32 bytes. */
  readonly nodeId: Uint8Array;
  /** X25519, 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** What a node finds in a cell: a cell for another node, or a message for itself. */
export type Peeled =
  | { readonly kind: 'relay'; readonly next: Uint8Array; readonly cell: Uint8Array }
  | { readonly kind: 'message'; readonly message: Uint8Array };

/**
 * Wraps a message for the last of the hops.
 * @param hops relays in order, then the receiver; at most SLOTS
 * @param message at most MESSAGE_BYTES
 */
export function wrap(hops: readonly OnionHop[], message: Uint8Array): Uint8Array {
  if (hops.length === 0 || hops.length > SLOTS) throw new RangeError(`a cell passes 1 to ${SLOTS} nodes`);
  if (message.length > MESSAGE_BYTES) throw new RangeError(`a message has at most ${MESSAGE_BYTES} bytes`);
  const layers = hops.map((hop, index) => {
    const ephemeral = KeyPair.generate();
    const secret = ephemeral.agree(hop.publicKey);
    if (secret === null) throw new RangeError('a public key is not one');
    const next = hops[index + 1]?.nodeId ?? LAST;
    return {
      keys: keysOf(secret),
      slot: Buffer.concat([ephemeral.publicKey, seal(keysOf(secret).slot, next)]),
    };
  });

  const plain = Buffer.alloc(LENGTH_BYTES + MESSAGE_BYTES);
  plain.writeUInt16BE(message.length);
  plain.set(message, LENGTH_BYTES);
  const last = layers.at(-1);
  let body = last === undefined ? plain : seal(last.keys.message, plain);
  let slots = Buffer.alloc(0);
  // From the inside out: what a relay takes off is put on by its own streams.
  for (const [index, { keys, slot }] of [...layers.entries()].reverse()) {
    if (index < layers.length - 1) {
      slots = Buffer.from(mix(keys.header, slots));
      body = mix(keys.body, body);
    }
    slots = Buffer.concat([slot, slots]);
  }
  return Buffer.concat([slots, randomBytes(HEADER_BYTES - slots.length), body]);
}

/** Takes off the layer of one node; null where the cell is not for it, or was changed on its way. */
export function peel(cell: Uint8Array, own: KeyPair): Peeled | null {
  if (cell.length !== CELL_BYTES) return null;
  const secret = own.agree(cell.subarray(0, KEY_BYTES));
  if (secret === null) return null;
  const keys = keysOf(secret);
  const next = unseal(keys.slot, cell.subarray(KEY_BYTES, SLOT_BYTES));
  if (next === null) return null;
  const body = cell.subarray(HEADER_BYTES);
  if (next.every((byte) => byte === 0)) {
    const plain = unseal(keys.message, body);
    if (plain === null) return null;
    const length = Buffer.from(plain).readUInt16BE();
    return length > MESSAGE_BYTES
      ? null
      : { kind: 'message', message: plain.subarray(LENGTH_BYTES, LENGTH_BYTES + length) };
  }
  const slots = mix(keys.header, cell.subarray(SLOT_BYTES, HEADER_BYTES));
  return {
    kind: 'relay',
    next,
    cell: Buffer.concat([slots, randomBytes(SLOT_BYTES), mix(keys.body, body)]),
  };
}

/** One key for each purpose. */
function keysOf(secret: Uint8Array): Record<'slot' | 'header' | 'body' | 'message', Uint8Array> {
  const key = (purpose: string): Uint8Array => derive(secret, `onion-v1 ${purpose}`);
  return { slot: key('slot'), header: key('header'), body: key('body'), message: key('message') };
}
