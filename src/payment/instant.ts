/**
 * Judges an InstantSettlement (CTV) proof: a covenant whose funding output commits to what it will pay.
 *
 * Rules: payments.md, InstantSettlement, cheapest first. What needs no node is judged here on any thread; whether
 * the funding output is there is asked of the node, and judged by `judgeFunding`.
 */
import { concatBytes, equalBytes, toHex } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { decodeCovenant, type CovenantProof, type TransactionTemplate } from '../packet/covenant.js';
import type { InstantProof } from '../packet/proof.js';
import { bip119Hash, hostTemplateHash } from './ctv/template-hash.js';
import { instantKey, KEEP_KEY_FOREVER } from './keys.js';
import type { UtxoFacts, UtxoQuestion } from './question.js';
import { asked, refused, verified, type VerificationResult } from './result.js';
import { judgeAmount, msatOf, type SettlementRules } from './settlement.js';

/** The template's input that spends the funding output. */
const FUNDING_INPUT = 0;

/** A template is spent by witness, if at all: no input of it has a script. */
const NO_SCRIPT = new Uint8Array(0);

/** OP_CHECKTEMPLATEVERIFY, which was OP_NOP4 (BIP119). */
const OP_CTV = 0xb3;
const PUSH_32 = 0x20;
const OP_0 = 0x00;

/** @param price of the packet, in msat */
export function verifyInstant(
  proof: InstantProof,
  price: bigint,
  rules: SettlementRules,
): VerificationResult {
  if (!rules.ctv) return refused(Reason.CtvDisabled, price);
  if (proof.covenantProof.length > LIMITS.COVENANT_BYTES) return refused(Reason.InputTooLong, price);
  const decoded = decodeCovenant(proof.covenantProof);
  if (!decoded.ok) return refused(decoded.failure.reason, price);
  const covenant = decoded.value;
  const { inputs, outputs } = covenant.transactionTemplate;
  const funding = inputs[FUNDING_INPUT];
  if (funding === undefined) return refused(Reason.NoFundingInput, price);

  const replayKey = instantKey(funding.prevoutHash, funding.prevoutIndex);
  const reason = judgeTemplate(covenant, proof, price, rules);
  if (reason !== Reason.Accepted) return refused(reason, price, { payee: null, replayKey });
  return asked({
    kind: 'utxo',
    txid: funding.prevoutHash,
    vout: funding.prevoutIndex,
    expects: {
      templateHash: covenant.templateHash,
      valueSats: outputs.reduce((sum, { value }) => sum + value, 0n),
    },
    payment: { amountMsat: msatOf(proof.amountSats), priceMsat: price, replayKey },
  });
}

/** Judges the funding output that the node found, or null where it found none. */
export function judgeFunding(question: UtxoQuestion, utxo: UtxoFacts | null): VerificationResult {
  const { expects, payment } = question;
  const reason = fundingReason(expects, utxo);
  // While the output is unspent the covenant stays good, however long that is.
  return reason === Reason.Accepted
    ? verified({ ...payment, payee: null, expiresAt: KEEP_KEY_FOREVER })
    : refused(reason, payment.priceMsat, { payee: null, replayKey: payment.replayKey });
}

/** The two scripts that commit to a template hash: bare, and as the witness script of a P2WSH output. */
export function covenantScripts(templateHash: Uint8Array): {
  readonly bare: Uint8Array;
  readonly p2wsh: Uint8Array;
} {
  const bare = concatBytes(Uint8Array.of(PUSH_32), templateHash, Uint8Array.of(OP_CTV));
  return { bare, p2wsh: concatBytes(Uint8Array.of(OP_0, PUSH_32), sha256(bare)) };
}

/** Everything about the covenant but its funding. */
function judgeTemplate(
  covenant: CovenantProof,
  proof: InstantProof,
  price: bigint,
  rules: SettlementRules,
): Reason {
  const output = covenant.transactionTemplate.outputs[proof.outputIndex];
  if (output === undefined) return Reason.OutputIndexUnknown;
  if (!rules.receiveScripts.has(toHex(output.scriptPubkey))) return Reason.OutputNotAccepted;
  if (output.value !== proof.amountSats) return Reason.AmountMismatch;
  const reason = judgeAmount(msatOf(output.value), price);
  return reason === Reason.Accepted ? judgeHash(covenant) : reason;
}

function judgeHash({ templateHash, transactionTemplate: template }: CovenantProof): Reason {
  if (equalBytes(templateHash, templateHashOf(template))) return Reason.Accepted;
  return equalBytes(templateHash, hostTemplateHash(template, FUNDING_INPUT))
    ? Reason.HostTemplateHash
    : Reason.TemplateHashMismatch;
}

/** The BIP119 hash that the funding output of a template must commit to, 32 bytes. */
export function templateHashOf(template: TransactionTemplate): Uint8Array {
  const inputs = template.inputs.map(({ sequence }) => ({ scriptSig: NO_SCRIPT, sequence }));
  return bip119Hash({ ...template, inputs }, FUNDING_INPUT);
}

function fundingReason(expects: UtxoQuestion['expects'], utxo: UtxoFacts | null): Reason {
  if (utxo === null) return Reason.FundingMissing;
  const { bare, p2wsh } = covenantScripts(expects.templateHash);
  const commits = equalBytes(utxo.scriptPubkey, bare) || equalBytes(utxo.scriptPubkey, p2wsh);
  if (!commits) return Reason.FundingScriptMismatch;
  return utxo.value < expects.valueSats ? Reason.FundingTooLow : Reason.Accepted;
}
