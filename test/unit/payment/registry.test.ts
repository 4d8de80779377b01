// The invoices that this node issued (payments.md, Lightning: fast path, invoices without amount): the table that all
// threads read, and that a payment found in it is judged as the reader of invoices would, to the last field.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { SeededRandom } from '../../../src/core/random.js';
import { reasonName } from '../../../src/core/reasons.js';
import type { LightningProof } from '../../../src/packet/proof.js';
import { bindingHash, NO_QUOTE } from '../../../src/payment/binding.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import type { InvoiceDecoder } from '../../../src/payment/invoice.js';
import { InvoiceRegistry, type IssuedInvoice } from '../../../src/payment/registry.js';
import { PaymentVerifier, type VerificationResult } from '../../../src/payment/verifier.js';
import { PlainFingerprinter } from '../../../src/replay/fingerprint.js';
import { ISSUED_AT, makeInvoice, proofOf, withHighS, type InvoiceOptions } from '../../support/invoices.js';
import {
  DESTINATION,
  paidPacket,
  PAYEES,
  ROUTER,
  SELF,
  SOURCE,
  testPolicy,
} from '../../support/paid-packets.js';

const NOW = ISSUED_AT + 60;
const SECRET = new SeededRandom(11).bytes(16);
const fingerprinter = (): PlainFingerprinter => new PlainFingerprinter(SECRET);

/** What is registered of a real invoice. */
function factsOf(text: string, settledMsat: bigint | null = null): IssuedInvoice {
  const read = new Bolt11Decoder().decode(text);
  if (!read.ok) throw new Error(read.detail);
  const { paymentHash, amountMsat, timestamp, expirySeconds, descriptionHash } = read.invoice;
  return { paymentHash, amountMsat, settledMsat, timestamp, expirySeconds, descriptionHash };
}

const someFacts = fc.record<IssuedInvoice>({
  paymentHash: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  amountMsat: fc.option(fc.bigInt(0n, (1n << 64n) - 1n)),
  settledMsat: fc.option(fc.bigInt(0n, (1n << 64n) - 1n)),
  timestamp: fc.integer({ min: 0, max: 2 ** 35 - 1 }),
  expirySeconds: fc.maxSafeNat(),
  descriptionHash: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
});

describe('issued invoices > the table', () => {
  it('agrees with a plain list of the newest, whatever is registered', () => {
    const name = fc.integer({ min: 0, max: 40 }).map((number) => `lnbcrt1${'q'.repeat(number % 7)}${number}`);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, someFacts), { maxLength: 120 }), (steps) => {
        const registry = InvoiceRegistry.create(fingerprinter(), 9);
        const reader = InvoiceRegistry.attach(registry.memory, fingerprinter());
        const model: [string, IssuedInvoice][] = [];
        for (const [text, facts] of steps) {
          const known = model.find(([registered]) => registered === text);
          const isNew = known === undefined || (known[1].settledMsat === null && facts.settledMsat !== null);
          expect(registry.register(text, facts)).toBe(isNew);
          if (known === undefined) model.push([text, facts]);
          else if (isNew) known[1] = { ...known[1], settledMsat: facts.settledMsat };
          if (model.length > 9) model.shift();
          for (let number = 0; number <= 40; number++) {
            const asked = `lnbcrt1${'q'.repeat(number % 7)}${number}`;
            const expected = model.find(([registered]) => registered === asked)?.[1] ?? null;
            expect(reader.find(asked)).toEqual(expected);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  it('finds an invoice by its whole text alone', () => {
    const { invoice } = makeInvoice({ seed: 1, payee: PAYEES.self });
    const registry = InvoiceRegistry.create(fingerprinter(), 8);
    registry.register(invoice, factsOf(invoice));
    expect(registry.find(invoice)).toEqual(factsOf(invoice));
    const others = [
      invoice.toUpperCase(),
      withHighS(invoice),
      ` ${invoice}`,
      `${invoice}\0`,
      invoice.slice(0, -1),
      '',
      'ö'.repeat(LIMITS.INVOICE_CHARS),
      '\ud800',
    ];
    for (const other of others) expect(registry.find(other)).toBeNull();
  });

  it('takes no text that is longer than any invoice', () => {
    const registry = InvoiceRegistry.create(fingerprinter(), 8);
    const long = 'q'.repeat(LIMITS.INVOICE_CHARS);
    const facts = factsOf(makeInvoice({ seed: 1 }).invoice);
    expect(registry.register(`${long}q`, facts)).toBe(false);
    expect(registry.register(long, facts)).toBe(true);
    expect(registry.find(`${long}q`)).toBeNull();
  });

  it('holds 100,000 invoices, each found, and forgets the oldest for more', () => {
    const registry = InvoiceRegistry.create(fingerprinter());
    const facts = factsOf(makeInvoice({ seed: 1 }).invoice);
    const count = LIMITS.ISSUED_INVOICES;
    expect(count).toBe(100_000);
    for (let number = 0; number < count; number++) {
      registry.register(`invoice ${number}`, { ...facts, timestamp: number });
    }
    let wrong = 0;
    for (let number = 0; number < count; number++) {
      if (registry.find(`invoice ${number}`)?.timestamp !== number) wrong++;
    }
    expect(wrong).toBe(0);
    registry.register('one more', facts);
    expect(registry.find('invoice 0')).toBeNull();
    expect(registry.find('invoice 1')).not.toBeNull();
    expect(registry.find('one more')).not.toBeNull();
  });
});

describe('issued invoices > other threads', () => {
  it('find an invoice whole or not at all, while entries are replaced under them', async () => {
    const names = 500;
    const registry = InvoiceRegistry.create(fingerprinter(), 64);
    const stop = new Int32Array(new SharedArrayBuffer(4));
    const results = new Int32Array(new SharedArrayBuffer(8));
    const workerData = {
      dist: new URL('../../../dist/', import.meta.url).href,
      memory: registry.memory,
      secret: SECRET,
      names,
      stop,
      results,
    };
    const reader = new Worker(new URL('../../support/registry-reader.mjs', import.meta.url), { workerData });
    const ended = once(reader, 'exit');
    const until = performance.now() + 10_000;
    for (let round = 0; Atomics.load(results, 0) < 20_000 && performance.now() < until; round++) {
      for (let i = 0; i < 200; i++) {
        const number = (round * 200 + i * 3) % names;
        registry.register(`invoice ${number}`, {
          paymentHash: new Uint8Array(32).fill(number % 256),
          amountMsat: BigInt(number),
          settledMsat: null,
          timestamp: number,
          expirySeconds: number,
          descriptionHash: new Uint8Array(32).fill(number % 256),
        });
      }
      // Lets the reader start, and tell that it has failed.
      await new Promise((resolve) => setImmediate(resolve));
    }
    Atomics.store(stop, 0, 1);
    await ended;
    expect(Atomics.load(results, 0)).toBeGreaterThan(1_000);
    expect(Atomics.load(results, 1)).toBe(0);
  });
});

/** A reader that nobody may ask. */
const NO_READER: InvoiceDecoder = {
  decode: () => {
    throw new Error('an issued invoice needs no reader');
  },
};

/** Verifies a proof with the invoice registered, and as an unknown one. */
function bothWays(
  proof: LightningProof,
  registered: string,
  policy: Partial<JudgePolicy> = {},
  decoder: InvoiceDecoder = new Bolt11Decoder(),
): readonly [fast: VerificationResult, slow: VerificationResult] {
  const registry = InvoiceRegistry.create(fingerprinter(), 8);
  registry.register(registered, factsOf(registered));
  const request = { packet: paidPacket(proof), nowSeconds: NOW };
  const rules = testPolicy(policy);
  const fast = new PaymentVerifier(rules, decoder, { registry }).verify(proof, request);
  return [fast, new PaymentVerifier(rules, new Bolt11Decoder()).verify(proof, request)];
}

const issued = (options: Partial<InvoiceOptions> = {}): ReturnType<typeof makeInvoice> =>
  makeInvoice({ seed: 60, payee: PAYEES.self, ...options });

describe('issued invoices > the verdict', () => {
  it('needs no reader of invoices', () => {
    const paid = issued();
    const [fast] = bothWays(proofOf(paid), paid.invoice, {}, NO_READER);
    expect(fast).toMatchObject({ verified: true, amountMsat: 10_000n, payee: PAYEES.self.publicKey });
    expect(fast.replayKey).toEqual(paid.paymentHash);
  });

  const route = [SOURCE, SELF, ROUTER, DESTINATION];
  const descriptionHash = bindingHash({ network: 'regtest', route, priceMsat: 1_310n, quoteId: NO_QUOTE });
  it.each<readonly [string, Partial<InvoiceOptions>, Partial<LightningProof>, Partial<JudgePolicy>]>([
    ['good', {}, {}, {}],
    ['that names its payee', { namesPayee: true }, {}, {}],
    ['4 claimed more than the invoice', {}, { amountMsats: 10_001n }, {}],
    ['5 claimed less than the price', { amountMsat: 1_309n }, {}, {}],
    ['6 expired, proof claims later', { timestamp: NOW - 3_601 }, { expiresAt: 1n << 60n }, {}],
    ['6 expired by its own claim', {}, { expiresAt: BigInt(NOW - 1) }, {}],
    ['7 issued in the future', { timestamp: NOW + 121 }, { timestamp: BigInt(NOW) }, {}],
    ['9 wrong preimage', {}, { preimage: new Uint8Array(32) }, {}],
    ['20 bound to this use', { descriptionHash }, {}, { binding: 'strict' }],
    ['20 bound to another route', { descriptionHash: new Uint8Array(32) }, {}, {}],
    ['unbound, at a node that asks for a commitment', {}, {}, { binding: 'strict' }],
    ['of long life', { expirySeconds: 30 * 86_400 }, {}, {}],
    ['before the journal', {}, {}, { paymentsSince: NOW }],
  ])('is the same as that of an unknown one: %s', (_name, options, lies, policy) => {
    const paid = issued(options);
    const [fast, slow] = bothWays(proofOf(paid, lies), paid.invoice, policy);
    expect(fast).toEqual(slow);
  });

  it('is the same for a copy in upper case, which is read as any: the same payment, by the same key', () => {
    const paid = issued();
    const [fast, slow] = bothWays(proofOf(paid, { invoice: paid.invoice.toUpperCase() }), paid.invoice);
    expect(fast).toEqual(slow);
    expect(fast.replayKey).toEqual(paid.paymentHash);
  });
});

describe('issued invoices > without amount', () => {
  const open = issued({ amountMsat: null });
  const claim = (amountMsats: bigint, lies: Partial<LightningProof> = {}): LightningProof =>
    proofOf(open, { amountMsats, ...lies });

  function judged(proof: LightningProof, settledMsat: bigint | null | undefined): VerificationResult {
    const registry = InvoiceRegistry.create(fingerprinter(), 8);
    if (settledMsat !== undefined) registry.register(open.invoice, factsOf(open.invoice));
    registry.register(issued().invoice, factsOf(issued().invoice));
    if (settledMsat !== undefined) registry.register(open.invoice, factsOf(open.invoice, settledMsat));
    const verifier = new PaymentVerifier(testPolicy(), new Bolt11Decoder(), { registry });
    return verifier.verify(proof, { packet: paidPacket(proof), nowSeconds: NOW });
  }

  it('count with exactly what the node settled', () => {
    expect(judged(claim(1_310n), 1_310n)).toMatchObject({ verified: true, amountMsat: 1_310n });
  });

  it.each<readonly [string, LightningProof, bigint | null | undefined, string]>([
    ['3 no amount, large claim, not issued here', claim(1n << 60n), undefined, 'NoAmount'],
    ['3 no amount, large claim, not settled', claim(1n << 60n), null, 'PaymentNotSettled'],
    ['3 no amount, claimed more than was settled', claim(1_311n), 1_310n, 'AmountMismatch'],
    ['3 no amount, less settled than the price', claim(1_309n), 1_309n, 'AmountTooLow'],
    ['3 no amount, settled to nothing', claim(0n), 0n, 'AmountTooLow'],
    [
      '3 no amount, settled, in upper case',
      claim(1_310n, { invoice: open.invoice.toUpperCase() }),
      1_310n,
      'NoAmount',
    ],
    ['9 no amount, settled, wrong preimage', claim(1_310n, { preimage: SECRET }), 1_310n, 'WrongPreimage'],
  ])('cheat %s', (_name, proof, settledMsat, reason) => {
    const result = judged(proof, settledMsat);
    expect(result.verified).toBe(false);
    expect(reasonName(result.reason)).toBe(reason);
  });

  it('keep the first amount that was settled', () => {
    const registry = InvoiceRegistry.create(fingerprinter(), 8);
    registry.register(open.invoice, factsOf(open.invoice, 5n));
    expect(registry.register(open.invoice, factsOf(open.invoice, 6n))).toBe(false);
    expect(registry.find(open.invoice)?.settledMsat).toBe(5n);
  });
});
