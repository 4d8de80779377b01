// The cheats of payments.md, by their numbers there, played against whole nodes: each is refused for its own
// reason and counted, nothing is forwarded, delivered, posted or remembered, and honest traffic passes right after.
// Not here: 20 to 22 and 46 to 50, which need bindings, debts and proofs by chain that are not served.
import { describe, expect, it } from 'vitest';
import { toHex, utf8 } from '../../../src/core/bytes.js';
import { SeededRandom } from '../../../src/core/random.js';
import { Reason, type ReasonName } from '../../../src/core/reasons.js';
import type { PacketOutcome } from '../../../src/engine/mesh-manager.js';
import { DISCOVERY_PROTOCOL, discoveryPacket, helloPacket } from '../../../src/packet/control.js';
import { encodePacket } from '../../../src/packet/packet.js';
import type { LightningProof } from '../../../src/packet/proof.js';
import { encodeStratumMessage } from '../../../src/packet/stratum-wire.js';
import {
  advertisement,
  again,
  answer,
  cheatNet,
  deliveries,
  discovery,
  free,
  headerOf,
  invoice,
  meetAgain,
  mustFail,
  over,
  overwrite,
  packet,
  ping,
  proof,
  REPLAY_KEYS,
  text,
  withProof,
  type Arrange,
} from '../../support/engine-cheats.js';
import { PLENTY_MSAT } from '../../support/engine-net.js';
import {
  makeInvoice,
  SIGNATURE_GROUPS,
  testPayee,
  withHighS,
  withNegatedPayee,
} from '../../support/invoices.js';
import { testNode } from '../../support/paid-packets.js';

const DAY = 86_400;
const HIGHEST = (1n << 64n) - 1n;
/** Of `hello, mesh` over the two hops from 0 to 2 (NET_FEES). */
const PRICE = 1_210n;

type Row = readonly [string, ReasonName, Arrange];

const INVOICES: readonly Row[] = [
  ['1 self-issued by the sender', 'PayeeIsSource', proof((net) => net.pay(0))],
  ['2 payee not accepted', 'PayeeNotAccepted', invoice({ payee: testPayee(1) })],
  ['3 no amount, large claim', 'NoAmount', invoice({ amountMsat: null }, { amountMsats: 1n << 60n })],
  ['4 claimed more than the invoice', 'AmountMismatch', invoice({}, { amountMsats: PLENTY_MSAT + 1n })],
  ['5 claimed less than the price', 'AmountTooLow', invoice({ amountMsat: PRICE - 1n })],
  [
    '6 expired, proof claims later',
    'InvoiceExpired',
    proof((net) => {
      const now = net.clock.unixSeconds();
      return net.pay(2, { timestamp: now - 3_601 }, { expiresAt: BigInt(now + DAY) });
    }),
  ],
  [
    '7 issued in the future',
    'InvoiceFromFuture',
    proof((net) => {
      const now = net.clock.unixSeconds();
      return net.pay(2, { timestamp: now + 200 }, { timestamp: BigInt(now) });
    }),
  ],
  ['8 wrong network', 'WrongNetwork', invoice({ network: 'testnet' })],
  ['9 wrong preimage', 'WrongPreimage', invoice({}, { preimage: new Uint8Array(32) })],
  [
    '10 preimage of another invoice',
    'WrongPreimage',
    invoice({ seed: 1 }, { preimage: makeInvoice({ seed: 2 }).preimage }),
  ],
  [
    '11 broken signature with a right checksum',
    'InvoiceSignature',
    text((good) => overwrite(good, SIGNATURE_GROUPS, new Array<number>(SIGNATURE_GROUPS).fill(0))),
  ],
  ['12 n not matching', 'InvoicePayeeMismatch', text(withNegatedPayee, { namesPayee: true })],
  ['13 high-S with n', 'InvoiceHighS', text(withHighS, { namesPayee: true })],
  [
    '14 duplicate p',
    'InvoiceDuplicateField',
    invoice({ seed: 3, paymentHashes: [toHex(makeInvoice({ seed: 3 }).paymentHash), 'cd'.repeat(32)] }),
  ],
  ['15 wrong-length p', 'InvoiceMissingField', invoice({ paymentHashes: ['cd'.repeat(31)] })],
  ['16 unknown even feature', 'InvoiceUnknownFeature', invoice({ features: [8, 14, 100] })],
  ['17 no secret', 'InvoiceMissingField', invoice({ hasSecret: false })],
  ['18 1 MB of junk as invoice', 'PacketTooLarge', text(() => 'lnbcrt1'.repeat(142_858))],
  ['18 as much junk as a packet can hold', 'InvoiceTooLong', text(() => 'lnbcrt1'.repeat(142_700))],
  [
    '19 mixed case',
    'InvoiceMixedCase',
    text((good) => good.slice(0, -1) + good.slice(-1).toUpperCase().replace(/[0-9]/, 'Q')),
  ],
];

const REUSE: readonly Row[] = [
  ['23 same packet twice', 'ReplayedPayment', again(() => ({}))],
  [
    '23 same packet twice, without MESH',
    'ReplayedPayment',
    async (net) => {
      const first = net.packet([0, 1]);
      await net.inject(0, 1, first);
      return over(net, 0, 1, encodePacket(first, { magic: false }));
    },
  ],
  ['24 timestamp changed', 'ReplayedPayment', again(({ timestamp }) => ({ timestamp: timestamp + 1n }))],
  [
    '24 timestamp of the proof changed',
    'ReplayedPayment',
    again((from) => withProof(from, { timestamp: 0n, expiresAt: HIGHEST })),
  ],
  ['25 sequence raised', 'ReplayedPayment', again(() => ({ sequence: HIGHEST }))],
  ['26 other payload', 'ReplayedPayment', again(() => ({ payload: utf8('another message') }))],
  [
    '27 other destination',
    'ReplayedPayment',
    // Paid to the node that forwards, which accepts its own key for any destination.
    again(
      (_, net) => ({ destination: net.idOf(3), route: [0, 1, 2, 3].map((index) => net.idOf(index)) }),
      (net) => net.pay(1),
    ),
  ],
  [
    '28 other route',
    'ReplayedPayment',
    again((_, net) => ({ route: [0, 1, 3, 2].map((index) => net.idOf(index)) })),
  ],
  [
    '29 wrapped in OnChainSettlement',
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
  ],
  [
    '29 wrapped in InstantSettlement',
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
  ],
  [
    '29 in upper case',
    'ReplayedPayment',
    again((from) =>
      withProof(from, { invoice: (from.paymentProof as LightningProof).invoice.toUpperCase() }),
    ),
  ],
  [
    '29 with the other signature of the pair',
    'ReplayedPayment',
    again((from) => withProof(from, { invoice: withHighS((from.paymentProof as LightningProof).invoice) })),
  ],
  [
    '29 in another invoice for the same hash',
    'ReplayedPayment',
    again((_, net) => ({ paymentProof: net.pay(2, { seed: 77, amountMsat: 20_000n }) })),
  ],
  [
    '31 on another connection',
    'ReplayedPayment',
    async (net) => {
      const first = net.packet([0, 1, 2]);
      await net.inject(0, 1, first);
      await net.run(100);
      expect(net.node(2).delivered()).toHaveLength(1);
      return over(net, 0, 2, { ...first, route: [net.idOf(0), net.idOf(2)] });
    },
  ],
  [
    '32 after restart',
    'ReplayedPayment',
    again(async (from, net) => {
      await net.restart(1);
      await meetAgain(net);
      return { sequence: from.sequence + 1n };
    }),
  ],
  [
    '33 after kill -9 between accept and forward',
    'ReplayedPayment',
    async (net) => {
      net.cut(1, 2);
      const first = net.packet([0, 1, 2]);
      expect((await net.inject(0, 1, first)).kind).toBe('held');
      await net.restart(1, 'kill');
      await meetAgain(net);
      return over(net, 0, 1, first);
    },
  ],
  [
    '34 after 24 h with a longer invoice',
    'ReplayedPayment',
    again(
      async (from, net) => {
        net.clock.skewSeconds += 25 * 3_600;
        await net.run(3_000);
        return withProof(from, { timestamp: BigInt(net.clock.unixSeconds()) });
      },
      (net) => net.pay(2, { expirySeconds: 30 * DAY }),
    ),
  ],
  [
    '35 with every other place in the key table taken but a few',
    'ReplayedPayment',
    again((_, net) => {
      const later = net.clock.unixSeconds() + DAY;
      for (let n = 0; n < REPLAY_KEYS - 4; n++) net.node(1).replayTable.claim(testNode(n), later);
      return { payload: utf8('another message') };
    }),
  ],
  [
    '36 clock set back',
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
  ],
];

const GATE: readonly Row[] = [
  ['37 type says BitcoinP2P, payload is not', 'TypeMismatch', free({ packetType: 'BitcoinP2P' })],
  [
    '38 type says governance from an unknown node',
    'GovernanceNotAllowed',
    free({ packetType: 'CommonsGovernance' }),
  ],
  [
    '39 Stratum-like random bytes',
    'TypeMismatch',
    free({
      packetType: 'StratumV2',
      payload: encodeStratumMessage(0x15, true, new SeededRandom(1).bytes(40)),
    }),
  ],
  [
    '40 paid packet in bitcoin_only',
    'ModeForbids',
    (net) => {
      for (const node of net.nodes) node.setMode('bitcoin_only');
      const honest = (): Promise<PacketOutcome> => net.inject(0, 1, net.packet([0, 1, 2], ping(net)));
      return { ...over(net, 0, 1, net.packet([0, 1, 2])), honest };
    },
  ],
  ['41 Paid without proof', 'PaymentRequired', free({ packetType: 'Paid' })],
  [
    '42 control protocol name on a paid-size payload',
    'ControlTooLarge',
    free({
      packetType: 'CommonsGovernance',
      payload: new Uint8Array(100_000),
      metadata: { protocol: DISCOVERY_PROTOCOL, fields: new Map() },
    }),
  ],
  ['43 loopback: destination = source', 'Loopback', packet(() => ({}), [0, 1, 0])],
];

const STATE: readonly Row[] = [
  [
    "44 junk proof with sequence 2^64-1 under a victim's id",
    'WrongPreimage',
    (net) => {
      const paymentProof = net.pay(1, {}, { preimage: new Uint8Array(32) });
      const honest = (): Promise<PacketOutcome> =>
        net.inject(0, 1, net.packet([0, 1, 2], { ...ping(net), sequence: 1n }));
      return { ...over(net, 2, 1, net.packet([0, 2, 1], { sequence: HIGHEST, paymentProof })), honest };
    },
  ],
  [
    '45 flood of junk proofs must not evict real keys',
    'ReplayedPayment',
    again(async (_, net) => {
      for (let n = 0; n < 3 * REPLAY_KEYS; n++) {
        const junk = { ...net.pay(2, { seed: 5 }), preimage: net.random.bytes(32) };
        expect((await net.inject(0, 1, net.packet([0, 1, 2], { paymentProof: junk }))).kind).toBe('refused');
      }
      expect(net.node(1).replay.stats().activeHashes).toBe(1);
      return {};
    }),
  ],
];

const ROUTE: readonly Row[] = [
  [
    '51 advertisement of 0 cost from a non-neighbour',
    'UnknownPeer',
    (net) => {
      const stranger = net.stranger(1, 'stranger');
      const id = testNode(7);
      const bytes = encodePacket(discoveryPacket(headerOf(net, id), net.idOf(1), advertisement(id)));
      return { victim: 1, strike: () => stranger.send(bytes) };
    },
  ],
  ["51 in a non-neighbour's name", 'UnauthenticatedPeer', discovery(() => advertisement(testNode(7)))],
  ['51 of a neighbour', 'AdvertisementInfeasible', discovery((net) => advertisement(net.idOf(0)))],
  [
    '52 response never asked for',
    'ResponseNotAsked',
    discovery((net) => ({
      kind: 'RouteResponse',
      destination: net.idOf(3),
      source: net.idOf(1),
      requestId: 7n,
      route: [1, 0, 3].map((index) => net.idOf(index)),
      cost: 0n,
    })),
  ],
  [
    '53 response with a loop',
    'RouteRepeatsNode',
    answer((net, liar, wanted) => [net.idOf(1), liar, net.idOf(0), liar, wanted]),
  ],
  ['53 response that starts elsewhere', 'RouteEndsMismatch', answer((_, liar, wanted) => [liar, wanted])],
  ['54 route through the sender twice', 'RouteRepeatsNode', packet(() => ({}), [0, 1, 0, 2])],
  ['55 spoofed source id on a connection', 'WrongPreviousHop', (net) => over(net, 2, 1, net.packet([0, 1]))],
  ["55 this node's own id as source", 'SpoofedSource', (net) => over(net, 0, 1, net.packet([1, 2]))],
  [
    '55 on a connection that has not said hello',
    'UnknownPeer',
    (net) => {
      const stranger = net.stranger(1, 'stranger');
      return { victim: 1, strike: () => stranger.send(encodePacket(net.packet([0, 1]))) };
    },
  ],
  [
    '56 hello replayed from another connection',
    'HelloMismatch',
    (net) => {
      const stranger = net.stranger(1, 'stranger');
      const hello = encodePacket(helloPacket(headerOf(net, net.idOf(0)), net.idOf(1)));
      return { victim: 1, strike: () => stranger.send(hello) };
    },
  ],
];

for (const [title, rows] of [
  ['invoice', INVOICES],
  ['reuse', REUSE],
  ['gate', GATE],
  ['state', STATE],
  ['route', ROUTE],
] as const) {
  describe(`cheats > ${title}`, () => {
    it.each(rows)('cheat %s > %s', (_name, reason, arrange) => mustFail(reason, arrange));
  });
}

describe('cheats > at the same time', () => {
  it('cheat 30 two at once > ReplayedPayment', async () => {
    const net = await cheatNet();
    const first = net.packet([0, 1, 2]);
    const variants = [first, { ...first, sequence: 9n }, { ...first, payload: utf8('other') }, first];
    const outcomes = await Promise.all(variants.map((variant) => net.inject(0, 1, variant)));
    const refusals = outcomes.flatMap((outcome) => (outcome.kind === 'refused' ? [outcome.reason] : []));
    expect(refusals).toEqual([Reason.ReplayedPayment, Reason.ReplayedPayment, Reason.ReplayedPayment]);
    await net.run(100);
    expect(deliveries(net)).toEqual([0, 0, 1, 0]);
    expect(net.node(1).ledger.totals()).toMatchObject({ postings: 1, refusedDuplicates: 0 });
    await net.close();
  });

  it('cheat 31 two connections at once > ReplayedPayment', async () => {
    const net = await cheatNet();
    const first = net.packet([0, 1, 2]);
    const direct = { ...first, route: [net.idOf(0), net.idOf(2)] };
    const [over1, over0] = await Promise.all([net.inject(1, 2, first), net.inject(0, 2, direct)]);
    expect([over1.kind, over0.kind].sort()).toEqual(['delivered', 'refused']);
    expect(net.node(2).counters.refusedFor(Reason.ReplayedPayment)).toBe(1);
    expect(deliveries(net)).toEqual([0, 0, 1, 0]);
    await net.close();
  });
});
