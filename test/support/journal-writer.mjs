/**
 * Appends to a journal and rewrites it, both all the time, until it is killed: the child of test/e2e/journal-kill.test.ts.
 * Arguments: path of the journal, bytes of a segment, the first number. Each record holds the next number; odd ones have
 * expired when they are written. What is durable is told as `number\n`, one write each.
 */
import { writeSync } from 'node:fs';
import { systemClock } from '../../dist/core/clock.js';
import { nodeDisk } from '../../dist/store/disk.js';
import { Journal, KEEP_FOREVER } from '../../dist/store/journal.js';

const [path, segmentBytes, first] = process.argv.slice(2);
const NUMBER = 1;
const COUNTED = 2;
const MOST_AT_ONCE = 20;

const journal = await Journal.open({
  disk: nodeDisk,
  path,
  clock: systemClock,
  log: { log: () => undefined },
  isFirstRun: true,
  segmentBytes: Number(segmentBytes),
});

function record(number) {
  const payload = new Uint8Array(8);
  new DataView(payload.buffer).setFloat64(0, number);
  return { type: NUMBER, keepUntil: number % 2 === 1 ? 1 : KEEP_FOREVER, payload };
}

/** Puts the count and the sum of what is dropped in its place, with those of earlier times. */
function counting() {
  let [count, sum] = [0, 0];
  return {
    take: ({ type, payload }, isExpired) => {
      const view = new DataView(payload.buffer, payload.byteOffset);
      if (type === COUNTED) {
        count += view.getFloat64(0);
        sum += view.getFloat64(8);
        return true;
      }
      if (isExpired) {
        count += 1;
        sum += view.getFloat64(0);
      }
      return isExpired;
    },
    carried: () => {
      const payload = new Uint8Array(16);
      const view = new DataView(payload.buffer);
      view.setFloat64(0, count);
      view.setFloat64(8, sum);
      return [{ type: COUNTED, keepUntil: KEEP_FOREVER, payload }];
    },
  };
}

async function append() {
  for (let next = Number(first); ;) {
    const count = 1 + Math.floor(Math.random() * MOST_AT_ONCE);
    const last = next + count - 1;
    await journal.append(Array.from({ length: count }, (_, index) => record(next + index)));
    writeSync(1, `${last}\n`);
    next = last + 1;
  }
}

async function compact() {
  for (;;) {
    await journal.compact(counting, () => undefined);
    await new Promise(setImmediate);
  }
}

await Promise.race([append(), compact()]);
