/**
 * Reads the invoices that come all the time where they lie: one pass outside of JavaScript up to the curve, and no text.
 *
 * Rules: as decode.ts, which is the plain twin. Whatever that pass is not sure of gives null, and decode.ts says what
 * it is; what it is sure of fails only where no key belongs to the signature.
 */
import { equalBytes, toHex } from '../../core/bytes.js';
import { Reason } from '../../core/reasons.js';
import { refusedInvoice, type Invoice, type InvoiceRefusal } from '../invoice.js';
import { secp256k1 } from './secp256k1.js';
import { PUBLIC_KEY_BYTES, type Secp256k1 } from './signature.js';

/** What the check of a payment needs of an invoice. */
export type PayableInvoice = Omit<Invoice, 'description' | 'paymentSecret'>;

/** An invoice up to the curve. It names no payee, so the signature says who it is. */
export interface InvoiceParts extends Omit<PayableInvoice, 'payee'> {
  /** SHA-256 of what was signed, 32 bytes, borrowed until the next reading. */
  readonly digest: Uint8Array;
  /** r and s, 64 bytes, each in its range; borrowed likewise. */
  readonly signature: Uint8Array;
  /** 0 to 3. */
  readonly recoveryId: number;
}

export interface InvoiceParser {
  /**
   * Takes an invoice apart.
   * @param ascii its characters, borrowed
   * @returns null where it is not sure: that says nothing of the invoice
   */
  parseInvoice(ascii: Uint8Array): InvoiceParts | null;
}

export class QuickInvoiceReader {
  readonly #parser: InvoiceParser;
  readonly #curve: Secp256k1;
  /** The payee of the invoice before, and its text: most go to few. */
  #key = new Uint8Array(PUBLIC_KEY_BYTES);
  #payee = toHex(this.#key);

  /** @param curve by default the one that this thread loaded */
  constructor(parser: InvoiceParser, curve: Secp256k1 = secp256k1.curve) {
    this.#parser = parser;
    this.#curve = curve;
  }

  /** What decode.ts says of it, or null. */
  read(ascii: Uint8Array): { readonly ok: true; readonly invoice: PayableInvoice } | InvoiceRefusal | null {
    const parts = this.#parser.parseInvoice(ascii);
    if (parts === null) return null;
    const key = this.#curve.recover(parts.digest, parts.signature, parts.recoveryId);
    if (key === null) return refusedInvoice(Reason.InvoiceSignature, 'no key belongs to the signature');
    const { paymentHash, amountMsat, timestamp, expirySeconds, descriptionHash, network } = parts;
    const payee = this.#payeeOf(key);
    return {
      ok: true,
      invoice: { paymentHash, payee, amountMsat, timestamp, expirySeconds, descriptionHash, network },
    };
  }

  #payeeOf(key: Uint8Array): string {
    if (!equalBytes(key, this.#key)) {
      this.#key.set(key);
      this.#payee = toHex(key);
    }
    return this.#payee;
  }
}
