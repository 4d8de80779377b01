// No change to an invoice is accepted under the payee who signed the original, unless it says the same
// (payments.md, Lightning; cheats 11 to 13).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Bolt11Decoder } from '../../src/payment/bolt11/decode.js';
import {
  makeInvoice,
  SIGNATURE_GROUPS,
  withGroups,
  withHighS,
  type InvoiceOptions,
} from '../support/invoices.js';

const decoder = new Bolt11Decoder();

const OPTIONS: readonly InvoiceOptions[] = [
  { seed: 1 },
  { seed: 2, namesPayee: true },
  { seed: 3, network: 'mainnet', amountMsat: null },
  { seed: 4, namesPayee: true, descriptionHash: new Uint8Array(32).fill(9), features: [8, 14, 17] },
];
const ORIGINALS: readonly string[] = OPTIONS.map((options) => makeInvoice(options).invoice);

/** A random place, as a share of whatever there is. */
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const group = fc.nat({ max: 31 });

type Change = (invoice: string) => string;

/** Changes of the text itself, which the checksum finds. */
const textChange: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.string({ minLength: 1, maxLength: 2 })).map(([at, other]): Change => (invoice) => {
    const index = Math.floor(at * invoice.length);
    return invoice.slice(0, index) + other + invoice.slice(index + 1);
  }),
  place.map(
    (at): Change =>
      (invoice) =>
        invoice.slice(0, Math.floor(at * invoice.length)),
  ),
  place.map((at): Change => (invoice) => {
    const index = Math.floor(at * invoice.length);
    return invoice.slice(0, index) + invoice.charAt(index).toUpperCase() + invoice.slice(index + 1);
  }),
  fc.constant<Change>((invoice) => invoice.toUpperCase()),
);

/** Changes under a right checksum, which only the rules and the signature find. */
const groupChange: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, group).map(
    ([at, other]): Change =>
      (invoice) =>
        withGroups(invoice, (groups) => groups.with(Math.floor(at * groups.length), other)),
  ),
  fc.tuple(place, group).map(
    ([at, other]): Change =>
      (invoice) =>
        withGroups(invoice, (groups) => groups.toSpliced(Math.floor(at * groups.length), 0, other)),
  ),
  place.map(
    (at): Change =>
      (invoice) =>
        withGroups(invoice, (groups) => groups.toSpliced(Math.floor(at * groups.length), 1)),
  ),
  // Within the signature and its recovery id alone.
  fc.tuple(place, group).map(
    ([at, other]): Change =>
      (invoice) =>
        withGroups(invoice, (groups) =>
          groups.with(groups.length - SIGNATURE_GROUPS + Math.floor(at * SIGNATURE_GROUPS), other),
        ),
  ),
  group.map(
    (other): Change =>
      (invoice) =>
        withGroups(invoice, (groups) => groups.with(-1, other)),
  ),
  fc.constant<Change>(withHighS),
  // A field more, before the signature: an unknown one, one that is skipped, an empty one.
  fc.constantFrom([2, 0, 0], [1, 0, 1, 0], [13, 0, 0], [0]).map(
    (field): Change =>
      (invoice) =>
        withGroups(invoice, (groups) => groups.toSpliced(groups.length - SIGNATURE_GROUPS, 0, ...field)),
  ),
);

/** Another network or amount, under a right checksum. */
const prefixChange: fc.Arbitrary<Change> = fc
  .tuple(
    fc.constantFrom('lnbc', 'lntb', 'lntbs', 'lnbcrt'),
    fc.option(fc.tuple(fc.nat({ max: 1_000 }), fc.constantFrom('', 'm', 'u', 'n', '0p'))),
  )
  .map(([network, amount]): Change => (invoice) => {
    const data = invoice.slice(invoice.lastIndexOf('1'));
    return withGroups(network + (amount?.join('') ?? '') + data, (groups) => groups);
  });

describe('bolt11 § a changed invoice', () => {
  it.each([
    ['text', textChange, 2_000],
    ['groups', groupChange, 3_000],
    ['prefix', prefixChange, 500],
  ] as const)(
    'of changed %s is never accepted under the payee of the original with another meaning',
    (_what, change, numRuns) => {
      let same = 0;
      fc.assert(
        fc.property(fc.constantFrom(...ORIGINALS), change, (original, changed) => {
          const before = decoder.decode(original);
          const after = decoder.decode(changed(original));
          if (!before.ok) throw new Error('the originals are valid');
          if (!after.ok || after.invoice.payee !== before.invoice.payee) return;
          same++;
          expect(after.invoice).toEqual(before.invoice);
        }),
        { numRuns },
      );
      // The changes reach the far end of the rules: some keep the meaning and are accepted.
      expect(same).toBeGreaterThan(0);
    },
  );

  it('of groups moved between prefix and data, which are signed as one, is dated centuries ahead', () => {
    // Prefix and data are signed without a mark between them: `lnbc2500u` + data may be read as `lnbc2500` + `u` and
    // data. A time that begins with a digit or a multiplier lies beyond the year 2170, so the verifier refuses it.
    const YEAR_2170 = 6_311_433_600;
    const first = (character: string): number => character.charCodeAt(0) * 2 ** 27;
    expect(Math.min(...Array.from('0123456789munp', first))).toBeGreaterThan(YEAR_2170);
  });
});
