// Invoices of a node's own wallet on the development network, through a real module process: learned from the node's
// events, known again after a kill; without amount by what was settled; bound to their use.
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { encodePacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { bindingHash, NO_QUOTE } from '../../src/payment/binding.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

afterEach(endAll);

/** Of 64 bytes over one hop, at the default prices. */
const PRICE = 1_110n;

async function start(): Promise<MeshBed> {
  const bed = await MeshBed.start({ nodes: 2, links: [[0, 1]] });
  await bed.greeted();
  return bed;
}

/** An invoice of node 1, paid by node 0. */
function paid(
  bed: MeshBed,
  amountMsat: bigint | null,
  paidMsat: bigint,
  descriptionHash?: Uint8Array,
): LightningProof {
  const { invoice, expiresAt } = bed.at(1).node.wallet.createInvoice({
    amountMsat,
    ...(descriptionHash === undefined ? {} : { descriptionHash }),
  });
  const { preimage } = bed.at(0).node.wallet.pay(invoice, paidMsat);
  const timestamp = BigInt(systemClock.unixSeconds());
  return {
    kind: 'Lightning',
    invoice,
    preimage,
    amountMsats: paidMsat,
    timestamp,
    expiresAt: BigInt(expiresAt),
  };
}

async function counted(bed: MeshBed, name: string, count: number): Promise<void> {
  await waitFor(`${count} ${name}`, async () => {
    return ((await bed.status(1)).counters.counts[name] ?? 0) >= count;
  });
}

/** Sends a packet from 0 to 1; resolves with what node 1 made of it: `delivered`, or why not. */
async function send(bed: MeshBed, proof: LightningProof): Promise<string> {
  const before = await bed.status(1);
  bed.sendRaw(0, 1, encodePacket(bed.packet([0, 1], proof)));
  return waitFor('node 1 has judged the packet', async () => {
    const { counters } = await bed.status(1);
    const delivered = counters.counts['packets_delivered'] ?? 0;
    if (delivered > (before.counters.counts['packets_delivered'] ?? 0)) return 'delivered';
    const refused = Object.entries(counters.refused);
    return refused.find(([name, count]) => count > (before.counters.refused[name] ?? 0))?.[0] ?? null;
  });
}

describe('issued invoices', () => {
  it('pass without an amount, for exactly what was settled, also after a kill; and once', async () => {
    const bed = await start();
    const first = paid(bed, null, 2_500n);
    const second = paid(bed, null, 3_000n);
    await counted(bed, 'invoices_settled', 2);
    expect(await send(bed, { ...first, amountMsats: 1n << 60n })).toBe('AmountMismatch');
    expect(await send(bed, first)).toBe('delivered');
    expect(await send(bed, { ...first, timestamp: 0n })).toBe('ReplayedPayment');
    expect(await send(bed, { ...first, invoice: first.invoice.toUpperCase() })).toBe('NoAmount');

    bed.at(1).module.process.kill('SIGKILL');
    await bed.restart(1);
    await bed.greeted();
    expect(await send(bed, { ...first, timestamp: 0n })).toBe('ReplayedPayment');
    expect(await send(bed, second)).toBe('delivered');
  });

  it('with an amount are learned as well, and an upper-case copy is the same payment', async () => {
    const bed = await start();
    const proof = paid(bed, 2_500n, 2_500n);
    await counted(bed, 'invoices_registered', 1);
    expect(await send(bed, proof)).toBe('delivered');
    expect(await send(bed, { ...proof, invoice: proof.invoice.toUpperCase() })).toBe('ReplayedPayment');
  });

  it('are good for the use alone that they are bound to', async () => {
    const bed = await start();
    const route = [bed.at(0).nodeId, bed.at(1).nodeId];
    const bind = (ids: typeof route, priceMsat: bigint): Uint8Array =>
      bindingHash({ network: 'regtest', route: ids, priceMsat, quoteId: NO_QUOTE });
    expect(await send(bed, paid(bed, 2_500n, 2_500n, bind([...route].reverse(), PRICE)))).toBe(
      'BindingMismatch',
    );
    expect(await send(bed, paid(bed, 2_500n, 2_500n, bind(route, PRICE - 1n)))).toBe('BindingMismatch');
    expect(await send(bed, paid(bed, 2_500n, 2_500n, bind(route, PRICE)))).toBe('delivered');
  });
});
