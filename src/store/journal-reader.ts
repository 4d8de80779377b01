/**
 * Reads a segment of the journal from front to back and decides where it ends: at its last whole group, or, where a crash
 * tore the last one, before it. Anything else is damage. The rules are those of journal-format.ts.
 */
import { LIMITS } from '../core/limits.js';
import { readFully, type DiskFile } from './disk.js';
import {
  decodeBody,
  decodeGroupHeader,
  GROUP_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  type JournalRecord,
} from './journal-format.js';

/** Bytes read at once. */
const CHUNK_BYTES = 1_048_576;

const GROUP_BYTES = GROUP_HEADER_BYTES + LIMITS.JOURNAL_GROUP_BYTES;

export interface JournalGroup {
  readonly records: readonly JournalRecord[];
  readonly sequence: number;
  /** Where the next group starts. */
  readonly end: number;
}

/** What follows the last whole group. */
export type JournalTail =
  | { readonly kind: 'whole' }
  | { readonly kind: 'torn'; readonly bytes: number }
  | { readonly kind: 'damaged'; readonly why: string };

/** A window over a file, so that small groups do not cost a system call each. */
class FileWindow {
  readonly #file: DiskFile;
  #start = 0;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** Bytes of the file, fewer where it ends; not written to afterwards. */
  async at(position: number, count: number): Promise<Uint8Array> {
    const offset = position - this.#start;
    if (offset < 0 || offset + count > this.#bytes.length) {
      const fresh = new Uint8Array(Math.max(count, CHUNK_BYTES));
      this.#bytes = fresh.subarray(0, await readFully(this.#file, fresh, position));
      this.#start = position;
    }
    const from = position - this.#start;
    return this.#bytes.subarray(from, from + count);
  }
}

/**
 * Yields the whole groups from `start` to `size` and returns what follows them.
 * @param size bytes of the file to look at; what is behind is not read
 */
export async function* readGroups(
  file: DiskFile,
  start: number,
  size: number,
): AsyncGenerator<JournalGroup, JournalTail> {
  const window = new FileWindow(file);
  let at = start;
  for (let sequence = 0; at < size; sequence++) {
    const header = decodeGroupHeader(await window.at(at, Math.min(GROUP_HEADER_BYTES, size - at)));
    if (header?.sequence !== sequence)
      return judgeTail(await window.at(at, Math.min(size - at, GROUP_BYTES + 1)), sequence);
    const end = at + GROUP_HEADER_BYTES + header.bodyBytes;
    if (end > size) return { kind: 'torn', bytes: size - at };
    const records = decodeBody(header, await window.at(at + GROUP_HEADER_BYTES, header.bodyBytes));
    if (records === null) {
      return end === size
        ? { kind: 'torn', bytes: size - at }
        : { kind: 'damaged', why: 'a group does not match its checksum, and more follows it' };
    }
    yield { records, sequence, end };
    at = end;
  }
  return { kind: 'whole' };
}

/** Judges what follows where no group header of the expected number stands. */
function judgeTail(rest: Uint8Array, sequence: number): JournalTail {
  if (rest.length > GROUP_BYTES) return { kind: 'damaged', why: 'more follows than one torn group can hold' };
  for (let at = 0; at + GROUP_HEADER_BYTES + RECORD_HEADER_BYTES <= rest.length; at++) {
    const header = decodeGroupHeader(rest.subarray(at, at + GROUP_HEADER_BYTES));
    if (header === null || (at > 0 && header.sequence <= sequence)) continue;
    const bodyStart = at + GROUP_HEADER_BYTES;
    if (decodeBody(header, rest.subarray(bodyStart, bodyStart + header.bodyBytes)) !== null) {
      return { kind: 'damaged', why: 'a whole group follows one that cannot be read' };
    }
  }
  return { kind: 'torn', bytes: rest.length };
}
