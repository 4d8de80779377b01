// The argument at the top of shared-table.ts, put to the test: three threads claim one key while the owner of the table
// splits shards and forgets keys, and a seeded scheduler chooses which thread does its next atomic operations.
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { randomBelow, SeededRandom } from '../../../src/core/random.js';
import { replayKey } from '../../contract/replay-table.js';

const THREADS = 4;
const OWNER = 0;
const ROUNDS = 3_000;
/** Rounds with one table: from empty to about ten shards. */
const TABLE_ROUNDS = 30;
const SEED = Number(process.env['FC_SEED'] ?? 11);
const CLAIMED = 1;
const TAKEN = 2;

const random = new SeededRandom(SEED);
const shared = (words: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * words));
const leave = shared(THREADS);
const back = shared(1);
const round = shared(1);
const outcomes = shared(THREADS);
const keyBytes = new Uint8Array(new SharedArrayBuffer(32));
const channels = Array.from({ length: THREADS }, () => new MessageChannel());

const workers = channels.map(({ port2: port }, self) => {
  const dist = new URL('../../../dist/', import.meta.url).href;
  const secret = new SeededRandom(SEED).bytes(16);
  const workerData = {
    dist,
    secret,
    leave,
    back,
    round,
    outcomes,
    keyBytes,
    self,
    port,
    tableRounds: TABLE_ROUNDS,
  };
  const file = new URL('../../support/replay-stepper.mjs', import.meta.url);
  return new Worker(file, { workerData, transferList: [port] });
});

let turns = 0;

/** Lets a thread do so many atomic operations; returns when it has parked again. */
function step(thread: number, operations: number): void {
  Atomics.store(leave, thread, operations);
  Atomics.notify(leave, thread);
  turns++;
  for (;;) {
    const seen = Atomics.load(back, 0);
    if (seen >= turns) return;
    expect(Atomics.wait(back, 0, seen, 10_000), 'a thread parks within ten seconds').not.toBe('timed-out');
  }
}

/** One round: the claiming threads claim one new key, in an order of the scheduler's. */
function race(number: number): readonly number[] {
  Atomics.store(round, 0, number);
  keyBytes.set(replayKey(number));
  outcomes.fill(0);
  if (number % TABLE_ROUNDS === 0) {
    // The owner makes the table, and parks before it touches it.
    step(OWNER, 1);
    const memory: unknown = receiveMessageOnPort(channels[OWNER]?.port1 ?? fail())?.message;
    for (const { port1 } of channels.slice(1)) port1.postMessage(memory);
  }
  const racing = new Set(leave.keys());
  while (racing.size > 0) {
    const thread = [...racing][randomBelow(random, racing.size)] ?? OWNER;
    const most = thread === OWNER ? 300 : 45;
    step(thread, 1 + randomBelow(random, randomBelow(random, 2) === 0 ? 3 : most));
    if (Atomics.load(outcomes, thread) !== 0) racing.delete(thread);
  }
  return [...outcomes].slice(1);
}

function fail(): never {
  throw new Error('there is no such thread');
}

describe('shared replay table § schedules', () => {
  afterAll(async () => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  });

  it(`has exactly one winner in each of ${ROUNDS} schedules, while it grows and forgets (seed ${SEED}, FC_SEED sets it)`, async () => {
    // The threads start by themselves; each parks once before its first round.
    while (Atomics.load(back, 0) < THREADS) await new Promise((resolve) => setImmediate(resolve));
    turns = THREADS;
    const wins = new Array<number>(THREADS - 1).fill(0);
    for (let number = 0; number < ROUNDS; number++) {
      const ends = race(number);
      const winners = ends.filter((end) => end === CLAIMED).length;
      const losers = ends.filter((end) => end === TAKEN).length;
      expect([winners, losers], `round ${number}`).toEqual([1, THREADS - 2]);
      ends.forEach((end, thread) => (wins[thread] = (wins[thread] ?? 0) + (end === CLAIMED ? 1 : 0)));
    }
    expect(Math.min(...wins)).toBeGreaterThan(ROUNDS / 10);
  });
});
