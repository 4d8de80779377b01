// The invoice decoder against the official examples, the corpus of judged invoices, and hostile text
// (payments.md, Lightning). The counts may rise, never fall.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { Network } from '../../../src/core/policy.js';
import { reasonName } from '../../../src/core/reasons.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11-decoder.js';
import type { Invoice } from '../../../src/payment/invoice.js';
import {
  makeInvoice,
  SIGNATURE_GROUPS,
  withGroups,
  withHighS,
  type InvoiceOptions,
} from '../../support/invoices.js';
import { sharedLines } from '../../support/shared.js';

interface Judged {
  readonly label: string;
  readonly verdict: 'accept' | 'reject';
  readonly invoice: string;
  readonly value?: Readonly<Record<string, string | null>>;
}

const decoder = new Bolt11Decoder();

/** The decoded fields as the corpus writes them. */
function shown(invoice: Invoice): Record<string, string | null> {
  return {
    payment_hash: toHex(invoice.paymentHash),
    payee: invoice.payee,
    amount_msat: invoice.amountMsat === null ? null : String(invoice.amountMsat),
    timestamp: String(invoice.timestamp),
    expiry: String(invoice.expirySeconds),
    payment_secret: invoice.paymentSecret === null ? null : toHex(invoice.paymentSecret),
    description: invoice.description,
    description_hash: invoice.descriptionHash === null ? null : toHex(invoice.descriptionHash),
    network: invoice.network,
  };
}

function judged(text: string): string {
  const verdict = decoder.decode(text);
  return verdict.ok ? 'Accepted' : reasonName(verdict.reason);
}

describe('bolt11 decoder, against judged invoices', () => {
  /** How many verdicts of each file it gives at present. */
  const FILES = [
    ['vectors/bolt11-official.jsonl', 25],
    ['vectors/bolt11-corpus.jsonl.gz', 2_923],
  ] as const;

  for (const [file, atLeast] of FILES) {
    const lines = sharedLines<Judged>(file);

    it.skipIf(lines === null)(
      `gives at least ${atLeast} verdicts of ${file}, each with the right values`,
      () => {
        const all = lines ?? [];
        const missed = new Set<string>();
        let agreed = 0;
        for (const { label, verdict, invoice, value } of all) {
          const decoded = decoder.decode(invoice);
          if (decoded.ok !== (verdict === 'accept')) {
            missed.add(`${verdict} ${label}`);
            continue;
          }
          agreed++;
          if (decoded.ok && value !== undefined) expect(shown(decoded.invoice)).toEqual(value);
        }
        console.info(`${file}: ${agreed} of ${all.length} agree; not yet: ${[...missed].sort().join(', ')}`);
        expect(agreed).toBeGreaterThanOrEqual(atLeast);
      },
    );
  }
});

const HASH = 'ab'.repeat(32);

function made(options: Omit<InvoiceOptions, 'seed'> = {}): string {
  return makeInvoice({ seed: 5, ...options }).invoice;
}

/** The default invoice with another prefix, under a right checksum. */
function withPrefix(prefix: string): string {
  return withGroups(made().replace('lnbcrt100n', prefix), (groups) => groups);
}

/** Position of the last field of the default invoice, its payment secret of 52 groups, before the signature. */
const SECRET_FROM_END = SIGNATURE_GROUPS + 52;

/** The default invoice whose last field claims more groups than it has. */
function withFieldLength(more: number): string {
  return withGroups(made(), (groups) =>
    groups.map((group, index) => (index === groups.length - SECRET_FROM_END - 1 ? group + more : group)),
  );
}

/** The default invoice whose payment secret ends in other bits than 0. */
function withPadding(bits: number): string {
  return withGroups(made(), (groups) =>
    groups.map((group, index) => (index === groups.length - SIGNATURE_GROUPS - 1 ? group | bits : group)),
  );
}

/** An invoice whose description of 5 bytes, which are 8 groups, has 9. */
function withLongerDescription(): string {
  const TIMESTAMP_GROUPS = 7;
  const HASH_FIELD_GROUPS = 3 + 52;
  const lengthAt = TIMESTAMP_GROUPS + HASH_FIELD_GROUPS + 2;
  return withGroups(made({ description: 'hello' }), (groups) => [
    ...groups.slice(0, lengthAt),
    9,
    ...groups.slice(lengthAt + 1, lengthAt + 9),
    0,
    ...groups.slice(lengthAt + 9),
  ]);
}

describe('bolt11 decoder', () => {
  it.each<[Network, string]>([
    ['mainnet', 'bc'],
    ['testnet', 'tb'],
    ['testnet4', 'tb'],
    ['signet', 'tbs'],
    ['regtest', 'bcrt'],
  ])('reads invoices of %s as %s', (network, prefix) => {
    for (const amountMsat of [null, 10_000n]) {
      expect(decoder.decode(made({ network, amountMsat }))).toMatchObject({
        ok: true,
        invoice: { network: prefix, amountMsat },
      });
    }
  });

  it('reads back what was written, in both cases, at any amount and expiry', () => {
    const options = fc.record({
      seed: fc.nat(),
      amountMsat: fc.option(fc.bigInt({ min: 1n, max: 2_100_000_000_000_000_000n })),
      timestamp: fc.integer({ min: 1, max: 2 ** 35 - 1 }),
      expirySeconds: fc.nat(),
      namesPayee: fc.boolean(),
    });
    fc.assert(
      fc.property(options, fc.boolean(), (rest, isHashed) => {
        const descriptionHash = new Uint8Array(32).fill(7);
        const written = makeInvoice(isHashed ? { ...rest, descriptionHash } : rest);
        const verdict = decoder.decode(written.invoice);
        expect(verdict).toMatchObject({
          ok: true,
          invoice: {
            paymentHash: written.paymentHash,
            payee: written.payee.publicKey,
            amountMsat: written.amountMsat,
            timestamp: written.timestamp,
            expirySeconds: written.expirySeconds,
            description: isHashed ? null : 'mesh',
            descriptionHash: isHashed ? descriptionHash : null,
          },
        });
        expect(decoder.decode(written.invoice.toUpperCase())).toEqual(verdict);
      }),
      { numRuns: 100 },
    );
  });

  it.each<[string, string, string]>([
    ['a payment hash behind one of the wrong length', made({ paymentHashes: ['ab', HASH] }), 'Accepted'],
    ['two payment hashes', made({ paymentHashes: [HASH, HASH] }), 'InvoiceDuplicateField'],
    ['required basic_mpp', made({ features: [8, 14, 16] }), 'Accepted'],
    ['unknown odd feature 101', made({ features: [8, 14, 101] }), 'Accepted'],
    ['unknown even feature 20', made({ features: [8, 14, 20] }), 'InvoiceUnknownFeature'],
    ['unknown even feature 100', made({ features: [8, 14, 100] }), 'InvoiceUnknownFeature'],
    ['an empty text', '', 'InvoiceMalformed'],
    ['a text without separator', 'lnbcrt', 'InvoiceMalformed'],
    ['characters beyond ASCII', made().replace('100n', '１００n'), 'InvoiceMalformed'],
    ['a wrong checksum', made().replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')), 'InvoiceChecksum'],
    ['another network', withPrefix('lnsb100n'), 'InvoiceMalformed'],
    ['an unknown multiplier', withPrefix('lnbcrt100x'), 'InvoiceMalformed'],
    ['a field that runs into the signature', withFieldLength(1), 'InvoiceMalformed'],
    ['a field whose padding is not zero', withPadding(1), 'InvoiceMalformed'],
    ['a description with a group too many', withLongerDescription(), 'InvoiceMalformed'],
    ['leading zeros of an amount', withPrefix('lnbcrt0100n'), 'InvoiceMalformed'],
    ['a tenth of a msat', withPrefix('lnbcrt1001p'), 'AmountNotExact'],
    ['an amount just above 2^64-1 msat', withPrefix('lnbcrt184467440737095516160p'), 'AmountNotExact'],
    ['an amount of thousands of digits', withPrefix(`lnbcrt${'9'.repeat(6_000)}`), 'AmountNotExact'],
    [
      'data shorter than a signature',
      withGroups(made(), (groups) => groups.slice(0, 50)),
      'InvoiceMalformed',
    ],
  ])('judges %s', (_what, invoice, reason) => {
    expect(judged(invoice)).toBe(reason);
  });

  it('refuses a text longer than the limit before it looks at it', () => {
    expect(judged('x'.repeat(LIMITS.INVOICE_CHARS + 1))).toBe('InvoiceTooLong');
  });

  it('never throws, whatever the text, and names no part of the text in its detail', () => {
    const charset = fc.constantFrom(...Array.from('qpzry9x8gf2tvdw0s3jn54khce6mua7l1'));
    const hostile = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: charset, maxLength: 400 }).map((data) => `lnbcrt1${data}`),
      fc.tuple(fc.nat({ max: 330 }), fc.string({ minLength: 1, maxLength: 1 })).map(([at, other]) => {
        const text = made({ namesPayee: true });
        return text.slice(0, at) + other + text.slice(at + 1);
      }),
      fc
        .array(fc.tuple(fc.nat({ max: 500 }), fc.nat({ max: 31 })), { minLength: 1, maxLength: 5 })
        .map((changes) =>
          withGroups(made(), (groups) => {
            for (const [at, group] of changes) if (at < groups.length) groups[at] = group;
            return groups;
          }),
        ),
      fc
        .array(fc.nat({ max: 31 }), { maxLength: 1_100 })
        .map((junk) =>
          withGroups(made(), (groups) => [
            ...groups.slice(0, 7),
            ...junk,
            ...groups.slice(-SIGNATURE_GROUPS),
          ]),
        ),
    );
    fc.assert(
      fc.property(hostile, (text) => {
        const verdict = decoder.decode(text);
        if (!verdict.ok) expect(verdict.detail.length).toBeLessThanOrEqual(80);
      }),
      { numRuns: 500 },
    );
  });

  it('keeps the cost of the worst texts within bounds', () => {
    const TIMESTAMP_GROUPS = 7;
    const empty = [30, 0, 0];
    const features = [5, 31, 31, ...Array.from({ length: 1_023 }, () => 31)];
    const repeat = (count: number, groups: readonly number[]): number[] =>
      Array.from({ length: count }, () => groups).flat();
    const cases: readonly (readonly [string, number[], string])[] = [
      ['2,250 empty fields', repeat(2_250, empty), 'InvoiceMalformed'],
      ['as many fields as are read', repeat(LIMITS.INVOICE_FIELDS, empty), 'InvoiceMissingField'],
      ['the longest features', repeat(6, features), 'InvoiceMissingField'],
    ];
    for (const [what, fields, reason] of cases) {
      const text = withGroups(made(), (groups) => [
        ...groups.slice(0, TIMESTAMP_GROUPS),
        ...fields,
        ...groups.slice(-SIGNATURE_GROUPS),
      ]);
      expect(text.length).toBeLessThanOrEqual(LIMITS.INVOICE_CHARS);
      const start = performance.now();
      expect(judged(text)).toBe(reason);
      const millis = performance.now() - start;
      console.info(`${what}: ${millis.toFixed(2)} ms`);
      expect(millis).toBeLessThan(2_000);
    }
  });

  it('takes a high-S signature where the key is recovered, and not where n names it', () => {
    const plain = makeInvoice({ seed: 9 });
    expect(decoder.decode(withHighS(plain.invoice))).toMatchObject({
      ok: true,
      invoice: { payee: plain.payee.publicKey },
    });
    expect(judged(withHighS(made({ namesPayee: true })))).toBe('InvoiceSignature');
  });
});
