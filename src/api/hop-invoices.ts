/**
 * Invoices that pay this node as a hop: for senders whose packets come over it (request_hop_invoice).
 *
 * Rules: wire.md, ModuleAPI; payments.md, Lightning (only what is read and found signed by this node's own key is given
 * out, and it is registered at once, so that the packet it pays for needs no curve). node-ipc.md, 7: the node is never
 * waited for while it waits for us, so the first request is answered by InvoicePending and has the invoice made; the
 * same request again gives it out, once. Main thread only.
 */
import { errorText } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { INVOICE_PREFIXES, type FeeSchedule, type Network } from '../core/policy.js';
import type { Clock, Log } from '../core/ports.js';
import { Reason, reasonName, reasonText } from '../core/reasons.js';
import { priceMsat } from '../ledger/fee.js';
import type { Invoice } from '../payment/invoice.js';
import type { PacketJudge } from '../pool/judge-port.js';

/** Whoever makes invoices for this node: its Lightning module, or an implementation of another wallet. */
export interface InvoiceProvider {
  /** @throws what keeps it from telling */
  isAvailable(): Promise<boolean>;
  /** @throws what keeps it from making one */
  createInvoice(order: {
    readonly amountMsat: bigint;
    readonly description: string;
    readonly expirySeconds: number;
  }): Promise<string>;
}

export interface HopInvoicesParts {
  readonly provider: InvoiceProvider;
  /** This node's Lightning key, 33 bytes in hex; null where it is not known. */
  readonly ownPayee: () => Promise<string | null>;
  readonly judge: Pick<PacketJudge, 'readInvoices'>;
  /** Told of each invoice that is given out. */
  readonly onIssued: (invoice: string) => void;
  /** Hops of the known routes from here to a destination; none where none is known, and then one is searched. */
  readonly hopsTo: (destination: NodeId) => readonly number[];
  readonly self: NodeId;
  readonly network: Network;
  /** In force. */
  readonly fees: () => FeeSchedule;
  /** Whether packets need invoices that commit to their use, which no provider makes. */
  readonly isStrict: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HopInvoiceRequest {
  /** Who asks: an invoice is for the one who asked. */
  readonly caller: string;
  readonly destination: NodeId;
  readonly amountMsat: bigint;
  readonly expirySeconds: bigint;
}

export interface HopInvoice {
  readonly invoice: string;
  readonly amountMsat: bigint;
  /** Unix seconds. */
  readonly expiresAt: number;
}

export type HopInvoiceAnswer =
  | { readonly ok: true; readonly value: HopInvoice }
  | { readonly ok: false; readonly reason: Reason; readonly error: string };

interface Order {
  readonly made: Promise<void>;
  answer: HopInvoiceAnswer | null;
  readonly orderedMillis: number;
}

export class HopInvoices {
  readonly #parts: HopInvoicesParts;
  /** By what was asked, oldest first. */
  readonly #orders = new Map<string, Order>();

  constructor(parts: HopInvoicesParts) {
    this.#parts = parts;
  }

  /** Answers from what is known: the invoice where it is made, and InvoicePending while it is. */
  take(request: HopInvoiceRequest): HopInvoiceAnswer {
    const key = keyOf(request);
    const known = this.#orders.get(key);
    if (known === undefined) return this.#order(key, request) ?? refuse(Reason.InvoicePending);
    if (known.answer === null) return refuse(Reason.InvoicePending);
    this.#orders.delete(key);
    return known.answer;
  }

  /** As `take`, but waits for the invoice: for callers whom the node does not wait for. */
  async order(request: HopInvoiceRequest): Promise<HopInvoiceAnswer> {
    const answer = this.take(request);
    if (answer.ok || answer.reason !== Reason.InvoicePending) return answer;
    await this.#orders.get(keyOf(request))?.made;
    return this.take(request);
  }

  /** @returns why nothing is ordered, or null where it is */
  #order(key: string, request: HopInvoiceRequest): HopInvoiceAnswer | null {
    const { clock } = this.#parts;
    const refused = this.#judge(request);
    if (refused !== null) return refused;
    const now = clock.monotonicMillis();
    for (const [old, { answer, orderedMillis }] of this.#orders) {
      if (answer !== null && now - orderedMillis > LIMITS.HOP_INVOICE_MILLIS) this.#orders.delete(old);
    }
    const pending = [...this.#orders.values()].filter(({ answer }) => answer === null).length;
    if (pending >= LIMITS.HOP_INVOICES_PENDING || this.#orders.size >= LIMITS.HOP_INVOICES) {
      return refuse(Reason.Overloaded);
    }
    const made = this.#make(request).then((answer) => {
      order.answer = answer;
    });
    const order: Order = { made, answer: null, orderedMillis: now };
    this.#orders.set(key, order);
    return null;
  }

  /** What is wrong with a request whatever the provider says; null where nothing is. */
  #judge({ destination, amountMsat, expirySeconds }: HopInvoiceRequest): HopInvoiceAnswer | null {
    const { self, fees, hopsTo, isStrict } = this.#parts;
    if (amountMsat < 1n || amountMsat > BigInt(Number.MAX_SAFE_INTEGER)) {
      return refuse(Reason.BadLimit, `amount_msats is from 1 to ${Number.MAX_SAFE_INTEGER}`);
    }
    if (expirySeconds < 1n || expirySeconds > BigInt(LIMITS.HOP_INVOICE_SECONDS)) {
      return refuse(Reason.BadLimit, `expiry_seconds is from 1 to ${LIMITS.HOP_INVOICE_SECONDS}`);
    }
    if (isStrict()) return refuse(Reason.BindingRequired, 'a hop invoice commits to no use');
    const hops = nodeKey(destination) === nodeKey(self) ? [0] : hopsTo(destination);
    if (hops.length === 0) return refuse(Reason.RouteUnknown, 'a search was started: ask again');
    // The payer stands one hop before this node. Nobody is to pay for what no packet can be sent with.
    const least = priceMsat(fees(), 1 + Math.min(...hops), 1);
    return amountMsat < least ? refuse(Reason.AmountTooLow, `it costs ${least} msat or more`) : null;
  }

  /** Never rejects. */
  async #make({ destination, amountMsat, expirySeconds }: HopInvoiceRequest): Promise<HopInvoiceAnswer> {
    const { provider, ownPayee, judge, onIssued, network, log } = this.#parts;
    try {
      if (!(await provider.isAvailable())) return refuse(Reason.NoInvoiceProvider);
      const payee = await ownPayee();
      if (payee === null) return refuse(Reason.NoInvoiceProvider, 'the key that it pays to is not known');
      const text = await provider.createInvoice({
        amountMsat,
        description: `blvm-mesh hop to ${nodeKey(destination)}`,
        expirySeconds: Number(expirySeconds),
      });
      const [verdict] = await judge.readInvoices([text.toLowerCase()]);
      if (verdict?.ok !== true) {
        return refuse(Reason.InvoiceNotIssued, verdict === undefined ? 'no answer' : verdict.detail);
      }
      const wrong = faultOf(verdict.invoice, payee, INVOICE_PREFIXES[network], amountMsat);
      if (wrong !== null) return refuse(Reason.InvoiceNotIssued, wrong);
      onIssued(text);
      const { timestamp, expirySeconds: lasts } = verdict.invoice;
      return { ok: true, value: { invoice: text, amountMsat, expiresAt: timestamp + lasts } };
    } catch (error) {
      log.log('warn', 'a hop invoice was not made', { error: errorText(error) });
      return refuse(Reason.InvoiceNotIssued, errorText(error));
    }
  }
}

/** Why an invoice would not be taken for a payment here; null where it would. */
function faultOf(invoice: Invoice, payee: string, network: string, amountMsat: bigint): string | null {
  if (invoice.payee !== payee.toLowerCase()) return 'it pays to another key than that of this node';
  if (invoice.network !== network) return 'it is of another network';
  return invoice.amountMsat === amountMsat ? null : 'it is about another amount';
}

function keyOf({ caller, destination, amountMsat, expirySeconds }: HopInvoiceRequest): string {
  return `${nodeKey(destination)} ${amountMsat} ${expirySeconds} ${caller}`;
}

function refuse(reason: Reason, detail?: string): HopInvoiceAnswer {
  const text = `${reasonName(reason)}: ${reasonText(reason)}`;
  return { ok: false, reason, error: detail === undefined ? text : `${text}; ${detail}` };
}
