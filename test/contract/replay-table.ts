// What every replay table must do: the plain one and the shared one run the same suite.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sha256 } from '../../src/core/hash.js';
import { utf8 } from '../../src/core/bytes.js';
import { bucketOf, endOf } from '../../src/replay/lifetimes.js';
import type { ReplayTable } from '../../src/replay/table.js';

/** A key of 32 bytes by its number. */
export function replayKey(number: number): Uint8Array {
  return sha256(utf8(`key ${number}`));
}

type Step =
  | { readonly do: 'claim'; readonly key: number; readonly life: number }
  | { readonly do: 'has'; readonly key: number }
  | { readonly do: 'release'; readonly key: number }
  | { readonly do: 'tend' }
  | { readonly do: 'expire'; readonly pass: number };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('claim' as const),
      key: fc.nat(60),
      life: fc.oneof(fc.integer({ min: -2, max: 3_000 }), fc.integer({ min: 0, max: 400_000 })),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('has' as const), key: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('release' as const), key: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'tend' as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('expire' as const),
      pass: fc.oneof(fc.integer({ min: -2_000, max: 3_000 }), fc.integer({ min: 0, max: 400_000 })),
    }),
  },
);

/** @param make a table with room for at least so many keys, small enough to be expired in one step */
export function replayTableContract(name: string, make: (capacity: number) => ReplayTable): void {
  describe(`${name} § replay table`, () => {
    it('gives a key once', () => {
      const table = make(64);
      expect(table.has(replayKey(1))).toBe(false);
      expect(table.claim(replayKey(1), 100)).toBe('claimed');
      expect(table.has(replayKey(1))).toBe(true);
      expect(table.claim(replayKey(1), 100)).toBe('taken');
      expect(table.claim(replayKey(1), 9_999)).toBe('taken');
      expect(table.claim(replayKey(2), 100)).toBe('claimed');
      expect(table.stats().keys).toBe(2);
    });

    it('gives a key again once its claim was undone, and no other', () => {
      const table = make(64);
      for (const n of [1, 2, 3]) table.claim(replayKey(n), 100);
      table.release(replayKey(2));
      table.release(replayKey(9));
      expect(table.stats().keys).toBe(2);
      expect([1, 2, 3].map((n) => table.has(replayKey(n)))).toEqual([true, false, true]);
      expect(table.claim(replayKey(2), 100)).toBe('claimed');
      expect(table.claim(replayKey(2), 100)).toBe('taken');
      expect(table.claim(replayKey(1), 100)).toBe('taken');
    });

    it('remembers a key through the last second of its life, and forgets it when its time bucket is over', () => {
      const table = make(64);
      table.claim(replayKey(1), 100);
      table.claim(replayKey(2), 5_000);
      expect(table.expire(100)).toBe(0);
      expect(table.claim(replayKey(1), 300)).toBe('taken');
      expect(table.expire(101 + 1_024)).toBe(1);
      expect(table.has(replayKey(1))).toBe(false);
      expect(table.has(replayKey(2))).toBe(true);
      expect(table.claim(replayKey(1), 300)).toBe('claimed');
    });

    it('forgets a key once, whatever was undone before its time', () => {
      const table = make(64);
      for (const n of [1, 2, 3]) table.claim(replayKey(n), 100);
      table.release(replayKey(2));
      expect(table.claim(replayKey(2), 5_000)).toBe('claimed');
      expect(table.expire(2_000)).toBe(2);
      expect([1, 2, 3].map((n) => table.has(replayKey(n)))).toEqual([false, true, false]);
      expect(table.stats().keys).toBe(1);
    });

    it('never forgets a key that lives beyond the range of its clock', () => {
      const table = make(64);
      table.claim(replayKey(1), Number.MAX_SAFE_INTEGER);
      table.claim(replayKey(2), 2 ** 32);
      expect(table.expire(2 ** 32 - 1)).toBe(0);
      expect(table.stats().keys).toBe(2);
    });

    it('keeps the latest time it was given, so that a clock set back is noticed', () => {
      const table = make(64);
      table.expire(1_000);
      table.expire(400);
      expect(table.horizonSeconds()).toBe(1_000);
      table.claim(replayKey(1), 600);
      expect(table.expire(500)).toBe(0);
      expect(table.horizonSeconds()).toBe(1_000);
      expect(table.expire(1_024)).toBe(1);
    });

    it('refuses a new key when full, pushes no key out, and takes new ones when room is made', () => {
      const table = make(64);
      const { capacity } = table.stats();
      const claimed: number[] = [];
      let next = 0;
      while (claimed.length < capacity && next < 100 * capacity) {
        if (table.claim(replayKey(next), next % 2 === 0 ? 100 : 5_000) === 'claimed') claimed.push(next);
        next++;
      }
      expect(claimed.length).toBe(capacity);
      expect(table.claim(replayKey(next), 200)).toBe('full');
      expect(table.stats()).toMatchObject({ keys: capacity, refused: 1 });
      expect(claimed.every((key) => table.has(replayKey(key)))).toBe(true);
      expect(claimed.every((key) => table.claim(replayKey(key), 500) === 'taken')).toBe(true);
      const forgotten = table.expire(2_000);
      expect(forgotten).toBe(claimed.filter((key) => key % 2 === 0).length);
      expect(claimed.filter((key) => key % 2 === 1).every((key) => table.has(replayKey(key)))).toBe(true);
      expect(table.stats().keys).toBe(capacity - forgotten);
      expect(table.claim(replayKey(next), 5_000)).toBe('claimed');
    });

    it('does as a Map on any schedule', () => {
      fc.assert(
        fc.property(fc.array(steps, { maxLength: 120 }), (schedule) => {
          const table = make(256);
          /** Keys, with the end of their time bucket. */
          const model = new Map<number, number>();
          let now = 1_000;
          let horizon = 0;
          for (const step of schedule) {
            if (step.do === 'claim') {
              const isNew = !model.has(step.key);
              const expiresAt = now + step.life;
              expect(table.claim(replayKey(step.key), expiresAt)).toBe(isNew ? 'claimed' : 'taken');
              if (isNew) model.set(step.key, endOf(bucketOf(expiresAt, horizon)));
            } else if (step.do === 'has') {
              expect(table.has(replayKey(step.key))).toBe(model.has(step.key));
            } else if (step.do === 'release') {
              table.release(replayKey(step.key));
              model.delete(step.key);
            } else if (step.do === 'tend') {
              expect(table.tend()).toBe(0);
            } else {
              now += step.pass;
              horizon = Math.max(horizon, now, 0);
              const due = [...model].filter(([, end]) => end <= horizon);
              expect(table.expire(now)).toBe(due.length);
              for (const [key] of due) model.delete(key);
            }
            expect(table.stats().keys).toBe(model.size);
          }
          return true;
        }),
      );
    });
  });
}
