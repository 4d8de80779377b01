/**
 * Carries balances forward when the journal drops expired records: the payments can never be valid again, but what
 * they moved stays owed.
 *
 * Rules: payments.md, Fee split (balances recomputed from the log). A few postings replace all that are dropped.
 */
import { U64_MAX } from '../core/bincode.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import {
  accountName,
  encodePosting,
  othersOf,
  signedMsat,
  type Account,
  type Entry,
} from '../ledger/posting.js';
import { KEEP_FOREVER, type JournalFold, type JournalRecord } from '../store/journal.js';
import { postingOf, RECORD_TYPES } from './accounts.js';

const KEY_BYTES = 32;

/** Accounts of what is owed to somebody, out of what was paid in. */
const OWED: ReadonlySet<Account['kind']> = new Set(['Destination', 'Router', 'Treasury']);

export class CarriedBalances implements JournalFold {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #maximum: number;
  readonly #balances = new Map<string, { readonly account: Account; balanceMsat: bigint }>();

  /** @param maximum accounts kept by node; what further ones are owed goes to `<kind>:others`, as in the ledger */
  constructor(clock: Clock, random: Random, maximum: number = LIMITS.LEDGER_ACCOUNTS) {
    this.#clock = clock;
    this.#random = random;
    this.#maximum = maximum;
  }

  /** Also takes what was carried before, so that many foldings leave one. */
  take(record: JournalRecord, isExpired: boolean): boolean {
    if (!isExpired && record.type !== RECORD_TYPES.carried) return false;
    for (const entry of postingOf(record).entries) {
      const { name, account } = this.#place(entry.account);
      const known = this.#balances.get(name) ?? { account, balanceMsat: 0n };
      known.balanceMsat += signedMsat(entry);
      this.#balances.set(name, known);
    }
    return true;
  }

  carried(): readonly JournalRecord[] {
    const balances = [...this.#balances.values()];
    const owed = balances
      .filter(({ account }) => OWED.has(account.kind))
      .flatMap(({ account, balanceMsat }) => entriesOf(account, 'Credit', -balanceMsat));
    const due = balances
      .filter(({ account }) => account.kind === 'Payee')
      .flatMap(({ account, balanceMsat }) => entriesOf(account, 'Debit', balanceMsat));
    return [
      ...this.#records(owed, { kind: 'PaidIn' }, 'Debit'),
      ...this.#records(due, { kind: 'Unsettled' }, 'Credit'),
    ];
  }

  #records(entries: readonly Entry[], against: Account, side: Entry['side']): readonly JournalRecord[] {
    const records: JournalRecord[] = [];
    for (let at = 0; at < entries.length; at += LIMITS.CARRIED_ENTRIES) {
      records.push(this.#record(entries.slice(at, at + LIMITS.CARRIED_ENTRIES), against, side));
    }
    return records;
  }

  #place(account: Account): { readonly name: string; readonly account: Account } {
    const name = accountName(account);
    if (this.#balances.has(name) || this.#balances.size < this.#maximum) return { name, account };
    const others = othersOf(account);
    return { name: accountName(others), account: others };
  }

  /** One balanced posting: what is owed was paid in, what payees owe is unsettled. */
  #record(entries: readonly Entry[], against: Account, side: Entry['side']): JournalRecord {
    const sumMsat = entries.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
    const payload = encodePosting({
      key: this.#random.bytes(KEY_BYTES),
      postedAt: BigInt(this.#clock.unixSeconds()),
      entries: [...entriesOf(against, side, sumMsat), ...entries],
    });
    return { type: RECORD_TYPES.carried, keepUntil: KEEP_FOREVER, payload };
  }
}

function entriesOf(account: Account, side: Entry['side'], sumMsat: bigint): readonly Entry[] {
  return parts(sumMsat).map((amountMsat) => ({ account, side, amountMsat }));
}

/** A sum in parts that fit in 64 bits, as entries must. */
function parts(sumMsat: bigint): readonly bigint[] {
  const whole = sumMsat / U64_MAX;
  const rest = sumMsat % U64_MAX;
  return [...Array.from({ length: Number(whole) }, () => U64_MAX), ...(rest > 0n ? [rest] : [])];
}
