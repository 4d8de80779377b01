// Invoices that this node is paid by as a hop: given out once to who asked, and none that would not count.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { reasonName } from '../../../src/core/reasons.js';
import {
  HopInvoices,
  type HopInvoiceAnswer,
  type HopInvoiceRequest,
  type HopInvoicesParts,
  type InvoiceProvider,
} from '../../../src/api/hop-invoices.js';
import { Bolt11Decoder } from '../../../src/payment/bolt11/decode.js';
import { makeInvoice, testPayee, type InvoiceOptions } from '../../support/invoices.js';
import { testNode } from '../../support/paid-packets.js';

const OWN = testPayee(9);
const decoder = new Bolt11Decoder();
const REQUEST: HopInvoiceRequest = {
  caller: 'chat',
  destination: testNode(3),
  amountMsat: 2_000n,
  expirySeconds: 600n,
};

interface Bench {
  readonly invoices: HopInvoices;
  readonly clock: VirtualClock;
  readonly issued: string[];
  readonly orders: Parameters<InvoiceProvider['createInvoice']>[0][];
}

/** With a provider whose invoices are as asked, but for the lies. */
function bench(lies: Partial<InvoiceOptions> = {}, parts: Partial<HopInvoicesParts> = {}): Bench {
  const clock = new VirtualClock();
  const issued: string[] = [];
  const orders: Bench['orders'] = [];
  const invoices = new HopInvoices({
    provider: {
      isAvailable: () => Promise.resolve(true),
      createInvoice: (order) => {
        orders.push(order);
        const { amountMsat, expirySeconds } = order;
        const made = makeInvoice({ seed: orders.length, payee: OWN, amountMsat, expirySeconds, ...lies });
        return Promise.resolve(made.invoice);
      },
    },
    ownPayee: () => Promise.resolve(OWN.publicKey),
    judge: { readInvoices: (texts) => Promise.resolve(texts.map((text) => decoder.decode(text))) },
    onIssued: (invoice) => void issued.push(invoice),
    hopsTo: () => [2, 1],
    self: testNode(1),
    network: 'regtest',
    fees: () => ({ baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 0n }),
    isStrict: () => false,
    clock,
    log: { log: () => undefined },
    ...parts,
  });
  return { invoices, clock, issued, orders };
}

const told = (answer: HopInvoiceAnswer): string => (answer.ok ? 'made' : reasonName(answer.reason));

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe('hop invoices', () => {
  it('the first request has it made, the same one again gets it, once', async () => {
    const { invoices, issued, orders, clock } = bench();
    expect(told(invoices.take(REQUEST))).toBe('InvoicePending');
    expect(told(invoices.take(REQUEST))).toBe('InvoicePending');
    await settle();
    const answer = invoices.take(REQUEST);
    expect(answer).toEqual({
      ok: true,
      value: { invoice: issued[0], amountMsat: 2_000n, expiresAt: clock.unixSeconds() + 600 },
    });
    expect(orders).toHaveLength(1);
    expect(told(invoices.take(REQUEST))).toBe('InvoicePending');
    await settle();
    expect(issued).toHaveLength(2);
  });

  it('is for the one who asked', async () => {
    const { invoices, orders } = bench();
    invoices.take(REQUEST);
    await settle();
    expect(told(invoices.take({ ...REQUEST, caller: 'other' }))).toBe('InvoicePending');
    expect(told(invoices.take(REQUEST))).toBe('made');
    await settle();
    expect(orders).toHaveLength(2);
  });

  it('whom the node does not wait for may wait for it', async () => {
    const { invoices } = bench();
    expect(told(await invoices.order(REQUEST))).toBe('made');
  });

  it('is not given out where it would not count: another key, network or amount, none at all', async () => {
    const lies: Partial<InvoiceOptions>[] = [
      { payee: testPayee(10) },
      { network: 'mainnet' },
      { amountMsat: 1_999n },
      { amountMsat: null },
    ];
    for (const lie of lies) {
      const { invoices, issued } = bench(lie);
      expect(told(await invoices.order(REQUEST))).toBe('InvoiceNotIssued');
      expect(issued).toEqual([]);
    }
    const provider = { isAvailable: () => Promise.resolve(true), createInvoice: () => Promise.resolve('no') };
    expect(told(await bench({}, { provider }).invoices.order(REQUEST))).toBe('InvoiceNotIssued');
  });

  it('says what is missing: no provider, no key, a provider that fails; the next request asks anew', async () => {
    const unavailable = {
      isAvailable: () => Promise.resolve(false),
      createInvoice: () => Promise.resolve(''),
    };
    const { invoices } = bench({}, { provider: unavailable });
    expect(told(await invoices.order(REQUEST))).toBe('NoInvoiceProvider');
    const keyless = bench({}, { ownPayee: () => Promise.resolve(null) });
    expect(told(await keyless.invoices.order(REQUEST))).toBe('NoInvoiceProvider');
    let calls = 0;
    const failing = {
      isAvailable: () => Promise.resolve(true),
      createInvoice: () => Promise.reject(new Error(`down ${++calls}`)),
    };
    const down = bench({}, { provider: failing });
    expect(await down.invoices.order(REQUEST)).toMatchObject({
      error: expect.stringContaining('down 1') as unknown,
    });
    expect(await down.invoices.order(REQUEST)).toMatchObject({
      error: expect.stringContaining('down 2') as unknown,
    });
  });

  it('is not asked for where no packet could be sent with it', () => {
    const { invoices, orders } = bench();
    const refusals: [Partial<HopInvoiceRequest>, string][] = [
      [{ amountMsat: 0n }, 'BadLimit'],
      [{ amountMsat: 2n ** 64n - 1n }, 'BadLimit'],
      [{ expirySeconds: 0n }, 'BadLimit'],
      [{ expirySeconds: 2n ** 64n - 1n }, 'BadLimit'],
      // Two hops and one KiB.
      [{ amountMsat: 1_209n }, 'AmountTooLow'],
      [{ amountMsat: 1_109n, destination: testNode(1) }, 'AmountTooLow'],
    ];
    for (const [changes, reason] of refusals) {
      expect(told(invoices.take({ ...REQUEST, ...changes }))).toBe(reason);
    }
    expect(told(bench({}, { hopsTo: () => [] }).invoices.take(REQUEST))).toBe('RouteUnknown');
    expect(told(bench({}, { isStrict: () => true }).invoices.take(REQUEST))).toBe('BindingRequired');
    expect(orders).toEqual([]);
    expect(told(invoices.take({ ...REQUEST, amountMsat: 1_210n }))).toBe('InvoicePending');
  });

  it('a storm of requests asks for a few at once, keeps so many, and forgets those that nobody fetches', async () => {
    const { invoices, clock, orders } = bench();
    const ask = (n: number): string => told(invoices.take({ ...REQUEST, caller: `caller ${n}` }));
    const first = Array.from({ length: 100 }, (_, n) => ask(n));
    expect(first.filter((reason) => reason === 'InvoicePending')).toHaveLength(LIMITS.HOP_INVOICES_PENDING);
    expect(new Set(first)).toEqual(new Set(['InvoicePending', 'Overloaded']));
    for (let n = 100; orders.length < LIMITS.HOP_INVOICES; n++) {
      await settle();
      ask(n);
    }
    await settle();
    expect(ask(10_000)).toBe('Overloaded');
    clock.advance(LIMITS.HOP_INVOICE_MILLIS + 1);
    expect(ask(10_000)).toBe('InvoicePending');
  });
});
