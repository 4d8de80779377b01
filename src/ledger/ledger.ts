/**
 * The ledger of this node: running balances over an append-only log of postings that the journal holds.
 *
 * Rules: payments.md, Fee split (every accepted payment has exactly one posting; `ledger verify` recomputes all
 * balances from the log). Main thread only.
 *
 * Memory is bounded: the ledger keeps balances (54 bytes an account) and the newest keys (42 bytes each, 22 MB at the
 * most), not the postings: ten million of them take no more than half a million. The journal keeps the postings, feeds
 * them to `post` in order after a start, and streams them to `verify`.
 */
import { assert } from '../core/assert.js';
import { Balances, type AccountBalance } from './balances.js';
import { accountName, type AccountKind } from './posting.js';
import type { PostingView } from './posting-bytes.js';
import { RecentKeys } from './recent-keys.js';
import { DEFAULT_BOUNDS, recount, type LedgerBounds, type LogAudit, type PostingLog } from './recount.js';

export type { LedgerBounds, PostingLog } from './recount.js';

/** What became of a posting: `duplicate` where its key has one, `unbalanced` where debits are not credits. */
export type PostingOutcome = 'posted' | 'duplicate' | 'unbalanced';

export interface LedgerTotals {
  readonly destinationMsat: bigint;
  readonly routersMsat: bigint;
  readonly treasuryMsat: bigint;
  /** Everything paid in. */
  readonly totalMsat: bigint;
  /** In the log: where it was rewritten, one may stand for many payments. */
  readonly postings: number;
  /** Postings refused since the start, each a fault of whoever offered it. */
  readonly refusedDuplicates: number;
  readonly refusedUnbalanced: number;
}

/** What a recomputation from the log found, beside the running balances. */
export interface LedgerAudit extends Omit<LogAudit, 'balances'> {
  /** Postings that the ledger had taken when the audit began. */
  readonly postings: number;
  /** Accounts whose running balance is not the log's; the first ones, by name. */
  readonly mismatchedAccounts: readonly string[];
}

/** Accounts named in an audit; the count of faults is what matters beyond that. */
const MISMATCHES_NAMED = 16;

export class Ledger {
  readonly #bounds: LedgerBounds;
  readonly #balances: Balances;
  readonly #recent: RecentKeys;
  #postings = 0;
  #refusedDuplicates = 0;
  #refusedUnbalanced = 0;
  #rewritings = 0;

  constructor(bounds: LedgerBounds = DEFAULT_BOUNDS) {
    assert(bounds.recentKeys > 0 && bounds.auditKeys > 0, 'a ledger remembers at least one key');
    this.#bounds = bounds;
    this.#balances = new Balances(bounds.accounts);
    this.#recent = new RecentKeys(bounds.recentKeys);
  }

  /**
   * Takes a posting into the balances, once per key. The caller writes it to the journal when the outcome is
   * `posted`. The keys of at least the newest LIMITS.LEDGER_RECENT_KEYS postings are known here; an older one
   * is the replay table's to refuse, and `verify` finds it wherever it stands.
   */
  post(posting: PostingView): PostingOutcome {
    if (!posting.isBalanced()) {
      this.#refusedUnbalanced++;
      return 'unbalanced';
    }
    if (!this.#recent.add(posting.view, posting.keyAt)) {
      this.#refusedDuplicates++;
      return 'duplicate';
    }
    this.#balances.apply(posting);
    this.#postings++;
    return 'posted';
  }

  /**
   * The log was rewritten: of the postings that were taken so many are gone, and so many stand in for them that move
   * the same balances. To be called in the same turn.
   */
  rewritten(dropped: number, carried: number): void {
    this.#postings += carried - dropped;
    this.#rewritings += 1;
  }

  /** What a payee owes this node, in msat. @param view holds the 33 bytes of its key from `at` on */
  owedByPayee(view: DataView, at: number): bigint {
    return this.#balances.ofPayee(view, at);
  }

  /** All accounts that were ever posted to, or those of one kind, in that order. */
  accounts(kind: AccountKind | null = null): Iterable<AccountBalance> {
    return this.#balances.list(kind);
  }

  /**
   * Balances in msat by account name: paid-in and what payees owe are positive, what is owed to others and unsettled
   * negative; together they are 0.
   */
  balances(): ReadonlyMap<string, bigint> {
    return new Map(
      [...this.accounts()].map(({ account, balanceMsat }) => [accountName(account), balanceMsat]),
    );
  }

  totals(): LedgerTotals {
    return {
      destinationMsat: this.#balances.owed('Destination'),
      routersMsat: this.#balances.owed('Router'),
      treasuryMsat: this.#balances.owed('Treasury'),
      totalMsat: -this.#balances.owed('PaidIn'),
      postings: this.#postings,
      refusedDuplicates: this.#refusedDuplicates,
      refusedUnbalanced: this.#refusedUnbalanced,
    };
  }

  /**
   * Recomputes everything from the log and compares it with the balances as they stood at the call; what is
   * posted meanwhile is not looked at. The log must stand in the order of the postings, hold all made before the
   * call, and show none that is not posted by the time it was read: a record on its way would look like a forgery.
   *
   * Reads the log once for every LIMITS.LEDGER_AUDIT_KEYS postings, looking for repeated keys in another part
   * of the key space each time, so that memory stays bounded however long the log is. A log that was rewritten
   * meanwhile is read again.
   */
  async verify(log: PostingLog): Promise<LedgerAudit> {
    for (;;) {
      const rewritings = this.#rewritings;
      const audit = await this.#audit(log);
      if (rewritings === this.#rewritings) return audit;
    }
  }

  async #audit(log: PostingLog): Promise<LedgerAudit> {
    const expected = this.#postings;
    const running = this.#balances.copy();
    const { balances, ...found } = await recount(log, expected, this.#bounds);
    const mismatched = balances.differences(running);
    const isComplete = found.logged >= expected && found.logged <= this.#postings;
    return {
      ...found,
      conserved: found.conserved && isComplete && mismatched.length === 0,
      postings: expected,
      mismatchedAccounts: mismatched.slice(0, MISMATCHES_NAMED),
    };
  }
}
