/**
 * What the one thread that made a shared replay table does for it, in small steps: splits the shards that fill up,
 * and forgets the keys whose time is over. Why claims may go on meanwhile: shared-table.ts.
 *
 * A shard that holds more keys than its limit gives those of the upper half of its hash range to a new one: the
 * directory names both for these keys, the slots are moved bucket by bucket, then the directory names the new one.
 * Limits lie between 0.4 and 0.8 of the slots, growing along the hash range, so that shards split one after another
 * while the table doubles, not all at once: there are about 2.5 slots for each key at any time, 10 bytes; with the
 * entry and its page 27 bytes.
 */
import { assert } from '../core/assert.js';
import { EntryLog, pageOf, usedOf, type Chain } from './entry-log.js';
import {
  directoryWord,
  currentShard,
  DOOMED,
  formerShard,
  FREE,
  HELD,
  KeyIndex,
  NO_SLOT,
  NO_SHARD,
  PENDING,
  stateOf,
} from './key-index.js';
import { forEachEnded, laterSecond } from './lifetimes.js';
import {
  BUCKET_SLOTS,
  CLOSED_UNTIL,
  HORIZON,
  IS_SHARD_FULL,
  KEYS,
  PAGE_ENTRIES,
  SHARD_WORDS,
  SHARDS,
  type Layout,
} from './shared-layout.js';

/** Part of the slots at which the first shard of the hash range splits; the last one does at twice that. */
const LOWEST_LIMIT = 0.4;
/** Of a shard that cannot be split further. */
const NO_LIMIT = 0x7fff_ffff;

/** The part of the directory that names a shard. */
interface Range {
  readonly from: number;
  readonly size: number;
}

/** A split at work. */
interface Split {
  readonly source: number;
  readonly target: number;
  /** Keys of this range move. */
  readonly range: Range;
  /** The bucket to move next. */
  bucket: number;
}

function isWithin({ from, size }: Range, place: number): boolean {
  return place >= from && place < from + size;
}

export class Caretaker {
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #log: EntryLog;
  readonly #index: KeyIndex;
  readonly #ranges: Range[];
  readonly #places = new Int32Array(BUCKET_SLOTS);
  #split: Split | null = null;
  /** Shards to look at before all are known to be below their limits, and the next of them. */
  #toCheck = 0;
  #nextCheck = 0;
  /** Closed time buckets whose keys are to be forgotten; the one at work, or 0, and its next entry. */
  readonly #due: Chain[] = [];
  #chain: Chain = 0;
  #nextEntry = 0;
  /** Pages of closed buckets of which some thread still holds an entry. */
  readonly #unsettled: Chain[] = [];

  constructor(words: Int32Array, layout: Layout) {
    this.#words = words;
    this.#layout = layout;
    this.#log = new EntryLog(words, layout);
    this.#index = new KeyIndex(words, layout);
    this.#ranges = [{ from: 0, size: layout.directorySize }];
    Atomics.store(words, SHARDS, 1);
    this.#limit(0);
  }

  /**
   * Moves the time on: closes the time buckets that it passes, whose keys are then forgotten step by step.
   * @param nowSeconds Unix seconds; earlier than before changes nothing
   */
  setTime(nowSeconds: number): void {
    const words = this.#words;
    const before = Atomics.load(words, CLOSED_UNTIL) >>> 0;
    const now = laterSecond(before, nowSeconds);
    // Before any key is forgotten, so that no judge forgets with it but the time stays the old one.
    Atomics.store(words, HORIZON, now);
    forEachEnded(before, now, (position) => {
      const chain = this.#log.close(position);
      if (chain !== 0) this.#due.push(chain);
    });
    // Only now: until a bucket is closed, nobody may file keys under its position for the next turn of the wheel.
    Atomics.store(words, CLOSED_UNTIL, now);
    const late = this.#unsettled.shift();
    if (late !== undefined) this.#due.push(late);
  }

  /** Forgets keys that are due, looking at no more than so many entries. @returns keys forgotten */
  forget(most: number): number {
    let forgotten = 0;
    for (let looked = 0; looked < most; looked++) {
      if (this.#chain === 0) this.#chain = this.#due.shift() ?? 0;
      const chain = this.#chain;
      if (chain === 0) break;
      if (this.#forgetEntry(pageOf(chain) * PAGE_ENTRIES + this.#nextEntry)) forgotten++;
      this.#nextEntry++;
      if (this.#nextEntry < usedOf(chain)) continue;
      const { rest, unsettled } = this.#log.release(chain);
      this.#chain = rest;
      this.#nextEntry = 0;
      if (unsettled !== 0) this.#unsettled.push(unsettled);
    }
    return forgotten;
  }

  /** Makes the key that an index is at claimable again, if it is held. */
  release(key: KeyIndex): void {
    const view = key.view();
    for (const shard of [formerShard(view), currentShard(view)]) {
      if (shard === NO_SHARD) continue;
      const slot = key.heldSlot(shard);
      if (slot === NO_SLOT) continue;
      this.#free(slot, shard, key.entryOf(Atomics.load(this.#words, slot)));
      return;
    }
  }

  /** Makes room ahead of need, moving no more than so many slots. To be called about as often as keys are claimed. */
  grow(most: number): void {
    const words = this.#words;
    if (Atomics.load(words, IS_SHARD_FULL) !== 0) {
      Atomics.store(words, IS_SHARD_FULL, 0);
      this.#toCheck = this.#ranges.length;
    }
    for (let moved = 0; moved < most; moved += BUCKET_SLOTS) {
      this.#split ??= this.#nextSplit();
      if (this.#split === null || !this.#moveBucket(this.#split)) return;
      if (this.#split.bucket === this.#layout.buckets) this.#endSplit(this.#split);
    }
  }

  #forgetEntry(entry: number): boolean {
    const index = this.#index;
    index.aimAtEntry(entry);
    const view = index.view();
    const control = index.control(entry, HELD);
    for (const shard of [currentShard(view), formerShard(view)]) {
      if (shard === NO_SHARD) continue;
      const slot = index.slotOf(shard, control);
      if (slot === NO_SLOT) continue;
      this.#free(slot, shard, entry);
      return true;
    }
    return false;
  }

  #free(slot: number, shard: number, entry: number): void {
    const words = this.#words;
    Atomics.store(words, slot, FREE);
    Atomics.sub(words, this.#countOf(shard), 1);
    Atomics.sub(words, KEYS, 1);
    this.#log.settle(entry);
  }

  /** Begins to split a shard that is over its limit, if there is one. */
  #nextSplit(): Split | null {
    const words = this.#words;
    for (; this.#toCheck > 0; this.#toCheck--) {
      const source = this.#nextCheck % this.#ranges.length;
      this.#nextCheck = source + 1;
      const count = this.#countOf(source);
      if (Atomics.load(words, count) >= Atomics.load(words, count + 1)) return this.#beginSplit(source);
    }
    return null;
  }

  #beginSplit(source: number): Split {
    const whole = this.#rangeOf(source);
    const half = whole.size / 2;
    const range = { from: whole.from + half, size: half };
    const target = this.#ranges.length;
    assert(half >= 1 && target < this.#layout.directorySize, 'a shard that can be split has a limit');
    this.#ranges[source] = { from: whole.from, size: half };
    this.#ranges.push(range);
    this.#limit(source);
    this.#limit(target);
    Atomics.store(this.#words, SHARDS, target + 1);
    this.#point(range, directoryWord(target, source));
    return { source, target, range, bucket: 0 };
  }

  #endSplit({ target, range }: Split): void {
    this.#point(range, directoryWord(target, NO_SHARD));
    this.#split = null;
    this.#toCheck = this.#ranges.length;
  }

  /** Moves what belongs to the target out of the next bucket; false where there is no room for now. */
  #moveBucket(split: Split): boolean {
    const words = this.#words;
    const index = this.#index;
    const start = index.startOf(split.source) + split.bucket * BUCKET_SLOTS;
    // All entries first, and without branches: the processor fetches them at once.
    for (let i = 0; i < BUCKET_SLOTS; i++) {
      this.#places[i] = index.placeOfEntry(index.entryOf(Atomics.load(words, start + i)));
    }
    for (let i = 0; i < BUCKET_SLOTS; i++) {
      if (isWithin(split.range, this.#places[i] ?? 0) && !this.#moveSlot(start + i, split)) return false;
    }
    split.bucket++;
    return true;
  }

  /** Moves what is in a slot, if it is a key that belongs to the target; false where there is no room for now. */
  #moveSlot(slot: number, { source, target, range }: Split): boolean {
    const words = this.#words;
    const index = this.#index;
    for (;;) {
      const control = Atomics.load(words, slot);
      if (control === FREE || stateOf(control) === DOOMED) return true;
      const entry = index.entryOf(control);
      if (!isWithin(range, index.placeOfEntry(entry))) return true;
      if (stateOf(control) === HELD) {
        index.aimAtEntry(entry);
        // The copy first: whoever does not find the key here any more finds it there.
        if (!this.#copy(control, target)) return false;
        Atomics.add(words, this.#countOf(target), 1);
        Atomics.store(words, slot, FREE);
        Atomics.sub(words, this.#countOf(source), 1);
        return true;
      }
      // Its thread tries again at the new place, unless it wins or withdraws just before: then this looks again.
      const doomed = control - PENDING + DOOMED;
      if (Atomics.compareExchange(words, slot, control, doomed) === control) return true;
    }
  }

  #copy(control: number, target: number): boolean {
    for (;;) {
      const slot = this.#index.freeSlot(target);
      if (slot === NO_SLOT) return false;
      if (Atomics.compareExchange(this.#words, slot, FREE, control) === FREE) return true;
    }
  }

  /** Sets the number of keys at which a shard is split. */
  #limit(shard: number): void {
    const { shardSlots, directorySize } = this.#layout;
    const { from, size } = this.#rangeOf(shard);
    const limit = Math.floor(shardSlots * LOWEST_LIMIT * (1 + from / directorySize));
    Atomics.store(this.#words, this.#countOf(shard) + 1, size === 1 ? NO_LIMIT : limit);
  }

  #point({ from, size }: Range, word: number): void {
    const start = this.#layout.directory + from;
    for (let at = start; at < start + size; at++) Atomics.store(this.#words, at, word);
  }

  #rangeOf(shard: number): Range {
    const range = this.#ranges[shard];
    assert(range !== undefined, 'a shard has a range');
    return range;
  }

  #countOf(shard: number): number {
    return this.#layout.shards + SHARD_WORDS * shard;
  }
}
