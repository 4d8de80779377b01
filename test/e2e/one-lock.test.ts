// The measured node holds its one request lock while a module answers a call (node-ipc.md, 7): whoever waits for a
// request of its own meanwhile waits for itself.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { encodePacket } from '../../src/packet/packet.js';
import { MeshBed, type BedNode } from '../support/mesh-bed.js';
import { endAll, waitFor } from '../support/mesh-process.js';

/** Well below what a request of the module's own would be waited for. */
const ANSWER_MILLIS = 1_000;

/** Lets the node answer nothing to the mesh until the work is done, as while it holds its lock. */
async function whileLocked<T>({ node }: BedNode, work: () => Promise<T>): Promise<T> {
  let unlock: () => void = () => undefined;
  const unlocked = new Promise<void>((resolve) => {
    unlock = resolve;
  });
  const answer = node.answer.bind(node);
  node.answer = async (from, request) => {
    if (from.isNamed('blvm-mesh')) await unlocked;
    return answer(from, request);
  };
  try {
    return await within(ANSWER_MILLIS, work());
  } finally {
    unlock();
    node.answer = answer;
  }
}

function within<T>(millis: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`no answer within ${millis} ms: it waits for the node, which waits for it`));
    }, millis);
    work.then(resolve, reject).finally(() => {
      clearTimeout(timer);
    });
  });
}

let bed: MeshBed;

beforeAll(async () => {
  bed = await MeshBed.start({
    nodes: 3,
    links: [
      [0, 1],
      [1, 2],
    ],
  });
  await bed.greeted();
  for (const { index } of bed.nodes) await bed.cli(index, 'set-mode', 'open');
});

afterAll(endAll);

/** What arrives at a node under a protocol. */
async function arrives(index: number, protocolId: string | null): Promise<void> {
  const driver = await bed.driver(index, 'receiver');
  await waitFor('the packet arrives', async () => {
    const packets = await driver.call('poll_local_deliveries', { protocolId, maxPackets: null });
    return packets.length === 1;
  });
}

describe('the node › its one lock', () => {
  it('is not waited for by calls and commands that only ask', async () => {
    const driver = await bed.driver(0);
    const destination = bed.at(2).nodeId;
    await whileLocked(bed.at(0), async () => {
      await driver.call('discover_route', { destination, maxHops: null, timeoutSeconds: null });
      await driver.call('quote_route_fee', { destination, baseFeeSats: 0n });
      await driver.call('get_peer_list', null);
      expect((await bed.cli(0, 'status')).exitCode).toBe(0);
      expect((await bed.cli(0, 'add-peer', bed.at(1).node.address)).exitCode).toBe(0);
    });
  });

  it('is not waited for by send_packet', async () => {
    const driver = await bed.driver(0);
    const request = {
      destination: bed.at(1).nodeId,
      payload: new Uint8Array(8),
      paymentProof: null,
      protocolId: 'sent-v1',
      ttl: null,
    };
    const sent = await whileLocked(bed.at(0), () => driver.call('send_packet', request));
    expect(sent).toMatchObject({ success: true });
    await arrives(1, 'sent-v1');
  });

  it('is not waited for by handle_mesh_packet', async () => {
    const driver = await bed.driver(1);
    const passing = bed.packet([2, 1, 0], null, { packetType: 'CommonsGovernance' });
    const { address } = bed.at(2).node;
    const request = [encodePacket(passing), address] as const;
    expect(await whileLocked(bed.at(1), () => driver.call('handle_mesh_packet', request))).toBe(true);
    await arrives(0, 'test-v1');
  });

  it('is not waited for by the command send-packet', async () => {
    const destination = toHex(bed.at(2).nodeId);
    const sent = await whileLocked(bed.at(1), () => bed.cli(1, 'send-packet', destination, 'by command'));
    expect(sent).toMatchObject({ stderr: '', exitCode: 0 });
    await arrives(2, '');
  });
});
