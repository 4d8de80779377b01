// What goes out to a peer: written together, in order of urgency, fairly, within bounds.
// Rules: docs/transport.md, Frames and Order.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hash } from 'node:crypto';
import { VirtualClock } from '../../../src/core/clock.js';
import { FRAME_HEADER_BYTES, FrameReader } from '../../../src/core/frame.js';
import { LIMITS } from '../../../src/core/limits.js';
import { helloPacket } from '../../../src/packet/control.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { declaredTraffic } from '../../../src/packet/declared.js';
import { Blocks } from '../../../src/transport/blocks.js';
import { FairQueue } from '../../../src/transport/fair-queue.js';
import { Outbox } from '../../../src/transport/outbox.js';
import { identity } from '../../support/identities.js';

/** Tag of the type Paid behind `MESH` and the version. */
const PAID = Uint8Array.of(0x4d, 0x45, 0x53, 0x48, 1, 3, 0, 0, 0);
const CONTROL = encodePacket(
  helloPacket({ self: identity(1).nodeId, sequence: 1n, nowSeconds: 1 }, identity(2).nodeId),
);

function bed(): {
  readonly outbox: Outbox;
  readonly blocks: Blocks;
  readonly clock: VirtualClock;
  readonly writes: { readonly bytes: Uint8Array; readonly onWritten: () => void }[];
  readonly endTurn: () => void;
  readonly frames: () => Uint8Array[];
  /** Lets the channel take all that it has, and what it is given then. */
  readonly drain: () => void;
  /** What was pending whenever it told of room. */
  readonly rooms: number[];
} {
  const clock = new VirtualClock();
  const writes: { bytes: Uint8Array; onWritten: () => void }[] = [];
  const turns: (() => void)[] = [];
  const reader = new FrameReader(LIMITS.PACKET_BYTES, true);
  const received: Uint8Array[] = [];
  const rooms: number[] = [];
  const blocks = new Blocks();
  const outbox = new Outbox({
    channel: {
      write: (bytes, onWritten) => {
        writes.push({ bytes, onWritten });
        // Copied, which slice of a Buffer is not: blocks are used again.
        reader.push(new Uint8Array(bytes), (frame) => received.push(frame) > 0);
      },
    },
    clock,
    blocks,
    atEndOfTurn: (callback) => turns.push(callback),
    onRoom: () => rooms.push(outbox.pendingBytes),
  });
  const endTurn = (): void => {
    for (const turn of turns.splice(0)) turn();
  };
  const drain = (): void => {
    for (let next = writes.shift(); next !== undefined; next = writes.shift()) next.onWritten();
  };
  return { outbox, blocks, clock, writes, endTurn, frames: () => received, drain, rooms };
}

function packet(bytes: number, fill: number, head: Uint8Array = new Uint8Array(0)): Uint8Array {
  const made = new Uint8Array(bytes).fill(fill);
  made.set(head);
  return made;
}

const shortly = (bytes: Uint8Array): string => `${bytes.length} of ${bytes[0] ?? 0}: ${hash('sha1', bytes)}`;

describe('outbox', () => {
  it('writes the frames of one turn together', () => {
    const { outbox, writes, endTurn, frames } = bed();
    for (let i = 0; i < 9; i++) outbox.put(packet(100, i), 'a');
    expect(writes).toHaveLength(0);
    endTurn();
    expect(writes).toHaveLength(1);
    expect(frames().map((frame) => frame[50])).toEqual(Array.from({ length: 9 }, (_, i) => i));
  });

  it('writes to a quiet peer in small parts, each when the one before is taken', () => {
    const { outbox, writes, endTurn, frames, clock } = bed();
    const { TRANSPORT_QUIET_PART_BYTES: part, TRANSPORT_QUIET_BYTES: quiet } = LIMITS;
    const writtenWith = (count: number, bytes: number): number[] => {
      for (let i = 0; i < count; i++) outbox.put(packet(bytes, i), 'a');
      endTurn();
      const lengths: number[] = [];
      for (let next = writes.shift(); next !== undefined; next = writes.shift()) {
        expect(writes).toHaveLength(0);
        lengths.push(next.bytes.length);
        next.onWritten();
      }
      return lengths;
    };
    expect(writtenWith(2, 996)).toEqual([part, part]);
    expect(writtenWith(1, 3_000)).toEqual([part, part, part, 4]);
    // Who is sent more than that in one go is not quiet, until there is a pause.
    expect(writtenWith(1, quiet)).toEqual([quiet + 4]);
    expect(writtenWith(1, 3_000)).toEqual([3_004]);
    clock.advance(LIMITS.TRANSPORT_BURST_PAUSE_MILLIS + 1);
    expect(writtenWith(1, 3_000)).toEqual([part, part, part, 4]);
    expect(frames().map(({ length }) => length)).toEqual([996, 996, 3_000, quiet, 3_000, 3_000]);
    expect(outbox.pendingBytes).toBe(0);
  });

  it('writes a full block at once, and a frame larger than a block by itself, in order', () => {
    const { outbox, writes, endTurn, frames, drain } = bed();
    outbox.put(packet(70_000, 1), 'a');
    outbox.put(packet(10_000, 2), 'a');
    expect(writes.map(({ bytes }) => bytes.length)).toEqual([70_004]);
    outbox.put(packet(300_000, 3), 'a');
    outbox.put(packet(10, 4), 'a');
    drain();
    endTurn();
    drain();
    expect(frames().map((frame) => frame[5])).toEqual([1, 2, 3, 4]);
  });

  it('gives the channel one piece at a time, and gathers more meanwhile', () => {
    const { outbox, writes, endTurn, frames } = bed();
    const lengths = (): number[] => writes.map(({ bytes }) => bytes.length);
    outbox.put(packet(100, 1), 'a');
    endTurn();
    for (let i = 0; i < 3; i++) outbox.put(packet(100, 2), 'a');
    endTurn();
    outbox.put(packet(100, 3), 'a');
    endTurn();
    expect(lengths()).toEqual([104]);
    writes.shift()?.onWritten();
    expect(lengths()).toEqual([416]);
    writes.shift()?.onWritten();
    expect(writes).toEqual([]);
    expect(frames().map((frame) => frame[5])).toEqual([1, 2, 2, 2, 3]);
    expect(outbox.pendingBytes).toBe(0);
  });

  it('writes larger pieces to a peer that is sent much and takes it, and smaller ones to all others', () => {
    const { outbox, clock, writes, endTurn } = bed();
    const longest = (tookMillis = 0): number => {
      let most = 0;
      for (let i = 0; i < 200; i++) outbox.put(packet(5_000, 1), 'a');
      endTurn();
      for (let next = writes.shift(); next !== undefined; next = writes.shift()) {
        most = Math.max(most, next.bytes.length);
        clock.advance(tookMillis);
        next.onWritten();
      }
      return most;
    };
    const { TRANSPORT_BLOCK_BYTES: small, TRANSPORT_BURST_BLOCK_BYTES: large } = LIMITS;
    expect(longest()).toBeLessThanOrEqual(small);
    longest();
    expect(longest()).toBeGreaterThan(large - 10_000);
    // Now it is slow: what it may be owed shrinks, and the pieces with it.
    longest(LIMITS.TRANSPORT_PROMPT_MILLIS);
    const slow = longest(LIMITS.TRANSPORT_PROMPT_MILLIS);
    expect(slow).toBeGreaterThan(small);
    expect(slow).toBeLessThanOrEqual(LIMITS.TRANSPORT_UNSENT_BYTES / 4);
    clock.advance(2 * LIMITS.TRANSPORT_BURST_PAUSE_MILLIS);
    outbox.put(packet(100, 1), 'a');
    endTurn();
    writes.shift()?.onWritten();
    expect(longest()).toBeLessThanOrEqual(small);
  });

  it('holds no frame longer than a millisecond while more come', () => {
    const { outbox, writes, clock } = bed();
    outbox.put(packet(100, 1), 'a');
    clock.advance(0.5);
    outbox.put(packet(100, 2), 'a');
    expect(writes).toHaveLength(0);
    clock.advance(0.6);
    outbox.put(packet(100, 3), 'a');
    expect(writes).toHaveLength(1);
  });

  it('lets control pass paid and paid pass free where the peer reads slowly', () => {
    const { outbox, endTurn, frames, drain } = bed();
    for (let i = 0; i < 5; i++) outbox.put(packet(60_000, 0), 'a');
    endTurn();
    const free = packet(100, 7);
    const paid = packet(100, 8, PAID);
    expect([free, paid, CONTROL].map(declaredTraffic)).toEqual(['free', 'paid', 'control']);
    for (const each of [free, paid, CONTROL]) expect(outbox.put(each, 'a')).toBe(true);
    drain();
    expect(frames().slice(5).map(declaredTraffic)).toEqual(['control', 'paid', 'free']);
  });

  it('refuses what has no room, and what comes after its end', () => {
    const { outbox } = bed();
    const frame = packet(10_000, 1);
    const frameBytes = frame.length + FRAME_HEADER_BYTES;
    let taken = 0;
    for (let i = 0; i < 1_000; i++) if (outbox.put(frame, 'a')) taken++;
    // What is being written, and one frame more each; one source has at most half of its class: another finds room.
    const most = LIMITS.TRANSPORT_UNSENT_BYTES + LIMITS.TRANSPORT_FREE_QUEUE_BYTES / 2;
    expect(taken * frameBytes).toBeGreaterThan(most - 2 * frameBytes);
    expect(taken * frameBytes).toBeLessThan(most + LIMITS.TRANSPORT_BLOCK_BYTES + 2 * frameBytes);
    expect(outbox.put(packet(10_000, 1), 'b')).toBe(true);
    expect(outbox.put(packet(10_000, 1, PAID), 'a')).toBe(true);
    outbox.close();
    expect(outbox.put(CONTROL, 'a')).toBe(false);
  });

  it('tells once when nothing is left to be sent, but not after its end', () => {
    const { outbox, drain } = bed();
    let told = 0;
    const tell = (): void => {
      told += 1;
    };
    outbox.whenEmpty(tell);
    expect(told).toBe(1);
    while (outbox.put(packet(10_000, 1), 'a'));
    outbox.put(CONTROL, 'a');
    outbox.whenEmpty(tell);
    expect(told).toBe(1);
    drain();
    expect([told, outbox.pendingBytes]).toEqual([2, 0]);
    outbox.put(packet(10, 1), 'a');
    outbox.whenEmpty(tell);
    outbox.close();
    drain();
    expect(told).toBe(2);
  });

  it('tells once of room for what it has refused, when a part of that is gone', () => {
    const { outbox, endTurn, rooms, drain } = bed();
    let taken = 0;
    while (outbox.put(packet(10_000, 1), 'a')) taken++;
    expect(outbox.put(packet(10_000, 1), 'a')).toBe(false);
    drain();
    expect(taken).toBeGreaterThan(100);
    expect(rooms).toHaveLength(1);
    expect(rooms[0]).toBeLessThan(
      LIMITS.TRANSPORT_FREE_QUEUE_BYTES / 4 + 2 * LIMITS.TRANSPORT_UNSENT_MOST_BYTES,
    );
    expect(outbox.pendingBytes).toBe(0);
    // Nothing was refused since: there is nothing to tell.
    outbox.put(packet(10_000, 1), 'a');
    endTurn();
    drain();
    expect(rooms).toHaveLength(1);
  });

  it('uses a bounded number of blocks for all peers together, and gives each back once', () => {
    const blocks = new Blocks();
    const all = (): Uint8Array[] => {
      const taken: Uint8Array[] = [];
      for (let block = blocks.take(true); block !== null; block = blocks.take(true)) taken.push(block);
      return taken;
    };
    const taken = all();
    // The large ones first; where there are none, small ones do.
    expect(taken.map(({ length }) => length)).toEqual([
      ...new Array<number>(LIMITS.TRANSPORT_BURST_BLOCKS).fill(LIMITS.TRANSPORT_BURST_BLOCK_BYTES),
      ...new Array<number>(LIMITS.TRANSPORT_BLOCKS).fill(LIMITS.TRANSPORT_BLOCK_BYTES),
    ]);
    // Without a block a frame goes by itself.
    const writes: Uint8Array[] = [];
    const ends: (() => void)[] = [];
    const outbox = new Outbox({
      channel: {
        write: (bytes, onWritten) => {
          writes.push(bytes.slice());
          ends.push(onWritten);
        },
      },
      clock: new VirtualClock(),
      blocks,
      atEndOfTurn: () => undefined,
      onRoom: () => undefined,
    });
    outbox.put(packet(10, 1), 'a');
    outbox.put(packet(20, 1), 'a');
    ends.shift()?.();
    expect(writes.map(({ length }) => length)).toEqual([14, 24]);
    ends.shift()?.();
    for (const block of taken.splice(-3)) blocks.giveBack(block);
    // The channel has one, the second waits for it, and the third is gathered.
    for (const bytes of [10, 20]) outbox.put(packet(bytes, 2), 'a');
    outbox.flush();
    for (let i = 0; i < 2; i++) outbox.put(packet(8_000, 3), 'a');
    outbox.flush();
    expect(writes.map(({ length }) => length)).toEqual([14, 24, 38]);
    expect(blocks.take(false)).toBeNull();
    outbox.close();
    outbox.close();
    // What a closed channel still holds is not given to anybody, and counts no more.
    expect(all()).toHaveLength(3);
    ends.shift()?.();
    expect(blocks.take(false)).toBeNull();
  });

  it('loses and turns round nothing of a source, whatever its packets are and how they are taken', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 3_000 }), fc.integer({ min: 1, max: 400_000 }));
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ what: fc.constant('put' as const), bytes: size }) },
      { weight: 2, arbitrary: fc.record({ what: fc.constant('turn' as const) }) },
      { weight: 3, arbitrary: fc.record({ what: fc.constant('written' as const) }) },
      { weight: 1, arbitrary: fc.record({ what: fc.constant('wait' as const), millis: fc.nat(150) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.nat(2), (steps, free) => {
        const { outbox, blocks, clock, writes, endTurn, frames, drain } = bed();
        // Few blocks are left, or only small ones.
        for (let left = LIMITS.TRANSPORT_BURST_BLOCKS; left > free; left--) blocks.take(true);
        for (let left = LIMITS.TRANSPORT_BLOCKS; left > 2; left--) blocks.take(false);
        const sent: Uint8Array[] = [];
        for (const [index, one] of steps.entries()) {
          if (one.what === 'put') {
            const made = packet(one.bytes, index);
            if (outbox.put(made, 'a')) sent.push(made);
          } else if (one.what === 'turn') endTurn();
          else if (one.what === 'wait') clock.advance(one.millis);
          else writes.shift()?.onWritten();
        }
        endTurn();
        drain();
        endTurn();
        drain();
        expect(outbox.pendingBytes).toBe(0);
        expect(frames().map(shortly)).toEqual(sent.map(shortly));
      }),
    );
  });

  it('is clear as long as it keeps nothing of the next packet', () => {
    const { outbox, writes, endTurn } = bed();
    const lent = packet(100, 1);
    expect(outbox.isClear).toBe(true);
    outbox.put(lent, '');
    lent.fill(0xff);
    endTurn();
    expect(Buffer.from(writes[0]?.bytes ?? []).subarray(4)).toEqual(Buffer.from(packet(100, 1)));
    for (let sent = 0; sent < LIMITS.TRANSPORT_UNSENT_BYTES; sent += 50_000)
      outbox.put(packet(50_000, 2), '');
    endTurn();
    expect(outbox.isClear).toBe(false);
  });

  it('takes no block for a small frame that stays alone in its turn', () => {
    const blocks = new Blocks();
    const writes: Uint8Array[] = [];
    const turns: (() => void)[] = [];
    const outbox = new Outbox({
      channel: { write: (bytes) => writes.push(bytes.slice()) },
      clock: new VirtualClock(),
      blocks,
      atEndOfTurn: (callback) => turns.push(callback),
      onRoom: () => undefined,
    });
    outbox.put(packet(300, 1), 'a');
    for (let i = 0; i < LIMITS.TRANSPORT_BLOCKS; i++) expect(blocks.take(false)).not.toBeNull();
    expect(blocks.take(false)).toBeNull();
    for (const turn of turns.splice(0)) turn();
    expect(writes.map(({ length }) => length)).toEqual([304]);
    expect(turns).toEqual([]);
  });

  it('makes no block again that it has made once', () => {
    const blocks = new Blocks();
    const round = (): (Uint8Array | null)[] =>
      Array.from({ length: LIMITS.TRANSPORT_BLOCKS }, () => blocks.take(false));
    const first = round();
    for (const block of first) if (block !== null) blocks.giveBack(block);
    expect(new Set(round())).toEqual(new Set(first));
  });

  it('knows how long a peer has taken nothing', () => {
    const { outbox, clock, endTurn, drain } = bed();
    clock.advance(5_000);
    expect(outbox.stalledMillis).toBe(0);
    outbox.put(packet(100, 1), 'a');
    endTurn();
    clock.advance(3_000);
    expect(outbox.stalledMillis).toBe(3_000);
    drain();
    expect(outbox.stalledMillis).toBe(0);
  });
});

describe('fair queue', () => {
  it('serves sources in turns by bytes, each in its own order', () => {
    const queue = new FairQueue(10_000_000, new Blocks().waiting);
    for (let i = 0; i < 200; i++) queue.put(packet(2_000, 1), 'flood');
    for (let i = 0; i < 200; i++) queue.put(packet(200, 2), 'small');
    const bytes = { 1: 0, 2: 0 };
    for (let i = 0; i < 150; i++) {
      queue.take((frame) => {
        bytes[frame[0] === 1 ? 1 : 2] += frame.length;
      });
    }
    expect(bytes[1] / bytes[2]).toBeGreaterThan(0.7);
    expect(bytes[1] / bytes[2]).toBeLessThan(1.6);
  });

  it('takes nothing more from who was refused, until it may come again', () => {
    const queue = new FairQueue(100_000, new Blocks().waiting);
    while (queue.put(packet(10_000, 1), 'flood'));
    expect(queue.put(packet(10_000, 2), 'other')).toBe(true);
    while (queue.take(() => undefined));
    expect(queue.put(packet(10, 3), 'flood')).toBe(false);
    expect(queue.put(packet(10, 4), 'other')).toBe(true);
    queue.readmit();
    expect(queue.put(packet(10, 5), 'flood')).toBe(true);
  });

  it('gives everything back, and nothing twice', () => {
    const queue = new FairQueue(10_000_000, new Blocks().waiting);
    for (let i = 0; i < 100; i++) queue.put(packet(i + 1, i % 250), String(i % 7));
    const lengths = new Set<number>();
    while (queue.take((frame) => lengths.add(frame.length)));
    expect(lengths.size).toBe(100);
    expect(queue.bytes).toBe(0);
  });
});
