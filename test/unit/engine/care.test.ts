import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import type { AttemptOutcome } from '../../../src/engine/attempts.js';
import { PacketCare } from '../../../src/engine/care.js';
import { CaredPacket } from '../../../src/engine/cared-packet.js';
import { PassedPackets } from '../../../src/engine/passed.js';
import { PacketHead } from '../../../src/packet/head.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { testPacket } from '../../support/packets.js';

const id = (byte: number): NodeId => nodeIdOf(new Uint8Array(32).fill(byte));
const TTL = 10_000;
const KEEP = 1_000;

/** One of so many bytes, of which none is payload where that is left out. */
function cared(key = 'aa', length?: number): CaredPacket {
  const packet = testPacket({ route: [id(1), id(2), id(3)], source: id(1), destination: id(3) });
  const bare = encodePacket({ ...packet, payload: new Uint8Array(0) });
  const bytes = new Uint8Array(length ?? bare.length);
  bytes.set(bare);
  return new CaredPacket({ key, from: 'peer', position: 1, paidMsat: 1n, mark: null }, new PacketHead(bytes));
}

const BYTES = cared().bytes.length;

/** What the first attempt came to. */
function taken(care: PacketCare, packet = cared()): Promise<AttemptOutcome> {
  return new Promise((resolve) => {
    care.take(packet, TTL, resolve);
  });
}

function careOf(attempt: (cared: CaredPacket) => AttemptOutcome): {
  care: PacketCare;
  clock: VirtualClock;
  attempts: CaredPacket[];
  expired: Reason[];
  settle: () => Promise<void>;
} {
  const clock = new VirtualClock();
  const attempts: CaredPacket[] = [];
  const expired: Reason[] = [];
  const care = new PacketCare({
    clock,
    random: new SeededRandom(1),
    keepMillis: () => KEEP,
    passed: new PassedPackets({ clock, keepMillis: () => KEEP }),
    ttlMillis: () => TTL,
    attempt: (packet, onOutcome) => {
      attempts.push(packet);
      const outcome = attempt(packet);
      queueMicrotask(() => {
        onOutcome(outcome);
      });
    },
    onExpired: (_, reason) => expired.push(reason),
  });
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  };
  return { care, clock, attempts, expired, settle };
}

const later: AttemptOutcome = { kind: 'later', reason: Reason.NextHopLost };

describe('care › an accepted packet', () => {
  it('is forgotten when it is delivered', async () => {
    const { care } = careOf(() => ({ kind: 'done' }));
    await taken(care);
    expect(care.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
    expect(care.holds('aa', cared().bytes)).toBe(false);
  });

  it('is tried again until its time is over, ever more rarely, and then given up with the last reason', async () => {
    const { care, clock, attempts, expired, settle } = careOf(() => later);
    await taken(care);
    for (let i = 0; i < 400; i++) {
      clock.advance(50);
      await settle();
    }
    expect(attempts.length).toBeGreaterThan(4);
    expect(attempts.length).toBeLessThan(TTL / LIMITS.RESEND_MIN_MILLIS / 2);
    expect(expired).toEqual([Reason.NextHopLost]);
    expect(care.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
  });

  it('is kept a while after its next hop took it, and recognised when it is offered again', async () => {
    const { care, clock } = careOf((packet) => ({ kind: 'handedOver', nextHop: id(3), cared: packet }));
    await taken(care);
    expect(care.stats()).toEqual({ waiting: 0, kept: 1, bytes: BYTES });
    expect(care.holds('aa', cared().bytes)).toBe(true);
    expect(care.holds('ab', cared().bytes)).toBe(false);
    clock.advance(KEEP + 1);
    expect(care.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
  });

  it('goes another way when the hop that took it is lost, and only then', async () => {
    const { care, attempts, settle } = careOf((packet) => ({
      kind: 'handedOver',
      nextHop: id(3),
      cared: packet,
    }));
    await taken(care);
    care.neighbourLost(() => false);
    await settle();
    expect(attempts.length).toBe(1);
    care.neighbourLost(() => true);
    await settle();
    expect(attempts.length).toBe(2);
    expect(care.stats()).toEqual({ waiting: 0, kept: 1, bytes: BYTES });
  });

  it('goes another way when the hop is lost while it takes the packet', async () => {
    let isFirst = true;
    const { care, clock, attempts, settle } = careOf((packet) => {
      if (isFirst) care.neighbourLost(() => true);
      isFirst = false;
      return { kind: 'handedOver', nextHop: id(3), cared: packet };
    });
    expect(await taken(care)).toEqual(later);
    clock.advance(2 * LIMITS.RESEND_MIN_MILLIS);
    await settle();
    expect(attempts.length).toBe(2);
    expect(care.stats()).toEqual({ waiting: 0, kept: 1, bytes: BYTES });
  });

  it('is tried at once when a route turns up', async () => {
    let isRouted = false;
    const { care, attempts, settle } = careOf(() => (isRouted ? { kind: 'done' } : later));
    await taken(care);
    isRouted = true;
    care.nudge();
    await settle();
    expect(attempts.length).toBe(2);
    expect(care.stats().waiting).toBe(0);
  });
});

describe('care › bounds', () => {
  it('refuses room past its bytes, but lets packets that were handed over make room', async () => {
    const bytes = LIMITS.PACKETS_IN_CARE_BYTES / 2;
    const { care } = careOf((packet) =>
      packet.key === 'kept' ? { kind: 'handedOver', nextHop: id(3), cared: packet } : later,
    );
    await taken(care, cared('kept', bytes));
    await taken(care, cared('waits', bytes));
    expect(care.hasRoom(bytes)).toBe(true);
    expect(care.hasRoom(bytes + 1)).toBe(false);
    await taken(care, cared('more', bytes));
    expect(care.stats()).toEqual({ waiting: 2, kept: 0, bytes: 2 * bytes });
    expect(care.hasRoom(1)).toBe(false);
  });
});
