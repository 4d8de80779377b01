// The quick reader of packets against its plain twin, the codecs: on good packets, on damaged ones, on every cut.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutated } from '../../../src/api/fuzz/mutate.js';
import { concatBytes } from '../../../src/core/bytes.js';
import type { Decoded } from '../../../src/core/codec.js';
import { nodeIdOf } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { randomBelow, SeededRandom, systemRandom } from '../../../src/core/random.js';
import { PACKET_TYPES } from '../../../src/packet/packet-type.js';
import {
  decodeByCodecs,
  decodePacket,
  encodePacket,
  hasMagic,
  viewPacket,
  type DecodedPacket,
  type MeshPacket,
} from '../../../src/packet/packet.js';
import type { PaymentProof } from '../../../src/packet/proof.js';
import { readQuickly } from '../../../src/packet/quick-packet.js';
import { meshVectors } from '../../support/mesh-vectors.js';
import { testPacket } from '../../support/packets.js';

const seed = Number(process.env['FUZZ_SEED'] ?? randomBelow(systemRandom, 2 ** 32));

/** What the codecs alone say of packet bytes. */
function byCodecs(input: Uint8Array): Decoded<DecodedPacket> {
  const start = hasMagic(input) ? 4 : 0;
  const decoded = decodeByCodecs(input.subarray(start));
  if (decoded.ok) return { ok: true, value: { packet: decoded.value, hasMagic: start > 0 } };
  const { failure } = decoded;
  return { ok: false, failure: { ...failure, offset: failure.offset + start } };
}

/** The bytes somewhere inside other memory, as packets lie in a batch. */
function shared(input: Uint8Array): Uint8Array {
  const memory = new Uint8Array(new SharedArrayBuffer(input.length + 8)).fill(0x61);
  memory.set(input, 3);
  return memory.subarray(3, 3 + input.length);
}

function checkTwins(input: Uint8Array): Decoded<DecodedPacket> {
  const expected = byCodecs(input);
  const found = decodePacket(input);
  expect(found).toEqual(expected);
  expect(decodePacket(Buffer.from(input))).toEqual(expected);
  expect(viewPacket(shared(input))).toEqual(expected);
  return found;
}

const u64 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n),
);
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const ids = bytes32.map(nodeIdOf);
const text = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.constantFrom('', '\ufeffx', '\u0000'));
const lightning: fc.Arbitrary<PaymentProof> = fc.record({
  kind: fc.constant('Lightning' as const),
  invoice: text,
  preimage: bytes32,
  amountMsats: u64,
  timestamp: u64,
  expiresAt: u64,
});
const onChain: fc.Arbitrary<PaymentProof> = fc.record({
  kind: fc.constant('OnChainSettlement' as const),
  paymentRequestId: text,
  txHash: bytes32,
  amountSats: u64,
  timestamp: u64,
});
const packets: fc.Arbitrary<MeshPacket> = fc.record({
  version: fc.nat(255),
  packetType: fc.constantFrom(...PACKET_TYPES),
  source: ids,
  destination: ids,
  route: fc.array(ids, { maxLength: 13 }),
  sequence: u64,
  timestamp: u64,
  paymentProof: fc.oneof(fc.constant(null), lightning, lightning, onChain),
  payload: fc.uint8Array({ maxLength: 300 }),
  metadata: fc.option(
    fc.record({
      protocol: fc.option(text),
      fields: fc.array(fc.tuple(text, text), { maxLength: 70 }).map((pairs) => new Map(pairs)),
    }),
  ),
});

describe('wire › packets read in one pass', () => {
  it('are read as the codecs read them', () => {
    fc.assert(
      fc.property(packets, fc.boolean(), (packet, magic) => {
        const bytes = encodePacket(packet, { magic });
        expect(checkTwins(bytes)).toEqual({ ok: true, value: { packet, hasMagic: magic } });
      }),
      { numRuns: 1_000 },
    );
  });

  it('are refused alike at every cut, and with a byte more', () => {
    for (const { bytes } of meshVectors.filter(({ inspectKind }) => inspectKind === 'packet')) {
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        expect(checkTwins(cut).ok).toBe(false);
      }
      expect(checkTwins(concatBytes(bytes, Uint8Array.of(0))).ok).toBe(false);
      expect(checkTwins(bytes).ok).toBe(true);
    }
  });

  it(`are read or refused alike under any damage (FUZZ_SEED=${seed} replays)`, () => {
    const random = new SeededRandom(seed);
    const corpus = [
      ...meshVectors.filter(({ inspectKind }) => inspectKind === 'packet').map(({ bytes }) => bytes),
      ...fc.sample(packets, { numRuns: 50, seed }).map((packet) => encodePacket(packet)),
    ];
    let accepted = 0;
    for (let i = 0; i < 8_000; i++) {
      const input = mutated(corpus, random);
      if (input.length <= LIMITS.PACKET_BYTES && checkTwins(input).ok) accepted++;
    }
    expect(accepted).toBeGreaterThan(100);
  });

  it('include the ones that come all the time, so that the codecs are not needed for them', () => {
    const invoice = 'lnbcrt100n1' + 'q'.repeat(300);
    const paid = {
      kind: 'Lightning',
      invoice,
      preimage: new Uint8Array(32),
      amountMsats: 10_000n,
      timestamp: 1n,
      expiresAt: 2n,
    } as const;
    const metadata = { protocol: 'p', fields: new Map([['quote_id', '00'.repeat(16)]]) };
    for (const packet of [
      testPacket({ packetType: 'BitcoinP2P' }),
      testPacket({ paymentProof: paid }),
      testPacket({ paymentProof: paid, metadata, payload: new Uint8Array(LIMITS.PAYLOAD_BYTES) }),
    ]) {
      const bytes = encodePacket(packet);
      expect(readQuickly(bytes, 4, true)).toEqual(packet);
    }
  });

  it('keep nothing of the input, unless they are looked at where they lie', () => {
    const bytes = encodePacket(testPacket());
    const kept = decodePacket(bytes);
    const viewed = viewPacket(bytes);
    bytes.fill(0xff);
    expect(kept.ok && kept.value.packet).toEqual(testPacket());
    expect(viewed.ok && viewed.value.packet.payload).toEqual(Uint8Array.of(0xff, 0xff, 0xff));
  });
});
