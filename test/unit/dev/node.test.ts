import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { fromHex, toHex, utf8 } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { CAPABILITIES, MESH_CAPABILITIES, UNKNOWN_MODULE_CAPABILITIES } from '../../../src/dev/index.js';
import { GENERATIONS } from '../../../src/node/generations.js';
import { FrameReader, encodeFrame } from '../../../src/core/frame.js';
import { IpcCodec } from '../../../src/node/ipc-codec.js';
import { BareModule, startDevNetwork, waitUntil } from '../../support/dev.js';

const packet = (text: string): Uint8Array => utf8(`MESH${text}`);

describe('development node, protocol', () => {
  test('it answers the session that was captured on a running node, byte for byte', async () => {
    const lines = readFileSync(new URL('../../vectors/node-session.jsonl', import.meta.url), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { from: string; hex: string });
    const { network } = await startDevNetwork({ nodes: 1 });
    const module = await BareModule.open(network.node('node-1').socketPath);
    const got: string[] = [];
    const reader = new FrameReader();
    module.socket.removeAllListeners('data');
    module.socket.on('data', (chunk) => {
      reader.push(new Uint8Array(chunk), (body) => got.push(toHex(body)) > 0);
    });
    for (const { from, hex } of lines)
      if (from === 'module') module.socket.write(encodeFrame(present(fromHex(hex), 'hex')));

    // What a real node raised by itself afterwards came from outside; these three tell of its own state.
    const ownState = ['ChainInfo', 'LightningInfo', 'NetworkStats'];
    const codec = IpcCodec.newest();
    const expected = lines
      .filter(({ from }) => from === 'node')
      .map(({ hex }) => hex)
      .slice(0, -5);
    await waitUntil(() => got.length >= expected.length, 'all answers');
    const isOwnState = (hex: string): boolean => {
      const decoded = codec.decodeMessage(present(fromHex(hex), 'hex'));
      if (!decoded.ok || decoded.value.name !== 'Response') return false;
      return ownState.includes(decoded.value.value.payload?.name ?? '');
    };
    // All was sent in one go, so the event stands behind the answers and not between them.
    const answers = (list: readonly string[]): string[] => list.filter((hex) => !isOwnState(hex)).sort();
    expect(got).toHaveLength(expected.length);
    expect(answers(got)).toEqual(answers(expected));
  });

  test('every generation of the node can be imitated', async () => {
    const network = await startDevNetwork({
      nodes: GENERATIONS.map(({ from }) => ({ nodeVersion: from })),
      topology: 'line',
    });
    for (const { from } of GENERATIONS) {
      const node = present(
        network.network.nodes.find(({ nodeVersion }) => nodeVersion === from),
        'a node of that version',
      );
      const module = await BareModule.join(node.socketPath, 'blvm-mesh', from);
      await module.subscribe('MeshPacketReceived', 'PeerConnected', 'NewBlock');
      node.onBytes('10.9.9.9:1', packet('x'));
      node.onPeerConnected('10.9.9.9:1');
      expect(await module.eventsOf('MeshPacketReceived', 1)).toEqual([
        { packet_data: packet('x'), peer_addr: '10.9.9.9:1' },
      ]);
      expect(await module.eventsOf('PeerConnected', 1)).toMatchObject([{ peer_addr: '10.9.9.9:1' }]);
      expect(await module.get({ name: 'GetChainInfo', value: null })).toMatchObject({
        value: { height: 0n, difficulty: 1 },
      });
    }
  });

  test('a request before the handshake, and a message that modules do not send, close the connection', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const { socketPath } = network.node('node-1');
    const early = await BareModule.open(socketPath);
    expect(await early.ask({ name: 'GetChainTip', value: null })).toBeNull();
    const rude = await BareModule.join(socketPath);
    rude.send({ name: 'Event', value: { event_type: 'NewBlock', payload: newBlock() } });
    await waitUntil(() => rude.isClosed, 'the connection closes');
  });

  test('malformed frames close their own connection and no other', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const good = await BareModule.join(node.socketPath, 'good');
    const codec = IpcCodec.newest();
    const fine = codec.encodeFrame({
      name: 'Request',
      value: {
        correlation_id: 9n,
        request_type: 'GetUtxo',
        payload: { name: 'GetUtxo', value: { outpoint: { hash: new Uint8Array(32), index: 0 } } },
      },
    });
    const wrongType = fine.slice();
    wrongType[16] = 0;
    const bad: readonly Uint8Array[] = [
      Uint8Array.of(0, 0, 0, 0),
      Uint8Array.of(0xff, 0xff, 0xff, 0xff),
      encodeFrame(Uint8Array.of(9)),
      encodeFrame(new Uint8Array(64).fill(0xff)),
      encodeFrame(fine.subarray(4, fine.length - 1)),
      encodeFrame(Uint8Array.of(...fine.subarray(4), 0)),
      wrongType,
    ];
    for (const bytes of bad) {
      const module = await BareModule.join(node.socketPath, 'bad');
      module.socket.write(bytes);
      await waitUntil(() => module.isClosed, `closed after ${toHex(bytes)}`);
    }
    const half = await BareModule.join(node.socketPath, 'half');
    half.socket.write(fine.subarray(0, 11));
    half.socket.end();
    await waitUntil(() => half.isClosed, 'a half frame ends with its connection');
    expect(await good.get({ name: 'GetBlockHeight', value: null })).toEqual({ name: 'U64', value: 0n });
    expect(node.modules.connected.size).toBe(1);
  });

  test('with a limit of 100 requests a second the 101st closes the connection', async () => {
    const { network } = await startDevNetwork({ nodes: 1, requestsPerSecond: 100 });
    const module = await BareModule.join(network.node('node-1').socketPath);
    const answers = await Promise.all(
      Array.from({ length: 101 }, () => module.ask({ name: 'GetBlockHeight', value: null })),
    );
    expect(answers.filter((answer) => answer !== null)).toHaveLength(100);
    expect(answers.at(-1)).toBeNull();
    await waitUntil(() => module.isClosed, 'the connection closes');
  });

  test('a node that serves one connection hears the next when that one closes', async () => {
    const { network } = await startDevNetwork({ nodes: [{ connections: 1 }] });
    const { socketPath } = network.node('node-1');
    const first = await BareModule.join(socketPath, 'heartbeat');
    let isHeard = false;
    const second = BareModule.join(socketPath).then((module) => {
      isHeard = true;
      return module;
    });
    await first.get({ name: 'GetBlockHeight', value: null });
    expect(isHeard).toBe(false);
    first.close();
    await (await second).get({ name: 'GetBlockHeight', value: null });
  });

  test('events for a module that does not read are bounded and their drops counted', async () => {
    const { network } = await startDevNetwork({ nodes: [{ eventQueue: 50 }] });
    const node = network.node('node-1');
    const module = await BareModule.join(node.socketPath);
    await module.subscribe('MeshPacketReceived');
    module.socket.pause();
    const big = packet('x'.repeat(65_536));
    for (let i = 0; i < 500; i++) node.onBytes('10.9.9.9:1', big);
    const dropped = node.stats().eventsDropped;
    expect(dropped).toBeGreaterThan(400);
    module.socket.resume();
    await module.eventsOf('MeshPacketReceived', 500 - dropped);
    node.onBytes('10.9.9.9:1', packet('after'));
    expect((await module.eventsOf('MeshPacketReceived', 501 - dropped)).at(-1)?.packet_data).toEqual(
      packet('after'),
    );
    expect(node.stats().eventsDropped).toBe(dropped);
  });
});

describe('development node, permissions', () => {
  test('a module has the capabilities of its name, others those of the unknown', async () => {
    const { network } = await startDevNetwork({
      nodes: [
        {
          capabilities: new Map([['blvm-mesh', MESH_CAPABILITIES]]),
          defaultCapabilities: UNKNOWN_MODULE_CAPABILITIES,
        },
      ],
    });
    const { socketPath } = network.node('node-1');
    const mesh = await BareModule.join(socketPath, 'blvm-mesh');
    await mesh.get({ name: 'GetNetworkPeers', value: null });
    await mesh.get({ name: 'RegisterModuleApi', value: { methods: [], api_version: 1 } });

    const stranger = await BareModule.join(socketPath, `blvm-mesh_${'0'.repeat(32)}`);
    await stranger.get({ name: 'GetChainTip', value: null });
    await stranger.subscribe('NewBlock');
    expect(await stranger.ask({ name: 'GetNetworkPeers', value: null })).toBeNull();
    await waitUntil(() => stranger.isClosed, 'a denial closes the connection');
    expect(await mesh.get({ name: 'GetBlockHeight', value: null })).toMatchObject({ name: 'U64' });
  });

  test('without one capability exactly its requests are denied', async () => {
    const { network } = await startDevNetwork({
      nodes: [{ defaultCapabilities: CAPABILITIES.filter((one) => one !== 'network_access') }],
    });
    const { socketPath } = network.node('node-1');
    const module = await BareModule.join(socketPath);
    await module.get({ name: 'GetNetworkPeers', value: null });
    const value = { peer_addr: '10.0.0.2:18444', packet_data: packet('') };
    expect(await module.ask({ name: 'SendMeshPacketToPeer', value })).toBeNull();
  });

  test('what the node cannot serve is answered, or closes where it should behave as measured', async () => {
    const { network } = await startDevNetwork({ nodes: [{}, { failedRequests: 'close' }] });
    const value = { peer_addr: '192.0.2.1:1', packet_data: packet('') };
    const kind = await BareModule.join(network.node('node-1').socketPath);
    expect(await kind.ask({ name: 'SendMeshPacketToPeer', value })).toMatchObject({
      success: false,
      error: 'no peer 192.0.2.1:1 is connected, or the packet is too long',
    });
    expect(await kind.ask({ name: 'ReadFile', value: { path: 'x' } })).toMatchObject({ success: false });
    const strict = await BareModule.join(network.node('node-2').socketPath);
    expect(await strict.ask({ name: 'SendMeshPacketToPeer', value })).toBeNull();
  });
});

describe('development node, packets and peers', () => {
  test('a packet sent on one node is received on the other, and the other way', async () => {
    const { network } = await startDevNetwork({ nodes: 2 });
    const [a, b] = [network.node('node-1'), network.node('node-2')];
    const one = await BareModule.join(a.socketPath);
    const two = await BareModule.join(b.socketPath);
    await one.subscribe('MeshPacketReceived');
    await two.subscribe('MeshPacketReceived');
    const there = { peer_addr: b.address, packet_data: packet('ping') };
    const back = { peer_addr: a.address, packet_data: packet('pong') };
    expect(await one.get({ name: 'SendMeshPacketToPeer', value: there })).toEqual({
      name: 'Bool',
      value: true,
    });
    expect(await two.eventsOf('MeshPacketReceived', 1)).toEqual([
      { packet_data: packet('ping'), peer_addr: a.address },
    ]);
    await two.get({ name: 'SendMeshPacketToPeer', value: back });
    expect(await one.eventsOf('MeshPacketReceived', 1)).toEqual([
      { packet_data: packet('pong'), peer_addr: b.address },
    ]);
    expect(a.stats()).toMatchObject({ packetsSent: 1, packetsReceived: 1, bytesSent: 8 });
  });

  test('peers come and go at run time, and both nodes tell it', async () => {
    const { network } = await startDevNetwork({ nodes: 2, topology: [] });
    const [a, b] = [network.node('node-1'), network.node('node-2')];
    const module = await BareModule.join(a.socketPath);
    await module.subscribe('PeerConnected', 'PeerDisconnected');
    network.connect('node-1', 'node-2');
    expect(await module.eventsOf('PeerConnected', 1)).toEqual([
      { peer_addr: b.address, transport_type: 'tcp', services: 9n, version: 70_016, peer_node_id: null },
    ]);
    expect(await module.get({ name: 'GetNetworkPeers', value: null })).toMatchObject({
      value: [{ addr: b.address, transport_type: 'tcp' }],
    });
    expect(b.peers).toEqual([a.address]);
    network.disconnect(b.address, a.address, 'test');
    expect(await module.eventsOf('PeerDisconnected', 1)).toEqual([{ peer_addr: b.address, reason: 'test' }]);
    expect(await module.get({ name: 'GetNetworkPeers', value: null })).toEqual({
      name: 'NetworkPeers',
      value: [],
    });
  });

  test('a banned peer is cut off and kept out', async () => {
    const { network } = await startDevNetwork({ nodes: 2 });
    const [a, b] = [network.node('node-1'), network.node('node-2')];
    const module = await BareModule.join(a.socketPath);
    await module.subscribe('PeerBanned', 'PeerDisconnected');
    await module.get({ name: 'BanPeer', value: { peer_addr: b.address, ban_duration_seconds: 60n } });
    await module.eventsOf('PeerDisconnected', 1);
    expect(await module.eventsOf('PeerBanned', 1)).toMatchObject([{ ban_duration_seconds: 60n }]);
    expect(() => {
      network.connect('node-2', 'node-1');
    }).toThrow(/banned/);
  });

  test('a hostile peer sends what it likes; only what begins with MESH reaches modules', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const module = await BareModule.join(node.socketPath);
    await module.subscribe('MeshPacketReceived');
    const answers: Uint8Array[] = [];
    const hostile = network.join('203.0.113.7:8333', (_from, bytes) => answers.push(bytes));
    hostile.connect('node-1');
    hostile.send(node.address, Uint8Array.of(1, 2, 3));
    hostile.send(node.address, new Uint8Array(0));
    hostile.send(node.address, packet('junk'));
    expect(await module.eventsOf('MeshPacketReceived', 1)).toEqual([
      { packet_data: packet('junk'), peer_addr: '203.0.113.7:8333' },
    ]);
    expect(node.stats()).toMatchObject({ notMesh: 2, packetsReceived: 1 });
    const value = { peer_addr: hostile.address, packet_data: packet('answer') };
    await module.get({ name: 'SendMeshPacketToPeer', value });
    expect(answers).toEqual([packet('answer')]);
  });

  test('ten thousand packets cross two nodes within seconds, none lost', async () => {
    const { network } = await startDevNetwork({ nodes: 2 });
    const [a, b] = [network.node('node-1'), network.node('node-2')];
    const one = await BareModule.join(a.socketPath);
    const two = await BareModule.join(b.socketPath);
    await two.subscribe('MeshPacketReceived');
    const value = { peer_addr: b.address, packet_data: packet('x'.repeat(500)) };
    const sends = Array.from({ length: 10_000 }, () => one.ask({ name: 'SendMeshPacketToPeer', value }));
    await Promise.all(sends);
    await two.eventsOf('MeshPacketReceived', 10_000);
    expect(b.stats().eventsDropped).toBe(0);
  });
});

describe('development node, modules', () => {
  test('a call reaches the module that registered the method, with its caller, and the result comes back', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const { socketPath } = network.node('node-1');
    const callee = await BareModule.join(socketPath, 'blvm-mesh');
    const caller = await BareModule.join(socketPath, 'onion');
    const seen: unknown[] = [];
    callee.answering = ({ invocation_type: invocation }) => {
      seen.push(invocation);
      if (invocation.name !== 'ModuleApi') return null;
      return { name: 'ModuleApi', value: invocation.value.params.map((byte) => byte + 1) };
    };
    const call = (target: string | null, method = 'send_packet') =>
      caller.ask({
        name: 'CallModule',
        value: { target_module_id: target, method, params: Uint8Array.of(1, 2) },
      });
    expect(await call('blvm-mesh')).toMatchObject({ success: false });
    await callee.get({ name: 'RegisterModuleApi', value: { methods: ['send_packet'], api_version: 1 } });
    const answer = { success: true, payload: { name: 'ModuleApiResponse', value: Uint8Array.of(2, 3) } };
    expect(await call('blvm-mesh')).toMatchObject(answer);
    expect(await call(null)).toMatchObject(answer);
    expect(seen[0]).toEqual({
      name: 'ModuleApi',
      value: { method: 'send_packet', params: Uint8Array.of(1, 2), caller_module_id: 'onion' },
    });
    expect(await call('blvm-mesh', 'other')).toMatchObject({ success: false });
    callee.answering = () => null;
    expect(await call('blvm-mesh')).toMatchObject({ success: false, error: 'refused by the test' });
    await callee.get({ name: 'UnregisterModuleApi', value: null });
    expect(await call('blvm-mesh')).toMatchObject({ success: false });
  });

  test('a call whose module goes away fails, and one that gets no answer ends at its deadline', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const callee = await BareModule.join(node.socketPath, 'deaf');
    await callee.get({ name: 'RegisterModuleApi', value: { methods: ['m'], api_version: 1 } });
    callee.socket.removeAllListeners('data');
    const none = new Uint8Array(0);
    await expect(node.modules.call('deaf', 'm', none, 'test', 20)).rejects.toMatchObject({
      code: 'NODE_REQUEST_TIMEOUT',
    });
    const call = node.modules.call('deaf', 'm', none, 'test');
    callee.close();
    await expect(call).rejects.toMatchObject({ code: 'NODE_CONNECTION_LOST' });
  });

  test('a command line registered by a module can be run', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const module = await BareModule.join(node.socketPath);
    await expect(node.modules.cli('mesh', 'status', [])).rejects.toMatchObject({
      code: 'NODE_REQUEST_REFUSED',
    });
    const spec = { version: 1, name: 'mesh', about: null, subcommands: [] };
    expect(await module.get({ name: 'RegisterCliSpec', value: { spec } })).toEqual({
      name: 'Bool',
      value: true,
    });
    module.answering = ({ invocation_type: invocation }) =>
      invocation.name === 'Cli'
        ? {
            name: 'Cli',
            value: { stdout: JSON.stringify(invocation.value), stderr: 'careful', exit_code: -3 },
          }
        : null;
    const result = await node.modules.cli('mesh', 'add-peer', ['10.0.0.9:1']);
    expect(result).toMatchObject({ stderr: 'careful', exitCode: -3 });
    expect(JSON.parse(result.stdout)).toEqual({ subcommand: 'add-peer', args: ['10.0.0.9:1'] });
    await expect(node.modules.cli('blvm-mesh', 'status', [])).resolves.toMatchObject({ exitCode: -3 });
  });

  test('a published event reaches all subscribers, its publisher too, and nobody else', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const { socketPath } = network.node('node-1');
    const publisher = await BareModule.join(socketPath, 'blvm-mesh');
    const listener = await BareModule.join(socketPath, 'listener');
    const other = await BareModule.join(socketPath, 'other');
    await publisher.subscribe('RouteFailed');
    await listener.subscribe('RouteFailed', 'NewBlock');
    await other.subscribe('NewBlock');
    const value = { destination: Uint8Array.of(7), reason: 'test' };
    const payload = { name: 'RouteFailed', value } as const;
    expect(
      await publisher.get({ name: 'PublishEvent', value: { event_type: 'RouteFailed', payload } }),
    ).toEqual({ name: 'EventPublished', value: null });
    expect(await publisher.eventsOf('RouteFailed', 1)).toEqual([value]);
    expect(await listener.eventsOf('RouteFailed', 1)).toEqual([value]);
    network.chain.mine();
    await other.eventsOf('NewBlock', 1);
    expect(other.events.map((event) => event.name)).toEqual(['NewBlock']);
  });

  test('modules find each other, and report health and metrics', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const module = await BareModule.join(node.socketPath, 'blvm-mesh');
    expect(await module.get({ name: 'DiscoverModules', value: null })).toMatchObject({
      value: [{ module_id: 'blvm-lightning' }, { module_id: 'blvm-mesh', status: { name: 'Running' } }],
    });
    const available = async (module_id: string): Promise<unknown> =>
      (await module.get({ name: 'IsModuleAvailable', value: { module_id } })).value;
    expect(await available('blvm-mesh')).toBe(true);
    expect(await available('absent')).toBe(false);
    const metric = {
      name: 'packets',
      value: { name: 'Counter', value: 3n },
      labels: new Map<string, string>(),
      timestamp: 1n,
    } as const;
    await module.get({ name: 'ReportMetric', value: { metric } });
    expect(await module.get({ name: 'GetModuleMetrics', value: { module_id: 'blvm-mesh' } })).toEqual({
      name: 'ModuleMetrics',
      value: [metric],
    });
    const health = { name: 'Unresponsive', value: null } as const;
    await module.get({ name: 'ReportModuleHealth', value: { health } });
    expect(await module.get({ name: 'GetModuleHealth', value: { module_id: 'blvm-mesh' } })).toEqual({
      name: 'ModuleHealth',
      value: health,
    });
  });

  test('waiting for a module ends when it is ready, or at the deadline', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const ready = node.modules.waitFor('blvm-mesh', 'api', 5_000);
    const module = await BareModule.join(node.socketPath);
    await module.get({ name: 'RegisterModuleApi', value: { methods: ['m'], api_version: 1 } });
    expect((await ready).facts?.moduleName).toBe('blvm-mesh');
    await expect(node.modules.waitFor('absent', 'connected', 20)).rejects.toMatchObject({
      code: 'NODE_REQUEST_TIMEOUT',
    });
  });
});

describe('development node, chain and wallet', () => {
  test('blocks and reorganisations are told to modules of every node', async () => {
    const { network } = await startDevNetwork({ nodes: 2 });
    const modules = await Promise.all(network.nodes.map((node) => BareModule.join(node.socketPath)));
    for (const module of modules) await module.subscribe('NewBlock', 'BlockDisconnected', 'ChainReorg');
    network.chain.mine(2);
    const oldTip = network.chain.tip.hash;
    network.chain.reorg(1);
    for (const module of modules) {
      expect((await module.eventsOf('NewBlock', 4)).map((event) => event.height)).toEqual([1n, 2n, 2n, 3n]);
      expect(await module.eventsOf('BlockDisconnected', 1)).toEqual([{ hash: oldTip, height: 2n }]);
      expect(await module.eventsOf('ChainReorg', 1)).toEqual([
        { old_tip: oldTip, new_tip: network.chain.tip.hash },
      ]);
      expect(await module.get({ name: 'GetChainTip', value: null })).toEqual({
        name: 'Hash',
        value: network.chain.tip.hash,
      });
      expect(
        await module.get({ name: 'GetBlockHeader', value: { hash: network.chain.tip.hash } }),
      ).toMatchObject({ value: { prev_block_hash: present(network.chain.blockAt(2), 'a block').hash } });
    }
  });

  test('outputs, transactions and the mempool can be asked for', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const module = await BareModule.join(network.node('node-1').socketPath);
    const script = Uint8Array.of(0x20, 1, 2);
    const txid = network.chain.createTransaction([{ valueSats: 5_000n, script }]);
    const outpoint = { hash: txid, index: 0 };
    const inMempool = { name: 'CheckTransactionInMempool', value: { tx_hash: txid } } as const;
    expect(await module.get(inMempool)).toMatchObject({ value: true });
    expect(await module.get({ name: 'GetMempoolSize', value: null })).toMatchObject({
      value: { transaction_count: 1n },
    });
    expect(await module.get({ name: 'GetUtxo', value: { outpoint } })).toEqual({ name: 'Utxo', value: null });
    expect(await module.get({ name: 'GetTxMetadata', value: { txid } })).toMatchObject({ value: null });
    network.chain.mine();
    expect(await module.get(inMempool)).toMatchObject({ value: false });
    expect(await module.get({ name: 'HasTransaction', value: { hash: txid } })).toMatchObject({
      value: true,
    });
    expect(await module.get({ name: 'GetUtxo', value: { outpoint } })).toEqual({
      name: 'Utxo',
      value: { value: 5_000n, script_pubkey: script, height: 1n, is_coinbase: false },
    });
    expect(await module.get({ name: 'GetTxMetadata', value: { txid } })).toEqual({
      name: 'TxMetadata',
      value: { block_hash: network.chain.tip.hash, block_height: 1n },
    });
  });

  test('an invoice is told when made and when paid, on the issuing node alone', async () => {
    const { network } = await startDevNetwork({ nodes: 2 });
    const [a, b] = [network.node('node-1'), network.node('node-2')];
    const payments = ['PaymentRequestCreated', 'PaymentVerified', 'PaymentSettled'] as const;
    const issuer = await BareModule.join(a.socketPath);
    const payer = await BareModule.join(b.socketPath);
    await issuer.subscribe(...payments);
    await payer.subscribe(...payments, 'NewBlock');
    expect(await issuer.get({ name: 'GetLightningInfo', value: null })).toMatchObject({
      value: { node_pubkey: a.wallet.publicKey, node_url: `${a.payee}@10.0.0.1:9735` },
    });

    const { invoice, paymentHash, paymentId } = a.wallet.createInvoice({ amountMsat: 1_500n });
    expect(await issuer.eventsOf('PaymentRequestCreated', 1)).toEqual([
      { payment_id: paymentId, amount_sats: 2n, invoice },
    ]);
    const state = { name: 'GetPaymentState', value: { payment_id: paymentId } } as const;
    expect(await issuer.get(state)).toMatchObject({ value: { status: 'pending' } });
    b.wallet.pay(invoice);
    expect(await issuer.eventsOf('PaymentVerified', 1)).toEqual([
      { payment_id: paymentId, amount_msats: 1_500n, invoice },
    ]);
    expect(await issuer.eventsOf('PaymentSettled', 1)).toEqual([
      { payment_id: paymentId, tx_hash: paymentHash, confirmations: 0 },
    ]);
    expect(await issuer.get(state)).toMatchObject({ value: { status: 'settled', tx_hash: null } });
    network.chain.mine();
    await payer.eventsOf('NewBlock', 1);
    expect(payer.events).toHaveLength(1);
  });

  test('the Lightning module beside it issues invoices for other modules', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const module = await BareModule.join(node.socketPath);
    const ask = (params: unknown) =>
      module.ask({
        name: 'CallModule',
        value: {
          target_module_id: 'blvm-lightning',
          method: 'create_invoice',
          params: utf8(JSON.stringify(params)),
        },
      });
    const response = await ask({ amount_msats: 2_000, description: 'hop', expiry_seconds: 60 });
    const payload = present(response?.payload, 'an invoice');
    expect(payload.name).toBe('ModuleApiResponse');
    const bytes = payload.name === 'ModuleApiResponse' ? payload.value : new Uint8Array(0);
    const { invoice } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { invoice: string };
    expect(network.pay(invoice).amountMsat).toBe(2_000n);
    expect(await ask({ amount_msats: 'many' })).toMatchObject({ success: false });
    expect(await ask(3)).toMatchObject({ success: false });
  });

  test('a payment on the chain settles with its block, and unsettles when the block is lost', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const module = await BareModule.join(node.socketPath);
    await module.subscribe('PaymentRequestCreated', 'PaymentSettled');
    const { paymentId } = node.payments.createOnChainRequest(9_000n);
    const status = async (): Promise<unknown> =>
      (await module.get({ name: 'GetPaymentState', value: { payment_id: paymentId } })).value;
    expect(await status()).toMatchObject({ status: 'pending', tx_hash: null });
    const txid = node.payments.payOnChain(paymentId);
    expect(() => node.payments.payOnChain(paymentId)).toThrow(/paid already/);
    expect(await status()).toMatchObject({ status: 'in_mempool', tx_hash: txid, confirmations: 0 });
    network.chain.mine(3);
    expect(await status()).toMatchObject({ status: 'settled', amount_sats: 9_000n, confirmations: 3 });
    expect(await module.eventsOf('PaymentSettled', 1)).toEqual([
      { payment_id: paymentId, tx_hash: txid, confirmations: 1 },
    ]);
    network.chain.reorg(3, { dropTransactions: true });
    expect(await status()).toMatchObject({ status: 'failed', confirmations: 0 });
  });
});

describe('development node, limits', () => {
  test('a message between nodes is at most as long as in Bitcoin', async () => {
    const { network } = await startDevNetwork({ nodes: 2 });
    const module = await BareModule.join(network.node('node-1').socketPath);
    const send = (bytes: number) =>
      module.ask({
        name: 'SendMeshPacketToPeer',
        value: { peer_addr: '10.0.0.2:18444', packet_data: new Uint8Array(bytes) },
      });
    expect(await send(LIMITS.DEV_P2P_BYTES)).toMatchObject({ success: true });
    expect(await send(LIMITS.DEV_P2P_BYTES + 1)).toMatchObject({ success: false });
  });

  test('a socket path that the system would cut off is refused with the limit', async () => {
    await expect(startDevNetwork({ nodes: [{ socketPath: `/tmp/${'x'.repeat(120)}` }] })).rejects.toThrow(
      new RegExp(`at most ${LIMITS.UNIX_PATH_BYTES}`),
    );
  });
});

function newBlock(): {
  readonly name: 'NewBlock';
  readonly value: { block_hash: Uint8Array; height: bigint };
} {
  return { name: 'NewBlock', value: { block_hash: new Uint8Array(32), height: 1n } };
}
