/**
 * The clock of a simulation: a queue of events in typed arrays, in order of their time, then of their making.
 *
 * The domain takes it as its Clock; packets and messages are posted as two numbers, so that the tens of millions of
 * events of a simulated hour allocate nothing.
 */
import { assert } from '../core/assert.js';
import type { Clock, Timer } from '../core/ports.js';

/** Kinds of events: a callback of the domain, and those that are registered. */
const KIND_BITS = 3;
const TIMER = 0;
/** Children of an event in the heap: four lie in one line of the processor's cache. */
const ARITY = 4;
const START_SECONDS = 1_800_000_000;

/** Takes an event: the number that it was posted with. */
export type EventHandler = (slot: number) => void;

export class EventQueue implements Clock {
  readonly #handlers: EventHandler[] = [];
  #due = new Float64Array(1_024);
  #order = new Float64Array(1_024);
  #code = new Int32Array(1_024);
  #size = 0;
  #posted = 0;
  #nowMillis = 0;
  /** Events that have run. */
  #done = 0;
  readonly #callbacks: (Callback | null)[] = [];
  readonly #freeCallbacks: number[] = [];

  constructor() {
    this.#handlers.push((slot) => {
      const waiting = this.#callbacks[slot];
      this.#callbacks[slot] = null;
      this.#freeCallbacks.push(slot);
      if (waiting?.isCancelled === false) waiting.run();
    });
  }

  unixSeconds(): number {
    return START_SECONDS + Math.floor(this.#nowMillis / 1_000);
  }

  monotonicMillis(): number {
    return this.#nowMillis;
  }

  /** Events that wait. */
  get size(): number {
    return this.#size;
  }

  /** Events that have run since the start. */
  get done(): number {
    return this.#done;
  }

  after(delayMillis: number, run: () => void): Timer {
    const waiting: Callback = { run, isCancelled: false };
    const slot = this.#freeCallbacks.pop() ?? this.#callbacks.length;
    this.#callbacks[slot] = waiting;
    this.post(delayMillis, TIMER, slot);
    return {
      cancel: () => {
        waiting.isCancelled = true;
      },
    };
  }

  /** Makes a kind of event. @returns its number, for `post` */
  register(handler: EventHandler): number {
    assert(this.#handlers.length < 1 << KIND_BITS, 'there are few kinds of events');
    return this.#handlers.push(handler) - 1;
  }

  /** Posts an event of a registered kind. @param slot a whole number below 2^28 */
  post(delayMillis: number, kind: number, slot: number): void {
    if (this.#size === this.#due.length) this.#grow();
    const due = this.#nowMillis + (delayMillis > 0 ? delayMillis : 0);
    this.#rise(this.#size++, due, this.#posted++, (slot << KIND_BITS) | kind);
  }

  /** Moves time forward, running what falls due on the way. */
  advance(millis: number): void {
    this.runUntil(this.#nowMillis + millis);
  }

  /** As `advance`, to a time; one that is past already runs nothing. */
  runUntil(untilMillis: number): void {
    while (this.#size > 0 && at(this.#due, 0) <= untilMillis) {
      const code = this.#code[0] ?? 0;
      this.#nowMillis = at(this.#due, 0);
      this.#dropFirst();
      this.#done += 1;
      this.#handlers[code & ((1 << KIND_BITS) - 1)]?.(code >> KIND_BITS);
    }
    this.#nowMillis = Math.max(this.#nowMillis, untilMillis);
  }

  #dropFirst(): void {
    const last = --this.#size;
    if (last > 0) this.#sink(at(this.#due, last), at(this.#order, last), this.#code[last] ?? 0);
  }

  /** Puts an event into the heap, from a free place at its end upwards. */
  #rise(place: number, due: number, order: number, code: number): void {
    let here = place;
    while (here > 0) {
      const parent = ((here - 1) / ARITY) | 0;
      // What is posted later is behind what has the same time.
      if (at(this.#due, parent) <= due) break;
      this.#move(parent, here);
      here = parent;
    }
    this.#set(here, due, order, code);
  }

  /** Puts an event into the heap, from the free place at its top downwards. */
  #sink(due: number, order: number, code: number): void {
    const size = this.#size;
    let here = 0;
    for (;;) {
      const first = here * ARITY + 1;
      if (first >= size) break;
      let least = first;
      const end = Math.min(first + ARITY, size);
      for (let child = first + 1; child < end; child++) {
        if (this.#isBefore(child, at(this.#due, least), at(this.#order, least))) least = child;
      }
      if (!this.#isBefore(least, due, order)) break;
      this.#move(least, here);
      here = least;
    }
    this.#set(here, due, order, code);
  }

  #isBefore(place: number, due: number, order: number): boolean {
    const other = at(this.#due, place);
    return other < due || (other === due && at(this.#order, place) < order);
  }

  #move(from: number, to: number): void {
    this.#set(to, at(this.#due, from), at(this.#order, from), this.#code[from] ?? 0);
  }

  #set(place: number, due: number, order: number, code: number): void {
    this.#due[place] = due;
    this.#order[place] = order;
    this.#code[place] = code;
  }

  #grow(): void {
    const due = new Float64Array(2 * this.#size);
    const order = new Float64Array(2 * this.#size);
    const code = new Int32Array(2 * this.#size);
    due.set(this.#due);
    order.set(this.#order);
    code.set(this.#code);
    this.#due = due;
    this.#order = order;
    this.#code = code;
  }
}

interface Callback {
  readonly run: () => void;
  isCancelled: boolean;
}

function at(values: Float64Array, place: number): number {
  return values[place] ?? 0;
}
