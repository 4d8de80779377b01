/** Cuts a byte stream into lines of bounded length: the framing of JSON on a socket. */

const NEWLINE = 0x0a;

export class LineReader {
  readonly #limitBytes: number;
  #parts: Uint8Array[] = [];
  #heldBytes = 0;

  /** @param limitBytes the longest line, without its end */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /**
   * Takes the next bytes of the stream.
   * @param take called for each whole line that is not empty, as text without its end
   * @returns false where a line is longer than the limit: the connection must be closed
   */
  push(chunk: Uint8Array, take: (line: string) => void): boolean {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      if (!this.#hold(chunk.subarray(start, end))) return false;
      const line = Buffer.concat(this.#parts, this.#heldBytes).toString('utf8');
      this.#parts = [];
      this.#heldBytes = 0;
      if (line.length > 0) take(line);
      start = end + 1;
    }
    return this.#hold(chunk.subarray(start));
  }

  #hold(part: Uint8Array): boolean {
    if (part.length === 0) return true;
    this.#heldBytes += part.length;
    this.#parts.push(part);
    return this.#heldBytes <= this.#limitBytes;
  }
}
