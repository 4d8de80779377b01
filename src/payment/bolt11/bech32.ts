/**
 * Bech32 as invoices use it: characters to groups of 5 bits, with the case rule and the checksum, in one pass.
 *
 * Rules: BIP 173 (not bech32m), without its limit of 90 characters (BOLT11). Works on character codes in memory of
 * its own that every reading reuses, so that reading allocates nothing.
 */
import { LIMITS } from '../../core/limits.js';
import { Reason } from '../../core/reasons.js';
import { refusedInvoice, type InvoiceRefusal } from '../invoice.js';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const SEPARATOR = '1';
const CHECKSUM_GROUPS = 6;
/** What the checksum of a right text comes to. */
const BECH32 = 1;

/** What else a character says, beside the 5 bits of its value. */
const LOWER = 0x20;
const UPPER = 0x40;
const FOREIGN = 0x80;
const VALUE = 0x1f;

/** By character code: the value in its alphabet, and its case. */
const CHARACTERS: Uint8Array = new Uint8Array(128).fill(FOREIGN);
for (const [value, lower] of Array.from(ALPHABET).entries()) {
  const upper = lower.toUpperCase();
  const isDigit = upper === lower;
  CHARACTERS[lower.charCodeAt(0)] = value | (isDigit ? 0 : LOWER);
  if (!isDigit) CHARACTERS[upper.charCodeAt(0)] = value | UPPER;
}

/** What the five bits that leave the checksum's register add to it: the generator's sums, by those bits. */
const FEEDBACK: Int32Array = new Int32Array(32);
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
for (let top = 0; top < FEEDBACK.length; top++) {
  FEEDBACK[top] = GENERATOR.reduce((sum, term, bit) => ((top >> bit) & 1 ? sum ^ term : sum), 0);
}

/** One bech32 text, taken apart. The arrays belong to it, and hold the text that was read last. */
export class Bech32Text {
  /** Character codes before the separator, in lower case. */
  readonly prefix: Uint8Array = new Uint8Array(LIMITS.INVOICE_CHARS);
  prefixLength = 0;
  /** Groups of 5 bits behind the separator, without those of the checksum. */
  readonly groups: Uint8Array = new Uint8Array(LIMITS.INVOICE_CHARS);
  groupCount = 0;
  /** Whether the checksum fits: told apart, so that a text of another kind is named as that first. */
  isChecksumRight = false;

  /**
   * Takes a text apart.
   * @returns what is wrong with its characters, or null
   */
  read(text: string): InvoiceRefusal | null {
    if (text.length > LIMITS.INVOICE_CHARS) {
      return refusedInvoice(Reason.InvoiceTooLong, `${text.length} characters`);
    }
    const separator = text.lastIndexOf(SEPARATOR);
    const groupCount = text.length - separator - 1 - CHECKSUM_GROUPS;
    if (separator < 1) return refusedInvoice(Reason.InvoiceMalformed, 'nothing before a separator');
    if (groupCount < 0) return refusedInvoice(Reason.InvoiceMalformed, 'too short for a checksum');
    this.prefixLength = separator;
    this.groupCount = groupCount;

    const prefixCases = this.#readPrefix(text);
    let sum = this.#prefixSum();
    let seen = prefixCases;
    for (let at = separator + 1, i = 0; at < text.length; at++, i++) {
      const code = text.charCodeAt(at);
      const character = code < 128 ? (CHARACTERS[code] ?? FOREIGN) : FOREIGN;
      const value = character & VALUE;
      seen |= character;
      this.groups[i] = value;
      sum = step(sum, value);
    }
    if ((seen & FOREIGN) !== 0) return refusedInvoice(Reason.InvoiceMalformed, 'a character is not bech32');
    if ((seen & LOWER) !== 0 && (seen & UPPER) !== 0) {
      return refusedInvoice(Reason.InvoiceMixedCase, 'upper and lower case letters');
    }
    this.isChecksumRight = sum === BECH32;
    return null;
  }

  /** Copies the prefix in lower case. @returns the cases that it has, or FOREIGN */
  #readPrefix(text: string): number {
    let seen = 0;
    for (let at = 0; at < this.prefixLength; at++) {
      let code = text.charCodeAt(at);
      if (code < 0x21 || code > 0x7e) seen |= FOREIGN;
      else if (code >= 0x61 && code <= 0x7a) seen |= LOWER;
      else if (code >= 0x41 && code <= 0x5a) {
        seen |= UPPER;
        code += 0x20;
      }
      this.prefix[at] = code;
    }
    return seen;
  }

  /** The checksum's register behind the prefix: the high bits of its characters, a zero, their low bits. */
  #prefixSum(): number {
    let sum = 1;
    for (let i = 0; i < this.prefixLength; i++) sum = step(sum, (this.prefix[i] ?? 0) >> 5);
    sum = step(sum, 0);
    for (let i = 0; i < this.prefixLength; i++) sum = step(sum, (this.prefix[i] ?? 0) & VALUE);
    return sum;
  }
}

function step(sum: number, value: number): number {
  return ((sum & 0x1ff_ffff) << 5) ^ value ^ (FEEDBACK[sum >>> 25] ?? 0);
}

/**
 * Writes the whole bytes of some groups; bits left over at the end are dropped.
 * @param out has room for `floor(5 * count / 8)` bytes from `outAt`
 * @returns the number of bytes written
 */
export function packGroups(
  groups: Uint8Array,
  from: number,
  count: number,
  out: Uint8Array,
  outAt = 0,
): number {
  let held = 0;
  let bits = 0;
  let at = outAt;
  for (let i = from; i < from + count; i++) {
    held = ((held << 5) | (groups[i] ?? 0)) & 0xfff;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out[at++] = held >> bits;
    }
  }
  return at - outAt;
}

/** Whether groups are what whole bytes give: fewer than 5 bits are left over, all of them 0. */
export function isPadded(groups: Uint8Array, from: number, count: number): boolean {
  const left = (5 * count) % 8;
  return left < 5 && (count === 0 || ((groups[from + count - 1] ?? 0) & ((1 << left) - 1)) === 0);
}

/** Groups as one number, the first the highest: exact up to 10 groups, rounded above. */
export function numberOf(groups: Uint8Array, from: number, count: number): number {
  let value = 0;
  for (let i = from; i < from + count; i++) value = value * 32 + (groups[i] ?? 0);
  return value;
}
