// architecture.md, replay table; cheats 30 and 45: one winner among threads, whatever is freed meanwhile.
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { PlainFingerprinter, type Fingerprinter } from '../../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../../src/replay/shared-table.js';
import { PlainReplayTable } from '../../../src/replay/table.js';
import { WasmKernel } from '../../../src/wasm/kernel.js';
import { replayKey, replayTableContract } from '../../contract/replay-table.js';

const SECRET = new SeededRandom(1).bytes(16);
const fingerprinter = new PlainFingerprinter(SECRET);

replayTableContract('plain', (capacity) => new PlainReplayTable(capacity));
replayTableContract('shared, plain fingerprints', (capacity) =>
  SharedReplayTable.create(fingerprinter, capacity),
);
replayTableContract('shared, wasm fingerprints', (capacity) =>
  SharedReplayTable.create(WasmKernel.load(SECRET), capacity),
);

describe('shared replay table', () => {
  it('is one table for all who attach to its memory', () => {
    const owner = SharedReplayTable.create(fingerprinter, 64);
    const other = SharedReplayTable.attach(owner.memory, WasmKernel.load(SECRET));
    expect(owner.claim(replayKey(1), 100)).toBe('claimed');
    expect(other.claim(replayKey(1), 100)).toBe('taken');
    expect(other.claim(replayKey(2), 100)).toBe('claimed');
    expect(owner.has(replayKey(2))).toBe(true);
    owner.expire(101);
    expect(other.stats()).toEqual({ keys: 0, capacity: 64 });
    expect(other.horizonSeconds()).toBe(101);
  });

  it('is expired by its owner alone', () => {
    const owner = SharedReplayTable.create(fingerprinter, 64);
    expect(() => SharedReplayTable.attach(owner.memory, fingerprinter).expire(1)).toThrow(
      /thread that made it/,
    );
  });

  it('refuses memory that holds something else', () => {
    expect(() => SharedReplayTable.attach(new SharedArrayBuffer(65_536), fingerprinter)).toThrow(
      /replay table/,
    );
  });

  it('takes 85 of 100 keys of its capacity before it refuses the first', () => {
    const table = SharedReplayTable.create(fingerprinter, 16_384);
    const { capacity } = table.stats();
    let claimed = 0;
    while (table.claim(replayKey(claimed), 100) === 'claimed') claimed++;
    expect(claimed).toBeGreaterThan(0.85 * capacity);
  });

  it('forgets in bounded steps that go round the whole table', () => {
    const table = SharedReplayTable.create(WasmKernel.load(SECRET), 4 * LIMITS.REPLAY_EXPIRE_SLOTS);
    const keys = 4_000;
    for (let i = 0; i < keys; i++) table.claim(replayKey(i), 100);
    const forgotten = [1, 2, 3, 4].map(() => table.expire(101));
    expect(forgotten.reduce((sum, count) => sum + count)).toBe(keys);
    expect(Math.max(...forgotten)).toBeLessThan(keys / 2);
  });

  // A claim in the middle of its work is made by a fingerprinter that calls back: the rival's whole claim runs
  // before this one has looked at the table.
  it('counts a rival that comes in between as the winner', () => {
    const table = SharedReplayTable.create(fingerprinter, 32);
    const rival = SharedReplayTable.attach(table.memory, new PlainFingerprinter(SECRET));
    const interrupted: Fingerprinter = {
      fingerprint: (key, out) => {
        fingerprinter.fingerprint(key, out);
        expect(rival.claim(key, 100)).toBe('claimed');
      },
    };
    expect(SharedReplayTable.attach(table.memory, interrupted).claim(replayKey(1), 100)).toBe('taken');
  });

  it.each([
    ['PENDING', 1],
    ['DOOMED', 3],
  ])('counts an entry left %s by a lost thread as taken, and never waits for it', (_, state) => {
    const table = SharedReplayTable.create(fingerprinter, 32);
    table.claim(replayKey(1), 100);
    const words = new Int32Array(table.memory);
    const at = words.findIndex((word, index) => index >= 1_000 && (word & 3) === 2);
    words[at] = ((words[at] ?? 0) & ~3) | state;
    expect(table.claim(replayKey(1), 100)).toBe('taken');
    expect(table.has(replayKey(1))).toBe(true);
    expect(table.expire(10_000)).toBe(0);
    expect(table.claim(replayKey(2), 100)).toBe('claimed');
  });
});

describe('shared replay table § threads', () => {
  it('has exactly one winner for each of 20,000 keys that three threads claim at once while slots are freed', async () => {
    const threads = 3;
    const keys = 20_000;
    const table = SharedReplayTable.create(fingerprinter, 256);
    const progress = new Int32Array(new SharedArrayBuffer(4 * threads));
    const outcomes = new Uint8Array(new SharedArrayBuffer(threads * keys)).fill(255);
    const dist = new URL('../../../dist/', import.meta.url).href;
    const racers = Array.from({ length: threads }, (_, self) => {
      const workerData = {
        dist,
        memory: table.memory,
        secret: SECRET,
        progress,
        outcomes,
        self,
        threads,
        keys,
        lead: 8,
      };
      return new Worker(new URL('../../support/replay-racer.mjs', import.meta.url), { workerData });
    });
    const ended = Promise.all(
      racers.map(
        (racer) =>
          new Promise<void>((resolve, reject) => {
            racer.once('error', reject);
            racer.once('exit', () => {
              resolve();
            });
          }),
      ),
    );
    const slowest = (): number => Math.min(...Array.from(progress, (_, i) => Atomics.load(progress, i)));
    while (slowest() < keys) {
      // Keys below the slowest thread's own are no longer claimed by anybody.
      for (let i = 0; i < 200; i++) table.expire(slowest());
      const isOver = await Promise.race([
        ended.then(() => true),
        new Promise((resolve) => setImmediate(resolve, false)),
      ]);
      if (isOver === true) break;
    }
    await ended;

    let wrong = 0;
    const wins = new Array<number>(threads).fill(0);
    for (let number = 0; number < keys; number++) {
      let winners = 0;
      let losers = 0;
      for (let self = 0; self < threads; self++) {
        const outcome = outcomes[self * keys + number];
        if (outcome === 0) {
          winners++;
          wins[self] = (wins[self] ?? 0) + 1;
        }
        if (outcome === 1) losers++;
      }
      if (winners !== 1 || losers !== threads - 1) wrong++;
    }
    expect(wrong).toBe(0);
    // The race was one: no thread won all of it.
    expect(Math.max(...wins)).toBeLessThan(keys);
    table.expire(keys + 2);
    expect(table.stats().keys).toBe(0);
  });
});
