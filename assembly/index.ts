// What the host may call. Every input lies at inputAddress(); make room for it with reserveInput() first.
import { detectAt } from './detect';
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

/** The protocol's code of the input. */
export function detect(length: u32): u32 {
  return detectAt(INPUT, length);
}

/** SHA-256 of the input: 32 bytes of result. */
export function sha256(length: u32): void {
  hash(INPUT, length, RESULT);
}

/** Keyed fingerprint of the input: 16 bytes of result. */
export function siphash128(length: u32): void {
  siphash(INPUT, length, RESULT);
}
