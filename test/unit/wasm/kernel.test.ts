// architecture.md, worker pool: the WebAssembly kernel gives what its plain twins give, and says when it is missing.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MeshError } from '../../../src/core/errors.js';
import { concatBytes, fromHex, toHex, utf8 } from '../../../src/core/bytes.js';
import { present } from '../../../src/core/assert.js';
import { sha256 } from '../../../src/core/hash.js';
import { SeededRandom } from '../../../src/core/random.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { DETECTED_PROTOCOLS, PlainProtocolDetector } from '../../../src/packet/detect.js';
import { STRATUM_MESSAGES } from '../../../src/packet/stratum-wire.js';
import { PlainFingerprinter, type Fingerprinter } from '../../../src/replay/fingerprint.js';
import { compileKernel, WasmKernel } from '../../../src/wasm/kernel.js';
import { protocolDetectorContract } from '../../contract/protocol-detector.js';
import { stratumSample } from '../../support/stratum-samples.js';

const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);

protocolDetectorContract('plain', () => new PlainProtocolDetector());
protocolDetectorContract('wasm', () => WasmKernel.load(SECRET));

function hex(fingerprinter: Fingerprinter, key: Uint8Array): string {
  const out = new Int32Array(4);
  fingerprinter.fingerprint(key, out);
  return toHex(new Uint8Array(out.buffer));
}

/** Key 00 01 .. 0f, message 00 01 .. (n - 1): from the vectors of SipHash's authors. */
const SIPHASH_VECTORS: readonly (readonly [number, string])[] = [
  [0, 'a3817f04ba25a8e66df67214c7550293'],
  [1, 'da87c1d86b99af44347659119b22fc45'],
  [7, 'a1f1ebbed8dbc153c0b84aa61ff08239'],
  [8, '3b62a9ba6258f5610f83e264f31497b4'],
  [15, '5493e99933b0a8117e08ec0f97cfc3d9'],
  [32, '7c3956ca5eeafc3e363e9d556546eb68'],
  [63, '5150d1772f50834a503e069a973fbd7c'],
];

describe('wasm § fingerprints', () => {
  const plain = new PlainFingerprinter(SECRET);
  const kernel = WasmKernel.load(SECRET);

  it('are SipHash-2-4 with 128 bits, in both twins', () => {
    for (const [length, expected] of SIPHASH_VECTORS) {
      const message = Uint8Array.from({ length }, (_, i) => i);
      expect(hex(plain, message), `plain, ${length} bytes`).toBe(expected);
      expect(hex(kernel, message), `wasm, ${length} bytes`).toBe(expected);
    }
  });

  it('are the same in both twins for any secret and key', () => {
    const secret = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const module = compileKernel();
    fc.assert(
      fc.property(secret, fc.uint8Array({ maxLength: 80 }), (bytes, key) => {
        return hex(new WasmKernel(module, bytes), key) === hex(new PlainFingerprinter(bytes), key);
      }),
      { numRuns: 300 },
    );
  });

  it('depend on the secret', () => {
    const key = new Uint8Array(32);
    expect(hex(new PlainFingerprinter(new Uint8Array(16)), key)).not.toBe(hex(plain, key));
  });
});

describe('wasm § SHA-256', () => {
  const kernel = WasmKernel.load(SECRET);

  it('is that of FIPS 180-4', () => {
    expect(toHex(kernel.sha256(present(fromHex('616263'), 'abc')))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it('agrees with the plain one for every length up to three blocks, and for a megabyte', () => {
    const random = new SeededRandom(3);
    for (const length of [...Array(193).keys(), 511, 512, 513, 65_535, 1_000_000]) {
      const data = random.bytes(length);
      expect(toHex(kernel.sha256(data)), `${length} bytes`).toBe(toHex(sha256(data)));
    }
  });

  it('gives a digest of the caller, which the next call leaves alone', () => {
    const first = kernel.sha256(new Uint8Array(1));
    const copy = first.slice();
    kernel.sha256(new Uint8Array(2));
    expect(first).toEqual(copy);
  });
});

describe('wasm § many messages in one call', () => {
  const kernel = WasmKernel.load(SECRET);

  function codes(messages: readonly Uint8Array[]): number[] {
    let end = 0;
    const ends = Uint32Array.from(messages, ({ length }) => (end += length));
    const found = new Uint8Array(messages.length);
    kernel.detectMany(concatBytes(...messages), ends, found);
    return [...found];
  }

  it('are told as one by one: empty ones, junk, good ones, broken ones, and those with long bodies', () => {
    const random = new SeededRandom(9);
    const bitcoin = (bytes: number): Uint8Array => encodeBitcoinMessage('regtest', 'tx', random.bytes(bytes));
    const broken = (bytes: number): Uint8Array => {
      const message = bitcoin(bytes);
      message[message.length - 1] = present(message.at(-1), 'a body') ^ 1;
      return message;
    };
    for (let round = 0; round < 20; round++) {
      const messages = [
        new Uint8Array(0),
        ...[3, 50, 2_000].map((bytes) => random.bytes(bytes + round)),
        ...[0, 31, 511, 512, 5_000].map((bytes) => bitcoin(bytes + round)),
        ...[1, 31, 511, 512, 5_000].map((bytes) => broken(bytes + round)),
        ...STRATUM_MESSAGES.map((message) => stratumSample(message, round % 2 === 0 ? 'short' : 'full')),
        utf8('MESH'),
        new Uint8Array(0),
      ];
      const one = messages.map((message) => DETECTED_PROTOCOLS.indexOf(kernel.detectProtocol(message)));
      expect(codes(messages)).toEqual(one);
      expect(new Set(one).size).toBe(4);
    }
  });

  it('may be none, and may be more than the memory held', () => {
    expect(codes([])).toEqual([]);
    const large = encodeBitcoinMessage('signet', 'block', new SeededRandom(4).bytes(7_000_000));
    expect(codes([large, new Uint8Array(5)])).toEqual([0, 4]);
  });
});

describe('wasm § loading', () => {
  it('says what to do where the file was not built', () => {
    const load = (): unknown => compileKernel(new URL('file:///nowhere/mesh.wasm'));
    expect(load).toThrow(MeshError);
    expect(load).toThrow(/npm run build/);
  });

  it('keeps working when an input larger than its memory moves the memory', () => {
    const kernel = WasmKernel.load(SECRET);
    const before = hex(kernel, new Uint8Array(32));
    const large = new SeededRandom(5).bytes(5_000_000);
    expect(toHex(kernel.sha256(large))).toBe(toHex(sha256(large)));
    expect(hex(kernel, new Uint8Array(32))).toBe(before);
  });
});
