/**
 * Invoices for the fuzzer. Damaged text hardly ever gets past its checksum, so most inputs are what lies under it:
 * `[count of prefix characters] [prefix] [groups, a byte each]`, written out with a right checksum. A count of 0
 * means that the rest is text as it is.
 *
 * Beside the common invariants: no change is accepted under the payee who signed the original, unless it says the
 * same (payments.md, Lightning).
 */
import { isDeepStrictEqual } from 'node:util';
import { present } from '../../core/assert.js';
import { concatBytes, utf8 } from '../../core/bytes.js';
import { Reason, reasonOf } from '../../core/reasons.js';
import { Bolt11Decoder } from '../../payment/bolt11/decode.js';
import type { Invoice } from '../../payment/invoice.js';
import { INVOICE, INVOICE_NAMING_PAYEE } from './samples.js';
import type { FuzzTarget } from './targets.js';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const CHECKSUM_GROUPS = 6;
/** BIP 173. */
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

export function invoiceTarget(): FuzzTarget {
  const decoder = new Bolt11Decoder();
  const originals = new Map<string, Invoice>();
  for (const text of [INVOICE, INVOICE_NAMING_PAYEE]) {
    const verdict = decoder.decode(text);
    if (verdict.ok) originals.set(verdict.invoice.payee, verdict.invoice);
  }
  return {
    name: 'invoice',
    samples: [
      asText(INVOICE.toUpperCase()),
      ...[INVOICE, INVOICE_NAMING_PAYEE].flatMap((text) => [asText(text), underChecksum(text)]),
    ],
    check: (input) => {
      const verdict = decoder.decode(textOf(input));
      if (!verdict.ok) {
        const isNamed = reasonOf(verdict.reason) !== null && verdict.reason !== Reason.Accepted;
        return isNamed ? 'refused' : { fault: 'refused without a reason' };
      }
      const original = originals.get(verdict.invoice.payee);
      return original === undefined || isDeepStrictEqual(original, verdict.invoice)
        ? 'accepted'
        : { fault: 'another invoice under the payee of the original' };
    },
  };
}

function asText(text: string): Uint8Array {
  return concatBytes(Uint8Array.of(0), utf8(text));
}

function underChecksum(text: string): Uint8Array {
  const separator = text.lastIndexOf('1');
  const data = text.slice(separator + 1, -CHECKSUM_GROUPS);
  const groups = Uint8Array.from(data, (character) => ALPHABET.indexOf(character));
  return concatBytes(Uint8Array.of(separator), utf8(text.slice(0, separator)), groups);
}

function textOf(input: Uint8Array): string {
  const prefixLength = input[0] ?? 0;
  if (prefixLength === 0) return Buffer.from(input.subarray(1)).toString('utf8');
  const prefix = input.slice(1, 1 + prefixLength).map((code) => code & 0x7f);
  const groups = input.slice(1 + prefixLength).map((group) => group & 0x1f);
  const data = [...groups, ...checksum(prefix, groups)].map((group) => ALPHABET.charAt(group));
  return `${String.fromCharCode(...prefix)}1${data.join('')}`;
}

function checksum(prefix: Uint8Array, groups: Uint8Array): number[] {
  let sum = 1;
  const add = (value: number): void => {
    const top = sum >>> 25;
    sum = ((sum & 0x1ff_ffff) << 5) ^ value;
    for (let bit = 0; bit < 5; bit++) {
      if (((top >> bit) & 1) === 1) sum ^= present(GENERATOR[bit], 'a generator term for each bit');
    }
  };
  for (const code of prefix) add(code >> 5);
  add(0);
  for (const code of prefix) add(code & 0x1f);
  for (const group of groups) add(group);
  for (let i = 0; i < CHECKSUM_GROUPS; i++) add(0);
  sum ^= 1;
  return Array.from({ length: CHECKSUM_GROUPS }, (_, i) => (sum >>> (5 * (CHECKSUM_GROUPS - 1 - i))) & 0x1f);
}
