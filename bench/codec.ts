/**
 * Packets between bytes and values, on one thread.
 *
 * Target: one of 200 B payload decoded a million times a second, as workers do it: where it lies, in shared memory.
 */
import { decodePacket, encodePacket, viewPacket } from '#dist/packet/packet.js';
import { repeated } from './loops.js';
import { paidPackets } from './samples.js';
import { atLeast } from './stats.js';
import type { Group } from './suite.js';

export function packetCodec(): Group {
  const [bytes = new Uint8Array(0)] = paidPackets(1, 200);
  const decoded = decodePacket(bytes);
  if (!decoded.ok) throw new Error('the sample decodes');
  const { packet } = decoded.value;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return {
    name: 'packet of 200 B payload, paid',
    tasks: [
      repeated('copied', 'packets/s', 1_000, () => bytes.slice()),
      repeated('decoded where it lies', 'packets/s', 1_000, () => viewPacket(shared), {
        target: atLeast(1_000_000),
      }),
      repeated('decoded into copies', 'packets/s', 1_000, () => decodePacket(bytes)),
      repeated('encoded', 'packets/s', 1_000, () => encodePacket(packet)),
    ],
  };
}
