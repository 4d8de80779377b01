/**
 * The ledger of this node: running balances over an append-only log of postings that the journal holds.
 *
 * Rules: payments.md, Fee split (every accepted payment has exactly one posting; `ledger verify` recomputes all
 * balances from the log). Main thread only.
 *
 * Memory is bounded: the ledger keeps balances and the newest keys, not the postings. The journal keeps the
 * postings, feeds them to `post` in order after a start, and streams them to `verify`.
 */
import { assert } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import { accountName, isBalanced, othersOf, signedMsat, type Entry, type Posting } from './posting.js';
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
  /** Accounts whose running balance is not the log's; the first ones, by name. */
  readonly mismatchedAccounts: readonly string[];
}

/** The log in the order it was written, from its start, each time it is called. */
export type PostingLog = () => Iterable<Posting> | AsyncIterable<Posting>;

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
  post(posting: Posting): PostingOutcome {
    if (!isBalanced(posting)) {
      this.#refusedUnbalanced++;
      return 'unbalanced';
    }
    if (!this.#recent.add(toHex(posting.key))) {
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

  /** What a payee owes this node, in msat. @param payee 33 bytes in lower-case hex */
  owedByPayee(payee: string): bigint {
    return this.#balances.of(`payee:${payee}`);
  }

  /**
   * Balances in msat by account name: paid-in and what payees owe are positive, what is owed to others and unsettled
   * negative; together they are 0.
   */
  balances(): ReadonlyMap<string, bigint> {
    return this.#balances.byAccount();
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
    const passes = Math.max(1, Math.ceil(expected / this.#bounds.auditKeys));
    const recomputed = new Balances(this.#bounds.accounts);
    let logged = 0;
    let unbalanced = 0;
    let duplicates = 0;
    for (let pass = 0; pass < passes; pass++) {
      const seen = new Set<string>();
      let position = 0;
      for await (const posting of log()) {
        if (pass === 0) logged++;
        if (position++ >= expected) continue;
        if (pass === 0) {
          recomputed.apply(posting);
          if (!isBalanced(posting)) unbalanced++;
        }
        if (passOf(posting.key, passes) !== pass) continue;
        const key = toHex(posting.key);
        if (seen.has(key)) duplicates++;
        seen.add(key);
      }
    }
    const mismatched = recomputed.differences(running);
    const paidInMsat = -recomputed.owed('PaidIn');
    const owedMsat = recomputed.owed('Destination') + recomputed.owed('Router') + recomputed.owed('Treasury');
    const isComplete = logged >= expected && logged <= this.#postings;
    const isFaultless = duplicates === 0 && unbalanced === 0 && mismatched.length === 0;
    return {
      conserved: isComplete && isFaultless && paidInMsat === owedMsat,
      postings: expected,
      logged,
      paidInMsat,
      owedMsat,
      duplicates,
      unbalanced,
      mismatchedAccounts: mismatched.slice(0, MISMATCHES_NAMED),
    };
  }
}

type AccountKind = Entry['account']['kind'];

/**
 * Balances by account. The source of a packet chooses the ids on its route, so their number is bounded: past the
 * maximum a new account shares one named `<kind>:others`. The same log gives the same accounts.
 */
class Balances {
  readonly #maximum: number;
  readonly #byAccount = new Map<string, bigint>();
  readonly #byKind = new Map<AccountKind, bigint>();

  constructor(maximumAccounts: number) {
    this.#maximum = maximumAccounts;
  }

  copy(): Balances {
    const copy = new Balances(this.#maximum);
    for (const [name, amount] of this.#byAccount) copy.#byAccount.set(name, amount);
    for (const [kind, amount] of this.#byKind) copy.#byKind.set(kind, amount);
    return copy;
  }

  apply(posting: Posting): void {
    for (const entry of posting.entries) {
      const amount = signedMsat(entry);
      const name = this.#nameFor(entry);
      this.#byAccount.set(name, (this.#byAccount.get(name) ?? 0n) + amount);
      const { kind } = entry.account;
      this.#byKind.set(kind, (this.#byKind.get(kind) ?? 0n) + amount);
    }
  }

  of(name: string): bigint {
    return this.#byAccount.get(name) ?? 0n;
  }

  byAccount(): ReadonlyMap<string, bigint> {
    return new Map(this.#byAccount);
  }

  /** What all accounts of a kind are owed together. */
  owed(kind: AccountKind): bigint {
    return -(this.#byKind.get(kind) ?? 0n);
  }

  /**
   * Names of the accounts whose balance is another there; of the kinds, where accounts share a balance for want of room
   * on either side: which ones do depends on the order in which they came.
   */
  differences(other: Balances): string[] {
    if (this.#isShared() || other.#isShared()) {
      const kinds = new Set([...this.#byKind.keys(), ...other.#byKind.keys()]);
      return [...kinds].filter((kind) => this.owed(kind) !== other.owed(kind));
    }
    const names = new Set([...this.#byAccount.keys(), ...other.#byAccount.keys()]);
    return [...names].filter(
      (name) => (this.#byAccount.get(name) ?? 0n) !== (other.#byAccount.get(name) ?? 0n),
    );
  }

  #isShared(): boolean {
    return this.#byAccount.size >= this.#maximum;
  }

  #nameFor(entry: Entry): string {
    const name = accountName(entry.account);
    if (this.#byAccount.has(name) || this.#byAccount.size < this.#maximum) return name;
    return accountName(othersOf(entry.account));
  }
}

/** The pass of an audit that looks at a key: by its first 4 bytes, which are as good as random. */
function passOf(key: Uint8Array, passes: number): number {
  return new DataView(key.buffer, key.byteOffset).getUint32(0, true) % passes;
}
