/**
 * Frames of one class that wait for a peer to read: served in turns by bytes, source by source (deficit round robin),
 * so that one source that floods waits for itself. Main thread.
 */
import { LIMITS } from '../core/limits.js';

/** A frame's body, and whose turn it takes. */
interface Lane {
  readonly source: string;
  frames: Uint8Array[];
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
  #turn: Lane[] = [];
  #bytes = 0;

  constructor(roomBytes: number) {
    this.roomBytes = roomBytes;
  }

  /** Memory that waits. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a frame; false where there is no room. One source takes at most half of it. */
  put(frame: Uint8Array, source: string): boolean {
    const cost = frame.length + OVERHEAD_BYTES;
    if (this.#bytes + cost > this.roomBytes) return false;
    let lane = this.#lanes.get(source);
    // An empty queue takes any frame.
    if (lane !== undefined && lane.bytes + cost > this.roomBytes / 2) return false;
    if (lane === undefined) {
      lane = { source, frames: [], head: 0, bytes: 0, deficit: 0 };
      this.#lanes.set(source, lane);
      this.#turn.push(lane);
    }
    lane.frames.push(frame);
    lane.bytes += cost;
    this.#bytes += cost;
    return true;
  }

  /** The next frame, taken; null where none waits. */
  take(): Uint8Array | null {
    for (let lane = this.#turn[0]; lane !== undefined; lane = this.#turn[0]) {
      const frame = lane.frames[lane.head];
      if (frame === undefined) {
        this.#turn.shift();
        this.#lanes.delete(lane.source);
        continue;
      }
      const cost = frame.length + OVERHEAD_BYTES;
      if (lane.deficit < cost) {
        lane.deficit += LIMITS.PEER_TURN_BYTES;
        if (this.#turn.length > 1) this.#turn.push(...this.#turn.splice(0, 1));
        continue;
      }
      lane.deficit -= cost;
      this.#drop(lane, cost);
      return frame;
    }
    return null;
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
