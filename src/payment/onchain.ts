/**
 * Judges an OnChainSettlement proof: a payment request of the node, settled by a transaction.
 *
 * Rules: payments.md, OnChainSettlement. The proof stands or falls with the node's own answer about the request,
 * judged by `judgeSettled`; before that, only what the proof claims can be refused.
 */
import { equalBytes } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import type { OnChainProof } from '../packet/proof.js';
import { KEEP_KEY_FOREVER, onChainKey } from './keys.js';
import type { PaymentFacts, PaymentStateQuestion } from './question.js';
import { asked, refused, verified, type VerificationResult } from './result.js';
import { judgeAmount, msatOf, type SettlementRules } from './settlement.js';

/** @param price of the packet, in msat */
export function verifyOnChain(
  proof: OnChainProof,
  price: bigint,
  rules: SettlementRules,
): VerificationResult {
  const { paymentRequestId, txHash, amountSats } = proof;
  const idBytes = Buffer.byteLength(paymentRequestId);
  if (idBytes === 0 || idBytes > LIMITS.PAYMENT_REQUEST_ID_BYTES) {
    return refused(Reason.PaymentRequestUnknown, price);
  }
  const replayKey = onChainKey(paymentRequestId, txHash);
  const amountMsat = msatOf(amountSats);
  const reason = judgeAmount(amountMsat, price);
  if (reason !== Reason.Accepted) return refused(reason, price, { payee: null, replayKey });
  return asked({
    kind: 'paymentState',
    paymentRequestId,
    expects: { txHash, amountSats, minConfirmations: rules.minConfirmations },
    payment: { amountMsat, priceMsat: price, replayKey },
  });
}

/** Judges what the node knows of the request, or null where it knows none. */
export function judgeSettled(question: PaymentStateQuestion, state: PaymentFacts | null): VerificationResult {
  const { payment } = question;
  const reason = settledReason(question, state);
  // A settled request stays settled, however long ago that was.
  return reason === Reason.Accepted
    ? verified({ ...payment, payee: null, expiresAt: KEEP_KEY_FOREVER })
    : refused(reason, payment.priceMsat, { payee: null, replayKey: payment.replayKey });
}

/** First what becomes true with time, then what never will. */
function settledReason(question: PaymentStateQuestion, state: PaymentFacts | null): Reason {
  const { txHash, amountSats, minConfirmations } = question.expects;
  if (state?.paymentRequestId !== question.paymentRequestId) return Reason.PaymentRequestUnknown;
  if (state.status.toLowerCase() !== 'settled') return Reason.PaymentNotSettled;
  if ((state.confirmations ?? 0) < minConfirmations) return Reason.TooFewConfirmations;
  if (state.txHash === null || !equalBytes(state.txHash, txHash)) return Reason.PaymentOtherTransaction;
  return state.amountSats === amountSats ? Reason.Accepted : Reason.AmountMismatch;
}
