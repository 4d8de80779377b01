// A neighbour that reads late, over sockets: what a node does with packets that it has accepted for it.
// Rules: docs/transport.md (Order, The end of a node); payments.md, any proof, 7.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config/config.js';
import { present } from '../../../src/core/assert.js';
import { systemClock } from '../../../src/core/clock.js';
import { systemRandom } from '../../../src/core/random.js';
import { freePort } from '../../../src/dev/free-port.js';
import { runDevNode } from '../../../src/dev/index.js';
import { MeshModule } from '../../../src/engine/module.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { PacketHead } from '../../../src/packet/head.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { TlsNet } from '../../../src/transport/tls-net.js';
import { identity, type TestIdentity } from '../../support/identities.js';
import { endLater } from '../../support/mesh-process.js';
import { testPacket } from '../../support/packets.js';
import { candidate, startTransport, type TestNode } from '../../support/transports.js';

const STOPPED_PACKETS = 4_000;
/** More than all has room for that waits at the node. */
const ORDERED_PACKETS = 16_000;
const PAYLOAD_BYTES = 1_400;
const READS_AFTER_MILLIS = 200;

const configText = (port: number): string =>
  [
    'network = "regtest"',
    `listen_addr = "127.0.0.1:${port}"`,
    'workers = 1',
    'outbound_peers = 0',
    'rate_limit_per_minute = 100000000',
    'free_packets_per_minute = 100000000',
    'free_bytes_per_minute = 1000000000000',
    '',
  ].join('\n');

async function startMesh(): Promise<MeshModule> {
  const directory = mkdtempSync(join(tmpdir(), 'mesh-stop-'));
  endLater(() => {
    rmSync(directory, { recursive: true, force: true });
  });
  const dataDir = join(directory, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  const network = await runDevNode({ nodes: 1 });
  endLater(() => network.close());
  const common = { clock: systemClock, random: systemRandom };
  const integration = await ModuleIntegration.connect({
    socketPath: network.node('node-1').socketPath,
    moduleId: 'blvm-mesh',
    moduleName: 'blvm-mesh',
    version: '0.1.0',
    log: { log: () => undefined },
    ...common,
  });
  endLater(() => integration.close());
  return MeshModule.start({
    config: parseConfig({ text: configText(await freePort()), fileName: 'test', env: {} }).config,
    dataDir,
    integration,
    logs: () => ({ log: () => undefined }),
    onNodeShutdown: () => undefined,
    onConfigLoaded: () => undefined,
    ...common,
  });
}

async function neighbour(own: TestIdentity, port: number): Promise<TestNode> {
  const node = await startTransport(own, new TlsNet(own.privateKey), systemClock, {
    atEndOfTurn: (callback) => void setImmediate(callback),
    peers: [candidate(`127.0.0.1:${port}`)],
  });
  endLater(() => node.transport.close());
  await vi.waitFor(() => present(node.joined[0], 'it is taken in'), 10_000);
  return node;
}

/** A node between two neighbours, of whom the second reads nothing yet: what is sent to it waits in all places where something can wait. */
async function started(): Promise<{
  readonly mesh: MeshModule;
  readonly source: TestNode;
  readonly sink: TestNode;
}> {
  const mesh = await startMesh();
  const port = present(present(mesh.links.transport, 'it listens').port, 'it listens');
  const source = await neighbour(identity(1), port);
  const sink = await neighbour(identity(2), port);
  await vi.waitFor(() => {
    expect(mesh.links.transport?.peers).toHaveLength(2);
  }, 10_000);
  sink.joined[0]?.pause();
  return { mesh, source, sink };
}

/** Sends so many, with short pauses, and as the node takes them. */
async function send({ self }: MeshModule, { joined: [out] }: TestNode, count: number): Promise<void> {
  const [from, to] = [identity(1).nodeId, identity(2).nodeId];
  const payload = encodeBitcoinMessage('regtest', 'tx', new Uint8Array(PAYLOAD_BYTES));
  const packet = testPacket({
    packetType: 'BitcoinP2P',
    source: from,
    destination: to,
    route: [from, self, to],
    payload,
    paymentProof: null,
    metadata: null,
  });
  for (let sequence = 1n; sequence <= count; sequence++) {
    const bytes = encodePacket({ ...packet, sequence });
    while (out?.send(bytes, '') !== true) await pause(1);
    if (sequence % 400n === 0n) await pause(10);
  }
}

function sequencesAt({ packets }: TestNode): readonly bigint[] {
  return packets
    .filter(({ packet }) => packet.length > PAYLOAD_BYTES)
    .map(({ packet }) => BigInt(new PacketHead(packet).sequence));
}

describe('a neighbour that reads late', () => {
  it('gets all that was accepted for it before the node ends', async () => {
    const { mesh, source, sink } = await started();
    await send(mesh, source, STOPPED_PACKETS);
    await vi.waitFor(() => {
      expect(mesh.counters.snapshot().counts['packets_received']).toBeGreaterThan(STOPPED_PACKETS / 2);
    }, 10_000);
    setTimeout(() => sink.joined[0]?.resume(), READS_AFTER_MILLIS);
    await mesh.close();
    await vi.waitFor(() => {
      expect(sink.lost).toHaveLength(1);
    }, 10_000);
    const { packets_received: received, packets_forwarded: forwarded } = mesh.counters.snapshot().counts;
    expect(forwarded).toBe(received);
    expect(sequencesAt(sink)).toHaveLength(forwarded ?? 0);
  });

  it('gets what one source sends in its order, although its link is full meanwhile', async () => {
    const { mesh, source, sink } = await started();
    endLater(() => mesh.close());
    const [reader] = sink.joined;
    let isReading = true;
    endLater(() => {
      isReading = false;
    });
    const stopAndGo = async (): Promise<void> => {
      while (isReading) {
        reader?.resume();
        await pause(1);
        reader?.pause();
        await pause(100);
      }
    };
    void stopAndGo();
    await send(mesh, source, ORDERED_PACKETS);
    await vi.waitFor(() => {
      const { counts } = mesh.counters.snapshot();
      expect(counts['packets_received']).toBe(ORDERED_PACKETS);
      expect(sequencesAt(sink).length).toBe(counts['packets_forwarded']);
      expect(mesh.manager.stats().waiting).toBe(0);
    }, 20_000);
    const sequences = sequencesAt(sink);
    expect(sequences.length).toBeGreaterThan(ORDERED_PACKETS / 4);
    expect(mesh.counters.snapshot().refused['LinkFull']).toBeGreaterThan(100);
    const overtaken = sequences.filter((sequence, index) => sequence <= (sequences[index - 1] ?? 0n));
    expect(overtaken).toEqual([]);
  });
});
