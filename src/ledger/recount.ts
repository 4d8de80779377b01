/**
 * Counts a log of postings anew: all balances, and every fault that the log itself can have.
 *
 * Rules: payments.md, Fee split (`ledger verify` recomputes all balances from the log).
 */
import { LIMITS } from '../core/limits.js';
import { Balances } from './balances.js';
import { IdTable } from './id-table.js';
import { PostingView } from './posting-bytes.js';

/** The bytes of all postings, some at a time, in the order they were written, from the start each time it is called. */
export type PostingLog = () => Iterable<readonly Uint8Array[]> | AsyncIterable<readonly Uint8Array[]>;

/** What a ledger keeps in memory; smaller bounds are for tests. */
export interface LedgerBounds {
  readonly accounts: number;
  readonly recentKeys: number;
  readonly auditKeys: number;
}

export const DEFAULT_BOUNDS: LedgerBounds = {
  accounts: LIMITS.LEDGER_ACCOUNTS,
  recentKeys: LIMITS.LEDGER_RECENT_KEYS,
  auditKeys: LIMITS.LEDGER_AUDIT_KEYS,
};

/** What a log says. */
export interface LogAudit {
  /** No fault of any kind, and the sum of all parts is what was paid in. */
  readonly conserved: boolean;
  readonly balances: Balances;
  /** Postings in the log: as many as were looked at, or those that came meanwhile in addition. */
  readonly logged: number;
  /** Everything paid in, and everything owed out of it. */
  readonly paidInMsat: bigint;
  readonly owedMsat: bigint;
  /** Postings whose key stands in the log more than once, beyond the first. */
  readonly duplicates: number;
  /** Postings whose debits are not their credits. */
  readonly unbalanced: number;
  /** Bytes in the log that are no posting. */
  readonly unreadable: number;
}

/**
 * Reads the log once for every LIMITS.LEDGER_AUDIT_KEYS postings, looking for repeated keys in another part of the key
 * space each time, so that memory stays bounded however long the log is.
 * @param expected how many postings of it to look at: those behind are only counted
 */
export async function recount(
  log: PostingLog,
  expected: number,
  bounds: LedgerBounds = DEFAULT_BOUNDS,
): Promise<LogAudit> {
  const counts = new Recount(bounds, expected);
  for (let pass = 0; pass < counts.passes; pass++) {
    counts.begin(pass);
    for await (const postings of log()) for (const posting of postings) counts.take(posting);
  }
  const { balances, logged, unbalanced, unreadable, duplicates } = counts;
  const paidInMsat = -balances.owed('PaidIn');
  const owedMsat = balances.owed('Destination') + balances.owed('Router') + balances.owed('Treasury');
  const conserved = duplicates + unbalanced + unreadable === 0 && paidInMsat === owedMsat;
  return { conserved, balances, logged, paidInMsat, owedMsat, duplicates, unbalanced, unreadable };
}

/** The tag of keys among themselves. */
const KEY = 0;

class Recount {
  readonly passes: number;
  readonly balances: Balances;
  logged = 0;
  unbalanced = 0;
  unreadable = 0;
  duplicates = 0;
  readonly #expected: number;
  readonly #posting = new PostingView();
  /** The keys of this pass. */
  readonly #seen = new IdTable();
  #pass = 0;
  #position = 0;

  constructor({ accounts, auditKeys }: LedgerBounds, expected: number) {
    this.#expected = expected;
    this.passes = Math.max(1, Math.ceil(expected / auditKeys));
    this.balances = new Balances(accounts);
  }

  /** The log is read from its start again. */
  begin(pass: number): void {
    this.#pass = pass;
    this.#position = 0;
    this.#seen.clear();
  }

  take(bytes: Uint8Array): void {
    const isFirst = this.#pass === 0;
    if (isFirst) this.logged++;
    if (this.#position++ >= this.#expected) return;
    const posting = this.#posting;
    if (!posting.load(bytes)) {
      if (isFirst) this.unreadable++;
      return;
    }
    if (isFirst) {
      this.balances.apply(posting);
      if (!posting.isBalanced()) this.unbalanced++;
    }
    const { view, keyAt } = posting;
    // By 4 bytes of the key, which are as good as random.
    if (view.getUint32(keyAt, true) % this.passes !== this.#pass) return;
    if (this.#seen.find(KEY, view, keyAt) >= 0) this.duplicates++;
    else this.#seen.add(KEY, view, keyAt);
  }
}
