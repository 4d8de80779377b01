/**
 * What packet bytes say they are, read without decoding them: enough to choose the quota that they are charged to,
 * never to let them pass. Any thread.
 *
 * Rules: payments.md, Free traffic (quotas; a packet's declared type never decides alone); wire.md, Packet.
 */
import { BincodeReader } from '../core/bincode.js';
import { NODE_ID_BYTES } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { isControlProtocol } from './control.js';
import { PACKET_TYPES } from './packet-type.js';
import { hasMagic } from './packet.js';

/** `free` is all that is neither of the other two, bytes that are no packet at all among them. */
export type DeclaredTraffic = 'paid' | 'control' | 'free';

const MAGIC_BYTES = 4;
const VERSION_BYTES = 1;
const SEQUENCE_AND_TIMESTAMP_BYTES = 16;

export function declaredTraffic(input: Uint8Array): DeclaredTraffic {
  const reader = new BincodeReader(hasMagic(input) ? input.subarray(MAGIC_BYTES) : input);
  reader.skip(VERSION_BYTES);
  const type = PACKET_TYPES[reader.tag(PACKET_TYPES.length, 'packet_type')];
  if (reader.failed()) return 'free';
  if (type === 'Paid') return 'paid';
  return type === 'CommonsGovernance' && namesControl(reader) ? 'control' : 'free';
}

/** Whether what follows the type ends in the metadata of a control packet, which has no proof and a short route. */
function namesControl(reader: BincodeReader): boolean {
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
