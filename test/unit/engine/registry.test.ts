// How the invoices of this node come into the registry: from events, by way of a worker, and from their journal.
import { describe, expect, it, vi } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason, reasonName } from '../../../src/core/reasons.js';
import { IssuedInvoices, type IssuedInvoicesParts } from '../../../src/engine/registry.js';
import { Counters } from '../../../src/metrics/counters.js';
import { encodePacket } from '../../../src/packet/packet.js';
import type { LightningProof } from '../../../src/packet/proof.js';
import { refusedInvoice } from '../../../src/payment/invoice.js';
import { InvoiceRegistry } from '../../../src/payment/registry.js';
import { InlineJudge } from '../../../src/pool/inline-judge.js';
import { judged, type PacketJudge } from '../../../src/pool/judge-port.js';
import { VerdictPool } from '../../../src/pool/verdict-pool.js';
import { PlainFingerprinter } from '../../../src/replay/fingerprint.js';
import { SharedReplayTable } from '../../../src/replay/shared-table.js';
import { Journal } from '../../../src/store/journal.js';
import {
  ISSUED_AT,
  makeInvoice,
  proofOf,
  type InvoiceOptions,
  type TestInvoice,
} from '../../support/invoices.js';
import { testLog } from '../../support/log.js';
import { paidPacket, PAYEES, SOURCE, testPolicy } from '../../support/paid-packets.js';
import { MemoryDisk } from '../store/memory-disk.js';

const SECRET = new Uint8Array(16).fill(5);

let seeds = 900;
const invoiceOf = (options: Partial<InvoiceOptions> = {}): TestInvoice =>
  makeInvoice({ seed: seeds++, payee: PAYEES.self, ...options });

/** One run of a node on a disk: its registry, its judge, and what fills the registry. */
class Run {
  readonly registry = InvoiceRegistry.create(new PlainFingerprinter(SECRET), 64);
  readonly counters = new Counters();
  readonly clock: VirtualClock;
  readonly judge: PacketJudge;
  readonly invoices: IssuedInvoices;
  readonly journal: Journal | null;

  private constructor(clock: VirtualClock, journal: Journal | null, changes: Partial<IssuedInvoicesParts>) {
    const { registry, counters } = this;
    const policy = testPolicy();
    const table = SharedReplayTable.create(new PlainFingerprinter(SECRET), 64);
    this.clock = clock;
    this.journal = journal;
    this.judge = new InlineJudge({ policy, table, secret: SECRET, clock, registry });
    this.invoices = new IssuedInvoices({
      registry,
      journal,
      judge: this.judge,
      clock,
      log: testLog(),
      counters,
      payee: policy.ownPayee,
      network: policy.network,
      ...changes,
    });
  }

  static async start(
    disk: MemoryDisk | null = null,
    changes: Partial<IssuedInvoicesParts> = {},
    clock = new VirtualClock(),
  ): Promise<Run> {
    const log = testLog();
    const path = 'invoices';
    const journal = disk === null ? null : await Journal.open({ disk, path, clock, log, isFirstRun: true });
    const run = new Run(clock, journal, changes);
    await run.invoices.restore();
    return run;
  }

  async created(...texts: readonly string[]): Promise<void> {
    for (const text of texts) this.invoices.created(text);
    await this.invoices.idle();
  }

  async settled(text: string, amountMsat: bigint): Promise<void> {
    this.invoices.settled(text, amountMsat);
    await this.invoices.idle();
  }

  /** What becomes of a packet with this proof. */
  async send(proof: LightningProof): Promise<string> {
    const sender = { previousHop: SOURCE, origin: 'peer', peer: 'source' } as const;
    return reasonName((await judged(this.judge, encodePacket(paidPacket(proof)), sender)).reason);
  }
}

describe('issued invoices > from events', () => {
  it('are found by their text in lower case, with what they say', async () => {
    const run = await Run.start();
    const { invoice, paymentHash } = invoiceOf();
    await run.created(invoice.toUpperCase());
    expect(run.registry.find(invoice)).toMatchObject({ paymentHash, amountMsat: 10_000n, settledMsat: null });
    expect(run.counters.countOf('invoices_registered')).toBe(1);
  });

  it('are registered once, however often the node tells', async () => {
    const run = await Run.start();
    const { invoice } = invoiceOf();
    await run.created(invoice, invoice);
    await run.settled(invoice, 10_000n);
    expect(run.counters.countOf('invoices_registered')).toBe(1);
    expect(run.counters.countOf('invoices_settled')).toBe(0);
  });

  it.each<readonly [string, () => string]>([
    ['of another key', () => invoiceOf({ payee: PAYEES.treasury }).invoice],
    ['of another network', () => invoiceOf({ network: 'testnet' }).invoice],
    ['that are no invoices', () => 'lnbcrt1junk'],
    [
      'with a broken signature',
      () => invoiceOf().invoice.replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')),
    ],
  ])('are not registered: those %s', async (_, make) => {
    const run = await Run.start();
    const text = make();
    await run.created(text);
    await run.settled(text, 10n ** 12n);
    expect(run.registry.find(text)).toBeNull();
    expect(run.counters.countOf('invoices_not_registered')).toBe(2);
  });

  it('are not registered while this node has no key, nor after they have expired', async () => {
    const keyless = await Run.start(null, { payee: null });
    const { invoice } = invoiceOf();
    await keyless.created(invoice);
    expect(keyless.registry.find(invoice)).toBeNull();
    const run = await Run.start();
    const old = invoiceOf({ timestamp: ISSUED_AT - 10_000 }).invoice;
    await run.created(old);
    expect(run.registry.find(old)).toBeNull();
  });

  it('wait for a worker in bounded number, and are read in batches', async () => {
    const batches: number[] = [];
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const run = await Run.start(null, {
      judge: {
        readInvoices: async (texts) => {
          batches.push(texts.length);
          await begun;
          return texts.map(() => refusedInvoice(Reason.InvoiceMalformed, 'as the test said'));
        },
      },
    });
    for (let n = 0; n < LIMITS.ISSUED_QUEUED + 10; n++) run.invoices.created(`lnbcrt${n}`);
    // The first is with the worker already.
    expect(run.counters.countOf('invoices_dropped')).toBe(9);
    begin();
    await run.invoices.idle();
    expect(run.counters.countOf('invoices_not_registered')).toBe(LIMITS.ISSUED_QUEUED + 1);
    expect(Math.max(...batches)).toBe(LIMITS.ISSUED_BATCH);
    expect(batches).toHaveLength(1 + Math.ceil(LIMITS.ISSUED_QUEUED / LIMITS.ISSUED_BATCH));
  });
});

describe('issued invoices > a payment without amount', () => {
  it('counts once the node was paid, and once', async () => {
    const run = await Run.start();
    const open = invoiceOf({ amountMsat: null });
    const proof = proofOf(open, { amountMsats: 2_000n });
    expect(await run.send(proof)).toBe('NoAmount');
    await run.created(open.invoice);
    expect(await run.send(proof)).toBe('PaymentNotSettled');
    await run.settled(open.invoice, 2_000n);
    await run.settled(open.invoice, 9_000n);
    expect(await run.send({ ...proof, amountMsats: 9_000n })).toBe('AmountMismatch');
    expect(await run.send(proof)).toBe('Accepted');
    expect(await run.send(proof)).toBe('ReplayedPayment');
    expect(await run.send({ ...proof, timestamp: 0n })).toBe('ReplayedPayment');
  });

  it('is learned from the payment alone, where the node told of no invoice', async () => {
    const run = await Run.start();
    const open = invoiceOf({ amountMsat: null });
    await run.settled(open.invoice, 2_000n);
    expect(await run.send(proofOf(open, { amountMsats: 2_000n }))).toBe('Accepted');
  });
});

describe('issued invoices > reuse', () => {
  it('an upper-case copy of a used one is the same payment', async () => {
    const run = await Run.start();
    const paid = invoiceOf();
    await run.created(paid.invoice);
    expect(await run.send(proofOf(paid))).toBe('Accepted');
    expect(await run.send(proofOf(paid, { invoice: paid.invoice.toUpperCase() }))).toBe('ReplayedPayment');
    expect(await run.send(proofOf(paid))).toBe('ReplayedPayment');
  });

  it('nor does one that was used as an unknown one count again once it is registered', async () => {
    const run = await Run.start();
    const paid = invoiceOf();
    expect(await run.send(proofOf(paid))).toBe('Accepted');
    await run.created(paid.invoice);
    expect(await run.send(proofOf(paid))).toBe('ReplayedPayment');
  });
});

describe('issued invoices > over restarts', () => {
  it('are known again, with what was settled; those that expired are not', async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    const first = await Run.start(disk, {}, clock);
    const open = invoiceOf({ amountMsat: null });
    const bound = invoiceOf({ descriptionHash: new Uint8Array(32).fill(8) });
    const brief = invoiceOf({ expirySeconds: 60 });
    await first.created(open.invoice, bound.invoice, brief.invoice);
    await first.settled(open.invoice, 5_000n);
    await first.journal?.close();
    clock.advance(61_000);
    const second = await Run.start(disk, {}, clock);
    for (const { invoice } of [open, bound]) {
      expect(second.registry.find(invoice)).toEqual(first.registry.find(invoice));
    }
    expect(second.registry.find(open.invoice)?.settledMsat).toBe(5_000n);
    expect(second.registry.find(brief.invoice)).toBeNull();
    const otherKey = await Run.start(disk, { payee: PAYEES.treasury.publicKey }, clock);
    expect(otherKey.registry.find(open.invoice)).toBeNull();
  });

  it('are used all the same where they cannot be stored', async () => {
    const disk = new MemoryDisk();
    const run = await Run.start(disk);
    disk.before = () => {
      throw new Error('no space left');
    };
    const { invoice } = invoiceOf();
    await run.created(invoice);
    expect(run.registry.find(invoice)).not.toBeNull();
    await vi.waitFor(() => {
      expect(run.counters.countOf('invoices_not_stored')).toBe(1);
    });
  });
});

describe('issued invoices > in worker threads', () => {
  it('are read by a worker, and found by all of them', async () => {
    const fingerprinter = new PlainFingerprinter(SECRET);
    const registry = InvoiceRegistry.create(fingerprinter, 256);
    const table = SharedReplayTable.create(fingerprinter, 1_024);
    const clock = new VirtualClock();
    const policy = testPolicy();
    const log = testLog();
    const judge = await VerdictPool.start({
      workers: 2,
      policy,
      table: table.memory,
      registry: registry.memory,
      secret: SECRET,
      log,
      clock,
    });
    try {
      const { ownPayee: payee, network } = policy;
      const counters = new Counters();
      const invoices = new IssuedInvoices({
        registry,
        journal: null,
        judge,
        clock,
        log,
        counters,
        payee,
        network,
      });
      const issued = Array.from({ length: 100 }, () => invoiceOf({ amountMsat: null }));
      for (const { invoice } of issued) invoices.created(invoice);
      await invoices.idle();
      for (const [index, { invoice }] of issued.entries()) invoices.settled(invoice, BigInt(2_000 + index));
      const verdicts = await Promise.all(
        issued.map((paid, index) => {
          const proof = proofOf(paid, { amountMsats: BigInt(2_000 + index) });
          return judged(judge, encodePacket(paidPacket(proof)), {
            previousHop: SOURCE,
            origin: 'peer',
            peer: 'source',
          });
        }),
      );
      expect(new Set(verdicts.map(({ reason }) => reasonName(reason)))).toEqual(new Set(['Accepted']));
      expect(await judge.readInvoices(['junk'])).toMatchObject([{ ok: false }]);
    } finally {
      await judge.close();
    }
    const [late] = await judge.readInvoices([invoiceOf().invoice]);
    expect(late?.ok === false && reasonName(late.reason)).toBe('JudgeUnavailable');
  });
});
