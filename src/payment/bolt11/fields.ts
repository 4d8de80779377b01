/**
 * The tagged fields of an invoice, read where they lie: one pass over the groups of 5 bits, by offsets.
 *
 * Rules: BOLT11, Tagged Fields; payments.md, Lightning (exactly one p and one s of 52 groups, exactly one of d and
 * h, fields of a wrong length skipped, canonical padding, unknown even features refused).
 */
import { Reason } from '../../core/reasons.js';
import { refusedInvoice, type InvoiceRefusal } from '../invoice.js';
import { isPadded, numberOf, packGroups } from './bech32.js';
import { PUBLIC_KEY_BYTES, type Secp256k1 } from './signature.js';

/** Seconds that an invoice without an expiry lives (BOLT11, x). */
const DEFAULT_EXPIRY_SECONDS = 3_600;

/** Groups before a field's content: its tag, and its length in two. */
const HEADER_GROUPS = 3;
/** Groups of a field of 32 bytes, and of one of 33. */
const HASH_GROUPS = 52;
const KEY_GROUPS = 53;
/** The most groups of a 64-bit number, and the largest first one of so many. */
const INTEGER_GROUPS = 13;
const INTEGER_TOP = 15;

/** One hop of an r field: key, short channel id, base fee, proportional fee, cltv delta. */
const HOP_BYTES = PUBLIC_KEY_BYTES + 8 + 4 + 4 + 2;
const FIELD_BYTES = Math.floor((5 * 1_023) / 8);

/** Kinds of fields, by their tag's value in the bech32 alphabet. */
const Tag = {
  PaymentHash: 1, // p
  Routing: 3, // r
  Features: 5, // 9
  Expiry: 6, // x
  Fallback: 9, // f
  Description: 13, // d
  PaymentSecret: 16, // s
  Payee: 19, // n
  DescriptionHash: 23, // h
  FinalCltv: 24, // c
  Metadata: 27, // m
} as const;

/** Versions of a fallback address that are no witness program: hash of a key, hash of a script. */
const P2PKH = 17;
const P2SH = 18;

/**
 * Even (required) feature bits that an invoice may ask for (BOLT9, context 9): var_onion_optin, payment_secret,
 * basic_mpp, option_payment_metadata. Their odd twins are optional, as are all odd bits.
 */
const KNOWN_REQUIRED_FEATURES: ReadonlySet<number> = new Set([8, 14, 16, 48]);

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What the fields say; where a field's bytes are wanted, the index of its first group, or ABSENT. */
export interface FieldParts {
  paymentHashAt: number;
  paymentSecretAt: number;
  descriptionHashAt: number;
  /** The first n of the right length. */
  payeeAt: number;
  description: string | null;
  /** At most 2^53-1. */
  expirySeconds: number;
}

export const ABSENT = -1;

/** Reads fields into its own parts, which hold those of the last invoice. */
export class FieldReader implements FieldParts {
  paymentHashAt: number = ABSENT;
  paymentSecretAt: number = ABSENT;
  descriptionHashAt: number = ABSENT;
  payeeAt: number = ABSENT;
  description: string | null = null;
  expirySeconds: number = DEFAULT_EXPIRY_SECONDS;
  readonly #curve: Secp256k1;
  #hasExpiry = false;
  readonly #bytes = new Uint8Array(FIELD_BYTES);

  constructor(curve: Secp256k1) {
    this.#curve = curve;
  }

  /**
   * Reads the fields from one group up to another, which is where the signature begins.
   * @returns what is wrong with them, or null
   */
  read(groups: Uint8Array, start: number, end: number): InvoiceRefusal | null {
    this.paymentHashAt = ABSENT;
    this.paymentSecretAt = ABSENT;
    this.descriptionHashAt = ABSENT;
    this.payeeAt = ABSENT;
    this.description = null;
    this.expirySeconds = DEFAULT_EXPIRY_SECONDS;
    this.#hasExpiry = false;
    let at = start;
    while (at < end) {
      const from = at + HEADER_GROUPS;
      if (from > end) return refusedInvoice(Reason.InvoiceFieldLength, 'the last field has no length');
      const tag = groups[at] ?? 0;
      const count = numberOf(groups, at + 1, 2);
      if (from + count > end) {
        return refusedInvoice(Reason.InvoiceFieldLength, 'the last field runs into the signature');
      }
      const fault = this.#readField(tag, groups, from, count);
      if (fault !== null) return fault;
      at = from + count;
    }
    return this.#missing();
  }

  #missing(): InvoiceRefusal | null {
    if (this.paymentHashAt === ABSENT) return missing('p: no payment hash of 52 groups');
    if (this.paymentSecretAt === ABSENT) return missing('s: no payment secret of 52 groups');
    if (this.description === null && this.descriptionHashAt === ABSENT)
      return missing('d or h: no description');
    return null;
  }

  #readField(tag: number, groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
    switch (tag) {
      case Tag.PaymentHash:
        if (count !== HASH_GROUPS) return null;
        if (this.paymentHashAt !== ABSENT) return duplicate('p: two payment hashes');
        this.paymentHashAt = from;
        return padding('p', groups, from, count);
      case Tag.PaymentSecret:
        if (count !== HASH_GROUPS) return null;
        if (this.paymentSecretAt !== ABSENT) return duplicate('s: two payment secrets');
        this.paymentSecretAt = from;
        return padding('s', groups, from, count);
      case Tag.DescriptionHash:
        if (count !== HASH_GROUPS) return null;
        if (this.#isDescribed()) return duplicate('h: a second description');
        this.descriptionHashAt = from;
        return padding('h', groups, from, count);
      case Tag.Description:
        if (this.#isDescribed()) return duplicate('d: a second description');
        return padding('d', groups, from, count) ?? this.#readDescription(groups, from, count);
      case Tag.Payee:
        // Further ones are ignored, as by every reader known: the first is the one that must have signed.
        if (count !== KEY_GROUPS || this.payeeAt !== ABSENT) return null;
        this.payeeAt = from;
        return padding('n', groups, from, count) ?? this.#readPayee(groups, from);
      case Tag.Expiry:
        return integer('x', groups, from, count) ?? this.#readExpiry(groups, from, count);
      case Tag.FinalCltv:
        return integer('c', groups, from, count);
      case Tag.Metadata:
        return padding('m', groups, from, count);
      case Tag.Fallback:
        return fallback(groups, from, count);
      case Tag.Routing:
        return padding('r', groups, from, count) ?? this.#readHops(groups, from, count);
      case Tag.Features:
        return features(groups, from, count);
      default:
        return null;
    }
  }

  #isDescribed(): boolean {
    return this.description !== null || this.descriptionHashAt !== ABSENT;
  }

  #readDescription(groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
    const length = packGroups(groups, from, count, this.#bytes);
    try {
      this.description = strictUtf8.decode(this.#bytes.subarray(0, length));
      return null;
    } catch {
      return refusedInvoice(Reason.InvoiceBadText, 'd: not valid UTF-8');
    }
  }

  #readPayee(groups: Uint8Array, from: number): InvoiceRefusal | null {
    packGroups(groups, from, KEY_GROUPS, this.#bytes);
    return this.#key('n', 0);
  }

  /** The first x counts. */
  #readExpiry(groups: Uint8Array, from: number, count: number): null {
    if (!this.#hasExpiry) {
      this.#hasExpiry = true;
      this.expirySeconds = Math.min(numberOf(groups, from, count), Number.MAX_SAFE_INTEGER);
    }
    return null;
  }

  #readHops(groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
    const length = packGroups(groups, from, count, this.#bytes);
    if (length === 0 || length % HOP_BYTES !== 0) {
      return refusedInvoice(Reason.InvoiceFieldLength, `r: a hop has ${HOP_BYTES} bytes`);
    }
    for (let at = 0; at < length; at += HOP_BYTES) {
      const fault = this.#key('r', at);
      if (fault !== null) return fault;
    }
    return null;
  }

  /** What is wrong with the public key at an offset of the unpacked bytes. */
  #key(field: string, at: number): InvoiceRefusal | null {
    const isKey = this.#curve.isPublicKey(this.#bytes.subarray(at, at + PUBLIC_KEY_BYTES));
    return isKey ? null : refusedInvoice(Reason.InvoiceBadKey, `${field}: no point of secp256k1`);
  }
}

/** Leading zeros are the writer's fault and no reader's business; what does not fit 64 bits is no number. */
function integer(field: string, groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
  const fits = count < INTEGER_GROUPS || (count === INTEGER_GROUPS && (groups[from] ?? 0) <= INTEGER_TOP);
  return fits ? null : refusedInvoice(Reason.InvoiceFieldLength, `${field}: above 2^64-1`);
}

/** The first group is the version of the address. Versions that mean nothing yet are skipped, whatever they hold. */
function fallback(groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
  if (count < 2) return refusedInvoice(Reason.InvoiceFieldLength, 'f: no address');
  const version = groups[from] ?? 0;
  if (version > P2SH) return null;
  const fault = padding('f', groups, from + 1, count - 1);
  if (fault !== null) return fault;
  const bytes = Math.floor((5 * (count - 1)) / 8);
  return isProgramLength(version, bytes)
    ? null
    : refusedInvoice(Reason.InvoiceFieldLength, `f: no address of version ${version} has ${bytes} bytes`);
}

/** BIP 141: a witness program has 2 to 40 bytes, 20 or 32 in version 0; a hash of a key or a script has 20. */
function isProgramLength(version: number, bytes: number): boolean {
  if (version === P2PKH || version === P2SH) return bytes === 20;
  if (version === 0) return bytes === 20 || bytes === 32;
  return bytes >= 2 && bytes <= 40;
}

/** Bit 0 is the lowest of the last group. */
function features(groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
  for (let i = 0; i < count; i++) {
    const group = groups[from + count - 1 - i] ?? 0;
    if (group === 0) continue;
    for (let bit = 0; bit < 5; bit++) {
      const feature = 5 * i + bit;
      const isRequired = ((group >> bit) & 1) === 1 && feature % 2 === 0;
      if (isRequired && !KNOWN_REQUIRED_FEATURES.has(feature)) {
        return refusedInvoice(Reason.InvoiceUnknownFeature, `9: bit ${feature} is required`);
      }
    }
  }
  return null;
}

function padding(field: string, groups: Uint8Array, from: number, count: number): InvoiceRefusal | null {
  return isPadded(groups, from, count)
    ? null
    : refusedInvoice(Reason.InvoicePadding, `${field}: not what whole bytes give`);
}

function duplicate(detail: string): InvoiceRefusal {
  return refusedInvoice(Reason.InvoiceDuplicateField, detail);
}

function missing(detail: string): InvoiceRefusal {
  return refusedInvoice(Reason.InvoiceMissingField, detail);
}
