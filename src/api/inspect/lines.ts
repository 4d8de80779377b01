/** Lines of a byte stream in bounded memory: a line beyond the bound is dropped as it comes in. */

/** A line without its end, or null in place of one that was too long. */
export type BoundedLine = string | null;

const NEWLINE = 0x0a;

/**
 * The lines of a stream, as many at a time as one chunk completes. A last line needs no newline behind it.
 * @param maxBytes the longest line that is kept, without its newline
 */
export async function* boundedLines(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<readonly BoundedLine[]> {
  const line = new LineBuffer(maxBytes);
  for await (const chunk of input) {
    const lines: BoundedLine[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      line.add(chunk.subarray(start, end));
      lines.push(line.take());
      start = end + 1;
    }
    line.add(chunk.subarray(start));
    yield lines;
  }
  if (!line.isEmpty) yield [line.take()];
}

/** The line under way. */
class LineBuffer {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  add(part: Uint8Array): void {
    this.#length += part.length;
    if (this.#length <= this.#maxBytes) this.#parts.push(part);
    else this.#parts = [];
  }

  take(): BoundedLine {
    const line = this.#length > this.#maxBytes ? null : Buffer.concat(this.#parts).toString('utf8');
    this.#parts = [];
    this.#length = 0;
    return line;
  }
}
