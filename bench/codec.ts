/**
 * Packets between bytes and values, on one thread.
 *
 * Target: one of 200 B payload decoded a million times a second, as workers do it: copied from shared memory into the
 * kernel's, and examined there. The plain twin of that reads it where it lies.
 */
import { LIMITS } from '#dist/core/limits.js';
import { decodePacket, encodePacket, viewPacket } from '#dist/packet/packet.js';
import { FINGERPRINT_SECRET_BYTES } from '#dist/replay/fingerprint.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { repeated } from './loops.js';
import { paidPackets, POLICY, SELF, SOURCE } from './samples.js';
import { atLeast } from './stats.js';
import type { Group } from './suite.js';

export function packetCodec(): Group {
  const [bytes = new Uint8Array(0)] = paidPackets(1, 200);
  const decoded = decodePacket(bytes);
  if (!decoded.ok) throw new Error('the sample decodes');
  const { packet } = decoded.value;
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  const kernel = new WasmKernel(compileKernel(), new Uint8Array(FINGERPRINT_SECRET_BYTES));
  const scratch = kernel.workspace(LIMITS.PACKET_BYTES).subarray(0, bytes.length);
  const rules = { self: SELF, network: POLICY.network };
  const examine = (): void => {
    scratch.set(shared);
    const examined = kernel.examine(scratch, rules, SOURCE);
    if (examined === null) throw new Error('the sample is a paid packet of its sender');
  };
  return {
    name: 'packet of 200 B payload, paid',
    tasks: [
      repeated('copied', 'packets/s', 1_000, () => bytes.slice()),
      repeated('decoded by a worker', 'packets/s', 1_000, examine, { target: atLeast(1_000_000) }),
      repeated('decoded where it lies', 'packets/s', 1_000, () => viewPacket(shared)),
      repeated('decoded into copies', 'packets/s', 1_000, () => decodePacket(bytes)),
      repeated('encoded', 'packets/s', 1_000, () => encodePacket(packet)),
    ],
  };
}
