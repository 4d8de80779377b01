// The journal over several files: sealed in time, rewritten without what has expired, whole after any crash.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import type { Log } from '../../../src/core/ports.js';
import { Journal, KEEP_FOREVER, type JournalFold, type JournalRecord } from '../../../src/store/journal.js';
import { encodeFileHeader, FILE_HEADER_BYTES } from '../../../src/store/journal-format.js';
import { pickRun } from '../../../src/store/journal-compaction.js';
import type { SealedSegment } from '../../../src/store/journal-segments.js';
import { MemoryDisk } from './memory-disk.js';

const PATH = 'payments.journal';
const START = 1_800_000_000;
/** Room for three groups of one record each. */
const SEGMENT_BYTES = 200;
const silent: Log = { log: () => undefined };

function record(number: number, keepUntil = KEEP_FOREVER): JournalRecord {
  const payload = new Uint8Array(8);
  new DataView(payload.buffer).setUint32(0, number);
  return { type: 1, keepUntil, payload };
}

function numberOf({ payload }: JournalRecord): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

function opened(
  disk: MemoryDisk,
  clock = new VirtualClock(START),
  isFirstRun = true,
  segmentBytes = SEGMENT_BYTES,
): Promise<Journal> {
  return Journal.open({ disk, path: PATH, clock, log: silent, isFirstRun, segmentBytes });
}

async function numbersIn(journal: Journal): Promise<number[]> {
  const numbers: number[] = [];
  for await (const item of journal.records()) numbers.push(numberOf(item));
  return numbers;
}

async function numbersOf(disk: MemoryDisk, clock?: VirtualClock): Promise<number[]> {
  const journal = await opened(disk, clock);
  const numbers = await numbersIn(journal);
  await journal.close();
  return numbers;
}

/** Appends one record after the other, each in a group of its own. */
async function appendAll(journal: Journal, records: readonly JournalRecord[]): Promise<void> {
  for (const item of records) await journal.append([item]);
}

/** Counts what is dropped: one record of type 2 says how many there were, together with those counted before. */
function counting(): JournalFold {
  let dropped = 0;
  return {
    take: (item, isExpired) => {
      if (item.type === 2) dropped += numberOf(item) - 1_000;
      else if (isExpired) dropped += 1;
      return isExpired || item.type === 2;
    },
    carried: () => [{ ...record(1_000 + dropped), type: 2 }],
  };
}

const dropping = (): JournalFold => ({ take: (_, isExpired) => isExpired, carried: () => [] });
const unheard = (): void => undefined;

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, index) => from + index);

describe('journal segments', () => {
  it('begin a new file when one is full, and give back all records in order', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    await appendAll(
      journal,
      range(0, 10).map((number) => record(number)),
    );
    expect(journal.stats()).toMatchObject({ records: 10, segments: 4 });
    expect(await numbersIn(journal)).toEqual(range(0, 10));
    expect([...disk.files.keys()].sort()).toEqual([PATH, `${PATH}.1`, `${PATH}.2`, `${PATH}.3`]);
    for (const { bytes } of disk.files.values()) expect(bytes.length).toBeLessThanOrEqual(SEGMENT_BYTES);
    await journal.close();
    expect(await numbersOf(disk)).toEqual(range(0, 10));
  });

  it('are read to the end that they had, whatever is appended and sealed meanwhile', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    await appendAll(
      journal,
      range(0, 4).map((number) => record(number)),
    );
    const seen: number[] = [];
    for await (const item of journal.records()) {
      seen.push(numberOf(item));
      await journal.append([record(100 + seen.length)]);
    }
    expect(seen).toEqual([0, 1, 2, 3]);
    await journal.close();
    expect(await numbersOf(disk)).toEqual([0, 1, 2, 3, 101, 102, 103, 104]);
  });

  it.each(['a sealed one', 'the newest', 'the first', 'the last sealed one'])(
    'missing %s stop the start',
    async (which) => {
      const disk = new MemoryDisk();
      const journal = await opened(disk);
      await appendAll(
        journal,
        range(0, 10).map((number) => record(number)),
      );
      await journal.close();
      const names = {
        'a sealed one': `${PATH}.2`,
        'the newest': PATH,
        'the first': `${PATH}.1`,
        'the last sealed one': `${PATH}.3`,
      };
      disk.files.delete(names[which as keyof typeof names]);
      const before = [...disk.files.keys()];
      await expect(opened(disk)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
      expect([...disk.files.keys()]).toEqual(before);
    },
  );

  it('of another journal stop the start', async () => {
    const [one, other] = [new MemoryDisk(), new MemoryDisk()];
    for (const [disk, at] of [
      [one, START],
      [other, START + 1],
    ] as const) {
      const journal = await opened(disk, new VirtualClock(at));
      await appendAll(
        journal,
        range(0, 10).map((number) => record(number)),
      );
      await journal.close();
    }
    one.put(`${PATH}.2`, other.contentOf(`${PATH}.2`));
    await expect(opened(one)).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
  });

  it('sealed are never cut: a torn tail or a flipped byte in one stops the start, wherever it is', async () => {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    await appendAll(
      journal,
      range(0, 4).map((number) => record(number)),
    );
    await journal.close();
    const whole = disk.contentOf(`${PATH}.1`);
    for (let length = 0; length < whole.length; length++) {
      disk.put(`${PATH}.1`, whole.subarray(0, length));
      // A file that ends between two groups looks whole, but for the records that are not there: it is no torn write.
      const isBetweenGroups = (length - FILE_HEADER_BYTES) % ((whole.length - FILE_HEADER_BYTES) / 3) === 0;
      if (length >= FILE_HEADER_BYTES && isBetweenGroups) continue;
      await expect(opened(disk), `${length} bytes`).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
    }
    for (let at = 0; at < whole.length; at++) {
      disk.put(
        `${PATH}.1`,
        whole.map((byte, index) => (index === at ? byte ^ 0x10 : byte)),
      );
      await expect(opened(disk), `byte ${at}`).rejects.toMatchObject({ code: 'JOURNAL_CORRUPT' });
    }
  });

  it('are whole wherever a crash interrupts appending and sealing', async () => {
    let isDone = false;
    for (let operations = 0; !isDone; operations++) {
      const disk = new MemoryDisk();
      const clock = new VirtualClock(START);
      const journal = await opened(disk, clock);
      let left = operations;
      disk.before = () => {
        if (left-- <= 0) throw new Error('crashed');
      };
      const acknowledged: number[] = [];
      for (const number of range(0, 10)) {
        await journal.append([record(number)]).then(
          () => acknowledged.push(number),
          () => undefined,
        );
      }
      isDone = acknowledged.length === 10;
      for (const unsyncedIsThere of [false, true]) {
        const after = disk.crash((synced, unsynced) => (unsyncedIsThere ? unsynced : synced));
        const found = await numbersOf(after);
        expect(found.slice(0, acknowledged.length)).toEqual(acknowledged);
        expect(found.length - acknowledged.length).toBeLessThanOrEqual(1);
        // And it goes on from there.
        const again = await opened(after);
        await appendAll(
          again,
          range(50, 55).map((number) => record(number)),
        );
        await again.close();
        expect(await numbersOf(after)).toEqual([...found, ...range(50, 55)]);
      }
    }
  });
});

describe('journal compaction', () => {
  /** Records 0 to 11, of which those not divisible by 4 expire at START + 10; over four files. */
  async function filled(): Promise<MemoryDisk> {
    const disk = new MemoryDisk();
    const journal = await opened(disk);
    await appendAll(
      journal,
      range(0, 12).map((number) => record(number, number % 4 === 0 ? KEEP_FOREVER : START + 10)),
    );
    await journal.close();
    return disk;
  }

  it('drops expired records, puts what is carried in their place, and tells so in the same turn', async () => {
    const disk = await filled();
    const clock = new VirtualClock(START + 11);
    const journal = await opened(disk, clock);
    let [dropped, carried] = [0, 0];
    await journal.compact(counting, (gone, come) => {
      dropped += gone;
      carried += come;
      expect(journal.stats().records).toBe(12 - dropped + carried);
    });
    const numbers = await numbersIn(journal);
    expect(numbers.filter((number) => number < 1_000)).toEqual([0, 4, 8]);
    const counted = numbers.filter((number) => number >= 1_000);
    expect(counted.reduce((sum, number) => sum + number - 1_000, 0)).toBe(9);
    expect(journal.droppedAt).toBe(START + 11);
    expect(journal.stats().records).toBe(numbers.length);
    await journal.append([record(99)]);
    await journal.close();
    expect(await numbersOf(disk, clock)).toEqual([...numbers, 99]);
    expect((await opened(disk, clock)).droppedAt).toBe(START + 11);
  });

  it('makes one file of neighbours, and again of those later on', async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock(START);
    const journal = await opened(disk, clock, true, 1_000);
    for (const round of [1, 2, 3]) {
      await appendAll(
        journal,
        range(0, 200).map((number) => record(number, clock.unixSeconds() + 10)),
      );
      expect(journal.stats().segments).toBeGreaterThanOrEqual(10);
      clock.advance(11_000);
      await journal.compact(counting, unheard);
      const { segments } = journal.stats();
      expect(segments, `round ${round}`).toBeLessThanOrEqual(7);
      const numbers = await numbersIn(journal);
      expect(numbers.reduce((sum, number) => sum + number - 1_000, 0)).toBe(200 * round);
    }
  });

  it('keeps records to their last second, and files of which half or less has expired', async () => {
    const disk = await filled();
    const journal = await opened(disk, new VirtualClock(START + 10));
    await journal.compact(dropping, () => expect.unreachable('nothing has expired'));
    expect(journal.stats()).toMatchObject({ records: 12, segments: 4 });
    const half = new MemoryDisk();
    const other = await opened(half);
    await appendAll(
      other,
      range(0, 2).map((number) => record(number, number === 0 ? START + 10 : KEEP_FOREVER)),
    );
    await other.close();
    const again = await opened(half, new VirtualClock(START + 11));
    await again.compact(dropping, () => expect.unreachable('half has expired'));
    expect(again.stats()).toMatchObject({ records: 2, segments: 1 });
  });

  it('goes on beside appends, and none of them waits for it', async () => {
    const disk = await filled();
    const clock = new VirtualClock(START + 11);
    const journal = await opened(disk, clock);
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let creations = 0;
    disk.before = (operation) => {
      if (operation === 'create') creations++;
      // The second file that is made is the rewritten one; the first is the next newest.
      return operation === 'read' && creations >= 1 ? released : undefined;
    };
    const compacted = journal.compact(dropping, unheard);
    await appendAll(
      journal,
      range(100, 110).map((number) => record(number)),
    );
    release();
    await compacted;
    disk.before = () => undefined;
    expect(await numbersIn(journal)).toEqual([0, 4, 8, ...range(100, 110)]);
    await journal.close();
    expect(await numbersOf(disk, clock)).toEqual([0, 4, 8, ...range(100, 110)]);
  });

  it('gives way to whoever reads, and is done the next time', async () => {
    const disk = await filled();
    const journal = await opened(disk, new VirtualClock(START + 11));
    const seen: number[] = [];
    for await (const item of journal.records()) {
      if (seen.length === 0) {
        await journal.compact(dropping, () => expect.unreachable('somebody reads'));
      }
      seen.push(numberOf(item));
    }
    expect(seen).toEqual(range(0, 12));
    await journal.compact(dropping, unheard);
    expect(await numbersIn(journal)).toEqual([0, 4, 8]);
  });

  it('is whole, with each dropped record counted once, wherever a crash interrupts it', async () => {
    const original = await filled();
    const clock = new VirtualClock(START + 11);
    let isDone = false;
    for (let operations = 0; !isDone; operations++) {
      const disk = original.crash((synced) => synced);
      const journal = await opened(disk, clock);
      let left = operations;
      disk.before = () => {
        if (left-- <= 0) throw new Error('crashed');
      };
      await journal.compact(counting, unheard);
      isDone = left > 0;
      const after = disk.crash((synced) => synced);
      const again = await opened(after, clock);
      const numbers = await numbersIn(again);
      const left12 = numbers.filter((number) => number < 1_000);
      const counted = numbers.filter((number) => number >= 1_000).map((number) => number - 1_000);
      expect(left12.length + counted.reduce((sum, count) => sum + count, 0)).toBe(12);
      expect([0, 4, 8].every((number) => left12.includes(number))).toBe(true);
      expect([...after.files.keys()].every((name) => /^payments\.journal(\.\d+)?$/.test(name))).toBe(true);
      await again.append([record(77)]);
      await again.close();
    }
  });

  it('of a disk that fails before anything is replaced leaves the journal in use', async () => {
    const disk = await filled();
    const journal = await opened(disk, new VirtualClock(START + 11));
    let creations = 0;
    disk.before = (operation) => {
      if (operation === 'create' && ++creations > 1) throw new Error('ENOSPC');
    };
    await journal.compact(dropping, () => expect.unreachable('the disk is full'));
    disk.before = () => undefined;
    await journal.append([record(99)]);
    expect(await numbersIn(journal)).toEqual([...range(0, 12), 99]);
    expect(journal.stats().isFailed).toBe(false);
  });

  it('that cannot tell which file has the name gives the journal up', async () => {
    const disk = await filled();
    const journal = await opened(disk, new VirtualClock(START + 11));
    let renames = 0;
    disk.before = (operation) => {
      // Two belong to the sealing of the newest.
      if (operation === 'rename' && ++renames > 2) throw new Error('EIO');
    };
    await journal.compact(dropping, () => expect.unreachable('it was not replaced'));
    await expect(journal.append([record(99)])).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
  });

  it('keeps what is valid and what was counted, over random lives, compactions and restarts', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('append' as const), lives: fc.array(fc.nat(60), { maxLength: 12 }) }),
      fc.record({ kind: fc.constant('wait' as const), seconds: fc.nat(40) }),
      fc.record({ kind: fc.constant('compact' as const) }),
      fc.record({ kind: fc.constant('restart' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const disk = new MemoryDisk();
        const clock = new VirtualClock(START);
        let journal = await opened(disk, clock);
        const until = new Map<number, number>();
        for (const taken of steps) {
          if (taken.kind === 'append') {
            const records = taken.lives.map((life, index) =>
              record(until.size + index, clock.unixSeconds() + life),
            );
            for (const item of records) until.set(numberOf(item), item.keepUntil);
            await appendAll(journal, records);
          } else if (taken.kind === 'wait') clock.advance(taken.seconds * 1_000);
          else if (taken.kind === 'compact') await journal.compact(counting, unheard);
          else {
            await journal.close();
            journal = await opened(disk, clock);
          }
          const numbers = await numbersIn(journal);
          const single = numbers.filter((number) => number < 1_000);
          const counted = numbers.filter((number) => number >= 1_000).map((number) => number - 1_000);
          expect(single.length + counted.reduce((sum, count) => sum + count, 0)).toBe(until.size);
          expect(single).toEqual([...single].sort((a, b) => a - b));
          for (const [number, keepUntil] of until) {
            if (keepUntil >= clock.unixSeconds()) expect(single).toContain(number);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('journal runs', () => {
  const segment = (first: number, end: number, halfExpiredBy: number): SealedSegment => ({
    path: `${PATH}.${first}`,
    header: { beganAt: 0, isWhole: true, first, last: first, droppedAt: 0 },
    end,
    records: 10,
    halfExpiredBy,
  });
  const firsts = (run: readonly SealedSegment[] | null): readonly number[] | null =>
    run?.map(({ header }) => header.first) ?? null;

  it('are neighbours that have expired or are small, as many as fit in one file', () => {
    expect(firsts(pickRun([segment(1, 100, 50)], 50, 100))).toBe(null);
    expect(firsts(pickRun([segment(1, 100, 50)], 51, 100))).toEqual([1]);
    const all = [
      segment(1, 90, 99),
      segment(2, 20, 99),
      segment(3, 60, 5),
      segment(4, 60, 5),
      segment(5, 90, 99),
    ];
    expect(firsts(pickRun(all, 51, 100))).toEqual([2, 3, 4]);
    expect(firsts(pickRun(all, 51, 70))).toEqual([3, 4]);
    expect(firsts(pickRun([...all.slice(0, 2), { ...segment(3, 45, 5), records: 0 }], 51, 100))).toBe(null);
  });
});

describe('journal age', () => {
  it('of a first run knows every payment there ever was, over rewriting and restarts', async () => {
    const disk = new MemoryDisk();
    const first = await opened(disk, new VirtualClock(START), true);
    expect(first.knowsSince).toBe(0);
    await appendAll(
      first,
      range(0, 10).map((number) => record(number, START + 1)),
    );
    await first.compact(dropping, unheard);
    await first.close();
    const later = await opened(disk, new VirtualClock(START + 50), false);
    expect(later.knowsSince).toBe(0);
    await later.compact(dropping, unheard);
    expect(await numbersIn(later)).toEqual([]);
    expect(later.knowsSince).toBe(0);
  });

  it('of one that was lost and made anew begins when it was made, for ever', async () => {
    const disk = new MemoryDisk();
    const made = await opened(disk, new VirtualClock(START), false);
    expect(made.knowsSince).toBe(START);
    await appendAll(
      made,
      range(0, 10).map((number) => record(number)),
    );
    await made.close();
    expect((await opened(disk, new VirtualClock(START + 1_000_000), true)).knowsSince).toBe(START);
  });

  it('is in the checked part of the header', () => {
    const header = { beganAt: START, isWhole: true, first: 1, last: 1, droppedAt: 0 };
    expect(encodeFileHeader(header)).toHaveLength(FILE_HEADER_BYTES);
    expect(encodeFileHeader(header)).not.toEqual(encodeFileHeader({ ...header, isWhole: false }));
  });
});
