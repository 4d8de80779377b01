// SHA-256 (FIPS 180-4), reading whole blocks where they lie; only the padded end is copied.
import { TAIL } from './layout';

export const BLOCK: u32 = 64;

/** The constants of the rounds. */
// prettier-ignore
export const K: usize = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
  0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
  0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
  0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** The state before the first block. */
// prettier-ignore
export const START: usize = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

/** Of the last sixteen rounds. */
const LAST_K: usize = K + 192;

let h0: u32 = 0;
let h1: u32 = 0;
let h2: u32 = 0;
let h3: u32 = 0;
let h4: u32 = 0;
let h5: u32 = 0;
let h6: u32 = 0;
let h7: u32 = 0;

/** Hashes `length` bytes at `at`; writes 32 bytes, which may lie anywhere but in the scratch areas. */
export function hash(at: usize, length: u32, out: usize): void {
  h0 = load<u32>(START);
  h1 = load<u32>(START, 4);
  h2 = load<u32>(START, 8);
  h3 = load<u32>(START, 12);
  h4 = load<u32>(START, 16);
  h5 = load<u32>(START, 20);
  h6 = load<u32>(START, 24);
  h7 = load<u32>(START, 28);

  const rest = length % BLOCK;
  const end = at + (length - rest);
  for (let block = at; block < end; block += BLOCK) compress(block);

  const tailBytes = layEnd(TAIL, end, length);
  compress(TAIL);
  if (tailBytes > BLOCK) compress(TAIL + BLOCK);

  store<u32>(out, bswap<u32>(h0));
  store<u32>(out, bswap<u32>(h1), 4);
  store<u32>(out, bswap<u32>(h2), 8);
  store<u32>(out, bswap<u32>(h3), 12);
  store<u32>(out, bswap<u32>(h4), 16);
  store<u32>(out, bswap<u32>(h5), 20);
  store<u32>(out, bswap<u32>(h6), 24);
  store<u32>(out, bswap<u32>(h7), 28);
}

/**
 * The end of a message of `length` bytes, padded: what of it begins at `rest` and fills no block, a one bit, zeros, and the length
 * in bits in the last eight bytes. @returns its bytes, one block or two
 */
export function layEnd(out: usize, rest: usize, length: u32): u32 {
  const restBytes = length % BLOCK;
  const bytes: u32 = restBytes + 9 <= BLOCK ? BLOCK : 2 * BLOCK;
  memory.fill(out, 0, bytes);
  memory.copy(out, rest, restBytes);
  store<u8>(out + restBytes, 0x80);
  store<u64>(out + bytes - 8, bswap<u64>((<u64>length) << 3));
  return bytes;
}

// Small pieces of a round, put in place by the compiler.
function bigSigma0(x: u32): u32 {
  return rotr<u32>(x, 2) ^ rotr<u32>(x, 13) ^ rotr<u32>(x, 22);
}

function bigSigma1(x: u32): u32 {
  return rotr<u32>(x, 6) ^ rotr<u32>(x, 11) ^ rotr<u32>(x, 25);
}

function sigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}

function sigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}

function choice(x: u32, y: u32, z: u32): u32 {
  return z ^ (x & (y ^ z));
}

function majority(x: u32, y: u32, z: u32): u32 {
  return (x & y) | (z & (x | y));
}

function word(address: usize): u32 {
  return bswap<u32>(load<u32>(address));
}

/**
 * One block into the state. Sixteen rounds stand written out, so that the eight words of the state change names
 * instead of places and the sixteen of the message schedule stay in locals; they run four times.
 */
function compress(block: usize): void {
  let w0 = word(block);
  let w1 = word(block + 4);
  let w2 = word(block + 8);
  let w3 = word(block + 12);
  let w4 = word(block + 16);
  let w5 = word(block + 20);
  let w6 = word(block + 24);
  let w7 = word(block + 28);
  let w8 = word(block + 32);
  let w9 = word(block + 36);
  let w10 = word(block + 40);
  let w11 = word(block + 44);
  let w12 = word(block + 48);
  let w13 = word(block + 52);
  let w14 = word(block + 56);
  let w15 = word(block + 60);

  let a = h0;
  let b = h1;
  let c = h2;
  let d = h3;
  let e = h4;
  let f = h5;
  let g = h6;
  let h = h7;
  for (let k = K; ; k += 64) {
    h += bigSigma1(e) + choice(e, f, g) + load<u32>(k) + w0;
    d += h;
    h += bigSigma0(a) + majority(a, b, c);
    g += bigSigma1(d) + choice(d, e, f) + load<u32>(k, 4) + w1;
    c += g;
    g += bigSigma0(h) + majority(h, a, b);
    f += bigSigma1(c) + choice(c, d, e) + load<u32>(k, 8) + w2;
    b += f;
    f += bigSigma0(g) + majority(g, h, a);
    e += bigSigma1(b) + choice(b, c, d) + load<u32>(k, 12) + w3;
    a += e;
    e += bigSigma0(f) + majority(f, g, h);
    d += bigSigma1(a) + choice(a, b, c) + load<u32>(k, 16) + w4;
    h += d;
    d += bigSigma0(e) + majority(e, f, g);
    c += bigSigma1(h) + choice(h, a, b) + load<u32>(k, 20) + w5;
    g += c;
    c += bigSigma0(d) + majority(d, e, f);
    b += bigSigma1(g) + choice(g, h, a) + load<u32>(k, 24) + w6;
    f += b;
    b += bigSigma0(c) + majority(c, d, e);
    a += bigSigma1(f) + choice(f, g, h) + load<u32>(k, 28) + w7;
    e += a;
    a += bigSigma0(b) + majority(b, c, d);
    h += bigSigma1(e) + choice(e, f, g) + load<u32>(k, 32) + w8;
    d += h;
    h += bigSigma0(a) + majority(a, b, c);
    g += bigSigma1(d) + choice(d, e, f) + load<u32>(k, 36) + w9;
    c += g;
    g += bigSigma0(h) + majority(h, a, b);
    f += bigSigma1(c) + choice(c, d, e) + load<u32>(k, 40) + w10;
    b += f;
    f += bigSigma0(g) + majority(g, h, a);
    e += bigSigma1(b) + choice(b, c, d) + load<u32>(k, 44) + w11;
    a += e;
    e += bigSigma0(f) + majority(f, g, h);
    d += bigSigma1(a) + choice(a, b, c) + load<u32>(k, 48) + w12;
    h += d;
    d += bigSigma0(e) + majority(e, f, g);
    c += bigSigma1(h) + choice(h, a, b) + load<u32>(k, 52) + w13;
    g += c;
    c += bigSigma0(d) + majority(d, e, f);
    b += bigSigma1(g) + choice(g, h, a) + load<u32>(k, 56) + w14;
    f += b;
    b += bigSigma0(c) + majority(c, d, e);
    a += bigSigma1(f) + choice(f, g, h) + load<u32>(k, 60) + w15;
    e += a;
    a += bigSigma0(b) + majority(b, c, d);
    if (k === LAST_K) break;

    w0 += sigma1(w14) + w9 + sigma0(w1);
    w1 += sigma1(w15) + w10 + sigma0(w2);
    w2 += sigma1(w0) + w11 + sigma0(w3);
    w3 += sigma1(w1) + w12 + sigma0(w4);
    w4 += sigma1(w2) + w13 + sigma0(w5);
    w5 += sigma1(w3) + w14 + sigma0(w6);
    w6 += sigma1(w4) + w15 + sigma0(w7);
    w7 += sigma1(w5) + w0 + sigma0(w8);
    w8 += sigma1(w6) + w1 + sigma0(w9);
    w9 += sigma1(w7) + w2 + sigma0(w10);
    w10 += sigma1(w8) + w3 + sigma0(w11);
    w11 += sigma1(w9) + w4 + sigma0(w12);
    w12 += sigma1(w10) + w5 + sigma0(w13);
    w13 += sigma1(w11) + w6 + sigma0(w14);
    w14 += sigma1(w12) + w7 + sigma0(w15);
    w15 += sigma1(w13) + w8 + sigma0(w0);
  }
  h0 += a;
  h1 += b;
  h2 += c;
  h3 += d;
  h4 += e;
  h5 += f;
  h6 += g;
  h7 += h;
}
