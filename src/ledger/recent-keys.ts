/**
 * Remembers the newest keys in bounded memory: two generations, of which the older is forgotten when the newer
 * is full. So at least `perGeneration` and at most twice as many keys are known.
 */
import { hashOf, IdTable } from './id-table.js';

/** All are of one kind. */
const TAG = 0;

export class RecentKeys {
  readonly #perGeneration: number;
  #newer = new IdTable();
  #older = new IdTable();

  constructor(perGeneration: number) {
    this.#perGeneration = perGeneration;
  }

  /** Adds a key; false where it is known already. @param view holds its 32 bytes from `at` on */
  add(view: DataView, at: number): boolean {
    const hash = hashOf(TAG, view, at);
    if (this.#newer.find(TAG, view, at, hash) >= 0 || this.#older.find(TAG, view, at, hash) >= 0)
      return false;
    if (this.#newer.size >= this.#perGeneration) {
      [this.#newer, this.#older] = [this.#older, this.#newer];
      this.#newer.clear();
    }
    this.#newer.add(TAG, view, at, hash);
    return true;
  }
}
