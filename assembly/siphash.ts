// SipHash-2-4 with 128 bits of output, by Aumasson and Bernstein. Keyed, so that nobody outside can choose which
// keys fall together in the replay table. The round stands twice, so that its four words stay in registers.
import { SECRET } from './layout';

/** Hashes `length` bytes at `at` under the secret; writes 16 bytes. */
export function siphash(at: usize, length: u32, out: usize): void {
  const key0 = load<u64>(SECRET);
  const key1 = load<u64>(SECRET, 8);
  let v0: u64 = key0 ^ 0x736f6d6570736575;
  let v1: u64 = key1 ^ 0x646f72616e646f6d ^ 0xee;
  let v2: u64 = key0 ^ 0x6c7967656e657261;
  let v3: u64 = key1 ^ 0x7465646279746573;

  const end = at + (length & ~7);
  const last = lastWord(end, length);
  for (let p = at; p <= end; p += 8) {
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
