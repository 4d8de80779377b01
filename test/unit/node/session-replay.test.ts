// One session captured on a running blvm-node 0.1.83, played again: this module must send the same bytes, and
// understand what the node sent.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.js';
import { FrameReader, encodeFrame } from '../../../src/core/frame.js';
import { IpcCodec } from '../../../src/node/ipc-codec.js';
import type { CliSpec, NodeEvent } from '../../../src/node/messages.js';
import { until } from './server.js';
import { connect, startServer } from './support.js';

interface CapturedFrame {
  from: 'module' | 'node';
  hex: string;
}

const session = readFileSync(new URL('../../vectors/node-session.jsonl', import.meta.url), 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as CapturedFrame);

/** The CLI spec of the capture. */
const SPEC: CliSpec = {
  version: 1,
  name: 'mesh',
  about: null,
  subcommands: [{ name: 'status', about: null, args: [] }],
};

describe('node-ipc › captured session', () => {
  it('has its 38 frames', () => {
    expect(session).toHaveLength(38);
  });

  // The socket cuts the stream as it likes; so do we.
  it.each([1, 7, 100_000])('is played alike, in pieces of %i bytes', async (pieceBytes) => {
    let at = 0;
    const differences: string[] = [];
    const server = await startServer();
    const play = (socket: { write(bytes: Uint8Array): unknown }): void => {
      for (let frame = session[at]; frame?.from === 'node'; frame = session[++at]) {
        const bytes = encodeFrame(Buffer.from(frame.hex, 'hex'));
        for (let i = 0; i < bytes.length; i += pieceBytes) socket.write(bytes.subarray(i, i + pieceBytes));
      }
    };
    server.script = {
      onConnection: ({ socket }) => {
        socket.setNoDelay(true);
        socket.removeAllListeners('data');
        const reader = new FrameReader();
        socket.on('data', (chunk) => {
          reader.push(chunk, (body) => {
            const expected = session[at++];
            if (expected?.from !== 'module' || toHex(body) !== expected.hex)
              differences.push(`frame ${at}: ${toHex(body)} instead of ${expected?.hex ?? 'nothing'}`);
            play(socket);
            return true;
          });
        });
      },
    };

    const node = await connect(server, { cliSpec: SPEC });
    const heard: NodeEvent[] = [];
    node.onEvent((event) => heard.push(event));
    const api = node.nodeApi();
    await node.subscribeEvents(Object.keys(IpcCodec.newest().generation.enums['EventType'] ?? {}));
    expect(await api.getBlockHeight()).toBe(0n);
    const tip = await api.getChainTip();
    expect(toHex(tip)).toBe('06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f');
    expect(await api.getNetworkPeers()).toEqual([]);
    expect(await api.getChainInfo()).toEqual({
      tip_hash: tip,
      height: 0n,
      difficulty: 1,
      chain_work: 2n,
      is_synced: false,
    });
    expect(await api.getLightningInfo()).toBeNull();
    expect((await api.getNetworkStats()).peer_count).toBe(0n);
    await api.registerModuleApi(['send_packet', 'get_node_id', 'slow_with_request'], 1);
    await node.publish({
      name: 'RouteDiscovered',
      value: { destination: new Uint8Array(32).fill(7), route_path: ['10.0.0.1:1'], route_cost: 5n },
    });
    for (let i = 0; i < 5; i++) expect(await api.getBlockHeight()).toBe(0n);
    await until(() => heard.length === 6, 'all events');

    expect(differences).toEqual([]);
    expect(at).toBe(session.length);
    expect(heard.map(({ name }) => name)).toEqual([
      'RouteDiscovered',
      'MeshPacketReceived',
      'MeshPacketReceived',
      'MeshPacketReceived',
      'PeerConnected',
      'PaymentRequestCreated',
    ]);
    expect(heard[1]?.value).toEqual({
      packet_data: Uint8Array.from([0x4d, 0x45, 0x53, 0x48, 0xaa, 0xbb]),
      peer_addr: '10.0.0.9:8333',
    });
    expect(node.stats()).toMatchObject({ ignored: 0, corrupt: 0, lost: 0 });
  });
});
