/**
 * Who signed an invoice: the key named in it, or the one that the signature reveals.
 *
 * Rules: BOLT11, Signature; payments.md, Lightning (a high s fails where n is present and passes under recovery).
 * What a signature may look like is judged here, so that every implementation of the curve gives one verdict.
 */
import { Reason } from '../../core/reasons.js';
import { refusedInvoice, type InvoiceRefusal } from '../invoice.js';

/** Bytes of a compressed public key, and of a signature without its recovery id. */
export const PUBLIC_KEY_BYTES = 33;
export const SIGNATURE_BYTES = 64;

/**
 * ECDSA on secp256k1. Arguments are borrowed. Never throws on their content: r and s are judged before they come
 * here, so what fails here is a key or a signature that belongs to nothing.
 */
export interface Secp256k1 {
  /** Whether 33 bytes are the compressed form of a point of the curve. */
  isPublicKey(key: Uint8Array): boolean;
  /**
   * The key that made a signature, low or high.
   * @param digest 32 bytes
   * @param signature 64 bytes, r and s, each from 1 to below the order
   * @param recoveryId 0 to 3
   * @returns 33 bytes, which hold until the next call, or null where there is none
   */
  recover(digest: Uint8Array, signature: Uint8Array, recoveryId: number): Uint8Array | null;
  /**
   * Whether a low-S signature is that of a key.
   * @param key 33 bytes, a point of the curve
   */
  verify(digest: Uint8Array, signature: Uint8Array, key: Uint8Array): boolean;
}

const SCALAR_BYTES = 32;
const MAX_RECOVERY_ID = 3;

/** The order of secp256k1, and its half rounded down: an s above that is the high one of its pair. */
const ORDER = bytesOf(0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n);
const HALF_ORDER = bytesOf(0x7fffffff_ffffffff_ffffffff_ffffffff_5d576e73_57a4501d_dfe92f46_681b20a0n);

/**
 * What is wrong with the form of a signature, or null.
 * @param signature 64 bytes of signature and the recovery id
 * @param namesPayee whether the invoice has an n field
 */
export function faultOfSignature(signature: Uint8Array, namesPayee: boolean): InvoiceRefusal | null {
  if ((signature[SIGNATURE_BYTES] ?? 0) > MAX_RECOVERY_ID) {
    return refusedInvoice(Reason.InvoiceSignature, 'the recovery id is above 3');
  }
  for (const at of [0, SCALAR_BYTES]) {
    if (isZero(signature, at)) return refusedInvoice(Reason.InvoiceSignature, `${scalarName(at)} is 0`);
    if (compare(signature, at, ORDER) >= 0) {
      return refusedInvoice(Reason.InvoiceSignature, `${scalarName(at)} is not below the order`);
    }
  }
  if (namesPayee && compare(signature, SCALAR_BYTES, HALF_ORDER) > 0) {
    return refusedInvoice(Reason.InvoiceHighS, 's is the high one of its pair');
  }
  return null;
}

function scalarName(at: number): string {
  return at === 0 ? 'r' : 's';
}

function isZero(bytes: Uint8Array, from: number): boolean {
  for (let i = 0; i < SCALAR_BYTES; i++) if (bytes[from + i] !== 0) return false;
  return true;
}

/** Below 0, 0, or above 0: as 32 bytes from an offset are smaller, equal, or larger, highest byte first. */
function compare(bytes: Uint8Array, from: number, other: Uint8Array): number {
  for (let i = 0; i < SCALAR_BYTES; i++) {
    const difference = (bytes[from + i] ?? 0) - (other[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function bytesOf(value: bigint): Uint8Array {
  const bytes = new Uint8Array(SCALAR_BYTES);
  for (let i = SCALAR_BYTES - 1, rest = value; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
