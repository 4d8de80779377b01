/**
 * Byte helpers that everything else uses: hexadecimal, comparison, text.
 *
 * Hexadecimal is lower case, two digits a byte, as in the vectors and in every document of the field.
 */

/** Longer inputs than the keys and hashes that are written all the time. */
const LONG_BYTES = 64;

const DIGITS: readonly number[] = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
/** What a character is worth, by its code; 255 where it is no digit. */
const WORTHS: Uint8Array = new Uint8Array(128).fill(255);
for (const [worth, code] of DIGITS.entries()) WORTHS[code] = worth;
for (const [i, letter] of Array.from('ABCDEF').entries()) WORTHS[letter.charCodeAt(0)] = 10 + i;

/** Digits of a short text, before they become one: a text that is put together by pairs is slow to compare. */
const digits: Buffer = Buffer.alloc(2 * LONG_BYTES);

/** Lower-case hexadecimal of all bytes. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length > LONG_BYTES) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  }
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    digits[2 * i] = DIGITS[byte >> 4] ?? 0;
    digits[2 * i + 1] = DIGITS[byte & 15] ?? 0;
  }
  return digits.toString('latin1', 0, 2 * bytes.length);
}

/** Bytes of a hexadecimal text of either case; null where the length is odd or a character is no hex digit. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = WORTHS[text.charCodeAt(2 * i)] ?? 255;
    const low = WORTHS[text.charCodeAt(2 * i + 1)] ?? 255;
    if (high === 255 || low === 255) return null;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Code units of a text that is made in one piece. */
const UNITS = 8;

/**
 * A text that tells bytes from all others of the same length: a key for maps, made and hashed in a third of the time of
 * hexadecimal. Not for people. @param bytes a multiple of 16 of them
 */
export function textKey(bytes: Uint8Array): string {
  let key = '';
  for (let at = 0; at < bytes.length; at += 2 * UNITS) {
    key += String.fromCharCode(
      unitAt(bytes, at),
      unitAt(bytes, at + 2),
      unitAt(bytes, at + 4),
      unitAt(bytes, at + 6),
      unitAt(bytes, at + 8),
      unitAt(bytes, at + 10),
      unitAt(bytes, at + 12),
      unitAt(bytes, at + 14),
    );
  }
  return key;
}

/** The same of 32-bit words, an even number of them. */
export function textKeyOfWords(words: Int32Array): string {
  return textKey(new Uint8Array(words.buffer, words.byteOffset, words.byteLength));
}

function unitAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
}

/** So much memory a view may share for each of its bytes before it counts as small. */
const SHARED_TIMES = 4;
/** A copy of less saves nothing: every array has so much around it. */
const SHARED_BYTES = 256;

/**
 * The same bytes for whoever keeps them: those of a small view of large memory are copied, since they would keep all of
 * it, such as the 16 KiB that a socket has read at once.
 */
export function keepable(bytes: Uint8Array): Uint8Array {
  const isSmall = bytes.buffer.byteLength > SHARED_TIMES * bytes.length + SHARED_BYTES;
  return isSmall ? new Uint8Array(bytes) : bytes;
}

/** Whether both have the same length and content. Not constant time: for secrets use `equalsConstantTime`. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || (a.length === b.length && holdsAt(a, 0, b));
}

/** Whether a part stands in larger bytes, from a place on: without a view of them. Not constant time. */
export function holdsAt(whole: Uint8Array, start: number, part: Uint8Array): boolean {
  for (let i = 0; i < part.length; i++) if (whole[start + i] !== part[i]) return false;
  return true;
}

/** As `equalBytes`, in a time that depends on the length alone. For preimages and other secrets. */
export function equalsConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** A fresh array with the parts one after another. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const utf8Encoder = new TextEncoder();

/** UTF-8 bytes of a text. */
export function utf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}
