// architecture.md: per-peer fair queueing by bytes, bounded; paid packets pass under a flood of free ones.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { PACKET_TYPES } from '../../../src/packet/packet-type.js';
import { PACKET_VERSION } from '../../../src/packet/packet.js';
import { Lanes, type Waiting } from '../../../src/pool/lanes.js';

interface Bed {
  readonly lanes: Lanes;
  readonly shed: Waiting[];
}

function bed(): Bed {
  const shed: Waiting[] = [];
  return { lanes: new Lanes((packet) => shed.push(packet)), shed };
}

/** Junk that begins as a packet of a type. */
function packet(peer: string, bytes: number, type: 'Paid' | 'BitcoinP2P' = 'Paid'): Waiting {
  const data = new Uint8Array(bytes);
  data.set([PACKET_VERSION, PACKET_TYPES.indexOf(type)]);
  return { bytes: data, sender: { previousHop: null, origin: 'peer', peer }, onVerdict: () => undefined };
}

function take(lanes: Lanes): Waiting | null {
  const next = lanes.peek();
  lanes.take();
  return next;
}

function takeAll(lanes: Lanes): Waiting[] {
  const all: Waiting[] = [];
  for (let next = take(lanes); next !== null; next = take(lanes)) all.push(next);
  return all;
}

/** How many times `count` packets of a peer are accepted. */
function offer({ lanes }: Bed, count: number, make: () => Waiting): number {
  let accepted = 0;
  for (let i = 0; i < count; i++) if (lanes.push(make())) accepted++;
  return accepted;
}

describe('lanes § turns', () => {
  it('keep the order of one peer, paid packets before its free ones', () => {
    const { lanes } = bed();
    const sent = [packet('a', 9), packet('a', 9, 'BitcoinP2P'), packet('a', 10), packet('a', 11)];
    for (const one of sent) lanes.push(one);
    expect(takeAll(lanes)).toEqual([sent[0], sent[2], sent[3], sent[1]]);
    expect(lanes.length).toBe(0);
    expect(lanes.peek()).toBeNull();
  });

  it('go round by bytes: whoever sends ten times as much gets no more', () => {
    const all = bed();
    offer(all, 3_000, () => packet('flood', 900));
    const honest = ['a', 'b', 'c'];
    for (const peer of honest) offer(all, 300, () => packet(peer, 300));
    const bytes = new Map<string, number>();
    for (let taken = 0; taken < 600; taken++) {
      const next = take(all.lanes);
      if (next === null) break;
      bytes.set(
        next.sender.peer,
        (bytes.get(next.sender.peer) ?? 0) + next.bytes.length + LIMITS.PACKET_TURN_BYTES,
      );
    }
    const shares = ['flood', ...honest].map((peer) => bytes.get(peer) ?? 0);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(2 * LIMITS.PEER_TURN_BYTES);
  });

  it('let a packet through that is larger than a turn, and others meanwhile', () => {
    const { lanes } = bed();
    lanes.push(packet('large', LIMITS.PACKET_BYTES));
    for (let i = 0; i < 20; i++) lanes.push(packet('small', 100));
    const order = takeAll(lanes).map(({ sender }) => sender.peer);
    expect(order).toHaveLength(21);
    expect(order.at(-1)).toBe('large');
  });

  it('give honest peers 90 % of what they send at five times the capacity, 90 % of it junk of one peer', () => {
    const all = bed();
    const offered = new Map<string, number>();
    const served = new Map<string, number>();
    const honest = Array.from({ length: 5 }, (_, i) => `honest ${i}`);
    // A tick serves 20 packets; 100 come, 90 of them from one peer.
    for (let tick = 0; tick < 1_000; tick++) {
      offer(all, 90, () => packet('flood', 700));
      for (const peer of honest) {
        offer(all, 2, () => packet(peer, 700));
        offered.set(peer, (offered.get(peer) ?? 0) + 2);
      }
      for (let n = 0; n < 20; n++) {
        const next = take(all.lanes);
        if (next !== null) served.set(next.sender.peer, (served.get(next.sender.peer) ?? 0) + 1);
      }
    }
    for (const peer of honest) {
      expect((served.get(peer) ?? 0) / (offered.get(peer) ?? 1)).toBeGreaterThanOrEqual(0.9);
    }
    expect(served.get('flood')).toBeGreaterThan(5_000);
  });

  it('lose no packet and keep the order of every peer, whatever comes', () => {
    const step = fc.record({ peer: fc.constantFrom('a', 'b', 'c'), bytes: fc.nat(9_000), takes: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { lanes } = bed();
        const sent = new Map<string, Waiting[]>();
        const got = new Map<string, Waiting[]>();
        const keep = (to: Map<string, Waiting[]>, one: Waiting): void => {
          to.set(one.sender.peer, [...(to.get(one.sender.peer) ?? []), one]);
        };
        for (const { peer, bytes, takes } of steps) {
          const one = packet(peer, bytes + 9);
          expect(lanes.push(one)).toBe(true);
          keep(sent, one);
          for (let n = 0; n < takes && lanes.length > 0; n++) {
            const next = take(lanes);
            if (next !== null) keep(got, next);
          }
        }
        for (const one of takeAll(lanes)) keep(got, one);
        expect(got).toEqual(sent);
      }),
    );
  });
});

describe('lanes § bounds', () => {
  it('hold so many packets of one peer, and free ones half of that', () => {
    expect(offer(bed(), 10_000, () => packet('a', 9))).toBe(LIMITS.PEER_PACKETS_QUEUED);
    const share = LIMITS.FREE_SHARE_PERCENT / 100;
    const all = bed();
    expect(offer(all, 10_000, () => packet('a', 9, 'BitcoinP2P'))).toBe(share * LIMITS.PEER_PACKETS_QUEUED);
    expect(offer(all, 10_000, () => packet('a', 9))).toBe((1 - share) * LIMITS.PEER_PACKETS_QUEUED);
  });

  it('hold so many bytes of one peer', () => {
    const accepted = offer(bed(), 100, () => packet('a', LIMITS.PACKET_BYTES));
    expect(accepted).toBe(Math.floor(LIMITS.PEER_PACKETS_QUEUED_BYTES / LIMITS.PACKET_BYTES));
  });

  it('hold so many packets in all; the longest queues make room for the others', () => {
    const all = bed();
    let refused = 0;
    for (let i = 0; i < 8; i++) {
      refused += 4_000 - offer(all, 4_000, () => packet(`flood ${i}`, 9));
      expect(all.lanes.length).toBeLessThanOrEqual(LIMITS.PACKETS_QUEUED);
    }
    expect(all.shed.length + refused + all.lanes.length).toBe(8 * 4_000);
    const before = all.shed.length;
    expect(offer(all, 100, () => packet('honest', 300))).toBe(100);
    expect(all.shed.slice(before).every(({ sender }) => sender.peer.startsWith('flood'))).toBe(true);
  });

  it('hold free packets of all peers to their share, and paid ones pass', () => {
    const all = bed();
    for (let i = 0; i < 10; i++) offer(all, 2_000, () => packet(`flood ${i}`, 9, 'BitcoinP2P'));
    expect(all.lanes.length).toBe((LIMITS.PACKETS_QUEUED * LIMITS.FREE_SHARE_PERCENT) / 100);
    const before = all.shed.length;
    expect(offer(all, 4_000, () => packet('paid', 9))).toBe(4_000);
    expect(all.shed.length).toBe(before);
  });

  it('say that enough waits of a peer, and when half of that is judged', () => {
    const all = bed();
    let calls = 0;
    const onRoom = (): void => {
      calls++;
    };
    expect(all.lanes.isFull('a')).toBe(false);
    all.lanes.onRoom('a', onRoom);
    expect(calls).toBe(1);
    offer(all, LIMITS.PEER_PACKETS_AHEAD, () => packet('a', 9));
    expect(all.lanes.isFull('a')).toBe(false);
    offer(all, 1, () => packet('a', 9));
    expect([all.lanes.isFull('a'), all.lanes.isFull('b')]).toEqual([true, false]);
    all.lanes.onRoom('a', onRoom);
    for (let n = 0; n < LIMITS.PEER_PACKETS_AHEAD / 2; n++) take(all.lanes);
    expect(calls).toBe(1);
    take(all.lanes);
    expect(calls).toBe(2);
    takeAll(all.lanes);
    expect(calls).toBe(2);
    offer(all, 1, () => packet('b', LIMITS.PEER_BYTES_AHEAD + 1));
    expect(all.lanes.isFull('b')).toBe(true);
  });
});
