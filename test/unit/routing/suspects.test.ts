/** Who loses packets, as a source can tell, and how rarely it asks again for what there is not. */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Refresher } from '../../../src/routing/refresher.js';
import { Suspects } from '../../../src/routing/suspects.js';
import { id } from '../../support/discovery-bench.js';

const key = (number: number): ReturnType<typeof nodeKey> => nodeKey(id(number));
const keys = (...numbers: number[]): ReturnType<typeof nodeKey>[] => numbers.map(key);

describe('suspects', () => {
  it('are those on routes that fail and on none that delivers', () => {
    const suspects = new Suspects();
    for (let i = 0; i < LIMITS.SUSPECT_FAILURES; i++) suspects.failed(keys(1, 2, 3), 0);
    suspects.cleared(keys(1, 3, 5));
    expect([1, 2, 3, 5].map((node) => suspects.doubtOf(keys(node), 1))).toEqual([0, 4, 0, 0]);
    suspects.failed(keys(2, 3), 1);
    expect(suspects.doubtOf(keys(1, 2, 3), 1)).toBe(9);
    suspects.failed(keys(3), 1);
    expect(suspects.doubtOf(keys(1, 2, 3), 1)).toBe(9 + 4);
  });

  it('one failure is none, and doubt ends with time', () => {
    const suspects = new Suspects();
    suspects.failed(keys(1), 0);
    expect(suspects.doubtOf(keys(1), 0)).toBe(0);
    suspects.failed(keys(1), 10);
    expect(suspects.doubtOf(keys(1), LIMITS.SUSPECT_MILLIS + 9)).toBe(4);
    expect(suspects.doubtOf(keys(1), LIMITS.SUSPECT_MILLIS + 10)).toBe(0);
    suspects.failed(keys(1), LIMITS.SUSPECT_MILLIS + 10);
    expect(suspects.doubtOf(keys(1), LIMITS.SUSPECT_MILLIS + 11)).toBe(0);
  });

  it('are bounded: the oldest doubt goes', () => {
    const suspects = new Suspects();
    for (let node = 0; node <= LIMITS.SUSPECTS; node++) {
      for (let i = 0; i < LIMITS.SUSPECT_FAILURES; i++) suspects.failed(keys(node), 0);
    }
    expect([0, 1].map((node) => suspects.doubtOf(keys(node), 0))).toEqual([0, 4]);
  });
});

describe('fresh requests', () => {
  const asked = (everyMillis: number, forMillis: number): number[] => {
    const clock = new VirtualClock();
    const times: number[] = [];
    const refresher = new Refresher({ clock, discover: () => times.push(clock.monotonicMillis()) });
    for (let now = 0; now < forMillis; now += everyMillis) {
      refresher.request(id(9));
      clock.advance(everyMillis);
    }
    refresher.close();
    return times.map((time) => Math.round(time / 1_000));
  };

  it('that are wanted again and again come ever less often', () => {
    const times = asked(1_000, 3_600_000);
    expect(times.slice(0, 4)).toEqual([0, 30, 90, 210]);
    const gaps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(Math.max(...gaps)).toBe(LIMITS.REFRESH_MILLIS_MOST / 1_000);
    expect(times.length).toBeLessThan(10);
  });

  it('that are wanted now and then come each time', () => {
    expect(asked(61_000, 400_000)).toEqual([0, 61, 122, 183, 244, 305, 366]);
  });
});
