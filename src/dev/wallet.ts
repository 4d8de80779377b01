/**
 * Lightning wallets of the development network: real signed BOLT11 invoices, and preimages for whoever pays.
 *
 * No channels and no balances: paying an invoice of a wallet in the same network settles it at once.
 * Rules: BOLT11; payments.md, Lightning (one payment per invoice, expiry, network).
 */
import { assert } from '../core/assert.js';
import { toHex, utf8 } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import { sha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';
import type { Network } from '../core/policy.js';
import type { Clock } from '../core/ports.js';
import { payeeOf, signInvoice } from './bolt11.js';

/** An invoice of this wallet and what became of it. */
export interface DevInvoice {
  /** The payment hash in hex: what the node's events and GetPaymentState call the payment. */
  readonly paymentId: string;
  readonly invoice: string;
  /** 32 bytes. */
  readonly paymentHash: Uint8Array;
  /** What the invoice asks for, or null where it leaves the amount to the payer. */
  readonly amountMsat: bigint | null;
  /** Unix seconds. */
  readonly expiresAt: number;
  /** What was paid, or null while nothing was. */
  readonly paidMsat: bigint | null;
}

/** What to ask for; all but the amount has a default. */
export interface InvoiceRequest {
  readonly amountMsat: bigint | null;
  /** Text of at most 639 bytes. Default: empty. */
  readonly description?: string;
  /** 32 bytes that stand in place of the description. */
  readonly descriptionHash?: Uint8Array;
  /** Default 3,600. */
  readonly expirySeconds?: number;
  /** Unix seconds. Default: now. */
  readonly timestamp?: number;
  /** Default regtest. */
  readonly network?: Network;
}

/** The receipt of a payment. */
export interface DevPayment {
  /** 32 bytes whose SHA-256 is the payment hash. */
  readonly preimage: Uint8Array;
  readonly paymentHash: Uint8Array;
  readonly amountMsat: bigint;
  /** The issuing wallet's key, 33 bytes in hex. */
  readonly payee: string;
}

/** What the issuing node tells its modules. */
export interface WalletObserver {
  onInvoiceCreated(invoice: DevInvoice): void;
  onInvoicePaid(invoice: DevInvoice, paidMsat: bigint): void;
}

/** BOLT11's default expiry. */
const DEFAULT_EXPIRY_SECONDS = 3_600;
/** A description of more bytes does not fit its field (BOLT11: 1,023 groups of 5 bits). */
const DESCRIPTION_BYTES = 639;
/** All bitcoin that can exist, in msat: the most that one invoice may ask for. */
const MAX_MSAT = 2_100_000_000_000_000_000n;
const U35_MAX = 2 ** 35 - 1;

interface Issued {
  readonly invoice: DevInvoice;
  readonly preimage: Uint8Array;
  paidMsat: bigint | null;
}

/** All wallets of a network share it: whoever pays finds the issuer of an invoice. */
export class InvoiceBook {
  readonly #issuers = new Map<string, DevWallet>();

  /**
   * Pays an invoice; the issuing node raises PaymentVerified and PaymentSettled.
   * @param amountMsat what to pay where the invoice names no amount; left out or equal where it does
   * @throws MeshError WALLET_REFUSED for an unknown, expired or already paid invoice, or a wrong amount
   */
  pay(invoice: string, amountMsat?: bigint): DevPayment {
    const text = invoice.toLowerCase();
    const issuer = this.#issuers.get(text);
    if (issuer === undefined) {
      throw refusal('no wallet of this network issued the invoice: pay it where it was made', { invoice });
    }
    return issuer.settle(text, amountMsat);
  }

  add(invoice: string, issuer: DevWallet): void {
    this.#issuers.set(invoice, issuer);
  }

  remove(invoice: string): void {
    this.#issuers.delete(invoice);
  }
}

export class DevWallet {
  /** 33 bytes: LightningInfo.node_pubkey, and the payee of every invoice. */
  readonly publicKey: Uint8Array;
  readonly #privateKey: Uint8Array;
  readonly #clock: Clock;
  readonly #book: InvoiceBook;
  readonly #observer: WalletObserver;
  /** By invoice text, oldest first. */
  readonly #issued = new Map<string, Issued>();
  readonly #byPaymentId = new Map<string, Issued>();
  #made = 0;

  /** @param seed text from which the key and all preimages follow */
  constructor(seed: string, clock: Clock, book: InvoiceBook, observer: WalletObserver) {
    this.#privateKey = sha256(utf8(`blvm-mesh/dev-wallet/${seed}`));
    this.publicKey = payeeOf(this.#privateKey);
    this.#clock = clock;
    this.#book = book;
    this.#observer = observer;
  }

  /** The public key in hex: what a packet's proof must be paid to. */
  get payee(): string {
    return toHex(this.publicKey);
  }

  /**
   * Issues an invoice, and the node raises PaymentRequestCreated.
   * @throws MeshError WALLET_REFUSED for values that no invoice can hold, or when the wallet is full
   */
  createInvoice(request: InvoiceRequest): DevInvoice {
    const expirySeconds = request.expirySeconds ?? DEFAULT_EXPIRY_SECONDS;
    const timestamp = request.timestamp ?? this.#clock.unixSeconds();
    const description = request.descriptionHash ?? request.description ?? '';
    refuseUnless(
      request.amountMsat === null || (request.amountMsat > 0n && request.amountMsat <= MAX_MSAT),
      `an invoice asks for 1 to ${MAX_MSAT} msat, or names no amount`,
    );
    refuseUnless(
      Number.isInteger(expirySeconds) && expirySeconds >= 0 && expirySeconds <= U35_MAX,
      'an expiry is a whole number of seconds, 0 or more',
    );
    refuseUnless(
      Number.isInteger(timestamp) && timestamp >= 0 && timestamp <= U35_MAX,
      'a timestamp is in whole Unix seconds and fits in 35 bits',
    );
    refuseUnless(
      typeof description === 'string'
        ? utf8(description).length <= DESCRIPTION_BYTES
        : description.length === 32,
      `a description is at most ${DESCRIPTION_BYTES} bytes, its hash exactly 32`,
    );
    this.#makeRoom();

    const number = utf8(String(this.#made++));
    const preimage = sha256(utf8('preimage'), this.#privateKey, number);
    const paymentHash = sha256(preimage);
    const invoice = signInvoice(
      {
        network: request.network ?? 'regtest',
        amountMsat: request.amountMsat,
        timestamp,
        expirySeconds,
        paymentHash,
        paymentSecret: sha256(utf8('secret'), this.#privateKey, number),
        description,
      },
      this.#privateKey,
    );
    const issued: Issued = {
      invoice: {
        paymentId: toHex(paymentHash),
        invoice,
        paymentHash,
        amountMsat: request.amountMsat,
        expiresAt: timestamp + expirySeconds,
        paidMsat: null,
      },
      preimage,
      paidMsat: null,
    };
    this.#issued.set(invoice, issued);
    this.#byPaymentId.set(issued.invoice.paymentId, issued);
    this.#book.add(invoice, this);
    this.#observer.onInvoiceCreated(issued.invoice);
    return issued.invoice;
  }

  /** Pays an invoice of any wallet in the same network; see InvoiceBook.pay. */
  pay(invoice: string, amountMsat?: bigint): DevPayment {
    return this.#book.pay(invoice, amountMsat);
  }

  /** An invoice of this wallet by its payment id, with what was paid; null where there is none. */
  find(paymentId: string): DevInvoice | null {
    const issued = this.#byPaymentId.get(paymentId);
    return issued === undefined ? null : { ...issued.invoice, paidMsat: issued.paidMsat };
  }

  /** Takes a payment of an invoice of this wallet; called by the book. */
  settle(text: string, offeredMsat: bigint | undefined): DevPayment {
    const issued = this.#issued.get(text);
    assert(issued !== undefined, 'the book names only invoices that their wallet holds');
    const { invoice } = issued;
    const facts = { paymentId: invoice.paymentId };
    if (issued.paidMsat !== null) throw refusal('the invoice was paid already: ask for a new one', facts);
    const now = this.#clock.unixSeconds();
    if (invoice.expiresAt <= now) {
      throw refusal('the invoice has expired: ask for a new one', {
        ...facts,
        expiresAt: invoice.expiresAt,
        now,
      });
    }
    const amountMsat = invoice.amountMsat ?? offeredMsat;
    if (amountMsat === undefined || amountMsat <= 0n)
      throw refusal('the invoice names no amount: say how much to pay', facts);
    if (offeredMsat !== undefined && offeredMsat !== amountMsat) {
      throw refusal('the invoice asks for another amount', { ...facts, asked: amountMsat });
    }
    issued.paidMsat = amountMsat;
    this.#observer.onInvoicePaid(invoice, amountMsat);
    return {
      preimage: issued.preimage.slice(),
      paymentHash: invoice.paymentHash,
      amountMsat,
      payee: this.payee,
    };
  }

  /** Forgets the oldest invoice when the wallet is full, if that one can no longer be paid. */
  #makeRoom(): void {
    if (this.#issued.size < LIMITS.DEV_INVOICES) return;
    const [oldest] = this.#issued;
    assert(oldest !== undefined, 'a full wallet has an oldest invoice');
    const [text, issued] = oldest;
    if (issued.paidMsat === null && issued.invoice.expiresAt > this.#clock.unixSeconds()) {
      throw refusal('the wallet holds as many open invoices as it may: let some be paid or expire', {
        limit: LIMITS.DEV_INVOICES,
      });
    }
    this.#issued.delete(text);
    this.#byPaymentId.delete(issued.invoice.paymentId);
    this.#book.remove(text);
  }
}

/** The whole satoshis that cover an amount: what the node's events show. 0 where there is none. */
export function satsCovering(amountMsat: bigint | null): bigint {
  return amountMsat === null ? 0n : (amountMsat + 999n) / 1_000n;
}

function refuseUnless(condition: boolean, message: string): void {
  if (!condition) throw refusal(message);
}

function refusal(message: string, facts: Record<string, string | number | bigint> = {}): MeshError {
  return new MeshError('WALLET_REFUSED', message, facts);
}
