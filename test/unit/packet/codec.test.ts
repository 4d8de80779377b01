// wire.md, what the golden bytes do not show: both generations, limits, ids, and what a refusal names.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { encode } from '../../../src/core/codec.js';
import { sha256 } from '../../../src/core/hash.js';
import { nodeIdOf } from '../../../src/core/ids.js';
import { reasonName } from '../../../src/core/reasons.js';
import {
  decodeRequest,
  encodeRequest,
  METHOD_NAMES,
  oldestSendPacketRequest,
  type SendPacketRequest,
} from '../../../src/packet/module-api.js';
import { decodePacket, encodePacket, packetId, type MeshPacket } from '../../../src/packet/packet.js';
import { decodeProof, encodeProof, type PaymentProof } from '../../../src/packet/proof.js';
import { meshVectors } from '../../support/mesh-vectors.js';
import { testNode, testPacket } from '../../support/packets.js';

const oldestVector = present(
  meshVectors.find(({ isOldest }) => isOldest),
  'a vector of the oldest generation',
);

/** A proof of the oldest generation, from a packet of it. */
function oldestProof(): PaymentProof {
  const decoded = decodePacket(oldestVector.bytes);
  return present(decoded.ok ? decoded.value.packet.paymentProof : null, 'the vector carries a proof');
}

const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const proofs: fc.Arbitrary<PaymentProof> = fc.oneof(
  fc.record({
    kind: fc.constant('Lightning' as const),
    invoice: fc.string({ unit: 'grapheme' }),
    preimage: bytes32,
    amountMsats: u64,
    timestamp: u64,
    expiresAt: u64,
  }),
  fc.record({
    kind: fc.constant('OnChainSettlement' as const),
    paymentRequestId: fc.string(),
    txHash: bytes32,
    amountSats: u64,
    timestamp: u64,
  }),
  fc.record({
    kind: fc.constant('InstantSettlement' as const),
    covenantProof: fc.uint8Array(),
    outputIndex: fc.nat(0xffff_ffff),
    merkleProof: fc.array(bytes32, { maxLength: 4 }),
    amountSats: u64,
    timestamp: u64,
  }),
);
const ids = bytes32.map(nodeIdOf);
const packets: fc.Arbitrary<MeshPacket> = fc.record({
  version: fc.nat(255),
  packetType: fc.constantFrom(
    'BitcoinP2P' as const,
    'CommonsGovernance' as const,
    'StratumV2' as const,
    'Paid' as const,
  ),
  source: ids,
  destination: ids,
  route: fc.array(ids, { maxLength: 12 }),
  sequence: u64,
  timestamp: u64,
  paymentProof: fc.option(proofs),
  payload: fc.uint8Array(),
  metadata: fc.option(
    fc.record({
      protocol: fc.option(fc.string()),
      fields: fc.array(fc.tuple(fc.string(), fc.string())).map((pairs) => new Map(pairs)),
    }),
  ),
});

describe('wire § packet', () => {
  it('any packet comes back as it was, with and without MESH', () => {
    fc.assert(
      fc.property(packets, fc.boolean(), (packet, magic) => {
        const decoded = decodePacket(encodePacket(packet, { magic }));
        expect(decoded).toEqual({ ok: true, value: { packet, hasMagic: magic } });
      }),
    );
  });

  it('any bytes are refused or come back as they were', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (input) => {
        const decoded = decodePacket(input);
        if (!decoded.ok) return;
        expect(encodePacket(decoded.value.packet, { magic: decoded.value.hasMagic })).toEqual(input);
      }),
    );
  });

  it('a packet of the oldest generation is written back as one, under MESH too', () => {
    const decoded = decodePacket(oldestVector.bytes);
    if (!decoded.ok) expect.fail(decoded.failure.detail);
    const { packet, hasMagic } = decoded.value;
    expect(hasMagic).toBe(false);
    const marked = encodePacket(packet);
    expect(marked.subarray(4)).toEqual(oldestVector.bytes);
    expect(decodePacket(marked)).toEqual({ ok: true, value: { packet, hasMagic: true } });
  });

  it('the id is the hash of the bincode, MESH or not', () => {
    const packet = testPacket();
    const body = encodePacket(packet, { magic: false });
    expect(packetId(encodePacket(packet))).toEqual(sha256(body));
    expect(packetId(body)).toEqual(sha256(body));
  });

  it('a payload of 262,144 bytes passes, one more is refused', () => {
    expect(decodePacket(encodePacket(testPacket({ payload: new Uint8Array(262_144) }))).ok).toBe(true);
    const larger = decodePacket(encodePacket(testPacket({ payload: new Uint8Array(262_145) })));
    expect(larger.ok ? 'accepted' : reasonName(larger.failure.reason)).toBe('PayloadTooLarge');
  });

  it('a packet of 1,000,000 bytes passes, one more is refused before it is read', () => {
    const sized = (total: number): Uint8Array => {
      const empty = encodePacket(testPacket({ metadata: { protocol: '', fields: new Map() } })).length;
      return encodePacket(
        testPacket({ metadata: { protocol: 'x'.repeat(total - empty), fields: new Map() } }),
      );
    };
    expect(decodePacket(sized(1_000_000)).ok).toBe(true);
    const larger = decodePacket(sized(1_000_001));
    expect(larger.ok ? 'accepted' : reasonName(larger.failure.reason)).toBe('PacketTooLarge');
  });

  it('any version decodes: refusing it is for the judge', () => {
    expect(decodePacket(encodePacket(testPacket({ version: 9 }))).ok).toBe(true);
  });

  it('the same metadata key twice is refused', () => {
    const bytes = encodePacket(
      testPacket({
        metadata: {
          protocol: null,
          fields: new Map([
            ['a', '1'],
            ['b', '2'],
          ]),
        },
      }),
    );
    bytes[bytes.lastIndexOf('b'.charCodeAt(0))] = 'a'.charCodeAt(0);
    const decoded = decodePacket(bytes);
    expect(decoded.ok ? 'accepted' : reasonName(decoded.failure.reason)).toBe('DuplicateKey');
  });
});

describe('wire § payment proof of the oldest generation', () => {
  it('is read where the current form does not fit, and written back alike', () => {
    const proof = oldestProof();
    expect(proof.kind === 'InstantSettlement' && proof.merkleProof === null).toBe(true);
    const bytes = encodeProof(proof);
    expect(bytes.subarray(0, 4)).toEqual(Uint8Array.of(1, 0, 0, 0));
    expect(decodeProof(bytes)).toEqual({ ok: true, value: proof });
  });

  it('is accepted only where it consumes the input exactly', () => {
    const bytes = encodeProof(oldestProof());
    for (let length = 0; length < bytes.length; length++)
      expect(decodeProof(bytes.subarray(0, length)).ok).toBe(false);
    expect(decodeProof(new Uint8Array([...bytes, 0])).ok).toBe(false);
  });

  it('any proof of the current generation comes back as it was', () => {
    fc.assert(
      fc.property(proofs, (proof) => {
        expect(decodeProof(encodeProof(proof))).toEqual({ ok: true, value: proof });
      }),
    );
  });

  it('is read inside a send_packet request as well', () => {
    const request: SendPacketRequest = {
      destination: testNode(1),
      payload: Uint8Array.of(1),
      paymentProof: oldestProof(),
      protocolId: 'onion-v1',
      ttl: 60n,
    };
    const bytes = encodeRequest('send_packet', request);
    expect(bytes).toEqual(encode(oldestSendPacketRequest, request));
    expect(decodeRequest('send_packet', bytes)).toEqual({ ok: true, value: request });
  });
});

describe('wire § module API', () => {
  it('has the twelve methods', () => {
    expect(METHOD_NAMES).toHaveLength(12);
  });

  it('a refusal names the field at fault', () => {
    const request = encodeRequest('send_packet', {
      destination: testNode(1),
      payload: Uint8Array.of(1, 2),
      paymentProof: null,
      protocolId: 'x',
      ttl: null,
    });
    const detailOf = (input: Uint8Array): string => {
      const decoded = decodeRequest('send_packet', input);
      return decoded.ok ? 'accepted' : decoded.failure.detail;
    };
    expect(detailOf(request.subarray(0, 20))).toMatch(/^destination: /);
    expect(detailOf(request.subarray(0, 36))).toMatch(/^payload: /);
    const proofByte = 32 + 8 + 2;
    expect(detailOf(request.with(proofByte, 7))).toMatch(/^payment_proof: an option byte/);
    expect(detailOf(request.with(proofByte, 1))).toMatch(/^payment_proof.*: /);
    expect(detailOf(request.subarray(0, -1))).toMatch(/^ttl: /);
    const address = decodeRequest('handle_mesh_packet', new Uint8Array(9));
    expect(address.ok ? 'accepted' : address.failure.detail).toMatch(/^address: /);
  });

  it('a request of 262,144 bytes is read, one more is refused', () => {
    const sized = (total: number): Uint8Array =>
      encodeRequest('handle_mesh_packet', [new Uint8Array(total - 16), '']);
    expect(decodeRequest('handle_mesh_packet', sized(262_144)).ok).toBe(true);
    const larger = decodeRequest('handle_mesh_packet', sized(262_145));
    expect(larger.ok ? 'accepted' : reasonName(larger.failure.reason)).toBe('RequestTooLarge');
  });

  it('methods without fields take no bytes', () => {
    for (const method of [
      'get_node_id',
      'get_peer_list',
      'get_route_stats',
      'get_network_stats',
      'get_routing_stats',
    ] as const) {
      expect(encodeRequest(method, null)).toHaveLength(0);
      expect(decodeRequest(method, new Uint8Array(0))).toEqual({ ok: true, value: null });
      expect(decodeRequest(method, new Uint8Array(1)).ok).toBe(false);
    }
  });
});
