// Bound invoices on their way through whole nodes: every hop checks them, none sends them another way, and a sender
// finds the one route that its invoice is good for. Rules: payments.md, Lightning, Binding.
import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../../src/core/bytes.js';
import { Reason } from '../../../src/core/reasons.js';
import type { LightningProof } from '../../../src/packet/proof.js';
import { bindingHash, NO_QUOTE } from '../../../src/payment/binding.js';
import { mustFail, proof } from '../../support/engine-cheats.js';
import { EngineNet, PROTOCOL, type EngineNetOptions } from '../../support/engine-net.js';

/** 0 to 3 over 1 and 2, or over 1, 4 and 5. */
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
/** 0 to 3 over 1, or a hop longer over 2 and 4. */
const TWO_WAYS: EngineNetOptions = {
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

async function netOf(options: EngineNetOptions): Promise<EngineNet> {
  const net = await EngineNet.start(options);
  nets.push(net);
  return net;
}

/** A payment to the end of a route that is good for it alone. */
function boundTo(net: EngineNet, route: readonly number[], priceMsat: bigint): LightningProof {
  const ids = route.map((index) => net.idOf(index));
  const descriptionHash = bindingHash({ network: 'regtest', route: ids, priceMsat, quoteId: NO_QUOTE });
  return net.pay(route.at(-1) ?? 0, { descriptionHash });
}

afterEach(async () => {
  for (const net of nets.splice(0)) await net.close();
});

describe('cheats > bound invoices', () => {
  it.each([
    ['20 bound to another route', [0, 2], 1_210n],
    ['21 bound to another price', [0, 1, 2], 1_209n],
  ] as const)('cheat %s > BindingMismatch', (_name, route, priceMsat) =>
    mustFail(
      'BindingMismatch',
      proof((net) => boundTo(net, route, priceMsat)),
    ),
  );
});

describe('binding > on the way', () => {
  it('passes every hop of its route', async () => {
    const net = await netOf({ ...DETOUR, policy: () => ({ binding: 'strict' }) });
    const paymentProof = boundTo(net, [0, 1, 2, 3], price(3));
    await net.inject(0, 1, net.packet([0, 1, 2, 3], { paymentProof }));
    await net.run(200);
    expect(net.node(3).delivered()).toHaveLength(1);
  });

  it('waits for a next hop that is gone, and takes no other way', async () => {
    const net = await netOf(DETOUR);
    await net.discover(1, 3);
    net.cut(1, 2);
    const paymentProof = boundTo(net, [0, 1, 2, 3], price(3));
    await net.inject(0, 1, net.packet([0, 1, 2, 3], { paymentProof }));
    await net.run(3_000);
    expect(net.hops).toEqual([]);
    net.connect(1, 2);
    await net.run(1_000);
    expect(net.hops.map(({ from, to }) => `${from}>${to}`)).toEqual(['1>2', '2>3']);
    expect(net.node(3).delivered()).toHaveLength(1);
    expect(net.node(1).counters.countOf('packets_repaired')).toBe(0);
  });
});

describe('binding > at its source', () => {
  it('is sent over the one of the known routes that it is good for, whichever way the choice would fall', async () => {
    const net = await netOf(TWO_WAYS);
    const { outbound, table } = net.node(0);
    const ways = [
      [0, 1, 3],
      [0, 2, 4, 3],
    ];
    for (const way of ways)
      table.learn(
        way.map((index) => net.idOf(index)),
        2n,
      );
    const send = (paymentProof: LightningProof): ReturnType<typeof outbound.send> =>
      outbound.send({
        destination: net.idOf(3),
        payload: HELLO,
        paymentProof,
        protocolId: PROTOCOL,
        ttlSeconds: null,
      });
    const known = table.alternatives(net.idOf(3)).map(({ ids }) => ids);
    expect(known.map(({ length }) => length)).toEqual([3, 4]);
    for (const way of known) {
      for (let n = 0; n < 8; n++) {
        const descriptionHash = bindingHash({
          network: 'regtest',
          route: way,
          priceMsat: price(way.length - 1),
          quoteId: NO_QUOTE,
        });
        const sent = await send(net.pay(3, { descriptionHash }));
        expect(sent.ok && sent.route.ids).toEqual(way);
      }
    }
    const nowhere = await send(net.pay(3, { descriptionHash: new Uint8Array(32) }));
    expect(nowhere).toMatchObject({ ok: false, reason: Reason.BindingMismatch });
  });
});
