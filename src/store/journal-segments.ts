/**
 * The files of a journal: the newest segment, which is appended to, and the sealed ones before it.
 *
 *     payments.journal        the newest, of one number
 *     payments.journal.7      sealed; named by the last number that it stands for
 *     payments.journal.new    the next newest, until the one before is sealed
 *     payments.journal.compact   a rewritten run of sealed ones, until it takes the place of the last of them
 *
 * Every number from 1 to the newest is there exactly once, or the journal is damaged. A crash between two renames
 * leaves either a `.new` whose turn it is, or sealed segments that a rewritten one stands for; both are put right.
 */
import { assert } from '../core/assert.js';
import type { Clock, Log } from '../core/ports.js';
import type { Disk, DiskFile } from './disk.js';
import {
  cutTail,
  damage,
  readHeader,
  scanSegment,
  writeSegment,
  type SegmentContents,
  type SegmentFile,
} from './journal-file.js';
import { FILE_HEADER_BYTES, type SegmentHeader } from './journal-format.js';
import { SlowWork } from './slow-work.js';

/** A segment that is not written to any more. */
export interface SealedSegment {
  readonly path: string;
  readonly header: SegmentHeader;
  /** Bytes. */
  readonly end: number;
  readonly records: number;
  /** Unix seconds after which more than half of the records have expired. */
  readonly halfExpiredBy: number;
}

/** The newest segment. */
export interface ActiveSegment extends SegmentFile {
  readonly path: string;
}

export interface JournalFiles {
  readonly sealed: readonly SealedSegment[];
  readonly active: ActiveSegment;
}

/** What the journal's files are opened with. */
export interface SegmentParts {
  readonly disk: Disk;
  /** Of the newest segment; the others are beside it. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether this node never ran before, so that a journal that is not there was not lost. */
  readonly isFirstRun: boolean;
}

/** Finds, checks and puts right the files of a journal; makes the first one where there is none. */
export async function openSegments(parts: SegmentParts): Promise<JournalFiles> {
  const { disk, path, clock, log } = parts;
  await disk.remove(compactPath(path));
  const numbers = sealedNumbers(path, await disk.list(`${path}.`));
  const file = (await disk.open(path)) ?? (await makeNewest(parts, numbers));
  try {
    await disk.remove(newPath(path));
    const header = await readHeader(file, path);
    if (header.first !== header.last) throw damage(path, 0, 'it stands for more than one segment');
    const progress = new SlowWork(clock, log, 'checking the journal');
    const sealed = await openSealed(parts, numbers, header, progress);
    const contents = await scanSegment(file, path, header, (offset, bytes) =>
      cutTail(file, path, offset, bytes, log),
    );
    return { sealed, active: { path, file, contents } };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Begins the next segment and seals the one before. The old file stays open. */
export async function rotate(
  disk: Disk,
  active: ActiveSegment,
): Promise<{ readonly sealed: SealedSegment; readonly active: ActiveSegment }> {
  const { path, contents } = active;
  const { beganAt, isWhole, last } = contents.header;
  const header: SegmentHeader = { beganAt, isWhole, first: last + 1, last: last + 1, droppedAt: 0 };
  const next = await writeSegment(disk, newPath(path), header, []);
  try {
    await disk.rename(path, sealedPath(path, last));
    await disk.rename(newPath(path), path);
  } catch (error) {
    await next.file.close();
    throw error;
  }
  return { sealed: sealedSegment(sealedPath(path, last), contents), active: { ...next, path } };
}

export function sealedSegment(path: string, contents: SegmentContents): SealedSegment {
  const { header, end, keepUntils } = contents;
  return { path, header, end, records: keepUntils.length, halfExpiredBy: medianOf(keepUntils) };
}

/** Where a sealed segment lies. */
export function sealedPath(path: string, last: number): string {
  return `${path}.${last}`;
}

/** Where a rewritten run is made. */
export function compactPath(path: string): string {
  return `${path}.compact`;
}

function newPath(path: string): string {
  return `${path}.new`;
}

/** Numbers in the names of sealed segments, highest first. */
function sealedNumbers(path: string, found: readonly string[]): readonly number[] {
  return found
    .map((name) => name.slice(path.length + 1))
    .filter((suffix) => /^[1-9]\d{0,14}$/.test(suffix))
    .map(Number)
    .sort((a, b) => b - a);
}

/** The newest segment where it is not there: the first of all, or the one whose turn a crash cut short. */
async function makeNewest(parts: SegmentParts, numbers: readonly number[]): Promise<DiskFile> {
  const { disk, path, clock, isFirstRun } = parts;
  const [highest] = numbers;
  if (highest === undefined) {
    const header = {
      beganAt: clock.unixSeconds(),
      isWhole: isFirstRun,
      first: 1,
      last: 1,
      droppedAt: 0,
    };
    const { file } = await writeSegment(disk, newPath(path), header, []);
    await disk.rename(newPath(path), path);
    return file;
  }
  const file = await disk.open(newPath(path));
  if (file === null) throw damage(path, 0, 'it is missing, and older parts of the journal are there');
  const header = await readHeader(file, newPath(path));
  if (header.first !== highest + 1) {
    await file.close();
    throw damage(path, 0, `it is missing, and older parts of the journal up to number ${highest} are there`);
  }
  await disk.rename(newPath(path), path);
  return file;
}

/** Checks the sealed segments and removes those that a rewritten one stands for; oldest first. */
async function openSealed(
  { disk, path }: SegmentParts,
  numbers: readonly number[],
  newest: SegmentHeader,
  progress: SlowWork,
): Promise<readonly SealedSegment[]> {
  const sealed: SealedSegment[] = [];
  let next = newest.first;
  for (const number of numbers) {
    const own = sealedPath(path, number);
    if (number >= newest.first) throw damage(own, 0, 'it is newer than the newest part of the journal');
    if (number >= next) {
      await disk.remove(own);
      continue;
    }
    if (number !== next - 1) throw damage(path, 0, `part ${next - 1} of the journal is missing`);
    const file = await disk.open(own);
    if (file === null) throw damage(own, 0, 'it vanished while it was read');
    try {
      const header = await readHeader(file, own);
      const isRange = header.last === number && header.first >= 1 && header.first <= number;
      if (!isRange || header.beganAt !== newest.beganAt)
        throw damage(own, 0, 'it belongs to another journal');
      sealed.unshift(sealedSegment(own, await scanSegment(file, own, header, null)));
      next = header.first;
    } finally {
      await file.close();
    }
    progress.at({ segmentsLeft: next - 1 });
  }
  if (next !== 1) throw damage(path, 0, `part ${next - 1} of the journal is missing`);
  return sealed;
}

function medianOf(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = Float64Array.from(values).sort();
  const median = sorted[sorted.length >> 1];
  assert(median !== undefined, 'a list that is not empty has a median');
  return median;
}

/** Whether a segment holds no group. */
export function isEmpty({ end }: { readonly end: number }): boolean {
  return end === FILE_HEADER_BYTES;
}
