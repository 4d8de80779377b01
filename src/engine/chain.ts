/**
 * A queue from whose middle things are taken out again, in constant time. (A Map or Set from whose front thousands are
 * deleted steps over what was deleted each time its first is asked for.) Main thread only.
 */

/** What stands in a chain, in one at most. */
export interface Linked<T> {
  before: T | null;
  behind: T | null;
}

export class Chain<T extends Linked<T>> {
  #first: T | null = null;
  #last: T | null = null;

  get first(): T | null {
    return this.#first;
  }

  /** Puts something at the end that is in no chain. */
  push(link: T): void {
    link.before = this.#last;
    if (this.#last === null) this.#first = link;
    else this.#last.behind = link;
    this.#last = link;
  }

  /** Takes something out that is in this chain. */
  remove(link: T): void {
    const { before, behind } = link;
    if (before === null) this.#first = behind;
    else before.behind = behind;
    if (behind === null) this.#last = before;
    else behind.before = before;
    link.before = null;
    link.behind = null;
  }
}
