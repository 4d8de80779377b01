/**
 * What a node writes to one module: answers at once, events through a bounded queue.
 *
 * The socket's own buffer is kept small; past it events wait here, past the limits they are dropped and counted,
 * as a real node drops events for a module that does not read (node-ipc.md, 8). Writes of one turn go out together.
 */
import type { Socket } from 'node:net';
import { LIMITS } from '../core/limits.js';

export interface OutboxLimits {
  /** Events that may wait. */
  readonly events: number;
}

export class Outbox {
  readonly #socket: Socket;
  readonly #limitEvents: number;
  #waiting: Uint8Array[] = [];
  /** Index of the oldest event that waits. */
  #head = 0;
  #waitingBytes = 0;
  #dropped = 0;
  #isCorked = false;

  constructor(socket: Socket, limits: OutboxLimits) {
    this.#socket = socket;
    this.#limitEvents = limits.events;
    socket.on('drain', () => {
      this.#refill();
    });
  }

  /** Events dropped so far. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Events that wait for the socket. */
  get waiting(): number {
    return this.#waiting.length - this.#head;
  }

  /** Whether the module reads too slowly to be asked or told more. */
  get isFull(): boolean {
    return this.#socket.writableLength >= LIMITS.DEV_SOCKET_BYTES;
  }

  /** Writes a frame now, before all events that wait: for answers, which their requests bound. */
  write(frame: Uint8Array): void {
    if (!this.#socket.writable) return;
    if (!this.#isCorked) {
      // One system call for everything that this turn writes.
      this.#isCorked = true;
      this.#socket.cork();
      process.nextTick(() => {
        this.#isCorked = false;
        this.#socket.uncork();
      });
    }
    this.#socket.write(frame);
  }

  /** Hands what was written to the system now: before a close. */
  flush(): void {
    this.#socket.uncork();
  }

  /** Writes an event's frame when the socket takes it. */
  event(frame: Uint8Array): void {
    if (this.waiting === 0 && !this.isFull) {
      this.write(frame);
    } else if (
      this.waiting >= this.#limitEvents ||
      this.#waitingBytes + frame.length > LIMITS.DEV_EVENT_BYTES_QUEUED
    ) {
      this.#dropped++;
    } else {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.length;
    }
  }

  #refill(): void {
    while (!this.isFull) {
      const next = this.#waiting[this.#head];
      if (next === undefined) break;
      this.#head++;
      this.#waitingBytes -= next.length;
      this.write(next);
    }
    // The written half is cut off, so that the list stays as long as its limit allows.
    if (this.#head * 2 >= this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
  }
}
