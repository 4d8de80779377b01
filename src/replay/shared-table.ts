/**
 * The replay table that all threads share: one SharedArrayBuffer, open addressing, no locks.
 *
 * Rules: architecture.md (replay table), payments.md, any proof, 4 and 5. Keys are held as fingerprints of 126
 * bits under a secret of this process (fingerprint.ts). Contract: table.ts, test/contract/replay-table.ts.
 *
 * A key may lie in any of the 16 slots of two buckets that its fingerprint names. A slot's control word holds 30
 * bits of the fingerprint and one of four states:
 *
 *     FREE -> PENDING      by the claiming thread (compare-exchange), before the rest of the entry is written
 *     PENDING -> HELD      by the same thread (compare-exchange), when it has won
 *     PENDING -> DOOMED    by a rival for the same key whose slot has a lower index (compare-exchange)
 *     PENDING, DOOMED -> FREE   by the thread that made it PENDING, when it has lost
 *     HELD -> FREE         by the one thread that expires, which also undoes claims
 *
 * A claim looks at all 32 slots for its key, makes one PENDING, and looks at all of them again. It withdraws
 * where it meets the key HELD, or PENDING at a lower index; one PENDING at a higher index it dooms. Then it
 * tries PENDING -> HELD.
 *
 * At most one claim wins. All accesses to control words are Atomics, so they have one total order. Of two claims
 * of a key, at slots i < j, let both be PENDING before either's second look ends. If i was made PENDING first, the
 * claim at j meets it, PENDING or HELD, and withdraws. If j was first, the claim at i meets it: HELD, then i
 * withdraws; PENDING, then either its compare-exchange to DOOMED comes first and j cannot become HELD, or it
 * fails since j is HELD already, and i withdraws. Slots that are freed and used again in between do no harm: no
 * slot leaves PENDING, DOOMED or HELD but by the hands named above, so neither of the two can vanish unseen.
 *
 * At least one claim wins, unless its thread dies. Only claims at lower slots and holders make a claim lose, so
 * among rivals that all lost the one at the lowest slot would have had nobody to lose to.
 *
 * No reader waits. A PENDING entry counts as taken; a thread that dies leaves it so, and the key stays refused:
 * the payment may have been acted on. One slot per lost thread is the whole loss.
 *
 * Words of an entry are plain stores before the compare-exchange to HELD and plain loads after a load that found
 * HELD, so they are seen whole. Where a slot is used again between the two, a mixture of two fingerprints is
 * compared: it equals a third with a chance of 2^-96. A rival is known by its 30 bits alone while PENDING: two
 * keys of the same 30 bits in the same microsecond and buckets may cost one of them its claim, never give two.
 */
import { assert } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import { FINGERPRINT_WORDS, type Fingerprinter } from './fingerprint.js';
import type { ClaimOutcome, ReplayStats, ReplayTable } from './table.js';

const FREE = 0;
const PENDING = 1;
const HELD = 2;
const DOOMED = 3;
const STATE_BITS = 3;

const SLOTS_PER_BUCKET = 16;
/** Words of an entry behind its control word: three of the fingerprint, then its expiry in Unix seconds (u32). */
const ENTRY_WORDS = 4;
const EXPIRY = 3;
/** The control words of a bucket fill one cache line; the entries follow. */
const BUCKET_WORDS: number = SLOTS_PER_BUCKET * (1 + ENTRY_WORDS);

/** Counters of keys, each on a cache line of its own, so that threads rarely write to the same one. */
const SHARDS = 64;
const LINE_WORDS = 16;

/** Header: a mark, the number of buckets, the horizon; then the counters; then the buckets. */
const MARK = 0;
const MARK_VALUE = 0x6d72_7431; // "mrt1"
const BUCKETS = 1;
const HORIZON = 2;
const COUNTERS: number = LINE_WORDS;
const FIRST_BUCKET: number = COUNTERS + SHARDS * LINE_WORDS;

const MAX_SECONDS = 0xffff_ffff;

/** What a look at the two buckets found, where it is no slot to take. */
const FOUND = -1;
const NO_ROOM = -2;

export class SharedReplayTable implements ReplayTable {
  /** To be handed to the other threads; see `attach`. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bucketMask: number;
  readonly #fingerprinter: Fingerprinter;
  readonly #fingerprint = new Int32Array(FINGERPRINT_WORDS);
  readonly #isOwner: boolean;
  /** The bucket that `expire` looks at next. */
  #cursor = 0;

  private constructor(memory: SharedArrayBuffer, fingerprinter: Fingerprinter, isOwner: boolean) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    assert(this.#words[MARK] === MARK_VALUE, 'this memory holds a replay table');
    this.#bucketMask = (this.#words[BUCKETS] ?? 0) - 1;
    this.#fingerprinter = fingerprinter;
    this.#isOwner = isOwner;
  }

  /**
   * A new table. The thread that makes it is the one that may `expire`.
   * @param capacity keys, rounded up to a power of two of at least 32; 20 bytes each, touched when first used
   */
  static create(fingerprinter: Fingerprinter, capacity: number = LIMITS.REPLAY_KEYS): SharedReplayTable {
    let buckets = 2;
    while (buckets * SLOTS_PER_BUCKET < capacity) buckets *= 2;
    const memory = new SharedArrayBuffer(4 * (FIRST_BUCKET + buckets * BUCKET_WORDS));
    const words = new Int32Array(memory);
    words[MARK] = MARK_VALUE;
    words[BUCKETS] = buckets;
    return new SharedReplayTable(memory, fingerprinter, true);
  }

  /**
   * The table of another thread.
   * @param fingerprinter this thread's own, under the secret of the table's owner
   */
  static attach(memory: SharedArrayBuffer, fingerprinter: Fingerprinter): SharedReplayTable {
    return new SharedReplayTable(memory, fingerprinter, false);
  }

  claim(key: Uint8Array, expiresAt: number): ClaimOutcome {
    const words = this.#words;
    const [first, second, tag] = this.#place(key);
    let slot: number;
    // Another turn means that another thread took the slot that was found: somebody got on.
    do {
      slot = this.#look(first, second, tag);
      if (slot === FOUND) return 'taken';
      if (slot === NO_ROOM) return 'full';
    } while (Atomics.compareExchange(words, slot, FREE, tag | PENDING) !== FREE);

    const entry = entryOf(slot);
    for (let i = 0; i < EXPIRY; i++) words[entry + i] = this.#fingerprint[1 + i] ?? 0;
    words[entry + EXPIRY] = Math.min(Math.max(0, Math.ceil(expiresAt)), MAX_SECONDS);

    const isWon =
      this.#beatsRivals(first, slot, tag) &&
      this.#beatsRivals(second, slot, tag) &&
      Atomics.compareExchange(words, slot, tag | PENDING, tag | HELD) === (tag | PENDING);
    if (!isWon) {
      Atomics.store(words, slot, FREE);
      return 'taken';
    }
    Atomics.add(words, counterOf(slot), 1);
    return 'claimed';
  }

  has(key: Uint8Array): boolean {
    const [first, second, tag] = this.#place(key);
    return this.#look(first, second, tag) === FOUND;
  }

  release(key: Uint8Array): void {
    assert(this.#isOwner, 'a claim is undone by the thread that made the table');
    const words = this.#words;
    const [first, second, tag] = this.#place(key);
    for (const start of [first, second]) {
      for (let slot = start; slot < start + SLOTS_PER_BUCKET; slot++) {
        const control = Atomics.load(words, slot);
        if (control !== (tag | HELD) || !this.#isSame(slot, control)) continue;
        Atomics.store(words, slot, FREE);
        Atomics.sub(words, counterOf(slot), 1);
      }
    }
  }

  expire(nowSeconds: number): number {
    assert(this.#isOwner, 'a replay table is expired by the thread that made it');
    const words = this.#words;
    const horizon = Math.min(Math.max(this.horizonSeconds(), Math.floor(nowSeconds)), MAX_SECONDS);
    // Before any key is forgotten, so that no judge forgets with it but the time stays the old one.
    Atomics.store(words, HORIZON, horizon);
    const buckets = Math.min(this.#bucketMask + 1, LIMITS.REPLAY_EXPIRE_SLOTS / SLOTS_PER_BUCKET);
    let forgotten = 0;
    for (let n = 0; n < buckets; n++) {
      const start = FIRST_BUCKET + this.#cursor * BUCKET_WORDS;
      this.#cursor = (this.#cursor + 1) & this.#bucketMask;
      for (let slot = start; slot < start + SLOTS_PER_BUCKET; slot++) {
        if ((Atomics.load(words, slot) & STATE_BITS) !== HELD) continue;
        const expiresAt = (words[entryOf(slot) + EXPIRY] ?? 0) >>> 0;
        if (expiresAt >= horizon) continue;
        Atomics.store(words, slot, FREE);
        Atomics.sub(words, counterOf(slot), 1);
        forgotten++;
      }
    }
    return forgotten;
  }

  horizonSeconds(): number {
    return Atomics.load(this.#words, HORIZON) >>> 0;
  }

  stats(): ReplayStats {
    let keys = 0;
    for (let i = 0; i < SHARDS; i++) keys += Atomics.load(this.#words, COUNTERS + i * LINE_WORDS);
    return { keys, capacity: (this.#bucketMask + 1) * SLOTS_PER_BUCKET };
  }

  /** Takes the fingerprint of a key: the first words of its two buckets, and its tag. */
  #place(key: Uint8Array): readonly [first: number, second: number, tag: number] {
    const fingerprint = this.#fingerprint;
    this.#fingerprinter.fingerprint(key, fingerprint);
    const first = (fingerprint[1] ?? 0) & this.#bucketMask;
    let second = (fingerprint[2] ?? 0) & this.#bucketMask;
    if (second === first) second ^= 1;
    return [
      FIRST_BUCKET + first * BUCKET_WORDS,
      FIRST_BUCKET + second * BUCKET_WORDS,
      (fingerprint[0] ?? 0) & ~STATE_BITS,
    ];
  }

  /** FOUND, NO_ROOM, or a free slot of the emptier bucket. */
  #look(first: number, second: number, tag: number): number {
    let best = NO_ROOM;
    let bestFree = 0;
    for (let turn = 0; turn < 2; turn++) {
      const start = turn === 0 ? first : second;
      let free = 0;
      let lowest = NO_ROOM;
      for (let slot = start + SLOTS_PER_BUCKET - 1; slot >= start; slot--) {
        const control = Atomics.load(this.#words, slot);
        if (control === FREE) {
          free++;
          lowest = slot;
        } else if ((control & ~STATE_BITS) === tag && this.#isSame(slot, control)) return FOUND;
      }
      if (free > bestFree) {
        best = lowest;
        bestFree = free;
      }
    }
    return best;
  }

  /** Whether no entry of a bucket keeps the claim at `own` from winning; dooms the rivals that must yield. */
  #beatsRivals(start: number, own: number, tag: number): boolean {
    const words = this.#words;
    for (let slot = start; slot < start + SLOTS_PER_BUCKET; slot++) {
      let control = Atomics.load(words, slot);
      if (slot === own || (control & ~STATE_BITS) !== tag) continue;
      if ((control & STATE_BITS) === PENDING) {
        if (slot < own) return false;
        control = Atomics.compareExchange(words, slot, control, tag | DOOMED);
      }
      if (control === (tag | HELD) && this.#isSame(slot, control)) return false;
    }
    return true;
  }

  /** Whether an entry of the same tag is of the same key: one that is not HELD yet counts as that. */
  #isSame(slot: number, control: number): boolean {
    if ((control & STATE_BITS) !== HELD) return true;
    const entry = entryOf(slot);
    for (let i = 0; i < EXPIRY; i++) if (this.#words[entry + i] !== this.#fingerprint[1 + i]) return false;
    return true;
  }
}

/** The entry of a slot. */
function entryOf(slot: number): number {
  const within = (slot - FIRST_BUCKET) % BUCKET_WORDS;
  return slot - within + SLOTS_PER_BUCKET + within * ENTRY_WORDS;
}

/** The counter of a slot's shard. */
function counterOf(slot: number): number {
  const bucket = Math.floor((slot - FIRST_BUCKET) / BUCKET_WORDS);
  return COUNTERS + (bucket % SHARDS) * LINE_WORDS;
}
