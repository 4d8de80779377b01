/**
 * The payment verifier: whether a proof pays for a packet at this node.
 *
 * Rules: payments.md. Checks run in its order, cheapest first; one file holds the rules of each kind of proof.
 * It runs on any thread and changes no state: claiming the replay key is the caller's next step.
 */
import { sha256 as plainSha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';
import type { FeeSchedule, JudgePolicy } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import { priceMsat } from '../ledger/fee.js';
import type { PacketSize } from '../packet/examined.js';
import type { MeshPacket } from '../packet/packet.js';
import type { PaymentProof } from '../packet/proof.js';
import { verifyInstant } from './instant.js';
import type { QuickInvoiceReader } from './bolt11/quick.js';
import type { InvoiceDecoder } from './invoice.js';
import { verifyLightning, type LightningTools } from './lightning.js';
import { verifyOnChain } from './onchain.js';
import { PayeeRules } from './payees.js';
import type { InvoiceLookup } from './registry.js';
import { settlementRules, type SettlementRules } from './settlement.js';
import { refused, type VerificationRequest, type VerificationResult } from './result.js';

/** What makes judging faster where it is at hand. */
export interface VerifierTools {
  /** The invoices that this node issued. Without it all take the way of others, and none without amount passes. */
  readonly registry?: InvoiceLookup;
  /** Reads ordinary invoices where they lie; without it all are read by the decoder. */
  readonly quickInvoices?: QuickInvoiceReader;
  /** 32 bytes of 1 argument, which is borrowed. */
  readonly sha256?: (bytes: Uint8Array) => Uint8Array;
}

export type { VerificationRequest, VerificationResult } from './result.js';

export class PaymentVerifier {
  readonly #fees: FeeSchedule;
  readonly #lightning: LightningTools;
  readonly #settlement: SettlementRules;
  readonly #paymentsSince: number;

  /** The policy is read once: a new policy needs a new verifier. */
  constructor(policy: JudgePolicy, decoder: InvoiceDecoder, tools: VerifierTools = {}) {
    const { registry, quickInvoices = null, sha256 = plainSha256 } = tools;
    const payee = policy.ownPayee?.toLowerCase() ?? null;
    this.#fees = policy.fees;
    this.#lightning = {
      decoder,
      quickInvoices,
      issued: registry === undefined || payee === null ? null : { registry, payee },
      sha256,
      payees: new PayeeRules(policy),
      paymentsSince: policy.paymentsSince,
      network: policy.network,
      binding: policy.binding,
    };
    this.#settlement = settlementRules(policy);
    this.#paymentsSince = policy.paymentsSince;
  }

  /**
   * Judges a proof for the packet it came with, or for another: the proof inside the packet is not looked at.
   * Never throws on input. The same input gives the same verdict.
   */
  verify(proof: PaymentProof, request: VerificationRequest): VerificationResult {
    const { nowSeconds, size = sizeOf(request.packet) } = request;
    const price = priceMsat(this.#fees, size.hops, size.payloadBytes);
    if (proof.timestamp > BigInt(nowSeconds + LIMITS.FUTURE_SECONDS)) {
      return refused(Reason.ProofFromFuture, price);
    }
    // Nothing that a node could be asked tells when a payment on the chain was first good.
    if (proof.kind !== 'Lightning' && this.#paymentsSince > 0) return refused(Reason.JournalTooYoung, price);
    switch (proof.kind) {
      case 'Lightning':
        return verifyLightning(proof, request, price, this.#lightning);
      case 'OnChainSettlement':
        return verifyOnChain(proof, price, this.#settlement);
      case 'InstantSettlement':
        return verifyInstant(proof, price, this.#settlement);
    }
  }
}

function sizeOf({ route, payload }: MeshPacket): PacketSize {
  return { hops: Math.max(0, route.length - 1), payloadBytes: payload.length };
}
