// The journal: what was acknowledged is there after any crash, what is damaged is never passed over in silence.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { Log } from '../../../src/core/ports.js';
import { Journal, KEEP_FOREVER, type JournalRecord } from '../../../src/store/journal.js';
import { FILE_HEADER_BYTES } from '../../../src/store/journal-format.js';
import { MemoryDisk } from './memory-disk.js';

const PATH = 'payments.journal';
const START = 1_800_000_000;
const silent: Log = { log: () => undefined };

function record(number: number, keepUntil = KEEP_FOREVER, bytes = 8): JournalRecord {
  const payload = new Uint8Array(bytes);
  new DataView(payload.buffer).setUint32(0, number);
  return { type: number % 256, keepUntil, payload };
}

function numberOf({ payload }: JournalRecord): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

function opened(disk: MemoryDisk, clock = new VirtualClock(START)): Promise<Journal> {
  return Journal.open({ disk, path: PATH, clock, log: silent, isFirstRun: true });
}

async function recordsOf(journal: Journal): Promise<JournalRecord[]> {
  const found: JournalRecord[] = [];
  for await (const item of journal.records()) found.push(item);
  return found;
}

async function numbersOf(disk: MemoryDisk): Promise<number[]> {
  const journal = await opened(disk);
  const numbers = (await recordsOf(journal)).map(numberOf);
  await journal.close();
  return numbers;
}

/** A disk with a journal of groups of the given records; also the offsets at which the groups start, and the end. */
async function diskOf(
  groups: readonly (readonly JournalRecord[])[],
): Promise<{ disk: MemoryDisk; starts: number[] }> {
  const disk = new MemoryDisk();
  const journal = await opened(disk);
  const starts = [journal.stats().bytes];
  for (const group of groups) {
    await journal.append(group);
    starts.push(journal.stats().bytes);
  }
  await journal.close();
  return { disk, starts };
}

describe('journal', () => {
  it('gives back all records in order, with their type, their time and their bytes', async () => {
    const records = [
      record(1, START + 5),
      record(2),
      { type: 255, keepUntil: KEEP_FOREVER, payload: new Uint8Array(0) },
    ];
    const { disk } = await diskOf([records.slice(0, 2), records.slice(2)]);
    const journal = await opened(disk);
    expect(await recordsOf(journal)).toEqual(records);
    expect(journal.stats()).toMatchObject({ records: 3, segments: 1, isFailed: false });
  });

  it('gives back what was appended since it was opened', async () => {
    const { disk } = await diskOf([[record(1)]]);
    const journal = await opened(disk);
    await journal.append([record(2)]);
    expect((await recordsOf(journal)).map(numberOf)).toEqual([1, 2]);
  });

  it('acknowledges only after the sync', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    const syncsBefore = disk.syncs;
    await journal.append([record(1)]);
    expect(disk.syncs).toBe(syncsBefore + 1);
    const after = disk.crash((synced) => synced);
    expect(await numbersOf(after)).toEqual([1]);
  });

  it('syncs once for all that waits', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => journal.append([record(index)])));
    expect(journal.stats().groups).toBe(1);
    expect(await numbersOf(disk)).toEqual(Array.from({ length: 1_000 }, (_, index) => index));
  });

  it('divides what waits into groups of bounded size', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    const large = LIMITS.JOURNAL_GROUP_BYTES / 2;
    await Promise.all(
      Array.from({ length: 6 }, (_, index) => journal.append([record(index, KEEP_FOREVER, large - 13)])),
    );
    expect(journal.stats().groups).toBe(3);
    expect(await numbersOf(disk)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('takes a disk that writes short', async () => {
    const disk = new MemoryDisk();
    disk.writeBytes = 3;
    const journal = await opened(disk);
    await journal.append([record(1), record(2)]);
    expect(await numbersOf(disk)).toEqual([1, 2]);
  });

  it('refuses to append when too much waits, and goes on afterwards', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    disk.before = (operation) => (operation === 'sync' ? released : undefined);
    const bytes = LIMITS.JOURNAL_GROUP_BYTES - 13;
    const fitting = Array.from(
      { length: LIMITS.JOURNAL_QUEUED_BYTES / LIMITS.JOURNAL_GROUP_BYTES },
      (_, index) => journal.append([record(index, KEEP_FOREVER, bytes)]),
    );
    await expect(journal.append([record(99)])).rejects.toMatchObject({ code: 'JOURNAL_BUSY' });
    release();
    await Promise.all(fitting);
    await journal.append([record(100)]);
    expect(journal.stats().queuedBytes).toBe(0);
  });

  it('refuses to append once it is closed, after it made durable what waited', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    const pending = journal.append([record(1)]);
    await journal.close();
    await pending;
    await expect(journal.append([record(2)])).rejects.toMatchObject({ code: 'SHUTTING_DOWN' });
    expect(await numbersOf(disk)).toEqual([1]);
  });
});

describe('journal on a failing disk', () => {
  it.each(['write', 'sync'] as const)('fails closed for ever after one failed %s', async (failing) => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    await journal.append([record(1)]);
    disk.before = (operation) => {
      if (operation === failing) throw new Error('EIO');
    };
    const first = journal.append([record(2)]);
    const second = journal.append([record(3)]);
    await expect(first).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
    await expect(second).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
    disk.before = () => undefined;
    await expect(journal.append([record(4)])).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
    expect(journal.stats().isFailed).toBe(true);
    await journal.close();
    expect((await numbersOf(disk))[0]).toBe(1);
  });

  it('fails where the disk takes no bytes', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    disk.writeBytes = 0;
    await expect(journal.append([record(1)])).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
  });

  it('fails where the disk does not answer within the deadline', async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock(START);
    const journal = await opened(disk, clock);
    let reached = (): void => undefined;
    const syncing = new Promise<void>((resolve) => (reached = resolve));
    disk.before = (operation) => {
      if (operation !== 'sync') return;
      reached();
      return new Promise(() => undefined);
    };
    const pending = journal.append([record(1)]);
    await syncing;
    clock.advance(LIMITS.JOURNAL_WRITE_MILLIS);
    await expect(pending).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
  });

  it('says so where it cannot be opened or read', async () => {
    const { disk } = await diskOf([[record(1)]]);
    for (const failing of ['list', 'open', 'read', 'remove'] as const) {
      disk.before = (operation) => {
        if (operation === failing) throw new Error('EIO');
      };
      await expect(opened(disk)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
    }
  });
});

describe('journal recovery', () => {
  const groups = [[record(1)], [record(2), record(3)], [record(4), record(5, START + 9, 40)]];

  it('cuts a torn last group off at every byte, and goes on behind the rest', async () => {
    const { disk, starts } = await diskOf(groups);
    const whole = disk.contentOf(PATH);
    for (let length = (starts[2] ?? 0) + 1; length < whole.length; length++) {
      disk.put(PATH, whole.subarray(0, length));
      const journal = await opened(disk);
      await journal.append([record(6)]);
      await journal.close();
      expect(await numbersOf(disk)).toEqual([1, 2, 3, 6]);
    }
  });

  it('cuts off a last group of which any part was not written', async () => {
    const { disk, starts } = await diskOf(groups);
    const whole = disk.contentOf(PATH);
    const last = starts[2] ?? 0;
    for (let from = last; from < whole.length; from++) {
      // A file system may have made the file longer without having written what is in it.
      disk.put(PATH, whole.slice().fill(0, last, from + 1));
      expect(await numbersOf(disk)).toEqual([1, 2, 3]);
      disk.put(PATH, whole.slice().fill(0, from));
      expect([
        [1, 2, 3],
        [1, 2, 3, 4, 5],
      ]).toContainEqual(await numbersOf(disk));
    }
  });

  it('reports every flipped byte before the last group, with the offset of its group', async () => {
    const { disk, starts } = await diskOf(groups);
    const whole = disk.contentOf(PATH);
    for (let at = 0; at < (starts[2] ?? 0); at++) {
      const damaged = whole.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      disk.put(PATH, damaged);
      const offset = at < FILE_HEADER_BYTES ? 0 : starts.findLast((start) => start <= at);
      await expect(opened(disk), `byte ${at}`).rejects.toMatchObject({
        code: 'JOURNAL_CORRUPT',
        facts: { offset },
      });
      expect(disk.contentOf(PATH)).toEqual(damaged);
    }
  });

  it('reports a missing group', async () => {
    const { disk, starts } = await diskOf(groups);
    const whole = disk.contentOf(PATH);
    const [, second, third] = starts;
    disk.put(PATH, Buffer.concat([whole.subarray(0, second), whole.subarray(third)]));
    await expect(opened(disk)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  });

  it('reports more bytes behind than one torn group can hold', async () => {
    const { disk } = await diskOf(groups);
    disk.put(PATH, Buffer.concat([disk.contentOf(PATH), new Uint8Array(LIMITS.JOURNAL_GROUP_BYTES + 100)]));
    await expect(opened(disk)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  });

  it.each([0, 1, FILE_HEADER_BYTES - 1])('reports a file of %i bytes', async (length) => {
    const { disk } = await diskOf(groups);
    disk.put(PATH, disk.contentOf(PATH).subarray(0, length));
    await expect(opened(disk)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT', facts: { offset: 0 } });
  });

  it('keeps what was acknowledged through random crashes', async () => {
    const step = fc.record({
      appends: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 5 }),
      keptBytes: fc.double({ min: 0, max: 1, noNaN: true }),
      isZeroed: fc.boolean(),
      writesBeforeCrash: fc.integer({ min: 0, max: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
        let disk = new MemoryDisk();
        let next = 0;
        let durable: number[] = [];
        for (const { appends, keptBytes, isZeroed, writesBeforeCrash } of steps) {
          const journal = await opened(disk);
          const found = (await recordsOf(journal)).map(numberOf);
          expect(found.slice(0, durable.length)).toEqual(durable);
          durable = found;
          let left = writesBeforeCrash;
          disk.before = (operation) => {
            if ((operation === 'write' || operation === 'sync') && left-- <= 0) throw new Error('crashed');
          };
          const attempts = appends.map(async (count) => {
            const numbers = Array.from({ length: count }, () => next++);
            await journal.append(numbers.map((number) => record(number)));
            durable.push(...numbers);
          });
          await Promise.allSettled(attempts);
          disk = disk.crash((synced, unsynced) => {
            const kept = synced.length + Math.floor((unsynced.length - synced.length) * keptBytes);
            return isZeroed ? unsynced.slice().fill(0, kept) : unsynced.slice(0, kept);
          });
        }
        const found = await numbersOf(disk);
        expect(found.slice(0, durable.length)).toEqual(durable);
        expect(found).toEqual([...found].sort((a, b) => a - b));
      }),
    );
  });
});
