/**
 * One segment of the journal as a file: written whole beside its place, checked, its torn end cut off.
 *
 * Rules: payments.md, any proof, 8. A new file appears only whole: it is written under another name and renamed.
 */
import { errorText, MeshError } from '../core/errors.js';
import type { Log } from '../core/ports.js';
import { readFully, writeAll, type Disk, type DiskFile } from './disk.js';
import {
  decodeFileHeader,
  encodeFileHeader,
  FILE_HEADER_BYTES,
  recordBytes,
  visitRecords,
  type JournalRecord,
  type SegmentHeader,
} from './journal-format.js';
import { GroupBuffer } from './journal-group.js';
import { readGroups } from './journal-reader.js';

/** A segment, and how far it is written. */
export interface SegmentContents {
  readonly header: SegmentHeader;
  /** Bytes: where the next group goes. */
  readonly end: number;
  readonly groups: number;
  /** Until when each of its records is kept, in order. */
  readonly keepUntils: number[];
}

export interface SegmentFile {
  readonly file: DiskFile;
  readonly contents: SegmentContents;
}

/** Writes a whole new segment and makes it durable; the name that it has is for the caller to change. */
export async function writeSegment(
  disk: Disk,
  path: string,
  header: SegmentHeader,
  records: Iterable<JournalRecord> | AsyncIterable<JournalRecord>,
): Promise<SegmentFile> {
  const file = await disk.create(path);
  try {
    const keepUntils: number[] = [];
    let end = 0;
    let groups = 0;
    const group = new GroupBuffer();
    const put = async (bytes: Uint8Array): Promise<void> => {
      await writeAll(file, bytes, end);
      end += bytes.length;
    };
    const putGroup = async (): Promise<void> => {
      await put(group.finish(groups++));
      for (const keepUntil of group.keepUntils) keepUntils.push(keepUntil);
      group.clear();
    };
    await put(encodeFileHeader(header));
    for await (const record of records) {
      if (!group.fits(recordBytes(record))) await putGroup();
      group.add(record);
    }
    if (group.records > 0) await putGroup();
    await file.dataSync();
    return { file, contents: { header, end, groups, keepUntils } };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** @throws MeshError JOURNAL_CORRUPT where the file is no segment */
export async function readHeader(file: DiskFile, path: string): Promise<SegmentHeader> {
  const head = new Uint8Array(FILE_HEADER_BYTES);
  const header = decodeFileHeader(head.subarray(0, await readFully(file, head, 0)));
  if (header === null) throw damage(path, 0, 'it does not start like a journal');
  return header;
}

/**
 * Checks a whole segment.
 * @param onTorn called where a crash tore the last group, with where that starts and what is left of it; a segment
 *   that no group was written to any more cannot be torn
 * @throws MeshError JOURNAL_CORRUPT
 */
export async function scanSegment(
  file: DiskFile,
  path: string,
  header: SegmentHeader,
  onTorn: ((offset: number, bytes: number) => Promise<void>) | null,
): Promise<SegmentContents> {
  const keepUntils: number[] = [];
  let end = FILE_HEADER_BYTES;
  let groups = 0;
  const reader = readGroups(file, FILE_HEADER_BYTES, await file.size());
  for (;;) {
    const next = await reader.next();
    if (next.done !== true) {
      for (const { body, end: groupEnd } of next.value) {
        visitRecords(body, (_type, keepUntil) => {
          keepUntils.push(keepUntil);
        });
        end = groupEnd;
        groups += 1;
      }
      continue;
    }
    const tail = next.value;
    if (tail.kind === 'damaged') throw damage(path, end, tail.why);
    if (tail.kind === 'torn') {
      if (onTorn === null)
        throw damage(path, end, 'it ends within a group, and others were written after it');
      await onTorn(end, tail.bytes);
    }
    return { header, end, groups, keepUntils };
  }
}

/** Cuts a torn last group off: nobody was told that it was written. */
export async function cutTail(
  file: DiskFile,
  path: string,
  offset: number,
  bytes: number,
  log: Log,
): Promise<void> {
  await file.truncate(offset);
  await file.dataSync();
  log.log('warn', 'cut off a torn write at the end of the journal; none of it had been acted on', {
    file: path,
    offset,
    bytes,
  });
}

/**
 * The records of a segment that was checked before, as many at a time as one reading of the file brings. Their payloads
 * are parts of memory that is not written to again.
 * @throws MeshError JOURNAL_CORRUPT, JOURNAL_FAILED
 */
export async function* wholeRecords(
  file: DiskFile,
  path: string,
  end: number,
): AsyncGenerator<readonly JournalRecord[], void> {
  const reader = readGroups(file, FILE_HEADER_BYTES, end);
  let at = FILE_HEADER_BYTES;
  try {
    for (;;) {
      const next = await reader.next();
      if (next.done === true) {
        if (next.value.kind === 'whole') return;
        throw damage(path, at, 'a group that was whole before cannot be read any more');
      }
      const records: JournalRecord[] = [];
      for (const { body, end: groupEnd } of next.value) {
        visitRecords(body, (type, keepUntil, from, to) => {
          records.push({ type, keepUntil, payload: body.subarray(from, to) });
        });
        at = groupEnd;
      }
      yield records;
    }
  } catch (error) {
    throw error instanceof MeshError ? error : diskFailure(path, error);
  }
}

/** The journal cannot be read, and nothing that was written can be trusted to be all. */
export function damage(path: string, offset: number, why: string): MeshError {
  return new MeshError(
    'JOURNAL_CORRUPT',
    `${path} is damaged at byte ${offset}: ${why}. Check the disk and restore the journal from a backup. Without it ` +
      'payments that were used before could be used again, so the module does not start by itself with a new one; ' +
      'move all files of the journal away to accept that. Payments that are older than the new one are then refused.',
    { file: path, offset },
  );
}

/** The system refused to read or write. */
export function diskFailure(path: string, cause: unknown): MeshError {
  return new MeshError(
    'JOURNAL_FAILED',
    `cannot read or write ${path}: ${errorText(cause)}. Check the disk and its free space, then restart the module.`,
    { file: path },
    { cause },
  );
}
