// The strict invoice reader against the official examples, the corpus of judged invoices, npm bolt11, and hostile
// text (payments.md, Lightning; BOLT11).
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import bolt11 from 'bolt11';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { Network } from '../../../src/core/policy.js';
import { reasonName } from '../../../src/core/reasons.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { WEB_ASSEMBLY } from '../../../src/payment/bolt11/secp256k1.js';
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

const CORPUS: readonly Judged[] = gunzipSync(
  readFileSync(new URL('../../vectors/bolt11-corpus.jsonl.gz', import.meta.url)),
)
  .toString('utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Judged);
const OFFICIAL = sharedLines<Judged>('vectors/bolt11-official.jsonl');

const decoder = new Bolt11Decoder();

/** The decoded fields as the corpus writes them. */
function shown(invoice: Invoice): Record<string, string | null> {
  return {
    payment_hash: toHex(invoice.paymentHash),
    payee: invoice.payee,
    amount_msat: invoice.amountMsat === null ? null : String(invoice.amountMsat),
    timestamp: String(invoice.timestamp),
    expiry: String(invoice.expirySeconds),
    payment_secret: toHex(invoice.paymentSecret),
    description: invoice.description,
    description_hash: invoice.descriptionHash === null ? null : toHex(invoice.descriptionHash),
    network: invoice.network,
  };
}

function judged(text: string): string {
  const verdict = decoder.decode(text);
  return verdict.ok ? 'Accepted' : reasonName(verdict.reason);
}

/** Lines whose verdict or values are not the ones of the file, by label. */
function missed(lines: readonly Judged[], reader: Bolt11Decoder): string[] {
  return lines.flatMap(({ label, verdict, invoice, value }) => {
    const decoded = reader.decode(invoice);
    if (decoded.ok !== (verdict === 'accept')) return [`${verdict} ${label}`];
    if (!decoded.ok || value === undefined) return [];
    return JSON.stringify(shown(decoded.invoice)) === JSON.stringify(value) ? [] : [`values of ${label}`];
  });
}

describe('bolt11, against judged invoices', () => {
  it('judges and reads every line of the corpus as it is said to be', () => {
    expect(CORPUS).toHaveLength(2_950);
    expect(missed(CORPUS, decoder)).toEqual([]);
  });

  it.skipIf(OFFICIAL === null)('judges all 26 official examples as the document does', () => {
    expect(OFFICIAL).toHaveLength(26);
    expect(missed(OFFICIAL ?? [], decoder)).toEqual([]);
  });

  it('gives every refusal of a label the reasons of that label, none of them the general one', () => {
    const REASONS_OF_LABELS: readonly (readonly [RegExp, readonly string[]])[] = [
      [
        /^(valid_no_secret|[psh]_(missing|wrong_len)|d_and_h_missing|no_tagged_fields)/,
        ['InvoiceMissingField'],
      ],
      [/^d_(and|empty_and)_h(?!_missing)/, ['InvoiceDuplicateField']],
      [/^n_(mismatch|negated|dup_first)|^(sig_over|sig_double|.*_not_resigned)/, ['InvoicePayeeMismatch']],
      [/^(n_not_on_curve|n_bad_prefix|r_bad_pubkey)/, ['InvoiceBadKey']],
      [/_(nonzero_padding|extra_zero_group|one_group)/, ['InvoicePadding']],
      [/^d_invalid_utf8/, ['InvoiceBadText']],
      [/^feat_/, ['InvoiceUnknownFeature']],
      [/^sig_high_s/, ['InvoiceHighS']],
      [/^(recid_|sig_[rs]_|sig_all_zero)/, ['InvoiceSignature']],
      [/^(amt_pico|amt_digits)/, ['AmountNotExact']],
      [/^(amt_(unknown|multiplier|two|non|zero)|hrp_|uri_)/, ['InvoicePrefix']],
      [
        /^(field_length_(past|eats)|trailing_|[xc]_14|f_(empty|version|v0|p2)|r_bad_length)/,
        ['InvoiceFieldLength'],
      ],
      [/^case_/, ['InvoiceMixedCase']],
      [/^(checksum_|bech32m_|rnd_(bit|trunc|insert|delet|swap))/, ['InvoiceChecksum']],
      [/^length_/, ['InvoiceTooLong']],
      [/^(timestamp_short|signature_only|data_shorter|whitespace)/, ['InvoiceMalformed']],
    ];
    const refused = CORPUS.filter(({ verdict }) => verdict === 'reject');
    const named = refused.flatMap(({ label, invoice }) => {
      const reasons = REASONS_OF_LABELS.find(([labels]) => labels.test(label))?.[1];
      return reasons === undefined ? [] : [{ label, reason: judged(invoice), reasons }];
    });
    expect(named.filter(({ reason, reasons }) => !reasons.includes(reason))).toEqual([]);
    expect(named.length).toBeGreaterThan(0.7 * refused.length);
  });

  it('reads what npm bolt11 reads, wherever both accept', () => {
    let agreed = 0;
    for (const { label, invoice } of CORPUS) {
      const ours = decoder.decode(invoice);
      if (!ours.ok) continue;
      const theirs = secondOpinion(invoice);
      if (theirs === null) continue;
      expect(theirs, label).toEqual(shown(ours.invoice));
      agreed++;
    }
    console.info(`npm bolt11 and this reader both accept ${agreed} of ${CORPUS.length}, with equal values`);
    expect(agreed).toBeGreaterThan(1_500);
  });

  describe('on WebAssembly', () => {
    let onWasm: Bolt11Decoder;
    beforeAll(async () => {
      onWasm = new Bolt11Decoder({ curve: await WEB_ASSEMBLY.load() });
    });

    it('gives the same verdict, reason and payee, whatever the signature', () => {
      const curveLabels = /^(sig_|recid_|n_|r_|fuzz_|bech32_)/;
      const lines = CORPUS.filter(({ label }, index) => curveLabels.test(label) || index % 20 === 0);
      for (const { label, invoice } of lines) {
        expect(onWasm.decode(invoice), label).toEqual(decoder.decode(invoice));
      }
      expect(lines.length).toBeGreaterThan(500);
    });
  });
});

/** What npm bolt11 makes of an invoice, as the corpus writes it; null where it refuses. */
function secondOpinion(invoice: string): Record<string, string | null> | null {
  const network = /^lntbs/i.test(invoice) ? SIGNET : undefined;
  try {
    const decoded = bolt11.decode(invoice, network);
    const text = (name: string, digits?: number): string | null => {
      const found = decoded.tags
        .filter(({ tagName }) => tagName === name)
        .map(({ data }) => data)
        .find((data) => typeof data === 'string' && (digits === undefined || data.length === digits));
      return typeof found === 'string' ? found : null;
    };
    const expiry = decoded.tags.find(({ tagName }) => tagName === 'expire_time')?.data;
    return {
      payment_hash: text('payment_hash', 64),
      payee: decoded.payeeNodeKey ?? null,
      amount_msat: decoded.millisatoshis ?? null,
      timestamp: String(decoded.timestamp),
      expiry: String(typeof expiry === 'number' ? expiry : 3_600),
      payment_secret: text('payment_secret', 64),
      description: text('description'),
      description_hash: text('purpose_commit_hash', 64),
      network: decoded.network?.bech32 ?? null,
    };
  } catch {
    return null;
  }
}

/** The package knows no signet; address versions serve fallbacks alone. */
const SIGNET = { bech32: 'tbs', pubKeyHash: 0x6f, scriptHash: 0xc4, validWitnessVersions: [0, 1] };

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
const SECRET_FIELD_GROUPS = 3 + 52;

const CHARSET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

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

/** The default invoice with its last field, the payment secret, once more. */
function withSecondSecret(): string {
  return withGroups(made(), (groups) => {
    const signature = groups.length - SIGNATURE_GROUPS;
    const field = groups.slice(signature - SECRET_FIELD_GROUPS, signature);
    return [...groups.slice(0, signature), ...field, ...groups.slice(signature)];
  });
}

/** The default invoice with the checksum of the later bech32m: it differs by a constant. */
function withBech32m(): string {
  const difference = [...(1 ^ 0x2bc830a3).toString(2).padStart(30, '0').matchAll(/.{5}/g)].map(([bits]) =>
    parseInt(bits, 2),
  );
  const text = made();
  const checksum = Array.from(text.slice(-6), (character, index) =>
    CHARSET.charAt(CHARSET.indexOf(character) ^ (difference[index] ?? 0)),
  );
  return text.slice(0, -6) + checksum.join('');
}

/** Route hops, each through the generator of the curve, as groups. */
function hopGroups(count: number): number[] {
  const hop = '0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798' + '00'.repeat(18);
  const bits = Array.from(fromHex(hop.repeat(count)) ?? [], (byte) => byte.toString(2).padStart(8, '0')).join(
    '',
  );
  return [...bits.padEnd(Math.ceil(bits.length / 5) * 5, '0').matchAll(/.{5}/g)].map(([group]) =>
    parseInt(group, 2),
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

describe('bolt11', () => {
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
    ['two payment secrets', withSecondSecret(), 'InvoiceDuplicateField'],
    ['no payment hash but of the wrong length', made({ paymentHashes: ['ab'] }), 'InvoiceMissingField'],
    ['no payment secret', made({ hasSecret: false }), 'InvoiceMissingField'],
    ['required basic_mpp', made({ features: [8, 14, 16] }), 'Accepted'],
    ['unknown odd feature 101', made({ features: [8, 14, 101] }), 'Accepted'],
    ['unknown even feature 20', made({ features: [8, 14, 20] }), 'InvoiceUnknownFeature'],
    ['unknown even feature 100', made({ features: [8, 14, 100] }), 'InvoiceUnknownFeature'],
    ['an empty text', '', 'InvoiceMalformed'],
    ['a text without separator', 'lnbcrt', 'InvoiceMalformed'],
    ['characters beyond ASCII', made().replace('100n', '１００n'), 'InvoiceMalformed'],
    ['a wrong checksum', made().replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')), 'InvoiceChecksum'],
    ['another network', withPrefix('lnsb100n'), 'InvoicePrefix'],
    ['a prefix of one letter', withPrefix('l'), 'InvoicePrefix'],
    ['a prefix without network', withPrefix('ln'), 'InvoicePrefix'],
    ['an unknown multiplier', withPrefix('lnbcrt100x'), 'InvoicePrefix'],
    ['a multiplier alone', withPrefix('lnbcrtm'), 'InvoicePrefix'],
    ['leading zeros of an amount', withPrefix('lnbcrt0100n'), 'InvoicePrefix'],
    ['a field that runs into the signature', withFieldLength(1), 'InvoiceFieldLength'],
    ['a field whose padding is not zero', withPadding(1), 'InvoicePadding'],
    ['a description with a group too many', withLongerDescription(), 'InvoicePadding'],
    ['a checksum of bech32m', withBech32m(), 'InvoiceChecksum'],
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

  it.each<[string, bigint]>([
    ['lnbcrt10p', 1n],
    ['lnbcrt1', 100_000_000_000n],
    ['lnbcrt1m', 100_000_000n],
    ['lnbcrt1u', 100_000n],
    ['lnbcrt1n', 100n],
    ['lnbcrt0', 0n],
    ['lnbcrt90071992547409930p', 9_007_199_254_740_993n],
    ['lnbcrt184467440737095516150p', 2n ** 64n - 1n],
    ['lnbcrt184467440737095516n', 18_446_744_073_709_551_600n],
    ['lnbcrt184467440', 18_446_744_000_000_000_000n],
  ])('reads the amount of %s exactly, up to 2^64-1 msat', (prefix, msat) => {
    expect(decoder.decode(withPrefix(prefix))).toMatchObject({ ok: true, invoice: { amountMsat: msat } });
  });

  it('refuses a text longer than the limit before it looks at it', () => {
    expect(judged('x'.repeat(LIMITS.INVOICE_CHARS + 1))).toBe('InvoiceTooLong');
    const start = performance.now();
    expect(judged('1'.repeat(1_000_000))).toBe('InvoiceTooLong');
    expect(performance.now() - start).toBeLessThan(100);
  });

  it('keeps nothing of one text for the next', () => {
    const texts = CORPUS.filter((_line, index) => index % 10 === 0).map(({ invoice }) => invoice);
    for (const text of texts) expect(decoder.decode(text)).toEqual(new Bolt11Decoder().decode(text));
  });

  it('gives results that no later text changes', () => {
    const first = decoder.decode(made());
    const before = structuredClone(first);
    decoder.decode(makeInvoice({ seed: 6, namesPayee: true }).invoice);
    expect(first).toEqual(before);
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
    const hops = [3, 30, 20, ...hopGroups(12)];
    // Every odd bit: none of them ends the reading.
    const features = [5, 31, 31, ...Array.from({ length: 1_023 }, (_, i) => (i % 2 === 0 ? 10 : 21))];
    const repeat = (count: number, groups: readonly number[]): number[] =>
      Array.from({ length: count }, () => groups).flat();
    const cases: readonly (readonly [string, number[], string])[] = [
      ['2,250 empty fields', repeat(2_250, empty), 'InvoiceMissingField'],
      ['as many hops as fit', repeat(6, hops), 'InvoiceMissingField'],
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
      expect(millis).toBeLessThan(200);
    }
  });

  it('takes a high-S signature where the key is recovered, and not where n names it', () => {
    const plain = makeInvoice({ seed: 9 });
    expect(decoder.decode(withHighS(plain.invoice))).toMatchObject({
      ok: true,
      invoice: { payee: plain.payee.publicKey },
    });
    expect(judged(withHighS(made({ namesPayee: true })))).toBe('InvoiceHighS');
  });
});
