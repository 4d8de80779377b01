// Several ways to one peer: the node's relay and the direct transport. Rules: docs/transport.md (last section), peers.ts.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { PeerBook, type PeerBookOptions } from '../../../src/engine/peers.js';

const HELLO_MILLIS = 1_000;
const id = (byte: number): NodeId => nodeIdOf(new Uint8Array(32).fill(byte));
const RELAY = '10.0.0.2:8333';
const DIRECT = 'tls://10.0.0.2:8334';

function bed(options: Partial<PeerBookOptions> = {}): {
  readonly book: PeerBook;
  readonly clock: VirtualClock;
  /** What was told, in order. */
  readonly told: string[];
} {
  const clock = new VirtualClock();
  const told: string[] = [];
  const book = new PeerBook({
    self: id(1),
    clock,
    random: new SeededRandom(1),
    maxPeers: 4,
    staticPeers: new Set(),
    packetsPerMinute: 600,
    freePacketsPerMinute: 600,
    freeBytesPerMinute: 60_000_000,
    helloIntervalMillis: HELLO_MILLIS,
    sendHello: () => undefined,
    challenge: (address) => told.push(`challenge ${address}`),
    onJoined: (nodeId, address) => {
      told.push(`joined ${nodeId[0]} ${address}`);
      return Reason.Accepted;
    },
    onMoved: (nodeId, address) => told.push(`moved ${nodeId[0]} ${address}`),
    onLost: (nodeId, address) => told.push(`lost ${nodeId[0]} ${address}`),
    onReturned: (nodeId) => told.push(`returned ${nodeId[0]}`),
    ...options,
  });
  return { book, clock, told };
}

/** A peer of the relay that has proven its id. */
function relayed(book: PeerBook): void {
  book.heard(RELAY);
  expect(book.proven(RELAY, id(2))).toBe(Reason.Accepted);
}

describe('peers › several ways to one', () => {
  it('uses the transport as soon as it is there, and joins once', () => {
    const { book, told } = bed();
    relayed(book);
    expect(book.connectedDirectly(DIRECT, id(2))).toBe(Reason.Accepted);
    expect(told).toEqual([`joined 2 ${RELAY}`, `moved 2 ${DIRECT}`]);
  });

  it('stays with the transport when the relay is proven later, and when that is lost again', () => {
    const { book, told } = bed();
    book.connectedDirectly(DIRECT, id(2));
    relayed(book);
    book.disconnected(RELAY);
    expect(told).toEqual([`joined 2 ${DIRECT}`]);
    expect(book.has(id(2))).toBe(true);
  });

  it('falls back where the transport is lost, and offers again what was given it last', () => {
    const { book, told } = bed();
    relayed(book);
    book.connectedDirectly(DIRECT, id(2));
    told.length = 0;
    book.disconnected(DIRECT);
    expect(told).toEqual([`moved 2 ${RELAY}`, 'returned 2']);
    book.disconnected(RELAY);
    expect(told.slice(2)).toEqual([`lost 2 ${RELAY}`]);
    expect(book.has(id(2))).toBe(false);
  });

  it('loses it once, when the last way is gone', () => {
    const { book, told } = bed();
    relayed(book);
    book.connectedDirectly(DIRECT, id(2));
    book.disconnected(RELAY);
    book.disconnected(DIRECT);
    book.disconnected(DIRECT);
    expect(told.filter((text) => text.startsWith('lost'))).toEqual([`lost 2 ${DIRECT}`]);
  });

  it('gives no second allowance with a second way', () => {
    const { book } = bed();
    relayed(book);
    let alone = 0;
    while (book.charge(RELAY, 'paid', 100) === Reason.Accepted) alone++;
    expect(alone).toBeGreaterThan(50);
    book.connectedDirectly(DIRECT, id(2));
    expect(book.charge(DIRECT, 'paid', 100)).toBe(Reason.PacketQuotaExceeded);
  });

  it('lets the relay fall silent, and the transport see to its own silence', () => {
    const { book, clock, told } = bed();
    relayed(book);
    book.connectedDirectly(DIRECT, id(2));
    book.start();
    clock.advance(20 * HELLO_MILLIS);
    book.stop();
    expect(told.filter((text) => text.startsWith('lost'))).toEqual([]);
    expect(book.at(RELAY)?.isProven).toBe(false);
    expect(book.at(DIRECT)?.isProven).toBe(true);
  });

  it('takes no second id at one address, and its own nowhere', () => {
    const { book } = bed();
    book.connectedDirectly(DIRECT, id(2));
    expect(book.proven(DIRECT, id(3))).toBe(Reason.HelloMismatch);
    expect(book.proven(DIRECT, id(2))).toBe(Reason.Accepted);
    expect(book.connectedDirectly('tls://10.0.0.9:8334', id(1))).toBe(Reason.HelloMismatch);
    expect(book.proven('10.0.0.7:8333', id(7))).toBe(Reason.HelloMismatch);
  });

  it('challenges whoever claims an id over the relay, and believes nothing before the proof', () => {
    const { book, told } = bed();
    book.connectedDirectly(DIRECT, id(2));
    told.length = 0;
    book.heard(RELAY);
    expect(book.hello(RELAY, id(2), true)).toBe(Reason.Accepted);
    expect(told).toEqual([`challenge ${RELAY}`]);
    expect(book.at(RELAY)?.isProven).toBe(false);
    // A claim of whose end is told is no loss of the node.
    book.disconnected(RELAY);
    expect(book.has(id(2))).toBe(true);
  });

  it('does not keep what the routing table refuses', () => {
    const { book } = bed({ onJoined: () => Reason.TooManyPeers });
    expect(book.connectedDirectly(DIRECT, id(2))).toBe(Reason.TooManyPeers);
    expect(book.has(id(2))).toBe(false);
  });
});
