// What accepted payments leave behind: records, postings, and what a restart makes of them, with expired records
// folded into carried balances on the way.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { U64_MAX } from '../../../src/core/bincode.js';
import { toHex } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { MeshError } from '../../../src/core/errors.js';
import { nodeIdOf, nodeKey, type NodeId } from '../../../src/core/ids.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Accounts, type AppendDurably } from '../../../src/engine/accounts.js';
import { CarriedBalances } from '../../../src/engine/carried.js';
import { Debts } from '../../../src/engine/debts.js';
import { postingBytesOf, postingOf, RECORD_TYPES } from '../../../src/engine/ledger-records.js';
import { splitFee } from '../../../src/ledger/fee.js';
import { Ledger } from '../../../src/ledger/ledger.js';
import { paymentPosting, type Posting } from '../../../src/ledger/posting.js';
import { encodePosting } from '../../../src/ledger/posting-bytes.js';
import { refusedVerdict } from '../../../src/pool/judge.js';
import { Reason } from '../../../src/core/reasons.js';
import { Journal, KEEP_FOREVER, type JournalRecord } from '../../../src/store/journal.js';
import { logOf, recorded, viewOf, type Payment } from '../../support/ledger.js';
import { testNode } from '../../support/paid-packets.js';
import { testPacket } from '../../support/packets.js';
import { MemoryDisk } from '../store/memory-disk.js';

const SELF = testNode(2);
const silent = { log: () => undefined };

/** Nobody owes anything: payments here have no payee. */
function debtsIn(ledger: Ledger): Debts {
  return new Debts({ ownPayee: null, ledger, capMsat: 0n, log: silent, onCapsChanged: () => undefined });
}

function payment(key: number, amountMsat: bigint, route: readonly NodeId[], expiresAt: number): Payment {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, key);
  return {
    packet: testPacket({ route, source: route[0] ?? SELF, destination: route.at(-1) ?? SELF }),
    verdict: {
      ...refusedVerdict(Reason.Accepted),
      kind: 'paid',
      replayKey: bytes,
      amountMsat,
      expiresAt,
    },
  };
}

/** One run of a module on a disk: what module.ts does with its journal. */
class Run {
  readonly ledger = new Ledger();
  readonly accounts: Accounts;
  readonly keys = new Set<string>();
  readonly #journal: Journal;

  static async start(disk: MemoryDisk, clock: VirtualClock, random: SeededRandom): Promise<Run> {
    const journal = await Journal.open({ disk, path: 'j', clock, log: silent, isFirstRun: true });
    await journal.compact(
      () => new CarriedBalances(clock, random),
      () => undefined,
    );
    const run = new Run(journal, clock);
    for (const record of await run.records()) {
      const { key } = run.accounts.restore(record);
      if (key !== null) run.keys.add(toHex(key));
    }
    return run;
  }

  private constructor(journal: Journal, clock: VirtualClock) {
    this.#journal = journal;
    const { ledger } = this;
    const append: AppendDurably = (records) => journal.append(records);
    const hasRoom = (bytes: number): boolean => journal.hasRoom(bytes);
    const random = new SeededRandom(7);
    this.accounts = new Accounts({
      self: SELF,
      clock,
      random,
      ledger,
      append,
      hasRoom,
      debts: debtsIn(ledger),
    });
  }

  accept(payment: Payment): Promise<void> {
    return recorded(this.accounts, payment);
  }

  /** As the module does every ten minutes. */
  compact(clock: VirtualClock, random: SeededRandom): Promise<void> {
    return this.#journal.compact(
      () => new CarriedBalances(clock, random),
      (dropped, carried) => {
        this.accounts.logRewritten(dropped, carried);
      },
    );
  }

  /** With the journal read as the audit goes. */
  async isConservedInPlace(): Promise<boolean> {
    const journal = this.#journal;
    const log = async function* (): AsyncGenerator<readonly Uint8Array[]> {
      for await (const batch of journal.batches()) yield batch.map(postingBytesOf);
    };
    return (await this.ledger.verify(log)).conserved;
  }

  async records(): Promise<JournalRecord[]> {
    const records: JournalRecord[] = [];
    for await (const record of this.#journal.records()) records.push(record);
    return records;
  }

  async isConserved(): Promise<boolean> {
    const postings = (await this.records()).map(postingOf);
    return (await this.ledger.verify(() => logOf(postings))).conserved;
  }

  close(): Promise<void> {
    return this.#journal.close();
  }
}

const clockAt = (): VirtualClock => new VirtualClock();
const later = (clock: VirtualClock, seconds: number): number => clock.unixSeconds() + seconds;

describe('accounts > a payment', () => {
  it('is durable before it is in the balances, and not in them when it could not be made so', async () => {
    let fail: ((error: Error) => void) | null = null;
    const ledger = new Ledger();
    const append: AppendDurably = () => new Promise((_, reject) => (fail = reject));
    const parts = {
      self: SELF,
      clock: clockAt(),
      random: new SeededRandom(1),
      ledger,
      append,
      hasRoom: () => true,
      debts: debtsIn(ledger),
    };
    const accounts = new Accounts(parts);
    const accepted = recorded(accounts, payment(1, 1_000n, [testNode(1), SELF], 1));
    expect(ledger.totals().postings).toBe(0);
    (fail as ((error: Error) => void) | null)?.(new MeshError('JOURNAL_FAILED', 'no disk'));
    await expect(accepted).rejects.toThrow('no disk');
    expect(ledger.totals().totalMsat).toBe(0n);
    expect(accounts.received().packets).toBe(0);
  });

  it('is one record that keeps its key as long as the verdict says', async () => {
    const run = await Run.start(new MemoryDisk(), clockAt(), new SeededRandom(1));
    const paid = payment(7, 1_000n, [testNode(1), SELF, testNode(3)], 4_242);
    await run.accept(paid);
    const records = await run.records();
    expect(records).toMatchObject([{ type: RECORD_TYPES.payment, keepUntil: 4_242 }]);
    expect(records.map(postingOf).map(({ key }) => key)).toEqual([paid.verdict.replayKey]);
  });

  it('counts as received only where its packet ends here', async () => {
    const run = await Run.start(new MemoryDisk(), clockAt(), new SeededRandom(1));
    await run.accept(payment(1, 1_000n, [testNode(1), SELF, testNode(3)], 1));
    await run.accept(payment(2, 1_000n, [SELF, testNode(3)], 1));
    expect(run.accounts.received().packets).toBe(0);
    await run.accept(payment(3, 1_000n, [testNode(1), testNode(4), SELF], 1));
    expect(run.accounts.received()).toEqual({
      packets: 1,
      totalMsat: 1_000n,
      destinationMsat: 600n,
      routersMsat: 300n,
      treasuryMsat: 100n,
    });
  });

  it('a record of another version stops the start', () => {
    const ledger = new Ledger();
    const accounts = new Accounts({
      self: SELF,
      clock: clockAt(),
      random: new SeededRandom(1),
      ledger,
      debts: debtsIn(ledger),
      append: () => Promise.resolve(),
      hasRoom: () => true,
    });
    const good = encodePosting({ key: new Uint8Array(32), postedAt: 0n, entries: [] });
    for (const record of [
      { type: RECORD_TYPES.payment, keepUntil: 1, payload: Uint8Array.of(1, 2, 3) },
      { type: 9, keepUntil: 1, payload: good },
    ]) {
      expect(() => accounts.restore(record)).toThrow(expect.objectContaining({ code: 'JOURNAL_CORRUPT' }));
    }
  });
});

describe('accounts > a restart', () => {
  it('restores balances and the keys of payments, whole', async () => {
    const disk = new MemoryDisk();
    const clock = clockAt();
    const random = new SeededRandom(1);
    const before = await Run.start(disk, clock, random);
    for (let n = 0; n < 20; n++) {
      await before.accept(payment(n, BigInt(n + 1), [testNode(n + 3), SELF], later(clock, 60)));
    }
    await before.close();
    const after = await Run.start(disk, clock, random);
    expect(after.ledger.balances()).toEqual(before.ledger.balances());
    expect(after.accounts.received()).toEqual(before.accounts.received());
    expect(after.keys.size).toBe(20);
    expect(await after.isConserved()).toBe(true);
  });

  it('drops what has expired: its key is free, what it moved stays owed', async () => {
    const disk = new MemoryDisk();
    const clock = clockAt();
    const random = new SeededRandom(1);
    const before = await Run.start(disk, clock, random);
    for (let n = 0; n < 9; n++) {
      await before.accept(payment(n, 1_001n, [testNode(1), testNode(n + 3), SELF], later(clock, 60)));
    }
    await before.accept(payment(99, 1_001n, [testNode(1), SELF], later(clock, 600)));
    await before.close();
    clock.advance(120_000);
    const after = await Run.start(disk, clock, random);
    expect(after.ledger.balances()).toEqual(before.ledger.balances());
    expect(after.keys).toEqual(
      new Set([toHex(payment(99, 0n, [], 0).verdict.replayKey ?? new Uint8Array())]),
    );
    expect(await after.isConserved()).toBe(true);
    const [kept, carried, ...rest] = await after.records();
    expect(carried).toMatchObject({ type: RECORD_TYPES.carried, keepUntil: KEEP_FOREVER });
    expect(kept).toMatchObject({ type: RECORD_TYPES.payment });
    expect(rest).toEqual([]);
  });

  it('is not needed to drop what has expired: the audit agrees before, while and after the log is rewritten', async () => {
    const clock = clockAt();
    const random = new SeededRandom(1);
    const run = await Run.start(new MemoryDisk(), clock, random);
    for (let n = 0; n < 9; n++) await run.accept(payment(n, 1_001n, [testNode(1), SELF], later(clock, 60)));
    const before = run.ledger.balances();
    clock.advance(120_000);
    const audits = [run.isConservedInPlace()];
    const rewritten = run.compact(clock, random);
    for (let n = 20; n < 25; n++) {
      await run.accept(payment(n, 7n, [testNode(1), SELF], later(clock, 60)));
      audits.push(run.isConservedInPlace());
    }
    await rewritten;
    await Promise.all(audits);
    // Whoever read the log made the rewriting give way.
    await run.compact(clock, random);
    audits.push(run.isConservedInPlace());
    expect(await Promise.all(audits)).toEqual(audits.map(() => true));
    expect(await run.records()).toHaveLength(6);
    expect(run.ledger.totals()).toMatchObject({ postings: 6, totalMsat: 9n * 1_001n + 35n });
    expect(run.ledger.balances().get('paid-in')).toBe((before.get('paid-in') ?? 0n) + 35n);
  });

  it('counts as received what is in single records still, never what others received', async () => {
    const disk = new MemoryDisk();
    const clock = clockAt();
    const random = new SeededRandom(1);
    const before = await Run.start(disk, clock, random);
    await before.accept(payment(1, 1_000n, [testNode(1), testNode(3), SELF], later(clock, 60)));
    await before.accept(payment(2, 50_000n, [testNode(1), SELF, testNode(3)], later(clock, 60)));
    await before.close();
    clock.advance(120_000);
    const after = await Run.start(disk, clock, random);
    expect(after.ledger.totals().totalMsat).toBe(51_000n);
    expect(after.accounts.received().packets).toBe(0);
    expect(after.accounts.received().totalMsat).toBe(0n);
  });

  it('carries more balances than one record may hold', async () => {
    const disk = new MemoryDisk();
    const clock = clockAt();
    const random = new SeededRandom(1);
    const before = await Run.start(disk, clock, random);
    const routers = (n: number): NodeId[] =>
      Array.from({ length: 9 }, (_, index) => nodeIdOf(idBytes(10 * n + index)));
    const work: Promise<void>[] = [];
    for (let n = 0; n < 3_000; n++) {
      work.push(before.accept(payment(n, 1_000n, [testNode(1), ...routers(n), SELF], later(clock, 60))));
    }
    await Promise.all(work);
    await before.close();
    clock.advance(120_000);
    const after = await Run.start(disk, clock, random);
    expect(after.ledger.totals()).toMatchObject({ totalMsat: 3_000_000n, routersMsat: 900_000n });
    expect(after.ledger.balances()).toEqual(before.ledger.balances());
    expect(await after.isConserved()).toBe(true);
  });
});

function idBytes(n: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, n);
  return bytes;
}

/** What happens to an account: a payment, time, or a restart. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('pay' as const),
      amountMsat: fc.oneof(fc.bigInt(1n, 100n), fc.bigInt(1n, U64_MAX), fc.constant(U64_MAX)),
      routers: fc.uniqueArray(fc.integer({ min: 10, max: 15 }), { maxLength: 5 }),
      destination: fc.integer({ min: 2, max: 4 }),
      lifeSeconds: fc.integer({ min: 0, max: 100 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 120 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
);

describe('accounts > any life', () => {
  it('of payments, time and restarts keeps every msat, and every key that has not expired', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const disk = new MemoryDisk();
        const clock = clockAt();
        const random = new SeededRandom(1);
        const owed = new Map<string, bigint>();
        const valid = new Map<string, number>();
        let paidMsat = 0n;
        let paid = 0;
        let run = await Run.start(disk, clock, random);
        for (const each of [...steps, { kind: 'restart' as const }]) {
          if (each.kind === 'wait') clock.advance(1_000 * each.seconds);
          else if (each.kind === 'pay') {
            const { amountMsat, routers, destination, lifeSeconds } = each;
            const route = [testNode(1), ...routers.map(testNode), testNode(destination)];
            const made = payment(paid++, amountMsat, route, later(clock, lifeSeconds));
            await run.accept(made);
            paidMsat += amountMsat;
            valid.set(toHex(made.verdict.replayKey ?? new Uint8Array()), made.verdict.expiresAt);
          } else {
            for (const [name, balance] of run.ledger.balances()) owed.set(name, balance);
            await run.close();
            run = await Run.start(disk, clock, random);
            expect(run.ledger.balances()).toEqual(owed);
          }
          const { totalMsat, destinationMsat, routersMsat, treasuryMsat } = run.ledger.totals();
          expect(totalMsat).toBe(paidMsat);
          expect(destinationMsat + routersMsat + treasuryMsat).toBe(paidMsat);
        }
        for (const [key, expiresAt] of valid) {
          if (expiresAt >= clock.unixSeconds()) expect(run.keys.has(key)).toBe(true);
        }
        expect(await run.isConserved()).toBe(true);
      }),
      { numRuns: 40 },
    );
  });
});

describe('carried balances', () => {
  const posting = (amountMsat: bigint): Posting => ({
    key: new Uint8Array(32),
    postedAt: 0n,
    entries: [
      { account: { kind: 'PaidIn' }, side: 'Debit', amountMsat },
      { account: { kind: 'Destination', node: SELF }, side: 'Credit', amountMsat },
    ],
  });
  const recordOf = (amountMsat: bigint): JournalRecord => ({
    type: RECORD_TYPES.payment,
    keepUntil: 1,
    payload: encodePosting(posting(amountMsat)),
  });

  it('of nothing are no record', () => {
    expect(new CarriedBalances(clockAt(), new SeededRandom(1)).carried()).toEqual([]);
  });

  it('beyond 64 bits are written in several entries, and balance', () => {
    const fold = new CarriedBalances(clockAt(), new SeededRandom(1));
    for (let n = 0; n < 5; n++) expect(fold.take(recordOf(U64_MAX), true)).toBe(true);
    const ledger = new Ledger();
    for (const record of fold.carried()) {
      expect(viewOf(postingOf(record)).isBalanced()).toBe(true);
      expect(ledger.post(viewOf(postingOf(record)))).toBe('posted');
    }
    expect(ledger.totals().totalMsat).toBe(5n * U64_MAX);
    expect(ledger.balances().get(`destination:${nodeKey(SELF)}`)).toBe(-5n * U64_MAX);
  });

  it('leave alone what has not expired, and fold what was carried before once more', () => {
    const random = new SeededRandom(1);
    const before = new CarriedBalances(clockAt(), random);
    expect(before.take(recordOf(5n), false)).toBe(false);
    expect(before.take(recordOf(7n), true)).toBe(true);
    const again = new CarriedBalances(clockAt(), random);
    for (const record of before.carried()) expect(again.take(record, false)).toBe(true);
    expect(again.take(recordOf(1n), true)).toBe(true);
    expect(again.carried()).toHaveLength(1);
    const ledger = new Ledger();
    for (const record of again.carried()) ledger.post(viewOf(postingOf(record)));
    expect(ledger.totals()).toMatchObject({ totalMsat: 8n, destinationMsat: 8n, postings: 1 });
  });

  it('of more nodes than there is room for are in one account of their kind, and nothing is lost', () => {
    const fold = new CarriedBalances(clockAt(), new SeededRandom(1), 3);
    for (let n = 0; n < 10; n++) {
      const routed = paymentPosting({
        key: idBytes(n),
        postedAt: 0n,
        destination: SELF,
        routers: [nodeIdOf(idBytes(n + 1))],
        distribution: splitFee(1_000n, [1n]),
      });
      const payload = encodePosting(routed);
      fold.take({ type: RECORD_TYPES.payment, keepUntil: 1, payload }, true);
    }
    const ledger = new Ledger();
    for (const record of fold.carried()) expect(ledger.post(viewOf(postingOf(record)))).toBe('posted');
    expect(ledger.totals()).toMatchObject({
      totalMsat: 10_000n,
      routersMsat: 3_000n,
      destinationMsat: 6_000n,
    });
    expect(ledger.balances().get('router:others')).toBe(-2_700n);
    expect(ledger.balances().size).toBeLessThanOrEqual(5);
  });
});
