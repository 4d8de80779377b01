/** SHA-256 and keyed fingerprints of 32 bytes, by the ways that there are. */
import { createHash, randomBytes } from 'node:crypto';
import { sha256 } from '#dist/core/hash.js';
import { PlainFingerprinter } from '#dist/replay/fingerprint.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { repeated } from './loops.js';
import type { Group } from './suite.js';

const SECRET = new Uint8Array(randomBytes(16));
const KEYS = Array.from({ length: 4_096 }, () => new Uint8Array(randomBytes(32)));

export function hashes(): Group {
  const kernel = new WasmKernel(compileKernel(), SECRET);
  const out = new Int32Array(4);
  const plain = new PlainFingerprinter(SECRET);
  const key = (index: number): Uint8Array => KEYS[index % KEYS.length] ?? SECRET;
  return {
    name: 'hash of 32 B',
    tasks: [
      repeated('SHA-256, node:crypto', 'hashes/s', 1_000, (i) =>
        createHash('sha256').update(key(i)).digest(),
      ),
      repeated('SHA-256, @noble/hashes', 'hashes/s', 1_000, (i) => sha256(key(i))),
      repeated('SHA-256, WASM', 'hashes/s', 1_000, (i) => kernel.sha256(key(i))),
      repeated('fingerprint, plain', 'hashes/s', 1_000, (i) => {
        plain.fingerprint(key(i), out);
      }),
      repeated('fingerprint, WASM', 'hashes/s', 1_000, (i) => {
        kernel.fingerprint(key(i), out);
      }),
    ],
  };
}
