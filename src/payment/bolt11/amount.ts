/**
 * The part of an invoice before the separator: `ln`, the network, and the amount, exactly.
 *
 * Rules: BOLT11, Human-Readable Part; payments.md, Lightning (no leading zeros, p-multiplier amounts end in 0,
 * no overflow).
 */
import { U64_MAX } from '../../core/bincode.js';
import { Reason } from '../../core/reasons.js';
import { refusedInvoice, type InvoiceRefusal } from '../invoice.js';

/** Networks by the letters behind `ln`. */
const NETWORKS: readonly (readonly [name: string, codes: readonly number[]])[] = [
  'bc',
  'tb',
  'tbs',
  'bcrt',
].map((name) => [name, Array.from(name, (letter) => letter.charCodeAt(0))]);

const L = 0x6c;
const N = 0x6e;
const ZERO = 0x30;
const NINE = 0x39;

/** 2^64-1 msat in pico-bitcoin has as many digits, and in every larger unit fewer. */
const MAX_DIGITS = 21;
/** So many digits fit a number with room to spare. */
const LOW_DIGITS = 15;
const LOW_DIGITS_FACTOR = 10n ** BigInt(LOW_DIGITS);

/** Tenths of a msat in one unit, by the character code of the multiplier (0: none), so that all are whole. */
const TENTHS_OF_MSAT: ReadonlyMap<number, bigint> = new Map([
  [0, 1_000_000_000_000n],
  ['m'.charCodeAt(0), 1_000_000_000n],
  ['u'.charCodeAt(0), 1_000_000n],
  ['n'.charCodeAt(0), 1_000n],
  ['p'.charCodeAt(0), 1n],
]);

/** What a prefix says. */
export interface PrefixParts {
  /** bc, tb, tbs or bcrt. */
  network: string;
  /** At most 2^64-1; null where the prefix names none. */
  amountMsat: bigint | null;
}

/**
 * Reads a prefix into `parts`.
 * @param prefix character codes in lower case, of which the first `length` are the prefix
 * @returns what is wrong with it, or null
 */
export function readPrefix(prefix: Uint8Array, length: number, parts: PrefixParts): InvoiceRefusal | null {
  if (prefix[0] !== L || prefix[1] !== N)
    return refusedInvoice(Reason.InvoicePrefix, 'it does not begin with ln');
  let digits = 2;
  while (digits < length && !isDigit(prefix[digits])) digits++;
  const network = networkAt(prefix, 2, digits);
  if (network === null)
    return refusedInvoice(Reason.InvoicePrefix, 'the letters behind ln are no known network');
  parts.network = network;
  parts.amountMsat = null;
  return digits === length ? null : readAmount(prefix, digits, length, parts);
}

/** Digits and at most one multiplier, from `start` to `end`. */
function readAmount(
  prefix: Uint8Array,
  start: number,
  end: number,
  parts: PrefixParts,
): InvoiceRefusal | null {
  let digitsEnd = start;
  while (digitsEnd < end && isDigit(prefix[digitsEnd])) digitsEnd++;
  const multiplier = digitsEnd === end ? 0 : (prefix[digitsEnd] ?? 0);
  const unit = digitsEnd >= end - 1 ? TENTHS_OF_MSAT.get(multiplier) : undefined;
  if (unit === undefined)
    return refusedInvoice(Reason.InvoicePrefix, 'the multiplier of the amount is unknown');
  const count = digitsEnd - start;
  if (count > 1 && prefix[start] === ZERO) {
    return refusedInvoice(Reason.InvoicePrefix, 'the amount has leading zeros');
  }
  if (count > MAX_DIGITS) return refusedInvoice(Reason.AmountNotExact, 'the amount is above 2^64-1 msat');
  const tenths = wholeNumber(prefix, start, digitsEnd) * unit;
  if (tenths % 10n !== 0n)
    return refusedInvoice(Reason.AmountNotExact, 'the amount is no whole number of msat');
  const msat = tenths / 10n;
  if (msat > U64_MAX) return refusedInvoice(Reason.AmountNotExact, 'the amount is above 2^64-1 msat');
  parts.amountMsat = msat;
  return null;
}

/** At most twice LOW_DIGITS digits. */
function wholeNumber(codes: Uint8Array, start: number, end: number): bigint {
  const middle = Math.max(start, end - LOW_DIGITS);
  const low = BigInt(smallNumber(codes, middle, end));
  return middle === start ? low : BigInt(smallNumber(codes, start, middle)) * LOW_DIGITS_FACTOR + low;
}

function smallNumber(codes: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let i = start; i < end; i++) value = value * 10 + ((codes[i] ?? ZERO) - ZERO);
  return value;
}

function networkAt(prefix: Uint8Array, start: number, end: number): string | null {
  for (const [name, codes] of NETWORKS) {
    if (codes.length === end - start && codes.every((code, i) => prefix[start + i] === code)) return name;
  }
  return null;
}

function isDigit(code: number | undefined): boolean {
  return code !== undefined && code >= ZERO && code <= NINE;
}
