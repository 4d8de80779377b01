/**
 * What payees owe this node, and who of them is past the cap; statements of it from the journal.
 *
 * Rules: payments.md, Lightning, Bounded trust: where the payee is not this node, what it owes for unsettled shares is
 * capped, and past that packets paid to it are refused. The sums are the ledger's, so they are as durable as payments.
 *
 * The workers refuse, by their policy. They hear of a payee once the posting that brings it to its cap is durable: what
 * they have judged or were given until then still passes. So a debt exceeds its cap by less than this node's shares
 * of the packets that were under way, of which there are at most as many as LIMITS.PACKETS_QUEUED and the batches of
 * all workers hold. Main thread only.
 */
import { fromHex, toHex } from '../core/bytes.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Log } from '../core/ports.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Due, Posting } from '../ledger/posting.js';
import type { FeeDistribution } from '../ledger/fee.js';
import { isPastCap } from '../payment/debt.js';
import type { JournalRecord } from '../store/journal.js';
import { postingOf, RECORD_TYPES } from './accounts.js';

export interface DebtsParts {
  readonly self: NodeId;
  /** This node's own key, 33 bytes in lower-case hex: nobody owes it what was paid there. */
  readonly ownPayee: string | null;
  readonly ledger: Ledger;
  /** 0 for none. */
  readonly capMsat: bigint;
  readonly log: Log;
  /** A payee has come to its cap. */
  readonly onCapped: () => void;
}

/** Who was on the way of a payment, and what each of them gets. */
export interface SharedPayment {
  /** 33 bytes in hex; null for payments on the chain, which go to this node's own scripts. */
  readonly payee: string | null;
  readonly destination: NodeId;
  readonly routers: readonly NodeId[];
  readonly distribution: FeeDistribution;
}

export class Debts {
  readonly #parts: DebtsParts;
  readonly #capped = new Set<string>();
  /** All payees that ever owed something, as far as the journal knows. */
  readonly #payees = new Set<string>();

  constructor(parts: DebtsParts) {
    this.#parts = parts;
  }

  /** Payees past the cap, 33 bytes in hex each: no more than there are accepted ones. */
  capped(): readonly string[] {
    return [...this.#capped];
  }

  /** What each payee owes. */
  list(): readonly { readonly payee: string; readonly owedMsat: bigint; readonly isCapped: boolean }[] {
    return [...this.#payees].map((payee) => ({
      payee,
      owedMsat: this.#parts.ledger.owedByPayee(payee),
      isCapped: this.#capped.has(payee),
    }));
  }

  /** What the payee owes this node of a payment, or null where that is nothing. */
  dueOf({ payee, destination, routers, distribution }: SharedPayment): Due | null {
    const { self, ownPayee } = this.#parts;
    const key = payee === null || payee === ownPayee ? null : fromHex(payee);
    if (key === null) return null;
    const own = nodeKey(self);
    const router = routers.findIndex((node) => nodeKey(node) === own);
    const amountMsat =
      nodeKey(destination) === own ? distribution.destinationMsat : (distribution.routerMsat[router] ?? 0n);
    return amountMsat === 0n ? null : { payee: key, amountMsat };
  }

  /** A posting was taken into the ledger. */
  posted(posting: Posting): void {
    const { ledger, capMsat, log, onCapped } = this.#parts;
    for (const { account } of posting.entries) {
      if (account.kind !== 'Payee') continue;
      const payee = toHex(account.key);
      this.#payees.add(payee);
      const owedMsat = ledger.owedByPayee(payee);
      if (this.#capped.has(payee) || !isPastCap(owedMsat, capMsat)) continue;
      this.#capped.add(payee);
      log.log('warn', 'a payee owes this node its cap: packets paid to it are refused', {
        payee,
        owedMsat: String(owedMsat),
        capMsat: String(capMsat),
      });
      onCapped();
    }
  }
}

/** One debt in a statement. */
export interface StatementItem {
  /** Unix seconds at which the payment was recorded. */
  readonly postedAt: number;
  /** The payment's replay key, 32 bytes in hex: of a Lightning payment, its payment hash. */
  readonly payment: string;
  readonly amountMsat: bigint;
}

/** What a payee owes, and for what. */
export interface Statement {
  readonly payee: string;
  readonly owedMsat: bigint;
  /** Of that, for payments whose records are no longer kept. */
  readonly carriedMsat: bigint;
  readonly payments: number;
  /** The newest payments, oldest first. */
  readonly items: readonly StatementItem[];
}

/** Items that a statement holds at most; the sums count all. */
const STATEMENT_ITEMS = 1_000;

/**
 * Reads a payee's debts from the records of a journal.
 * @param payee 33 bytes in lower-case hex
 * @throws MeshError JOURNAL_CORRUPT where a record is none of ours
 */
export async function statementOf(payee: string, records: AsyncIterable<JournalRecord>): Promise<Statement> {
  let owedMsat = 0n;
  let carriedMsat = 0n;
  let payments = 0;
  let items: StatementItem[] = [];
  for await (const record of records) {
    const posting = postingOf(record);
    const amountMsat = posting.entries.reduce(
      (sum, { account, amountMsat: part }) =>
        account.kind === 'Payee' && toHex(account.key) === payee ? sum + part : sum,
      0n,
    );
    if (amountMsat === 0n) continue;
    owedMsat += amountMsat;
    if (record.type === RECORD_TYPES.carried) {
      carriedMsat += amountMsat;
      continue;
    }
    payments += 1;
    items.push({ postedAt: Number(posting.postedAt), payment: toHex(posting.key), amountMsat });
    // Cut when twice as many as are shown have gathered: each is moved once.
    if (items.length >= 2 * STATEMENT_ITEMS) items = items.slice(-STATEMENT_ITEMS);
  }
  return { payee, owedMsat, carriedMsat, payments, items: items.slice(-STATEMENT_ITEMS) };
}
