/** Clocks: the machine's, and a virtual one for tests and simulations that moves only when told. */
import type { Clock, Timer } from './ports.js';

/** The machine's own clock. Timers do not keep the process alive. */
export const systemClock: Clock = {
  unixSeconds: () => Math.floor(Date.now() / 1_000),
  monotonicMillis: () => performance.now(),
  after: (delayMillis, callback) => {
    const handle = setTimeout(callback, delayMillis);
    handle.unref();
    return {
      cancel: () => {
        clearTimeout(handle);
      },
    };
  },
};

interface Waiting {
  readonly due: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until `advance`; callbacks run in order of their due time, then of their making. */
export class VirtualClock implements Clock {
  readonly #startSeconds: number;
  #nowMillis = 0;
  #made = 0;
  /** A binary heap, earliest first: a simulation holds many timers. */
  readonly #waiting: Waiting[] = [];
  readonly #cancelled = new Set<Waiting>();

  constructor(startSeconds = 1_800_000_000) {
    this.#startSeconds = startSeconds;
  }

  unixSeconds(): number {
    return this.#startSeconds + Math.floor(this.#nowMillis / 1_000);
  }

  monotonicMillis(): number {
    return this.#nowMillis;
  }

  after(delayMillis: number, callback: () => void): Timer {
    const entry: Waiting = { due: this.#nowMillis + Math.max(0, delayMillis), order: this.#made++, callback };
    this.#push(entry);
    return {
      cancel: () => {
        this.#cancelled.add(entry);
      },
    };
  }

  /** Moves time forward, running what falls due on the way. */
  advance(millis: number): void {
    const until = this.#nowMillis + millis;
    for (let next = this.#waiting[0]; next !== undefined && next.due <= until; next = this.#waiting[0]) {
      this.#pop();
      if (this.#cancelled.delete(next)) continue;
      this.#nowMillis = next.due;
      next.callback();
    }
    this.#nowMillis = until;
  }

  #push(entry: Waiting): void {
    const heap = this.#waiting;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(heap[at], heap[parent])) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#waiting;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    let at = 0;
    for (;;) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2])
        if (child < heap.length && isBefore(heap[child], heap[least])) least = child;
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    const heap = this.#waiting;
    const first = heap[a];
    const second = heap[b];
    if (first === undefined || second === undefined) return;
    heap[a] = second;
    heap[b] = first;
  }
}

function isBefore(a: Waiting | undefined, b: Waiting | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
