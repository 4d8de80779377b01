// The ledger: double entry, exactly once, recomputable from its log (payments.md, Fee split).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../../src/core/bincode.js';
import { encode } from '../../../src/core/codec.js';
import { nodeIdOf, type NodeId } from '../../../src/core/ids.js';
import { splitFee } from '../../../src/ledger/fee.js';
import { Ledger, type LedgerBounds } from '../../../src/ledger/ledger.js';
import {
  accountName,
  decodePosting,
  paymentPosting,
  postingCodec,
  type Account,
  type Entry,
  type Posting,
} from '../../../src/ledger/posting.js';
import { encodePosting, PostingView } from '../../../src/ledger/posting-bytes.js';
import { logOf, viewOf } from '../../support/ledger.js';

const node = (name: number): NodeId => nodeIdOf(new Uint8Array(32).fill(name));

/** A 32-byte key whose number stands in all its 4-byte words. */
function keyOf(number: number): Uint8Array {
  return new Uint8Array(new Uint32Array(8).fill(number).buffer);
}

function payment(number: number, totalMsat = 1_000n, routers: readonly number[] = [2, 3]): Posting {
  return paymentPosting({
    key: keyOf(number),
    postedAt: 1_800_000_000n,
    destination: node(9),
    routers: routers.map(node),
    distribution: splitFee(
      totalMsat,
      routers.map((cost) => BigInt(cost)),
    ),
  });
}

const DESTINATION = accountName({ kind: 'Destination', node: node(9) });
const SMALL: LedgerBounds = { accounts: 5, recentKeys: 4, auditKeys: 3 };

const postings = fc.record({
  number: fc.nat({ max: 40 }),
  total: fc.bigInt({ min: 0n, max: U64_MAX }),
  routers: fc.uniqueArray(fc.integer({ min: 1, max: 8 }), { maxLength: 9 }),
});

const ids = fc.uint8Array({ minLength: 32, maxLength: 32 });
const accounts: fc.Arbitrary<Account> = fc.oneof(
  fc.constantFrom<Account>({ kind: 'PaidIn' }, { kind: 'Treasury' }, { kind: 'Unsettled' }),
  ids.map((id): Account => ({ kind: 'Router', node: nodeIdOf(id) })),
  ids.map((id): Account => ({ kind: 'Destination', node: nodeIdOf(id) })),
  fc.uint8Array({ minLength: 33, maxLength: 33 }).map((key): Account => ({ kind: 'Payee', key })),
);
const msats = fc.oneof(
  fc.bigInt(0n, 1_000n),
  fc.bigInt(0n, U64_MAX),
  fc.bigInt((1n << 52n) - 2n, (1n << 52n) + 2n),
);

/** Of any entries, balanced or not. */
const anyPosting: fc.Arbitrary<Posting> = fc.record({
  key: ids,
  postedAt: fc.bigInt(0n, U64_MAX),
  entries: fc.array(
    fc.record({
      account: accounts,
      side: fc.constantFrom('Debit' as const, 'Credit' as const),
      amountMsat: msats,
    }),
    { maxLength: 20 },
  ),
});

describe('ledger › a log that was rewritten', () => {
  it('is read again where that happened during an audit', async () => {
    const ledger = new Ledger();
    const [first, second, third] = [payment(1), payment(2), payment(3)];
    for (const posting of [first, second, third]) ledger.post(viewOf(posting));
    // The first two become one of the same balances, whose key is nobody's.
    const carried: Posting = { ...first, key: keyOf(99), entries: [...first.entries, ...second.entries] };
    let log: readonly Posting[] = [first, second, third];
    let readings = 0;
    const audit = await ledger.verify(function* () {
      const isFirst = readings++ === 0;
      yield* logOf(log);
      if (!isFirst) return;
      log = [carried, third];
      ledger.rewritten(2, 1);
    });
    expect(readings).toBe(2);
    expect(audit).toMatchObject({ conserved: true, postings: 2, logged: 2 });
  });

  it('may name other accounts of those that share one, and no other sums', async () => {
    const ledger = new Ledger({ ...SMALL, auditKeys: 100 });
    const log = Array.from({ length: 8 }, (_, index) => payment(index, 1_000n, [index + 1]));
    for (const posting of log) ledger.post(viewOf(posting));
    expect(await ledger.verify(() => logOf([...log].reverse()))).toMatchObject({ conserved: true });
    const short = log.map((posting, index) => (index === 5 ? payment(5, 900n, [6]) : posting));
    const audit = await ledger.verify(() => logOf(short));
    expect(audit.conserved).toBe(false);
    expect(audit.mismatchedAccounts).toContain('Router');
  });
});

describe('ledger', () => {
  it('moves what was paid in to destination, routers and treasury', () => {
    const ledger = new Ledger();
    expect(ledger.post(viewOf(payment(1)))).toBe('posted');
    expect(Object.fromEntries(ledger.balances())).toEqual({
      'paid-in': 1_000n,
      [accountName({ kind: 'Router', node: node(2) })]: -120n,
      [accountName({ kind: 'Router', node: node(3) })]: -180n,
      [DESTINATION]: -600n,
      treasury: -100n,
    });
    expect(ledger.totals()).toEqual({
      destinationMsat: 600n,
      routersMsat: 300n,
      treasuryMsat: 100n,
      totalMsat: 1_000n,
      postings: 1,
      refusedDuplicates: 0,
      refusedUnbalanced: 0,
    });
  });

  it('posts a payment exactly once, whatever the second posting says', () => {
    const ledger = new Ledger();
    ledger.post(viewOf(payment(1)));
    const before = ledger.balances();
    expect(ledger.post(viewOf(payment(1, 5_000n, [4])))).toBe('duplicate');
    expect(ledger.balances()).toEqual(before);
    expect(ledger.totals()).toMatchObject({ postings: 1, refusedDuplicates: 1 });
  });

  it('knows at least as many of the newest keys as it is to remember, at every point', () => {
    const ledger = new Ledger({ ...SMALL, accounts: 100 });
    for (let newest = 0; newest < 20; newest++) {
      expect(ledger.post(viewOf(payment(newest)))).toBe('posted');
      for (let known = Math.max(0, newest - SMALL.recentKeys + 1); known <= newest; known++) {
        expect(ledger.post(viewOf(payment(known)))).toBe('duplicate');
      }
    }
  });

  it('refuses a posting whose debits are not its credits, and changes nothing', () => {
    const ledger = new Ledger();
    const forged: Posting = {
      ...payment(1),
      entries: [{ account: { kind: 'Treasury' }, side: 'Credit', amountMsat: 1n }],
    };
    expect(ledger.post(viewOf(forged))).toBe('unbalanced');
    expect(ledger.balances().size).toBe(0);
    expect(ledger.post(viewOf(payment(1)))).toBe('posted');
    expect(ledger.totals()).toMatchObject({ postings: 1, refusedUnbalanced: 1 });
  });

  it('conserves every msat over random payments and repeats, and verify finds no fault', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(postings, { maxLength: 60 }), async (offered) => {
        const ledger = new Ledger({ ...SMALL, recentKeys: 41 });
        const log: Posting[] = [];
        let paidIn = 0n;
        const taken = new Set<number>();
        for (const { number, total, routers } of offered) {
          const posting = payment(number, total, routers);
          expect(viewOf(posting).isBalanced()).toBe(true);
          const outcome = ledger.post(viewOf(posting));
          expect(outcome).toBe(taken.has(number) ? 'duplicate' : 'posted');
          taken.add(number);
          if (outcome !== 'posted') continue;
          log.push(posting);
          paidIn += total;
        }
        const totals = ledger.totals();
        expect(totals.totalMsat).toBe(paidIn);
        expect(totals.destinationMsat + totals.routersMsat + totals.treasuryMsat).toBe(paidIn);
        expect([...ledger.balances().values()].reduce((sum, balance) => sum + balance, 0n)).toBe(0n);
        const audit = await ledger.verify(() => logOf(log));
        expect(audit).toMatchObject({ conserved: true, postings: log.length, paidInMsat: paidIn });
      }),
    );
  });

  it('keeps a bounded number of accounts however many ids routes name, and still conserves', async () => {
    const ledger = new Ledger(SMALL);
    const log = Array.from({ length: 60 }, (_, index) => payment(index, 1_000n, [10 + index, 100 + index]));
    for (const posting of log) ledger.post(viewOf(posting));
    // At most five accounts of their own and one shared account for each kind.
    expect(ledger.balances().size).toBeLessThanOrEqual(SMALL.accounts + 4);
    expect(ledger.balances().get('router:others')).toBeLessThan(0n);
    expect(ledger.totals().routersMsat).toBe(60n * 300n);
    expect(await ledger.verify(() => logOf(log))).toMatchObject({ conserved: true });
  });
});

describe('ledger verify', () => {
  /** A ledger of nine payments and its log as it stands on disk, possibly damaged. */
  function written(): { ledger: Ledger; log: Posting[] } {
    const ledger = new Ledger({ ...SMALL, accounts: 100 });
    const log = Array.from({ length: 9 }, (_, index) => payment(index + 1));
    for (const posting of log) ledger.post(viewOf(posting));
    return { ledger, log };
  }

  it('reads the journal through bytes and asynchronously', async () => {
    const { ledger, log } = written();
    const journal = log.map((posting) => encodePosting(posting));
    async function* read(): AsyncGenerator<readonly Uint8Array[]> {
      for (const bytes of journal) {
        await Promise.resolve();
        yield [bytes];
      }
    }
    expect(await ledger.verify(read)).toMatchObject({ conserved: true, postings: 9, logged: 9 });
  });

  it('finds a posting that is missing', async () => {
    const { ledger, log } = written();
    const audit = await ledger.verify(() => logOf(log.slice(1)));
    expect(audit).toMatchObject({ conserved: false, postings: 9, logged: 8 });
    expect(audit.mismatchedAccounts).toContain('treasury');
  });

  it('finds a posting that the ledger never took', async () => {
    const { ledger, log } = written();
    expect(await ledger.verify(() => logOf([...log, payment(99)]))).toMatchObject({
      conserved: false,
      logged: 10,
    });
  });

  it('finds a key that stands twice, also where the copies are far apart', async () => {
    const { ledger, log } = written();
    const repeated = log.map((posting, index) => (index === 8 ? payment(1) : posting));
    expect(await ledger.verify(() => logOf(repeated))).toMatchObject({ conserved: false, duplicates: 1 });
    // Past the keys that the ledger itself remembers, the audit still knows.
    expect(ledger.post(viewOf(payment(1)))).toBe('posted');
    expect(await ledger.verify(() => logOf([...log, payment(1)]))).toMatchObject({
      conserved: false,
      duplicates: 1,
    });
  });

  it('finds an amount that was changed, balanced or not', async () => {
    const { ledger, log } = written();
    const richer = log.map((posting, index) => (index === 2 ? payment(3, 1_001n) : posting));
    expect(await ledger.verify(() => logOf(richer))).toMatchObject({ conserved: false, unbalanced: 0 });
    const unbalanced = log.map((posting, index) =>
      index === 2 ? { ...posting, entries: posting.entries.slice(1) } : posting,
    );
    expect(await ledger.verify(() => logOf(unbalanced))).toMatchObject({ conserved: false, unbalanced: 1 });
  });

  it('looks at what was posted before the call, and accepts what came meanwhile', async () => {
    const { ledger, log } = written();
    const audit = ledger.verify(() => logOf(log));
    for (const number of [50, 51]) {
      log.push(payment(number));
      ledger.post(viewOf(payment(number)));
    }
    expect(await audit).toMatchObject({ conserved: true, postings: 9, logged: 11 });
  });
});

describe('posting bytes', () => {
  it('are those of the codec, and come back as they were', () => {
    fc.assert(
      fc.property(anyPosting, (posting) => {
        const bytes = encodePosting(posting);
        expect(bytes).toEqual(encode(postingCodec, posting));
        expect(decodePosting(bytes)).toEqual({ ok: true, value: posting });
      }),
    );
  });

  it('cut, lengthened or changed anywhere are taken by the view exactly where the codec takes them', () => {
    const view = new PostingView();
    fc.assert(
      fc.property(
        anyPosting,
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 }))),
        fc.integer({ min: -40, max: 2 }),
        (posting, changes, longer) => {
          const whole = encodePosting(posting);
          const bytes = new Uint8Array(Math.max(0, whole.length + longer));
          bytes.set(whole.subarray(0, bytes.length));
          for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
          const decoded = decodePosting(bytes);
          expect(view.load(bytes)).toBe(decoded.ok);
          if (decoded.ok) expect(shownBy(view)).toEqual(decoded.value);
        },
      ),
      { numRuns: 500 },
    );
    const bytes = encodePosting(payment(7));
    for (let length = 0; length < bytes.length; length++) {
      expect(decodePosting(bytes.subarray(0, length)).ok).toBe(false);
      expect(view.load(bytes.subarray(0, length))).toBe(false);
    }
    expect(view.load(new Uint8Array([...bytes, 0]))).toBe(false);
  });

  it('balance where the sums of both sides are equal, however large', () => {
    fc.assert(
      fc.property(anyPosting, (posting) => {
        const sum = posting.entries.reduce(
          (sum, { side, amountMsat }) => (side === 'Debit' ? sum + amountMsat : sum - amountMsat),
          0n,
        );
        expect(viewOf(posting).isBalanced()).toBe(sum === 0n);
      }),
    );
    for (const amountMsat of [1n, (1n << 52n) - 1n, 1n << 52n, (1n << 53n) + 1n, U64_MAX]) {
      const entry = (side: 'Debit' | 'Credit', amount: bigint): Entry => ({
        account: { kind: 'Treasury' },
        side,
        amountMsat: amount,
      });
      const debits = Array.from({ length: 5 }, () => entry('Debit', amountMsat));
      const credits = Array.from({ length: 5 }, () => entry('Credit', amountMsat));
      expect(viewOf({ ...payment(1), entries: [...debits, ...credits] }).isBalanced()).toBe(true);
      const short = [...debits, ...credits.slice(1), entry('Credit', amountMsat - 1n)];
      expect(viewOf({ ...payment(1), entries: short }).isBalanced()).toBe(false);
    }
  });
});

/** What a view shows of each entry, as a posting. */
function shownBy(view: PostingView): Posting {
  const entries = Array.from({ length: view.entries }, (_, entry): Entry => {
    const msat = view.msatOf(entry);
    const narrow = view.narrowMsatOf(entry);
    if (!Number.isNaN(narrow)) expect(BigInt(narrow)).toBe(msat);
    const kind = view.kindOf(entry);
    const id = view.idOf(entry);
    const account =
      kind === 'Payee'
        ? { kind, key: id }
        : kind === 'Destination' || kind === 'Router'
          ? { kind, node: nodeIdOf(id) }
          : { kind };
    expect(view.isOf(entry, kind, id)).toBe(true);
    const decoded = decodePosting(new Uint8Array(view.view.buffer));
    const side = decoded.ok ? decoded.value.entries[entry]?.side : undefined;
    return { account, side: side ?? 'Debit', amountMsat: msat < 0n ? -msat : msat };
  });
  return { key: view.key(), postedAt: view.view.getBigUint64(32, true), entries };
}
