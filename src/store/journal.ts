/**
 * The journal: what must survive a crash, appended and made durable in groups.
 *
 * Rules: payments.md, any proof, 5 and 8 (durable before acting; kept as long as a payment can be valid, over
 * restarts and kill -9). One process at a time: the data directory is locked (data-dir.ts). Main thread only.
 */
import { assert, present } from '../core/assert.js';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { writeAll, type DiskFile } from './disk.js';
import { pickRun, recordsOf, rewriteRun, type JournalFold, type Rewritten } from './journal-compaction.js';
import { diskFailure, wholeRecords } from './journal-file.js';
import { RECORD_HEADER_BYTES, recordBytes, type JournalRecord } from './journal-format.js';
import { GroupBuffer } from './journal-group.js';
import {
  compactPath,
  isEmpty,
  openSegments,
  rotate,
  type ActiveSegment,
  type JournalFiles,
  type SealedSegment,
  type SegmentParts,
} from './journal-segments.js';

export type { JournalFold } from './journal-compaction.js';
export { KEEP_FOREVER, type JournalRecord } from './journal-format.js';

export const JOURNAL_FILE = 'payments.journal';

export interface JournalParts extends SegmentParts {
  /** Bytes of one file before the next is begun; smaller ones are for tests. */
  readonly segmentBytes?: number;
}

export interface JournalStats {
  /** Records in all files, expired ones included. */
  readonly records: number;
  readonly bytes: number;
  readonly segments: number;
  /** Groups made durable since the start: one fdatasync each. */
  readonly groups: number;
  readonly queuedBytes: number;
  readonly isFailed: boolean;
}

/** Told in the same turn in which the log changes: so many records are gone, so many took their place. */
export type Rewriting = (dropped: number, carried: number) => void;

/** Records that become durable together. */
interface Group {
  readonly buffer: GroupBuffer;
  /** Settles for everyone who appended to it. */
  readonly durable: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: MeshError) => void;
}

/** Buffers kept for the groups to come: while one group is written the next one gathers. */
const SPARE_BUFFERS = 2;

export class Journal {
  readonly #parts: JournalParts;
  readonly #segmentBytes: number;
  #sealed: readonly SealedSegment[];
  #active: ActiveSegment;
  #groupsWritten = 0;
  /** Oldest first; the last one gathers. */
  #queue: Group[] = [];
  readonly #spare: GroupBuffer[] = [];
  #queuedBytes = 0;
  #draining: Promise<void> | null = null;
  /** Set while somebody waits for the newest file to be sealed. */
  #onSealed: (() => void) | null = null;
  #compacting: Promise<void> | null = null;
  /** A rewritten run that is being put in its place. */
  #replacing: Promise<void> | null = null;
  /** Readings under way, and files of theirs that nothing is appended to any more. */
  #readers = 0;
  #filesToClose: DiskFile[] = [];
  #failure: MeshError | null = null;
  #isClosed = false;

  private constructor(parts: JournalParts, { sealed, active }: JournalFiles) {
    this.#parts = parts;
    this.#segmentBytes = parts.segmentBytes ?? LIMITS.JOURNAL_SEGMENT_BYTES;
    this.#sealed = sealed;
    this.#active = active;
  }

  /**
   * Opens or creates a journal. A torn last group of the newest file, which nobody was told of, is cut off.
   * @throws MeshError JOURNAL_CORRUPT where a file is damaged or missing; JOURNAL_FAILED where the disk fails
   */
  static async open(parts: JournalParts): Promise<Journal> {
    try {
      return new Journal(parts, await openSegments(parts));
    } catch (error) {
      throw error instanceof MeshError ? error : diskFailure(parts.path, error);
    }
  }

  /**
   * Unix seconds since when every record that was ever appended and has not expired is in this journal; 0 where that
   * is so for all time, since the journal is as old as the node's identity (`isFirstRun` when it was made). A journal
   * that was lost and made anew is never whole again; one that an old backup has replaced cannot be told from a whole one.
   */
  get knowsSince(): number {
    const { isWhole, beganAt } = this.#active.contents.header;
    return isWhole ? 0 : beganAt;
  }

  /** Unix seconds up to which records may have been dropped as expired; 0 where none were. */
  get droppedAt(): number {
    return Math.max(0, ...this.#sealed.map(({ header }) => header.droppedAt));
  }

  /** Whether an append of so many bytes of payload, in one record, would be taken now. */
  hasRoom(payloadBytes: number): boolean {
    const queuedBytes = this.#queuedBytes + RECORD_HEADER_BYTES + payloadBytes;
    return this.#failure === null && !this.#isClosed && queuedBytes <= LIMITS.JOURNAL_QUEUED_BYTES;
  }

  /**
   * Appends records; all of them or none are there after a crash. Their bytes are copied at once.
   * @returns when they are durable: the same promise for all that become so together
   * @throws MeshError JOURNAL_BUSY where too much waits already, and SHUTTING_DOWN: then nothing was written;
   *   JOURNAL_FAILED, now and from then on, where the disk failed (the records may or may not be on it)
   */
  append(records: readonly JournalRecord[]): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isClosed) {
      return Promise.reject(new MeshError('SHUTTING_DOWN', 'the journal is closed: the module is stopping.'));
    }
    let bytes = 0;
    for (const record of records) bytes += recordBytes(record);
    assert(records.length > 0 && bytes <= LIMITS.JOURNAL_GROUP_BYTES, 'one append fits in one group');
    if (this.#queuedBytes + bytes > LIMITS.JOURNAL_QUEUED_BYTES) {
      const { path } = this.#parts;
      return Promise.reject(
        new MeshError(
          'JOURNAL_BUSY',
          `${this.#queuedBytes} bytes wait for ${path}: the disk is too slow for this load.`,
          { file: path, queuedBytes: this.#queuedBytes },
        ),
      );
    }
    const group = this.#groupFor(bytes);
    for (const record of records) group.buffer.add(record);
    this.#queuedBytes += bytes;
    this.#draining ??= this.#drain();
    return group.durable;
  }

  #groupFor(bytes: number): Group {
    const gathering = this.#queue.at(-1);
    if (gathering?.buffer.fits(bytes) === true) return gathering;
    let settle: Pick<Group, 'resolve' | 'reject'> | null = null;
    const durable = new Promise<void>((resolve, reject) => (settle = { resolve, reject }));
    const { resolve, reject } = present<Pick<Group, 'resolve' | 'reject'>>(
      settle,
      'a promise is made at once',
    );
    const group = { buffer: this.#spare.pop() ?? new GroupBuffer(), durable, resolve, reject };
    this.#queue.push(group);
    return group;
  }

  /**
   * All records that are durable at the time of the call, oldest first, expired ones included, some hundreds at a time.
   * Nothing is rewritten meanwhile; appends go on. Payloads are parts of memory that is not written to again.
   * @throws MeshError JOURNAL_CORRUPT, JOURNAL_FAILED
   */
  async *batches(): AsyncGenerator<readonly JournalRecord[], void> {
    while (this.#replacing !== null) await this.#replacing;
    const sealed = this.#sealed;
    const { file, path, contents } = this.#active;
    const { disk } = this.#parts;
    this.#readers += 1;
    try {
      for (const segment of sealed) yield* recordsOf(disk, segment);
      yield* wholeRecords(file, path, contents.end);
    } catch (error) {
      throw error instanceof MeshError ? error : diskFailure(path, error);
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0) await this.#closeFiles();
    }
  }

  /** The same records one by one, for those who have time. */
  async *records(): AsyncGenerator<JournalRecord, void> {
    for await (const batch of this.batches()) yield* batch;
  }

  /**
   * Rewrites, one after the other, the runs of files of which most records have expired. Appends go on meanwhile. The
   * file that is appended to is sealed where it is one of them, and rewritten when this is called the next time. A disk
   * that fails leaves everything as it was.
   * @param fold makes a fresh one for each run
   * @returns when it is done; never rejects
   */
  compact(fold: () => JournalFold, onRewritten: Rewriting): Promise<void> {
    this.#compacting ??= this.#compact(fold, onRewritten).finally(() => {
      this.#compacting = null;
    });
    return this.#compacting;
  }

  stats(): JournalStats {
    const { contents } = this.#active;
    return {
      records: this.#sealed.reduce((sum, { records }) => sum + records, contents.keepUntils.length),
      bytes: this.#sealed.reduce((sum, { end }) => sum + end, contents.end),
      segments: this.#sealed.length + 1,
      groups: this.#groupsWritten,
      queuedBytes: this.#queuedBytes,
      isFailed: this.#failure !== null,
    };
  }

  /** Makes durable what waits, then closes the files. Later appends are refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#draining;
    const ended = (async () => {
      await this.#compacting;
      await this.#closeFiles();
      await this.#active.file.close();
    })();
    // A disk that failed may never answer again; nothing is left to wait for.
    if (this.#failure !== null) ended.catch(() => undefined);
    else await ended;
  }

  /** Group commit: while one group is synced, the next one gathers. */
  async #drain(): Promise<void> {
    // One turn of the event loop, so that appends of one batch of verdicts share a sync.
    await new Promise((resolve) => setImmediate(resolve));
    while ((this.#queue.length > 0 || this.#onSealed !== null) && this.#failure === null) {
      const onSealed = this.#onSealed;
      this.#onSealed = null;
      const group = onSealed === null ? (this.#queue.shift() ?? null) : null;
      try {
        await this.#withDeadline(group === null ? this.#rotate() : this.#write(group.buffer));
      } catch (error) {
        this.#fail(error, group);
      }
      onSealed?.();
      // A group that failed was told so, and a promise keeps its first outcome.
      group?.resolve();
    }
    this.#draining = null;
  }

  async #write(group: GroupBuffer): Promise<void> {
    const { bodyBytes, keepUntils: added } = group;
    this.#queuedBytes -= bodyBytes;
    const isFull = this.#active.contents.end + bodyBytes > this.#segmentBytes;
    if (isFull && !isEmpty(this.#active.contents)) await this.#rotate();
    const { file, contents, path } = this.#active;
    const { header, end, groups, keepUntils } = contents;
    const bytes = group.finish(groups);
    await writeAll(file, bytes, end);
    await file.dataSync();
    for (const keepUntil of added) keepUntils.push(keepUntil);
    const grown = { header, end: end + bytes.length, groups: groups + 1, keepUntils };
    this.#active = { file, path, contents: grown };
    this.#groupsWritten++;
    group.clear();
    if (this.#spare.length < SPARE_BUFFERS) this.#spare.push(group);
  }

  async #rotate(): Promise<void> {
    const { file } = this.#active;
    const { sealed, active } = await rotate(this.#parts.disk, this.#active);
    this.#sealed = [...this.#sealed, sealed];
    this.#active = active;
    this.#filesToClose.push(file);
    if (this.#readers === 0) await this.#closeFiles();
  }

  async #closeFiles(): Promise<void> {
    const files = this.#filesToClose;
    this.#filesToClose = [];
    for (const file of files) await file.close();
  }

  async #compact(fold: () => JournalFold, onRewritten: Rewriting): Promise<void> {
    const { disk, path, clock, log } = this.#parts;
    const nowSeconds = clock.unixSeconds();
    const isWanted = (): boolean => !this.#isClosed && this.#failure === null;
    try {
      const { keepUntils } = this.#active.contents;
      const expired = keepUntils.filter((keepUntil) => keepUntil < nowSeconds).length;
      if (expired * 2 > keepUntils.length && isWanted()) await this.#seal();
      while (isWanted()) {
        const run = pickRun(this.#sealed, nowSeconds, this.#segmentBytes);
        if (run === null) return;
        const rewritten = await rewriteRun({ disk, path, run, nowSeconds, fold: fold(), isWanted });
        if (rewritten === null || rewritten.dropped === 0) break;
        if (!(await this.#replace(rewritten, onRewritten))) break;
        log.log('info', 'dropped expired records from the journal', {
          records: rewritten.dropped,
          carried: rewritten.carried,
          segments: run.length,
        });
      }
      await disk.remove(compactPath(path));
    } catch (error) {
      log.log('warn', 'the journal could not be rewritten without its expired records; it grows meanwhile', {
        error: errorText(error),
      });
    }
  }

  /** Resolves when the newest file is sealed, between two groups, or when the journal has failed. */
  #seal(): Promise<void> {
    return new Promise((resolve) => {
      this.#onSealed = resolve;
      this.#draining ??= this.#drain();
    });
  }

  /** Puts a rewritten run in its place; false where somebody reads what it would replace. */
  async #replace(rewritten: Rewritten, onRewritten: Rewriting): Promise<boolean> {
    if (this.#readers > 0) return false;
    this.#replacing = this.#putInPlace(rewritten, onRewritten).finally(() => {
      this.#replacing = null;
    });
    await this.#replacing;
    return this.#failure === null;
  }

  /** Never rejects. */
  async #putInPlace({ run, segment, dropped, carried }: Rewritten, onRewritten: Rewriting): Promise<void> {
    const { disk, path, log } = this.#parts;
    try {
      await disk.rename(compactPath(path), segment.path);
    } catch (error) {
      // Nobody knows which of the two has the name now.
      this.#fail(error, null);
      return;
    }
    const at = this.#sealed.findIndex((sealed) => sealed === run[0]);
    this.#sealed = this.#sealed.toSpliced(at, run.length, segment);
    onRewritten(dropped, carried);
    try {
      for (const old of run) if (old.path !== segment.path) await disk.remove(old.path);
    } catch (error) {
      log.log('warn', 'a part of the journal that was rewritten is left over; the next start removes it', {
        error: errorText(error),
      });
    }
  }

  #withDeadline(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#parts.clock.after(LIMITS.JOURNAL_WRITE_MILLIS, () => {
        reject(new Error(`the disk did not answer within ${LIMITS.JOURNAL_WRITE_MILLIS} ms`));
      });
      work.then(resolve, reject).finally(() => {
        timer.cancel();
      });
    });
  }

  /**
   * Gives the journal up. After a failed sync nobody knows what is on the disk, and asking again may answer yes
   * without it being there; so nothing is appended any more, and a restart reads what is really there.
   */
  #fail(cause: unknown, group: Group | null): void {
    const { path, log } = this.#parts;
    const failure = diskFailure(path, cause);
    this.#failure = failure;
    log.log('error', 'the journal failed; no payment is accepted until a restart', {
      file: path,
      error: errorText(cause),
    });
    const rest = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const waiting of group === null ? rest : [group, ...rest]) waiting.reject(failure);
    this.#onSealed?.();
  }
}
