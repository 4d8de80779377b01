// A node that is stopped under load: what it has accepted is still with its next hop, over sockets.
// Rules: docs/transport.md (The end of a node); payments.md, any proof, 7.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { parseConfig } from '../../../src/config/config.js';
import { present } from '../../../src/core/assert.js';
import { systemClock } from '../../../src/core/clock.js';
import { systemRandom } from '../../../src/core/random.js';
import { freePort } from '../../../src/dev/free-port.js';
import { runDevNode } from '../../../src/dev/index.js';
import { MeshModule } from '../../../src/engine/module.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import { encodeBitcoinMessage } from '../../../src/packet/bitcoin-wire.js';
import { encodePacket } from '../../../src/packet/packet.js';
import { TlsNet } from '../../../src/transport/tls-net.js';
import { identity, type TestIdentity } from '../../support/identities.js';
import { endLater } from '../../support/mesh-process.js';
import { testPacket } from '../../support/packets.js';
import { candidate, startTransport, type TestNode } from '../../support/transports.js';

const PACKETS = 4_000;
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

it('hands over all that it has accepted before it ends', async () => {
  const mesh = await startMesh();
  const port = present(present(mesh.links.transport, 'it listens').port, 'it listens');
  const source = await neighbour(identity(1), port);
  const sink = await neighbour(identity(2), port);
  await vi.waitFor(() => {
    expect(mesh.links.transport?.peers).toHaveLength(2);
  }, 10_000);
  const [out] = source.joined;
  const [arriving] = sink.joined;
  // It reads late: what the node has taken meanwhile waits in all places where something can wait.
  arriving?.pause();
  const route = [identity(1).nodeId, mesh.self, identity(2).nodeId];
  const packetOf = (sequence: number): Uint8Array =>
    encodePacket(
      testPacket({
        packetType: 'BitcoinP2P',
        source: identity(1).nodeId,
        destination: identity(2).nodeId,
        route,
        sequence: BigInt(sequence),
        timestamp: 0n,
        payload: encodeBitcoinMessage('regtest', 'tx', new Uint8Array(PAYLOAD_BYTES)),
        paymentProof: null,
        metadata: null,
      }),
    );
  for (let sent = 1; sent <= PACKETS; sent++) {
    const packet = packetOf(sent);
    while (out?.send(packet, '') !== true) await pause(1);
  }
  await vi.waitFor(() => {
    expect(mesh.counters.snapshot().counts['packets_received']).toBeGreaterThan(PACKETS / 2);
  }, 10_000);
  setTimeout(() => arriving?.resume(), READS_AFTER_MILLIS);
  await mesh.close();
  await vi.waitFor(() => {
    expect(sink.lost).toHaveLength(1);
  }, 10_000);
  const { packets_received: received, packets_forwarded: forwarded } = mesh.counters.snapshot().counts;
  expect(forwarded).toBe(received);
  expect(sink.packets.filter(({ packet }) => packet.length > PAYLOAD_BYTES)).toHaveLength(forwarded ?? 0);
}, 60_000);
