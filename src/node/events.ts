/**
 * Events on their way from the socket to whoever handles them.
 *
 * Rules: node-ipc.md, 8. The node drops what a module does not read at once, so the socket is never left waiting:
 * each reader has its own queue with a bound in events and in bytes, and what does not fit is dropped and counted.
 * Main thread.
 */
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import type { NodeEvent } from './messages.js';

/** Called for each event as it is read; must return at once. */
export type EventListener = (event: NodeEvent) => void;

export interface EventStats {
  /** Events read from the node. */
  readonly received: number;
  /** Dropped because a reader's queue was full: one for each such reader. */
  readonly dropped: number;
  readonly queued: number;
}

interface Queued {
  readonly event: NodeEvent;
  readonly bytes: number;
}

/** One reader's queue. */
class EventQueue implements AsyncIterableIterator<NodeEvent, undefined> {
  /** Filled by the socket, while `#reading` is emptied by the reader; they change places when it is empty. */
  #filling: (Queued | undefined)[] = [];
  #reading: (Queued | undefined)[] = [];
  #next = 0;
  #bytes = 0;
  #isOver = false;
  readonly #waiting: ((result: IteratorResult<NodeEvent, undefined>) => void)[] = [];
  readonly #onOver: () => void;

  constructor(onOver: () => void) {
    this.#onOver = onOver;
  }

  get size(): number {
    return this.#filling.length + this.#reading.length - this.#next;
  }

  /** Whether the event was taken. */
  put(event: NodeEvent, bytes: number): boolean {
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) {
      waiting({ done: false, value: event });
      return true;
    }
    if (this.size >= LIMITS.NODE_EVENTS_QUEUED || this.#bytes + bytes > LIMITS.NODE_EVENT_BYTES_QUEUED)
      return false;
    this.#filling.push({ event, bytes });
    this.#bytes += bytes;
    return true;
  }

  /** No more events will come; those in the queue are still handed out. */
  end(): void {
    this.#isOver = true;
    for (const waiting of this.#waiting.splice(0)) waiting({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<NodeEvent, undefined>> {
    if (this.#next === this.#reading.length) {
      this.#reading = this.#filling;
      this.#filling = [];
      this.#next = 0;
    }
    const queued = this.#reading[this.#next];
    if (queued !== undefined) {
      this.#reading[this.#next++] = undefined;
      this.#bytes -= queued.bytes;
      return Promise.resolve({ done: false, value: queued.event });
    }
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The reader wants no more. */
  return(): Promise<IteratorResult<NodeEvent, undefined>> {
    this.#filling = [];
    this.#reading = [];
    this.#next = 0;
    this.#bytes = 0;
    this.end();
    this.#onOver();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

/** Hands each event to every listener and every reader. */
export class EventHub {
  readonly #log: Log;
  readonly #listeners = new Set<EventListener>();
  readonly #queues = new Set<EventQueue>();
  #received = 0;
  #dropped = 0;
  #isOver = false;

  constructor(log: Log) {
    this.#log = log;
  }

  get stats(): EventStats {
    let queued = 0;
    for (const queue of this.#queues) queued += queue.size;
    return { received: this.#received, dropped: this.#dropped, queued };
  }

  /** @param bytes what the event took on the wire, as the measure of its memory */
  deliver(event: NodeEvent, bytes: number): void {
    this.#received++;
    for (const listener of this.#listeners) this.#tell(listener, event);
    for (const queue of this.#queues) if (!queue.put(event, bytes)) this.#dropped++;
  }

  /** @returns what takes the listener away again */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** A new reader: sees the events from now on. */
  receiver(): AsyncIterableIterator<NodeEvent, undefined> {
    const queue: EventQueue = new EventQueue(() => {
      this.#queues.delete(queue);
    });
    if (this.#isOver) queue.end();
    else this.#queues.add(queue);
    return queue;
  }

  end(): void {
    this.#isOver = true;
    for (const queue of this.#queues) queue.end();
    this.#queues.clear();
    this.#listeners.clear();
  }

  #tell(listener: EventListener, event: NodeEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.#log.log('error', 'a listener of node events failed', {
        event: event.name,
        error: errorText(error),
      });
    }
  }
}
