// The node closes at the 101st request within a second, counted when it handles them: whatever it does, it must
// not see that many.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RequestPace } from '../../../src/node/pace.js';

describe('request pace', () => {
  it('a quarter of the rate goes at once, then one at a time', () => {
    const pace = new RequestPace(80, 0);
    let sent = 0;
    while (pace.waitMillis(0) === 0) {
      pace.sent(0);
      pace.answered(0);
      sent++;
    }
    expect(sent).toBe(20);
    expect(pace.waitMillis(0)).toBeCloseTo(12.5);
    expect(pace.waitMillis(13)).toBe(0);
  });

  it('goes by another rate from the moment on that it is changed', () => {
    const pace = new RequestPace(80, 0);
    const atOnce = (now: number): number => {
      let sent = 0;
      for (; pace.waitMillis(now) === 0; sent++) {
        pace.sent(now);
        pace.answered(now);
      }
      return sent;
    };
    pace.change(8, 0);
    expect(atOnce(0)).toBe(2);
    pace.change(80, 2_000);
    expect(atOnce(10_000)).toBe(20);
  });

  it('waits for an answer while a second’s worth is unanswered', () => {
    const pace = new RequestPace(80, 0);
    let now = 0;
    let sent = 0;
    while (now < 10_000) {
      const wait = pace.waitMillis(now);
      if (wait === Infinity) break;
      now += wait;
      if (wait === 0) {
        pace.sent(now);
        sent++;
      }
    }
    expect(sent).toBe(99);
    pace.answered(now);
    expect(pace.waitMillis(now)).toBe(1_000);
  });

  it('goes on at the full rate while the node answers', () => {
    const pace = new RequestPace(80, 0);
    let sent = 0;
    for (let now = 0; now < 10_000; now++) {
      if (pace.waitMillis(now) > 0) continue;
      pace.sent(now);
      pace.answered(now);
      sent++;
    }
    expect(sent).toBeGreaterThan(800);
    expect(sent).toBeLessThanOrEqual(820);
  });

  it('no node that stalls and catches up ever handles 100 within a second', () => {
    // The node handles requests in order, at any time after they were sent; it may stall for seconds.
    const stalls = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 1, max: 2_000 })),
      {
        minLength: 1,
        maxLength: 8,
      },
    );
    fc.assert(
      fc.property(stalls, (schedule) => {
        const pace = new RequestPace(80, 0);
        const handled: number[] = [];
        let queue = 0;
        let now = 0;
        for (const [stall, run] of schedule) {
          for (const end = now + stall + run, wakes = now + stall; now < end; now += 5) {
            while (pace.waitMillis(now) === 0) {
              pace.sent(now);
              queue++;
            }
            if (now < wakes) continue;
            for (; queue > 0; queue--) {
              handled.push(now);
              pace.answered(now);
            }
          }
        }
        handled.forEach((time, i) => {
          const hundredthBefore = handled[i - 99];
          if (hundredthBefore !== undefined) expect(time - hundredthBefore).toBeGreaterThanOrEqual(1_000);
        });
      }),
    );
  });
});
