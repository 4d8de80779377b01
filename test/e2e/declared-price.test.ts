// What a node asks by the price list of its signed hello is what its neighbour's quote says, and what that pays it with.
// Two real processes whose nodes are not connected: what they know of each other came over the direct transport.
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../src/dev/free-port.js';
import type { SendPacketResponse } from '../../src/packet/module-api.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

afterEach(endAll);

/** The dearer one's base price; per hop and per KiB both ask 100 and 10 msat. */
const DEAR_MSAT = 9_000;

describe('direct transport › a declared price', () => {
  it('reaches the quote, and what is paid below it is not sent', async () => {
    const [near, dear] = [0, 1];
    const port = await freePort();
    const bed = await MeshBed.start({
      nodes: 2,
      links: [],
      configOf: (index) =>
        index === dear
          ? [`listen_addr = "127.0.0.1:${port}"`, `fees.base_msats = ${DEAR_MSAT}`]
          : [`peers = ["127.0.0.1:${port}"]`],
    });
    await waitFor('they are connected', async () => (await bed.status(near)).peers === 1);
    const destination = bed.at(dear).nodeId;
    const driver = await bed.driver(near);
    const quoted = await driver.call('quote_route_fee', { destination, baseFeeSats: 0n });
    // 9,110 msat, in whole sats; 1,110 by its own list.
    expect(quoted).toBe(10n);

    const send = (paidMsat: bigint): Promise<SendPacketResponse> =>
      driver.call('send_packet', {
        destination,
        payload: new Uint8Array(64).fill(7),
        paymentProof: bed.pay(dear, paidMsat),
        protocolId: null,
        ttl: null,
      });
    const refused = await send(2_000n);
    expect(refused).toMatchObject({ success: false });
    expect(refused.error).toContain('AmountTooLow');
    expect(await send(1_000n * quoted)).toMatchObject({ success: true });
    await waitFor('it is delivered', async () => {
      return (await bed.status(dear)).counters.counts['packets_delivered'] === 1;
    });
    expect(await bed.refusals(dear, 'AmountTooLow')).toBe(0);
  });
});
