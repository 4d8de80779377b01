/**
 * Rewrites sealed segments of the journal without what has expired, beside the running journal.
 *
 * Rules: payments.md, any proof, 8 (a record is kept until its time) and Fee split (balances recomputed from the log:
 * what dropped postings moved is carried forward). A run of neighbours becomes one segment, so that years of traffic
 * do not leave thousands of small files. Each rewriting drops more than half of some segment: its cost is bounded by
 * what was written.
 */
import type { Disk } from './disk.js';
import { wholeRecords, writeSegment } from './journal-file.js';
import type { JournalRecord, SegmentHeader } from './journal-format.js';
import { compactPath, sealedPath, sealedSegment, type SealedSegment } from './journal-segments.js';

/** Asked when records are dropped; what it returns takes their place, such as balances carried forward. */
export interface JournalFold {
  /**
   * Called for each record of what is rewritten, oldest first.
   * @returns whether what `carried` returns stands for it, and it goes
   */
  take(record: JournalRecord, isExpired: boolean): boolean;
  /** Called once, after the last of them. */
  carried(): readonly JournalRecord[];
}

/** A run of sealed segments, rewritten beside them. */
export interface Rewritten {
  readonly run: readonly SealedSegment[];
  /** What takes its place, once its file has the name that it says. */
  readonly segment: SealedSegment;
  readonly dropped: number;
  readonly carried: number;
}

/** Records folded before packets have their turn: a few milliseconds. */
const RECORDS_AT_ONCE = 256;

/** A neighbour that is no larger than this part of a segment is rewritten along. */
const SMALL_PART = 4;

/**
 * The next run that is worth rewriting: neighbours around one of which more than half has expired, as many as fit in
 * one segment.
 */
export function pickRun(
  sealed: readonly SealedSegment[],
  nowSeconds: number,
  segmentBytes: number,
): readonly SealedSegment[] | null {
  const isDue = (segment: SealedSegment): boolean =>
    segment.records > 0 && segment.halfExpiredBy < nowSeconds;
  const keptBytes = (segment: SealedSegment): number => (isDue(segment) ? segment.end / 2 : segment.end);
  const start = sealed.findIndex(isDue);
  const due = sealed[start];
  if (due === undefined) return null;
  let [from, to] = [start, start + 1];
  let bytes = keptBytes(due);
  const fits = (neighbour: SealedSegment | undefined): neighbour is SealedSegment =>
    neighbour !== undefined &&
    (isDue(neighbour) || neighbour.end * SMALL_PART <= segmentBytes) &&
    bytes + keptBytes(neighbour) <= segmentBytes;
  for (let before = sealed[from - 1]; fits(before); before = sealed[from - 1]) {
    bytes += keptBytes(before);
    from -= 1;
  }
  for (let after = sealed[to]; fits(after); after = sealed[to]) {
    bytes += keptBytes(after);
    to += 1;
  }
  return sealed.slice(from, to);
}

/**
 * Writes what is left of a run to the file beside, durable, and leaves the run as it is.
 * @param isWanted asked again and again: false ends the work
 * @returns null where it was not wanted any more
 */
export async function rewriteRun(parts: {
  readonly disk: Disk;
  /** Of the newest segment. */
  readonly path: string;
  readonly run: readonly SealedSegment[];
  readonly nowSeconds: number;
  readonly fold: JournalFold;
  readonly isWanted: () => boolean;
}): Promise<Rewritten | null> {
  const { disk, path, run, nowSeconds, fold, isWanted } = parts;
  const [oldest] = run;
  const newest = run.at(-1);
  if (oldest === undefined || newest === undefined) return null;
  const header: SegmentHeader = {
    ...newest.header,
    first: oldest.header.first,
    droppedAt: Math.max(nowSeconds, ...run.map((segment) => segment.header.droppedAt)),
  };
  const counts = { dropped: 0, carried: 0 };
  let seen = 0;
  const kept = async function* (): AsyncGenerator<JournalRecord, void> {
    for (const segment of run) {
      for await (const records of recordsOf(disk, segment)) {
        for (const record of records) {
          if (++seen % RECORDS_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
          if (!isWanted()) return;
          if (fold.take(record, record.keepUntil < nowSeconds)) counts.dropped += 1;
          else yield record;
        }
      }
    }
    const carried = fold.carried();
    counts.carried = carried.length;
    yield* carried;
  };
  const { file, contents } = await writeSegment(disk, compactPath(path), header, kept());
  await file.close();
  if (!isWanted()) return null;
  return { run, segment: sealedSegment(sealedPath(path, header.last), contents), ...counts };
}

/** The records of a sealed segment, some at a time, from a file handle of its own. */
export async function* recordsOf(
  disk: Disk,
  { path, end }: SealedSegment,
): AsyncGenerator<readonly JournalRecord[], void> {
  const file = await disk.open(path);
  if (file === null) throw new Error(`${path} is gone`);
  try {
    yield* wholeRecords(file, path, end);
  } finally {
    await file.close();
  }
}
