// What becomes of accepted packets when neighbours are lost: by an event, by silence, by a restart, for good.
// Rules: payments.md, any proof, 7; routing.md (a lost neighbour, one local repair, RouteFailed).
import { afterEach, describe, expect, it } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { utf8 } from '../../../src/core/bytes.js';
import { nodeKey } from '../../../src/core/ids.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { HELLO_PROTOCOL, helloPacket } from '../../../src/packet/control.js';
import { decodePacket, encodePacket, type MeshPacket } from '../../../src/packet/packet.js';
import { STRATUM_MESSAGES } from '../../../src/packet/stratum-wire.js';
import {
  EngineNet,
  HELLO_MILLIS,
  PLENTY_MSAT,
  PROTOCOL,
  type EngineNetOptions,
} from '../../support/engine-net.js';
import { stratumSample } from '../../support/stratum-samples.js';

/** 0 to 3 over 1 and 2, or, two hops longer, over 1, 4, 5 and 2... and 4 is no neighbour of 3. */
const DETOUR: EngineNetOptions = {
  nodes: 6,
  links: [
    [0, 1],
    [1, 2],
    [2, 3],
    [1, 4],
    [4, 5],
    [5, 3],
  ],
};

/** Two ways from 0 to 3. */
const DIAMOND: EngineNetOptions = {
  nodes: 4,
  links: [
    [0, 1],
    [1, 3],
    [0, 2],
    [2, 3],
  ],
};

const nets: EngineNet[] = [];

async function netOf(options: EngineNetOptions): Promise<EngineNet> {
  const net = await EngineNet.start(options);
  nets.push(net);
  return net;
}

/** The price of `hello, mesh` over so many hops (NET_FEES). */
const price = (hops: number): bigint => 1_010n + 100n * BigInt(hops);

/** The nodes that put a packet on a link, each with the one that it gave it to. */
const path = (net: EngineNet): string[] => net.hops.map(({ from, to }) => `${from}>${to}`);

function submit(net: EngineNet, packet: MeshPacket, ttlSeconds = 20): Promise<unknown> {
  const from = net.nodes.findIndex((_, index) => nodeKey(net.idOf(index)) === nodeKey(packet.source));
  return net.node(from).manager.submitPacket(packet, ttlSeconds);
}

function expectNothingInCare(net: EngineNet): void {
  const alive = net.nodes.filter((node) => !node.isClosed);
  for (const node of alive) expect(node.manager.stats()).toEqual({ waiting: 0, kept: 0, bytes: 0 });
}

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

describe('repair > a next hop that is gone', () => {
  it('is replaced by another way that the node finds, and the packet arrives once', async () => {
    const net = await netOf(DETOUR);
    net.cut(1, 2);
    await net.inject(0, 1, net.packet([0, 1, 2, 3]));
    expect(net.node(1).manager.stats().waiting).toBe(1);
    await net.run(3_000);
    expect(path(net)).toEqual(['1>4', '4>5', '5>3']);
    expect(net.node(3).delivered()).toHaveLength(1);
    const route = present(net.hops[2], 'three hops').packet.route.map(nodeKey);
    expect(route).toEqual([0, 1, 4, 5, 3].map((index) => nodeKey(net.idOf(index))));
    expect(net.node(1).counters.countOf('packets_repaired')).toBe(1);
  });

  it.each([
    ['covers the longer way', 4, 1],
    ['falls a msat short of it', 4, 0],
  ])('as far as its payment reaches: %s', async (_, hops, arrives) => {
    const net = await netOf({ ...DETOUR, packetTtlSeconds: 5 });
    net.cut(1, 2);
    const amountMsat = arrives === 1 ? price(hops) : price(hops) - 1n;
    await net.inject(0, 1, net.packet([0, 1, 2, 3], { paymentProof: net.pay(3, { amountMsat }) }));
    await net.run(6_000);
    expect(net.node(3).delivered()).toHaveLength(arrives);
    expect(net.node(1).failures).toHaveLength(1 - arrives);
    expectNothingInCare(net);
  });

  it('may be the destination: then there is none but to wait for it', async () => {
    const net = await netOf({
      nodes: 3,
      links: [
        [0, 1],
        [1, 2],
      ],
    });
    net.cut(1, 2);
    await net.inject(0, 1, net.packet([0, 1, 2]));
    await net.run(4_000);
    net.connect(1, 2);
    await net.run(100);
    expect(net.node(2).delivered()).toHaveLength(1);
    expect(net.node(1).failures).toEqual([]);
  });

  it('never sends a packet back to a node that it has passed', async () => {
    const net = await netOf({
      nodes: 4,
      links: [
        [0, 1],
        [1, 2],
        [2, 3],
        [0, 3],
      ],
      packetTtlSeconds: 4,
    });
    net.cut(1, 2);
    await net.discover(1, 3);
    await net.inject(0, 1, net.packet([0, 1, 2, 3]));
    await net.run(5_000);
    expect(net.hops).toEqual([]);
    expect(net.node(1).failures).toHaveLength(1);
  });

  it('once the ttl is over the packet has failed: told once, counted, and forgotten', async () => {
    const net = await netOf({ nodes: 3, links: [...DIAMOND.links.slice(0, 1), [1, 2]], packetTtlSeconds: 3 });
    net.cut(1, 2);
    await net.inject(0, 1, net.packet([0, 1, 2]));
    await net.run(2_900);
    expect(net.node(1).failures).toEqual([]);
    await net.run(200);
    expect(net.node(1).failures).toEqual([{ destination: net.idOf(2), reason: 'NextHopLost' }]);
    expect(net.node(1).counters.refusedFor(Reason.NextHopLost)).toBe(1);
    expectNothingInCare(net);
    net.connect(1, 2);
    await net.run(500);
    expect(net.node(2).delivered()).toEqual([]);
  });

  it('a packet for a full inbox waits for room like any other', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]], policy: () => ({ mode: 'open' }) });
    const node = net.node(1);
    const filler = net.packet([0, 1], { packetType: 'StratumV2', paymentProof: null });
    for (let i = 0; i < LIMITS.INBOX_PACKETS; i++) node.delivery.deliver(filler, new Uint8Array(1), '');
    await submit(
      net,
      net.packet([0, 1], { packetType: 'StratumV2', paymentProof: null, payload: utf8('last') }),
    );
    await net.run(500);
    expect(node.manager.stats().waiting).toBe(1);
    expect(node.delivered()).toHaveLength(LIMITS.INBOX_PACKETS);
    await net.run(1_000);
    expect(node.delivered().at(-1)?.payload).toEqual(utf8('last'));
    expect(node.manager.stats().waiting).toBe(0);
  });
});

describe('repair > a next hop that dies with packets', () => {
  it('noticed by the node: what it was given lately goes another way', async () => {
    const net = await netOf(DIAMOND);
    await net.discover(0, 3);
    await submit(net, net.packet([0, 1, 3]));
    net.cut(0, 1);
    await net.run(1_000);
    expect(net.node(3).delivered()).toHaveLength(1);
    expect(path(net)).toEqual(['0>1', '0>2', '2>3']);
  });

  // The worst case: the dead was heard a moment before, so that its silence is noticed as late as can be.
  it.each([-20, 0, 250, 1_000, 3_500])(
    'noticed by its silence: a packet given to it %i ms after its death arrives exactly once',
    async (delay) => {
      for (const seed of [1, 2, 3]) {
        const net = await netOf({ ...DIAMOND, seed });
        await net.discover(0, 3);
        const give = (): Promise<unknown> => submit(net, net.packet([0, 1, 3]));
        const wasJustHeard = (): boolean => {
          const peer = net
            .node(0)
            .peers.list()
            .find(({ address }) => address === net.addressOf(1));
          return net.clock.monotonicMillis() - present(peer, 'they are neighbours').lastHeardMillis <= 5;
        };
        expect(await net.until(wasJustHeard, 2 * HELLO_MILLIS)).toBe(true);
        if (delay < 0) {
          net.silence(1, 3);
          await give();
          await net.run(-delay);
        }
        await net.stop(1, 'kill');
        if (delay >= 0) {
          await net.run(delay);
          await give();
        }
        await net.run(5 * HELLO_MILLIS);
        expect(net.node(3).delivered()).toHaveLength(1);
        expect(net.node(3).ledger.totals().totalMsat).toBe(PLENTY_MSAT);
        await net.run(10 * HELLO_MILLIS);
        expectNothingInCare(net);
      }
    },
  );

  it('after it had passed them on: they arrive once all the same', async () => {
    const net = await netOf(DIAMOND);
    await net.discover(0, 3);
    await submit(net, net.packet([0, 1, 3]));
    await net.run(50);
    expect(net.node(3).delivered()).toHaveLength(1);
    net.cut(0, 1);
    await net.run(1_000);
    expect(path(net)).toEqual(['0>1', '1>3', '0>2', '2>3']);
    expect(net.node(3).delivered()).toHaveLength(1);
    expect(net.node(3).ledger.totals().postings).toBe(1);
    expect(net.node(3).counters.refusedFor(Reason.ReplayedPayment)).toBe(1);
  });

  it('that had not yet reached it: they go to it again when it introduces itself', async () => {
    const net = await netOf({ nodes: 3, links: [...DIAMOND.links.slice(0, 1), [1, 2]] });
    await net.stop(1, 'kill');
    await submit(net, net.packet([0, 1, 2]));
    await net.run(500);
    await net.revive(1);
    await net.run(1_000);
    expect(net.node(2).delivered()).toHaveLength(1);
  });

  it('one alone: what others were given stays with them', async () => {
    const net = await netOf(DIAMOND);
    await net.discover(0, 3);
    await submit(net, net.packet([0, 1, 3]));
    await submit(net, net.packet([0, 2, 3]));
    await net.run(50);
    net.hops.length = 0;
    net.cut(0, 2);
    await net.run(500);
    expect(path(net)).toEqual(['0>1', '1>3']);
  });

  it('free traffic is repaired as well, over as many hops as a route may have', async () => {
    const net = await netOf(DETOUR);
    net.cut(1, 2);
    const payload = stratumSample(present(STRATUM_MESSAGES[0], 'there are Stratum messages'), 'short');
    await net.inject(
      0,
      1,
      net.packet([0, 1, 2, 3], { packetType: 'StratumV2', paymentProof: null, payload }),
    );
    await net.run(3_000);
    expect(net.node(3).delivered()).toHaveLength(1);
  });
});

describe('repair > a neighbour that comes back', () => {
  it('knows who sent a packet that came right behind the hello, however long the hello was judged', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]] });
    net.cut(0, 1);
    net.links.connect(0, 1);
    const header = { self: net.idOf(0), sequence: 1n, nowSeconds: net.clock.unixSeconds() };
    const hello = encodePacket(helloPacket(header, net.idOf(1)));
    // As a node hands over what it has read in one go.
    const outcomes = await Promise.all([
      net.inject(0, 1, hello),
      net.inject(0, 1, net.packet([0, 1])),
      net.inject(0, 1, net.packet([0, 1])),
    ]);
    expect(outcomes.map(({ kind }) => kind)).toEqual(['control', 'delivered', 'delivered']);
  });

  it('is told who we are before it gets what waited for it', async () => {
    const net = await netOf({ nodes: 2, links: [[0, 1]] });
    net.cut(0, 1);
    await submit(net, net.packet([0, 1]));
    const stranger = net.stranger(0, 'another address');
    const header = { self: net.idOf(1), sequence: 1n, nowSeconds: net.clock.unixSeconds() };
    await stranger.send(encodePacket(helloPacket(header, null)));
    await net.settle();
    const protocols = stranger.heard.map((bytes) => {
      const decoded = decodePacket(bytes);
      return decoded.ok ? decoded.value.packet.metadata?.protocol : null;
    });
    // The first hello went out when it connected.
    expect(protocols).toEqual([HELLO_PROTOCOL, HELLO_PROTOCOL, PROTOCOL]);
  });
});
