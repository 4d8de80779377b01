// kill -9 of a process that appends to a journal, begins new files of it and rewrites old ones, on a real disk: what was
// told to be durable is there after it, and nothing twice (payments.md, any proof, 8).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { randomBelow, SeededRandom } from '../../src/core/random.js';
import { nodeDisk } from '../../src/store/disk.js';
import { Journal } from '../../src/store/journal.js';
import { temporaryDirectory } from '../support/mesh-process.js';

const WRITER = fileURLToPath(new URL('../support/journal-writer.mjs', import.meta.url));
/** A few groups each, so that files are begun and rewritten all the time. */
const SEGMENT_BYTES = 2_048;
const KILLS = 8;
const MOST_LINES = 50;
const NUMBER = 1;

/** Runs the writer until it has told so many lines, and kills it. @returns the last number that it said is durable */
async function killed(path: string, first: number, lines: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, path, String(SEGMENT_BYTES), String(first)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let told = '';
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => {
    told += chunk.toString();
    if (told.split('\n').length > lines) child.kill('SIGKILL');
  });
  await once(child, 'close');
  expect({ complaints, signal: child.signalCode }).toEqual({ complaints: '', signal: 'SIGKILL' });
  return Number(told.split('\n').at(-2) ?? first - 1);
}

/** What a journal holds: the numbers themselves, and the count and sum of those that were dropped. */
async function read(
  path: string,
): Promise<{ readonly kept: readonly number[]; readonly count: number; readonly sum: number }> {
  const parts = {
    disk: nodeDisk,
    path,
    clock: systemClock,
    log: { log: () => undefined },
    isFirstRun: false,
  };
  const journal = await Journal.open({ ...parts, segmentBytes: SEGMENT_BYTES });
  const kept: number[] = [];
  let [count, sum] = [0, 0];
  for await (const { type, payload } of journal.records()) {
    const view = new DataView(payload.buffer, payload.byteOffset);
    if (type === NUMBER) kept.push(view.getFloat64(0));
    else {
      count += view.getFloat64(0);
      sum += view.getFloat64(8);
    }
  }
  await journal.close();
  return { kept, count, sum };
}

describe('journal › kill -9 while it is written, rotated and rewritten', () => {
  it('loses nothing that was told to be durable, and shows nothing twice', async () => {
    const random = new SeededRandom(1);
    const path = join(temporaryDirectory(), 'payments.journal');
    let next = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const durable = await killed(path, next, 1 + randomBelow(random, MOST_LINES));
      const { kept, count, sum } = await read(path);
      // Records become durable in the order of their numbers.
      const last = Math.max(...kept, durable);
      expect(last).toBeGreaterThanOrEqual(durable);
      const evens = kept.filter((number) => number % 2 === 0);
      const odds = kept.filter((number) => number % 2 === 1);
      expect(evens.sort((a, b) => a - b)).toEqual(
        Array.from({ length: Math.floor(last / 2) + 1 }, (_, n) => 2 * n),
      );
      const oddCount = Math.floor((last + 1) / 2);
      expect(new Set(odds).size).toBe(odds.length);
      expect(odds.length + count).toBe(oddCount);
      expect(odds.reduce((all, number) => all + number, 0) + sum).toBe(oddCount ** 2);
      next = last + 1;
    }
    expect(next).toBeGreaterThan(KILLS);
    // Rewriting took place: files were begun by the hundred, and few are left.
    expect((await readdir(join(path, '..'))).length).toBeLessThan(next / 20);
  });
});
