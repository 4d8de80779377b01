// SipHash-2-4 with 128 bits of output, by Aumasson and Bernstein. Keyed, so that nobody outside can choose which
// keys fall together in the replay table. The round stands twice, so that its four words stay in registers.
import { SECRET } from './layout';

/** Bytes of a state. */
export const STATE_BYTES: i32 = 32;

/** Hashes `length` bytes at `at` under the secret; writes 16 bytes. */
export function siphash(at: usize, length: u32, out: usize): void {
  siphashBehind(at, length, out, 0, 0, false);
}

/**
 * The same, of bytes of which several begin alike.
 * @param state after the first `known` bytes, a multiple of 8 below `length`: written, or read where `isKnown`; 0 for none
 */
export function siphashBehind(
  at: usize,
  length: u32,
  out: usize,
  state: usize,
  known: u32,
  isKnown: bool,
): void {
  const key0 = load<u64>(SECRET);
  const key1 = load<u64>(SECRET, 8);
  let v0: u64 = key0 ^ 0x736f6d6570736575;
  let v1: u64 = key1 ^ 0x646f72616e646f6d ^ 0xee;
  let v2: u64 = key0 ^ 0x6c7967656e657261;
  let v3: u64 = key1 ^ 0x7465646279746573;

  const end = at + (length & ~7);
  const last = lastWord(end, length);
  let p = at;
  let behind: usize = 0;
  if (isKnown) {
    v0 = load<u64>(state);
    v1 = load<u64>(state, 8);
    v2 = load<u64>(state, 16);
    v3 = load<u64>(state, 24);
    p += known;
  } else if (state !== 0) behind = at + known;
  for (; p <= end; p += 8) {
    if (p === behind) {
      store<u64>(state, v0);
      store<u64>(state, v1, 8);
      store<u64>(state, v2, 16);
      store<u64>(state, v3, 24);
    }
    const word = p === end ? last : load<u64>(p);
    v3 ^= word;
    for (let i = 0; i < 2; i++) {
      v0 += v1;
      v1 = rotl<u64>(v1, 13) ^ v0;
      v0 = rotl<u64>(v0, 32);
      v2 += v3;
      v3 = rotl<u64>(v3, 16) ^ v2;
      v0 += v3;
      v3 = rotl<u64>(v3, 21) ^ v0;
      v2 += v1;
      v1 = rotl<u64>(v1, 17) ^ v2;
      v2 = rotl<u64>(v2, 32);
    }
    v0 ^= word;
  }

  v2 ^= 0xee;
  for (let i = 0; i < 8; i++) {
    if (i === 4) {
      store<u64>(out, v0 ^ v1 ^ v2 ^ v3);
      v1 ^= 0xdd;
    }
    v0 += v1;
    v1 = rotl<u64>(v1, 13) ^ v0;
    v0 = rotl<u64>(v0, 32);
    v2 += v3;
    v3 = rotl<u64>(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotl<u64>(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotl<u64>(v1, 17) ^ v2;
    v2 = rotl<u64>(v2, 32);
  }
  store<u64>(out, v0 ^ v1 ^ v2 ^ v3, 8);
}

/** The bytes behind the last whole word, and the length in the highest byte. */
function lastWord(at: usize, length: u32): u64 {
  let word: u64 = (<u64>length) << 56;
  for (let i: u32 = 0; i < (length & 7); i++) word |= (<u64>load<u8>(at + i)) << (8 * i);
  return word;
}
