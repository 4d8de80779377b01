/**
 * Reads a segment of the journal from front to back and decides where it ends: at its last whole group, or, where a crash
 * tore the last one, before it. Anything else is damage. The rules are those of journal-format.ts.
 */
import { LIMITS } from '../core/limits.js';
import { readFully, type DiskFile } from './disk.js';
import { decodeGroupHeader, GROUP_HEADER_BYTES, isWholeBody, RECORD_HEADER_BYTES } from './journal-format.js';

/** Bytes read at once: what is in them is handled in a millisecond or two. */
const CHUNK_BYTES = 262_144;

const GROUP_BYTES = GROUP_HEADER_BYTES + LIMITS.JOURNAL_GROUP_BYTES;

/** One whole group. */
export interface JournalGroup {
  /** Its records, as `visitRecords` shows them; not written to again. */
  readonly body: Uint8Array;
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

  /** Bytes of the file that are in the window, not written to again; null where it must be moved to hold them. */
  peek(position: number, count: number): Uint8Array | null {
    const from = position - this.#start;
    return from >= 0 && from + count <= this.#bytes.length ? this.#bytes.subarray(from, from + count) : null;
  }

  /** Moves the window, so that it holds so many bytes from a position on. */
  async move(position: number, count: number): Promise<void> {
    const fresh = new Uint8Array(Math.max(count, CHUNK_BYTES));
    const length = await readFully(this.#file, fresh, position);
    if (length < count) throw new Error('the file is shorter than it was');
    this.#bytes = fresh.subarray(0, length);
    this.#start = position;
  }
}

/**
 * Yields the whole groups from `start` to `size`, as many at a time as one reading of the file brought, and returns what
 * follows them.
 * @param size bytes of the file to look at; what is behind is not read
 */
export async function* readGroups(
  file: DiskFile,
  start: number,
  size: number,
): AsyncGenerator<readonly JournalGroup[], JournalTail> {
  const window = new FileWindow(file);
  let groups: JournalGroup[] = [];
  let at = start;
  let sequence = 0;
  for (;;) {
    const found = readGroup(window, at, size, sequence);
    if (typeof found === 'object' && 'body' in found) {
      groups.push(found);
      at = found.end;
      sequence += 1;
      continue;
    }
    if (groups.length > 0) yield groups;
    groups = [];
    if (typeof found === 'object') return found;
    await window.move(at, found);
  }
}

/** The next group, or that there is none, or how many bytes the window must hold to tell. */
function readGroup(
  window: FileWindow,
  at: number,
  size: number,
  sequence: number,
): JournalGroup | JournalTail | number {
  if (at >= size) return { kind: 'whole' };
  const headerBytes = Math.min(GROUP_HEADER_BYTES, size - at);
  const head = window.peek(at, headerBytes);
  if (head === null) return headerBytes;
  const header = decodeGroupHeader(head);
  if (header?.sequence !== sequence) {
    const restBytes = Math.min(size - at, GROUP_BYTES + 1);
    const rest = window.peek(at, restBytes);
    return rest === null ? restBytes : judgeTail(rest, sequence);
  }
  const end = at + GROUP_HEADER_BYTES + header.bodyBytes;
  if (end > size) return { kind: 'torn', bytes: size - at };
  const body = window.peek(at + GROUP_HEADER_BYTES, header.bodyBytes);
  if (body === null) return end - at;
  if (isWholeBody(header, body)) return { body, end };
  return end === size
    ? { kind: 'torn', bytes: size - at }
    : { kind: 'damaged', why: 'a group does not match its checksum, and more follows it' };
}

/** Judges what follows where no group header of the expected number stands. */
function judgeTail(rest: Uint8Array, sequence: number): JournalTail {
  if (rest.length > GROUP_BYTES) return { kind: 'damaged', why: 'more follows than one torn group can hold' };
  for (let at = 0; at + GROUP_HEADER_BYTES + RECORD_HEADER_BYTES <= rest.length; at++) {
    const header = decodeGroupHeader(rest.subarray(at, at + GROUP_HEADER_BYTES));
    if (header === null || (at > 0 && header.sequence <= sequence)) continue;
    const bodyStart = at + GROUP_HEADER_BYTES;
    if (isWholeBody(header, rest.subarray(bodyStart, bodyStart + header.bodyBytes))) {
      return { kind: 'damaged', why: 'a whole group follows one that cannot be read' };
    }
  }
  return { kind: 'torn', bytes: rest.length };
}
