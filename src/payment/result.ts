/**
 * The verdict on one payment proof, and the ways to make it.
 *
 * Rules: payments.md (each failure is a returned verdict with its own reason code, never an exception).
 */
import { Reason } from '../core/reasons.js';
import type { PacketSize } from '../packet/examined.js';
import type { MeshPacket } from '../packet/packet.js';
import type { NodeQuestion } from './question.js';

/** What a proof is judged for. Borrowed for the call. */
export interface VerificationRequest {
  /** The packet that the proof is said to pay for; its structure was judged already. */
  readonly packet: MeshPacket;
  /** Of that packet, where it is known already. */
  readonly size?: PacketSize | undefined;
  /** Unix seconds of its receipt here. */
  readonly nowSeconds: number;
}

export interface VerificationResult {
  readonly verified: boolean;
  /** What was paid; 0 where nothing was verified. */
  readonly amountMsat: bigint;
  /** What this packet costs here. */
  readonly priceMsat: bigint;
  /** The payee's Lightning key, 33 bytes in hex, as soon as it is known; null for payments on the chain. */
  readonly payee: string | null;
  /** 32 bytes that name the payment, as soon as they are known. Claim it only where `verified`. */
  readonly replayKey: Uint8Array | null;
  /** Unix seconds until which a claimed key must be remembered (keys.ts, keyLife); 0 where not verified. */
  readonly expiresAt: number;
  /** Accepted where `verified`; PaymentUnknown where the node must be asked, and so if it never is. */
  readonly reason: Reason;
  /**
   * What the node must be asked before the payment can be verified; null where nothing is left open. The answer is
   * judged by judgeAnswer (answer.ts).
   */
  readonly needs: NodeQuestion | null;
}

/** What is known of a payment when it is refused. */
export interface KnownPayment {
  readonly payee: string | null;
  readonly replayKey: Uint8Array | null;
}

const NOTHING_KNOWN: KnownPayment = { payee: null, replayKey: null };

/** A refusal. It names no amount: nothing of a refused payment counts. */
export function refused(
  reason: Reason,
  price: bigint,
  known: KnownPayment = NOTHING_KNOWN,
): VerificationResult {
  return {
    verified: false,
    amountMsat: 0n,
    priceMsat: price,
    payee: known.payee,
    replayKey: known.replayKey,
    expiresAt: 0,
    reason,
    needs: null,
  };
}

/** A payment of which only the node can say whether it was made. */
export function asked(question: NodeQuestion): VerificationResult {
  const { priceMsat, replayKey } = question.payment;
  return { ...refused(Reason.PaymentUnknown, priceMsat, { payee: null, replayKey }), needs: question };
}

/** A payment that passed every check but the claim of its key. */
export function verified(payment: {
  readonly amountMsat: bigint;
  readonly priceMsat: bigint;
  readonly payee: string | null;
  readonly replayKey: Uint8Array;
  readonly expiresAt: number;
}): VerificationResult {
  const { amountMsat, priceMsat, payee, replayKey, expiresAt } = payment;
  return {
    verified: true,
    amountMsat,
    priceMsat,
    payee,
    replayKey,
    expiresAt,
    reason: Reason.Accepted,
    needs: null,
  };
}
