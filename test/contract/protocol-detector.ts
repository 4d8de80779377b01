// What every protocol detector must answer: the plain twin and the WebAssembly one run the same suite.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../src/core/assert.js';
import { concatBytes, utf8 } from '../../src/core/bytes.js';
import { LIMITS } from '../../src/core/limits.js';
import type { Network } from '../../src/core/policy.js';
import { SeededRandom, randomBelow } from '../../src/core/random.js';
import { BITCOIN_COMMANDS, BITCOIN_MAGICS, encodeBitcoinMessage } from '../../src/packet/bitcoin-wire.js';
import { PlainProtocolDetector, type ProtocolDetector } from '../../src/packet/detect.js';
import { encodeStratumMessage, STRATUM_MESSAGES } from '../../src/packet/stratum-wire.js';
import { stratumSample } from '../support/stratum-samples.js';

const oracle = new PlainProtocolDetector();
const networks = Object.keys(BITCOIN_MAGICS) as Network[];

const bitcoinMessages = fc
  .tuple(
    fc.constantFrom(...networks),
    fc.constantFrom(...BITCOIN_COMMANDS),
    fc.uint8Array({ maxLength: 300 }),
  )
  .map(([network, command, body]) => encodeBitcoinMessage(network, command, body));

const stratumMessages = fc
  .tuple(fc.constantFrom(...STRATUM_MESSAGES), fc.constantFrom('short' as const, 'full' as const))
  .map(([message, size]) => stratumSample(message, size));

/** A frame of any type whose header is right, around bytes that mostly are not. */
const stratumLike = fc
  .tuple(fc.nat(255), fc.boolean(), fc.uint8Array({ maxLength: 120, max: 40 }))
  .map(([type, bit, body]) => encodeStratumMessage(type, bit, body));

/** A message with some of its bytes changed, cut short, or with something behind it. */
const mutated = fc
  .tuple(
    fc.oneof(bitcoinMessages, stratumMessages, stratumLike),
    fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }),
    fc.integer({ min: -3, max: 3 }),
  )
  .map(([message, changes, growth]) => {
    const bytes = new Uint8Array(Math.max(0, message.length + growth));
    bytes.set(message.subarray(0, bytes.length));
    for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
    return bytes;
  });

export function protocolDetectorContract(name: string, make: () => ProtocolDetector): void {
  describe(`${name} § protocol detector`, () => {
    const detector = make();
    const detect = (data: Uint8Array): string => detector.detectProtocol(data);

    it('answers Unknown for nothing, and for too little', () => {
      for (let length = 0; length < 24; length++) expect(detect(new Uint8Array(length))).toBe('Unknown');
    });

    it('knows a mesh packet by its magic alone', () => {
      expect(detect(utf8('MESH'))).toBe('MeshPacket');
      expect(detect(utf8('MESH and more'))).toBe('MeshPacket');
      expect(detect(utf8('MES'))).toBe('Unknown');
      expect(detect(utf8('mesh'))).toBe('Unknown');
    });

    it('knows every Bitcoin command on every network', () => {
      for (const network of networks) {
        for (const command of BITCOIN_COMMANDS) {
          expect(detect(encodeBitcoinMessage(network, command, utf8(command)))).toBe('BitcoinP2P');
        }
      }
    });

    it('knows every Stratum message, in its smallest form and filled', () => {
      for (const message of STRATUM_MESSAGES) {
        expect(detect(stratumSample(message, 'short')), message.name).toBe('StratumV2');
        expect(detect(stratumSample(message, 'full')), message.name).toBe('StratumV2');
      }
    });

    it('agrees with the plain twin on every length around a block of the hash, and where another hash takes over', () => {
      const lengths = Array.from({ length: 201 }, (_, length) => length);
      for (const length of [...lengths, 511, 512, 513, 4_096]) {
        const message = encodeBitcoinMessage('signet', 'tx', new SeededRandom(length).bytes(length));
        expect(detect(message), `body of ${length}`).toBe('BitcoinP2P');
        message[23] = present(message[23], 'a checksum') ^ 1;
        expect(detect(message), `body of ${length}`).toBe('Unknown');
      }
    });

    it('agrees with the plain twin on random, structured and mutated bytes', () => {
      const inputs = fc.oneof(fc.uint8Array({ maxLength: 400 }), bitcoinMessages, stratumLike, mutated);
      fc.assert(
        fc.property(inputs, (data) => detect(data) === oracle.detectProtocol(data)),
        { numRuns: 3_000 },
      );
    });

    it('agrees with the plain twin when any one byte of a message is changed', () => {
      const random = new SeededRandom(7);
      for (const message of STRATUM_MESSAGES) {
        const sample = stratumSample(message, 'full');
        for (let i = 0; i < Math.min(sample.length, 64); i++) {
          const copy = sample.slice();
          copy[i] = randomBelow(random, 256);
          expect(detect(copy), `${message.name}, byte ${i}`).toBe(oracle.detectProtocol(copy));
        }
      }
    });

    it('takes inputs as large as a packet, and small ones again afterwards', () => {
      const large = encodeBitcoinMessage(
        'mainnet',
        'block',
        new SeededRandom(1).bytes(LIMITS.PACKET_BYTES - 24),
      );
      const frame = encodeStratumMessage(0x74, false, new SeededRandom(2).bytes(1_000_000));
      expect(detect(large)).toBe('BitcoinP2P');
      expect(detect(frame)).toBe('Unknown');
      expect(detect(concatBytes(large, new Uint8Array(3_000_000)))).toBe('Unknown');
      expect(detect(encodeBitcoinMessage('mainnet', 'verack', new Uint8Array(0)))).toBe('BitcoinP2P');
      expect(detect(new Uint8Array(0))).toBe('Unknown');
    });

    it('neither keeps nor changes its input, and reads from the middle of a buffer', () => {
      const message = encodeBitcoinMessage('testnet4', 'inv', utf8('some inventory'));
      const buffer = concatBytes(new Uint8Array(5).fill(9), message, new Uint8Array(5).fill(9));
      const before = buffer.slice();
      expect(detect(buffer.subarray(5, 5 + message.length))).toBe('BitcoinP2P');
      expect(buffer).toEqual(before);
    });
  });
}
