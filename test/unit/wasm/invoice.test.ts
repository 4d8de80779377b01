// Invoices read where they lie: what the kernel is sure of is what the plain reader says, and ordinary ones are read.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { reasonName } from '../../../src/core/reasons.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { QuickInvoiceReader } from '../../../src/payment/bolt11/quick.js';
import { WasmKernel } from '../../../src/wasm/kernel.js';
import { makeInvoice, withGroups, withHighS, type InvoiceOptions } from '../../support/invoices.js';

const plain = new Bolt11Decoder();
const quick = new QuickInvoiceReader(WasmKernel.load(new Uint8Array(16)));

const CORPUS: readonly string[] = gunzipSync(
  readFileSync(new URL('../../vectors/bolt11-corpus.jsonl.gz', import.meta.url)),
)
  .toString('utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => (JSON.parse(line) as { readonly invoice: string }).invoice)
  .filter((invoice) => utf8(invoice).length === invoice.length);

/** What is said of an invoice, as far as both readers say it. */
function shown(verdict: ReturnType<QuickInvoiceReader['read']>): object | null {
  if (verdict?.ok !== true) return verdict && { reason: reasonName(verdict.reason) };
  const { paymentHash, payee, amountMsat, timestamp, expirySeconds, descriptionHash, network } =
    verdict.invoice;
  return { paymentHash, payee, amountMsat, timestamp, expirySeconds, descriptionHash, network };
}

/** Whether the quick reader took it; what it then says must be what the plain one does. */
function isTaken(invoice: string): boolean {
  const found = shown(quick.read(utf8(invoice)));
  if (found === null) return false;
  expect(found, invoice).toEqual(shown(plain.decode(invoice)));
  return true;
}

describe('wasm § invoices where they lie', () => {
  it('are read as the plain reader reads them, all of the corpus that is taken', () => {
    expect(CORPUS.filter(isTaken).length).toBeGreaterThan(250);
  });

  it.each<InvoiceOptions>([
    { seed: 1 },
    { seed: 2, network: 'mainnet', amountMsat: null },
    { seed: 3, network: 'testnet', amountMsat: 1n },
    { seed: 4, network: 'signet', amountMsat: 123_456_789n },
    { seed: 5, descriptionHash: new Uint8Array(32).fill(9) },
    { seed: 6, features: [8, 14, 17, 48] },
    { seed: 7, expirySeconds: 31_536_000, description: '' },
    {
      seed: 8,
      description:
        'a longer text, of a hundred and more characters, as shops and exchanges write: order 12,345',
    },
  ])('are taken where they are ordinary: %o', (options) => {
    const { invoice } = makeInvoice(options);
    expect(isTaken(invoice)).toBe(true);
    expect(isTaken(withHighS(invoice))).toBe(true);
  });

  it('are left to the plain reader where they are not', () => {
    const { invoice } = makeInvoice({ seed: 1 });
    const others = [
      invoice.toUpperCase(),
      makeInvoice({ seed: 1, namesPayee: true }).invoice,
      makeInvoice({ seed: 1, description: 'Zürich' }).invoice,
      makeInvoice({ seed: 1, features: [8, 14, 20] }).invoice,
      makeInvoice({ seed: 1, hasSecret: false }).invoice,
      `${invoice.slice(0, -1)}q`,
      '',
      '1',
      'lnbc1',
    ];
    for (const other of others) expect(quick.read(utf8(other)), other).toBeNull();
    for (let length = 0; length < invoice.length; length++) {
      expect(quick.read(utf8(invoice.slice(0, length)))).toBeNull();
    }
  });

  it('are read alike under any change of their groups', () => {
    const originals = [
      makeInvoice({ seed: 1 }).invoice,
      makeInvoice({ seed: 2, network: 'mainnet', amountMsat: null, features: [9, 15] }).invoice,
      makeInvoice({ seed: 3, descriptionHash: new Uint8Array(32).fill(9), expirySeconds: 60 }).invoice,
    ];
    const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const change = fc.tuple(place, fc.nat(31), fc.constantFrom('with', 'insert', 'remove', 'double'));
    let taken = 0;
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (original, all) => {
          const changed = withGroups(original, (groups) =>
            all.reduce((result, [at, group, kind]) => {
              const index = Math.floor(at * result.length);
              if (kind === 'with') return result.with(index, group);
              if (kind === 'insert') return result.toSpliced(index, 0, group);
              if (kind === 'remove') return result.toSpliced(index, 1);
              return result.toSpliced(index, 0, ...result.slice(index, index + 55));
            }, groups),
          );
          if (isTaken(changed)) taken++;
        },
      ),
      { numRuns: 1_500 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('are read alike under any prefix', () => {
    const { invoice } = makeInvoice({ seed: 1 });
    const [, data = ''] = /1([^1]*)$/.exec(invoice) ?? [];
    const prefix = fc.tuple(
      fc.constantFrom('ln', 'LN', 'l', 'lnn'),
      fc.constantFrom('bc', 'tb', 'tbs', 'bcrt', 'sb', 'bcr', ''),
      fc.oneof(
        fc.constantFrom('', '0', '00', '01', '9999999999', '10000000000', '18446744073709551615', 'm'),
        fc.nat(10 ** 9).map(String),
      ),
      fc.constantFrom('', 'm', 'u', 'n', 'p', 'k', 'mm', 'M'),
    );
    fc.assert(
      fc.property(prefix, (parts) => {
        // The checksum of the whole is made anew.
        isTaken(withGroups(`${parts.join('')}1${data}`, (groups) => groups));
      }),
      { numRuns: 800 },
    );
    expect(isTaken(withGroups(`lnbc9999999999m1${data}`, (groups) => groups))).toBe(true);
  });
});
