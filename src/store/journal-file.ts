/**
 * The journal as a file: opened, checked, its torn end cut off, rewritten without what has expired.
 *
 * Rules: payments.md, any proof, 8. A file appears only whole: it is written beside and renamed.
 */
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import { readFully, writeAll, type Disk, type DiskFile } from './disk.js';
import {
  decodeFileHeader,
  encodeFileHeader,
  encodeGroup,
  FILE_HEADER_BYTES,
  recordBytes,
  type JournalRecord,
} from './journal-format.js';
import { readGroups } from './journal-reader.js';

/** Asked when expired records are dropped; what it returns takes their place, such as balances carried forward. */
export interface JournalFold {
  /** Called for each record that is about to go, oldest first. */
  drop(record: JournalRecord): void;
  /** Called once, after the last of them. */
  carried(): readonly JournalRecord[];
}

/** What a journal file holds, as found when it was opened. */
export interface JournalContents {
  /** Unix seconds. Kept when the file is rewritten. */
  readonly beganAt: number;
  /** Bytes: where the next group goes. */
  readonly end: number;
  readonly groups: number;
  readonly records: number;
  /** How many of the records may be dropped. */
  readonly expired: number;
}

/** A journal file ready to be appended to; it is created where there is none. Errors as Journal.open. */
export async function openJournalFile(parts: {
  readonly disk: Disk;
  readonly path: string;
  readonly nowSeconds: number;
  readonly log: Log;
  readonly fold?: JournalFold;
}): Promise<{ readonly file: DiskFile; readonly contents: JournalContents }> {
  const { disk, path, nowSeconds, log, fold } = parts;
  let file: DiskFile | null = null;
  try {
    await disk.remove(newPath(path));
    file = (await disk.open(path)) ?? (await createFile(disk, path, nowSeconds, []));
    const contents = await recover(file, path, nowSeconds, log);
    if (contents.expired * 2 <= contents.records) return { file, contents };
    const old = file;
    file = await createFile(disk, path, contents.beganAt, keptRecords(old, contents.end, nowSeconds, fold));
    await old.close();
    log.log('info', 'dropped expired records from the journal', { file: path, records: contents.expired });
    return { file, contents: await recover(file, path, nowSeconds, log) };
  } catch (error) {
    await file?.close();
    throw error instanceof MeshError ? error : diskFailure(path, error);
  }
}

function newPath(path: string): string {
  return `${path}.new`;
}

/** Writes a whole new journal beside and puts it in place. */
async function createFile(
  disk: Disk,
  path: string,
  beganAt: number,
  records: Iterable<JournalRecord> | AsyncIterable<JournalRecord>,
): Promise<DiskFile> {
  const file = await disk.create(newPath(path));
  try {
    let at = 0;
    let sequence = 0;
    let group: JournalRecord[] = [];
    let groupBytes = 0;
    const put = async (bytes: Uint8Array): Promise<void> => {
      await writeAll(file, bytes, at);
      at += bytes.length;
    };
    await put(encodeFileHeader(beganAt));
    for await (const record of records) {
      if (groupBytes + recordBytes(record) > LIMITS.JOURNAL_GROUP_BYTES) {
        await put(encodeGroup(sequence++, group));
        group = [];
        groupBytes = 0;
      }
      group.push(record);
      groupBytes += recordBytes(record);
    }
    if (group.length > 0) await put(encodeGroup(sequence, group));
    await file.dataSync();
    await disk.rename(newPath(path), path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Checks the whole file, cuts off a torn tail and counts what is in it. */
async function recover(file: DiskFile, path: string, nowSeconds: number, log: Log): Promise<JournalContents> {
  const size = await file.size();
  const head = new Uint8Array(FILE_HEADER_BYTES);
  const beganAt = decodeFileHeader(head.subarray(0, await readFully(file, head, 0)));
  if (beganAt === null) throw damage(path, 0, 'it does not start like a journal');
  const reader = readGroups(file, FILE_HEADER_BYTES, size);
  let end = FILE_HEADER_BYTES;
  let groups = 0;
  let records = 0;
  let expired = 0;
  for (;;) {
    const next = await reader.next();
    if (next.done !== true) {
      const group = next.value;
      end = group.end;
      groups++;
      records += group.records.length;
      for (const record of group.records) if (isExpired(record, nowSeconds)) expired++;
      continue;
    }
    const tail = next.value;
    if (tail.kind === 'damaged') throw damage(path, end, tail.why);
    if (tail.kind === 'torn') {
      await file.truncate(end);
      await file.dataSync();
      log.log('warn', 'cut off a torn write at the end of the journal; none of it had been acted on', {
        file: path,
        offset: end,
        bytes: tail.bytes,
      });
    }
    return { beganAt, end, groups, records, expired };
  }
}

/** What a rewritten journal holds: what is carried forward of the expired records, then the others. */
async function* keptRecords(
  file: DiskFile,
  end: number,
  nowSeconds: number,
  fold: JournalFold | undefined,
): AsyncGenerator<JournalRecord, void> {
  if (fold !== undefined) {
    for await (const { records } of readGroups(file, FILE_HEADER_BYTES, end)) {
      for (const record of records) if (isExpired(record, nowSeconds)) fold.drop(record);
    }
    yield* fold.carried();
  }
  for await (const { records } of readGroups(file, FILE_HEADER_BYTES, end)) {
    for (const record of records) if (!isExpired(record, nowSeconds)) yield record;
  }
}

function isExpired(record: JournalRecord, nowSeconds: number): boolean {
  return record.keepUntil < nowSeconds;
}

/** The journal cannot be read, and nothing that was written can be trusted to be all. */
export function damage(path: string, offset: number, why: string): MeshError {
  return new MeshError(
    'JOURNAL_CORRUPT',
    `${path} is damaged at byte ${offset}: ${why}. Check the disk and restore the file from a backup. Without it ` +
      'payments that were used before could be used again, so the module does not start by itself with a new one; ' +
      'move the file away to accept that.',
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
