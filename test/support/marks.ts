// The marks of free packets, by the plain twins.
import { sha256 } from '../../src/core/hash.js';
import type { DetectedProtocol } from '../../src/packet/detect.js';
import { markedBytes } from '../../src/packet/mark.js';
import { viewPacket } from '../../src/packet/packet.js';
import { FINGERPRINT_WORDS, PlainFingerprinter } from '../../src/replay/fingerprint.js';

/** @param secret of the marks, 16 bytes @param protocol the strict parse of the packet's payload */
export function plainMark(secret: Uint8Array, bytes: Uint8Array, protocol: DetectedProtocol): Int32Array {
  const words = new Int32Array(FINGERPRINT_WORDS);
  const decoded = viewPacket(bytes);
  if (!decoded.ok) throw new Error('the sample decodes');
  const marked = markedBytes(bytes, decoded.value.packet, protocol, sha256);
  new PlainFingerprinter(secret).fingerprint(marked, words);
  return words;
}
