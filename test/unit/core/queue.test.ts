// A list out of whose middle things leave without a search.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Queue, type Queued } from '../../../src/core/queue.js';

describe('queue', () => {
  interface Item extends Queued<Item> {
    readonly number: number;
  }

  it('is a list, out of which anything may be taken', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5), { maxLength: 60, size: 'max' }), (numbers) => {
        const items = Array.from({ length: 6 }, (_, number): Item => ({ number, older: null, newer: null }));
        const queue = new Queue<Item>();
        let model: Item[] = [];
        for (const number of numbers) {
          const item = items[number];
          if (item === undefined) continue;
          if (model.includes(item)) {
            queue.remove(item);
            model = model.filter((other) => other !== item);
          } else {
            queue.push(item);
            model.push(item);
          }
          expect([...queue].map((one) => one.number)).toEqual(model.map((one) => one.number));
          expect(queue.size).toBe(model.length);
          expect(queue.oldest).toBe(model[0] ?? null);
          expect(queue.newest).toBe(model[model.length - 1] ?? null);
        }
      }),
    );
  });
});
