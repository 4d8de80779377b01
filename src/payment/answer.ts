/**
 * Judges what the node said about a payment: the second half of a verification that needs it.
 *
 * Rules: payments.md (no answer within the deadline is PaymentUnknown). Pure; claiming the key is the caller's
 * next step, as after PaymentVerifier.verify.
 */
import { Reason } from '../core/reasons.js';
import { judgeFunding } from './instant.js';
import { judgeSettled } from './onchain.js';
import type { NodeAnswer, NodeQuestion } from './question.js';
import { refused, type VerificationResult } from './result.js';

/** Why a proof is refused for good against a request that is settled: by another payment than it claims. */
const SETTLED_OTHERWISE: ReadonlySet<Reason> = new Set([
  Reason.PaymentOtherTransaction,
  Reason.AmountMismatch,
]);

/** Whether an answer stays true until the chain changes, so that it need not be asked for again before that. */
export function isLasting(question: NodeQuestion, answer: NodeAnswer): boolean {
  const { verified, reason } = judgeAnswer(question, answer);
  return verified || (question.kind === 'paymentState' && SETTLED_OTHERWISE.has(reason));
}

/** Never throws. An answer to another kind of question is none. */
export function judgeAnswer(question: NodeQuestion, answer: NodeAnswer): VerificationResult {
  if (question.kind === 'utxo' && answer.kind === 'utxo') return judgeFunding(question, answer.utxo);
  if (question.kind === 'paymentState' && answer.kind === 'paymentState') {
    return judgeSettled(question, answer.state);
  }
  const { priceMsat, replayKey } = question.payment;
  return refused(Reason.PaymentUnknown, priceMsat, { payee: null, replayKey });
}
