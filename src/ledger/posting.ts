/**
 * One posting of the ledger: what one accepted payment moved, as double entry, and its bytes for the journal.
 *
 * Rules: payments.md, Fee split (double entry, append-only, in msat; exactly one posting per accepted payment).
 */
import { assert } from '../core/assert.js';
import { equalBytes, toHex } from '../core/bytes.js';
import { decode, fixedBytes, nodeId, struct, taggedEnum, u64, unitEnum, vec } from '../core/codec.js';
import type { Codec, Decoded } from '../core/codec.js';
import { nodeIdOf, nodeKey, type NodeId } from '../core/ids.js';
import type { FeeDistribution } from './fee.js';

/**
 * Where value stands. PaidIn is what payers brought; Destination, Router and Treasury are what of it is owed to whom.
 * Where a payment went to a Lightning key that is not this node's, Payee is what its holder owes this node of it, and
 * Unsettled stands against that.
 */
export type Account =
  | { readonly kind: 'PaidIn' }
  | { readonly kind: 'Destination'; readonly node: NodeId }
  | { readonly kind: 'Router'; readonly node: NodeId }
  | { readonly kind: 'Treasury' }
  | { readonly kind: 'Payee'; readonly key: Uint8Array }
  | { readonly kind: 'Unsettled' };

export type AccountKind = Account['kind'];

/** In the order of their tags in a posting's bytes. */
export const ACCOUNT_KINDS: readonly AccountKind[] = [
  'PaidIn',
  'Destination',
  'Router',
  'Treasury',
  'Payee',
  'Unsettled',
];

/** A debit adds to its account's balance, a credit takes from it; what an account is owed is its credit. */
export type Side = 'Debit' | 'Credit';

export interface Entry {
  readonly account: Account;
  readonly side: Side;
  readonly amountMsat: bigint;
}

export interface Posting {
  /** 32 bytes: the replay key of the payment (payments.md, any proof, 4). */
  readonly key: Uint8Array;
  /** Unix seconds. */
  readonly postedAt: bigint;
  /** Debits and credits of equal sums; no entry of 0. */
  readonly entries: readonly Entry[];
}

/** What a payment posting is made of. */
export interface PaymentFacts {
  readonly key: Uint8Array;
  readonly postedAt: bigint;
  readonly destination: NodeId;
  /** In the order of the route, as many as the distribution has router parts. */
  readonly routers: readonly NodeId[];
  readonly distribution: FeeDistribution;
  /** What somebody who was paid owes this node of it; left out where that is nothing. */
  readonly due?: Due | null;
}

/** A debt to this node. */
export interface Due {
  /** The debtor's Lightning key, 33 bytes. */
  readonly payee: Uint8Array;
  readonly amountMsat: bigint;
}

/** The posting of one accepted payment: its whole amount paid in, its parts owed to the parties of the route. */
export function paymentPosting(facts: PaymentFacts): Posting {
  const { destination, routers, distribution, due = null } = facts;
  assert(routers.length === distribution.routerMsat.length, 'each router has its part');
  const entries: Entry[] = [
    { account: { kind: 'PaidIn' }, side: 'Debit', amountMsat: distribution.totalMsat },
    ...routers.map((node, index): Entry => ({
      account: { kind: 'Router', node },
      side: 'Credit',
      amountMsat: distribution.routerMsat[index] ?? 0n,
    })),
    {
      account: { kind: 'Destination', node: destination },
      side: 'Credit',
      amountMsat: distribution.destinationMsat,
    },
    { account: { kind: 'Treasury' }, side: 'Credit', amountMsat: distribution.treasuryMsat },
    ...(due === null ? [] : dueEntries(due)),
  ];
  return {
    key: facts.key,
    postedAt: facts.postedAt,
    entries: entries.filter((entry) => entry.amountMsat > 0n),
  };
}

/** A debt to this node, and what stands against it. */
function dueEntries({ payee, amountMsat }: Due): readonly Entry[] {
  return [
    { account: { kind: 'Payee', key: payee }, side: 'Debit', amountMsat },
    { account: { kind: 'Unsettled' }, side: 'Credit', amountMsat },
  ];
}

/** The entries of a debt that was settled, in whole or in part. */
export function settlementEntries({ payee, amountMsat }: Due): readonly Entry[] {
  return [
    { account: { kind: 'Unsettled' }, side: 'Debit', amountMsat },
    { account: { kind: 'Payee', key: payee }, side: 'Credit', amountMsat },
  ];
}

/** The amount as it moves the account's balance. */
export function signedMsat(entry: Entry): bigint {
  return entry.side === 'Debit' ? entry.amountMsat : -entry.amountMsat;
}

/** Stands for all nodes for which there was no room: nobody has this id. */
export const OTHERS: NodeId = nodeIdOf(new Uint8Array(32));

/** The account that takes what one more account of its kind would, past the most that are kept by node. */
export function othersOf(account: Account): Account {
  return account.kind === 'Destination' || account.kind === 'Router' ? { ...account, node: OTHERS } : account;
}

/**
 * The account's name for maps and people: `paid-in`, `destination:<64 hex>`, `router:<64 hex>`, `treasury`,
 * `payee:<66 hex>`, `unsettled`; where it stands for many nodes, `destination:others` and `router:others`.
 */
export function accountName(account: Account): string {
  switch (account.kind) {
    case 'PaidIn':
      return 'paid-in';
    case 'Treasury':
      return 'treasury';
    case 'Destination':
      return `destination:${nodeName(account.node)}`;
    case 'Router':
      return `router:${nodeName(account.node)}`;
    case 'Payee':
      return `payee:${toHex(account.key)}`;
    case 'Unsettled':
      return 'unsettled';
  }
}

function nodeName(node: NodeId): string {
  return equalBytes(node, OTHERS) ? 'others' : nodeKey(node);
}

const account: Codec<Account> = taggedEnum<Account>('Account', {
  PaidIn: struct({}),
  Destination: struct({ node: nodeId }),
  Router: struct({ node: nodeId }),
  Treasury: struct({}),
  Payee: struct({ key: fixedBytes(33) }),
  Unsettled: struct({}),
});

/** What a posting is as bytes: bincode. posting-bytes.ts writes and reads the same faster. */
export const postingCodec: Codec<Posting> = struct<Posting>({
  key: fixedBytes(32),
  postedAt: u64,
  entries: vec(struct<Entry>({ account, side: unitEnum('Side', ['Debit', 'Credit']), amountMsat: u64 })),
});

/** The posting in these bytes, all of them; never throws. Whether it balances is the ledger's to judge. */
export function decodePosting(bytes: Uint8Array): Decoded<Posting> {
  return decode(postingCodec, bytes);
}
