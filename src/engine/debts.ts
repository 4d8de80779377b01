/**
 * What payees owe this node, and who of them is past the cap.
 *
 * Rules: payments.md, Lightning, Bounded trust: where the payee is not this node, what it owes for unsettled shares is
 * capped, and past that packets paid to it are refused, until it has settled what it owes or enough of it. The sums are
 * the ledger's, so they are as durable as payments.
 *
 * The workers refuse, by their policy. They hear of a payee once the posting that brings it to its cap is durable: what
 * they have judged or were given until then still passes. So a debt exceeds its cap by less than this node's shares
 * of the packets that were under way, of which there are at most as many as LIMITS.PACKETS_QUEUED and the batches of
 * all workers hold. Main thread only.
 */
import { fromHex, toHex } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Due } from '../ledger/posting.js';
import type { PostingView } from '../ledger/posting-bytes.js';
import type { FeeDistribution } from '../ledger/fee.js';
import { isPastCap } from '../payment/debt.js';

export interface DebtsParts {
  /** This node's own key, 33 bytes in lower-case hex: nobody owes it what was paid there. */
  readonly ownPayee: string | null;
  readonly ledger: Ledger;
  /** 0 for none. */
  readonly capMsat: bigint;
  readonly log: Log;
  /** A payee has come to its cap, or below it again: `capped` is another list. */
  readonly onCapsChanged: () => void;
}

/** A payment, and what each party of its route gets of it. */
export interface SharedPayment {
  /** 33 bytes in hex; null for payments on the chain, which go to this node's own scripts. */
  readonly payee: string | null;
  /** This node's place on the route. */
  readonly position: number;
  readonly distribution: FeeDistribution;
}

export class Debts {
  readonly #parts: DebtsParts;
  #capMsat: bigint;
  readonly #capped = new Set<string>();
  /** Keys of payees as bytes, by their hex: the newest, since a packet may name any. */
  readonly #keys = new Map<string, Uint8Array>();

  constructor(parts: DebtsParts) {
    this.#parts = parts;
    this.#capMsat = parts.capMsat;
  }

  /** Payees past the cap, 33 bytes in hex each: no more than there are accepted ones. */
  capped(): readonly string[] {
    return [...this.#capped];
  }

  /** What each payee owes that ever owed something, as far as the journal knows. */
  list(): readonly { readonly payee: string; readonly owedMsat: bigint; readonly isCapped: boolean }[] {
    const debts: { payee: string; owedMsat: bigint; isCapped: boolean }[] = [];
    for (const { account, balanceMsat: owedMsat } of this.#parts.ledger.accounts('Payee')) {
      if (account.kind !== 'Payee') continue;
      const payee = toHex(account.key);
      debts.push({ payee, owedMsat, isCapped: this.#capped.has(payee) });
    }
    return debts;
  }

  /** What a payee owes. @param payee 33 bytes */
  owedBy(payee: Uint8Array): bigint {
    return this.#parts.ledger.owedByPayee(new DataView(payee.buffer, payee.byteOffset, payee.length), 0);
  }

  /** What the payee owes this node of a payment, or null where that is nothing. */
  dueOf({ payee, position, distribution }: SharedPayment): Due | null {
    if (payee === null || payee === this.#parts.ownPayee) return null;
    const { routerMsat, destinationMsat } = distribution;
    // The destination stands behind all routers, the source before them.
    const amountMsat = position > routerMsat.length ? destinationMsat : (routerMsat[position - 1] ?? 0n);
    if (amountMsat === 0n) return null;
    const key = this.#keyOf(payee);
    return key === null ? null : { payee: key, amountMsat };
  }

  /** A posting was taken into the ledger. */
  posted(posting: PostingView): void {
    const { ledger } = this.#parts;
    const capMsat = this.#capMsat;
    if (capMsat === 0n) return;
    for (let entry = 0; entry < posting.entries; entry++) {
      if (posting.kindOf(entry) !== 'Payee') continue;
      const owedMsat = ledger.owedByPayee(posting.view, posting.idAt(entry));
      const isPast = isPastCap(owedMsat, capMsat);
      // Most payees are below their cap and were so before.
      if (isPast || this.#capped.size > 0) this.#moved(toHex(posting.idOf(entry)), owedMsat, isPast);
    }
  }

  /** Another cap from now on, 0 for none: whoever owes that much already is past it. */
  setCap(capMsat: bigint): void {
    if (capMsat === this.#capMsat) return;
    this.#capMsat = capMsat;
    for (const { payee, owedMsat } of this.list()) {
      this.#moved(payee, owedMsat, capMsat > 0n && isPastCap(owedMsat, capMsat));
    }
  }

  #moved(payee: string, owedMsat: bigint, isPast: boolean): void {
    const { log, onCapsChanged } = this.#parts;
    if (this.#capped.has(payee) === isPast) return;
    const facts = { payee, owedMsat: String(owedMsat), capMsat: String(this.#capMsat) };
    if (isPast) {
      this.#capped.add(payee);
      log.log('warn', 'a payee owes this node its cap: packets paid to it are refused', facts);
    } else {
      this.#capped.delete(payee);
      log.log('info', 'a payee is below its cap: packets paid to it are taken again', facts);
    }
    onCapsChanged();
  }

  #keyOf(payee: string): Uint8Array | null {
    const known = this.#keys.get(payee);
    if (known !== undefined) return known;
    const key = fromHex(payee);
    if (key === null) return null;
    if (this.#keys.size >= LIMITS.PAYEE_KEYS) this.#keys.clear();
    this.#keys.set(payee, key);
    return key;
  }
}
