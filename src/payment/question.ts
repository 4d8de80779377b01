/**
 * What only the node can say about a payment: the question that a worker leaves open, as data.
 *
 * Rules: payments.md, OnChainSettlement and InstantSettlement. A worker checks all that needs no node, and the main
 * thread asks; answer.ts judges what comes back. A question holds everything that the judgement needs.
 */

/** A payment as it will be accepted where the answer is right. */
export interface PendingPayment {
  readonly amountMsat: bigint;
  readonly priceMsat: bigint;
  /** 32 bytes. */
  readonly replayKey: Uint8Array;
}

/** GetUtxo: does the output that funds a covenant exist, unspent, and commit to its template? */
export interface UtxoQuestion {
  readonly kind: 'utxo';
  /** 32 bytes, in the order of the serialisation, as the node takes it. */
  readonly txid: Uint8Array;
  readonly vout: number;
  readonly expects: {
    /** The BIP119 hash of the template, 32 bytes, computed here. */
    readonly templateHash: Uint8Array;
    /** The outputs of the template together; may exceed 64 bits. */
    readonly valueSats: bigint;
  };
  readonly payment: PendingPayment;
}

/** GetPaymentState: is a payment request settled, and by this very payment? */
export interface PaymentStateQuestion {
  readonly kind: 'paymentState';
  readonly paymentRequestId: string;
  readonly expects: {
    /** 32 bytes, in the order of the node. */
    readonly txHash: Uint8Array;
    readonly amountSats: bigint;
    readonly minConfirmations: number;
  };
  readonly payment: PendingPayment;
}

export type NodeQuestion = UtxoQuestion | PaymentStateQuestion;

/** An unspent output. */
export interface UtxoFacts {
  /** Satoshis. */
  readonly value: bigint;
  readonly scriptPubkey: Uint8Array;
}

/** What the node knows of a payment request. */
export interface PaymentFacts {
  readonly paymentRequestId: string;
  /** The node's word; `settled` in whatever case counts. */
  readonly status: string;
  readonly amountSats: bigint;
  /** 32 bytes. */
  readonly txHash: Uint8Array | null;
  readonly confirmations: number | null;
}

/** `none`: the node did not answer in time, or refused to. null: it answered that there is no such thing. */
export type NodeAnswer =
  | { readonly kind: 'utxo'; readonly utxo: UtxoFacts | null }
  | { readonly kind: 'paymentState'; readonly state: PaymentFacts | null }
  | { readonly kind: 'none' };
