/**
 * Keyed fingerprints of replay keys: SipHash-2-4 with 128 bits of output under a secret of this process.
 *
 * Source: SipHash by Aumasson and Bernstein. Payment hashes are chosen by payers; without a secret they could be
 * chosen to fall into one place of the shared table. This is the plain twin, on 32-bit halves;
 * the WebAssembly one (src/wasm/kernel.ts) must give the same (test/unit/wasm).
 */
import { assert } from '../core/assert.js';

/** Length of the secret. */
export const FINGERPRINT_SECRET_BYTES = 16;

/** 32-bit words of a fingerprint. */
export const FINGERPRINT_WORDS = 4;

export interface Fingerprinter {
  /**
   * Writes the fingerprint of a key.
   * @param key any bytes, not kept
   * @param out four words, little endian parts of the 16 bytes
   */
  fingerprint(key: Uint8Array, out: Int32Array): void;
}

/** Holds no state between calls but its scratch space: one per thread. */
export class PlainFingerprinter implements Fingerprinter {
  readonly #secret: Int32Array;
  /** v0 to v3, each as its low and its high half. */
  readonly #state = new Int32Array(8);

  /** @param secret 16 random bytes, copied */
  constructor(secret: Uint8Array) {
    assert(secret.length === FINGERPRINT_SECRET_BYTES, 'a fingerprint secret has 16 bytes');
    this.#secret = new Int32Array(secret.slice().buffer);
  }

  fingerprint(key: Uint8Array, out: Int32Array): void {
    const v = this.#state;
    const [low0 = 0, high0 = 0, low1 = 0, high1 = 0] = this.#secret;
    v[0] = low0 ^ 0x7073_6575;
    v[1] = high0 ^ 0x736f_6d65;
    v[2] = low1 ^ 0x6e64_6f6d ^ 0xee;
    v[3] = high1 ^ 0x646f_7261;
    v[4] = low0 ^ 0x6e65_7261;
    v[5] = high0 ^ 0x6c79_6765;
    v[6] = low1 ^ 0x7974_6573;
    v[7] = high1 ^ 0x7465_6462;

    const whole = key.length & ~7;
    for (let at = 0; at < whole; at += 8) compress(v, word(key, at), word(key, at + 4));
    compress(v, word(key, whole), (word(key, whole + 4) & 0x00ff_ffff) | (key.length << 24));

    v[4] = half(v, 4) ^ 0xee;
    for (let i = 0; i < 4; i++) round(v);
    out[0] = fold(v, 0);
    out[1] = fold(v, 1);
    v[2] = half(v, 2) ^ 0xdd;
    for (let i = 0; i < 4; i++) round(v);
    out[2] = fold(v, 0);
    out[3] = fold(v, 1);
  }
}

function half(v: Int32Array, i: number): number {
  return v[i] ?? 0;
}

/** Four bytes, little endian; zeros behind the end. */
function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** v0 ^ v1 ^ v2 ^ v3, one half. */
function fold(v: Int32Array, part: 0 | 1): number {
  return half(v, part) ^ half(v, 2 + part) ^ half(v, 4 + part) ^ half(v, 6 + part);
}

function compress(v: Int32Array, low: number, high: number): void {
  v[6] = half(v, 6) ^ low;
  v[7] = half(v, 7) ^ high;
  round(v);
  round(v);
  v[0] = half(v, 0) ^ low;
  v[1] = half(v, 1) ^ high;
}

/** One SipRound; a, b, c, d stand for v0 to v3 at the places of their low halves. */
function round(v: Int32Array): void {
  addInto(v, 0, 2);
  rotate(v, 2, 13);
  xorInto(v, 2, 0);
  rotate(v, 0, 32);
  addInto(v, 4, 6);
  rotate(v, 6, 16);
  xorInto(v, 6, 4);
  addInto(v, 0, 6);
  rotate(v, 6, 21);
  xorInto(v, 6, 0);
  addInto(v, 4, 2);
  rotate(v, 2, 17);
  xorInto(v, 2, 4);
  rotate(v, 4, 32);
}

function addInto(v: Int32Array, to: number, from: number): void {
  const low = (half(v, to) >>> 0) + (half(v, from) >>> 0);
  v[to] = low;
  v[to + 1] = half(v, to + 1) + half(v, from + 1) + (low > 0xffff_ffff ? 1 : 0);
}

function xorInto(v: Int32Array, to: number, from: number): void {
  v[to] = half(v, to) ^ half(v, from);
  v[to + 1] = half(v, to + 1) ^ half(v, from + 1);
}

/** Rotates to the left by 1 to 32 bits. */
function rotate(v: Int32Array, at: number, bits: number): void {
  const low = half(v, at);
  const high = half(v, at + 1);
  if (bits === 32) {
    v[at] = high;
    v[at + 1] = low;
    return;
  }
  v[at] = (low << bits) | (high >>> (32 - bits));
  v[at + 1] = (high << bits) | (low >>> (32 - bits));
}
