/**
 * Packets that wait for a place in a batch: a queue for each peer, served in turns by bytes (deficit round robin), so
 * that a peer that floods waits for itself.
 *
 * Rules: architecture.md (per-peer fair queueing; paid packets pass under a flood of free ones). Bounded per peer and in
 * all. Where all room is taken, the peer with the longest queue loses its newest packets, not whoever comes next; free
 * packets take at most their share of any room, and wait behind the paid ones of their own peer. Main thread only.
 */
import { LIMITS } from '../core/limits.js';
import { declaredTraffic } from '../packet/declared.js';
import type { OnVerdict, PacketSender } from './judge-port.js';

/** A packet that has no place in a batch yet. */
export interface Waiting {
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
  readonly onVerdict: OnVerdict;
}

/** First in, first out; the newest may be taken back. */
class Fifo {
  #items: Waiting[] = [];
  #head = 0;
  bytes = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  peek(): Waiting | undefined {
    return this.#items[this.#head];
  }

  push(item: Waiting): void {
    this.#items.push(item);
    this.bytes += item.bytes.length;
  }

  shift(): void {
    this.bytes -= this.peek()?.bytes.length ?? 0;
    this.#head++;
    // The array is cut when half of it was taken: each packet is moved once at most.
    if (this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }

  /** The newest, not among the others any more. */
  pop(): Waiting | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items.pop();
    this.bytes -= item?.bytes.length ?? 0;
    return item;
  }
}

/** The queue of one peer. Lanes that hold packets stand in a circle. */
class Lane {
  readonly peer: string;
  /** Paid and control packets. */
  readonly first = new Fifo();
  readonly free = new Fifo();
  /** Bytes that it may still send in its turn. */
  deficit = 0;
  next: Lane = this;
  /** Called when half of what is read ahead is judged. */
  onRoom: (() => void) | null = null;

  constructor(peer: string) {
    this.peer = peer;
  }

  get packets(): number {
    return this.first.length + this.free.length;
  }

  get bytes(): number {
    return this.first.bytes + this.free.bytes;
  }

  get head(): Waiting | undefined {
    return this.first.peek() ?? this.free.peek();
  }

  get isFull(): boolean {
    return this.packets > LIMITS.PEER_PACKETS_AHEAD || this.bytes > LIMITS.PEER_BYTES_AHEAD;
  }

  get isHalfFree(): boolean {
    return this.packets <= LIMITS.PEER_PACKETS_AHEAD / 2 && this.bytes <= LIMITS.PEER_BYTES_AHEAD / 2;
  }
}

/** What one peer's and all queues may hold. */
const PEER_ROOM = { packets: LIMITS.PEER_PACKETS_QUEUED, bytes: LIMITS.PEER_PACKETS_QUEUED_BYTES };
const ROOM = { packets: LIMITS.PACKETS_QUEUED, bytes: LIMITS.PACKETS_QUEUED_BYTES };
const FREE_SHARE: number = LIMITS.FREE_SHARE_PERCENT / 100;

export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** The lane whose turn was before; the one behind it is served. */
  #last: Lane | null = null;
  #packets = 0;
  #bytes = 0;
  #freePackets = 0;
  #freeBytes = 0;
  readonly #shed: (packet: Waiting) => void;

  /** @param shed takes a packet that had to make room, to be refused as Overloaded */
  constructor(shed: (packet: Waiting) => void) {
    this.#shed = shed;
  }

  /** Packets that wait. */
  get length(): number {
    return this.#packets;
  }

  /** Adds a packet; false where there is no room for it. */
  push(packet: Waiting): boolean {
    const { peer } = packet.sender;
    const isFree = declaredTraffic(packet.bytes) === 'free';
    const { length } = packet.bytes;
    let lane = this.#lanes.get(peer);
    if (lane !== undefined && !hasRoom(lane, isFree, length)) return false;
    while (!this.#hasRoom(isFree, length)) {
      if (!this.#makeRoom(isFree, lane, length)) return false;
    }
    lane = this.#lanes.get(peer) ?? this.#enter(peer);
    (isFree ? lane.free : lane.first).push(packet);
    this.#count(1, length, isFree);
    return true;
  }

  /** The packet whose turn it is; null where none waits. */
  peek(): Waiting | null {
    for (;;) {
      const last = this.#last;
      if (last === null) return null;
      const lane = last.next;
      const head = lane.head;
      if (head === undefined) {
        this.#leave(last, lane);
        continue;
      }
      if (lane.deficit >= cost(head)) return head;
      this.#last = lane;
      lane.next.deficit += LIMITS.PEER_TURN_BYTES;
    }
  }

  /** Takes the packet that `peek` showed. */
  take(): void {
    const lane = this.#last?.next;
    const head = lane?.head;
    if (lane === undefined || head === undefined) return;
    const isFree = lane.first.length === 0;
    (isFree ? lane.free : lane.first).shift();
    lane.deficit -= cost(head);
    this.#count(-1, -head.bytes.length, isFree);
    if (lane.onRoom !== null && lane.isHalfFree) resume(lane);
  }

  isFull(peer: string): boolean {
    return this.#lanes.get(peer)?.isFull ?? false;
  }

  /** See PacketJudge.onRoom. */
  onRoom(peer: string, onRoom: () => void): void {
    const lane = this.#lanes.get(peer);
    if (lane?.isFull === true) lane.onRoom = onRoom;
    else onRoom();
  }

  #count(packets: number, bytes: number, isFree: boolean): void {
    this.#packets += packets;
    this.#bytes += bytes;
    if (!isFree) return;
    this.#freePackets += packets;
    this.#freeBytes += bytes;
  }

  #hasRoom(isFree: boolean, bytes: number): boolean {
    return (
      this.#packets < ROOM.packets &&
      this.#bytes + bytes <= ROOM.bytes &&
      (!isFree ||
        (this.#freePackets < FREE_SHARE * ROOM.packets && this.#freeBytes + bytes <= FREE_SHARE * ROOM.bytes))
    );
  }

  /**
   * Sheds the newest packets of the longest queue, free ones first.
   * @param mine the queue that wants room, or undefined where it is empty
   * @returns false where that is itself the longest
   */
  #makeRoom(onlyFree: boolean, mine: Lane | undefined, bytes: number): boolean {
    const weigh = (lane: Lane): number =>
      onlyFree ? weightOf(lane.free) : weightOf(lane.first) + weightOf(lane.free);
    let longest = mine;
    let most = (mine === undefined ? 0 : weigh(mine)) + bytes + LIMITS.PACKET_TURN_BYTES;
    for (const lane of this.#lanes.values()) {
      if (weigh(lane) <= most) continue;
      longest = lane;
      most = weigh(lane);
    }
    if (longest === undefined || longest === mine) return false;
    for (let shed = 0; shed < LIMITS.QUEUE_SHED_PACKETS; shed++) {
      const free = longest.free.pop();
      const packet = free ?? (onlyFree ? undefined : longest.first.pop());
      if (packet === undefined) break;
      this.#count(-1, -packet.bytes.length, free !== undefined);
      this.#shed(packet);
    }
    return true;
  }

  /** A lane for a peer, last in the circle. */
  #enter(peer: string): Lane {
    const lane = new Lane(peer);
    this.#lanes.set(peer, lane);
    const last = this.#last;
    if (last === null) {
      lane.deficit = LIMITS.PEER_TURN_BYTES;
      this.#last = lane;
    } else {
      // The turn is last.next's: the end of the circle is in front of it.
      lane.next = last.next;
      last.next = lane;
      this.#last = lane;
    }
    return lane;
  }

  /** An empty lane leaves the circle, and its turn ends. */
  #leave(last: Lane, lane: Lane): void {
    this.#lanes.delete(lane.peer);
    if (lane === last) {
      this.#last = null;
    } else {
      last.next = lane.next;
      lane.next.deficit += LIMITS.PEER_TURN_BYTES;
    }
    resume(lane);
  }
}

function hasRoom(lane: Lane, isFree: boolean, bytes: number): boolean {
  return (
    lane.packets < PEER_ROOM.packets &&
    lane.bytes + bytes <= PEER_ROOM.bytes &&
    (!isFree ||
      (lane.free.length < FREE_SHARE * PEER_ROOM.packets &&
        lane.free.bytes + bytes <= FREE_SHARE * PEER_ROOM.bytes))
  );
}

function resume(lane: Lane): void {
  const { onRoom } = lane;
  lane.onRoom = null;
  onRoom?.();
}

/** What a packet takes of its peer's turn. */
function cost({ bytes }: Waiting): number {
  return bytes.length + LIMITS.PACKET_TURN_BYTES;
}

function weightOf(queue: Fifo): number {
  return queue.bytes + queue.length * LIMITS.PACKET_TURN_BYTES;
}
