/**
 * Makes broken inputs out of good ones: the kinds of damage that decoders of lengths, tags and counts meet.
 *
 * Everything follows from the random source, so the same seed makes the same inputs.
 */
import { concatBytes } from '../../core/bytes.js';
import type { Random } from '../../core/ports.js';
import { randomBelow } from '../../core/random.js';

/** The longest input made; longer ones come only from `inflated`. */
const MAX_BYTES = 8_192;

/** The longest input of all: above the limits of packets and requests. */
const MAX_INFLATED_BYTES = 1_100_000;

/** One input in so many is far longer than the rest. */
const INFLATE_ONE_IN = 4_096;

const INTERESTING_BYTES: readonly number[] = [0, 1, 2, 0x1f, 0x20, 0x7f, 0x80, 0xfd, 0xfe, 0xff];

/** Values that lengths and counts go wrong at, as far as they fit the width that is edited. */
const INTERESTING_LENGTHS: readonly bigint[] = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0xffffn,
  0x0004_0000n,
  0x0004_0001n,
  0x000f_4240n,
  0x7fff_ffffn,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x0020_0000_0000_0000n,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_ffffn,
];

type Mutation = (input: Uint8Array, random: Random, corpus: readonly Uint8Array[]) => Uint8Array;

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  flipBit,
  setByte,
  editLength,
  editLength,
  nudgeByte,
  truncate,
  insertBytes,
  removeRange,
  repeatRange,
  splice,
];

/** A new input out of the corpus, which must not be empty. The corpus is left as it is. */
export function mutated(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  if (randomBelow(random, 64) === 0) return random.bytes(randomBelow(random, 256));
  let input: Uint8Array = pick(corpus, random).slice();
  for (let i = randomBelow(random, 4); i >= 0; i--) {
    input = pick(MUTATIONS, random)(input, random, corpus);
    if (input.length > MAX_BYTES) input = input.slice(0, MAX_BYTES);
  }
  return randomBelow(random, INFLATE_ONE_IN) === 0 ? inflated(input, random) : input;
}

function pick<T>(list: readonly T[], random: Random): T {
  const item = list[randomBelow(random, list.length)];
  if (item === undefined) throw new Error('assertion failed: a pick is from a list without holes');
  return item;
}

/** An offset inside the input, or 0 in an empty one. */
function offsetIn(input: Uint8Array, random: Random): number {
  return input.length === 0 ? 0 : randomBelow(random, input.length);
}

function flipBit(input: Uint8Array, random: Random): Uint8Array {
  const at = offsetIn(input, random);
  input[at] = (input[at] ?? 0) ^ (1 << randomBelow(random, 8));
  return input;
}

function setByte(input: Uint8Array, random: Random): Uint8Array {
  input[offsetIn(input, random)] = pick(INTERESTING_BYTES, random);
  return input;
}

function nudgeByte(input: Uint8Array, random: Random): Uint8Array {
  const at = offsetIn(input, random);
  input[at] = (input[at] ?? 0) + (random.unit() < 0.5 ? 1 : -1);
  return input;
}

/** Writes a length of 1, 2, 4 or 8 bytes, in either byte order: an interesting one, or one near what is left. */
function editLength(input: Uint8Array, random: Random): Uint8Array {
  const width = pick([1, 2, 4, 8], random);
  if (input.length < width) return input;
  const at = randomBelow(random, input.length - width + 1);
  const left = BigInt(input.length - at - width);
  const near = left + BigInt(randomBelow(random, 5)) - 2n;
  const value = random.unit() < 0.5 ? pick(INTERESTING_LENGTHS, random) : near;
  const isBigEndian = randomBelow(random, 4) === 0;
  for (let i = 0; i < width; i++) {
    input[isBigEndian ? at + width - 1 - i : at + i] = Number(BigInt.asUintN(8, value >> BigInt(8 * i)));
  }
  return input;
}

function truncate(input: Uint8Array, random: Random): Uint8Array {
  return input.slice(0, offsetIn(input, random));
}

function insertBytes(input: Uint8Array, random: Random): Uint8Array {
  const at = randomBelow(random, input.length + 1);
  return concatBytes(input.subarray(0, at), random.bytes(1 + randomBelow(random, 16)), input.subarray(at));
}

function removeRange(input: Uint8Array, random: Random): Uint8Array {
  const at = offsetIn(input, random);
  const count = 1 + randomBelow(random, 16);
  return concatBytes(input.subarray(0, at), input.subarray(Math.min(input.length, at + count)));
}

function repeatRange(input: Uint8Array, random: Random): Uint8Array {
  const at = offsetIn(input, random);
  const range = input.subarray(at, at + 1 + randomBelow(random, 64));
  return concatBytes(input.subarray(0, at), range, input.subarray(at));
}

function splice(input: Uint8Array, random: Random, corpus: readonly Uint8Array[]): Uint8Array {
  const other = pick(corpus, random);
  return concatBytes(input.subarray(0, offsetIn(input, random)), other.subarray(offsetIn(other, random)));
}

/** The input with its second half repeated up to a random length. */
function inflated(input: Uint8Array, random: Random): Uint8Array {
  const result = new Uint8Array(input.length + randomBelow(random, MAX_INFLATED_BYTES - input.length));
  result.set(input);
  const tail = input.subarray(input.length >> 1);
  if (tail.length === 0) return result;
  for (let at = input.length; at < result.length; at += tail.length) {
    result.set(tail.subarray(0, result.length - at), at);
  }
  return result;
}
