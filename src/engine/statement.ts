/**
 * Statements of what a payee owes this node, read from the journal.
 *
 * Rules: payments.md, Lightning, Bounded trust (settlement). Main thread, or a command on a stopped data directory.
 */
import { fromHex, toHex } from '../core/bytes.js';
import { present } from '../core/assert.js';
import { PostingView } from '../ledger/posting-bytes.js';
import type { JournalRecord } from '../store/journal.js';
import { foreignRecord, postingBytesOf, RECORD_TYPES, referenceOf } from './ledger-records.js';

/** One line of a statement: a payment of which the payee owes a share, or a settlement. */
export interface StatementItem {
  /** Unix seconds at which it was recorded. */
  readonly postedAt: number;
  /** A payment's replay key, 32 bytes in hex: of a Lightning payment, its payment hash; null for a settlement. */
  readonly payment: string | null;
  /** The operator's text to a settlement; null for a payment. */
  readonly reference: string | null;
  /** What the payee owes for the payment, or what it settled. */
  readonly amountMsat: bigint;
}

/** What a payee owes, for what, and what it has settled. */
export interface Statement {
  readonly payee: string;
  readonly owedMsat: bigint;
  /** Of that, for payments whose records are no longer kept, less what was settled by such. */
  readonly carriedMsat: bigint;
  readonly payments: number;
  readonly settlements: number;
  /** Of the settlements whose records are kept. */
  readonly settledMsat: bigint;
  /** The newest of both, oldest first. */
  readonly items: readonly StatementItem[];
}

/** Items that a statement holds at most; the sums count all. */
const STATEMENT_ITEMS = 1_000;

/**
 * Reads a payee's debts from the records of a journal.
 * @param payee 33 bytes in lower-case hex
 * @throws MeshError JOURNAL_CORRUPT where a record is none of ours
 */
export async function statementOf(
  payee: string,
  batches: AsyncIterable<readonly JournalRecord[]>,
): Promise<Statement> {
  const key = present(fromHex(payee), 'a payee is given in hex');
  const posting = new PostingView();
  const sums = { owedMsat: 0n, carriedMsat: 0n, payments: 0, settlements: 0, settledMsat: 0n };
  let items: StatementItem[] = [];
  for await (const batch of batches) {
    for (const record of batch) {
      if (!posting.load(postingBytesOf(record))) throw foreignRecord(record.type, 'no posting');
      const amountMsat = sumOf(posting, key);
      if (amountMsat === 0n) continue;
      sums.owedMsat += amountMsat;
      const { postedAt } = posting;
      if (record.type === RECORD_TYPES.carried) sums.carriedMsat += amountMsat;
      else if (record.type === RECORD_TYPES.settlement) {
        sums.settlements += 1;
        sums.settledMsat -= amountMsat;
        items.push({ postedAt, payment: null, reference: referenceOf(record), amountMsat: -amountMsat });
      } else {
        sums.payments += 1;
        items.push({ postedAt, payment: toHex(posting.key()), reference: null, amountMsat });
      }
    }
    // Cut when twice as many as are shown have gathered: each is moved once.
    if (items.length >= 2 * STATEMENT_ITEMS) items = items.slice(-STATEMENT_ITEMS);
  }
  return { payee, ...sums, items: items.slice(-STATEMENT_ITEMS) };
}

/** What a posting adds to the debt of a payee. */
function sumOf(posting: PostingView, payee: Uint8Array): bigint {
  let sum = 0n;
  for (let entry = 0; entry < posting.entries; entry++) {
    if (posting.isOf(entry, 'Payee', payee)) sum += posting.msatOf(entry);
  }
  return sum;
}
