// What the host may call. Every input lies at inputAddress(); make room for it with reserveInput() first.
import { detectAt, HOST_HASH_BYTES } from './detect';
import { INPUT, RESULT, SECRET, TABLES, TABLES_BYTES } from './layout';
import { hash } from './sha256';
import { siphash } from './siphash';

export { reserveInput } from './layout';

export function inputAddress(): usize {
  return INPUT;
}

export function resultAddress(): usize {
  return RESULT;
}

export function secretAddress(): usize {
  return SECRET;
}

export function tablesAddress(): usize {
  return TABLES;
}

export function tablesBytes(): i32 {
  return TABLES_BYTES;
}

export function hostHashBytes(): u32 {
  return HOST_HASH_BYTES;
}

/** The protocol's code of the input. */
export function detect(length: u32): u32 {
  return detectAt(INPUT, length);
}

/**
 * The codes of many messages: the input is `bytes` of them one behind another, then, from the next word boundary on,
 * where each ends, a u32 each. The codes are written behind those, a byte each.
 */
export function detectMany(bytes: u32, count: u32): void {
  const ends = (INPUT + bytes + 3) & ~3;
  const codes = ends + 4 * count;
  let start: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const end = load<u32>(ends + 4 * i);
    store<u8>(codes + i, detectAt(INPUT + start, end - start));
    start = end;
  }
}

/** SHA-256 of the input: 32 bytes of result. */
export function sha256(length: u32): void {
  hash(INPUT, length, RESULT);
}

/** Keyed fingerprint of the input: 16 bytes of result. */
export function siphash128(length: u32): void {
  siphash(INPUT, length, RESULT);
}
