/**
 * The journal: what must survive a crash, appended and made durable in groups.
 *
 * Rules: payments.md, any proof, 5 and 8 (durable before acting; kept as long as a payment can be valid, over
 * restarts and kill -9). One process at a time: the data directory is locked (data-dir.ts). Main thread only.
 */
import { assert } from '../core/assert.js';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import { writeAll, type Disk, type DiskFile } from './disk.js';
import {
  damage,
  diskFailure,
  openJournalFile,
  type JournalContents,
  type JournalFold,
} from './journal-file.js';
import { encodeGroup, FILE_HEADER_BYTES, recordBytes, type JournalRecord } from './journal-format.js';
import { readGroups } from './journal-reader.js';

export type { JournalFold } from './journal-file.js';
export { KEEP_FOREVER, type JournalRecord } from './journal-format.js';

export const JOURNAL_FILE = 'payments.journal';

export interface JournalStats {
  /** Records in the file, expired ones included. */
  readonly records: number;
  readonly bytes: number;
  /** Groups made durable since the start: one fdatasync each. */
  readonly groups: number;
  readonly queuedBytes: number;
  readonly isFailed: boolean;
}

interface Waiting {
  readonly records: readonly JournalRecord[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: MeshError) => void;
}

export class Journal {
  /** Unix seconds: every record appended since then and not yet expired is in this journal. */
  readonly beganAt: number;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #clock: Clock;
  readonly #log: Log;
  #end: number;
  #nextSequence: number;
  #records: number;
  #groupsWritten = 0;
  #queue: Waiting[] = [];
  #queuedBytes = 0;
  #draining: Promise<void> | null = null;
  #failure: MeshError | null = null;
  #isClosed = false;

  private constructor(path: string, file: DiskFile, contents: JournalContents, clock: Clock, log: Log) {
    this.beganAt = contents.beganAt;
    this.#path = path;
    this.#file = file;
    this.#clock = clock;
    this.#log = log;
    this.#end = contents.end;
    this.#nextSequence = contents.groups;
    this.#records = contents.records;
  }

  /**
   * Opens or creates a journal. A torn last group, which nobody was told of, is cut off. Where more than half of the
   * records have expired, the file is rewritten without them.
   * @throws MeshError JOURNAL_CORRUPT where the file is damaged; JOURNAL_FAILED where the disk fails
   */
  static async open(parts: {
    readonly disk: Disk;
    readonly path: string;
    readonly clock: Clock;
    readonly log: Log;
    readonly fold?: JournalFold;
  }): Promise<Journal> {
    const { path, clock, log } = parts;
    const { file, contents } = await openJournalFile({ ...parts, nowSeconds: clock.unixSeconds() });
    return new Journal(path, file, contents, clock, log);
  }

  /**
   * Appends records; all of them or none are there after a crash. The payloads must not change until then.
   * @returns when they are durable
   * @throws MeshError JOURNAL_BUSY where too much waits already; JOURNAL_FAILED, now and from then on, where the disk
   *   failed (the records may or may not be on it); SHUTTING_DOWN
   */
  append(records: readonly JournalRecord[]): Promise<void> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (this.#isClosed) {
      return Promise.reject(new MeshError('SHUTTING_DOWN', 'the journal is closed: the module is stopping.'));
    }
    const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0);
    assert(records.length > 0 && bytes <= LIMITS.JOURNAL_GROUP_BYTES, 'one append fits in one group');
    if (this.#queuedBytes + bytes > LIMITS.JOURNAL_QUEUED_BYTES) {
      return Promise.reject(
        new MeshError(
          'JOURNAL_BUSY',
          `${this.#queuedBytes} bytes wait for ${this.#path}: the disk is too slow for this load.`,
          { file: this.#path, queuedBytes: this.#queuedBytes },
        ),
      );
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ records, bytes, resolve, reject });
      this.#queuedBytes += bytes;
      this.#draining ??= this.#drain();
    });
  }

  /**
   * All records that are durable at the time of the call, oldest first, expired ones included.
   * @throws MeshError JOURNAL_CORRUPT, JOURNAL_FAILED
   */
  async *records(): AsyncGenerator<JournalRecord, void> {
    const groups = readGroups(this.#file, FILE_HEADER_BYTES, this.#end);
    try {
      let at = FILE_HEADER_BYTES;
      for (;;) {
        const next = await groups.next();
        if (next.done === true) {
          if (next.value.kind === 'whole') return;
          throw damage(this.#path, at, 'a group that was whole before cannot be read any more');
        }
        yield* next.value.records;
        at = next.value.end;
      }
    } catch (error) {
      if (error instanceof MeshError) throw error;
      throw diskFailure(this.#path, error);
    }
  }

  stats(): JournalStats {
    return {
      records: this.#records,
      bytes: this.#end,
      groups: this.#groupsWritten,
      queuedBytes: this.#queuedBytes,
      isFailed: this.#failure !== null,
    };
  }

  /** Makes durable what waits, then closes the file. Later appends are refused. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#draining;
    const closed = this.#file.close();
    // A disk that failed may never answer again; nothing is left to wait for.
    if (this.#failure !== null) closed.catch(() => undefined);
    else await closed;
  }

  /** Group commit: while one group is synced, the next one gathers. */
  async #drain(): Promise<void> {
    // One turn of the event loop, so that appends of one batch of verdicts share a sync.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0 && this.#failure === null) {
      const group = this.#takeGroup();
      try {
        await this.#writeGroup(group.flatMap((waiting) => waiting.records));
      } catch (error) {
        this.#fail(error, group);
        break;
      }
      for (const waiting of group) waiting.resolve();
    }
    this.#draining = null;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (bytes + waiting.bytes > LIMITS.JOURNAL_GROUP_BYTES) break;
      bytes += waiting.bytes;
      count++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #writeGroup(records: readonly JournalRecord[]): Promise<void> {
    const bytes = encodeGroup(this.#nextSequence, records);
    await this.#withDeadline(
      (async () => {
        await writeAll(this.#file, bytes, this.#end);
        await this.#file.dataSync();
      })(),
    );
    this.#end += bytes.length;
    this.#nextSequence++;
    this.#records += records.length;
    this.#groupsWritten++;
  }

  #withDeadline(work: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(LIMITS.JOURNAL_WRITE_MILLIS, () => {
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
  #fail(cause: unknown, group: readonly Waiting[]): void {
    const failure = diskFailure(this.#path, cause);
    this.#failure = failure;
    this.#log.log('error', 'the journal failed; no payment is accepted until a restart', {
      file: this.#path,
      error: errorText(cause),
    });
    const rest = this.#queue;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const waiting of [...group, ...rest]) waiting.reject(failure);
  }
}
