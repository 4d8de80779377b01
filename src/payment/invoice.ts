/**
 * What a payment check needs of a BOLT11 invoice, and the contract of whoever reads one.
 *
 * Rules: payments.md (Lightning). The decoder judges the invoice alone; whether it pays for a packet is judged
 * in lightning.ts.
 */
import type { Reason } from '../core/reasons.js';

export interface Invoice {
  /** 32 bytes: SHA-256 of the preimage that only a payer learns. */
  readonly paymentHash: Uint8Array;
  /** The payee's compressed secp256k1 key, 33 bytes in lower-case hex: the key that signed. */
  readonly payee: string;
  /** Exact, at most 2^64-1; null where the payer chooses. */
  readonly amountMsat: bigint | null;
  /** Unix seconds at which it was issued. */
  readonly timestamp: number;
  /** Seconds after its timestamp until it expires; larger values than 2^53-1 are held as that. */
  readonly expirySeconds: number;
  /** 32 bytes. */
  readonly paymentSecret: Uint8Array;
  readonly description: string | null;
  /** 32 bytes. */
  readonly descriptionHash: Uint8Array | null;
  /** The prefix behind `ln`: bc, tb, tbs or bcrt. */
  readonly network: string;
}

/** Why a text is no invoice. The detail is for a person: it names the field at fault, and never holds the text. */
export interface InvoiceRefusal {
  readonly ok: false;
  readonly reason: Reason;
  readonly detail: string;
}

export type InvoiceVerdict = { readonly ok: true; readonly invoice: Invoice } | InvoiceRefusal;

export function refusedInvoice(reason: Reason, detail: string): InvoiceRefusal {
  return { ok: false, reason, detail };
}

/** An invoice as a text, or as its bytes where they are ASCII; these are borrowed. */
export type InvoiceText = string | Uint8Array;

/** Reads invoices. Holds no state that a text could change; never throws on a text, however hostile. */
export interface InvoiceDecoder {
  decode(invoice: InvoiceText): InvoiceVerdict;
}

/** The text, whichever way it is given. */
export function textOf(invoice: InvoiceText): string {
  if (typeof invoice === 'string') return invoice;
  return Buffer.from(invoice.buffer, invoice.byteOffset, invoice.length).toString('latin1');
}
