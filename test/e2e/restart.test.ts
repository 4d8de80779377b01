// Cheats 32 and 33 of payments.md: a payment that was accepted stays used, whatever ends the process.
import { afterEach, describe, expect, it } from 'vitest';
import { U64_MAX } from '../../src/core/bincode.js';
import { utf8 } from '../../src/core/bytes.js';
import type { NodeId } from '../../src/core/ids.js';
import { encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

/** In a line: what the first sends to the last passes the one between. */
const [SOURCE, ROUTER, DESTINATION] = [0, 1, 2] as const;
const PRICE_MSAT = 2_000n;

afterEach(endAll);

async function line(): Promise<MeshBed> {
  const bed = await MeshBed.start({
    nodes: 3,
    links: [
      [SOURCE, ROUTER],
      [ROUTER, DESTINATION],
    ],
  });
  await bed.greeted();
  return bed;
}

/** Offers a packet to a node as the source's link does, and says what became of it: true, or the reason. */
async function offer(bed: MeshBed, to: number, packet: MeshPacket): Promise<true | string> {
  const driver = await bed.driver(to);
  const { address } = bed.at(to === ROUTER ? SOURCE : ROUTER).node;
  try {
    await driver.call('handle_mesh_packet', [encodePacket(packet), address]);
    return true;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return /: ([A-Za-z0-9]+): /.exec(text)?.[1] ?? text;
  } finally {
    await driver.integration.close();
  }
}

/** The same payment with anything else changed. */
function variations(
  bed: MeshBed,
  packet: MeshPacket,
  proof: LightningProof,
): Readonly<Record<string, MeshPacket>> {
  const idOf = (index: number): NodeId => bed.at(index).nodeId;
  return {
    'the same packet': packet,
    'another timestamp': { ...packet, timestamp: packet.timestamp + 1n },
    'the highest sequence': { ...packet, sequence: U64_MAX },
    'another payload': { ...packet, payload: utf8('another') },
    'another protocol': { ...packet, metadata: null },
    'another destination and route': {
      ...packet,
      destination: idOf(ROUTER),
      route: [idOf(SOURCE), idOf(ROUTER)],
    },
    'another time in the proof': {
      ...packet,
      paymentProof: { ...proof, timestamp: proof.timestamp - 1n, expiresAt: proof.expiresAt - 1n },
    },
    'the invoice in capitals': {
      ...packet,
      paymentProof: { ...proof, invoice: proof.invoice.toUpperCase() },
    },
  };
}

describe('restart › a payment stays used', () => {
  it('after kill -9 between accepting and forwarding (cheat 33)', async () => {
    const bed = await line();
    // The next hop is gone: the router accepts the packet and holds it.
    bed.network.network.disconnect('node-2', 'node-3');
    await waitFor('the router has lost its neighbour', async () => (await bed.status(ROUTER)).peers === 1);
    // Paid to the router itself, so that every variation would be good money there.
    const proof = bed.pay(ROUTER, PRICE_MSAT);
    const packet = bed.packet([SOURCE, ROUTER, DESTINATION], proof);
    expect(await offer(bed, ROUTER, packet)).toBe(true);
    await bed.at(ROUTER).module.kill();

    await bed.restart(ROUTER);
    await bed.greeted();
    const restored = await bed.status(ROUTER);
    // 60/30/10 of the 2,000 msat.
    expect(restored.ledger).toMatchObject({
      postings: 1,
      totalMsat: '2000',
      destinationMsat: '1200',
      routersMsat: '600',
      treasuryMsat: '200',
      conserved: true,
    });
    for (const [name, cheat] of Object.entries(variations(bed, packet, proof))) {
      expect({ name, verdict: await offer(bed, ROUTER, cheat) }).toEqual({
        name,
        verdict: 'ReplayedPayment',
      });
    }
    expect((await bed.status(ROUTER)).ledger).toEqual(restored.ledger);
    const fresh = bed.packet([SOURCE, ROUTER, DESTINATION], bed.pay(ROUTER, PRICE_MSAT));
    expect(await offer(bed, ROUTER, fresh)).toBe(true);
    expect((await bed.status(ROUTER)).ledger).toMatchObject({
      postings: 2,
      totalMsat: '4000',
      conserved: true,
    });
  });

  it('after kill -9 under load: no acknowledged payment is forgotten, nothing is counted twice', async () => {
    const bed = await line();
    const packets = Array.from({ length: 24 }, () =>
      bed.packet([ROUTER, DESTINATION], bed.pay(DESTINATION, PRICE_MSAT)),
    );
    const driver = await bed.driver(DESTINATION);
    const { address } = bed.at(ROUTER).node;
    const acknowledged: MeshPacket[] = [];
    const offers = packets.map(async (packet) => {
      await driver.call('handle_mesh_packet', [encodePacket(packet), address]);
      acknowledged.push(packet);
      if (acknowledged.length === 5) bed.at(DESTINATION).module.process.kill('SIGKILL');
    });
    await Promise.allSettled(offers);
    await bed.at(DESTINATION).module.ended;
    expect(acknowledged.length).toBeGreaterThanOrEqual(5);

    await bed.restart(DESTINATION);
    await bed.greeted();
    const { ledger, received } = await bed.status(DESTINATION);
    const kept = Number(ledger['postings']);
    expect(kept).toBeGreaterThanOrEqual(acknowledged.length);
    expect(ledger).toMatchObject({ totalMsat: String(2_000 * kept), conserved: true });
    expect(received).toMatchObject({ packets: kept, totalMsat: String(2_000 * kept) });
    for (const packet of acknowledged) expect(await offer(bed, DESTINATION, packet)).toBe('ReplayedPayment');
    // Each of the others is either used, and in the ledger, or as good as new.
    const others = packets.filter((packet) => !acknowledged.includes(packet));
    const verdicts = [];
    for (const packet of others) verdicts.push(await offer(bed, DESTINATION, packet));
    const passed = verdicts.filter((verdict) => verdict === true).length;
    expect(verdicts.filter((verdict) => verdict === 'ReplayedPayment')).toHaveLength(
      kept - acknowledged.length,
    );
    expect(passed).toBe(packets.length - kept);
    expect((await bed.status(DESTINATION)).ledger).toMatchObject({
      postings: packets.length,
      conserved: true,
    });
  });

  it('after an ordered end, and twice over (cheat 32)', async () => {
    const bed = await line();
    const proof = bed.pay(DESTINATION, PRICE_MSAT);
    const packet = bed.packet([ROUTER, DESTINATION], proof);
    expect(await offer(bed, DESTINATION, packet)).toBe(true);
    const before = await bed.status(DESTINATION);
    for (const end of ['stop', 'kill'] as const) {
      await bed.at(DESTINATION).module[end]();
      await bed.restart(DESTINATION);
      await bed.greeted();
      expect((await bed.status(DESTINATION)).nodeId).toBe(before.nodeId);
      expect((await bed.status(DESTINATION)).ledger).toEqual(before.ledger);
      expect(await offer(bed, DESTINATION, packet)).toBe('ReplayedPayment');
    }
  });
});
