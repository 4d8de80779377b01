/**
 * What the two kinds of payment on the chain have in common: the rules of this node's policy, and amounts.
 *
 * Rules: payments.md, any proof, 3; OnChainSettlement; InstantSettlement.
 */
import { U64_MAX } from '../core/bincode.js';
import type { JudgePolicy } from '../core/policy.js';
import { Reason } from '../core/reasons.js';

/** What the judges of chain payments need of a policy. */
export interface SettlementRules {
  /** Whether payments by covenant are accepted. */
  readonly ctv: boolean;
  /** Output scripts that pay this node, in lower-case hex. */
  readonly receiveScripts: ReadonlySet<string>;
  readonly minConfirmations: number;
}

export function settlementRules(policy: JudgePolicy): SettlementRules {
  return {
    ctv: policy.ctv,
    receiveScripts: new Set(policy.receiveScripts.map((script) => script.toLowerCase())),
    minConfirmations: policy.minConfirmations,
  };
}

const MSAT_PER_SAT = 1_000n;

/** Millisatoshis of an amount, exactly; 64 bits may not hold them (judgeAmount). */
export function msatOf(sats: bigint): bigint {
  return sats * MSAT_PER_SAT;
}

/** Whether an amount can be accounted for and covers a price, both in msat. */
export function judgeAmount(amountMsat: bigint, price: bigint): Reason {
  if (amountMsat > U64_MAX) return Reason.AmountNotExact;
  return amountMsat < price ? Reason.AmountTooLow : Reason.Accepted;
}
