/**
 * Where keys and values stand in a TOML text: the parser gives values without places, and a message about a bad
 * value needs its line.
 *
 * Reads only text that the parser accepted, so it follows the shape of TOML 1.0 and checks nothing. On anything that
 * it does not understand it stops; what it had not reached is then placed at the start of the file.
 */
import { parse } from 'smol-toml';

/** Lines and columns start at 1; a column counts UTF-16 units, as editors do. */
export interface TextPlace {
  readonly line: number;
  readonly column: number;
}

/** The places of a text by path: the keys from the root, and the index of an item within a list. */
export class TomlPlaces {
  readonly #offsets: ReadonlyMap<string, number>;
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
    this.#offsets = new Scanner(text).scan();
  }

  /** The place of the value at a path, or of the nearest value or table around it. */
  of(path: readonly string[]): TextPlace {
    for (let length = path.length; length > 0; length--) {
      const offset = this.#offsets.get(pathKey(path.slice(0, length)));
      if (offset !== undefined) return placeOf(this.#text, offset);
    }
    return { line: 1, column: 1 };
  }
}

/** The place of an offset. */
export function placeOf(text: string, offset: number): TextPlace {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}

function pathKey(path: readonly string[]): string {
  return JSON.stringify(path);
}

class Scanner {
  readonly #text: string;
  readonly #offsets = new Map<string, number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scan(): ReadonlyMap<string, number> {
    let table: readonly string[] = [];
    for (;;) {
      this.#skipBlank();
      if (this.#at >= this.#text.length) return this.#offsets;
      const start = this.#at;
      if (this.#text[this.#at] === '[') {
        this.#skip(/\[{1,2}/y);
        table = this.#keys();
        this.#mark(table, start);
        this.#skip(/[ \t]*\]{1,2}/y);
      } else {
        this.#pair(table);
      }
      if (this.#at === start) return this.#offsets;
    }
  }

  /** `key = value` within a table, in a line of its own or in braces. */
  #pair(table: readonly string[]): void {
    const path = [...table, ...this.#keys()];
    if (!this.#skip(/[ \t]*=[ \t]*/y)) return;
    this.#value(path);
  }

  #value(path: readonly string[]): void {
    this.#mark(path, this.#at);
    const first = this.#text[this.#at];
    if (first === '[')
      this.#items(']', (index) => {
        this.#value([...path, String(index)]);
      });
    else if (first === '{')
      this.#items('}', () => {
        this.#pair(path);
      });
    else if (!this.#skip(STRING)) this.#skip(BARE_VALUE);
  }

  /** What stands between brackets or braces, divided by commas. */
  #items(close: string, readItem: (index: number) => void): void {
    this.#at++;
    for (let index = 0; ; index++) {
      this.#skipBlank();
      const start = this.#at;
      if (start >= this.#text.length) return;
      if (this.#text[start] !== close) readItem(index);
      this.#skipBlank();
      if (this.#text[this.#at] === ',') this.#at++;
      else if (this.#text[this.#at] === close) break;
      if (this.#at === start) return;
    }
    this.#at++;
  }

  /** A dotted key: bare and quoted parts. */
  #keys(): string[] {
    const keys: string[] = [];
    do {
      this.#skip(/[ \t]+/y);
      const start = this.#at;
      if (this.#skip(/[\w-]+/y)) keys.push(this.#text.slice(start, this.#at));
      else if (this.#skip(STRING)) keys.push(unquoted(this.#text.slice(start, this.#at)));
    } while (this.#skip(/[ \t]*\./y));
    return keys;
  }

  /** The first place of a path holds: an array of tables is placed at its first table. */
  #mark(path: readonly string[], offset: number): void {
    const key = pathKey(path);
    if (!this.#offsets.has(key)) this.#offsets.set(key, offset);
  }

  /** Blanks, line ends and comments. */
  #skipBlank(): void {
    this.#skip(/(?:\s|#[^\n]*)+/y);
  }

  #skip(sticky: RegExp): boolean {
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.#text);
    if (found === null) return false;
    this.#at += found[0].length;
    return true;
  }
}

/** The four kinds of TOML strings, the long ones first. */
const STRING =
  /"""(?:[^"\\]|\\[\s\S]|"{1,2}(?!"))*"{3,5}|'''(?:[^']|'{1,2}(?!'))*'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'/y;

/** Numbers, bools and dates; a date may hold one space. */
const BARE_VALUE = /[\w+.:-]+(?: [\d:.]+[\w:+-]*)?/y;

/** The text of a quoted key, by the parser's own rules. */
function unquoted(quoted: string): string {
  const { key } = parse(`key = ${quoted}`);
  return typeof key === 'string' ? key : quoted;
}
