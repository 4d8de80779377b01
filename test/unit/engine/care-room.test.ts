// Accepted packets that wait for the room of a link, and those that are kept after it took them: in order, and bounded.
// Rules: src/engine/care.ts; limits FREE_KEPT_*, PACKETS_IN_CARE_BYTES.
import { describe, expect, it } from 'vitest';
import { textKeyOfWords } from '../../../src/core/bytes.js';
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
const TTL = 20_000;
const LINK = 'tls://10.0.0.3:8334';

const BARE = encodePacket({
  ...testPacket({ route: [id(1), id(2), id(3)], source: id(1), destination: id(3) }),
  payload: new Uint8Array(0),
});

function cared(key: string, bytes = BARE.length): CaredPacket {
  const packet = new Uint8Array(bytes);
  packet.set(BARE);
  return new CaredPacket(
    { key, mark: null, from: 'peer', position: 1, paidMsat: 1n },
    new PacketHead(packet),
  );
}

/** The mark of a packet that nobody paid for. */
function markOf(number: number): Int32Array {
  const mark = new Int32Array(4);
  mark[number % 4] = number;
  return mark;
}

function free(number: number, bytes?: number): CaredPacket {
  const mark = markOf(number);
  const acceptance = { key: textKeyOfWords(mark), mark, from: 'peer', position: 1, paidMsat: 0n };
  return new CaredPacket(acceptance, cared('', bytes).head);
}

function bed(): {
  readonly care: PacketCare;
  readonly clock: VirtualClock;
  readonly attempts: string[];
  readonly expired: Reason[];
  /** Packets that the link takes before it is full; it never is where left out. */
  readonly link: { room: number };
  readonly take: (packet: CaredPacket) => void;
} {
  const clock = new VirtualClock();
  const attempts: string[] = [];
  const expired: Reason[] = [];
  const link = { room: Infinity };
  const care = new PacketCare({
    clock,
    random: new SeededRandom(1),
    keepMillis: () => 60_000,
    passed: new PassedPackets({ clock, keepMillis: () => 60_000 }),
    ttlMillis: () => TTL,
    attempt: (packet, onOutcome) => {
      attempts.push(packet.key);
      const outcome: AttemptOutcome =
        link.room > 0
          ? { kind: 'handedOver', nextHop: packet.nextHop, cared: packet }
          : { kind: 'full', address: LINK };
      link.room = Math.max(0, link.room - 1);
      onOutcome(outcome);
    },
    onExpired: (_, reason) => expired.push(reason),
  });
  const take = (packet: CaredPacket): void => {
    care.take(packet, TTL, () => undefined);
  };
  return { care, clock, attempts, expired, link, take };
}

describe('care › a link without room', () => {
  it('is offered what waits for it in order, as far as it takes it', () => {
    const { care, attempts, link, take } = bed();
    link.room = 0;
    for (let i = 0; i < 100; i++) take(cared(String(i)));
    expect(care.isAnyBlocked).toBe(true);
    expect(care.blockedBytesAt(LINK)).toBe(100 * (BARE.length + LIMITS.PACKET_TURN_BYTES));
    attempts.length = 0;
    link.room = 60;
    care.roomAt(LINK);
    expect(attempts.slice(0, 60)).toEqual(Array.from({ length: 60 }, (_, i) => String(i)));
    // Those behind are most likely refused too.
    expect(attempts.length).toBeLessThan(60 + 20);
    expect(care.stats().waiting).toBe(40);
    attempts.length = 0;
    link.room = Infinity;
    care.roomAt(LINK);
    expect(attempts).toEqual(Array.from({ length: 40 }, (_, i) => String(60 + i)));
    expect(care.isAnyBlocked).toBe(false);
    expect(care.blockedBytesAt(LINK)).toBe(0);
    expect(care.stats()).toMatchObject({ waiting: 0, kept: 100 });
  });

  it('that never tells of room is tried now and then, and what waits is given up in its time', () => {
    const { care, clock, attempts, expired, link, take } = bed();
    link.room = 0;
    for (let i = 0; i < 3; i++) take(cared(String(i)));
    attempts.length = 0;
    clock.advance(LIMITS.RESEND_MAX_MILLIS);
    expect(attempts).toEqual(['0', '1', '2']);
    clock.advance(TTL + LIMITS.RESEND_MAX_MILLIS);
    expect(expired).toEqual([Reason.LinkFull, Reason.LinkFull, Reason.LinkFull]);
    expect(care.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
    expect(care.isAnyBlocked).toBe(false);
  });

  it('that breaks gives back what waits for it', () => {
    const { care, attempts, link, take } = bed();
    link.room = 0;
    take(cared('a'));
    attempts.length = 0;
    link.room = Infinity;
    care.neighbourLost((nextHop) => nextHop[0] === 3);
    expect(attempts).toEqual(['a']);
    expect(care.isAnyBlocked).toBe(false);
  });

  it('leaves nothing behind when care ends', () => {
    const { care, clock, attempts, link, take } = bed();
    link.room = 0;
    take(cared('a'));
    care.close();
    attempts.length = 0;
    clock.advance(10 * TTL);
    expect(attempts).toEqual([]);
    expect(care.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
  });
});

describe('care › packets that were taken', () => {
  it('are kept in bounded number and memory where nobody paid for them: the oldest go', () => {
    const { care, take } = bed();
    const many = 3 * LIMITS.FREE_KEPT_PACKETS;
    for (let i = 1; i <= many; i++) take(free(i));
    expect(care.stats()).toMatchObject({ waiting: 0, kept: LIMITS.FREE_KEPT_PACKETS });
    expect([1, many].map((number) => care.holdsFree(markOf(number)))).toEqual([false, true]);
    for (let i = 1; i <= 20; i++) take(free(many + i, 800_000));
    expect(care.stats().bytes).toBeLessThanOrEqual(LIMITS.FREE_KEPT_BYTES);
  });

  it('are kept up to all room where they were paid for, and make room for those that wait', () => {
    const { care, link, take } = bed();
    const bytes = 900_000;
    const most = Math.floor(LIMITS.PACKETS_IN_CARE_BYTES / bytes);
    for (let i = 0; i < 2 * most; i++) take(cared(String(i), bytes));
    expect(care.stats()).toMatchObject({ waiting: 0, kept: most });
    expect(care.hasRoom(bytes)).toBe(true);
    link.room = 0;
    for (let i = 0; i < most; i++) {
      expect(care.hasRoom(bytes)).toBe(true);
      take(cared(`waits ${i}`, bytes));
    }
    expect(care.stats()).toMatchObject({ waiting: most, kept: 0 });
    expect(care.hasRoom(bytes)).toBe(false);
  });
});
