// The argument at the top of shared-table.ts, put to the test: three threads claim one key, and a seeded scheduler
// chooses which of them does its next atomic operations, while this thread frees slots in between.
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { randomBelow, SeededRandom } from '../../../src/core/random.js';
import { PlainFingerprinter } from '../../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../../src/replay/shared-table.js';
import { replayKey } from '../../contract/replay-table.js';

const THREADS = 3;
const ROUNDS = 4_000;
const SEED = Number(process.env['FC_SEED'] ?? 11);
const CLAIMED = 1;
const TAKEN = 2;

const random = new SeededRandom(SEED);
const secret = random.bytes(16);
const table = SharedReplayTable.create(new PlainFingerprinter(secret), 32);
const leave = new Int32Array(new SharedArrayBuffer(4 * THREADS));
const back = new Int32Array(new SharedArrayBuffer(4));
const outcomes = new Int32Array(new SharedArrayBuffer(4 * THREADS));
const keyBytes = new Uint8Array(new SharedArrayBuffer(32));

const workers = Array.from({ length: THREADS }, (_, self) => {
  const dist = new URL('../../../dist/', import.meta.url).href;
  const workerData = {
    dist,
    memory: table.memory,
    secret,
    leave,
    back,
    outcomes,
    keyBytes,
    self,
    rounds: ROUNDS,
  };
  return new Worker(new URL('../../support/replay-stepper.mjs', import.meta.url), { workerData });
});

let turns = 0;

/** Lets a thread do so many atomic operations; returns when it has parked again. */
function step(thread: number, operations: number): void {
  Atomics.store(leave, thread, operations);
  Atomics.notify(leave, thread);
  awaitParked(++turns);
}

function awaitParked(count: number): void {
  for (;;) {
    const seen = Atomics.load(back, 0);
    if (seen >= count) return;
    expect(Atomics.wait(back, 0, seen, 10_000), 'a thread parks within ten seconds').not.toBe('timed-out');
  }
}

/** One round: all threads claim one new key, in an order of the scheduler's. */
function race(round: number): readonly number[] {
  const now = 10 * (round + 1);
  keyBytes.set(replayKey(round));
  outcomes.fill(0);
  // Up to 26 of 32 slots in use; about half of those will be freed during the race.
  const others = randomBelow(random, 27);
  for (let i = 0; i < others; i++) {
    table.claim(replayKey(1_000_000 + 100 * round + i), randomBelow(random, 2) === 0 ? now : now + 5);
  }
  const racing = new Set(leave.keys());
  while (racing.size > 0) {
    const thread = [...racing][randomBelow(random, racing.size)] ?? 0;
    step(thread, 1 + randomBelow(random, randomBelow(random, 2) === 0 ? 3 : 45));
    if (Atomics.load(outcomes, thread) !== 0) racing.delete(thread);
    if (randomBelow(random, 6) === 0) table.expire(now + 1);
  }
  table.expire(now + 6);
  return [...outcomes];
}

describe('shared replay table § schedules', () => {
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it(`has exactly one winner in each of ${ROUNDS} schedules (seed ${SEED}, FC_SEED sets it)`, async () => {
    // The threads start by themselves; each parks once before its first round.
    while (Atomics.load(back, 0) < THREADS) await new Promise((resolve) => setImmediate(resolve));
    turns = THREADS;
    const wins = new Array<number>(THREADS).fill(0);
    for (let round = 0; round < ROUNDS; round++) {
      const ends = race(round);
      const winners = ends.filter((end) => end === CLAIMED).length;
      const losers = ends.filter((end) => end === TAKEN).length;
      expect([winners, losers], `round ${round}`).toEqual([1, THREADS - 1]);
      ends.forEach((end, thread) => (wins[thread] = (wins[thread] ?? 0) + (end === CLAIMED ? 1 : 0)));
    }
    expect(Math.min(...wins)).toBeGreaterThan(ROUNDS / 10);
  });
});
