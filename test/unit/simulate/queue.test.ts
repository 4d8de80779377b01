/** The event queue: order of events, timers, time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../../src/simulate/queue.js';

describe('event queue', () => {
  it('runs events by their time, and those of one time in the order in which they were posted', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 300 }), (delays) => {
        const queue = new EventQueue();
        const ran: number[] = [];
        const kind = queue.register((slot) => ran.push(slot));
        for (const [slot, delay] of delays.entries()) queue.post(delay, kind, slot);
        queue.advance(100);
        const expected = delays
          .map((delay, slot) => ({ delay, slot }))
          .sort((a, b) => a.delay - b.delay || a.slot - b.slot);
        expect(ran).toEqual(expected.map(({ slot }) => slot));
      }),
    );
  });

  it('runs what is posted on the way, at its own time', () => {
    const queue = new EventQueue();
    const times: number[] = [];
    const again = (): void => {
      times.push(queue.monotonicMillis());
      if (times.length < 3) queue.after(10, again);
    };
    queue.after(5, again);
    queue.advance(24);
    expect(times).toEqual([5, 15]);
    expect(queue.monotonicMillis()).toBe(24);
    queue.advance(1);
    expect(times).toEqual([5, 15, 25]);
  });

  it('runs no timer that was cancelled, and a cancelled one does not touch its successor', () => {
    const queue = new EventQueue();
    const ran: string[] = [];
    const first = queue.after(1, () => ran.push('first'));
    queue.advance(1);
    queue.after(1, () => ran.push('second'));
    first.cancel();
    queue.after(1, () => ran.push('third')).cancel();
    queue.advance(1);
    expect(ran).toEqual(['first', 'second']);
    expect(queue.size).toBe(0);
  });
});
