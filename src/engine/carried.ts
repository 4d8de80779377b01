/**
 * Carries balances forward when the journal drops expired records: the payments can never be valid again, but what
 * they moved stays owed.
 *
 * Rules: payments.md, Fee split (balances recomputed from the log). A few postings replace all that are dropped.
 */
import { U64_MAX } from '../core/bincode.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { Balances, type AccountBalance } from '../ledger/balances.js';
import type { Account, AccountKind, Entry } from '../ledger/posting.js';
import { KEY_BYTES, PostingView } from '../ledger/posting-bytes.js';
import type { JournalFold, JournalRecord } from '../store/journal.js';
import { carriedRecord, foreignRecord, postingBytesOf, RECORD_TYPES } from './ledger-records.js';

/** Accounts of what is owed to somebody, out of what was paid in. */
const OWED: ReadonlySet<AccountKind> = new Set(['Destination', 'Router', 'Treasury']);

export class CarriedBalances implements JournalFold {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #balances: Balances;
  readonly #posting = new PostingView();

  /** @param maximum accounts kept by node; what further ones are owed goes to `<kind>:others`, as in the ledger */
  constructor(clock: Clock, random: Random, maximum: number = LIMITS.LEDGER_ACCOUNTS) {
    this.#clock = clock;
    this.#random = random;
    this.#balances = new Balances(maximum);
  }

  /** Also takes what was carried before, so that many foldings leave one. */
  take(record: JournalRecord, isExpired: boolean): boolean {
    if (!isExpired && record.type !== RECORD_TYPES.carried) return false;
    if (!this.#posting.load(postingBytesOf(record))) throw foreignRecord(record.type, 'no posting');
    this.#balances.apply(this.#posting);
    return true;
  }

  carried(): readonly JournalRecord[] {
    const balances = [...this.#balances.list()];
    return [
      ...this.#records(
        balances.filter(({ account }) => OWED.has(account.kind)),
        { kind: 'PaidIn' },
      ),
      ...this.#records(
        balances.filter(({ account }) => account.kind === 'Payee'),
        { kind: 'Unsettled' },
      ),
    ];
  }

  /** Balanced postings: what is owed was paid in, what payees owe is unsettled. */
  #records(balances: readonly AccountBalance[], against: Account): readonly JournalRecord[] {
    const records: JournalRecord[] = [];
    for (let at = 0; at < balances.length; at += LIMITS.CARRIED_ENTRIES) {
      const some = balances.slice(at, at + LIMITS.CARRIED_ENTRIES);
      const sumMsat = some.reduce((sum, { balanceMsat }) => sum + balanceMsat, 0n);
      const entries = [{ account: against, balanceMsat: -sumMsat }, ...some].flatMap(entriesOf);
      if (entries.length === 0) continue;
      const postedAt = BigInt(this.#clock.unixSeconds());
      records.push(carriedRecord({ key: this.#random.bytes(KEY_BYTES), postedAt, entries }));
    }
    return records;
  }
}

/** A balance as entries, of which each amount fits in 64 bits. */
function entriesOf({ account, balanceMsat }: AccountBalance): readonly Entry[] {
  const side = balanceMsat > 0n ? 'Debit' : 'Credit';
  const sumMsat = balanceMsat > 0n ? balanceMsat : -balanceMsat;
  const whole = Array.from({ length: Number(sumMsat / U64_MAX) }, () => U64_MAX);
  const rest = sumMsat % U64_MAX;
  return [...whole, ...(rest > 0n ? [rest] : [])].map((amountMsat) => ({ account, side, amountMsat }));
}
