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
import { LIMITS } from '../core/limits.js';
import { Balances, type AccountBalance } from './balances.js';
import { IdTable } from './id-table.js';
import { accountName } from './posting.js';
import { PostingView } from './posting-bytes.js';
import { RecentKeys } from './recent-keys.js';

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

/** What a recomputation from the log found. */
export interface LedgerAudit {
  /** No fault of any kind: the sum of all parts is what was paid in, and the running balances are the log's. */
  readonly conserved: boolean;
  /** Postings that the ledger had taken when the audit began. */
  readonly postings: number;
  /** Postings in the log: as many, or those that came meanwhile in addition. */
  readonly logged: number;
  /** Everything paid in, and everything owed, by the log. */
  readonly paidInMsat: bigint;
  readonly owedMsat: bigint;
  /** Postings whose key stands in the log more than once, beyond the first. */
  readonly duplicates: number;
  /** Postings whose debits are not their credits. */
  readonly unbalanced: number;
  /** Bytes in the log that are no posting. */
  readonly unreadable: number;
  /** Accounts whose running balance is not the log's; the first ones, by name. */
  readonly mismatchedAccounts: readonly string[];
}

/** The bytes of all postings, some at a time, in the order they were written, from the start each time it is called. */
export type PostingLog = () => Iterable<readonly Uint8Array[]> | AsyncIterable<readonly Uint8Array[]>;

/** Accounts named in an audit; the count of faults is what matters beyond that. */
const MISMATCHES_NAMED = 16;

/** What a ledger keeps in memory; smaller bounds are for tests. */
export interface LedgerBounds {
  readonly accounts: number;
  readonly recentKeys: number;
  readonly auditKeys: number;
}

const DEFAULT_BOUNDS: LedgerBounds = {
  accounts: LIMITS.LEDGER_ACCOUNTS,
  recentKeys: LIMITS.LEDGER_RECENT_KEYS,
  auditKeys: LIMITS.LEDGER_AUDIT_KEYS,
};

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

  /** All accounts that were ever posted to, in that order. */
  accounts(): Iterable<AccountBalance> {
    return this.#balances.list();
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
    const recount = new Recount(this.#bounds, expected);
    for (let pass = 0; pass < recount.passes; pass++) {
      recount.begin(pass);
      for await (const postings of log()) for (const posting of postings) recount.take(posting);
    }
    const { balances, logged, unbalanced, unreadable, duplicates } = recount;
    const mismatched = balances.differences(running);
    const paidInMsat = -balances.owed('PaidIn');
    const owedMsat = balances.owed('Destination') + balances.owed('Router') + balances.owed('Treasury');
    const isComplete = logged >= expected && logged <= this.#postings;
    const isFaultless = duplicates + unbalanced + unreadable === 0 && mismatched.length === 0;
    return {
      conserved: isComplete && isFaultless && paidInMsat === owedMsat,
      postings: expected,
      logged,
      paidInMsat,
      owedMsat,
      duplicates,
      unbalanced,
      unreadable,
      mismatchedAccounts: mismatched.slice(0, MISMATCHES_NAMED),
    };
  }
}

/** An audit under way: what the log says, counted anew. */
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

/** The tag of keys among themselves. */
const KEY = 0;
