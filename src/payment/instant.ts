/**
 * Judges an InstantSettlement (CTV) proof: a covenant whose funding output commits to what it will pay.
 *
 * Rules: payments.md, InstantSettlement. Without the chain behind it a covenant proves nothing, so this judge
 * decodes it strictly, names the payment by its funding outpoint and refuses it as not served.
 */
import { Reason } from '../core/reasons.js';
import { decodeCovenant } from '../packet/covenant.js';
import type { InstantProof } from '../packet/proof.js';
import { instantKey } from './keys.js';
import { refused, type VerificationResult } from './result.js';

/** @param price of the packet, in msat */
export function verifyInstant(proof: InstantProof, price: bigint): VerificationResult {
  const decoded = decodeCovenant(proof.covenantProof);
  if (!decoded.ok) return refused(decoded.failure.reason, price);
  const funding = decoded.value.transactionTemplate.inputs[0];
  const replayKey = funding === undefined ? null : instantKey(funding.prevoutHash, funding.prevoutIndex);
  return refused(Reason.ProofKindUnsupported, price, { payee: null, replayKey });
}
