import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, nodeKey, type NodeId } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { PeerBook, type PeerBookOptions } from '../../../src/engine/peers.js';
import type { DeclaredTraffic } from '../../../src/packet/declared.js';

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
    freePacketsPerMinute: 600,
    freeBytesPerMinute: 60_000_000,
    helloIntervalMillis: HELLO_MILLIS,
    sendHello: (address) => hellos.push(address),
    challenge: null,
    onMoved: () => undefined,
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
    expect(['gone', 'spoke', 'new'].filter((address) => book.at(address) !== null)).toEqual(['spoke', 'new']);
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
    const charge = (address: string): Reason => book.charge(address, 'paid', 500);
    let granted = 0;
    while (charge('a') === Reason.Accepted) granted += 1;
    expect(granted).toBe(10);
    expect(charge('b')).toBe(Reason.Accepted);
    clock.advance(1_000);
    expect(charge('a')).toBe(Reason.Accepted);
    expect(charge('a')).toBe(Reason.PacketQuotaExceeded);
    expect(charge('nobody')).toBe(Reason.UnknownPeer);
  });
});

describe('peers › quota of free traffic', () => {
  const granted = (book: PeerBook, traffic: DeclaredTraffic, bytes = 500): number => {
    let count = 0;
    while (book.charge('a', traffic, bytes) === Reason.Accepted) count += 1;
    return count;
  };

  it('counts packets: those above it are refused for it, and take nothing from the paid ones', () => {
    const { book, clock } = bookOf({ packetsPerMinute: 600, freePacketsPerMinute: 60 });
    book.connected('a');
    expect(granted(book, 'free')).toBe(10);
    for (let n = 0; n < 1_000; n++) expect(book.charge('a', 'free', 1)).toBe(Reason.FreeQuotaExceeded);
    expect(granted(book, 'paid')).toBe(90);
    clock.advance(1_000);
    expect(granted(book, 'free')).toBe(1);
  });

  it('counts bytes, of which one packet of any size is always among the first', () => {
    const { book, clock } = bookOf({ freeBytesPerMinute: 600 });
    book.connected('a');
    expect(book.charge('a', 'free', LIMITS.PACKET_BYTES)).toBe(Reason.Accepted);
    expect(book.charge('a', 'free', 100)).toBe(Reason.FreeQuotaExceeded);
    expect(book.charge('a', 'paid', LIMITS.PACKET_BYTES)).toBe(Reason.Accepted);
    clock.advance(10_000);
    expect(book.charge('a', 'free', 101)).toBe(Reason.FreeQuotaExceeded);
    expect(book.charge('a', 'free', 100)).toBe(Reason.Accepted);
  });

  it('never takes more than its share of all packets, whatever is configured', () => {
    const { book } = bookOf({ packetsPerMinute: 600, freePacketsPerMinute: 1_000_000 });
    book.connected('a');
    expect(granted(book, 'free')).toBe(LIMITS.FREE_SHARE_PERCENT);
    expect(granted(book, 'paid')).toBe(100 - LIMITS.FREE_SHARE_PERCENT);
  });

  it('is one, that of control traffic another', () => {
    const { book, clock } = bookOf({ packetsPerMinute: 600_000, freePacketsPerMinute: 60 });
    book.connected('a');
    expect(granted(book, 'free')).toBe(10);
    expect(granted(book, 'control')).toBe(4 * LIMITS.CONTROL_PER_PEER);
    expect(book.charge('a', 'control', 1)).toBe(Reason.ControlQuotaExceeded);
    expect(book.charge('a', 'paid', 1)).toBe(Reason.Accepted);
    clock.advance(1_000);
    expect(granted(book, 'control')).toBe(LIMITS.CONTROL_PER_PEER);
  });
});
