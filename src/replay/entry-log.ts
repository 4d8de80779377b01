/**
 * The entries of the shared replay table: fingerprints of 16 bytes each, in pages by time bucket, so that a bucket is
 * forgotten by going through its own pages alone.
 *
 * A time bucket's word in the wheel holds its newest page and how many entries of that were given out; every page
 * names the one before it. A thread takes an entry by one compare-exchange of that word, or puts a fresh page there.
 * Fresh pages come from the ring, into which the caretaker alone puts pages, or else from those never used; a thread
 * that dies in between takes at most a page with it.
 *
 * An entry is settled when it holds no key and never will before its page is used again: counted once by whoever gives
 * it up. A page goes back into the ring when its bucket is closed and all its entries that were given out are settled,
 * never before: so no slow thread writes into an entry that became another's.
 */
import { positionOf } from './lifetimes.js';
import {
  ENTRY_WORDS,
  PAGE_ENTRIES,
  PAGE_WORDS,
  PAGES,
  RING_HEAD,
  RING_TAIL,
  type Layout,
} from './shared-layout.js';

/** A bucket's word: the page above, entries given out below. */
const USED_BITS = 6;
const USED_MASK: number = (1 << USED_BITS) - 1;

/** What a closed time bucket leaves, or the rest of it: 0 for nothing, else its last page and that page's entries. */
export type Chain = number;

/** The page of a chain. */
export function pageOf(chain: Chain): number {
  return chain >>> USED_BITS;
}

/** Entries of a chain's last page that were given out. */
export function usedOf(chain: Chain): number {
  return chain & USED_MASK;
}

/** One thread's access. */
export class EntryLog {
  readonly #words: Int32Array;
  readonly #layout: Layout;
  /** An entry that was taken and not used, and its time bucket; 0 for none. */
  #spare = 0;
  #spareBucket = 0;
  /** A page that was taken and not used; 0 for none. */
  #sparePage = 0;

  constructor(words: Int32Array, layout: Layout) {
    this.#words = words;
    this.#layout = layout;
  }

  /**
   * An entry of a time bucket, for this thread to write to. It must be made a held key, or be given up.
   * @returns its number, or 0 where no page is left
   */
  take(bucket: number): number {
    if (this.#spare !== 0) {
      const spare = this.#spare;
      this.#spare = 0;
      if (this.#spareBucket === bucket) return spare;
      this.settle(spare);
    }
    const words = this.#words;
    const at = this.#layout.wheel + positionOf(bucket);
    for (;;) {
      const chain = Atomics.load(words, at);
      const used = usedOf(chain);
      if (chain !== 0 && used < PAGE_ENTRIES) {
        if (Atomics.compareExchange(words, at, chain, chain + 1) === chain) {
          return pageOf(chain) * PAGE_ENTRIES + used;
        }
        continue;
      }
      const page = this.#takePage();
      if (page === 0) return 0;
      words[this.#record(page)] = pageOf(chain);
      if (Atomics.compareExchange(words, at, chain, (page << USED_BITS) | 1) === chain) {
        return page * PAGE_ENTRIES;
      }
      this.#sparePage = page;
    }
  }

  /** Gives up an entry of this thread's that no slot names, for its own next key of the same time bucket. */
  keepSpare(entry: number, bucket: number): void {
    this.#spare = entry;
    this.#spareBucket = bucket;
  }

  /** Counts an entry as settled: by whoever made it hold no key, once. */
  settle(entry: number): void {
    Atomics.add(this.#words, this.#record(Math.floor(entry / PAGE_ENTRIES)) + 1, 1);
  }

  /** First word of an entry. */
  wordsOf(entry: number): number {
    return this.#layout.entries + entry * ENTRY_WORDS;
  }

  /** Caretaker: closes a time bucket, and takes all that was in it. */
  close(position: number): Chain {
    return Atomics.exchange(this.#words, this.#layout.wheel + position, 0);
  }

  /**
   * Caretaker: done with the last page of a closed chain: takes it back if all its entries are settled.
   * @returns the rest of the chain, and a chain of that page alone where some thread still holds an entry of it
   */
  release(chain: Chain): { readonly rest: Chain; readonly unsettled: Chain } {
    const words = this.#words;
    const page = pageOf(chain);
    const record = this.#record(page);
    const before = words[record] ?? 0;
    const rest = before === 0 ? 0 : (before << USED_BITS) | PAGE_ENTRIES;
    if (Atomics.load(words, record + 1) < usedOf(chain)) {
      words[record] = 0;
      return { rest, unsettled: chain };
    }
    Atomics.store(words, record + 1, 0);
    const tail = Atomics.load(words, RING_TAIL);
    Atomics.store(words, this.#layout.ring + (tail & this.#layout.ringMask), page);
    Atomics.store(words, RING_TAIL, tail + 1);
    return { rest, unsettled: 0 };
  }

  /** A page that nobody uses, or 0. */
  #takePage(): number {
    const words = this.#words;
    const spare = this.#sparePage;
    this.#sparePage = 0;
    if (spare !== 0) return spare;
    for (;;) {
      const head = Atomics.load(words, RING_HEAD);
      if (head === Atomics.load(words, RING_TAIL)) break;
      // Not overwritten before the head has moved on: the ring has room for every page.
      const page = Atomics.load(words, this.#layout.ring + (head & this.#layout.ringMask));
      if (Atomics.compareExchange(words, RING_HEAD, head, head + 1) === head) return page;
    }
    for (;;) {
      const used = Atomics.load(words, PAGES);
      if (used >= this.#layout.pages) return 0;
      if (Atomics.compareExchange(words, PAGES, used, used + 1) === used) return used + 1;
    }
  }

  #record(page: number): number {
    return this.#layout.pageRecords + PAGE_WORDS * page;
  }
}
