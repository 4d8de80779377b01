/**
 * Fills the registry of the invoices that this node issued: from the node's events, and from a journal of its own
 * after a start.
 *
 * Rules: payments.md, Lightning (fast path: learned from PaymentRequestCreated or own requests; without amount: what
 * the node settled). Whatever an event says, only what a worker has read and found signed by this node's own key is
 * registered, so a false event brings in nothing that the ordinary way would refuse; what was paid for an invoice
 * without amount is the node's word, in PaymentVerified. GetPaymentState tells whole satoshis, which are not exact.
 * What cannot be registered or stored is only slower, and where it names no amount it waits for the node to say it
 * again. Main thread only.
 */
import { join } from 'node:path';
import { present } from '../core/assert.js';
import { decode, encode, fixedBytes, option, string, struct, u64, type Codec } from '../core/codec.js';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { INVOICE_PREFIXES, type Network } from '../core/policy.js';
import type { Clock, Log } from '../core/ports.js';
import { reasonName } from '../core/reasons.js';
import type { Counters } from '../metrics/counters.js';
import type { InvoiceVerdict } from '../payment/invoice.js';
import { KEEP_KEY_FOREVER } from '../payment/keys.js';
import type { InvoiceRegistry, IssuedInvoice } from '../payment/registry.js';
import type { PacketJudge } from '../pool/judge-port.js';
import { nodeDisk } from '../store/disk.js';
import { Journal, type JournalFold, type JournalRecord } from '../store/journal.js';

export const REGISTRY_FILE = 'invoices.journal';

/** The one type of its records. */
const ISSUED_RECORD = 1;

const PAYEE_BYTES = 33;

/** What remains of a record that has expired: nothing. */
const EXPIRED_INVOICES: JournalFold = { take: (_, isExpired) => isExpired, carried: () => [] };

export interface IssuedInvoicesParts {
  /** Written by nobody else. */
  readonly registry: InvoiceRegistry;
  /** null where it could not be opened: then nothing survives a restart. */
  readonly journal: Pick<Journal, 'append' | 'records' | 'compact'> | null;
  readonly judge: Pick<PacketJudge, 'readInvoices'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: Counters;
  /** This node's own key, 33 bytes in lower-case hex; null where it is not known, then nothing is registered. */
  readonly payee: string | null;
  readonly network: Network;
}

/** Something that the node said of an invoice. */
interface Noted {
  readonly text: string;
  readonly settledMsat: bigint | null;
}

export class IssuedInvoices {
  readonly #parts: IssuedInvoicesParts;
  #queue: Noted[] = [];
  #draining: Promise<void> | null = null;

  constructor(parts: IssuedInvoicesParts) {
    this.#parts = parts;
  }

  /** Memory shared with the workers. */
  get sharedBytes(): number {
    const { memory } = this.#parts.registry;
    return memory.byteLength;
  }

  /** Takes what earlier runs registered. Never rejects: what cannot be read is not known. */
  async restore(): Promise<void> {
    const { journal, log, registry } = this.#parts;
    if (journal === null) return;
    let invoices = 0;
    try {
      for await (const record of journal.records()) if (this.#take(record)) invoices += 1;
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      log.log('error', 'the journal of issued invoices cannot be read on', { error: errorText(error) });
    }
    const capacity = registry.capacity;
    if (invoices > 0) log.log('info', 'restored issued invoices', { invoices, capacity });
  }

  /** The node issued an invoice (PaymentRequestCreated). */
  created(invoice: string): void {
    this.#note({ text: invoice.toLowerCase(), settledMsat: null });
  }

  /** The node was paid so much for an invoice (PaymentVerified). */
  settled(invoice: string, settledMsat: bigint): void {
    const text = invoice.toLowerCase();
    const known = this.#parts.registry.find(text);
    if (known === null) this.#note({ text, settledMsat });
    else this.#keep(text, { ...known, settledMsat });
  }

  /** Drops what has expired from the journal; to be called now and then. */
  async compact(): Promise<void> {
    const { journal } = this.#parts;
    await journal?.compact(
      () => EXPIRED_INVOICES,
      () => undefined,
    );
  }

  /** Resolves when all that was noted is registered. */
  async idle(): Promise<void> {
    await this.#draining;
  }

  #note(noted: Noted): void {
    const { payee, counters } = this.#parts;
    if (payee === null || noted.text.length > LIMITS.INVOICE_CHARS) return;
    if (this.#queue.length >= LIMITS.ISSUED_QUEUED) {
      counters.count('invoices_dropped');
      return;
    }
    this.#queue.push(noted);
    this.#draining ??= this.#drain();
  }

  /** While a worker reads one batch, the next gathers. */
  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue.splice(0, LIMITS.ISSUED_BATCH);
      const verdicts = await this.#parts.judge.readInvoices(batch.map(({ text }) => text));
      batch.forEach((noted, index) => {
        this.#judge(noted, present(verdicts[index], 'a verdict for each invoice'));
      });
    }
    this.#draining = null;
  }

  #judge({ text, settledMsat }: Noted, verdict: InvoiceVerdict): void {
    const { clock, counters, log, network, payee } = this.#parts;
    const isOurs =
      verdict.ok && verdict.invoice.payee === payee && verdict.invoice.network === INVOICE_PREFIXES[network];
    if (!isOurs) {
      counters.count('invoices_not_registered');
      log.log('debug', "an invoice that the node told of is not this node's own", {
        reason: verdict.ok ? 'another payee or network' : reasonName(verdict.reason),
      });
      return;
    }
    const { paymentHash, amountMsat, timestamp, expirySeconds, descriptionHash } = verdict.invoice;
    const invoice = { paymentHash, amountMsat, settledMsat, timestamp, expirySeconds, descriptionHash };
    if (expiryOf(invoice) >= clock.unixSeconds()) this.#keep(text, invoice);
  }

  #keep(text: string, known: IssuedInvoice): void {
    const { registry, journal, counters, log, payee } = this.#parts;
    // Where the invoice names its amount there is nothing to learn from what was paid.
    const invoice = known.amountMsat === null ? known : { ...known, settledMsat: null };
    if (!registry.register(text, invoice)) return;
    counters.count(invoice.settledMsat === null ? 'invoices_registered' : 'invoices_settled');
    const payload = encode(issued, {
      ...invoice,
      text,
      payee: Buffer.from(present(payee, 'only with a key of our own'), 'hex'),
      timestamp: BigInt(invoice.timestamp),
      expirySeconds: BigInt(invoice.expirySeconds),
    });
    const record = { type: ISSUED_RECORD, keepUntil: expiryOf(invoice), payload };
    journal?.append([record]).catch((error: unknown) => {
      counters.count('invoices_not_stored');
      log.log('warn', 'an issued invoice will not be known after a restart', { error: errorText(error) });
    });
  }

  /** Registers what a record holds; false where it is none of this version, of another key, or has expired. */
  #take(record: JournalRecord): boolean {
    const { registry, clock, payee } = this.#parts;
    const decoded = decode(issued, record.payload);
    if (record.type !== ISSUED_RECORD || !decoded.ok || record.keepUntil < clock.unixSeconds()) return false;
    const { text, payee: paidTo, ...rest } = decoded.value;
    if (Buffer.from(paidTo).toString('hex') !== payee) return false;
    return registry.register(text, {
      ...rest,
      timestamp: Number(rest.timestamp),
      expirySeconds: Number(rest.expirySeconds),
    });
  }
}

/** Unix seconds, as a journal keeps them. */
function expiryOf({ timestamp, expirySeconds }: IssuedInvoice): number {
  return Math.min(timestamp + expirySeconds, KEEP_KEY_FOREVER);
}

/** A record's payload. */
interface IssuedRecord extends Omit<IssuedInvoice, 'timestamp' | 'expirySeconds'> {
  readonly text: string;
  readonly payee: Uint8Array;
  readonly timestamp: bigint;
  readonly expirySeconds: bigint;
}

const issued: Codec<IssuedRecord> = struct<IssuedRecord>({
  text: string,
  payee: fixedBytes(PAYEE_BYTES),
  paymentHash: fixedBytes(32),
  amountMsat: option(u64),
  settledMsat: option(u64),
  timestamp: u64,
  expirySeconds: u64,
  descriptionHash: option(fixedBytes(32)),
});

/** The journal of issued invoices in a data directory, or null where it cannot be used: it makes judging faster only. */
export async function openInvoiceJournal(dataDir: string, clock: Clock, log: Log): Promise<Journal | null> {
  const path = join(dataDir, REGISTRY_FILE);
  try {
    // Nothing depends on what it holds: one that was lost is as good as one of a first run.
    const journal = await Journal.open({ disk: nodeDisk, path, clock, log, isFirstRun: true });
    await journal.compact(
      () => EXPIRED_INVOICES,
      () => undefined,
    );
    return journal;
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    log.log(
      'error',
      'issued invoices will not be known after a restart: remove their journal, or make room',
      {
        error: errorText(error),
      },
    );
    return null;
  }
}
