// Memory of packets that are kept as a precaution: used again and again, and never while somebody may look at it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { CaredPacket } from '../../../src/engine/cared-packet.js';
import { Kept, type Keepable } from '../../../src/engine/kept.js';
import { PacketHead } from '../../../src/packet/head.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { testPacket } from '../../support/packets.js';

const id = (byte: number): NodeId => nodeIdOf(new Uint8Array(32).fill(byte));

interface Held extends Keepable<Held> {
  readonly original: Uint8Array;
}

/** A packet in the middle of what a socket has read. */
function heldOf(payloadBytes: number, fill: number): Held {
  const packet = testPacket({ route: [id(1), id(2), id(3)], source: id(1), destination: id(3) });
  const bytes = encodePacket({ ...packet, payload: new Uint8Array(payloadBytes).fill(fill) });
  const chunk = new Uint8Array(16_384 + bytes.length);
  chunk.set(bytes, 100);
  const head = new PacketHead(chunk.subarray(100, 100 + bytes.length));
  const cared = new CaredPacket(
    { key: String(fill), from: 'peer', position: 1, paidMsat: 1n, mark: null },
    head,
  );
  return { cared, original: bytes, slab: null, older: null, newer: null };
}

describe('kept packets', () => {
  it('are whole as long as they are kept, and after they were taken back, whatever comes and goes', () => {
    const steps = fc.array(
      fc.record({
        what: fc.constantFrom('push', 'push', 'remove', 'takeBack'),
        at: fc.nat(50),
        payloadBytes: fc.oneof(fc.nat(1_500), fc.nat(70_000)),
      }),
      { minLength: 20, maxLength: 200 },
    );
    fc.assert(
      fc.property(steps, (schedule) => {
        const kept = new Kept<Held>();
        const inside: Held[] = [];
        const outside: Held[] = [];
        for (const [n, { what, at, payloadBytes }] of schedule.entries()) {
          const chosen = inside[at % Math.max(1, inside.length)];
          if (what === 'push' || chosen === undefined) {
            const held = heldOf(payloadBytes, n % 256);
            kept.push(held);
            inside.push(held);
            continue;
          }
          inside.splice(inside.indexOf(chosen), 1);
          if (what === 'remove') kept.remove(chosen);
          else {
            kept.takeBack(chosen);
            outside.push(chosen);
          }
        }
        for (const { cared, original } of [...inside, ...outside]) {
          expect(Buffer.compare(cared.bytes, original)).toBe(0);
          expect(cared.cameAs(original)).toBe(true);
        }
        expect(kept.size).toBe(inside.length);
        expect(kept.bytes).toBe(inside.reduce((sum, { original }) => sum + original.length, 0));
        for (const { cared } of outside) {
          expect(cared.bytes.buffer.byteLength).toBeLessThanOrEqual(4 * cared.bytes.length + 256);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('share memory: as much as is kept at once, however many pass', () => {
    const kept = new Kept<Held>();
    const memories = new Set<ArrayBufferLike>();
    const held: Held[] = [];
    for (let n = 0; n < 5_000; n++) {
      const next = heldOf(1_000, n % 256);
      kept.push(next);
      memories.add(next.cared.bytes.buffer);
      held.push(next);
      const oldest = held.length > 500 ? held.shift() : undefined;
      if (oldest !== undefined) kept.remove(oldest);
    }
    // 500 packets of about 1,200 bytes fill two or three pieces of 256 KiB.
    expect(memories.size).toBeLessThanOrEqual(5);
  });
});
