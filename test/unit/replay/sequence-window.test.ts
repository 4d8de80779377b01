// payments.md, any proof, 6; RFC 6479: which sequence numbers are new.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { SequenceWindow } from '../../../src/replay/sequence-window.js';

const WINDOW = BigInt(LIMITS.SEQUENCE_WINDOW);
const U64_MAX = (1n << 64n) - 1n;

describe('sequence window', () => {
  it('takes each number once, in any order within the window', () => {
    const window = new SequenceWindow();
    for (const sequence of [5n, 3n, 4n, 0n, 5_000n, 1n]) {
      expect(window.isFresh(sequence)).toBe(true);
      window.accept(sequence);
      expect(window.isFresh(sequence)).toBe(false);
    }
  });

  it('takes a number as far behind the newest as the window reaches, and none behind that', () => {
    const window = new SequenceWindow();
    window.accept(100_000n);
    expect(window.isFresh(100_000n - WINDOW)).toBe(true);
    expect(window.isFresh(100_000n - WINDOW - 1n)).toBe(false);
  });

  it('is not moved by looking', () => {
    const window = new SequenceWindow();
    window.accept(1n);
    expect(window.isFresh(U64_MAX)).toBe(true);
    expect(window.isFresh(2n)).toBe(true);
  });

  it('takes the largest number', () => {
    const window = new SequenceWindow();
    window.accept(0n);
    window.accept(U64_MAX);
    expect(window.isFresh(U64_MAX)).toBe(false);
    expect(window.isFresh(U64_MAX - WINDOW)).toBe(true);
    expect(window.isFresh(1n)).toBe(false);
  });

  it('does as a set of all numbers seen', () => {
    const jumps = fc.oneof(
      fc.integer({ min: -40, max: 40 }),
      fc.integer({ min: -9_000, max: 9_000 }),
      fc.constantFrom(-8_193, -8_192, -8_191, 8_191, 8_192, 8_223, 8_224, 8_225, 300_000),
    );
    fc.assert(
      fc.property(
        fc.array(jumps, { maxLength: 150 }),
        fc.oneof(
          fc.bigInt({ min: 0n, max: 1n << 63n }),
          // Where halves, and what a number holds exactly, end.
          fc.constantFrom((1n << 32n) - 4_000n, 3n << 32n, (1n << 53n) - 4_000n, U64_MAX - 9_000n),
        ),
        (path, start) => {
          const window = new SequenceWindow();
          const seen = new Set<bigint>();
          let newest = start;
          for (const jump of path) {
            const sequence = newest + BigInt(jump);
            if (sequence < 0n || sequence > U64_MAX) continue;
            const isFresh =
              seen.size === 0 || sequence > newest || (newest - sequence <= WINDOW && !seen.has(sequence));
            expect(window.isFresh(sequence)).toBe(isFresh);
            // As packets give them: as a number where that holds it.
            const given = sequence <= Number.MAX_SAFE_INTEGER ? Number(sequence) : sequence;
            expect(window.isFresh(given)).toBe(isFresh);
            if (!isFresh) continue;
            window.accept(given);
            if (seen.size === 0 || sequence > newest) newest = sequence;
            seen.add(sequence);
          }
        },
      ),
    );
  });
});
