/** Who loses packets, as a source can tell, and how rarely it asks again for what there is not. */
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeKey, type NodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Refresher } from '../../../src/routing/refresher.js';
import { Suspects } from '../../../src/routing/suspects.js';
import { id } from '../../support/discovery-bench.js';

const key = (number: number): NodeKey => nodeKey(id(number));
const keys = (...numbers: number[]): NodeKey[] => numbers.map(key);
const DESTINATION = 99;

/** Tells of routes by their routers. */
class Source {
  readonly suspects = new Suspects();

  lost(routers: readonly number[], times: number = LIMITS.SUSPECT_FAILURES, now = 0): void {
    for (let i = 0; i < times; i++) this.suspects.lost(nameOf(routers), keys(...routers), now);
  }

  delivered(routers: readonly number[], now = 0): void {
    this.suspects.delivered(nameOf(routers), keys(...routers), now);
  }

  doubt(routers: readonly number[], now = 1): number {
    return this.suspects.doubtOf(nameOf(routers), keys(...routers), now);
  }

  culprits(...believed: readonly number[]): readonly NodeKey[] {
    return this.suspects.culprits(key(DESTINATION), new Set(keys(...believed)), 1);
  }

  believable(nodes: readonly NodeKey[], ...believed: readonly number[]): NodeKey {
    return this.suspects.mostBelievable(key(DESTINATION), nodes, new Set(keys(...believed)), 1);
  }
}

function nameOf(routers: readonly number[]): string {
  return keys(0, ...routers, DESTINATION).join('');
}

describe('suspects', () => {
  it('are those on routes that fail and on none that has delivered since', () => {
    const source = new Source();
    source.lost([1, 2, 3]);
    source.delivered([1, 3, 5]);
    expect([[1], [3], [5], [1, 3]].map((routers) => source.doubt(routers))).toEqual([0, 0, 0, 0]);
    expect(source.doubt([2])).toBeGreaterThan(0);
  });

  it('whoever is on all routes that fail is doubted most, and those on the way to him less', () => {
    const source = new Source();
    for (const last of [11, 12, 13, 14, 15, 16]) source.lost([1, 2, last]);
    source.delivered([1, 20]);
    expect(source.doubt([1, 11])).toBeLessThan(source.doubt([1, 2]));
    expect(source.doubt([11, 12, 13])).toBeLessThan(source.doubt([2]));
    expect(source.culprits()).toEqual([key(2)]);
  });

  it('a route is worse the more others must be at fault for it to work', () => {
    const source = new Source();
    for (const [router, last] of [
      [1, 31],
      [2, 32],
      [3, 33],
    ] as const)
      source.lost([router, last]);
    expect(source.doubt([1, 40])).toBeLessThan(source.doubt([1, 2, 31]));
    // Its own failures cannot be laid to anybody else.
    source.lost([5, 6, 7], 1);
    source.lost([5, 6, 8], 2);
    expect(source.doubt([5, 6, 7])).toBeLessThan(source.doubt([5, 6, 8]));
  });

  it('a route that fails again and again says less than several that fail', () => {
    const often = new Source();
    often.lost([1], 6);
    const several = new Source();
    for (const first of [11, 12, 13, 14, 15, 16]) several.lost([first, 1], 1);
    expect(often.doubt([1])).toBeLessThan(several.doubt([1]));
    expect(often.doubt([1])).toBeGreaterThan(0);
  });

  it('of those of whom one must be honest, whom the fewest routes speak against is believed', () => {
    const source = new Source();
    for (const first of [11, 12, 13]) source.lost([first, 1]);
    source.lost([21, 2]);
    expect(source.culprits()).toEqual(keys(1, 2));
    for (const order of [keys(1, 2), keys(2, 1)]) expect(source.believable(order)).toBe(key(2));
    // Who else must be at fault then counts: believing 21 as well leaves bad luck alone.
    expect(source.believable(keys(1, 21), 2)).toBe(key(21));
  });

  it('who has delivered often is believed longer than a stranger', () => {
    const source = new Source();
    for (let i = 0; i < 20; i++) source.delivered([1, 2, 3]);
    source.lost([1, 2, 3], 3, 1);
    expect(source.doubt([1, 2, 3])).toBe(0);
    source.lost([1, 2, 3], 1, 1);
    source.lost([4, 5], 1);
    source.lost([6, 5], 1);
    source.lost([7, 5], 1);
    expect(source.doubt([1, 2, 3])).toBeGreaterThan(0);
    expect(source.doubt([1, 2, 3])).toBeLessThan(source.doubt([8, 5]));
    source.lost([1, 2, 3], 10, 1);
    expect(source.doubt([1, 2, 3])).toBeGreaterThan(source.doubt([8, 5]));
  });

  it('who has delivered since was not it', () => {
    const source = new Source();
    source.lost([1, 2]);
    source.lost([3, 2]);
    expect(source.culprits()).toEqual([key(2)]);
    source.delivered([4, 2], 1);
    expect(source.culprits()).toEqual(keys(1, 3));
    source.delivered([1, 3], 1);
    expect(source.culprits()).toEqual([]);
  });

  it('a packet of which nothing is known yet makes its route worse until something is', () => {
    const source = new Source();
    source.lost([1, 2], 2);
    const before = source.doubt([1, 3]);
    const others = [source.doubt([1, 4]), source.doubt([1, 3, 4])];
    source.suspects.tried(nameOf([1, 3]), keys(1, 3));
    expect(source.doubt([1, 3])).toBeGreaterThan(before);
    // Those over the same routers would tell the same.
    const after = [source.doubt([1, 4]), source.doubt([1, 3, 4])];
    const [half = 0, whole = 0] = after.map((doubt, at) => doubt - (others[at] ?? 0));
    expect(half).toBeGreaterThan(0);
    expect(whole).toBeCloseTo(2 * half);
    source.delivered([1, 3], 1);
    expect(source.doubt([1, 3])).toBe(0);
  });

  it('where some are believed others must be at fault', () => {
    const source = new Source();
    source.lost([1, 8]);
    source.lost([2, 8]);
    source.lost([3, 9]);
    source.lost([4, 9]);
    expect(source.culprits()).toEqual(keys(8, 9));
    expect(source.culprits(8)).toEqual(keys(9, 1, 2));
    expect(source.culprits(8, 9)).toEqual(keys(1, 2, 3, 4));
    expect(source.culprits(8, 9, 1, 2, 3, 4)).toEqual([]);
    expect(source.suspects.culprits(key(98), new Set(), 1)).toEqual([]);
  });

  it('two that pretend to be next to the destination are likelier than a router that all ways share', () => {
    const source = new Source();
    for (const router of [11, 12, 13, 14]) source.lost([1, router, 8]);
    for (const router of [15, 16, 17]) source.lost([1, router, 9]);
    expect(source.culprits()).toEqual(keys(8, 9));
    expect(source.culprits(8, 9)).toEqual([key(1)]);
  });

  it('one failure is none, and doubt ends with time', () => {
    const source = new Source();
    source.lost([1], 1);
    expect(source.doubt([1])).toBe(0);
    source.lost([1], 1, 10);
    expect(source.doubt([1], LIMITS.SUSPECT_MILLIS + 9)).toBeGreaterThan(0);
    expect(source.doubt([1], LIMITS.SUSPECT_MILLIS + 10)).toBe(0);
    source.lost([1], 1, LIMITS.SUSPECT_MILLIS + 10);
    expect(source.doubt([1], LIMITS.SUSPECT_MILLIS + 11)).toBe(0);
  });

  it('are bounded: the oldest doubts and failures go', () => {
    const source = new Source();
    for (let node = 0; node <= LIMITS.SUSPECTS; node++) source.lost([node + 1_000]);
    expect([1_000, 1_001].map((node) => source.doubt([node]) > 0)).toEqual([false, true]);
    const few = new Source();
    for (let node = 0; node <= LIMITS.FAILED_ROUTES; node++) few.lost([1_000, node + 2_000], 1);
    expect(few.culprits()).toEqual([key(1_000)]);
    for (let node = 0; node < LIMITS.FAILED_ROUTES; node++) few.lost([3_000, node + 4_000], 1);
    expect(few.culprits()).toEqual([key(3_000)]);
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
