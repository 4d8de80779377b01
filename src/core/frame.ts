/**
 * Frames on a byte stream: a 4-byte big-endian length and that many bytes. The node's socket (node-ipc.md, Transport:
 * at most 40 MiB) and the direct transport (docs/transport.md: at most 1,000,000 bytes) cut their streams so. The
 * reader takes chunks as the socket cuts them and never reserves memory for bytes that are only announced.
 */
import { assert } from './assert.js';
import { LIMITS } from './limits.js';
import { Reason } from './reasons.js';

/** Length of the length. */
export const FRAME_HEADER_BYTES = 4;

/** A frame around a body; the body is copied. */
export function encodeFrame(body: Uint8Array): Uint8Array {
  assert(body.length > 0 && body.length <= LIMITS.NODE_FRAME_BYTES, 'a frame holds 1 byte to 40 MiB');
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  writeFrameHeader(frame);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/** Fills the first four bytes of a frame whose body already stands behind them. */
export function writeFrameHeader(frame: Uint8Array): void {
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, frame.length - FRAME_HEADER_BYTES, false);
}

/** Memory that a frame in pieces takes at least; a reader that waits for none has none. */
const START_BYTES = 1_024;
const NOTHING = new Uint8Array(0);
/** Memory that a reader keeps between frames that arrive in pieces. */
const KEPT_BYTES = 65_536;

/**
 * Cuts a byte stream into frame bodies. Main thread.
 *
 * After a fault the stream has no known boundary any more: the reader refuses everything that follows, and its
 * connection must be closed.
 */
export class FrameReader {
  readonly #limitBytes: number;
  readonly #givesAway: boolean;
  /** A frame that is not whole yet, header first. Grows as its bytes arrive, at most to twice of them. */
  #partial: Uint8Array<ArrayBuffer> = NOTHING;
  #filled = 0;
  /** Bytes that the partial frame needs for its next step: its header, then all of it. */
  #wanted = FRAME_HEADER_BYTES;
  #fault: Reason = Reason.Accepted;
  #isStopped = false;

  /**
   * @param limitBytes the longest body
   * @param givesAway whether who takes a body may keep it: then chunks must be given away too, and the memory of a
   *   frame that came in pieces is not used again
   */
  constructor(limitBytes: number = LIMITS.NODE_FRAME_BYTES, givesAway = false) {
    this.#limitBytes = limitBytes;
    this.#givesAway = givesAway;
  }

  /** Bytes of memory kept for a frame that is not whole yet. */
  get reservedBytes(): number {
    return this.#partial.length;
  }

  /**
   * Takes the next bytes of the stream.
   * @param chunk borrowed for the call, unless bodies are given away
   * @param take called for each whole body, in order; the body is a view that is valid only during the call, unless
   *   bodies are given away; false stops: the rest of the stream is not wanted
   * @returns Accepted, or why the stream is corrupt (FrameEmpty, FrameTooLarge)
   */
  push(chunk: Uint8Array, take: (body: Uint8Array) => boolean): Reason {
    let offset = 0;
    // A plain view is made faster than the part of a Buffer.
    const { buffer, byteOffset } = chunk;
    while (offset < chunk.length && this.#fault === Reason.Accepted && !this.#isStopped) {
      const left = chunk.length - offset;
      if (this.#filled === 0 && left >= FRAME_HEADER_BYTES) {
        const bytes = FRAME_HEADER_BYTES + this.#lengthAt(chunk, offset);
        if (this.#fault === Reason.Accepted && bytes <= left) {
          // The usual way: a whole frame inside the chunk, handed on without a copy.
          const start = byteOffset + offset + FRAME_HEADER_BYTES;
          this.#isStopped = !take(new Uint8Array(buffer, start, bytes - FRAME_HEADER_BYTES));
          offset += bytes;
          continue;
        }
      }
      offset += this.#collect(chunk, offset);
      if (this.#filled === this.#wanted) this.#step(take);
    }
    return this.#fault;
  }

  /** Copies what the partial frame still wants out of the chunk; returns the bytes taken. */
  #collect(chunk: Uint8Array, offset: number): number {
    const count = Math.min(this.#wanted - this.#filled, chunk.length - offset);
    const needed = this.#filled + count;
    if (needed > this.#partial.length) {
      const enough = Math.min(this.#wanted, Math.max(needed, 2 * this.#partial.length));
      const larger = new Uint8Array(Math.max(START_BYTES, enough));
      larger.set(this.#partial.subarray(0, this.#filled));
      this.#partial = larger;
    }
    this.#partial.set(chunk.subarray(offset, offset + count), this.#filled);
    this.#filled = needed;
    return count;
  }

  /** What was wanted is there: the header, which says how much more, or the whole frame. */
  #step(take: (body: Uint8Array) => boolean): void {
    if (this.#wanted === FRAME_HEADER_BYTES) {
      this.#wanted = FRAME_HEADER_BYTES + this.#lengthAt(this.#partial, 0);
      return;
    }
    const body = this.#partial.subarray(FRAME_HEADER_BYTES, this.#filled);
    this.#filled = 0;
    this.#wanted = FRAME_HEADER_BYTES;
    if (this.#givesAway || this.#partial.length > KEPT_BYTES) this.#partial = NOTHING;
    this.#isStopped = !take(body);
  }

  #lengthAt(bytes: Uint8Array, at: number): number {
    const high = (bytes[at] ?? 0) * 2 ** 24;
    const length = high + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
    if (length === 0) this.#fault = Reason.FrameEmpty;
    else if (length > this.#limitBytes) this.#fault = Reason.FrameTooLarge;
    return length;
  }
}
