/**
 * What packet bytes say they are, read without decoding them: enough to choose the quota that they are charged to,
 * never to let them pass. Any thread.
 *
 * Rules: payments.md, Free traffic (quotas; a packet's declared type never decides alone); wire.md, Packet.
 */
import { BincodeReader } from '../core/bincode.js';
import { equalBytes } from '../core/bytes.js';
import { NODE_ID_BYTES, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { isControlProtocol } from './control.js';
import { PACKET_TYPES } from './packet-type.js';
import { bincodeOf, hasMagic, MAGIC_BYTES } from './packet.js';

/** `free` is all that is neither of the other two, bytes that are no packet at all among them. */
export type DeclaredTraffic = 'paid' | 'control' | 'free';

const VERSION_BYTES = 1;
const TAG_BYTES = 4;
const SEQUENCE_AND_TIMESTAMP_BYTES = 16;

/** The type, four bytes of which the lowest comes first, follows `MESH`, where that is there, and the version. */
const TYPE_BYTES = 4;
const PAID = PACKET_TYPES.indexOf('Paid');
const COMMONS_GOVERNANCE = PACKET_TYPES.indexOf('CommonsGovernance');

export function declaredTraffic(input: Uint8Array): DeclaredTraffic {
  // Nearly all packets are told by their type alone.
  const at = (hasMagic(input) ? MAGIC_BYTES : 0) + VERSION_BYTES;
  const isType = input.length >= at + TYPE_BYTES && input[at + 1] === 0 && input[at + 2] === 0;
  const type = isType && input[at + 3] === 0 ? input[at] : undefined;
  if (type === PAID) return 'paid';
  return type === COMMONS_GOVERNANCE && namesControl(input) ? 'control' : 'free';
}

/** Whether packet bytes say that they are for a node. */
export function isDeclaredFor(input: Uint8Array, nodeId: NodeId): boolean {
  const at = (hasMagic(input) ? MAGIC_BYTES : 0) + VERSION_BYTES + TAG_BYTES + NODE_ID_BYTES;
  return equalBytes(input.subarray(at, at + NODE_ID_BYTES), nodeId);
}

/** Whether what follows the type ends in the metadata of a control packet, which has no proof and a short route. */
function namesControl(input: Uint8Array): boolean {
  const reader = new BincodeReader(bincodeOf(input));
  reader.skip(VERSION_BYTES + TYPE_BYTES);
  reader.skip(2 * NODE_ID_BYTES);
  const ids = reader.length(NODE_ID_BYTES);
  if (ids > 2) return false;
  reader.skip(ids * NODE_ID_BYTES + SEQUENCE_AND_TIMESTAMP_BYTES);
  const hasProof = reader.option();
  const payloadBytes = reader.length(1);
  if (hasProof || payloadBytes > LIMITS.CONTROL_PAYLOAD_BYTES) return false;
  reader.skip(payloadBytes);
  const hasProtocol = reader.option() && reader.option();
  return hasProtocol && isControlProtocol(reader.string()) && !reader.failed();
}
