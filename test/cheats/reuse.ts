// Cheats 23 to 36: one payment used twice.
import { expect } from 'vitest';
import { utf8 } from '../../src/core/bytes.js';
import { Reason, reasonName } from '../../src/core/reasons.js';
import { encodePacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import {
  again,
  cheatNet,
  deliveries,
  meetAgain,
  over,
  REPLAY_KEYS,
  withProof,
} from '../support/engine-cheats.js';
import { withHighS } from '../support/invoices.js';
import { testNode } from '../support/paid-packets.js';
import { cheat, type Cheat } from './catalogue.js';

const DAY = 86_400;
const HIGHEST = (1n << 64n) - 1n;
/** Four packets of each are two batches. */
const RACING_PAYMENTS = 128;

/**
 * Four packets with the same proof, for each of many payments, all at once: they fill several batches, which two worker
 * threads judge side by side over one table. One packet of each payment passes.
 */
async function onTwoThreads(): Promise<void> {
  const net = await cheatNet({ replayKeys: 4_096, workers: (index) => (index === 1 ? 2 : 0) });
  try {
    const payments = Array.from({ length: RACING_PAYMENTS }, () => net.packet([0, 1, 2]));
    const copies = [1n, 2n, 3n, 4n].flatMap((raise) =>
      payments.map((first) => encodePacket({ ...first, sequence: first.sequence + raise })),
    );
    const outcomes = await Promise.all(copies.map((bytes) => net.node(1).handle(bytes, net.addressOf(0))));
    payments.forEach((_, index) => {
      const ofOne = outcomes.filter((_outcome, at) => at % RACING_PAYMENTS === index);
      const told = ofOne.map((outcome) =>
        outcome.kind === 'refused' ? reasonName(outcome.reason) : 'passed',
      );
      expect(told.sort()).toEqual(['ReplayedPayment', 'ReplayedPayment', 'ReplayedPayment', 'passed']);
    });
    expect(net.node(1).judge.stats().batches).toBeGreaterThan(1);
    await net.run(100);
    expect(deliveries(net)).toEqual([0, 0, RACING_PAYMENTS, 0]);
    expect(net.node(1).ledger.totals()).toMatchObject({ postings: RACING_PAYMENTS, refusedDuplicates: 0 });
  } finally {
    await net.close();
  }
}

/** Over two links to one node at once: one passes. */
async function onTwoConnections(): Promise<void> {
  const net = await cheatNet();
  try {
    const first = net.packet([0, 1, 2]);
    const direct = { ...first, route: [net.idOf(0), net.idOf(2)] };
    const outcomes = await Promise.all([net.inject(1, 2, first), net.inject(0, 2, direct)]);
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['delivered', 'refused']);
    expect(net.node(2).counters.refusedFor(Reason.ReplayedPayment)).toBe(1);
    expect(deliveries(net)).toEqual([0, 0, 1, 0]);
  } finally {
    await net.close();
  }
}

export const REUSE_CHEATS: readonly Cheat[] = [
  cheat(
    23,
    'same packet twice',
    'the same bytes again',
    'ReplayedPayment',
    again(() => ({})),
  ),
  cheat(
    23,
    'same packet twice, without MESH',
    'the same packet in the form of old peers',
    'ReplayedPayment',
    async (net) => {
      const first = net.packet([0, 1]);
      await net.inject(0, 1, first);
      return over(net, 0, 1, encodePacket(first, { magic: false }));
    },
  ),
  cheat(
    24,
    'timestamp changed',
    'the packet a second younger',
    'ReplayedPayment',
    again(({ timestamp }) => ({ timestamp: timestamp + 1n })),
  ),
  cheat(
    24,
    'timestamp of the proof changed',
    'a proof of 1970 that never expires',
    'ReplayedPayment',
    again((from) => withProof(from, { timestamp: 0n, expiresAt: HIGHEST })),
  ),
  cheat(
    25,
    'sequence raised',
    'the packet with sequence 2^64-1',
    'ReplayedPayment',
    again(() => ({ sequence: HIGHEST })),
  ),
  cheat(
    26,
    'other payload',
    'the proof with another message',
    'ReplayedPayment',
    again(() => ({ payload: utf8('another message') })),
  ),
  cheat(
    27,
    'other destination',
    'the proof with a packet for another node, paid to the router that both cross',
    'ReplayedPayment',
    again(
      (_, net) => ({ destination: net.idOf(3), route: [0, 1, 2, 3].map((index) => net.idOf(index)) }),
      (net) => net.pay(1),
    ),
  ),
  cheat(
    28,
    'other route',
    'the proof with another route to the same node',
    'ReplayedPayment',
    again((_, net) => ({ route: [0, 1, 3, 2].map((index) => net.idOf(index)) })),
  ),
  cheat(
    29,
    'wrapped in OnChainSettlement',
    'the invoice as the id of a payment request',
    'PaymentRequestUnknown',
    again((from) => ({
      paymentProof: {
        kind: 'OnChainSettlement',
        paymentRequestId: (from.paymentProof as LightningProof).invoice,
        txHash: new Uint8Array(32),
        amountSats: 10n,
        timestamp: from.timestamp,
      },
    })),
  ),
  cheat(
    29,
    'wrapped in InstantSettlement',
    'a covenant in its place',
    'CtvDisabled',
    again((from) => ({
      paymentProof: {
        kind: 'InstantSettlement',
        covenantProof: utf8('no covenant'),
        outputIndex: 0,
        merkleProof: [],
        amountSats: 10n,
        timestamp: from.timestamp,
      },
    })),
  ),
  cheat(
    29,
    'with the other signature of the pair',
    'the same invoice with n - s for s',
    'ReplayedPayment',
    again((from) => withProof(from, { invoice: withHighS((from.paymentProof as LightningProof).invoice) })),
  ),
  cheat(
    29,
    'in another invoice for the same hash',
    'a second invoice of twice the amount that the same preimage opens',
    'ReplayedPayment',
    again((_, net) => ({ paymentProof: net.pay(2, { seed: 77, amountMsat: 20_000n }) })),
  ),
  {
    number: '30',
    name: 'two threads at once',
    sent: `four packets for each of ${RACING_PAYMENTS} payments, to two worker threads: one each passes`,
    reason: 'ReplayedPayment',
    play: onTwoThreads,
  },
  {
    number: '31',
    name: 'two connections at once',
    sent: 'one payment over two links at the same time: one passes',
    reason: 'ReplayedPayment',
    play: onTwoConnections,
  },
  cheat(
    31,
    'on another connection later',
    'a payment that came over one link, over the other one',
    'ReplayedPayment',
    async (net) => {
      const first = net.packet([0, 1, 2]);
      await net.inject(0, 1, first);
      await net.run(100);
      expect(net.node(2).delivered()).toHaveLength(1);
      return over(net, 0, 2, { ...first, route: [net.idOf(0), net.idOf(2)] });
    },
  ),
  cheat(
    32,
    'after restart',
    'the payment once more after the node was restarted',
    'ReplayedPayment',
    again(async (from, net) => {
      await net.restart(1);
      await meetAgain(net);
      return { sequence: from.sequence + 1n };
    }),
  ),
  cheat(
    33,
    'after kill -9 between accept and forward',
    'the packet again after the node was killed with it in hand',
    'ReplayedPayment',
    async (net) => {
      net.cut(1, 2);
      const first = net.packet([0, 1, 2]);
      expect((await net.inject(0, 1, first)).kind).toBe('held');
      await net.restart(1, 'kill');
      await meetAgain(net);
      return over(net, 0, 1, first);
    },
  ),
  cheat(
    34,
    'after 24 h with a longer invoice',
    'an invoice of 30 days, 25 hours after it was used',
    'ReplayedPayment',
    again(
      async (from, net) => {
        net.clock.skewSeconds += 25 * 3_600;
        await net.run(3_000);
        return withProof(from, { timestamp: BigInt(net.clock.unixSeconds()) });
      },
      (net) => net.pay(2, { expirySeconds: 30 * DAY }),
    ),
  ),
  cheat(
    35,
    'across key-table growth, full to the last places',
    'the payment again when all but a few places of the key table are taken',
    'ReplayedPayment',
    again((_, net) => {
      const later = net.clock.unixSeconds() + DAY;
      for (let n = 0; n < REPLAY_KEYS - 4; n++) net.node(1).replayTable.claim(testNode(n), later);
      return { payload: utf8('another message') };
    }),
  ),
  cheat(
    36,
    'clock set back',
    'a payment that was forgotten, at the time at which it was good',
    'InvoiceExpired',
    async (net) => {
      const attack = await again(
        async (from, at) => {
          at.clock.skewSeconds += 3 * DAY;
          await at.run(3_000);
          expect(at.node(1).replay.stats().activeHashes).toBe(0);
          at.clock.skewSeconds -= 3 * DAY;
          return withProof(from, { expiresAt: HIGHEST });
        },
        (at) => at.pay(2, { expirySeconds: 60 }),
      )(net);
      return { ...attack, afterwards: () => (net.clock.skewSeconds += 3 * DAY) };
    },
  ),
];
