// A packet's ttl on the wire: what is read as one, and when its time is over.
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { reasonName } from '../../../src/core/reasons.js';
import type { MeshPacket } from '../../../src/packet/packet.js';
import { judgeTtl, metadataWith, secondsLeft } from '../../../src/packet/ttl.js';
import { honestPacket } from '../../support/judge-trace.js';

const SENT = 1_000_000;

function packetOf(ttl: string | null, timestamp = BigInt(SENT)): MeshPacket {
  const fields = new Map(ttl === null ? [] : [['ttl', ttl]]);
  return { ...honestPacket(1), timestamp, metadata: { protocol: 'chat-v1', fields } };
}

const told = (packet: MeshPacket, at: number): string => reasonName(judgeTtl(packet, at));

describe('packet ttl', () => {
  it('is over when more seconds than it names have passed since the packet was dated', () => {
    expect(told(packetOf('30'), SENT + 30)).toBe('Accepted');
    expect(told(packetOf('30'), SENT + 31)).toBe('PacketExpired');
    expect(told(packetOf('0'), SENT)).toBe('Accepted');
    expect(told(packetOf('0'), SENT + 1)).toBe('PacketExpired');
    expect(secondsLeft(packetOf('30'), SENT + 12)).toBe(18);
  });

  it('is never longer than its sender asked for, however far ahead its clock is', () => {
    expect(secondsLeft(packetOf('30', 2n ** 64n - 1n), SENT)).toBe(30);
    expect(told(packetOf('30', 0n), 2 ** 40)).toBe('PacketExpired');
  });

  it('is nothing where the packet names none', () => {
    expect(told(packetOf(null), 2 ** 40)).toBe('Accepted');
    expect(told({ ...packetOf(null), metadata: null }, 2 ** 40)).toBe('Accepted');
    expect(secondsLeft(packetOf(null), SENT)).toBeNull();
  });

  it('is a whole number of seconds without leading zeros, up to a day', () => {
    expect(told(packetOf(String(LIMITS.PACKET_TTL_MOST_SECONDS)), SENT)).toBe('Accepted');
    const bad = ['', '-1', '+1', '01', '1.5', '1e3', ' 1', '1 ', '0x10', '86401', '9'.repeat(4_000), '１'];
    for (const text of bad) expect(told(packetOf(text), SENT), text).toBe('BadTtl');
  });

  it('stands beside the protocol, and alone where there is none', () => {
    expect(metadataWith(null, null)).toBeNull();
    expect(metadataWith('chat-v1', null)).toEqual({ protocol: 'chat-v1', fields: new Map() });
    expect(metadataWith(null, 7)).toEqual({ protocol: null, fields: new Map([['ttl', '7']]) });
  });
});
