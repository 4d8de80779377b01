/**
 * Signed invoices by the ten thousand: one real invoice is the pattern, and only payment hash, signature and checksum
 * are made anew. With nonces that are known ahead a signature is one multiplication, 3 us instead of 100; a key that
 * signs so is given away, and this one is nobody's.
 *
 * Rules: BOLT11 (what is signed, recovery id, low s), BIP 173 (checksum). The strict decoder judges the result as any
 * other: benches and campaigns fail where it refuses one.
 */
import { createECDH, createHash } from 'node:crypto';

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];
const CHECKSUM_GROUPS = 6;
const TIMESTAMP_GROUPS = 7;
const SIGNATURE_GROUPS = 104;
const PAYMENT_HASH_TAG = 1;
/** Order of the curve's group. */
const ORDER = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n;

/** Some, so that no two signatures in a row share their point. */
const NONCES = 64;

/** A nonce k: the x of kG, whether its y is odd, and 1/k. */
interface Nonce {
  readonly x: bigint;
  readonly isOdd: boolean;
  readonly inverse: bigint;
}

export class InvoiceMint {
  readonly #prefix: string;
  /** Between the separator and the signature, 5 bits each. */
  readonly #groups: Uint8Array;
  readonly #hashAt: number;
  readonly #key: bigint;
  readonly #nonces: readonly Nonce[] = Array.from({ length: NONCES }, (_, index) =>
    nonceOf(BigInt(index + 2)),
  );
  #minted = 0;

  /** @param pattern a signed invoice with a payment hash, in lower case @param privateKey that it was signed with */
  constructor(pattern: string, privateKey: Uint8Array) {
    const separator = pattern.lastIndexOf('1');
    this.#prefix = pattern.slice(0, separator);
    const groups = Uint8Array.from(pattern.slice(separator + 1), (character) => ALPHABET.indexOf(character));
    this.#groups = groups.subarray(0, -CHECKSUM_GROUPS - SIGNATURE_GROUPS);
    this.#hashAt = valueOfTag(this.#groups, PAYMENT_HASH_TAG);
    this.#key = bigintOf(privateKey);
  }

  /** The pattern's invoice for another payment. @param paymentHash 32 bytes */
  mint(paymentHash: Uint8Array): string {
    this.#groups.set(toGroups(paymentHash), this.#hashAt);
    const signed = Buffer.concat([Buffer.from(this.#prefix), toBytes(this.#groups)]);
    const digest = createHash('sha256').update(signed).digest();
    const data = [...this.#groups, ...toGroups(this.#sign(digest))];
    return `${this.#prefix}1${textOf([...data, ...checksumOf(this.#prefix, data)])}`;
  }

  /** r, s and the recovery id: 65 bytes. */
  #sign(digest: Uint8Array): Uint8Array {
    const nonce = this.#nonces[this.#minted++ % NONCES];
    if (nonce === undefined) throw new Error('there are nonces');
    const s = (nonce.inverse * (bigintOf(digest) + nonce.x * this.#key)) % ORDER;
    const isHigh = s > ORDER / 2n;
    const signature = new Uint8Array(65);
    signature.set(bytesOf(nonce.x), 0);
    signature.set(bytesOf(isHigh ? ORDER - s : s), 32);
    signature[64] = Number(nonce.isOdd !== isHigh);
    return signature;
  }
}

function nonceOf(nonce: bigint): Nonce {
  const pair = createECDH('secp256k1');
  pair.setPrivateKey(bytesOf(nonce));
  const point = pair.getPublicKey();
  return {
    x: bigintOf(point.subarray(1, 33)),
    isOdd: ((point[64] ?? 0) & 1) === 1,
    inverse: power(nonce, ORDER - 2n),
  };
}

/** Modulo the order, which is prime: to the power of two less it is the inverse. */
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let square = base, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % ORDER) {
    if ((rest & 1n) === 1n) result = (result * square) % ORDER;
  }
  return result;
}

/** Where the value of the first tag of this type begins. */
function valueOfTag(groups: Uint8Array, type: number): number {
  for (let at = TIMESTAMP_GROUPS; at < groups.length;) {
    if (groups[at] === type) return at + 3;
    at += 3 + 32 * (groups[at + 1] ?? 0) + (groups[at + 2] ?? 0);
  }
  throw new Error('the pattern has no such tag');
}

/** Five bits each, filled up with zeros. */
function toGroups(bytes: Uint8Array): Uint8Array {
  return regrouped(bytes, 8, 5);
}

function toBytes(groups: Uint8Array): Uint8Array {
  return regrouped(groups, 5, 8);
}

function regrouped(from: Uint8Array, fromBits: number, toBits: number): Uint8Array {
  const to = new Uint8Array(Math.ceil((from.length * fromBits) / toBits));
  let held = 0;
  let bits = 0;
  let at = 0;
  for (const value of from) {
    held = ((held << fromBits) | value) & 0xfff;
    bits += fromBits;
    while (bits >= toBits) {
      bits -= toBits;
      to[at++] = (held >> bits) & (2 ** toBits - 1);
    }
  }
  if (bits > 0) to[at] = (held << (toBits - bits)) & (2 ** toBits - 1);
  return to;
}

function checksumOf(prefix: string, data: readonly number[]): readonly number[] {
  let sum = 1;
  const take = (group: number): void => {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ group;
    GENERATOR.forEach((term, bit) => {
      if (((top >> bit) & 1) === 1) sum ^= term;
    });
  };
  const codes = Array.from(prefix, (character) => character.charCodeAt(0));
  for (const code of codes) take(code >> 5);
  take(0);
  for (const code of codes) take(code & 31);
  for (const group of data) take(group);
  for (let i = 0; i < CHECKSUM_GROUPS; i++) take(0);
  sum ^= 1;
  return Array.from({ length: CHECKSUM_GROUPS }, (_, i) => (sum >>> (5 * (CHECKSUM_GROUPS - 1 - i))) & 31);
}

function textOf(groups: readonly number[]): string {
  let text = '';
  for (const group of groups) text += ALPHABET.charAt(group);
  return text;
}

function bigintOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
}

/** 32 bytes, the highest first. */
function bytesOf(value: bigint): Uint8Array {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex');
}
