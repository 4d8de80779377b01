/**
 * All memory that the main thread shares with one crew of workers: their batches, and the words by which one side tells
 * the other that there is something to do.
 *
 * Rules: architecture.md (worker pool). What may be done with a batch, and why it is whole, is in batch.ts.
 *
 * Memory ordering. Nobody misses a bell: the side that waits reads the bell, then looks for work, then sleeps only
 * while the bell is unchanged; the other side changes the words first and the bell afterwards. A worker says ASLEEP
 * before it sleeps, so a bell that was rung while all were awake needs no system call: whoever falls asleep later has
 * looked later.
 */
/// <reference lib="es2024.sharedmemory" />
import { assert } from '../core/assert.js';
import { Batch, batchBytes, HOLDER_MASK } from './batch.js';

/**
 * The header of the whole, in words of 32 bits; what different threads write lies on lines of 64 bytes of its own.
 * Words 0 to 2 say how many workers and batches there are, and packets in each.
 */
const WORK_BELL = 16; // rung by the main thread: there is work, or an end
const DONE_BELL = 32; // rung by workers: a batch is done, or a worker is there
const WANTED = 48; // the version of the policy that workers are to judge by; STOP to stop
const WORKER_LINES = 64; // for each worker a line
const LINE_WORDS = 16;
const THREAD = 0;
const ASLEEP = 1;

/** WANTED: leave the loop. */
export const STOP = -1;

export interface BatchShape {
  readonly workers: number;
  /** Batches in all. */
  readonly batches: number;
  /** Packets in one at most. */
  readonly packets: number;
}

/** Memory for so many workers and batches. */
export function createBatchMemory({ workers, batches, packets }: BatchShape): SharedArrayBuffer {
  assert(workers <= HOLDER_MASK, 'a word holds the number of a worker');
  const memory = new SharedArrayBuffer(headBytes(workers) + batches * batchBytes(packets));
  new Int32Array(memory).set([workers, batches, packets]);
  return memory;
}

/** One side's view of all of it. */
export class BatchMemory {
  readonly batches: readonly Batch[];
  readonly workers: number;
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    const [workers = 0, batches = 0, packets = 0] = this.#words;
    this.workers = workers;
    const start = headBytes(workers);
    this.batches = Array.from(
      { length: batches },
      (_, index) => new Batch(memory, start + index * batchBytes(packets), packets),
    );
  }

  /** Of all of it. */
  get bytes(): number {
    return this.#words.buffer.byteLength;
  }

  /** Worker: says that it is there. */
  arrive(worker: number, threadId: number): void {
    Atomics.store(this.#words, lineOf(worker) + THREAD, threadId);
    this.ringDone();
  }

  /** Main thread: a worker is gone. */
  depart(worker: number): void {
    Atomics.store(this.#words, lineOf(worker) + THREAD, 0);
    Atomics.store(this.#words, lineOf(worker) + ASLEEP, 0);
  }

  /** The id of a worker's thread; 0 before it is there. */
  threadOf(worker: number): number {
    return Atomics.load(this.#words, lineOf(worker) + THREAD);
  }

  get wanted(): number {
    return Atomics.load(this.#words, WANTED);
  }

  /** Main thread: all workers leave their loops, to come back with this version of the policy, or for good. */
  want(version: number): void {
    Atomics.store(this.#words, WANTED, version);
    Atomics.add(this.#words, WORK_BELL, 1);
    Atomics.notify(this.#words, WORK_BELL);
  }

  /** Main thread: there is work for so many workers that sleep. */
  ringWork(most: number): void {
    Atomics.add(this.#words, WORK_BELL, 1);
    if (this.sleeping > 0) Atomics.notify(this.#words, WORK_BELL, most);
  }

  /** Workers that sleep. */
  get sleeping(): number {
    let asleep = 0;
    for (let worker = 0; worker < this.workers; worker++) {
      asleep += Atomics.load(this.#words, lineOf(worker) + ASLEEP);
    }
    return asleep;
  }

  get workBell(): number {
    return Atomics.load(this.#words, WORK_BELL);
  }

  /** Worker: sleeps until the bell has rung since `seen`. */
  sleep(worker: number, seen: number): void {
    Atomics.store(this.#words, lineOf(worker) + ASLEEP, 1);
    Atomics.wait(this.#words, WORK_BELL, seen);
    Atomics.store(this.#words, lineOf(worker) + ASLEEP, 0);
  }

  ringDone(): void {
    Atomics.add(this.#words, DONE_BELL, 1);
    Atomics.notify(this.#words, DONE_BELL);
  }

  get doneBell(): number {
    return Atomics.load(this.#words, DONE_BELL);
  }

  /** Main thread: resolves when the bell has rung since `seen`; null where it has already. Blocks nothing. */
  doneRung(seen: number): Promise<unknown> | null {
    const waiting = Atomics.waitAsync(this.#words, DONE_BELL, seen);
    return waiting.async ? waiting.value : null;
  }

  /** Worker: takes the oldest batch that waits, or null. */
  take(worker: number): Batch | null {
    for (;;) {
      let oldest: Batch | null = null;
      for (const batch of this.batches) {
        if (batch.waits && (oldest === null || batch.sequence - oldest.sequence < 0)) oldest = batch;
      }
      if (oldest === null || oldest.take(worker)) return oldest;
    }
  }
}

function lineOf(worker: number): number {
  return WORKER_LINES + worker * LINE_WORDS;
}

function headBytes(workers: number): number {
  return lineOf(workers) * 4;
}
