// payments.md, Free traffic: which quota a packet is charged to, from its first bytes alone.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { discoveryPacket, HELLO_PROTOCOL, helloPacket } from '../../../src/packet/control.js';
import { declaredTraffic } from '../../../src/packet/declared.js';
import { PACKET_TYPES } from '../../../src/packet/packet-type.js';
import { decodePacket, encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { meshVectors } from '../../support/mesh-vectors.js';
import { testNode, testPacket } from '../../support/packets.js';

const header = { self: testNode(1), sequence: 7n, nowSeconds: 1_800_000_000 };
const hello = helloPacket(header, testNode(2));
const discovery = discoveryPacket(header, testNode(2), {
  kind: 'RouteRequest',
  destination: testNode(3),
  source: testNode(1),
  requestId: 5n,
  maxHops: 2,
});

/** In both forms, with the magic and without. */
function declared(packet: MeshPacket): string {
  const [marked, bare] = [true, false].map((magic) => declaredTraffic(encodePacket(packet, { magic })));
  expect(marked).toBe(bare);
  return marked ?? '';
}

describe('declared traffic', () => {
  it('is paid, free or control, in either form of a packet', () => {
    for (const packetType of PACKET_TYPES) {
      expect(declared(testPacket({ packetType }))).toBe(packetType === 'Paid' ? 'paid' : 'free');
    }
    expect(declared(hello)).toBe('control');
    expect(declared(discovery)).toBe('control');
    expect(declared(helloPacket(header, null))).toBe('control');
  });

  it('is not control by a name alone: not under another type, with a long route, or with a large payload', () => {
    expect(declared({ ...hello, packetType: 'BitcoinP2P' })).toBe('free');
    expect(declared({ ...hello, packetType: 'Paid' })).toBe('paid');
    expect(declared({ ...hello, route: [testNode(1), testNode(5), testNode(2)] })).toBe('free');
    expect(declared({ ...discovery, payload: new Uint8Array(LIMITS.CONTROL_PAYLOAD_BYTES + 1) })).toBe(
      'free',
    );
    expect(declared({ ...hello, metadata: { protocol: 'governance', fields: new Map() } })).toBe('free');
    expect(
      declared({ ...hello, metadata: { protocol: null, fields: new Map([[HELLO_PROTOCOL, '']]) } }),
    ).toBe('free');
  });

  it('is what the packet says, for every vector that decodes', () => {
    for (const { bytes } of meshVectors) {
      const decoded = decodePacket(bytes);
      if (decoded.ok)
        expect(declaredTraffic(bytes) === 'paid').toBe(decoded.value.packet.packetType === 'Paid');
    }
  });

  it('of bytes that are no packet is free: charged, and then refused', () => {
    for (const text of ['', 'MESH', 'junk', 'MESH\u0001']) expect(declaredTraffic(utf8(text))).toBe('free');
    const bytes = encodePacket(hello);
    for (let length = 0; length < bytes.length - 8; length++) {
      expect(declaredTraffic(bytes.subarray(0, length)), `${length} bytes`).toBe('free');
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
        const traffic = declaredTraffic(data);
        return traffic === 'free' || traffic === 'paid';
      }),
    );
  });
});
