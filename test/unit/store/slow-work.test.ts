import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SlowWork } from '../../../src/store/slow-work.js';

describe('slow work', () => {
  it('says how far it is once every so often, and nothing when it is quick', () => {
    const clock = new VirtualClock();
    const lines: unknown[] = [];
    const log = { log: (...line: readonly unknown[]) => lines.push(line) };
    const work = new SlowWork(clock, log, 'reading');
    work.at({ records: 1 });
    clock.advance(LIMITS.PROGRESS_MILLIS - 1);
    work.at({ records: 2 });
    expect(lines).toEqual([]);
    clock.advance(1);
    work.at({ records: 3 });
    work.at({ records: 4 });
    expect(lines).toEqual([['info', 'reading', { records: 3 }]]);
    clock.advance(LIMITS.PROGRESS_MILLIS);
    work.at({ records: 5 });
    expect(lines).toHaveLength(2);
  });
});
