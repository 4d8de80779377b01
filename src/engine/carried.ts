/**
 * Carries balances forward when the journal drops expired records: the payments can never be valid again, but what
 * they moved stays owed.
 *
 * Rules: payments.md, Fee split (balances recomputed from the log). One posting replaces all that are dropped.
 */
import { U64_MAX } from '../core/bincode.js';
import type { Clock, Random } from '../core/ports.js';
import { accountName, encodePosting, signedMsat, type Account, type Entry } from '../ledger/posting.js';
import { KEEP_FOREVER, type JournalFold, type JournalRecord } from '../store/journal.js';
import { postingOf, RECORD_TYPES } from './accounts.js';

const KEY_BYTES = 32;

export class CarriedBalances implements JournalFold {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #balances = new Map<string, { readonly account: Account; balanceMsat: bigint }>();

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  drop(record: JournalRecord): void {
    for (const entry of postingOf(record).entries) {
      const name = accountName(entry.account);
      const known = this.#balances.get(name) ?? { account: entry.account, balanceMsat: 0n };
      known.balanceMsat += signedMsat(entry);
      this.#balances.set(name, known);
    }
  }

  carried(): readonly JournalRecord[] {
    const entries = [...this.#balances.values()].flatMap(({ account, balanceMsat }) =>
      entriesOf(account, balanceMsat),
    );
    if (entries.length === 0) return [];
    const key = this.#random.bytes(KEY_BYTES);
    const payload = encodePosting({ key, postedAt: BigInt(this.#clock.unixSeconds()), entries });
    return [{ type: RECORD_TYPES.carried, keepUntil: KEEP_FOREVER, payload }];
  }
}

/** A balance as entries; one entry holds 64 bits at most. */
function entriesOf(account: Account, balanceMsat: bigint): Entry[] {
  const side = balanceMsat >= 0n ? 'Debit' : 'Credit';
  const entries: Entry[] = [];
  for (let left = balanceMsat >= 0n ? balanceMsat : -balanceMsat; left > 0n;) {
    const amountMsat = left < U64_MAX ? left : U64_MAX;
    entries.push({ account, side, amountMsat });
    left -= amountMsat;
  }
  return entries;
}
