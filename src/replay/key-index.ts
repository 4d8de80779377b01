/**
 * Where keys are found in the shared replay table: shards of buckets of control words, and the directory that names
 * the shard of each key. What its words mean and why that is right: shared-table.ts. Here is what one thread does with
 * the key that it is at.
 */
import { ENTRY_WORDS, BUCKET_SLOTS, PAGE_BUCKETS, type Layout } from './shared-layout.js';

/** States of a slot, the lowest bits of its control word; a FREE one is 0 as a whole. */
export const FREE = 0;
export const PENDING = 1;
export const HELD = 2;
export const DOOMED = 3;
const STATE_MASK = 3;
const STATE_BITS = 2;

/** The word of a fingerprint whose highest bits are the key's place in the directory. */
const PLACE_WORD = 3;

/** Where there is no such slot. */
export const NO_SLOT = -1;

/** A directory word: the shard of a key; above it, while keys are being moved to that one, where from, plus one. */
const SHARD_BITS = 16;
const SHARD_MASK: number = (1 << SHARD_BITS) - 1;
export const NO_SHARD = -1;

export function currentShard(view: number): number {
  return view & SHARD_MASK;
}

/** The shard that a key may still lie in, or NO_SHARD. */
export function formerShard(view: number): number {
  return (view >>> SHARD_BITS) - 1;
}

export function directoryWord(current: number, former: number): number {
  return ((former + 1) << SHARD_BITS) | current;
}

export function stateOf(control: number): number {
  return control & STATE_MASK;
}

const PAGE_MASK: number = PAGE_BUCKETS - 1;
const ALL_SLOTS: number = (1 << BUCKET_SLOTS) - 1;

/** Bits that are set in a word of 16 bits. */
function bitsIn(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555);
  const nibbles = (pairs & 0x3333) + ((pairs >>> 2) & 0x3333);
  const bytes = (nibbles + (nibbles >>> 4)) & 0x0f0f;
  return (bytes + (bytes >>> 8)) & 0x1f;
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

export class KeyIndex {
  /** Of the key at hand, four words; say `aim` when they are new. */
  readonly fingerprint: Int32Array = new Int32Array(ENTRY_WORDS);
  readonly #words: Int32Array;
  readonly #layout: Layout;
  readonly #bucketMask: number;
  readonly #tagMask: number;
  #tag = 0;
  /** First words of the key's two buckets, within any shard. */
  #first = 0;
  #second = 0;
  /** The key's place in the directory. */
  #directoryAt = 0;

  constructor(words: Int32Array, layout: Layout) {
    this.#words = words;
    this.#layout = layout;
    this.#bucketMask = layout.buckets - 1;
    this.#tagMask = layout.tagMask;
  }

  /** Takes up the key of `fingerprint`. */
  aim(): void {
    const { fingerprint } = this;
    const first = (fingerprint[1] ?? 0) & this.#bucketMask;
    // Both in one page of memory: where that is in no cache, the processor looks up its address but once.
    let second = (first & ~PAGE_MASK) | ((fingerprint[2] ?? 0) & PAGE_MASK & this.#bucketMask);
    if (second === first) second ^= 1;
    this.#first = first * BUCKET_SLOTS;
    this.#second = second * BUCKET_SLOTS;
    this.#tag = (fingerprint[0] ?? 0) & this.#tagMask;
    this.#directoryAt =
      this.#layout.directory + ((fingerprint[PLACE_WORD] ?? 0) >>> this.#layout.directoryShift);
  }

  /** Takes up the key of an entry, which must not change meanwhile. */
  aimAtEntry(entry: number): void {
    const from = this.#entryAt(entry);
    for (let i = 0; i < ENTRY_WORDS; i++) this.fingerprint[i] = this.#words[from + i] ?? 0;
    this.aim();
  }

  /** The place in the directory of the key of an entry. */
  placeOfEntry(entry: number): number {
    return (this.#words[this.#entryAt(entry) + PLACE_WORD] ?? 0) >>> this.#layout.directoryShift;
  }

  /** Writes the key at hand into an entry of this thread's. */
  writeEntry(entry: number): void {
    const to = this.#entryAt(entry);
    for (let i = 0; i < ENTRY_WORDS; i++) this.#words[to + i] = this.fingerprint[i] ?? 0;
  }

  /** The directory word of the key at hand. */
  view(): number {
    return Atomics.load(this.#words, this.#directoryAt);
  }

  /** The control word of the key at hand with its entry. */
  control(entry: number, state: number): number {
    return this.#tag | (entry << STATE_BITS) | state;
  }

  /** The entry that a control word names. */
  entryOf(control: number): number {
    return (control & ~this.#tagMask) >>> STATE_BITS;
  }

  /** First slot of a shard. */
  startOf(shard: number): number {
    return this.#layout.slots + shard * this.#layout.shardSlots;
  }

  /** Whether a bucket is the one of its shard in which the key at hand is looked for first. */
  isFirstBucket(bucket: number): boolean {
    return bucket * BUCKET_SLOTS === this.#first;
  }

  /** Whether the key at hand is in one of its two buckets of a shard, in any state but FREE. */
  isIn(shard: number): boolean {
    const start = this.startOf(shard);
    return this.#isInBucket(start + this.#first) || this.#isInBucket(start + this.#second);
  }

  /** The same by plain loads: a yes is sure, and a no that is wrong comes of another thread's claim at this moment. */
  isSeenIn(shard: number): boolean {
    const start = this.startOf(shard);
    const second = start + this.#second;
    // One slot of the second bucket before all of the first: the lines of both are on their way from memory at once, which
    // a processor does not look far enough ahead for by itself.
    return (
      this.#isSeenAt(second) || this.#isSeenInBucket(start + this.#first) || this.#isSeenInBucket(second)
    );
  }

  /** The lowest free slot of the emptier of the key's two buckets of a shard, or NO_SLOT. */
  freeSlot(shard: number): number {
    const start = this.startOf(shard);
    const first = this.#freeIn(start + this.#first);
    const second = this.#freeIn(start + this.#second);
    if ((first | second) === 0) return NO_SLOT;
    return bitsIn(second) > bitsIn(first)
      ? start + this.#second + lowestBit(second)
      : start + this.#first + lowestBit(first);
  }

  /** Whether nothing in its shard keeps the claim at the slot `own` from winning; dooms the rivals that must yield. */
  beatsRivals(shard: number, own: number): boolean {
    const start = this.startOf(shard);
    return this.#beatsBucket(start + this.#first, own) && this.#beatsBucket(start + this.#second, own);
  }

  /**
   * Caretaker: the slot with a control word, whose entry is one of a closed time bucket, in the key's buckets of a
   * shard, or NO_SLOT. It may miss one that became HELD at this moment.
   */
  slotOf(shard: number, control: number): number {
    const words = this.#words;
    const shardStart = this.startOf(shard);
    for (let turn = 0; turn < 2; turn++) {
      const start = shardStart + (turn === 0 ? this.#first : this.#second);
      for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
        if (words[slot] === control) return slot;
      }
    }
    return NO_SLOT;
  }

  /** The slot where the key at hand is HELD in a shard, or NO_SLOT. */
  heldSlot(shard: number): number {
    const words = this.#words;
    const shardStart = this.startOf(shard);
    for (let turn = 0; turn < 2; turn++) {
      const start = shardStart + (turn === 0 ? this.#first : this.#second);
      for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
        const control = Atomics.load(words, slot);
        if (stateOf(control) === HELD && this.#hasTag(control) && this.#isSame(slot, control)) return slot;
      }
    }
    return NO_SLOT;
  }

  #isInBucket(start: number): boolean {
    for (let slot = start; slot < start + BUCKET_SLOTS; slot++) if (this.#isHere(slot)) return true;
    return false;
  }

  #isSeenInBucket(start: number): boolean {
    for (let slot = start; slot < start + BUCKET_SLOTS; slot++) if (this.#isSeenAt(slot)) return true;
    return false;
  }

  /** Nothing but the tag is asked of most slots, so that the processor guesses right. */
  #isSeenAt(slot: number): boolean {
    return ((this.#words[slot] ?? 0) & this.#tagMask) === this.#tag && this.#isHere(slot);
  }

  /** Whether the key at hand is in a slot. */
  #isHere(slot: number): boolean {
    const control = Atomics.load(this.#words, slot);
    return control !== FREE && this.#hasTag(control) && this.#isSame(slot, control);
  }

  /** The free slots of a bucket, a bit each, without branches; whoever takes one finds out whether it is. */
  #freeIn(start: number): number {
    const words = this.#words;
    let used = 0;
    for (let i = 0; i < BUCKET_SLOTS; i++) {
      const control = words[start + i] ?? 0;
      used |= ((control | (0 - control)) >>> 31) << i;
    }
    return ~used & ALL_SLOTS;
  }

  #beatsBucket(start: number, own: number): boolean {
    const words = this.#words;
    const tag = this.#tag;
    const tagMask = this.#tagMask;
    for (let slot = start; slot < start + BUCKET_SLOTS; slot++) {
      const control = Atomics.load(words, slot);
      if ((control & tagMask) !== tag || control === FREE || slot === own) continue;
      if (this.#isSame(slot, control) && this.#mustYield(slot, control, own)) return false;
    }
    return true;
  }

  /** Whether the claim at `own` must yield to another entry of its key; where not, that one is doomed or gone. */
  #mustYield(slot: number, control: number, own: number): boolean {
    if (stateOf(control) === HELD) return true;
    if (stateOf(control) === DOOMED) return false;
    if (slot < own) return true;
    // Its thread may have won, or withdrawn, just before.
    const found = Atomics.compareExchange(this.#words, slot, control, control - PENDING + DOOMED);
    return stateOf(found) === HELD && this.#hasTag(found) && this.#isSame(slot, found);
  }

  #hasTag(control: number): boolean {
    return (control & this.#tagMask) === this.#tag;
  }

  /** Whether the entry of a control word that was read from a slot is the key at hand, and still was afterwards. */
  #isSame(slot: number, control: number): boolean {
    const from = this.#entryAt(this.entryOf(control));
    for (let i = 0; i < ENTRY_WORDS; i++) if (this.#words[from + i] !== this.fingerprint[i]) return false;
    return (Atomics.load(this.#words, slot) & ~STATE_MASK) === (control & ~STATE_MASK);
  }

  #entryAt(entry: number): number {
    return this.#layout.entries + entry * ENTRY_WORDS;
  }
}
