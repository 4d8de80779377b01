/** What the ledger's commands print: tables for people, JSON for scripts. Amounts in JSON are decimal text in msat. */
import type { Json } from '../core/codec.js';
import type { AccountBalance } from '../ledger/balances.js';
import { accountName } from '../ledger/posting.js';
import type { LogAudit } from '../ledger/recount.js';
import type { Statement } from '../engine/statement.js';
import type { SettlementOutcome } from '../engine/accounts.js';
import { tableText } from './status.js';

/** An account's balance from the side of its role: what was paid in and what payees owe, what others are owed. */
interface Shown {
  readonly role: string;
  /** Whose account it is; empty where the role has one alone. */
  readonly holder: string;
  readonly amountMsat: bigint;
}

const ROLES = {
  PaidIn: 'paid in',
  Destination: 'owed to destination',
  Router: 'owed to router',
  Treasury: 'owed to treasury',
  Payee: 'owed by payee',
  Unsettled: 'unsettled',
} as const;

/** All balances, by role in a fixed order, the largest first. */
function shown(balances: Iterable<AccountBalance>): readonly Shown[] {
  const order = Object.values<string>(ROLES);
  return [...balances]
    .map(({ account, balanceMsat }) => ({
      role: ROLES[account.kind],
      holder: accountName(account).split(':')[1] ?? '',
      amountMsat: account.kind === 'PaidIn' || account.kind === 'Payee' ? balanceMsat : -balanceMsat,
    }))
    .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role) || compare(b.amountMsat, a.amountMsat));
}

export function balancesJson(balances: Iterable<AccountBalance>, postings: number): Json {
  const accounts = shown(balances);
  const sums = Object.values(ROLES).map((role) => [role.replaceAll(' ', '_'), String(sumOf(accounts, role))]);
  return {
    postings,
    sums: Object.fromEntries(sums) as Json,
    accounts: accounts.map(({ role, holder, amountMsat }) => ({
      role,
      holder,
      amountMsat: String(amountMsat),
    })),
  };
}

export function balancesText(balances: Iterable<AccountBalance>, postings: number): string {
  const accounts = shown(balances);
  const sums = Object.values(ROLES).flatMap((role) => {
    const count = accounts.filter((account) => account.role === role).length;
    return count === 0 ? [] : [[role, count, grouped(sumOf(accounts, role))]];
  });
  return [
    tableText(['role', 'accounts', 'msat'], sums),
    tableText(
      ['role', 'holder', 'msat'],
      accounts.map(({ role, holder, amountMsat }) => [role, holder, grouped(amountMsat)]),
    ),
    `${postings} postings`,
    '',
  ].join('\n');
}

/** An audit of a log, and the payees that it says have settled more than they owed. */
export interface Verification {
  readonly audit: LogAudit;
  /** Records in the journal. */
  readonly records: number;
  readonly overSettled: readonly string[];
}

/** What is wrong, a line each; none where every msat is where it should be. */
export function faultsOf({ audit, records, overSettled }: Verification): readonly string[] {
  const { logged, duplicates, unbalanced, unreadable, paidInMsat, owedMsat } = audit;
  const counts: readonly (readonly [number, string])[] = [
    [unreadable, 'records that are no posting of this version'],
    [unbalanced, 'postings whose debits are not their credits'],
    [duplicates, 'postings whose key stands in the journal more than once'],
  ];
  return [
    ...counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`),
    ...(paidInMsat === owedMsat
      ? []
      : [`${paidInMsat} msat were paid in, and ${owedMsat} msat are owed of it`]),
    ...(logged === records ? [] : [`${records} records are there, and ${logged} could be read`]),
    ...overSettled.map((payee) => `payee ${payee} has settled more than it owed`),
  ];
}

export function verificationJson(verification: Verification): Json {
  const { audit, overSettled } = verification;
  const { logged, duplicates, unbalanced, unreadable, paidInMsat, owedMsat } = audit;
  return {
    conserved: faultsOf(verification).length === 0,
    postings: logged,
    paidInMsat: String(paidInMsat),
    owedMsat: String(owedMsat),
    duplicates,
    unbalanced,
    unreadable,
    overSettled: [...overSettled],
  };
}

export function verificationText(verification: Verification): string {
  const { audit } = verification;
  const faults = faultsOf(verification);
  if (faults.length > 0) return `not conserved:\n${faults.map((fault) => `  ${fault}\n`).join('')}`;
  return `conserved: ${grouped(audit.paidInMsat)} msat paid in are owed to the msat, over ${audit.logged} postings\n`;
}

export function statementJson({ items, ...sums }: Statement): Json {
  return {
    payee: sums.payee,
    owedMsat: String(sums.owedMsat),
    carriedMsat: String(sums.carriedMsat),
    payments: sums.payments,
    settlements: sums.settlements,
    settledMsat: String(sums.settledMsat),
    items: items.map(({ postedAt, payment, reference, amountMsat }) => ({
      postedAt,
      payment,
      reference,
      amountMsat: String(amountMsat),
    })),
  };
}

export function statementText({ items, ...sums }: Statement): string {
  const lines = items.map(({ postedAt, payment, reference, amountMsat }) => {
    const at = new Date(postedAt * 1_000).toISOString();
    if (payment !== null) return `${at}  ${payment}  ${amountMsat} msat`;
    return `${at}  settled${reference === '' ? '' : ` (${reference ?? ''})`}  -${amountMsat} msat`;
  });
  const left = sums.payments + sums.settlements - items.length;
  return [
    `payee    ${sums.payee}`,
    `owes     ${sums.owedMsat} msat`,
    ...(sums.carriedMsat === 0n
      ? []
      : [`carried  ${sums.carriedMsat} msat, of payments and settlements whose records are no longer kept`]),
    `payments ${sums.payments}`,
    ...(sums.settlements === 0
      ? []
      : [`settled  ${sums.settledMsat} msat in ${sums.settlements} settlements`]),
    ...(left === 0 ? [] : [`(the newest ${items.length})`]),
    ...lines,
    '',
  ].join('\n');
}

/** What was settled. @param payee in hex */
export function settledJson(payee: string, { settledMsat, owedMsat }: Settled): Json {
  return { payee, settledMsat: String(settledMsat), owedMsat: String(owedMsat) };
}

export function settledText(payee: string, { settledMsat, owedMsat }: Settled): string {
  return `${payee} settled ${settledMsat} msat and owes ${owedMsat} msat now`;
}

type Settled = Extract<SettlementOutcome, { readonly ok: true }>;

function sumOf(accounts: readonly Shown[], role: string): bigint {
  return accounts.reduce((sum, account) => (account.role === role ? sum + account.amountMsat : sum), 0n);
}

function grouped(amount: bigint): string {
  return amount.toLocaleString('en');
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
