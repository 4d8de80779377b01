/** What assembly/invoice.ts says of the invoice that it has read last: copies, but for what the curve borrows. */
import type { InvoiceParts } from '../payment/bolt11/quick.js';

/** In the order of the kernel's codes. */
const NETWORKS: readonly string[] = ['bc', 'tb', 'tbs', 'bcrt'];

// Places in it: words, words of 64 bits, bytes.
const NETWORK = 0;
const FLAGS = 1;
const SIGNED_BYTES = 2;
const AMOUNT = 2;
const TIMESTAMP = 3;
const EXPIRY = 4;
const PAYMENT_HASH = 40;
const DESCRIPTION_HASH = 80;
const SIGNATURE = 120;
const RECOVERY_ID: number = SIGNATURE + 64;
const INVOICE_BYTES = 200;

const HAS_AMOUNT = 1;
const HAS_DESCRIPTION_HASH = 2;
const HASH_BYTES = 32;

export class InvoiceInPlace {
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #wide: BigUint64Array;
  readonly #signed: Uint8Array;
  readonly #signature: Uint8Array;
  readonly #digest: Uint8Array;

  /** The addresses of what the kernel says, of what was signed, and of a digest that the caller makes of that. */
  constructor(memory: ArrayBuffer, invoice: number, signed: number, digest: number) {
    this.#bytes = new Uint8Array(memory, invoice, INVOICE_BYTES);
    this.#words = new Int32Array(memory, invoice, INVOICE_BYTES / 4);
    this.#wide = new BigUint64Array(memory, invoice, INVOICE_BYTES / 8);
    this.#signed = new Uint8Array(memory, signed);
    this.#signature = this.#bytes.subarray(SIGNATURE, RECOVERY_ID);
    this.#digest = new Uint8Array(memory, digest, HASH_BYTES);
  }

  get signed(): Uint8Array {
    return this.#signed.subarray(0, this.#words[SIGNED_BYTES] ?? 0);
  }

  parts(): InvoiceParts {
    const flags = this.#words[FLAGS] ?? 0;
    return {
      paymentHash: this.#hashAt(PAYMENT_HASH),
      amountMsat: (flags & HAS_AMOUNT) === 0 ? null : (this.#wide[AMOUNT] ?? 0n),
      timestamp: Number(this.#wide[TIMESTAMP] ?? 0n),
      expirySeconds: Number(this.#wide[EXPIRY] ?? 0n),
      descriptionHash: (flags & HAS_DESCRIPTION_HASH) === 0 ? null : this.#hashAt(DESCRIPTION_HASH),
      network: NETWORKS[this.#words[NETWORK] ?? 0] ?? '',
      digest: this.#digest,
      signature: this.#signature,
      recoveryId: this.#bytes[RECOVERY_ID] ?? 0,
    };
  }

  #hashAt(place: number): Uint8Array {
    return this.#bytes.slice(place, place + HASH_BYTES);
  }
}
