/**
 * Messages that must not pass the gate for free, made from a seed: pure chance, chance behind the right beginning of
 * every protocol, and whole messages with one thing broken for sure.
 *
 * Rules: payments.md, Free traffic (random bytes pass with a probability below 10^-8). No message here is good but by
 * chance: what would make it so (a checksum of 32 bits, a length of 24) is left to chance or is wrong.
 */
import { assert, present } from '../../core/assert.js';
import { utf8 } from '../../core/bytes.js';
import type { Network } from '../../core/policy.js';
import { randomBelow, SeededRandom } from '../../core/random.js';
import {
  BITCOIN_COMMANDS,
  BITCOIN_HEADER_BYTES,
  BITCOIN_MAGICS,
  encodeBitcoinMessage,
} from '../../packet/bitcoin-wire.js';
import { STRATUM_HEADER_BYTES, STRATUM_MESSAGES } from '../../packet/stratum-wire.js';
import { stratumSample } from './stratum-samples.js';

/** What a message was made as; the index in this list is its code. */
export const MESSAGE_KINDS = ['random', 'prefixed', 'broken'] as const;
export type MessageKind = (typeof MESSAGE_KINDS)[number];

/** Two of four are pure chance. */
const KINDS_IN_TURN: readonly MessageKind[] = ['random', 'prefixed', 'random', 'broken'];

/** Bytes of one batch: few enough for the caches of a processor. */
const BATCH_BYTES = 65_536;
/** Lengths are below the first number, one in so many below the second one. */
const SHORT_BYTES = 128;
const LONG_BYTES = 2_048;
const LONG_ONE_IN = 64;
/** No message is longer. */
const MOST_BYTES = LONG_BYTES + BITCOIN_HEADER_BYTES;
/** Messages of one batch: about twice as many as usually fill it. */
const BATCH_MESSAGES = 2_048;

/** Whole messages that are broken in turn. */
const BITCOIN_SAMPLES = 256;
/** The reserved bits of a Stratum header: all of its extension but the channel bit. */
const EXTENSION_BITS = 15;

const NETWORKS = Object.keys(BITCOIN_MAGICS) as Network[];
const BITCOIN_LENGTH_OFFSET = 16;
const MAGIC_BITS = 32;

export interface MessageBatch {
  /** The messages one behind another. */
  readonly data: Uint8Array;
  readonly ends: Uint32Array;
  /** The kind of each, by its index in MESSAGE_KINDS. */
  readonly kinds: Uint8Array;
}

/** An endless row of messages; the same seed makes the same row. */
export class GateMessages {
  readonly #random: SeededRandom;
  readonly #words = new Uint32Array(BATCH_BYTES / 4);
  readonly #data = new Uint8Array(this.#words.buffer);
  readonly #prefixes: readonly Uint8Array[] = rightBeginnings();
  readonly #bitcoin: readonly Uint8Array[];
  readonly #stratum: readonly Uint8Array[];
  readonly #ends = new Uint32Array(BATCH_MESSAGES);
  readonly #kinds = new Uint8Array(BATCH_MESSAGES);
  #made = 0;

  constructor(seed: number) {
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#bitcoin = Array.from({ length: BITCOIN_SAMPLES }, (_, index) =>
      encodeBitcoinMessage(
        pick(NETWORKS, random),
        present(BITCOIN_COMMANDS[index % BITCOIN_COMMANDS.length], 'there are commands'),
        random.bytes(randomBelow(random, SHORT_BYTES)),
      ),
    );
    this.#stratum = STRATUM_MESSAGES.flatMap((message) => [
      stratumSample(message, 'short'),
      stratumSample(message, 'full'),
    ]);
    const longest = Math.max(...this.samples.map(({ length }) => length));
    assert(longest + STRATUM_HEADER_BYTES <= MOST_BYTES, 'every message fits behind the last one of a batch');
  }

  /** The whole messages that broken ones are made of. */
  get samples(): readonly Uint8Array[] {
    return [...this.#bitcoin, ...this.#stratum];
  }

  /** The next batch, of hundreds of messages. Its memory is written anew by the next call. */
  next(): MessageBatch {
    const words = this.#words;
    const random = this.#random;
    for (let i = 0; i < words.length; i++) words[i] = random.word();
    let count = 0;
    for (let at = 0; count < BATCH_MESSAGES && at + MOST_BYTES <= BATCH_BYTES; count++) {
      const turn = this.#made++ % KINDS_IN_TURN.length;
      const kind = present(KINDS_IN_TURN[turn], 'a kind for each turn');
      at += this.#write(kind, at);
      this.#kinds[count] = MESSAGE_KINDS.indexOf(kind);
      this.#ends[count] = at;
    }
    return { data: this.#data, ends: this.#ends.subarray(0, count), kinds: this.#kinds.subarray(0, count) };
  }

  /** Makes one message where random bytes lie. @returns its length */
  #write(kind: MessageKind, at: number): number {
    const random = this.#random;
    if (kind === 'broken') return this.#writeBroken(at);
    const length = randomBelow(random, randomBelow(random, LONG_ONE_IN) === 0 ? LONG_BYTES : SHORT_BYTES);
    if (kind === 'random') return length;
    const prefix = pick(this.#prefixes, random);
    this.#data.set(prefix, at);
    if (prefix.length < BITCOIN_LENGTH_OFFSET) return Math.max(prefix.length, length);
    // A Bitcoin header in which everything but the checksum is right.
    writeU32(this.#data, at + BITCOIN_LENGTH_OFFSET, length);
    return BITCOIN_HEADER_BYTES + length;
  }

  /** A whole message with one thing wrong that nothing else makes right. */
  #writeBroken(at: number): number {
    const random = this.#random;
    const isBitcoin = random.unit() < 0.5;
    const sample = pick(isBitcoin ? this.#bitcoin : this.#stratum, random);
    this.#data.set(sample, at);
    switch (randomBelow(random, 3)) {
      case 0:
        return sample.length - 1 - randomBelow(random, sample.length - 4);
      case 1:
        return sample.length + 1 + randomBelow(random, STRATUM_HEADER_BYTES);
      default: {
        // Every bit of a Bitcoin message counts; of a Stratum message those of its extension do for sure.
        const bit = randomBelow(random, isBitcoin ? 8 * sample.length : EXTENSION_BITS);
        this.#flip(at, bit);
        return sample.length;
      }
    }
  }

  #flip(at: number, bit: number): void {
    const byte = at + (bit >> 3);
    this.#data[byte] = present(this.#data[byte], 'inside the batch') ^ (1 << (bit & 7));
  }
}

/** The first bytes of messages of every protocol, and the two bytes that some take for Stratum V2. */
function rightBeginnings(): readonly Uint8Array[] {
  const prefixes: Uint8Array[] = [Uint8Array.of(0, 1), Uint8Array.of(1, 0)];
  for (const network of NETWORKS) {
    prefixes.push(Uint8Array.from(BITCOIN_MAGICS[network]));
    for (const command of BITCOIN_COMMANDS) {
      prefixes.push(
        encodeBitcoinMessage(network, command, new Uint8Array(0)).slice(0, BITCOIN_LENGTH_OFFSET),
      );
    }
  }
  // Extension, channel bit and type; the length is left to chance.
  for (const message of STRATUM_MESSAGES) prefixes.push(stratumSample(message, 'short').slice(0, 3));
  // A mesh packet's magic with a bit flipped.
  for (let bit = 0; bit < MAGIC_BITS; bit++) {
    const magic = utf8('MESH');
    magic[bit >> 3] = present(magic[bit >> 3], 'inside') ^ (1 << (bit & 7));
    prefixes.push(magic);
  }
  prefixes.push(utf8('MESH'));
  return prefixes;
}

function pick<T>(list: readonly T[], random: SeededRandom): T {
  return present(list[randomBelow(random, list.length)], 'a list without holes');
}

function writeU32(data: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) data[at + i] = value >>> (8 * i);
}
