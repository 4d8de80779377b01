/**
 * What tells a free packet from all others in one process: the bytes of which its mark is the fingerprint, under the
 * secret of the replay table (PacketVerdict.mark says why not its packet id).
 */
import { concatBytes } from '../core/bytes.js';
import { BITCOIN_HEADER_BYTES } from './bitcoin-wire.js';
import type { DetectedProtocol } from './detect.js';
import { bincodeOf, type MeshPacket } from './packet.js';

/** From this length on the body of a Bitcoin message stands by its SHA-256, which its checksum has needed already. */
export const DIGESTED_BODY_BYTES = 64;

/**
 * @param bytes of the packet, with MESH or without
 * @param packet what they say: its parts lie in them
 * @param protocol the strict parse of its payload
 */
export function markedBytes(
  bytes: Uint8Array,
  packet: MeshPacket,
  protocol: DetectedProtocol,
  sha256: (bytes: Uint8Array) => Uint8Array,
): Uint8Array {
  const bincode = bincodeOf(bytes);
  const { payload } = packet;
  const isDigested =
    protocol === 'BitcoinP2P' && payload.length - BITCOIN_HEADER_BYTES >= DIGESTED_BODY_BYTES;
  if (!isDigested) return bincode;
  const start = payload.byteOffset - bincode.byteOffset;
  return concatBytes(
    bincode.subarray(0, start + BITCOIN_HEADER_BYTES),
    sha256(payload.subarray(BITCOIN_HEADER_BYTES)),
    bincode.subarray(start + payload.length),
  );
}
