/**
 * What a node knows of payments: Lightning invoices of its wallet, and requests to be paid on the chain.
 *
 * Rules: payments.md, OnChainSettlement (GetPaymentState says settled, with the transaction and its
 * confirmations); the events are those of the node (PaymentRequestCreated, PaymentVerified, PaymentSettled).
 */
import { toHex, utf8 } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import { sha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';
import type { EventPayload, PaymentState } from '../node/messages.js';
import type { DevBlock, DevChain } from './chain.js';
import { satsCovering, type DevInvoice, type DevWallet, type WalletObserver } from './wallet.js';

/** A request to pay an amount to a script. */
export interface OnChainRequest {
  readonly paymentId: string;
  readonly amountSats: bigint;
  /** Pays to this node: a witness script hash of its own. */
  readonly script: Uint8Array;
}

interface OpenRequest extends OnChainRequest {
  txid: Uint8Array | null;
  /** Whether modules were told; once more after a reorganisation undid it. */
  isSettled: boolean;
}

export class PaymentDesk implements WalletObserver {
  readonly #name: string;
  readonly #chain: DevChain;
  readonly #publish: (event: EventPayload) => void;
  readonly #requests = new Map<string, OpenRequest>();
  readonly #byTxid = new Map<string, OpenRequest>();
  #made = 0;

  /** @param name makes payment ids differ between nodes */
  constructor(name: string, chain: DevChain, publish: (event: EventPayload) => void) {
    this.#name = name;
    this.#chain = chain;
    this.#publish = publish;
  }

  /** Asks to be paid on the chain, and raises PaymentRequestCreated. */
  createOnChainRequest(amountSats: bigint): OnChainRequest {
    if (this.#requests.size >= LIMITS.DEV_INVOICES) {
      throw new MeshError('WALLET_REFUSED', 'the node holds as many payment requests as it may', {
        limit: LIMITS.DEV_INVOICES,
      });
    }
    if (amountSats <= 0n) throw new MeshError('WALLET_REFUSED', 'a request asks for 1 sat or more');
    const program = sha256(utf8(`blvm-mesh/dev-payment/${this.#name}/${this.#made++}`));
    const request: OpenRequest = {
      paymentId: toHex(program.subarray(0, 16)),
      amountSats,
      script: Uint8Array.of(0x00, 0x20, ...program),
      txid: null,
      isSettled: false,
    };
    this.#requests.set(request.paymentId, request);
    this.#raise('PaymentRequestCreated', {
      payment_id: request.paymentId,
      amount_sats: amountSats,
      invoice: null,
    });
    return request;
  }

  /**
   * Pays a request by a transaction in the mempool; it settles with its first block.
   * @returns the transaction id, 32 bytes, internal order
   * @throws MeshError WALLET_REFUSED for an unknown or paid request
   */
  payOnChain(paymentId: string): Uint8Array {
    const request = this.#requests.get(paymentId);
    if (request === undefined)
      throw new MeshError('WALLET_REFUSED', `this node asked for no payment ${paymentId}`, { paymentId });
    if (request.txid !== null)
      throw new MeshError('WALLET_REFUSED', 'the request was paid already: ask for a new one', { paymentId });
    const txid = this.#chain.createTransaction([{ valueSats: request.amountSats, script: request.script }]);
    request.txid = txid;
    this.#byTxid.set(toHex(txid), request);
    return txid;
  }

  /** What GetPaymentState answers. Only payments on the chain have a transaction. */
  state(paymentId: string, wallet: DevWallet): PaymentState | null {
    const request = this.#requests.get(paymentId);
    if (request !== undefined) return this.#onChainState(request);
    const invoice = wallet.find(paymentId);
    if (invoice === null) return null;
    return {
      payment_id: paymentId,
      status: invoice.paidMsat === null ? 'pending' : 'settled',
      amount_sats: satsCovering(invoice.paidMsat ?? invoice.amountMsat),
      tx_hash: null,
      confirmations: null,
      reason: null,
    };
  }

  onInvoiceCreated(invoice: DevInvoice): void {
    this.#raise('PaymentRequestCreated', {
      payment_id: invoice.paymentId,
      amount_sats: satsCovering(invoice.amountMsat),
      invoice: invoice.invoice,
    });
  }

  /** A Lightning payment has no transaction: the event carries its payment hash, and no confirmations. */
  onInvoicePaid(invoice: DevInvoice, paidMsat: bigint): void {
    this.#raise('PaymentVerified', {
      payment_id: invoice.paymentId,
      amount_msats: paidMsat,
      invoice: invoice.invoice,
    });
    this.#raise('PaymentSettled', {
      payment_id: invoice.paymentId,
      tx_hash: invoice.paymentHash,
      confirmations: 0,
    });
  }

  /** Settles what the block confirms. */
  onBlock(block: DevBlock): void {
    if (this.#byTxid.size === 0) return;
    for (const { txid } of block.transactions) {
      const request = this.#byTxid.get(toHex(txid));
      if (request === undefined || request.isSettled) continue;
      request.isSettled = true;
      this.#raise('PaymentSettled', { payment_id: request.paymentId, tx_hash: txid, confirmations: 1 });
    }
  }

  onBlockDisconnected(block: DevBlock): void {
    for (const { txid } of block.transactions) {
      const request = this.#byTxid.get(toHex(txid));
      if (request !== undefined) request.isSettled = false;
    }
  }

  #onChainState(request: OpenRequest): PaymentState {
    const confirmations = request.txid === null ? 0 : this.#chain.confirmations(request.txid);
    const isWaiting = request.txid !== null && this.#chain.isInMempool(request.txid);
    let status = 'pending';
    if (confirmations > 0) status = 'settled';
    else if (isWaiting) status = 'in_mempool';
    else if (request.txid !== null) status = 'failed';
    return {
      payment_id: request.paymentId,
      status,
      amount_sats: request.amountSats,
      tx_hash: request.txid,
      confirmations: request.txid === null ? null : confirmations,
      reason: status === 'failed' ? 'the transaction is gone after a reorganisation' : null,
    };
  }

  #raise<N extends PaymentEventName>(
    name: N,
    value: Extract<EventPayload, { readonly name: N }>['value'],
  ): void {
    this.#publish({ name, value } as Extract<EventPayload, { readonly name: N }>);
  }
}

type PaymentEventName = 'PaymentRequestCreated' | 'PaymentVerified' | 'PaymentSettled';
