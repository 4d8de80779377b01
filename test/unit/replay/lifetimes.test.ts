// architecture.md, replay table: forgets by time bucket. Never early, not much too late, and in few buckets.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bucketOf,
  endOf,
  forEachEnded,
  LAST_SECOND,
  laterSecond,
  positionOf,
  WHEEL_POSITIONS,
} from '../../../src/replay/lifetimes.js';

const second = fc.integer({ min: 0, max: LAST_SECOND });
const NARROWEST = 1_024;

describe('replay lifetimes', () => {
  it('keep a key through its last second, and a narrow bucket or a quarter of what was left longer', () => {
    fc.assert(
      fc.property(second, fc.integer({ min: 0, max: 20_000_000 }), (now, life) => {
        const expiresAt = Math.min(now + life, LAST_SECOND - 2 ** 26);
        fc.pre(expiresAt >= now);
        const end = endOf(bucketOf(expiresAt, now));
        expect(end).toBeGreaterThan(expiresAt);
        expect(end - expiresAt).toBeLessThanOrEqual(Math.max(NARROWEST, 0.26 * (expiresAt - now)));
      }),
    );
  });

  it('keep for ever what expires beyond the range of the clock', () => {
    for (const expiresAt of [LAST_SECOND, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      expect(endOf(bucketOf(expiresAt, 1_700_000_000))).toBeGreaterThan(LAST_SECOND);
    }
  });

  it('file what has expired already in a bucket that is still open', () => {
    fc.assert(
      fc.property(second, second, (now, expiresAt) => {
        expect(endOf(bucketOf(expiresAt, now))).toBeGreaterThan(now);
      }),
    );
  });

  it('give no two buckets that are open at once the same position, and close each when it ends', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4_000_000_000 }),
        fc.array(
          fc.record({
            life: fc.integer({ min: -10, max: 40_000_000 }),
            pass: fc.integer({ min: 0, max: 200_000 }),
          }),
        ),
        (start, steps) => {
          let now = start;
          const open = new Map<number, number>();
          for (const { life, pass } of steps) {
            const bucket = bucketOf(now + life, now);
            const position = positionOf(bucket);
            expect(position).toBeLessThan(WHEEL_POSITIONS);
            expect(open.get(position) ?? bucket).toBe(bucket);
            open.set(position, bucket);
            const later = laterSecond(now, now + pass);
            forEachEnded(now, later, (ended) => open.delete(ended));
            now = later;
            for (const left of open.values()) expect(endOf(left)).toBeGreaterThan(now);
          }
        },
      ),
    );
  });

  it('count no second twice and none back', () => {
    expect(laterSecond(100, 99)).toBe(100);
    expect(laterSecond(100, 101.9)).toBe(101);
    expect(laterSecond(100, 2 ** 40)).toBe(LAST_SECOND);
  });
});
