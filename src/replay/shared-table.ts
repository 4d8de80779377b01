/**
 * The replay table that all threads share: one SharedArrayBuffer, open addressing, no locks. It grows while it is read.
 *
 * Rules: architecture.md (replay table), payments.md, any proof, 4 and 5. Keys are held as fingerprints of 128
 * bits under a secret of this process (fingerprint.ts). Contract: table.ts, test/contract/replay-table.ts.
 *
 * A key's hash names its shard through a directory, and in any shard the same two buckets of 16 slots. A slot is one
 * control word (key-index.ts): a tag of the key, the number of its entry (entry-log.ts) and one of four states:
 *
 *     FREE -> PENDING      by the claiming thread (compare-exchange), after it wrote the fingerprint into the entry
 *     PENDING -> HELD      by the same thread (compare-exchange), when it has won
 *     PENDING -> DOOMED    by a rival for the same key whose slot has a lower index, or by the caretaker of a shard
 *                          that is being split (compare-exchange)
 *     PENDING, DOOMED -> FREE   by the thread that made it PENDING, when it has not won
 *     HELD -> FREE, FREE -> HELD   by the caretaker (caretaker.ts), which forgets keys, undoes claims, and moves
 *                          keys from a shard that is split to the new one, where it puts the copy first
 *
 * A claim (1) reads the directory: the key's current shard, and the former one while keys are moved out of that. (2) It
 * looks for the key in the former, then in the current shard. Any entry of the key, in any state but FREE, is `taken`.
 * (3) It makes a slot of the current shard PENDING. (4) It looks at the current shard again, and yields where it meets
 * the key HELD, or PENDING at a lower index; one PENDING at a higher index it dooms. (5) It reads the directory again,
 * and begins anew where the current shard is another one now. (6) It tries PENDING -> HELD, and has won; or it was doomed,
 * and begins anew. (7) Whoever has not won makes its slot FREE. Then one that yields reads the directory once more:
 * `taken` if the current shard is the same as in (1), else it begins anew.
 *
 * Memory order. Accesses to control words, directory words and counters are Atomics, so they have one total order that
 * agrees with each thread's own. There are two exceptions for speed, as an Atomics.load costs five plain ones. The first
 * look at the current shard goes by plain loads, and what has the right tag is then loaded by Atomics: so what it
 * finds is there, and what it misses is found by the second look. A free slot is chosen by plain loads, and taken by
 * compare-exchange. The words of an entry are plain stores before the compare-exchange that names it and plain loads after
 * an Atomics.load that found it named, so they are seen whole. An entry may be used again only after its slot was freed:
 * a reader compares it, and then loads the control word once more; where that names the same entry still, what was
 * compared was the key. So two keys are taken for one only if all 128 bits are equal.
 *
 * At most one claim wins, in one shard. Of two claims of a key that pass (5), at slots i < j, let both be PENDING before
 * either's second look ends. If i was made PENDING first, the claim at j meets it, PENDING or HELD, and yields. If j was
 * first, the claim at i meets it: HELD, then i yields; PENDING, then either its compare-exchange to DOOMED comes first
 * and j cannot become HELD, or it fails since j is HELD already, and i yields. Neither can vanish unseen: no slot leaves
 * PENDING, DOOMED or HELD but by the hands named above, and a key is moved away only after the directory was changed,
 * which (5) finds out for the whole of the second look.
 *
 * At most one claim wins, over a split of shard s into s and t. Let d be the moment at which the directory word of a
 * key that moves is set to (t, formerly s). A claim X that passes (5) with s was PENDING before d. A claim Y that looks
 * in t read the directory after d, so it looks at s when X's slot is PENDING or DOOMED (`taken`), or HELD (`taken`), or
 * freed; freed by X, then X has not won there; moved by the caretaker, then its copy is in t already, where Y's second
 * look comes after that. Slots of s that become PENDING after d do not pass (5). The caretaker goes through all of s after d: it moves
 * what it finds HELD and dooms what it finds PENDING, so nothing of the key is or becomes HELD in s afterwards, and then
 * alone the directory word is set to (t). Shard numbers are never used again, so (5) and (7) mistake no shard for an
 * earlier one. Slots of keys that stay in s, and their directory words, are not touched by the split.
 *
 * At least one claim wins, unless its thread dies or there is no room. Take the last shard that any of the rivals came
 * to. If one of them was PENDING there: the one of the lowest slot has nobody to yield to and nobody to doom it, and the
 * directory did not change, so it won. If none was: all returned at their look, having met only slots in the former
 * shard of claims that did not win there. The last of them to look met a claim that was still going on after d; that
 * claim withdraws before its last look at the directory (7), begins anew, and looks later than the last one.
 *
 * No reader waits: a PENDING or DOOMED entry counts as taken. A thread that dies leaves it so, and the key stays refused
 * until its shard is split, which costs a slot, an entry and its page; nobody has acted on that key. A thread that dies
 * after HELD leaves a key that is held, as any other.
 */
import { assert } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import { Caretaker } from './caretaker.js';
import { EntryLog } from './entry-log.js';
import type { Fingerprinter } from './fingerprint.js';
import { currentShard, formerShard, FREE, HELD, KeyIndex, NO_SHARD, NO_SLOT, PENDING } from './key-index.js';
import { bucketOf } from './lifetimes.js';
import {
  CLOSED_UNTIL,
  createTableMemory,
  HORIZON,
  IS_SHARD_FULL,
  KEYS,
  layoutFor,
  layoutOf,
  REFUSED,
  SHARD_WORDS,
  type Layout,
} from './shared-layout.js';
import { sharedStats } from './shared-stats.js';
import type { ClaimOutcome, ReplayStats, ReplayTable } from './table.js';

export class SharedReplayTable implements ReplayTable {
  /** To be handed to the other threads; see `attach`. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #index: KeyIndex;
  readonly #log: EntryLog;
  readonly #fingerprinter: Fingerprinter;
  /** On the thread that made the table; null on the others. */
  readonly #caretaker: Caretaker | null;

  private constructor(
    memory: SharedArrayBuffer,
    layout: Layout,
    fingerprinter: Fingerprinter,
    isOwner: boolean,
  ) {
    this.memory = memory;
    this.#words = new Int32Array(memory);
    this.#layout = layout;
    this.#index = new KeyIndex(this.#words, layout);
    this.#log = new EntryLog(this.#words, layout);
    this.#fingerprinter = fingerprinter;
    this.#caretaker = isOwner ? new Caretaker(this.#words, layout) : null;
  }

  /**
   * A new table. The thread that makes it takes care of it: it alone may `expire`, `tend` and `release`.
   * @param capacity keys to which it may grow, up to LIMITS.REPLAY_KEYS_MOST: address space of at most 34 bytes each
   *   and 400 kB more, of which it uses at most 32 bytes for each key that it holds (from 65,536 keys on)
   */
  static create(fingerprinter: Fingerprinter, capacity: number = LIMITS.REPLAY_KEYS): SharedReplayTable {
    assert(
      capacity >= 1 && capacity <= LIMITS.REPLAY_KEYS_MOST,
      'a replay table has a capacity in its range',
    );
    const layout = layoutFor(capacity);
    return new SharedReplayTable(createTableMemory(layout), layout, fingerprinter, true);
  }

  /**
   * The table of another thread.
   * @param fingerprinter this thread's own, under the secret of the table's owner
   */
  static attach(memory: SharedArrayBuffer, fingerprinter: Fingerprinter): SharedReplayTable {
    return new SharedReplayTable(memory, layoutOf(memory), fingerprinter, false);
  }

  claim(key: Uint8Array, expiresAt: number): ClaimOutcome {
    // So that the thread that grows the table never outruns itself, as when it restores a journal.
    this.#caretaker?.grow(LIMITS.REPLAY_STEP);
    this.#aim(key);
    const words = this.#words;
    const index = this.#index;
    let entry = 0;
    let bucket = 0;
    let outcome: ClaimOutcome | null = null;
    // Another turn means that another thread took the slot that was found, or that the key has moved: somebody got on.
    while (outcome === null) {
      const view = index.view();
      if (this.#isTaken(view)) {
        outcome = 'taken';
        break;
      }
      if (entry === 0) {
        bucket = bucketOf(expiresAt, Atomics.load(words, CLOSED_UNTIL) >>> 0);
        entry = this.#takeEntry(bucket);
      }
      const shard = currentShard(view);
      const slot = index.freeSlot(shard);
      outcome = entry === 0 || slot === NO_SLOT ? 'full' : this.#contest(shard, slot, entry);
    }
    if (entry !== 0 && outcome !== 'claimed') {
      this.#log.keepSpare(entry, bucket);
      Atomics.sub(words, KEYS, 1);
    }
    if (outcome === 'full') Atomics.add(words, REFUSED, 1);
    return outcome;
  }

  has(key: Uint8Array): boolean {
    this.#aim(key);
    for (;;) {
      const view = this.#index.view();
      if (this.#isTaken(view)) return true;
      // Not moved away under this look.
      if (this.#index.view() === view) return false;
    }
  }

  release(key: Uint8Array): void {
    const caretaker = this.#care('a claim is undone');
    this.#aim(key);
    caretaker.release(this.#index);
  }

  expire(nowSeconds: number): number {
    const caretaker = this.#care('a replay table is expired');
    caretaker.setTime(nowSeconds);
    caretaker.grow(LIMITS.REPLAY_SWEEP);
    return caretaker.forget(LIMITS.REPLAY_SWEEP);
  }

  tend(): number {
    const caretaker = this.#care('a replay table is tended');
    caretaker.grow(LIMITS.REPLAY_STEP);
    return caretaker.forget(LIMITS.REPLAY_STEP);
  }

  horizonSeconds(): number {
    return Atomics.load(this.#words, HORIZON) >>> 0;
  }

  stats(): ReplayStats {
    return sharedStats(this.#words, this.#layout);
  }

  #care(what: string): Caretaker {
    assert(this.#caretaker !== null, `${what} by the thread that made it`);
    return this.#caretaker;
  }

  #aim(key: Uint8Array): void {
    this.#fingerprinter.fingerprint(key, this.#index.fingerprint);
    this.#index.aim();
  }

  /** The first look: at the former shard, if there is one, and then at the current one. */
  #isTaken(view: number): boolean {
    const former = formerShard(view);
    return (former !== NO_SHARD && this.#index.isIn(former)) || this.#index.isSeenIn(currentShard(view));
  }

  /** An entry with the key's fingerprint, counted as a key; 0 where the table is full. */
  #takeEntry(bucket: number): number {
    const words = this.#words;
    const isRoom = Atomics.add(words, KEYS, 1) < this.#layout.capacity;
    const entry = isRoom ? this.#log.take(bucket) : 0;
    if (entry === 0) Atomics.sub(words, KEYS, 1);
    else this.#index.writeEntry(entry);
    return entry;
  }

  /** Tries to hold the key in a slot that was free: null where that must be begun anew. */
  #contest(shard: number, slot: number, entry: number): 'claimed' | 'taken' | null {
    const words = this.#words;
    const index = this.#index;
    const pending = index.control(entry, PENDING);
    if (Atomics.compareExchange(words, slot, FREE, pending) !== FREE) return null;
    const isBeaten = !index.beatsRivals(shard, slot);
    const held = index.control(entry, HELD);
    if (
      !isBeaten &&
      currentShard(index.view()) === shard &&
      Atomics.compareExchange(words, slot, pending, held) === pending
    ) {
      this.#countKey(shard);
      return 'claimed';
    }
    Atomics.store(words, slot, FREE);
    return isBeaten && currentShard(index.view()) === shard ? 'taken' : null;
  }

  #countKey(shard: number): void {
    const words = this.#words;
    const count = this.#layout.shards + SHARD_WORDS * shard;
    const keys = Atomics.add(words, count, 1) + 1;
    if (keys === Atomics.load(words, count + 1)) Atomics.store(words, IS_SHARD_FULL, 1);
  }
}
