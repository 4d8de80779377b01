/** Maps by id and queues, each against the plain thing that it stands for. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeIdOf, nodeKey, type NodeId } from '../../../src/core/ids.js';
import { IdMap, prefixOf, prefixOfKey } from '../../../src/routing/id-map.js';

/** Nine ids with three prefixes, one of them with the highest bit set. */
const idOf = (number: number): NodeId => {
  const bytes = new Uint8Array(32).fill(number, 4);
  bytes[0] = 100 * (number % 3);
  return nodeIdOf(bytes);
};

describe('map by id', () => {
  it('is a map, also of ids that share their first bytes', () => {
    const step = fc.record({
      op: fc.constantFrom('add' as const, 'delete' as const),
      number: fc.nat(8),
    });
    let shared = 0;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const map = new IdMap<{ readonly id: NodeId; readonly number: number }>();
        const model = new Map<number, { readonly id: NodeId; readonly number: number }>();
        for (const { op, number } of steps) {
          if (op === 'delete') {
            map.delete(idOf(number));
            model.delete(number);
          } else if (!model.has(number)) {
            const value = { id: idOf(number), number };
            map.add(value);
            model.set(number, value);
          }
          expect(map.size).toBe(model.size);
          for (let i = 0; i < 9; i++) expect(map.get(idOf(i))).toBe(model.get(i));
          shared += Number(model.has(0) && model.has(3));
        }
      }),
    );
    expect(shared).toBeGreaterThan(100);
  });

  it('has the same prefix for an id and for its key', () => {
    const id = nodeIdOf(new Uint8Array(32).fill(0xfe));
    expect(prefixOf(id)).toBe(-16_843_010);
    expect(prefixOfKey(nodeKey(id))).toBe(prefixOf(id));
  });
});
