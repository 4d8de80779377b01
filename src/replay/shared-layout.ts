/**
 * Where everything lies in the memory of a shared replay table, in 32-bit words: one map for the threads that claim,
 * for the one that takes care of the table, and for its statistics.
 *
 * The whole memory for `capacity` keys is reserved at once, which costs address space only: the system gives pages
 * when they are first touched, and what the table has not grown into is never touched. So no thread must be told
 * of new memory, and the base address is the same for ever.
 */
import { assert } from '../core/assert.js';
import { WHEEL_POSITIONS } from './lifetimes.js';

/** Words of a cache line. Words that different threads write to are kept on lines of their own. */
const LINE = 16;

/** Words of a page of memory: of what the processor translates to a place in memory at once. */
const MEMORY_PAGE = 1_024;

/**
 * The system's allocator begins a large block so many words behind a page; what is to be a line or a page begins
 * so many before one in the block. (Were it otherwise, only speed would suffer.)
 */
const SKEW = 4;

/** Words before the header. */
const START: number = LINE - SKEW;

// The header.
const MARK: number = START;
const MARK_VALUE = 0x6d72_7432; // "mrt2"
const CAPACITY: number = START + 1;
/** The latest time that the table was told, u32. */
export const HORIZON: number = START + LINE;
/** The time up to which buckets were closed: keys are filed in later ones; u32. */
export const CLOSED_UNTIL: number = HORIZON + 1;
/** Shards in use. */
export const SHARDS: number = HORIZON + 2;
/** Not 0 where some shard has come to its limit since the caretaker looked last. */
export const IS_SHARD_FULL: number = HORIZON + 3;
/** Keys held, and those that are being claimed. */
export const KEYS: number = START + 2 * LINE;
/** Claims of new keys that found no room. */
export const REFUSED: number = START + 3 * LINE;
/** Pages that were ever used. */
export const PAGES: number = START + 4 * LINE;
/** Pages that were taken from the ring, and that were put into it; both count on and wrap around. */
export const RING_HEAD: number = START + 5 * LINE;
export const RING_TAIL: number = START + 6 * LINE;
const HEADER_END: number = START + 7 * LINE;

/** A bucket is one cache line of control words. */
export const BUCKET_SLOTS = 16;
/** Buckets in a page of memory. */
export const PAGE_BUCKETS: number = MEMORY_PAGE / BUCKET_SLOTS;
export const ENTRY_WORDS = 4;
export const PAGE_ENTRIES = 32;
/** Of a shard: its keys, and how many make it split. */
export const SHARD_WORDS = 2;
/** Of a page: the page before it in its time bucket, and how many of its entries are settled. */
export const PAGE_WORDS = 2;

/** 16 kB: split in well below a millisecond. */
const MOST_SHARD_BUCKETS = 256;
/** Small tables have smaller shards, so that they grow in several steps too. */
const CAPACITY_PER_BUCKET = 128;
/** Slots per key when the table is full. */
const SLOTS_PER_KEY = 2;
/** Pages that threads hold back or took to their grave, beyond those that hold keys. */
const SPARE_PAGES = 64;
/** A control word's state. */
const STATE_BITS = 2;
/** Of a control word: beyond it tags would be too short. */
const MOST_ENTRY_BITS = 25;

export interface Layout {
  readonly capacity: number;
  /** Buckets of a shard, a power of two. */
  readonly buckets: number;
  readonly shardSlots: number;
  /** Entries of the directory, a power of two, and most shards. */
  readonly directorySize: number;
  /** How far the highest fingerprint word is shifted to give its place in the directory. */
  readonly directoryShift: number;
  readonly pages: number;
  readonly ringMask: number;
  /** The bits of a control word that are the key's tag. */
  readonly tagMask: number;
  // First words of the areas.
  readonly shards: number;
  readonly directory: number;
  readonly wheel: number;
  readonly pageRecords: number;
  readonly ring: number;
  readonly entries: number;
  readonly slots: number;
  /** Words in all. */
  readonly words: number;
}

/** @param capacity keys, at least 1 and at most LIMITS.REPLAY_KEYS_MOST */
export function layoutFor(capacity: number): Layout {
  let buckets = 2;
  while (buckets < MOST_SHARD_BUCKETS && 2 * buckets * CAPACITY_PER_BUCKET <= capacity) buckets *= 2;
  const shardSlots = buckets * BUCKET_SLOTS;
  const directorySize = powerOfTwo(Math.max(2, (SLOTS_PER_KEY * capacity) / shardSlots));
  const pages = Math.ceil(capacity / PAGE_ENTRIES) + WHEEL_POSITIONS + SPARE_PAGES;
  const ringSize = powerOfTwo(pages);
  // Page 0 does not exist, so that a 0 means none.
  const entryCount = (pages + 1) * PAGE_ENTRIES;
  const entryBits = Math.log2(powerOfTwo(entryCount));
  assert(entryBits <= MOST_ENTRY_BITS, 'a control word can name every entry');

  let words = HEADER_END;
  const area = (size: number): number => {
    const start = words;
    words += Math.ceil(size / LINE) * LINE;
    return start;
  };
  const pagesArea = (size: number): number => {
    words = Math.ceil((words + SKEW) / MEMORY_PAGE) * MEMORY_PAGE - SKEW;
    return area(size);
  };
  return {
    capacity,
    buckets,
    shardSlots,
    directorySize,
    directoryShift: 32 - Math.log2(directorySize),
    pages,
    ringMask: ringSize - 1,
    tagMask: ~0 << (STATE_BITS + entryBits),
    shards: area(SHARD_WORDS * directorySize),
    directory: area(directorySize),
    wheel: area(WHEEL_POSITIONS),
    pageRecords: area(PAGE_WORDS * (pages + 1)),
    ring: area(ringSize),
    entries: area(ENTRY_WORDS * entryCount),
    slots: pagesArea(shardSlots * directorySize),
    words,
  };
}

/** Memory of a new table. */
export function createTableMemory(layout: Layout): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(4 * layout.words);
  const words = new Int32Array(memory);
  words[MARK] = MARK_VALUE;
  words[CAPACITY] = layout.capacity;
  return memory;
}

/** The map of a table's memory that another thread made. */
export function layoutOf(memory: SharedArrayBuffer): Layout {
  const words = new Int32Array(memory);
  assert(words[MARK] === MARK_VALUE, 'this memory holds a replay table');
  return layoutFor(words[CAPACITY] ?? 0);
}

/** Bytes that a table has touched so far, whole shards and pages counted. */
export function bytesInUse(words: Int32Array, layout: Layout): number {
  const pages = Atomics.load(words, PAGES);
  const fixed = layout.pageRecords;
  const perPage = PAGE_ENTRIES * ENTRY_WORDS + PAGE_WORDS + 1;
  return 4 * (fixed + pages * perPage + Atomics.load(words, SHARDS) * layout.shardSlots);
}

function powerOfTwo(atLeast: number): number {
  let size = 1;
  while (size < atLeast) size *= 2;
  return size;
}
