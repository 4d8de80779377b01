// Free packets that their next hop has taken: kept in two rings as a plain list of the newest would keep them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { PassedPackets } from '../../../src/engine/passed.js';

const KEEP = 100;
const HOPS: readonly NodeId[] = [1, 2, 3].map((byte) => nodeIdOf(new Uint8Array(32).fill(byte)));

interface Kept {
  readonly bytes: Uint8Array;
  readonly mark: Int32Array;
  readonly from: string | null;
  readonly position: number;
  readonly hop: NodeId;
  readonly takenMillis: number;
}

/** Marks begin alike often, as those of one chain do. */
function markOf(number: number): Int32Array {
  return Int32Array.of(number % 3, 0, number, 0);
}

/** The slow model: a list. */
class PlainPassed {
  packets: Kept[] = [];

  add(packet: Kept): void {
    this.packets.push(packet);
  }

  takeBack(hop: NodeId): Kept[] {
    const taken = this.packets.filter((packet) => packet.hop === hop);
    this.packets = this.packets.filter((packet) => packet.hop !== hop);
    return taken;
  }
}

function add(passed: PassedPackets, { bytes, mark, from, position, hop, takenMillis }: Kept): void {
  passed.add(bytes, mark, from, position, hop, takenMillis);
}

describe('passed packets', () => {
  it('are those of a plain list, whatever comes, expires and is taken back', () => {
    const steps = fc.array(
      fc.oneof(
        {
          weight: 8,
          arbitrary: fc.record({ what: fc.constant('add' as const), hop: fc.nat(2), bytes: fc.nat(2_000) }),
        },
        { weight: 1, arbitrary: fc.record({ what: fc.constant('wait' as const), millis: fc.nat(2 * KEEP) }) },
        { weight: 1, arbitrary: fc.record({ what: fc.constant('takeBack' as const), hop: fc.nat(2) }) },
      ),
      { minLength: 10, maxLength: 300 },
    );
    fc.assert(
      fc.property(steps, (schedule) => {
        const clock = new VirtualClock();
        const passed = new PassedPackets({ clock, keepMillis: () => KEEP });
        const plain = new PlainPassed();
        const marks: Int32Array[] = [];
        for (const [n, step] of schedule.entries()) {
          const now = clock.monotonicMillis();
          if (step.what === 'add') {
            const mark = markOf(n);
            marks.push(mark);
            const bytes = new Uint8Array(1 + step.bytes).fill(n);
            const hop = HOPS[step.hop] ?? HOPS[0];
            if (hop === undefined) throw new Error('there are hops');
            const from = n % 5 === 0 ? null : `peer-${n % 4}`;
            const packet = { bytes, mark, from, position: n % 10, hop, takenMillis: now };
            plain.add(packet);
            add(passed, packet);
          } else if (step.what === 'wait') {
            clock.advance(step.millis);
            const latest = clock.monotonicMillis() - KEEP;
            plain.packets = plain.packets.filter(({ takenMillis }) => takenMillis > latest);
          } else {
            const hop = HOPS[step.hop] ?? HOPS[0];
            const expected = hop === undefined ? [] : plain.takeBack(hop);
            const taken = passed.takeBack((nextHop) => nextHop === hop);
            expect(taken).toEqual(
              expected.map(({ bytes, mark, from, position, takenMillis }) => ({
                bytes,
                mark,
                from,
                position,
                takenMillis,
              })),
            );
          }
          expect(passed.size).toBe(plain.packets.length);
          expect(passed.bytes).toBe(plain.packets.reduce((sum, { bytes }) => sum + bytes.length, 0));
        }
        const kept = new Set(plain.packets.map(({ mark }) => mark));
        for (const mark of marks) expect(passed.has(mark)).toBe(kept.has(mark));
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ['in number', 300, 3 * LIMITS.FREE_KEPT_PACKETS],
    ['in memory', 100_000, 200],
    ['in memory, where one fills much of it', 1_000_000, 20],
  ])('are bounded %s: the newest are whole', (_, bytes, count) => {
    const passed = new PassedPackets({ clock: new VirtualClock(), keepMillis: () => KEEP });
    const [hop] = HOPS;
    if (hop === undefined) throw new Error('there are hops');
    for (let n = 0; n < count; n++) {
      const fill = new Uint8Array(bytes + (n % 7)).fill(n);
      add(passed, { bytes: fill, mark: markOf(n), from: 'a', position: 1, hop, takenMillis: n });
      expect(passed.bytes).toBeLessThanOrEqual(LIMITS.FREE_KEPT_BYTES);
      expect(passed.size).toBeLessThanOrEqual(LIMITS.FREE_KEPT_PACKETS);
    }
    const { size } = passed;
    expect(size).toBeGreaterThanOrEqual(
      Math.min(LIMITS.FREE_KEPT_PACKETS, LIMITS.FREE_KEPT_BYTES / bytes - 2),
    );
    expect([count - size - 1, count - size, count - 1].map((n) => passed.has(markOf(n)))).toEqual([
      false,
      true,
      true,
    ]);
    for (const [index, taken] of passed.takeBack(() => true).entries()) {
      const n = count - size + index;
      expect(taken.takenMillis).toBe(n);
      expect(taken.bytes.every((byte) => byte === n % 256)).toBe(true);
    }
    expect([passed.size, passed.bytes]).toEqual([0, 0]);
    passed.close();
  });
});
