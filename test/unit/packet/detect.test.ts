// payments.md, Free traffic: what passes as Bitcoin P2P or Stratum V2, and how little else does.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, fromHex, utf8 } from '../../../src/core/bytes.js';
import { present } from '../../../src/core/assert.js';
import type { Network } from '../../../src/core/policy.js';
import { SeededRandom } from '../../../src/core/random.js';
import { BITCOIN_COMMANDS, BITCOIN_MAGICS, encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { PlainProtocolDetector } from '../../../src/packet/detect.js';
import {
  encodeStratumMessage,
  isStratumMessage,
  STRATUM_MESSAGES,
} from '../../../src/packet/stratum-wire.js';
import { meshVectors } from '../../support/mesh-vectors.js';
import { stratumSample } from '../../support/stratum-samples.js';

const detector = new PlainProtocolDetector();
const detect = (data: Uint8Array): string => detector.detectProtocol(data);
const networks = Object.keys(BITCOIN_MAGICS) as Network[];

describe('free traffic § Bitcoin P2P v1', () => {
  it('knows a verack as it stands on the main network', () => {
    expect(detect(present(fromHex('f9beb4d976657261636b000000000000000000005df6e0e2'), 'hex'))).toBe(
      'BitcoinP2P',
    );
  });

  it('knows every command on every network, with and without a body', () => {
    for (const network of networks) {
      for (const command of BITCOIN_COMMANDS) {
        for (const body of [new Uint8Array(0), utf8('some body')]) {
          expect(detect(encodeBitcoinMessage(network, command, body)), `${network} ${command}`).toBe(
            'BitcoinP2P',
          );
        }
      }
    }
  });

  it('refuses a command that is not known, or not padded with NUL', () => {
    for (const command of ['', 'versio', 'versions', 'Version', 'pingpong', 'version\0x', ' tx', 'tx ']) {
      expect(detect(encodeBitcoinMessage('mainnet', command, new Uint8Array(3))), command).toBe('Unknown');
    }
  });

  it('refuses any flipped bit, a byte less and a byte more', () => {
    const message = encodeBitcoinMessage('regtest', 'ping', utf8('12345678'));
    for (let bit = 0; bit < 8 * message.length; bit++) {
      const copy = message.slice();
      copy[bit >> 3] = present(copy[bit >> 3], 'inside') ^ (1 << (bit & 7));
      expect(detect(copy), `bit ${bit}`).toBe('Unknown');
    }
    for (let length = 0; length < message.length; length++)
      expect(detect(message.subarray(0, length))).toBe('Unknown');
    expect(detect(concatBytes(message, new Uint8Array(1)))).toBe('Unknown');
    expect(detect(concatBytes(message, message))).toBe('Unknown');
  });

  it('reads from the middle of a larger buffer', () => {
    const message = encodeBitcoinMessage('signet', 'tx', utf8('abc'));
    const inside = concatBytes(new Uint8Array(5), message, new Uint8Array(7));
    expect(detect(inside.subarray(5, 5 + message.length))).toBe('BitcoinP2P');
  });
});

describe('free traffic § Stratum V2', () => {
  it('knows every message, as short as can be and filled', () => {
    for (const message of STRATUM_MESSAGES) {
      expect(detect(stratumSample(message, 'short')), message.name).toBe('StratumV2');
      expect(detect(stratumSample(message, 'full')), message.name).toBe('StratumV2');
    }
  });

  it('refuses the wrong channel bit and any other extension', () => {
    for (const message of STRATUM_MESSAGES) {
      const frame = stratumSample(message, 'full');
      const other = frame.slice();
      other[1] = present(frame[1], 'a header') ^ 0x80;
      expect(detect(other), message.name).toBe(message.channelBit === 'either' ? 'StratumV2' : 'Unknown');
      for (const [at, bit] of [
        [0, 1],
        [0, 0x80],
        [1, 1],
        [1, 0x40],
      ] as const) {
        const extended = frame.slice();
        extended[at] = present(frame[at], 'a header') | bit;
        expect(detect(extended), message.name).toBe('Unknown');
      }
    }
  });

  it('refuses every truncation and every byte too many, with the header following or not', () => {
    for (const message of STRATUM_MESSAGES) {
      const frame = stratumSample(message, 'full');
      expect(detect(concatBytes(frame, new Uint8Array(1))), message.name).toBe('Unknown');
      for (let length = 0; length < frame.length; length++) {
        expect(detect(frame.subarray(0, length)), message.name).toBe('Unknown');
      }
      const longer = encodeStratumMessage(
        message.type,
        message.channelBit === 'set',
        concatBytes(frame.subarray(6), new Uint8Array(3)),
      );
      expect(detect(longer), message.name).toBe('Unknown');
    }
  });

  it('refuses reserved and unknown message types', () => {
    const known = new Set(STRATUM_MESSAGES.map(({ type }) => type));
    for (let type = 0; type < 256; type++) {
      if (known.has(type)) continue;
      for (const isChannelMessage of [true, false]) {
        expect(detect(encodeStratumMessage(type, isChannelMessage, new Uint8Array(4))), `type ${type}`).toBe(
          'Unknown',
        );
      }
    }
  });

  it('refuses an extranonce above 32 bytes, an option count above 1, a negative hash rate, an unknown protocol', () => {
    const u32 = new Uint8Array(4);
    const frames = [
      encodeStratumMessage(0x19, true, concatBytes(u32, Uint8Array.of(33), new Uint8Array(33))),
      encodeStratumMessage(
        0x15,
        true,
        concatBytes(u32, u32, Uint8Array.of(2), new Uint8Array(8), u32, new Uint8Array(32)),
      ),
      encodeStratumMessage(0x16, true, concatBytes(u32, Uint8Array.of(0, 0, 0x80, 0xbf), new Uint8Array(32))),
      encodeStratumMessage(0x16, true, concatBytes(u32, Uint8Array.of(0, 0, 0x80, 0x7f), new Uint8Array(32))),
      encodeStratumMessage(
        0x00,
        false,
        concatBytes(Uint8Array.of(4), new Uint8Array(8), new Uint8Array(3), new Uint8Array(4)),
      ),
    ];
    for (const frame of frames) expect(detect(frame)).toBe('Unknown');
    expect(
      detect(encodeStratumMessage(0x19, true, concatBytes(u32, Uint8Array.of(32), new Uint8Array(32)))),
    ).toBe('StratumV2');
  });

  it('lets random bytes pass with a probability below 10^-8, counted from the header alone', () => {
    // Extension and channel bit: 16 bits; type: one byte; length: 24 bits. The layout only lowers it.
    const passing = STRATUM_MESSAGES.reduce(
      (sum, { channelBit }) => sum + (channelBit === 'either' ? 2 : 1),
      0,
    );
    expect(passing / 2 ** (16 + 8 + 24)).toBeLessThan(1e-8);
  });

  it('lets random bodies under a right header pass seldom where the layout has any shape', () => {
    const random = new SeededRandom(39);
    const shaped = STRATUM_MESSAGES.filter(({ fields }) => fields.some((field) => /^(b|list)/.test(field)));
    let passed = 0;
    const tries = 20_000;
    for (let i = 0; i < tries; i++) {
      const { type, channelBit } = present(shaped[i % shaped.length], 'a message');
      const body = random.bytes(40 + Math.floor(random.unit() * 400));
      if (isStratumMessage(encodeStratumMessage(type, channelBit === 'set', body))) passed++;
    }
    expect(passed / tries).toBeLessThan(0.005);
  });
});

describe('free traffic § everything else', () => {
  it('tells mesh packets by their magic', () => {
    for (const vector of meshVectors.filter(({ bodyOffset }) => bodyOffset > 0)) {
      expect(detect(vector.bytes)).toBe('MeshPacket');
      expect(detect(vector.bytes.subarray(4))).toBe('Unknown');
    }
  });

  it('calls random bytes Unknown and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => detect(data) === 'Unknown'),
      { numRuns: 5_000 },
    );
  });
});
