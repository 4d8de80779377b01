/**
 * Judges an OnChainSettlement proof: a payment request of the node, settled by a transaction.
 *
 * Rules: payments.md, OnChainSettlement. The proof stands or falls with the node's own answer about the request;
 * this judge runs where no node can be asked, so it names the payment and refuses it as not served.
 */
import { Reason } from '../core/reasons.js';
import type { OnChainProof } from '../packet/proof.js';
import { onChainKey } from './keys.js';
import { refused, type VerificationResult } from './result.js';

/** @param price of the packet, in msat */
export function verifyOnChain(proof: OnChainProof, price: bigint): VerificationResult {
  const replayKey = onChainKey(proof.paymentRequestId, proof.txHash);
  return refused(Reason.ProofKindUnsupported, price, { payee: null, replayKey });
}
