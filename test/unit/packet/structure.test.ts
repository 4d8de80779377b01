// payments.md, Any proof, 1: which decoded packets this node may look at any further.
import { describe, expect, it } from 'vitest';
import { Reason, reasonName, type ReasonName } from '../../../src/core/reasons.js';
import { helloPacket } from '../../../src/packet/control.js';
import type { MeshPacket } from '../../../src/packet/packet.js';
import { judgeStructure, type PacketOrigin } from '../../../src/packet/structure.js';
import { testNode, testPacket } from '../../support/packets.js';

const [one, two, three, four] = [testNode(1), testNode(2), testNode(3), testNode(4)];

function judged(
  packet: MeshPacket,
  previousHop = one as typeof one | null,
  origin: PacketOrigin = 'peer',
  self = two,
): number | ReasonName {
  const verdict = judgeStructure(packet, self, previousHop, origin);
  return verdict.ok ? verdict.position : reasonName(verdict.reason);
}

describe('packet structure', () => {
  it('finds this node on the route', () => {
    expect(judged(testPacket())).toBe(1);
    expect(judged(testPacket(), two, 'peer', three)).toBe(2);
    expect(judged(testPacket(), null, 'local', one)).toBe(0);
  });

  it('takes version 1 alone', () => {
    for (const version of [0, 2, 255]) expect(judged(testPacket({ version }))).toBe('UnsupportedVersion');
  });

  it('takes routes of 2 to 11 ids', () => {
    const ids = Array.from({ length: 12 }, (_, i) => testNode(i + 1));
    const along = (count: number): MeshPacket =>
      testPacket({ route: ids.slice(0, count), destination: ids[count - 1] ?? one });
    expect(judged(testPacket({ route: [] }))).toBe('RouteTooShort');
    expect(judged(testPacket({ route: [one] }))).toBe('RouteTooShort');
    expect(judged(along(2))).toBe(1);
    expect(judged(along(11))).toBe(1);
    expect(judged(along(12))).toBe('RouteTooLong');
  });

  it('refuses a route that visits a node twice', () => {
    expect(judged(testPacket({ route: [one, two, one, three] }))).toBe('RouteRepeatsNode');
    expect(judged(testPacket({ route: [one, two, two, three] }))).toBe('RouteRepeatsNode');
  });

  it('refuses a route that does not go from source to destination', () => {
    expect(judged(testPacket({ source: four }))).toBe('RouteEndsMismatch');
    expect(judged(testPacket({ destination: four }))).toBe('RouteEndsMismatch');
  });

  it('cheat 43 › destination = source is refused as Loopback', () => {
    expect(judged(testPacket({ destination: one, route: [one, two, one] }))).toBe('Loopback');
    expect(judged(testPacket({ destination: one, route: [one] }))).toBe('Loopback');
  });

  it('refuses a route without this node', () => {
    expect(judged(testPacket(), one, 'peer', four)).toBe('NotOnRoute');
  });

  it('takes a packet only from the id before this node', () => {
    expect(judged(testPacket(), three)).toBe('WrongPreviousHop');
    expect(judged(testPacket(), null)).toBe('UnknownPeer');
    expect(judged(testPacket({ source: two, route: [two, three] }), one)).toBe('SpoofedSource');
    expect(judged(testPacket(), null, 'local')).toBe('WrongPreviousHop');
  });

  it('bounds metadata, which nobody pays for', () => {
    const fields = (count: number, bytes: number): MeshPacket =>
      testPacket({
        metadata: {
          protocol: null,
          fields: new Map(
            Array.from({ length: count }, (_, i) => [String(i).padStart(2, '0'), 'x'.repeat(bytes)]),
          ),
        },
      });
    expect(judged(fields(64, 62))).toBe(1);
    expect(judged(fields(64, 63))).toBe('MetadataTooLarge');
    expect(judged(fields(65, 0))).toBe('MetadataTooLarge');
    expect(judged(testPacket({ metadata: { protocol: 'é'.repeat(2_049), fields: new Map() } }))).toBe(
      'MetadataTooLarge',
    );
  });

  it('refuses a payload beyond its limit', () => {
    expect(judged(testPacket({ payload: new Uint8Array(262_144) }))).toBe(1);
    expect(judged(testPacket({ payload: new Uint8Array(262_145) }))).toBe(reasonName(Reason.PayloadTooLarge));
  });

  it('takes a hello from a peer that has not said who it is, and to whoever listens', () => {
    const header = { self: one, sequence: 1n, nowSeconds: 1_800_000_000 };
    expect(judged(helloPacket(header, two), null)).toBe(1);
    expect(judged(helloPacket(header, null), null)).toBe(1);
    expect(judged(helloPacket(header, null), one)).toBe(1);
    expect(judged(helloPacket(header, null), null, 'local', one)).toBe(0);
    expect(judged(helloPacket(header, null), three)).toBe('WrongPreviousHop');
    expect(judged(helloPacket(header, four), null)).toBe('NotOnRoute');
    expect(judged(helloPacket({ ...header, self: two }, null), null)).toBe('SpoofedSource');
  });

  it('leaves the zero id to hellos', () => {
    const { destination, route } = helloPacket({ self: one, sequence: 1n, nowSeconds: 0 }, null);
    expect(judged(testPacket({ destination, route }))).toBe('NotOnRoute');
  });
});
