// Debts that were settled: recorded once, never more than was owed, durable, below the cap again (payments.md, Bounded
// trust); and the ledger after any crash (payments.md, Fee split).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { fromHex, toHex } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { Accounts, type SettlementOutcome } from '../../../src/engine/accounts.js';
import { CarriedBalances } from '../../../src/engine/carried.js';
import { Debts } from '../../../src/engine/debts.js';
import { postingBytesOf } from '../../../src/engine/ledger-records.js';
import { statementOf, type Statement } from '../../../src/engine/statement.js';
import { Ledger } from '../../../src/ledger/ledger.js';
import { recount } from '../../../src/ledger/recount.js';
import { refusedVerdict } from '../../../src/pool/judge.js';
import type { PacketVerdict } from '../../../src/pool/judge-port.js';
import { Journal } from '../../../src/store/journal.js';
import { recorded } from '../../support/ledger.js';
import { testNode } from '../../support/paid-packets.js';
import { testPacket } from '../../support/packets.js';
import { MemoryDisk } from '../store/memory-disk.js';

const SELF = testNode(2);
const PAYEE = '02'.padEnd(66, 'a');
const OTHER = '03'.padEnd(66, 'b');
/** Of a router between two others, of what `pay` pays. */
const SHARE = 300n;
const LIFE_SECONDS = 60;
/** One for all runs, as the machine's is: keys that are drawn never come again. */
const random = new SeededRandom(1);
const silent = { log: () => undefined };

const keyOf = (payee: string): Uint8Array => present(fromHex(payee), 'hex');

/** One run of a module on a disk. */
class Run {
  readonly ledger = new Ledger();
  readonly debts: Debts;
  readonly accounts: Accounts;
  readonly journal: Journal;
  readonly clock: VirtualClock;
  capsChanged = 0;

  static async start(disk: MemoryDisk, clock: VirtualClock, capMsat = 0n): Promise<Run> {
    const journal = await Journal.open({
      disk,
      path: 'j',
      clock,
      log: silent,
      isFirstRun: true,
      segmentBytes: 4_096,
    });
    const run = new Run(journal, clock, capMsat);
    // As the module does before it has a ledger.
    await journal.compact(
      () => new CarriedBalances(clock, random),
      () => undefined,
    );
    for await (const batch of journal.batches()) for (const record of batch) run.accounts.restore(record);
    return run;
  }

  private constructor(journal: Journal, clock: VirtualClock, capMsat: bigint) {
    this.journal = journal;
    this.clock = clock;
    const { ledger } = this;
    const onCapsChanged = (): void => {
      this.capsChanged += 1;
    };
    this.debts = new Debts({ ownPayee: null, ledger, capMsat, log: silent, onCapsChanged });
    this.accounts = new Accounts({
      self: SELF,
      clock,
      random,
      ledger,
      append: (records) => journal.append(records),
      hasRoom: (bytes) => journal.hasRoom(bytes),
      debts: this.debts,
    });
  }

  /** A payment of 1,000 msat over this node, to a payee's key. */
  pay(number: number, payee = PAYEE, amountMsat = 1_000n): Promise<void> {
    const replayKey = new Uint8Array(32);
    new DataView(replayKey.buffer).setUint32(0, number);
    const route = [testNode(1), SELF, testNode(3)];
    const verdict: PacketVerdict = {
      ...refusedVerdict(Reason.Accepted),
      kind: 'paid',
      position: 1,
      replayKey,
      amountMsat,
      payee,
      expiresAt: this.clock.unixSeconds() + LIFE_SECONDS,
    };
    const packet = testPacket({ route, source: testNode(1), destination: testNode(3) });
    return recorded(this.accounts, { packet, verdict });
  }

  settle(amountMsat: bigint | null, reference = '', payee = PAYEE): Promise<SettlementOutcome> {
    return this.accounts.settle({ payee: keyOf(payee), amountMsat, reference });
  }

  owed(payee = PAYEE): bigint {
    return this.debts.owedBy(keyOf(payee));
  }

  statement(payee = PAYEE): Promise<Statement> {
    return statementOf(payee, this.journal.batches());
  }

  compact(): Promise<void> {
    return this.journal.compact(
      () => new CarriedBalances(this.clock, random),
      (dropped, carried) => {
        this.accounts.logRewritten(dropped, carried);
      },
    );
  }

  async isConserved(): Promise<boolean> {
    const { journal } = this;
    const log = async function* (): AsyncGenerator<readonly Uint8Array[]> {
      for await (const batch of journal.batches()) yield batch.map(postingBytesOf);
    };
    const alone = await recount(log, journal.stats().records);
    return alone.conserved && (await this.ledger.verify(log)).conserved;
  }
}

describe('the cap on a debt › changed while it runs', () => {
  it('stops a payee that owes as much already, and lets it go on above it or without one', async () => {
    const run = await Run.start(new MemoryDisk(), new VirtualClock());
    await run.pay(1);
    expect(run.debts.capped()).toEqual([]);
    run.debts.setCap(SHARE);
    expect([run.debts.capped(), run.capsChanged]).toEqual([[PAYEE], 1]);
    run.debts.setCap(SHARE + 1n);
    expect([run.debts.capped(), run.capsChanged]).toEqual([[], 2]);
    await run.pay(2);
    expect(run.debts.capped()).toEqual([PAYEE]);
    run.debts.setCap(0n);
    expect(run.debts.capped()).toEqual([]);
    await run.pay(3);
    expect(run.debts.capped()).toEqual([]);
  });
});

describe('settlement › of a debt', () => {
  it('takes all that is owed, or a part, and says what is left', async () => {
    const run = await Run.start(new MemoryDisk(), new VirtualClock());
    for (let n = 0; n < 3; n++) await run.pay(n);
    expect(await run.settle(100n)).toEqual({ ok: true, settledMsat: 100n, owedMsat: 3n * SHARE - 100n });
    expect(await run.settle(null)).toEqual({ ok: true, settledMsat: 3n * SHARE - 100n, owedMsat: 0n });
    expect(await run.settle(null)).toMatchObject({ ok: false, why: 'the payee owes nothing' });
    expect(run.ledger.balances().get('unsettled')).toBe(0n);
    expect(run.ledger.totals()).toMatchObject({ totalMsat: 3_000n });
    expect(await run.isConserved()).toBe(true);
  });

  it.each([
    [3n * SHARE + 1n, 'no more than that'],
    [1n << 70n, 'no more than that'],
    [0n, 'at least'],
    [-1n, 'at least'],
  ])(
    'of %s msat where less is owed, or of nothing, is refused with a text and leaves nothing behind',
    async (amount, why) => {
      const run = await Run.start(new MemoryDisk(), new VirtualClock());
      for (let n = 0; n < 3; n++) await run.pay(n);
      const before = run.journal.stats().records;
      const outcome = await run.settle(amount);
      expect(outcome.ok).toBe(false);
      expect(outcome.ok ? '' : outcome.why).toContain(why);
      expect(run.journal.stats().records).toBe(before);
      expect(run.owed()).toBe(3n * SHARE);
    },
  );

  it('counts once for each reference of a payee, also after a restart, and without one each time', async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    let run = await Run.start(disk, clock);
    for (let n = 0; n < 4; n++) await run.pay(n, n % 2 === 0 ? PAYEE : OTHER);
    expect(await run.settle(1n, 'invoice 7')).toMatchObject({ ok: true });
    for (let life = 0; life < 2; life++) {
      expect(await run.settle(1n, 'invoice 7')).toMatchObject({
        ok: false,
        why: expect.stringContaining('invoice 7') as string,
      });
      await run.journal.close();
      run = await Run.start(disk, clock);
    }
    expect(await run.settle(1n, 'invoice 7', OTHER)).toMatchObject({ ok: true });
    expect([await run.settle(1n), await run.settle(1n)]).toMatchObject([{ ok: true }, { ok: true }]);
    expect(run.owed()).toBe(2n * SHARE - 3n);
    const long = 'x'.repeat(LIMITS.SETTLEMENT_REFERENCE_BYTES + 1);
    expect(await run.settle(1n, long)).toMatchObject({ ok: false });
  });

  it('is recorded one at a time: two at once cannot settle more than is owed', async () => {
    const run = await Run.start(new MemoryDisk(), new VirtualClock());
    await run.pay(1);
    const [first, second] = await Promise.all([run.settle(SHARE), run.settle(SHARE)]);
    expect(first).toMatchObject({ ok: true });
    expect(second).toMatchObject({ ok: false });
    expect(run.owed()).toBe(0n);
  });

  it('that could not be made durable settles nothing', async () => {
    const disk = new MemoryDisk();
    const run = await Run.start(disk, new VirtualClock());
    await run.pay(1);
    disk.before = (operation) => {
      if (operation === 'sync') throw new Error('EIO');
    };
    await expect(run.settle(null)).rejects.toMatchObject({ code: 'JOURNAL_FAILED' });
    expect(run.owed()).toBe(SHARE);
  });
});

describe('settlement › the cap', () => {
  it('is left when enough is settled, and stays left over a restart', async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    let run = await Run.start(disk, clock, 2n * SHARE);
    await run.pay(1);
    await run.pay(2, OTHER);
    expect(run.debts.capped()).toEqual([]);
    await run.pay(3);
    expect([run.debts.capped(), run.capsChanged]).toEqual([[PAYEE], 1]);
    await run.pay(4);
    await run.settle(SHARE);
    // It owes two shares still, which is the cap.
    expect([run.debts.capped(), run.capsChanged]).toEqual([[PAYEE], 1]);
    await run.settle(1n);
    expect([run.debts.capped(), run.capsChanged]).toEqual([[], 2]);
    await run.journal.close();
    run = await Run.start(disk, clock, 2n * SHARE);
    expect(run.debts.capped()).toEqual([]);
    expect(run.owed()).toBe(2n * SHARE - 1n);
    await run.pay(5);
    expect(run.debts.capped()).toEqual([PAYEE]);
  });
});

describe('settlement › a statement', () => {
  it('shows it beside the payments, and keeps the sums when records are dropped', async () => {
    const disk = new MemoryDisk();
    const clock = new VirtualClock();
    let run = await Run.start(disk, clock);
    for (let n = 0; n < 20; n++) await run.pay(n);
    await run.settle(300n);
    await run.settle(200n);
    await run.settle(500n, 'invoice 7');
    const [payment, settlement] = (await run.statement()).items
      .slice(-4)
      .filter((_, index) => index % 3 === 0);
    expect(payment).toMatchObject({ reference: null, amountMsat: SHARE });
    expect(settlement).toMatchObject({ payment: null, reference: 'invoice 7', amountMsat: 500n });
    expect(await run.statement()).toMatchObject({
      settlements: 3,
      settledMsat: 1_000n,
      owedMsat: 20n * SHARE - 1_000n,
    });
    await run.journal.close();
    clock.advance(1_000 * (LIFE_SECONDS + 1));
    run = await Run.start(disk, clock);
    await run.compact();
    expect(await run.statement()).toMatchObject({ settlements: 3, payments: 0, carriedMsat: 20n * SHARE });
    // Long after, the settlement is carried as well, on its own or with the rest.
    clock.advance(1_000 * (LIMITS.SETTLEMENT_KEEP_SECONDS + 1));
    await run.journal.close();
    run = await Run.start(disk, clock);
    await run.compact();
    expect(await run.statement()).toMatchObject({ settlements: 0, owedMsat: 20n * SHARE - 1_000n });
    expect(run.owed()).toBe(20n * SHARE - 1_000n);
    expect(await run.isConserved()).toBe(true);
  });
});

/** What happens before a crash. */
const event = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('pay' as const), amountMsat: fc.bigInt(1n, (1n << 64n) - 1n) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('settle' as const), part: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const) }) },
);
const life = fc.record({
  events: fc.array(event, { minLength: 1, maxLength: 12 }),
  keptBytes: fc.double({ min: 0, max: 1, noNaN: true }),
  operationsLeft: fc.integer({ min: 0, max: 40 }),
});

describe('ledger › after any crash', () => {
  it('has the balances of its log, with all that was acknowledged and nothing twice', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 5 }), async (lives) => {
        const clock = new VirtualClock();
        let disk = new MemoryDisk();
        let made = 0;
        /** What was acknowledged, and what may be there beside it. */
        const sure = { paidMsat: 0n, settledMsat: 0n };
        const maybe = { paidMsat: new Set<bigint>([0n]), settledMsat: new Set<bigint>([0n]) };
        for (const { events, keptBytes, operationsLeft } of lives) {
          const run = await Run.start(disk, clock);
          expect(await run.isConserved()).toBe(true);
          const paidMsat = run.ledger.totals().totalMsat;
          expect(maybe.paidMsat).toContain(paidMsat - sure.paidMsat);
          const settledMsat = settledBy(run);
          expect(maybe.settledMsat).toContain(settledMsat - sure.settledMsat);
          Object.assign(sure, { paidMsat, settledMsat });
          maybe.paidMsat = new Set([0n]);
          maybe.settledMsat = new Set([0n]);
          let left = operationsLeft;
          disk.before = (operation) => {
            if (operation !== 'read' && operation !== 'open' && left-- <= 0) throw new Error('crashed');
          };
          for (const each of events) {
            if (each.kind === 'wait') {
              clock.advance(1_000 * LIFE_SECONDS);
              await run.compact();
            } else if (each.kind === 'pay') {
              try {
                await run.pay(made++, PAYEE, each.amountMsat);
                sure.paidMsat += each.amountMsat;
              } catch {
                maybe.paidMsat.add(each.amountMsat);
                break;
              }
            } else {
              const amountMsat = run.owed() / BigInt(each.part);
              try {
                const settled = await run.settle(amountMsat < 1n << 64n ? amountMsat : null);
                if (settled.ok) sure.settledMsat += settled.settledMsat;
              } catch {
                maybe.settledMsat.add(amountMsat < 1n << 64n ? amountMsat : (1n << 64n) - 1n);
                break;
              }
            }
          }
          disk = disk.crash((synced, unsynced) =>
            unsynced.slice(0, synced.length + Math.floor((unsynced.length - synced.length) * keptBytes)),
          );
        }
        const run = await Run.start(disk, clock);
        expect(await run.isConserved()).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

/** What was ever settled: what payees would owe, less what they do. */
function settledBy(run: Run): bigint {
  let due = 0n;
  for (const [name, balance] of run.ledger.balances()) if (name === `router:${toHex(SELF)}`) due -= balance;
  return due - run.owed();
}
