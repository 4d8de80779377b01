/**
 * Telling by its bytes what a payload is, on one thread: message by message, in batches, and with the checksums of
 * Bitcoin messages.
 *
 * Targets: 10 ns a message in batches; a checksummed message at half of the byte rate of node:crypto's double SHA-256.
 */
import { createHash, randomBytes } from 'node:crypto';
import { concatBytes } from '#dist/core/bytes.js';
import { BITCOIN_HEADER_BYTES } from '#dist/packet/bitcoin-wire.js';
import { PlainProtocolDetector, type ProtocolDetector } from '#dist/packet/detect.js';
import { encodeStratumMessage } from '#dist/packet/stratum-wire.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { repeated } from './loops.js';
import { bitcoinMessage } from './samples.js';
import { atLeast, ratioAtLeast, type Target } from './stats.js';
import type { Group, Task } from './suite.js';

const kernel = new WasmKernel(compileKernel(), new Uint8Array(randomBytes(16)));

/** 10 ns, as a rate. */
const MOST_PER_MESSAGE: Target = atLeast(1e9 / 10);

/** Each message in a call of its own, and all of one kind in one. */
export function detections(): readonly Group[] {
  return [detection(200), detection(1_400), batchedDetection()];
}

export function checksums(): readonly Group[] {
  return [1_024, 1_400, 4_096, 65_536, 999_000].map(checksum);
}

function detection(bytes: number): Group {
  const message = bitcoinMessage(bytes);
  const junk = new Uint8Array(randomBytes(bytes));
  const on = (name: string, detector: ProtocolDetector, data: Uint8Array): Task =>
    repeated(name, 'messages/s', 200, () => detector.detectProtocol(data));
  const plain = new PlainProtocolDetector();
  return {
    name: `detection, ${bytes} B`,
    tasks: [
      on('Bitcoin, plain', plain, message),
      on('Bitcoin, WASM', kernel, message),
      on('junk, plain', plain, junk),
      on('junk, WASM', kernel, junk),
    ],
  };
}

/** Many messages in one call: as they come from an open port, junk and the right beginnings of everything. */
function batchedDetection(): Group {
  const single = new Uint8Array(randomBytes(40));
  const batches = {
    'junk of 40 B': Array.from({ length: 1_024 }, () => new Uint8Array(randomBytes(40))),
    'junk of 200 B': Array.from({ length: 256 }, () => new Uint8Array(randomBytes(200))),
    'Stratum V2, 38 B': Array.from({ length: 1_024 }, () =>
      encodeStratumMessage(0x1b, true, new Uint8Array([...randomBytes(24), 7, ...randomBytes(7)])),
    ),
  };
  const task = ([name, messages]: readonly [string, readonly Uint8Array[]]): Task => {
    const data = concatBytes(...messages);
    let end = 0;
    const ends = Uint32Array.from(messages, ({ length }) => (end += length));
    const codes = new Uint8Array(messages.length);
    return {
      name,
      unit: 'messages/s',
      operations: 100 * messages.length,
      run: () => {
        for (let i = 0; i < 100; i++) kernel.detectMany(data, ends, codes);
      },
      target: MOST_PER_MESSAGE,
    };
  };
  return {
    name: 'detection, batched',
    tasks: [
      repeated('junk of 40 B, a call each', 'messages/s', 1_000, () => kernel.detectProtocol(single)),
      ...Object.entries(batches).map(task),
    ],
  };
}

/** The hash that a Bitcoin message's checksum is made of, as bytes a second. */
function checksum(bytes: number): Group {
  const message = bitcoinMessage(bytes + BITCOIN_HEADER_BYTES);
  const body = message.subarray(BITCOIN_HEADER_BYTES);
  const rounds = Math.max(4, Math.ceil(200_000 / bytes));
  const task = (name: string, once: () => unknown, target?: Target): Task => ({
    name,
    unit: 'bytes/s',
    operations: rounds * bytes,
    run: () => {
      for (let i = 0; i < rounds; i++) once();
    },
    ...(target === undefined ? {} : { target }),
  });
  const native = (data: Uint8Array): Uint8Array => createHash('sha256').update(data).digest();
  return {
    name: `checksum of ${bytes.toLocaleString('en')} B`,
    tasks: [
      task('node:crypto, twice', () => native(native(body))),
      task('a whole message detected', () => kernel.detectProtocol(message), ratioAtLeast(0.5)),
    ],
  };
}
