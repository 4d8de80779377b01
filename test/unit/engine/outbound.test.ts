// Packets that start at a node: which route they take, what they are declared as, and what the caller is told.
import { afterEach, describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { toHex, utf8 } from '../../../src/core/bytes.js';
import { nodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { JudgePolicy } from '../../../src/core/policy.js';
import { Reason, reasonName, type ReasonName } from '../../../src/core/reasons.js';
import type { SendRequest, SendResult } from '../../../src/engine/outbound.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { encodePacket, packetId } from '../../../src/packet/packet.js';
import { STRATUM_MESSAGES } from '../../../src/packet/stratum-wire.js';
import { EngineNet, netNode, PROTOCOL, type EngineNetOptions } from '../../support/engine-net.js';
import { stratumSample } from '../../support/stratum-samples.js';

/** 0 to 3 directly over 1, or a hop longer over 2 and 4. */
const NET: EngineNetOptions = {
  nodes: 5,
  links: [
    [0, 1],
    [1, 3],
    [0, 2],
    [2, 4],
    [4, 3],
  ],
};
const HELLO = utf8('hello, mesh');
/** Of HELLO over so many hops (NET_FEES). */
const price = (hops: number): bigint => 1_010n + 100n * BigInt(hops);

const nets: EngineNet[] = [];

async function netOf(options: EngineNetOptions = NET): Promise<EngineNet> {
  const net = await EngineNet.start(options);
  nets.push(net);
  return net;
}

async function send(net: EngineNet, request: Partial<SendRequest> = {}): Promise<SendResult> {
  const result = await net.node(0).outbound.send({
    destination: net.idOf(3),
    payload: HELLO,
    paymentProof: net.pay(3),
    protocolId: PROTOCOL,
    ttlSeconds: null,
    ...request,
  });
  await net.settle();
  return result;
}

/** The longer way, which a search that was answered by the shorter one did not look for. */
function teachDetour(net: EngineNet): void {
  const ids = [0, 2, 4, 3].map((index) => net.idOf(index));
  expect(net.node(0).table.learn(ids, 2n)).toBe(Reason.Accepted);
}

const told = (result: SendResult): ReasonName | 'sent' => (result.ok ? 'sent' : reasonName(result.reason));

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

describe('outbound > the route', () => {
  it('is one that the payment covers, whichever way the choice would fall', async () => {
    const net = await netOf();
    await net.discover(0, 3);
    teachDetour(net);
    const known = net.node(0).table.alternatives(net.idOf(3));
    expect(known.map(({ ids }) => ids.length - 1)).toEqual([2, 3]);
    for (let n = 0; n < 12; n++) {
      const result = await send(net, { paymentProof: net.pay(3, { amountMsat: price(2) }) });
      expect(result).toMatchObject({ ok: true, priceMsat: price(2) });
    }
    const longer = new Set<number>();
    for (let n = 0; n < 40; n++) {
      const result = await send(net, { paymentProof: net.pay(3, { amountMsat: price(3) }) });
      if (result.ok) longer.add(result.route.ids.length - 1);
    }
    expect(longer).toEqual(new Set([2, 3]));
  });

  it('is told, with the id under which the packet travels', async () => {
    const net = await netOf();
    await net.discover(0, 3);
    const result = await send(net);
    const { packet } = present(net.hops[0], 'it was sent');
    expect(result).toMatchObject({ ok: true, packetId: packetId(encodePacket(packet)) });
    expect(packet.route.map(nodeKey)).toEqual(result.ok ? result.route.ids.map(nodeKey) : []);
    expect(packet).toMatchObject({ packetType: 'Paid', source: net.idOf(0), destination: net.idOf(3) });
    expect(packet.metadata?.protocol).toBe(PROTOCOL);
  });

  it('may not be known yet: the caller is told to ask again, and one search is under way', async () => {
    const net = await netOf();
    const first = await send(net);
    expect(first).toMatchObject({ ok: false, reason: Reason.RouteUnknown });
    expect(first.ok ? '' : first.error).toContain('ask again');
    expect(told(await send(net))).toBe('RouteUnknown');
    expect(net.node(0).discovery.stats().pending).toBe(1);
    await net.run(500);
    expect(told(await send(net))).toBe('sent');
    expect(net.node(0).replay.stats().activeHashes).toBe(1);
  });

  it('is found within the hops that the caller allows', async () => {
    const net = await netOf();
    const { outbound } = net.node(0);
    expect(outbound.routes(net.idOf(3), { maxHops: 1 })).toEqual([]);
    await net.run(1_500);
    expect(outbound.routes(net.idOf(3), { maxHops: 1 })).toEqual([]);
    await net.run(35_000);
    await net.discover(0, 3);
    teachDetour(net);
    expect(outbound.routes(net.idOf(3), { maxHops: 2 })).toHaveLength(1);
    expect(outbound.routes(net.idOf(3))).toHaveLength(2);
  });

  it('is searched within the time that the caller allows, and not at all without hops or time', async () => {
    const net = await netOf();
    net.links.break(0, 1, 'silent');
    net.links.break(0, 2, 'silent');
    const { outbound, discovery } = net.node(0);
    const pending = (): number => discovery.stats().pending;
    outbound.routes(net.idOf(3), { maxHops: 0 });
    outbound.routes(net.idOf(3), { timeoutMillis: 0 });
    expect(pending()).toBe(0);
    outbound.routes(net.idOf(3), { timeoutMillis: 2_000 });
    await net.run(1_900);
    expect(pending()).toBe(1);
    await net.run(200);
    expect(pending()).toBe(0);
  });

  it('is found by whoever asks farther while a search that goes less far is under way', async () => {
    const net = await netOf();
    const { outbound, discovery } = net.node(0);
    expect(outbound.routes(net.idOf(3), { maxHops: 1 })).toEqual([]);
    await net.run(1_000);
    expect(outbound.routes(net.idOf(3))).toEqual([]);
    expect(discovery.stats().pending).toBe(1);
    await net.run(500);
    expect(outbound.routes(net.idOf(3))).not.toEqual([]);
  });
});

describe('outbound > refusals', () => {
  it('say why, send nothing, and leave the payment unused', async () => {
    const net = await netOf();
    await net.discover(0, 3);
    const before = net.node(0).state();
    const cases: [ReasonName, Partial<SendRequest>][] = [
      ['PayloadTooLarge', { payload: new Uint8Array(LIMITS.PAYLOAD_BYTES + 1) }],
      ['Loopback', { destination: net.idOf(0) }],
      ['AmountTooLow', { paymentProof: net.pay(3, { amountMsat: price(2) - 1n }) }],
      ['AmountMismatch', { paymentProof: net.pay(3, {}, { amountMsats: 1n << 40n }) }],
      ['PayeeIsSource', { paymentProof: net.pay(0) }],
      ['WrongPreimage', { paymentProof: net.pay(3, {}, { preimage: new Uint8Array(32) }) }],
      ['GovernanceNotAllowed', { paymentProof: null }],
    ];
    for (const [reason, request] of cases) {
      const result = await send(net, request);
      expect(told(result)).toBe(reason);
      expect(result.ok ? '' : result.error).toMatch(new RegExp(`^${reason}: `));
    }
    expect(net.node(0).state()).toEqual(before);
    expect(net.hops).toEqual([]);
  });

  it('a payment buys one packet', async () => {
    const net = await netOf();
    await net.discover(0, 3);
    const paymentProof = net.pay(3);
    expect(told(await send(net, { paymentProof }))).toBe('sent');
    expect(told(await send(net, { paymentProof }))).toBe('ReplayedPayment');
  });
});

describe('outbound > free traffic', () => {
  const stratum = stratumSample(present(STRATUM_MESSAGES[0], 'there are Stratum messages'), 'full');
  const ping = encodeBitcoinMessage('regtest', 'ping', new Uint8Array(8));

  it.each([
    ['BitcoinP2P', ping],
    ['StratumV2', stratum],
  ] as const)('is declared as what it is: %s', async (packetType, payload) => {
    const net = await netOf();
    await net.discover(0, 3);
    expect(await send(net, { paymentProof: null, protocolId: null, payload })).toMatchObject({
      ok: true,
      priceMsat: 0n,
    });
    await net.run(100);
    expect(net.hops[0]?.packet).toMatchObject({ packetType, paymentProof: null, metadata: null });
    expect(
      net
        .node(3)
        .delivered()
        .map(({ payload: arrived }) => toHex(arrived)),
    ).toEqual([toHex(payload)]);
    expect(net.node(3).ledger.totals().postings).toBe(0);
  });

  it('of governance passes from nodes on the list', async () => {
    const policy = (): Partial<JudgePolicy> => ({
      governanceProtocols: ['vote-v1'],
      governanceNodes: [nodeKey(netNode(0))],
    });
    const net = await netOf({ ...NET, policy });
    await net.discover(0, 3);
    expect(told(await send(net, { paymentProof: null, protocolId: 'vote-v1' }))).toBe('sent');
    expect(told(await send(net, { paymentProof: null, protocolId: 'other-v1' }))).toBe(
      'GovernanceNotAllowed',
    );
    await net.run(100);
    expect(net.node(3).delivered()).toHaveLength(1);
  });

  it('counts up, also over a restart, so that no neighbour takes it for a replay', async () => {
    const net = await netOf();
    const free: Partial<SendRequest> = { destination: net.idOf(1), paymentProof: null, payload: stratum };
    for (let n = 0; n < 3; n++) expect(told(await send(net, free))).toBe('sent');
    await net.run(1_000);
    await net.restart(0);
    expect(await net.until(() => net.areNeighbours(0, 1), 5_000)).toBe(true);
    for (let n = 0; n < 3; n++) expect(told(await send(net, free))).toBe('sent');
    await net.run(100);
    expect(net.node(1).delivered()).toHaveLength(6);
    expect(net.node(1).counters.refusedFor(Reason.SequenceReplayed)).toBe(0);
  });
});

describe('outbound > ttl', () => {
  it('of the request counts in place of the configured one', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]] });
    const request: Partial<SendRequest> = { destination: net.idOf(1), paymentProof: net.pay(1) };
    net.links.break(0, 1, 'down');
    expect(told(await send(net, { ...request, ttlSeconds: 1 }))).toBe('sent');
    await net.run(1_200);
    expect(net.node(0).failures).toEqual([{ destination: net.idOf(1), reason: 'NextHopLost' }]);
  });

  it('goes along: a packet that is late is refused on its way, and its payment is not used there', async () => {
    const quality = { latencyMillis: [1_500, 1_500], loss: 0, reordering: 0 } as const;
    const net = await netOf({ ...NET, quality });
    await net.discover(0, 3);
    expect(told(await send(net, { ttlSeconds: 2 }))).toBe('sent');
    await net.run(10_000);
    expect(net.hops.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [1, 3],
    ]);
    expect(net.node(1).counters.refusedFor(Reason.PacketExpired)).toBe(0);
    expect(net.node(3).counters.refusedFor(Reason.PacketExpired)).toBe(1);
    expect(net.node(3).delivered()).toEqual([]);
    expect(net.node(3).replay.stats().activeHashes).toBe(0);
  });

  it('holds at each hop: none keeps a packet for longer than its sender asked', async () => {
    const net = await netOf({ nodes: 3, links: [[0, 1], [1, 2]], packetTtlSeconds: 60 }); // prettier-ignore
    await net.discover(0, 2);
    const request: Partial<SendRequest> = { destination: net.idOf(2), ttlSeconds: 5 };
    net.links.break(1, 2, 'silent');
    expect(told(await send(net, { ...request, paymentProof: net.pay(2) }))).toBe('sent');
    net.links.break(1, 2, 'down');
    await net.run(4_000);
    expect(net.node(1).manager.stats().waiting + net.node(1).manager.stats().kept).toBe(1);
    await net.run(2_500);
    expect(net.node(1).manager.stats()).toMatchObject({ waiting: 0, kept: 0, bytes: 0 });
  });

  it('is not on the wire where none was asked for', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]] });
    const request = { destination: net.idOf(1), paymentProof: net.pay(1) };
    await send(net, request);
    await send(net, { ...request, paymentProof: net.pay(1), protocolId: null, ttlSeconds: 86_400 });
    const sent = net.hops.map(({ packet }) => packet.metadata);
    expect(sent).toEqual([
      { protocol: PROTOCOL, fields: new Map() },
      { protocol: null, fields: new Map([['ttl', '86400']]) },
    ]);
  });
});
