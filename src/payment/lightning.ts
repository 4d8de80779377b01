/**
 * Judges a Lightning proof: an invoice, the preimage that its payment revealed, and what the sender claims.
 *
 * Rules: payments.md, Lightning, in its order, cheapest first behind the decoding of the invoice.
 */
import { equalsConstantTime } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import { INVOICE_PREFIXES, type BindingRule, type Network } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import type { LightningProof } from '../packet/proof.js';
import { judgeBinding } from './binding.js';
import type { QuickInvoiceReader } from './bolt11/quick.js';
import type { Invoice, InvoiceDecoder, InvoiceText } from './invoice.js';
import { keyLife, lightningKey } from './keys.js';
import type { PayeeRules } from './payees.js';
import type { InvoiceLookup, IssuedInvoice } from './registry.js';
import { refused, verified, type VerificationRequest, type VerificationResult } from './result.js';

/** What the rules need of this node's policy. */
export interface LightningTools {
  readonly decoder: InvoiceDecoder;
  /** Asked first where the invoice lies as bytes; null where there is none. */
  readonly quickInvoices: QuickInvoiceReader | null;
  /** The invoices that this node issued, and its key, which they are paid to; null where it has none. */
  readonly issued: { readonly registry: InvoiceLookup; readonly payee: string } | null;
  readonly sha256: (bytes: Uint8Array) => Uint8Array;
  readonly payees: PayeeRules;
  /** JudgePolicy.paymentsSince. */
  readonly paymentsSince: number;
  readonly network: Network;
  readonly binding: BindingRule;
}

/** What the rules need of an invoice, and what the node settled where it issued it. */
type PaidInvoice = Pick<Invoice, 'payee' | 'network'> & Omit<IssuedInvoice, 'settledMsat'> & Issued;
interface Issued {
  /** null where the node settled nothing yet; undefined where it did not issue the invoice. */
  readonly settledMsat?: bigint | null;
}

/** @param price of the packet, in msat */
export function verifyLightning(
  proof: LightningProof,
  request: VerificationRequest,
  price: bigint,
  tools: LightningTools,
): VerificationResult {
  const now = request.nowSeconds;
  if (proof.expiresAt < BigInt(now)) return refused(Reason.ProofExpired, price);

  const read = readInvoice(proof.invoiceBytes ?? proof.invoice, tools);
  if (!read.ok) return refused(read.reason, price);
  const { invoice } = read;
  const known = { payee: invoice.payee, replayKey: lightningKey(invoice.paymentHash) };

  const reason = judgeInvoice(invoice, proof, now, price, tools);
  if (reason !== Reason.Accepted) return refused(reason, price, known);
  if (invoice.timestamp < tools.paymentsSince) return refused(Reason.JournalTooYoung, price, known);
  const payeeReason = tools.payees.judge(invoice.payee, request.packet);
  if (payeeReason !== Reason.Accepted) return refused(payeeReason, price, known);

  const { packet } = request;
  const bound = { descriptionHash: invoice.descriptionHash, pricesMsat: [price, proof.amountMsats] };
  const bindingReason = judgeBinding(bound, packet, tools.network, tools.binding);
  if (bindingReason !== Reason.Accepted) return refused(bindingReason, price, known);

  return verified({
    payee: known.payee,
    replayKey: known.replayKey,
    amountMsat: proof.amountMsats,
    priceMsat: price,
    expiresAt: keyLife(now, invoice.timestamp + invoice.expirySeconds),
  });
}

/** By its text where this node issued it, without bech32 and curve; else by reading it. */
function readInvoice(
  text: InvoiceText,
  { decoder, quickInvoices, issued, network }: LightningTools,
): { readonly ok: true; readonly invoice: PaidInvoice } | { readonly ok: false; readonly reason: Reason } {
  const known = issued === null ? null : issued.registry.find(text);
  if (known === null || issued === null) {
    const quick = typeof text === 'string' ? null : (quickInvoices?.read(text) ?? null);
    return quick ?? decoder.decode(text);
  }
  // Written out here and below: copying objects by spread would take most of the time of this way.
  const { paymentHash, amountMsat, settledMsat, timestamp, expirySeconds, descriptionHash } = known;
  const { payee } = issued;
  return {
    ok: true,
    invoice: {
      paymentHash,
      payee,
      amountMsat,
      settledMsat,
      timestamp,
      expirySeconds,
      descriptionHash,
      network: INVOICE_PREFIXES[network],
    },
  };
}

/** Everything about the invoice but its payee and its use. */
function judgeInvoice(
  invoice: PaidInvoice,
  proof: LightningProof,
  now: number,
  price: bigint,
  { network, sha256 }: LightningTools,
): Reason {
  if (invoice.network !== INVOICE_PREFIXES[network]) return Reason.WrongNetwork;
  if (!equalsConstantTime(sha256(proof.preimage), invoice.paymentHash)) return Reason.WrongPreimage;
  // Expiry is the invoice's own: whatever the proof claims could only have shortened it above.
  if (invoice.timestamp + invoice.expirySeconds < now) return Reason.InvoiceExpired;
  if (invoice.timestamp > now + LIMITS.FUTURE_SECONDS) return Reason.InvoiceFromFuture;
  const { settledMsat } = invoice;
  // What was paid is the node's word alone, and only where the invoice leaves it open.
  const amountMsat = invoice.amountMsat ?? settledMsat ?? null;
  if (amountMsat === null) return settledMsat === undefined ? Reason.NoAmount : Reason.PaymentNotSettled;
  if (amountMsat !== proof.amountMsats) return Reason.AmountMismatch;
  if (amountMsat < price) return Reason.AmountTooLow;
  return Reason.Accepted;
}
