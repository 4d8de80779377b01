/** Randomness: the machine's, and a seeded one that replays a run. */
import { randomFillSync } from 'node:crypto';
import { assert, present } from './assert.js';
import type { Random } from './ports.js';

/** Cryptographic randomness of the machine. */
export const systemRandom: Random = {
  bytes: (count) => randomFillSync(new Uint8Array(count)),
  unit: () => {
    const [word] = randomFillSync(new Uint32Array(1));
    return (word ?? 0) / 2 ** 32;
  },
};

/** xoshiro128** by Blackman and Vigna, seeded by SplitMix32. Reproducible, not for secrets. */
export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    let state = seed >>> 0;
    const split = (): number => {
      state = (state + 0x9e37_79b9) >>> 0;
      let z = state;
      z = Math.imul(z ^ (z >>> 16), 0x85eb_ca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2_ae35);
      return (z ^ (z >>> 16)) >>> 0;
    };
    this.#a = split();
    this.#b = split();
    this.#c = split();
    this.#d = split() | 1;
  }

  /** The next 32 bits. */
  word(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  unit(): number {
    return this.word() / 2 ** 32;
  }

  bytes(count: number): Uint8Array {
    const result = new Uint8Array(count);
    for (let i = 0; i < count; i += 4) {
      const word = this.word();
      for (let j = 0; j < 4 && i + j < count; j++) result[i + j] = word >>> (8 * j);
    }
    return result;
  }
}

/** A whole number in [0, bound). */
export function randomBelow(random: Random, bound: number): number {
  assert(bound > 0, 'a bound is positive');
  return Math.min(bound - 1, Math.floor(random.unit() * bound));
}

/** A random u64, for request and correlation ids. */
export function randomU64(random: Random): bigint {
  return new DataView(random.bytes(8).buffer).getBigUint64(0, true);
}

/** The base delay spread over [1 - spread, 1 + spread], so that many waiters do not act at once. */
export function jittered(random: Random, base: number, spread = 0.2): number {
  return base * (1 - spread + 2 * spread * random.unit());
}

/** The items in a random order (Fisher and Yates). */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const result = [...items];
  for (let i = result.length - 1; i > 0; i--) {
    const j = randomBelow(random, i + 1);
    const [a, b] = [present(result[i], 'within the list'), present(result[j], 'within the list')];
    result[i] = b;
    result[j] = a;
  }
  return result;
}
