/**
 * A queue that things can leave from the middle, and go to the end of, without a search: each holds its own links, and
 * so stands in one queue at a time. A map in its order of insertion would do as well, and be made anew again and again
 * as things move. Main thread only.
 */
export interface Queued<T> {
  older: T | null;
  newer: T | null;
}

export class Queue<T extends Queued<T>> {
  #oldest: T | null = null;
  #newest: T | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): T | null {
    return this.#oldest;
  }

  get newest(): T | null {
    return this.#newest;
  }

  /** Puts it, which is in no queue, at the end. */
  push(item: T): void {
    item.older = this.#newest;
    if (this.#newest === null) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
    this.#size += 1;
  }

  /** Takes it, which is in this queue, out. */
  remove(item: T): void {
    const { older, newer } = item;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    item.older = item.newer = null;
    this.#size -= 1;
  }

  /** Oldest first. The one that was given last may be taken out meanwhile, and no other. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (let item = this.#oldest; item !== null;) {
      const next: T | null = item.newer;
      yield item;
      item = next;
    }
  }
}
