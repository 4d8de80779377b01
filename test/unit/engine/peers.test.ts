import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, nodeKey, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { PeerBook, type PeerBookOptions } from '../../../src/engine/peers.js';

const HELLO_MILLIS = 1_000;
const id = (byte: number): NodeId => nodeIdOf(new Uint8Array(32).fill(byte));

function bookOf(options: Partial<PeerBookOptions> = {}): {
  book: PeerBook;
  clock: VirtualClock;
  hellos: string[];
  lost: string[];
  returned: string[];
} {
  const clock = new VirtualClock();
  const hellos: string[] = [];
  const lost: string[] = [];
  const returned: string[] = [];
  const book = new PeerBook({
    self: id(1),
    clock,
    random: new SeededRandom(1),
    maxPeers: 4,
    staticPeers: new Set(['own']),
    packetsPerMinute: 600,
    helloIntervalMillis: HELLO_MILLIS,
    sendHello: (address) => hellos.push(address),
    onJoined: () => Reason.Accepted,
    onLost: (nodeId) => lost.push(nodeKey(nodeId)),
    onReturned: (nodeId) => returned.push(nodeKey(nodeId)),
    ...options,
  });
  return { book, clock, hellos, lost, returned };
}

describe('peers › hello', () => {
  it('greets a new peer at once and takes its id from its hello', () => {
    const { book, hellos } = bookOf();
    expect(book.connected('a')).toBe(Reason.Accepted);
    expect(hellos).toEqual(['a']);
    expect(book.hello('a', id(2), false)).toBe(Reason.Accepted);
    expect(book.has(id(2))).toBe(true);
  });

  it('refuses a second id on one address, one id on two addresses, its own id, and a short one', () => {
    const { book } = bookOf();
    book.connected('a');
    book.connected('b');
    expect(book.hello('a', id(2), false)).toBe(Reason.Accepted);
    expect(book.hello('a', id(3), false)).toBe(Reason.HelloMismatch);
    expect(book.hello('b', id(2), false)).toBe(Reason.HelloMismatch);
    expect(book.hello('b', id(1), false)).toBe(Reason.HelloMismatch);
    expect(book.hello('b', new Uint8Array(31), false)).toBe(Reason.HelloMismatch);
    expect(book.hello('nobody', id(4), false)).toBe(Reason.HelloMismatch);
  });

  it('does not take in a peer that the routing table refuses', () => {
    const { book } = bookOf({ onJoined: () => Reason.TooManyPeers });
    book.connected('a');
    expect(book.hello('a', id(2), false)).toBe(Reason.TooManyPeers);
    expect(book.has(id(2))).toBe(false);
  });

  it('answers the first hello of a peer and every introduction, and no other', () => {
    const { book, hellos } = bookOf();
    book.connected('a');
    book.hello('a', id(2), false);
    expect(hellos).toHaveLength(2);
    book.hello('a', id(2), false);
    expect(hellos).toHaveLength(2);
    book.hello('a', id(2), true);
    expect(hellos).toHaveLength(3);
  });

  it('tells that a known peer introduces itself again, at most once an interval', () => {
    const { book, clock, returned } = bookOf();
    book.connected('a');
    book.hello('a', id(2), true);
    expect(returned).toEqual([]);
    book.hello('a', id(2), true);
    book.hello('a', id(2), true);
    expect(returned).toEqual([nodeKey(id(2))]);
    clock.advance(HELLO_MILLIS);
    book.hello('a', id(2), true);
    expect(returned).toHaveLength(2);
  });

  it('stops greeting a peer that never answers, and starts again when it speaks', () => {
    const { book, clock, hellos } = bookOf();
    book.start();
    book.connected('a');
    clock.advance(60 * HELLO_MILLIS);
    expect(hellos.length).toBe(LIMITS.HELLOS_UNANSWERED);
    book.heard('a');
    clock.advance(2 * HELLO_MILLIS);
    expect(hellos.length).toBeGreaterThan(LIMITS.HELLOS_UNANSWERED);
  });
});

describe('peers › silence', () => {
  it('loses a peer that says nothing for three intervals, once, and takes it back when it says hello', () => {
    const { book, clock, lost } = bookOf();
    book.start();
    book.connected('a');
    book.hello('a', id(2), false);
    clock.advance(2 * HELLO_MILLIS);
    expect(lost).toEqual([]);
    clock.advance(3 * HELLO_MILLIS);
    expect(lost).toEqual([nodeKey(id(2))]);
    expect(book.has(id(2))).toBe(false);
    book.heard('a');
    expect(book.hello('a', id(2), false)).toBe(Reason.Accepted);
    expect(book.has(id(2))).toBe(true);
  });

  it('loses a peer whose link goes down, and nobody twice', () => {
    const { book, lost } = bookOf();
    book.connected('a');
    book.hello('a', id(2), false);
    book.disconnected('a');
    book.disconnected('a');
    expect(lost).toEqual([nodeKey(id(2))]);
  });
});

describe("peers › the node's list", () => {
  it('greets who is listed and forgets who is not, unless it has said who it is', () => {
    const { book, hellos, lost } = bookOf();
    book.connected('gone');
    book.connected('spoke');
    book.hello('spoke', id(2), false);
    hellos.length = 0;
    book.reconcile(['new']);
    expect(hellos).toEqual(['new']);
    expect(['gone', 'spoke', 'new'].filter((address) => book.knows(address))).toEqual(['spoke', 'new']);
    expect(lost).toEqual([]);
  });
});

describe('peers › bounds', () => {
  it('takes no more peers than it may have, by event or by packet', () => {
    const { book } = bookOf();
    for (const address of ['a', 'b', 'c', 'd']) expect(book.connected(address)).toBe(Reason.Accepted);
    expect(book.connected('e')).toBe(Reason.TooManyPeers);
    expect(book.heard('e')).toBeNull();
    book.disconnected('a');
    expect(book.heard('e')).not.toBeNull();
  });

  it('always has a place for a static peer, and greets it until it answers', () => {
    const { book, clock, hellos } = bookOf();
    for (const address of ['a', 'b', 'c', 'd']) book.connected(address);
    expect(book.connected('own')).toBe(Reason.Accepted);
    book.start();
    clock.advance(60 * HELLO_MILLIS);
    const greeted = hellos.filter((address) => address === 'own').length;
    expect(greeted).toBeGreaterThan(40);
    expect(hellos.filter((address) => address === 'a').length).toBe(LIMITS.HELLOS_UNANSWERED);
  });

  it('grants each peer its packets per minute, and gives them back with time', () => {
    const { book, clock } = bookOf({ packetsPerMinute: 60 });
    book.connected('a');
    book.connected('b');
    let granted = 0;
    while (book.takePacket('a')) granted += 1;
    expect(granted).toBe(10);
    expect(book.takePacket('b')).toBe(true);
    clock.advance(1_000);
    expect(book.takePacket('a')).toBe(true);
    expect(book.takePacket('a')).toBe(false);
    expect(book.takePacket('nobody')).toBe(false);
  });
});
