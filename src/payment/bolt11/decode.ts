/**
 * The strict reader of Lightning invoices: what a text says, who signed it, or the first thing wrong with it.
 *
 * Rules: payments.md, Lightning; BOLT11. Cheapest first: characters, prefix, checksum, fields, and the curve last.
 * It works in memory of its own, used again for every text: what is allocated is the result or the refusal, and
 * views and a digest for the curve. One reader belongs to one thread.
 */
import { toHex } from '../../core/bytes.js';
import { sha256 as plainSha256 } from '../../core/hash.js';
import { LIMITS } from '../../core/limits.js';
import { Reason } from '../../core/reasons.js';
import {
  refusedInvoice,
  textOf,
  type InvoiceDecoder,
  type InvoiceRefusal,
  type InvoiceText,
  type InvoiceVerdict,
} from '../invoice.js';
import { readPrefix, type PrefixParts } from './amount.js';
import { Bech32Text, numberOf, packGroups } from './bech32.js';
import { ABSENT, FieldReader } from './fields.js';
import { secp256k1 } from './secp256k1.js';
import { faultOfSignature, PUBLIC_KEY_BYTES, SIGNATURE_BYTES, type Secp256k1 } from './signature.js';

const TIMESTAMP_GROUPS = 7;
/** 64 bytes of signature and one of recovery id. */
const SIGNATURE_GROUPS = 104;
const HASH_GROUPS = 52;
const HASH_BYTES = 32;
const KEY_GROUPS = 53;

export interface Bolt11Tools {
  /** By default the one that this thread loaded. */
  readonly curve?: Secp256k1;
  /** 32 bytes of 1 argument, which is borrowed. */
  readonly sha256?: (bytes: Uint8Array) => Uint8Array;
}

export class Bolt11Decoder implements InvoiceDecoder {
  readonly #curve: Secp256k1;
  readonly #sha256: (bytes: Uint8Array) => Uint8Array;
  readonly #text = new Bech32Text();
  readonly #prefix: PrefixParts = { network: '', amountMsat: null };
  readonly #fields: FieldReader;
  /** What is signed: the prefix as text, then the groups before the signature as bytes. */
  readonly #signed = new Uint8Array(LIMITS.INVOICE_CHARS);
  readonly #signature = new Uint8Array(SIGNATURE_BYTES + 1);
  readonly #compact = this.#signature.subarray(0, SIGNATURE_BYTES);
  readonly #key = new Uint8Array(PUBLIC_KEY_BYTES);

  constructor({ curve = secp256k1.curve, sha256 = plainSha256 }: Bolt11Tools = {}) {
    this.#curve = curve;
    this.#sha256 = sha256;
    this.#fields = new FieldReader(curve);
  }

  decode(invoice: InvoiceText): InvoiceVerdict {
    const text = this.#text;
    const fault = text.read(textOf(invoice)) ?? readPrefix(text.prefix, text.prefixLength, this.#prefix);
    if (fault !== null) return fault;
    if (!text.isChecksumRight) return refusedInvoice(Reason.InvoiceChecksum, 'a character was changed');
    const fieldsEnd = text.groupCount - SIGNATURE_GROUPS;
    if (fieldsEnd < TIMESTAMP_GROUPS) {
      return refusedInvoice(Reason.InvoiceMalformed, 'too short for a timestamp and a signature');
    }
    const fields = this.#fields;
    const fieldFault = fields.read(text.groups, TIMESTAMP_GROUPS, fieldsEnd);
    if (fieldFault !== null) return fieldFault;
    const payee = this.#payee(fieldsEnd);
    if (typeof payee !== 'string') return payee;

    return {
      ok: true,
      invoice: {
        paymentHash: this.#hashAt(fields.paymentHashAt),
        payee,
        amountMsat: this.#prefix.amountMsat,
        timestamp: numberOf(text.groups, 0, TIMESTAMP_GROUPS),
        expirySeconds: fields.expirySeconds,
        paymentSecret: this.#hashAt(fields.paymentSecretAt),
        description: fields.description,
        descriptionHash: fields.descriptionHashAt === ABSENT ? null : this.#hashAt(fields.descriptionHashAt),
        network: this.#prefix.network,
      },
    };
  }

  /** The key that signed, in hex. @param signatureAt the first group of the signature */
  #payee(signatureAt: number): string | InvoiceRefusal {
    const { groups } = this.#text;
    const { payeeAt } = this.#fields;
    packGroups(groups, signatureAt, SIGNATURE_GROUPS, this.#signature);
    const fault = faultOfSignature(this.#signature, payeeAt !== ABSENT);
    if (fault !== null) return fault;
    const digest = this.#sha256(this.#signedBytes(signatureAt));
    if (payeeAt !== ABSENT) {
      // The recovery id has no part in this: the key is known.
      packGroups(groups, payeeAt, KEY_GROUPS, this.#key);
      return this.#curve.verify(digest, this.#compact, this.#key)
        ? toHex(this.#key)
        : refusedInvoice(Reason.InvoicePayeeMismatch, 'n: the key did not sign this');
    }
    const key = this.#curve.recover(digest, this.#compact, this.#signature[SIGNATURE_BYTES] ?? 0);
    return key === null
      ? refusedInvoice(Reason.InvoiceSignature, 'no key belongs to the signature')
      : toHex(key);
  }

  /** The prefix and the groups before the signature, filled up with zero bits to whole bytes. */
  #signedBytes(signatureAt: number): Uint8Array {
    const { groups, prefix, prefixLength } = this.#text;
    const signed = this.#signed;
    for (let i = 0; i < prefixLength; i++) signed[i] = prefix[i] ?? 0;
    const end = prefixLength + packGroups(groups, 0, signatureAt, signed, prefixLength);
    const left = (5 * signatureAt) % 8;
    if (left === 0) return signed.subarray(0, end);
    // Of the last group, and for more than 5 bits of the one before it, what no whole byte has taken.
    const last = (groups[signatureAt - 1] ?? 0) | ((groups[signatureAt - 2] ?? 0) << 5);
    signed[end] = (last << (8 - left)) & 0xff;
    return signed.subarray(0, end + 1);
  }

  /** 32 bytes from a group on. */
  #hashAt(at: number): Uint8Array {
    const bytes = new Uint8Array(HASH_BYTES);
    packGroups(this.#text.groups, at, HASH_GROUPS, bytes);
    return bytes;
  }
}
