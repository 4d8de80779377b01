// Onion cells: what each relay sees, and what it can learn from it.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { KeyPair } from '../../../examples/keys.js';
import { CELL_BYTES, MESSAGE_BYTES, SLOTS, peel, wrap, type Peeled } from '../../../examples/onion-cell.js';

const hops = (count: number): { nodeId: Uint8Array; keys: KeyPair; publicKey: Uint8Array }[] =>
  Array.from({ length: count }, () => {
    const keys = KeyPair.generate();
    return { nodeId: new Uint8Array(randomBytes(32)), keys, publicKey: keys.publicKey };
  });

function relayed(peeled: Peeled | null): { readonly next: Uint8Array; readonly cell: Uint8Array } {
  if (peeled?.kind !== 'relay') throw new Error('a relay was expected');
  return peeled;
}

/** Runs of 8 bytes that two cells have in common at the same place. */
function common(one: Uint8Array, other: Uint8Array): number {
  let found = 0;
  for (let at = 0; at + 8 <= one.length; at++) {
    if (Buffer.compare(one.subarray(at, at + 8), other.subarray(at, at + 8)) === 0) found += 1;
  }
  return found;
}

describe('onion cell', () => {
  it.each(Array.from({ length: SLOTS }, (_, index) => index + 1))(
    'over %i nodes: each relay learns the next id alone, the last one the message',
    (count) => {
      const way = hops(count);
      const message = randomBytes(MESSAGE_BYTES);
      let cell = wrap(way, message);
      for (const [index, { keys }] of way.entries()) {
        expect(cell).toHaveLength(CELL_BYTES);
        const peeled = peel(cell, keys);
        if (index === count - 1) {
          expect(peeled).toEqual({ kind: 'message', message: Buffer.from(message) });
          return;
        }
        const { next, cell: inner } = relayed(peeled);
        expect(Buffer.from(next)).toEqual(Buffer.from(way[index + 1]?.nodeId ?? []));
        expect(common(cell, inner)).toBe(0);
        cell = inner;
      }
    },
  );

  it('shows no id of the way, and nothing of the message, on any link', () => {
    const way = hops(4);
    const message = Buffer.from('meet me at the usual place');
    let cell = wrap(way, message);
    for (const { keys } of way.slice(0, -1)) {
      for (const { nodeId } of way) expect(Buffer.from(cell).includes(Buffer.from(nodeId))).toBe(false);
      expect(Buffer.from(cell).includes(message)).toBe(false);
      cell = relayed(peel(cell, keys)).cell;
    }
  });

  it('opens for nobody but the one whose turn it is', () => {
    const [first, second, third] = hops(3);
    if (first === undefined || second === undefined || third === undefined) throw new Error('three hops');
    const cell = wrap([first, second, third], Buffer.from('hello'));
    expect(peel(cell, second.keys)).toBeNull();
    expect(peel(cell, third.keys)).toBeNull();
    const inner = relayed(peel(cell, first.keys)).cell;
    expect(peel(inner, first.keys)).toBeNull();
    expect(peel(inner, third.keys)).toBeNull();
  });

  it('that was changed anywhere is dropped by the last node at the latest', () => {
    const way = hops(3);
    for (let trial = 0; trial < 200; trial++) {
      let cell: Uint8Array | null = wrap(way, Buffer.from('hello'));
      const changed = Buffer.from(cell);
      const at = trial < 100 ? trial : CELL_BYTES - 1_024 + trial * 5;
      changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
      cell = changed;
      let last: Peeled | null = null;
      for (const { keys } of way) {
        last = cell === null ? null : peel(cell, keys);
        cell = last?.kind === 'relay' ? last.cell : null;
      }
      // The slots behind the last one hold nothing that matters.
      expect(last).toBeNull();
    }
  });

  it('of another size, with a key of small order, or too long a message is refused', () => {
    const [only] = hops(1);
    if (only === undefined) throw new Error('one hop');
    const cell = wrap([only], Buffer.from('hello'));
    expect(peel(cell.subarray(1), only.keys)).toBeNull();
    expect(peel(Buffer.concat([cell, Buffer.of(0)]), only.keys)).toBeNull();
    const zeros = Buffer.from(cell).fill(0, 0, 32);
    expect(peel(zeros, only.keys)).toBeNull();
    expect(() => wrap([only], randomBytes(MESSAGE_BYTES + 1))).toThrow(RangeError);
    expect(() => wrap(hops(SLOTS + 1), Buffer.from('hello'))).toThrow(RangeError);
    expect(() => wrap([], Buffer.from('hello'))).toThrow(RangeError);
  });
});
