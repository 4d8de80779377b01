/**
 * Judges a Lightning proof: an invoice, the preimage that its payment revealed, and what the sender claims.
 *
 * Rules: payments.md, Lightning, in its order, cheapest first behind the decoding of the invoice.
 */
import { equalsConstantTime } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import { nodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { INVOICE_PREFIXES, type BindingRule, type Network } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import type { LightningProof } from '../packet/proof.js';
import { judgeBinding } from './binding.js';
import type { Invoice, InvoiceDecoder } from './invoice.js';
import { keyLife, lightningKey } from './keys.js';
import type { PayeeRules } from './payees.js';
import { refused, verified, type VerificationRequest, type VerificationResult } from './result.js';

/** What the rules need of this node's policy. */
export interface LightningTools {
  readonly decoder: InvoiceDecoder;
  readonly payees: PayeeRules;
  /** JudgePolicy.paymentsSince. */
  readonly paymentsSince: number;
  readonly network: Network;
  readonly binding: BindingRule;
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

  const decoded = tools.decoder.decode(proof.invoice);
  if (!decoded.ok) return refused(decoded.reason, price);
  const { invoice } = decoded;
  const known = { payee: invoice.payee, replayKey: lightningKey(invoice.paymentHash) };

  const reason = judgeInvoice(invoice, proof, now, price, INVOICE_PREFIXES[tools.network]);
  if (reason !== Reason.Accepted) return refused(reason, price, known);
  if (invoice.timestamp < tools.paymentsSince) return refused(Reason.JournalTooYoung, price, known);
  const { source, destination } = request.packet;
  const payeeReason = tools.payees.judge(invoice.payee, nodeKey(source), nodeKey(destination));
  if (payeeReason !== Reason.Accepted) return refused(payeeReason, price, known);

  const { packet } = request;
  const bound = { descriptionHash: invoice.descriptionHash, pricesMsat: [price, proof.amountMsats] };
  const bindingReason = judgeBinding(bound, packet, tools.network, tools.binding);
  if (bindingReason !== Reason.Accepted) return refused(bindingReason, price, known);

  return verified({
    ...known,
    amountMsat: proof.amountMsats,
    priceMsat: price,
    expiresAt: keyLife(now, invoice.timestamp + invoice.expirySeconds),
  });
}

/** Everything about the invoice but its payee. */
function judgeInvoice(
  invoice: Invoice,
  proof: LightningProof,
  now: number,
  price: bigint,
  network: string,
): Reason {
  if (invoice.network !== network) return Reason.WrongNetwork;
  if (!equalsConstantTime(sha256(proof.preimage), invoice.paymentHash)) return Reason.WrongPreimage;
  // Expiry is the invoice's own: whatever the proof claims could only have shortened it above.
  if (invoice.timestamp + invoice.expirySeconds < now) return Reason.InvoiceExpired;
  if (invoice.timestamp > now + LIMITS.FUTURE_SECONDS) return Reason.InvoiceFromFuture;
  if (invoice.amountMsat === null) return Reason.NoAmount;
  if (invoice.amountMsat !== proof.amountMsats) return Reason.AmountMismatch;
  if (invoice.amountMsat < price) return Reason.AmountTooLow;
  return Reason.Accepted;
}
