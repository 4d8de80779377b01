/**
 * Frames of one class that wait for a peer to read: served in turns by bytes, source by source (deficit round robin),
 * so that one source that floods waits for itself. Main thread.
 */
import { keepable } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import { Slabs, type Slab, type SlabPool } from '../core/slabs.js';

interface Frame {
  readonly body: Uint8Array;
  /** Of its lane, in which the body is; null where it has memory of its own. */
  readonly slab: Slab | null;
}

/** The frames of one source, whose turn they take. */
interface Lane {
  readonly source: string;
  readonly slabs: Slabs;
  frames: Frame[];
  head: number;
  bytes: number;
  deficit: number;
}

/** A frame counts that much beside its bytes, so that none is free. */
const OVERHEAD_BYTES = 64;

export class FairQueue {
  /** Of frames that wait at most. */
  readonly roomBytes: number;
  readonly #lanes = new Map<string, Lane>();
  readonly #pool: SlabPool;
  #turn: Lane[] = [];
  /** Of whom something was refused. */
  readonly #refused = new Set<string>();
  #bytes = 0;

  /** @param pool of the memory in which frames wait */
  constructor(roomBytes: number, pool: SlabPool) {
    this.roomBytes = roomBytes;
    this.#pool = pool;
  }

  /** Memory that waits. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds a frame, of which a copy waits; false where there is no room. One source takes at most half of it. Who was refused is
   * refused until `readmit`, so that what it sends later does not overtake what waits elsewhere since.
   */
  put(body: Uint8Array, source: string): boolean {
    const cost = body.length + OVERHEAD_BYTES;
    let lane = this.#lanes.get(source);
    if (this.#refused.has(source) || !this.#hasRoom(cost, lane)) {
      this.#refused.add(source);
      return false;
    }
    if (lane === undefined) {
      lane = { source, slabs: new Slabs(this.#pool), frames: [], head: 0, bytes: 0, deficit: 0 };
      this.#lanes.set(source, lane);
      this.#turn.push(lane);
    }
    const slab = lane.slabs.slabFor(body.length);
    lane.frames.push({ body: slab === null ? keepable(body) : lane.slabs.copy(body, slab), slab });
    lane.bytes += cost;
    this.#bytes += cost;
    return true;
  }

  /** Who was refused may come again. */
  readmit(): void {
    this.#refused.clear();
  }

  /**
   * Takes the next frame.
   * @param use gets its body, for as long as it runs
   * @returns false where none waits
   */
  take(use: (body: Uint8Array) => void): boolean {
    for (let lane = this.#turn[0]; lane !== undefined; lane = this.#turn[0]) {
      const frame = lane.frames[lane.head];
      if (frame === undefined) {
        this.#turn.shift();
        this.#lanes.delete(lane.source);
        lane.slabs.close();
        continue;
      }
      const { body, slab } = frame;
      const cost = body.length + OVERHEAD_BYTES;
      if (lane.deficit < cost) {
        lane.deficit += LIMITS.PEER_TURN_BYTES;
        if (this.#turn.length > 1) this.#turn.push(...this.#turn.splice(0, 1));
        continue;
      }
      lane.deficit -= cost;
      this.#drop(lane, cost);
      use(body);
      if (slab !== null) lane.slabs.release(slab);
      return true;
    }
    return false;
  }

  #hasRoom(cost: number, lane: Lane | undefined): boolean {
    if (this.#bytes + cost > this.roomBytes) return false;
    // An empty queue takes any frame.
    return lane === undefined || lane.bytes + cost <= this.roomBytes / 2;
  }

  #drop(lane: Lane, cost: number): void {
    lane.head += 1;
    lane.bytes -= cost;
    this.#bytes -= cost;
    // Cut when half was taken: each frame is moved once at most.
    if (lane.head * 2 < lane.frames.length) return;
    lane.frames = lane.frames.slice(lane.head);
    lane.head = 0;
  }
}
