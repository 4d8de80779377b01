/**
 * Remembers the newest keys in bounded memory: two generations, of which the older is forgotten when the newer
 * is full. So at least `perGeneration` and at most twice as many keys are known.
 */
export class RecentKeys {
  readonly #perGeneration: number;
  #newer = new Set<string>();
  #older = new Set<string>();

  constructor(perGeneration: number) {
    this.#perGeneration = perGeneration;
  }

  /** Adds a key; false where it is known already. */
  add(key: string): boolean {
    if (this.#newer.has(key) || this.#older.has(key)) return false;
    if (this.#newer.size >= this.#perGeneration) {
      this.#older = this.#newer;
      this.#newer = new Set();
    }
    this.#newer.add(key);
    return true;
  }
}
