/**
 * Balances by account in flat memory: 54 bytes an account.
 *
 * The source of a packet chooses the ids on its route, so the number of accounts is bounded: past the maximum a new
 * destination or router shares one named `<kind>:others`. The same log gives the same accounts.
 */
import { present } from '../core/assert.js';
import { nodeIdOf } from '../core/ids.js';
import { ID_BYTES, IdTable } from './id-table.js';
import { accountName, ACCOUNT_KINDS, type Account, type AccountKind } from './posting.js';
import type { PostingView } from './posting-bytes.js';
import { Sums } from './sums.js';

const DESTINATION = ACCOUNT_KINDS.indexOf('Destination');
const ROUTER = ACCOUNT_KINDS.indexOf('Router');
const PAYEE = ACCOUNT_KINDS.indexOf('Payee');

/** No number of an account. */
const NONE = -1;

/** The id of the others, and of accounts whose kind has one alone. */
const NOBODY = new DataView(new ArrayBuffer(ID_BYTES));

/** One account and what it holds. */
export interface AccountBalance {
  readonly account: Account;
  readonly balanceMsat: bigint;
}

export class Balances {
  readonly #maximum: number;
  #ids = new IdTable();
  #byAccount = new Sums();
  #byKind = new Sums();
  /** By kind: the number of the account of those that have one alone, as far as it is known. */
  readonly #singles = new Int32Array(ACCOUNT_KINDS.length).fill(NONE);

  constructor(maximumAccounts: number) {
    this.#maximum = maximumAccounts;
  }

  copy(): Balances {
    const copy = new Balances(this.#maximum);
    copy.#ids = this.#ids.copy();
    copy.#byAccount = this.#byAccount.copy();
    copy.#byKind = this.#byKind.copy();
    return copy;
  }

  apply(posting: PostingView): void {
    for (let entry = 0; entry < posting.entries; entry++) {
      this.#byAccount.add(this.#place(posting, entry), posting, entry);
      this.#byKind.add(posting.kindCodeOf(entry), posting, entry);
    }
  }

  /** What all accounts of a kind are owed together. */
  owed(kind: AccountKind): bigint {
    return -this.#byKind.of(ACCOUNT_KINDS.indexOf(kind));
  }

  /** The balance of a payee. @param view holds the 33 bytes of its key from `at` on */
  ofPayee(view: DataView, at: number): bigint {
    const number = this.#ids.find(payeeTag(view, at), view, at + 1);
    return number < 0 ? 0n : this.#byAccount.of(number);
  }

  /** All accounts, or those of one kind, in the order in which they came. */
  *list(kind: AccountKind | null = null): Generator<AccountBalance, void> {
    for (let number = 0; number < this.#ids.size; number++) {
      if (kind !== null && this.#kindOf(number) !== kind) continue;
      yield { account: this.#accountOf(number), balanceMsat: this.#byAccount.of(number) };
    }
  }

  /**
   * Names of the accounts whose balance is another there; of the kinds, where accounts share a balance for want of room
   * on either side: which ones do depends on the order in which they came.
   */
  differences(other: Balances): string[] {
    if (this.#isShared() || other.#isShared()) {
      return ACCOUNT_KINDS.filter((kind) => this.owed(kind) !== other.owed(kind));
    }
    const theirs = new Map(
      [...other.list()].map(({ account, balanceMsat }) => [accountName(account), balanceMsat]),
    );
    const names: string[] = [];
    for (const { account, balanceMsat } of this.list()) {
      const name = accountName(account);
      if ((theirs.get(name) ?? 0n) !== balanceMsat) names.push(name);
      theirs.delete(name);
    }
    for (const [name, balanceMsat] of theirs) if (balanceMsat !== 0n) names.push(name);
    return names;
  }

  #isShared(): boolean {
    return this.#ids.size >= this.#maximum;
  }

  /** The number of the account that an entry moves. */
  #place(posting: PostingView, entry: number): number {
    const kind = posting.kindCodeOf(entry);
    const { view } = posting;
    const at = posting.idAt(entry);
    if (kind === PAYEE) return this.#numberOf(payeeTag(view, at), view, at + 1);
    if (kind !== DESTINATION && kind !== ROUTER) return this.#single(kind);
    const known = this.#ids.find(kind, view, at);
    if (known >= 0) return known;
    return this.#isShared() ? this.#numberOf(kind, NOBODY, 0) : this.#ids.add(kind, view, at);
  }

  /** The number of the account of a kind that has one alone. */
  #single(kind: number): number {
    const known = this.#singles[kind] ?? NONE;
    return known !== NONE ? known : (this.#singles[kind] = this.#numberOf(kind, NOBODY, 0));
  }

  #numberOf(tag: number, view: DataView, at: number): number {
    const known = this.#ids.find(tag, view, at);
    return known >= 0 ? known : this.#ids.add(tag, view, at);
  }

  #kindOf(number: number): AccountKind {
    return present(ACCOUNT_KINDS[this.#ids.tagOf(number) & 0xff], 'a tag begins with a kind');
  }

  #accountOf(number: number): Account {
    const kind = this.#kindOf(number);
    switch (kind) {
      case 'Destination':
      case 'Router':
        return { kind, node: nodeIdOf(this.#ids.idOf(number)) };
      case 'Payee':
        return { kind, key: Uint8Array.of(this.#ids.tagOf(number) >> 8, ...this.#ids.idOf(number)) };
      default:
        return { kind };
    }
  }
}

/** The tag of a payee's account: the first of the key's 33 bytes stands in it. */
function payeeTag(view: DataView, at: number): number {
  return PAYEE | (view.getUint8(at) << 8);
}
