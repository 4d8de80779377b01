// What payees owe a node: from accepted payments, over restarts and compaction, up to the cap. Cheat 22 on whole nodes.
import { afterEach, describe, expect, it } from 'vitest';
import { fromHex } from '../../../src/core/bytes.js';
import { present } from '../../../src/core/assert.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason } from '../../../src/core/reasons.js';
import { CarriedBalances } from '../../../src/engine/carried.js';
import { postingOf, RECORD_TYPES } from '../../../src/engine/ledger-records.js';
import { statementOf, type Statement } from '../../../src/engine/statement.js';
import { splitFee } from '../../../src/ledger/fee.js';
import { Ledger } from '../../../src/ledger/ledger.js';
import { paymentPosting } from '../../../src/ledger/posting.js';
import { encodePosting } from '../../../src/ledger/posting-bytes.js';
import type { JournalRecord } from '../../../src/store/journal.js';
import { EngineNet, PLENTY_MSAT, type EngineNetOptions } from '../../support/engine-net.js';
import { testPayee } from '../../support/invoices.js';
import { owedTo, viewOf } from '../../support/ledger.js';
import { testNode } from '../../support/paid-packets.js';

/** 0 to 3 over 1 and 2: each of the two routers has 15 % of what is paid. */
const LINE: EngineNetOptions = {
  nodes: 4,
  links: [
    [0, 1],
    [1, 2],
    [2, 3],
  ],
};
const SHARE = (PLENTY_MSAT * 15n) / 100n;

const nets: EngineNet[] = [];

async function netOf(options: Partial<EngineNetOptions> = {}): Promise<EngineNet> {
  const net = await EngineNet.start({ ...LINE, ...options });
  nets.push(net);
  return net;
}

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

const owed = (net: EngineNet, at: number, payee: number): bigint =>
  owedTo(net.node(at).ledger, net.payeeOf(payee).publicKey);

async function statement(net: EngineNet, at: number, payee: number): Promise<Statement> {
  return statementOf(net.payeeOf(payee).publicKey, net.node(at).journal.batches());
}

describe('debts > of a payment', () => {
  it("are each router's share, where the payee is another; the payee and the source are owed nothing", async () => {
    const net = await netOf();
    await net.inject(0, 1, net.packet([0, 1, 2, 3]));
    await net.run(100);
    expect([0, 1, 2, 3].map((at) => owed(net, at, 3))).toEqual([0n, SHARE, SHARE, 0n]);
  });

  it('are the share of the destination as well, where it was paid to a treasury', async () => {
    // Of no node of the net.
    const treasury = testPayee(1_000 + 9).publicKey;
    const net = await netOf({ policy: () => ({ acceptedPayees: [treasury] }) });
    await net.inject(2, 3, net.packet([2, 3], { paymentProof: net.pay(9) }));
    await net.run(50);
    // Two ids: no router, so 90 % is the destination's.
    expect(owed(net, 3, 9)).toBe((PLENTY_MSAT * 9n) / 10n);
    expect(net.node(3).ledger.totals().totalMsat).toBe(PLENTY_MSAT);
  });

  it('are none where this node is paid itself', async () => {
    const net = await netOf();
    await net.inject(0, 1, net.packet([0, 1, 2, 3], { paymentProof: net.pay(1) }));
    expect(owed(net, 1, 1)).toBe(0n);
    expect(await statement(net, 1, 1)).toMatchObject({ owedMsat: 0n, payments: 0, items: [] });
  });
});

describe('debts > the cap', () => {
  it('cheat 22 payee past its debt cap > DebtCapReached, and other payees are not touched', async () => {
    const net = await netOf({ maxUnsettledMsat: 3n * SHARE });
    for (let n = 0; n < 3; n++) {
      expect((await net.inject(0, 1, net.packet([0, 1, 2, 3]))).kind).toBe('forwarded');
    }
    await net.run(100);
    const before = net.node(1).state();
    const fourth = net.packet([0, 1, 2, 3]);
    expect(await net.inject(0, 1, fourth)).toEqual({ kind: 'refused', reason: Reason.DebtCapReached });
    expect(net.node(1).state()).toEqual(before);
    expect(net.node(3).delivered()).toHaveLength(3);
    expect((await net.inject(0, 1, net.packet([0, 1, 2]))).kind).toBe('forwarded');
    const toRouter = net.packet([0, 1, 2, 3], { paymentProof: net.pay(1) });
    expect((await net.inject(0, 1, toRouter)).kind).toBe('forwarded');
  });

  it('cheat 22 after a kill > DebtCapReached: what was owed is in the journal', async () => {
    const net = await netOf({ maxUnsettledMsat: 2n * SHARE });
    for (let n = 0; n < 2; n++) await net.inject(0, 1, net.packet([0, 1, 2, 3]));
    await net.restart(1, 'kill');
    await net.until(() => net.areNeighbours(0, 1), 10_000);
    expect(owed(net, 1, 3)).toBe(2n * SHARE);
    const more = await net.inject(0, 1, net.packet([0, 1, 2, 3]));
    expect(more).toEqual({ kind: 'refused', reason: Reason.DebtCapReached });
  });

  it('is none by default', async () => {
    const net = await netOf();
    for (let n = 0; n < 5; n++) await net.inject(0, 1, net.packet([0, 1, 2, 3]));
    expect(net.node(1).debts.capped()).toEqual([]);
    expect(owed(net, 1, 3)).toBe(5n * SHARE);
  });
});

describe('debts > a statement', () => {
  it('names each payment and what is owed for it, and sums up', async () => {
    const net = await netOf();
    const packets = [net.packet([0, 1, 2, 3]), net.packet([0, 1, 2, 3])];
    for (const packet of packets) await net.inject(0, 1, packet);
    await net.inject(0, 1, net.packet([0, 1, 2]));
    const told = await statement(net, 1, 3);
    expect(told).toMatchObject({ owedMsat: 2n * SHARE, carriedMsat: 0n, payments: 2 });
    expect(told.items.map(({ amountMsat }) => amountMsat)).toEqual([SHARE, SHARE]);
    expect(await statement(net, 1, 2)).toMatchObject({ owedMsat: (PLENTY_MSAT * 3n) / 10n, payments: 1 });
    expect((await net.node(1).audit()).conserved).toBe(true);
  });

  it('keeps the sum of payments whose records are dropped', async () => {
    const payee = present(fromHex('02'.padEnd(66, 'a')), 'a key');
    const records = [1, 2, 3].map((number): JournalRecord => {
      const posting = paymentPosting({
        key: new Uint8Array(32).fill(number),
        postedAt: BigInt(number),
        destination: testNode(4),
        routers: [testNode(2)],
        distribution: splitFee(1_000n, [1n]),
        due: { payee, amountMsat: 300n },
      });
      return { type: RECORD_TYPES.payment, keepUntil: number, payload: encodePosting(posting) };
    });
    const fold = new CarriedBalances(new VirtualClock(), new SeededRandom(1));
    const kept = records.filter((record, index) => !fold.take(record, index < 2));
    const rewritten = [...fold.carried(), ...kept];
    const ledger = new Ledger();
    for (const record of rewritten) expect(ledger.post(viewOf(postingOf(record)))).toBe('posted');
    const name = '02'.padEnd(66, 'a');
    expect(owedTo(ledger, name)).toBe(900n);
    expect(ledger.totals()).toMatchObject({ totalMsat: 3_000n, routersMsat: 900n, treasuryMsat: 300n });
    const log = async function* (): AsyncGenerator<readonly JournalRecord[]> {
      yield rewritten;
      await Promise.resolve();
    };
    const told = await statementOf(name, log());
    expect(told).toMatchObject({ owedMsat: 900n, carriedMsat: 600n, payments: 1 });
  });
});
