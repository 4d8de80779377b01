/**
 * The frames of an invoice's tagged fields: where each begins and ends, and whether its length and padding are
 * canonical. One pass over the text, before anything costly is done with it.
 *
 * Rules: payments.md, Lightning (canonical padding and lengths); BOLT11, tagged fields.
 */
import { LIMITS } from '../core/limits.js';

const CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const CHECKSUM_GROUPS = 6;
const TIMESTAMP_GROUPS = 7;
/** 64 bytes of signature and one of recovery id. */
const SIGNATURE_GROUPS = 104;

/** Groups of a field of 32 bytes, and of one of 33. */
const HASH_GROUPS = 52;
const KEY_GROUPS = 53;
/** The most groups of an integer field: 64 bits. */
const INTEGER_GROUPS = 13;
/** Bytes of one hop in an r field. */
const HOP_BYTES = 51;

/**
 * What is wrong with the fields of an invoice, in one line for a person; null where nothing is.
 * @param text lower case, with a separator; characters outside the bech32 set are left to the checksum
 */
export function faultOfFields(text: string): string | null {
  const start = text.lastIndexOf('1') + 1 + TIMESTAMP_GROUPS;
  const end = text.length - CHECKSUM_GROUPS - SIGNATURE_GROUPS;
  if (start > end) return 'too short for a timestamp and a signature';
  let fields = 0;
  let at = start;
  while (at < end) {
    const length = 32 * groupAt(text, at + 1) + groupAt(text, at + 2);
    const next = at + 3 + length;
    if (next > end) return 'the last field runs into the signature';
    if (++fields > LIMITS.INVOICE_FIELDS) return `more than ${LIMITS.INVOICE_FIELDS} fields`;
    const tag = text.charAt(at);
    if (!isCanonical(tag, length, groupAt(text, next - 1)))
      return `${tag}: length or padding is not canonical`;
    at = next;
  }
  return null;
}

/** Whether a field of this tag may have this many groups, the last of them as given. */
function isCanonical(tag: string, groups: number, last: number): boolean {
  switch (tag) {
    case 'p':
    case 's':
    case 'h':
      // Of another length they are skipped whole.
      return groups !== HASH_GROUPS || isPadded(groups, last);
    case 'n':
      return groups !== KEY_GROUPS || isPadded(groups, last);
    case 'd':
    case 'm':
      return isPadded(groups, last);
    case 'r':
      return isPadded(groups, last) && groups > 0 && Math.floor((5 * groups) / 8) % HOP_BYTES === 0;
    case 'f':
      // The first group is the version of the address.
      return groups > 1 && isPadded(groups - 1, last);
    case 'x':
    case 'c':
      return groups <= INTEGER_GROUPS;
    default:
      return true;
  }
}

/** Whether the groups are what whole bytes give: fewer than 5 bits left over, all of them 0. */
function isPadded(groups: number, last: number): boolean {
  const left = (5 * groups) % 8;
  return left < 5 && (last & ((1 << left) - 1)) === 0;
}

function groupAt(text: string, index: number): number {
  return CHARSET.indexOf(text.charAt(index));
}
