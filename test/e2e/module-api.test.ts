import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { U64_MAX } from '../../src/core/bincode.js';
import { present } from '../../src/core/assert.js';
import { concatBytes, toHex, utf8 } from '../../src/core/bytes.js';
import { LIMITS } from '../../src/core/limits.js';
import { nodeIdOf, type NodeId } from '../../src/core/ids.js';
import { encodeRequest, METHOD_NAMES, type SendPacketResponse } from '../../src/packet/module-api.js';
import { Bolt11Decoder } from '../../src/payment/bolt11/decode.js';
import { decodePacket, encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { askModule } from '../../src/api/door/client.js';
import { MESH, MeshBed, type Driver } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

/** Three nodes in a line. */
const [NEAR, MIDDLE, FAR] = [0, 1, 2] as const;
/** The price of two hops and one KiB: 1,000 + 2 x 100 + 10 msat, in whole sats. */
const TWO_HOP_SATS = 2n;
const STRANGER: NodeId = nodeIdOf(new Uint8Array(32).fill(0xee));
/** `verack` of regtest: a whole Bitcoin message, free in every mode. */
const VERACK = Buffer.from('fabfb5da76657261636b000000000000000000005df6e0e2', 'hex');

let bed: MeshBed;
let near: Driver;
let far: Driver;

beforeAll(async () => {
  bed = await MeshBed.start({
    nodes: 3,
    links: [
      [NEAR, MIDDLE],
      [MIDDLE, FAR],
    ],
  });
  await bed.greeted();
  near = await bed.driver(NEAR);
  far = await bed.driver(FAR);
  await far.offer('take', 'take_other');
});

afterAll(endAll);

function idOf(index: number): NodeId {
  return bed.at(index).nodeId;
}

/** Asks as a module does: again, until the search that the first question began has found something. */
async function routeTo(driver: Driver, destination: NodeId): Promise<readonly NodeId[]> {
  return waitFor('a route is found', async () => {
    return (await driver.call('discover_route', { destination, maxHops: null, timeoutSeconds: null })).route;
  });
}

async function sendPaid(
  protocolId: string | null,
  payload: Uint8Array,
  ttl: bigint | null = null,
): Promise<SendPacketResponse> {
  await routeTo(near, idOf(FAR));
  const paymentProof = bed.pay(FAR, TWO_HOP_SATS * 1_000n);
  return near.call('send_packet', { destination: idOf(FAR), payload, paymentProof, protocolId, ttl });
}

/** What a handler was called with: the packet's bytes and the address of the peer that they came from. */
function handlerCall(params: Uint8Array): { packetBytes: Uint8Array; packet: MeshPacket; address: string } {
  const view = Buffer.from(params);
  const packetLength = Number(view.readBigUInt64LE(0));
  const packetBytes = params.subarray(8, 8 + packetLength);
  const addressLength = Number(view.readBigUInt64LE(8 + packetLength));
  const address = view.subarray(16 + packetLength).toString('utf8');
  expect(address).toHaveLength(addressLength);
  const decoded = decodePacket(packetBytes);
  if (!decoded.ok) throw new Error(`a handler got bytes that are no packet: ${decoded.failure.detail}`);
  return { packetBytes, packet: decoded.value.packet, address };
}

describe('module API › what this node is', () => {
  it('offers the 12 methods, version 1', () => {
    const connection = present(
      bed.at(NEAR).node.modules.find(MESH, () => true),
      'the module is connected',
    );
    expect([...(connection.api?.methods ?? [])].sort()).toEqual([...METHOD_NAMES].sort());
    expect(METHOD_NAMES).toHaveLength(12);
    expect(connection.api?.version).toBe(1);
  });

  it('get_node_id is the 32 bytes of the id', async () => {
    expect(toHex(await near.raw('get_node_id', new Uint8Array()))).toBe(toHex(idOf(NEAR)));
  });

  it('get_peer_list names the neighbours and their addresses', async () => {
    const driver = await bed.driver(MIDDLE, 'asking');
    const expected = [NEAR, FAR].map((index) => ({
      nodeIdHex: toHex(idOf(index)),
      address: bed.at(index).node.address,
    }));
    const peers = await driver.call('get_peer_list', null);
    expect(peers).toHaveLength(2);
    expect(peers).toEqual(expect.arrayContaining(expected));
  });

  it('get_routing_stats, get_network_stats and get_route_stats agree', async () => {
    const driver = await bed.driver(MIDDLE, 'asking');
    const stats = await driver.call('get_routing_stats', null);
    expect(stats).toMatchObject({ enabled: true, mode: 'PaymentGated' });
    expect(stats.routing).toMatchObject({ directPeers: 2n, routeExpirySeconds: 3_600n });
    expect(stats.routing.totalRoutes).toBeGreaterThanOrEqual(2n);
    expect(stats.replay).toMatchObject({ expirySeconds: 86_400n });
    expect(await driver.call('get_network_stats', null)).toEqual(stats);
    expect(await driver.call('get_route_stats', null)).toEqual(stats.routing);
    // bool, u32 tag, 4 + 3 u64.
    expect(await driver.raw('get_network_stats', new Uint8Array())).toHaveLength(1 + 4 + 32 + 24);
  });
});

describe('module API › routes', () => {
  it('discover_route answers at once, and with the route once it is found', async () => {
    expect(await routeTo(near, idOf(FAR))).toEqual([idOf(NEAR), idOf(MIDDLE), idOf(FAR)]);
    const direct = { destination: idOf(MIDDLE), maxHops: null, timeoutSeconds: null };
    expect((await near.call('discover_route', direct)).route).toEqual([idOf(NEAR), idOf(MIDDLE)]);
  });

  it('discover_route keeps to max_hops and takes any limit', async () => {
    await routeTo(near, idOf(FAR));
    for (const [maxHops, length] of [
      [0, null],
      [1, null],
      [2, 3],
      [255, 3],
    ] as const) {
      const request = { destination: idOf(FAR), maxHops, timeoutSeconds: U64_MAX };
      const { route } = await near.call('discover_route', request);
      expect({ maxHops, length: route?.length ?? null }).toEqual({ maxHops, length });
    }
    const nobody = { destination: STRANGER, maxHops: null, timeoutSeconds: 0n };
    expect(await near.call('discover_route', nobody)).toMatchObject({ route: null, routeCostSats: 0n });
  });

  it('quote_route_fee is the price in sats on top of the base, and 0 where no route is known', async () => {
    await routeTo(near, idOf(FAR));
    const quote = (destination: NodeId, baseFeeSats: bigint): Promise<bigint> =>
      near.call('quote_route_fee', { destination, baseFeeSats });
    expect(await quote(idOf(FAR), 0n)).toBe(TWO_HOP_SATS);
    expect(await quote(idOf(FAR), 7n)).toBe(TWO_HOP_SATS + 7n);
    expect(await quote(idOf(FAR), U64_MAX)).toBe(U64_MAX);
    expect(await quote(STRANGER, 7n)).toBe(0n);
  });

  it('request_hop_invoice has an invoice made by the Lightning module of the node, and gives it to who asks again', async () => {
    await routeTo(near, idOf(FAR));
    const request = { destination: idOf(FAR), amountMsats: 2_000n, expirySeconds: 60n };
    const first = await near.call('request_hop_invoice', request);
    expect(first).toEqual({ invoice: '', amountMsats: 2_000n, expiresAt: 0n });
    const made = await near.client.requestHopInvoice(idOf(FAR), 2_000n, 60n);
    const invoice = new Bolt11Decoder().decode(made.invoice);
    expect(invoice).toMatchObject({
      ok: true,
      invoice: { payee: bed.at(NEAR).node.payee, amountMsat: 2_000n, expirySeconds: 60, network: 'bcrt' },
    });
    expect(made.amountMsats).toBe(2_000n);
    const cheap = { ...request, amountMsats: 1_000n };
    await expect(near.call('request_hop_invoice', cheap)).rejects.toThrow('AmountTooLow');
  });

  it('what was paid by a hop invoice of the destination buys the way to it', async () => {
    const at = bed.at(FAR);
    const made = (await askModule(at.dataDir, 'meshrequesthopinvoice', {
      destination_hex: toHex(at.nodeId),
      amount_msats: 2_000,
    })) as { readonly invoice: string; readonly amount_msats: number; readonly expires_at: number };
    const { preimage } = bed.network.network.pay(made.invoice);
    await routeTo(near, at.nodeId);
    const paymentProof: LightningProof = {
      kind: 'Lightning',
      invoice: made.invoice,
      preimage,
      amountMsats: 2_000n,
      timestamp: BigInt(Math.floor(Date.now() / 1_000)),
      expiresAt: BigInt(made.expires_at),
    };
    const packet = {
      destination: at.nodeId,
      payload: utf8('paid at the far end'),
      protocolId: 'hop-v1',
      ttl: 30n,
    };
    expect(await near.call('send_packet', { ...packet, paymentProof })).toMatchObject({ success: true });
    const [delivery] = await waitFor('the packet arrives', async () => {
      const found = await far.client.pollLocalDeliveries('hop-v1');
      return found.length > 0 && found;
    });
    expect(delivery).toMatchObject({ payload: utf8('paid at the far end'), source: idOf(NEAR) });
  });

  it('the client waits for a route as long as it is told, and no longer', async () => {
    expect((await near.client.discoverRoute(idOf(FAR), null, 10n)).route).toHaveLength(3);
    const nobody = await near.client.discoverRoute(STRANGER, null, 1n);
    expect(nobody.route).toBeNull();
    expect(nobody.discoveryTimeMs).toBeGreaterThanOrEqual(1_000n);
    expect((await near.client.discoverRoute(idOf(FAR), 1)).route).toBeNull();
  });
});

describe('module API › sending and receiving', () => {
  it('send_packet reaches the handler that was registered at the destination, byte for byte', async () => {
    const registered = await far.call('register_protocol_handler', {
      protocolId: 'onion-v1',
      handlerMethod: 'take',
    });
    expect(registered).toEqual({ success: true });
    const before = await bed.status(FAR);
    const sent = await sendPaid('onion-v1', utf8('through the middle'));
    expect(sent).toMatchObject({
      success: true,
      routeLength: 3n,
      estimatedCostSats: TWO_HOP_SATS,
      error: null,
    });
    const call = await waitFor(
      'the handler is called',
      () => far.calls.find(({ method }) => method === 'take') ?? null,
    );
    expect(call.caller).toBe(MESH);
    const { packetBytes, packet, address } = handlerCall(call.params);
    expect(address).toBe(bed.at(MIDDLE).node.address);
    expect(packet.route).toEqual([idOf(NEAR), idOf(MIDDLE), idOf(FAR)]);
    expect(packet.metadata?.protocol).toBe('onion-v1');
    expect(Buffer.from(packet.payload).toString()).toBe('through the middle');
    // packet_id is the SHA-256 of the bincode: without MESH.
    expect(Buffer.from(packetBytes.subarray(0, 4)).toString()).toBe('MESH');
    const digest = createHash('sha256').update(packetBytes.subarray(4)).digest('hex');
    expect(toHex(sent.packetId)).toBe(digest);

    // 60/30/10 of the 2,000 msat, in every ledger on the way, and nothing lost.
    const after = await bed.status(FAR);
    const gained = (part: string): number => Number(after.received[part]) - Number(before.received[part]);
    expect(['totalMsat', 'destinationMsat', 'routersMsat', 'treasuryMsat'].map(gained)).toEqual([
      2_000, 1_200, 600, 200,
    ]);
    expect(after.ledger['conserved']).toBe(true);
  });

  it('a handler is replaced by the next one registered; one without a name is not taken', async () => {
    const register = (protocolId: string, handlerMethod: string): Promise<{ success: boolean }> =>
      far.call('register_protocol_handler', { protocolId, handlerMethod });
    expect(await register('', 'take')).toEqual({ success: false });
    expect(await register('replaced-v1', '')).toEqual({ success: false });
    expect(await register('replaced-v1', 'take')).toEqual({ success: true });
    expect(await register('replaced-v1', 'take_other')).toEqual({ success: true });
    expect((await sendPaid('replaced-v1', utf8('x'))).success).toBe(true);
    const calls = await waitFor('the second handler is called', () => {
      const found = far.calls.filter(({ params }) => Buffer.from(params).includes('replaced-v1'));
      return found.length > 0 && found;
    });
    expect(calls.map(({ method }) => method)).toEqual(['take_other']);
  });

  it('poll_local_deliveries gives what has no handler: oldest first, 16 at a time, each once', async () => {
    const poll = (protocolId: string | null, maxPackets: bigint | null): Promise<readonly string[]> =>
      far
        .call('poll_local_deliveries', { protocolId, maxPackets })
        .then((packets) =>
          packets.map(({ protocolId: id, payload }) => `${id} ${Buffer.from(payload).toString()}`),
        );
    const wanted: string[] = [];
    for (let n = 0; n < 19; n++) {
      expect((await sendPaid('polled-v1', utf8(String(n)))).success).toBe(true);
      wanted.push(`polled-v1 ${n}`);
    }
    expect((await sendPaid('other-v1', utf8('other'))).success).toBe(true);
    await waitFor('all have arrived', async () => {
      const { delivery } = (await bed.status(FAR)) as unknown as { delivery: { inbox: number } };
      return delivery.inbox === 20;
    });
    expect(await poll('nothing-v1', null)).toEqual([]);
    expect(await poll('polled-v1', 2n)).toEqual(wanted.slice(0, 2));
    expect(await poll('polled-v1', null)).toEqual(wanted.slice(2, 18));
    expect(await poll(null, 64n)).toEqual([...wanted.slice(18), 'other-v1 other']);
    expect(await poll(null, 64n)).toEqual([]);
  });

  it('a handler that comes late gets what waited for it', async () => {
    expect((await sendPaid('late-v1', utf8('waiting'))).success).toBe(true);
    await far.call('register_protocol_handler', { protocolId: 'late-v1', handlerMethod: 'take_other' });
    const call = await waitFor(
      'the handler gets it',
      () => far.calls.find(({ params }) => Buffer.from(params).includes('late-v1')) ?? null,
    );
    expect(call.method).toBe('take_other');
  });

  it('what a handler does not take waits to be polled instead', async () => {
    await far.call('register_protocol_handler', { protocolId: 'unwilling-v1', handlerMethod: 'take' });
    far.isWilling = false;
    const payload = utf8('unwanted');
    expect((await sendPaid('unwilling-v1', payload)).success).toBe(true);
    const polled = await waitFor('the handler is given up', async () => {
      const request = { protocolId: 'unwilling-v1', maxPackets: null };
      const found = await far.call('poll_local_deliveries', request);
      return found.length > 0 && found;
    });
    far.isWilling = true;
    expect(polled).toEqual([{ protocolId: 'unwilling-v1', payload, source: idOf(NEAR) }]);
    const tries = far.calls.filter(({ params }) => Buffer.from(params).includes('unwilling-v1'));
    expect(tries).toHaveLength(LIMITS.HANDLER_TRIES);
  });

  it('free traffic goes without payment, and anything else does not', async () => {
    const free = {
      destination: idOf(MIDDLE),
      payload: VERACK,
      paymentProof: null,
      protocolId: 'p2p-v1',
      ttl: 0n,
    };
    expect(await near.call('send_packet', free)).toMatchObject({ success: true, estimatedCostSats: 0n });
    const middle = await bed.driver(MIDDLE);
    const [delivery] = await waitFor('it arrives', async () => {
      const found = await middle.call('poll_local_deliveries', { protocolId: 'p2p-v1', maxPackets: null });
      return found.length > 0 && found;
    });
    expect(delivery).toEqual({ protocolId: 'p2p-v1', payload: new Uint8Array(VERACK), source: idOf(NEAR) });
    const unpaid = await near.call('send_packet', { ...free, payload: utf8('free ride') });
    expect(unpaid).toMatchObject({ success: false, packetId: new Uint8Array(32), routeLength: 0n });
    expect(unpaid.error).not.toBeNull();
  });

  it('what cannot be sent is refused with its reason, and its payment stays good', async () => {
    await routeTo(near, idOf(FAR));
    const paymentProof = bed.pay(FAR, TWO_HOP_SATS * 1_000n);
    const request = {
      destination: idOf(FAR),
      payload: utf8('x'),
      paymentProof,
      protocolId: null,
      ttl: U64_MAX,
    };
    const errorOf = async (changes: Partial<typeof request>): Promise<string> => {
      const { success, error } = await near.call('send_packet', { ...request, ...changes });
      expect(success).toBe(false);
      return present(error, 'a failure has an error').replace(/:.*/, '');
    };
    expect(await errorOf({ destination: STRANGER })).toBe('RouteUnknown');
    expect(await errorOf({ destination: idOf(NEAR) })).toBe('Loopback');
    expect(await errorOf({ paymentProof: { ...paymentProof, amountMsats: 1n } })).toBe('AmountTooLow');
    expect(await errorOf({ paymentProof: { ...paymentProof, amountMsats: 9_000n } })).toBe('AmountMismatch');
    expect(await errorOf({ paymentProof: { ...paymentProof, preimage: new Uint8Array(32) } })).toBe(
      'WrongPreimage',
    );
    expect(await near.call('send_packet', request)).toMatchObject({ success: true });
    expect(await errorOf({})).toBe('ReplayedPayment');
  });
});

describe('module API › handle_mesh_packet', () => {
  it('takes an honest packet as from the peer that is named', async () => {
    const packet = encodePacket(bed.packet([MIDDLE, FAR], bed.pay(FAR, 2_000n)));
    const bytes = encodeRequest('handle_mesh_packet', [packet, bed.at(MIDDLE).node.address]);
    expect(toHex(await far.raw('handle_mesh_packet', bytes))).toBe('01');
    const waiting = await far.call('poll_local_deliveries', { protocolId: 'test-v1', maxPackets: null });
    expect(waiting).toHaveLength(1);
  });

  it('refuses cheats with their reason, counts them, and delivers nothing', async () => {
    const { address } = bed.at(MIDDLE).node;
    const proof = bed.pay(FAR, 2_000n);
    const used = bed.packet([MIDDLE, FAR], bed.pay(FAR, 2_000n));
    const fresh = (changes: Partial<MeshPacket> = {}): MeshPacket =>
      bed.packet([MIDDLE, FAR], proof, changes);
    const offer = (packet: MeshPacket | Uint8Array, from: string): Promise<boolean> => {
      const bytes = packet instanceof Uint8Array ? packet : encodePacket(packet);
      return far.call('handle_mesh_packet', [bytes, from]);
    };
    expect(await offer(used, address)).toBe(true);
    const cheats: readonly (readonly [string, MeshPacket | Uint8Array, string])[] = [
      ['ReplayedPayment', used, address],
      ['ReplayedPayment', { ...used, timestamp: used.timestamp + 1n }, address],
      ['ReplayedPayment', { ...used, sequence: U64_MAX }, address],
      ['ReplayedPayment', { ...used, payload: utf8('another') }, address],
      ['WrongPreimage', fresh({ paymentProof: { ...proof, preimage: new Uint8Array(32) } }), address],
      ['AmountMismatch', fresh({ paymentProof: { ...proof, amountMsats: 2_001n } }), address],
      ['PayeeNotAccepted', fresh({ paymentProof: bed.pay(NEAR, 2_000n) }), address],
      ['PayeeIsSource', fresh({ paymentProof: bed.pay(MIDDLE, 2_000n) }), address],
      ['AmountTooLow', fresh({ paymentProof: bed.pay(FAR, 1_109n) }), address],
      ['PaymentRequired', fresh({ paymentProof: null }), address],
      ['UnsupportedVersion', fresh({ version: 2 }), address],
      ['WrongPreviousHop', bed.packet([NEAR, FAR], proof), address],
      ['NotOnRoute', bed.packet([NEAR, MIDDLE], proof), address],
      ['SpoofedSource', bed.packet([FAR, MIDDLE], proof), address],
      ['Truncated', encodePacket(fresh()).subarray(0, 60), address],
      ['TrailingBytes', concatBytes(encodePacket(fresh()), new Uint8Array(1)), address],
      ['UnknownPeer', fresh(), '10.77.0.1:18444'],
    ];
    const before = await bed.status(FAR);
    for (const [reason, packet, from] of cheats) {
      await expect(offer(packet, from)).rejects.toThrow(`: ${reason}: `);
    }
    const after = await bed.status(FAR);
    for (const reason of new Set(cheats.map(([name]) => name))) {
      const expected = cheats.filter(([name]) => name === reason).length;
      const counted = (after.counters.refused[reason] ?? 0) - (before.counters.refused[reason] ?? 0);
      expect({ reason, counted }).toEqual({ reason, counted: expected });
    }
    expect(after.ledger).toEqual(before.ledger);
    // None of them has used the payment up.
    expect(await offer(fresh(), address)).toBe(true);
    const waiting = await far.call('poll_local_deliveries', { protocolId: 'test-v1', maxPackets: null });
    expect(waiting.map(({ payload }) => payload)).toEqual([used.payload, fresh().payload]);
  });
});
