// The connection over time: what is lost, what is kept, what is learnt from closed connections.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { encodeFrame } from '../../../src/core/frame.js';
import type { CliSpec } from '../../../src/node/messages.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import { until, type ServedConnection } from './server.js';
import { MemoryLog, advanceUntil, codeOf, connect, optionsFor, startServer } from './support.js';

const SPEC: CliSpec = { version: 1, name: 'mesh', about: null, subcommands: [] };
const CORRUPT: [string, Uint8Array][] = [
  ['an empty frame', Uint8Array.from([0, 0, 0, 0])],
  ['a frame above 40 MiB', Uint8Array.from([2, 0x80, 0, 1])],
  ['a frame of 4 GiB', Uint8Array.from([0xff, 0xff, 0xff, 0xff])],
  ['an unknown message', encodeFrame(Uint8Array.from([9, 0, 0, 0]))],
  ['a message that ends early', encodeFrame(Uint8Array.from([1, 0, 0, 0, 7]))],
  [
    'an event with a tag of the future',
    encodeFrame(Uint8Array.from([2, 0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0])),
  ],
];

describe('node connection › lost and made again', () => {
  it('what was sent is rejected, what was not sent waits for the next connection', async () => {
    const server = await startServer({
      onRequest: (connection, request) => {
        if (request.payload.name !== 'GetChainTip') return false;
        connection.socket.destroy();
        return true;
      },
    });
    const node = await connect(server);
    await expect(node.nodeApi().getChainTip()).rejects.toMatchObject({
      code: 'NODE_CONNECTION_LOST',
      facts: { request: 'GetChainTip', sent: true },
    });
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    expect(node.stats()).toMatchObject({ connections: 2, lost: 1, state: 'connected' });
  });

  it('subscriptions, module API and commands are told to each new connection, each once', async () => {
    const server = await startServer();
    const states: string[] = [];
    const node = await connect(server, { cliSpec: SPEC });
    node.onStateChange((state) => states.push(state));
    await node.subscribeEvents(['MeshPacketReceived', 'PeerConnected']);
    await node.subscribeEvents(['PeerConnected', 'NewBlock']);
    await node.subscribeEvents(['NewBlock']);
    await node.nodeApi().registerModuleApi(['send_packet'], 1);
    const first = server.last;
    expect(first.asked).toEqual([
      'RegisterCliSpec',
      'SubscribeEvents',
      'SubscribeEvents',
      'RegisterModuleApi',
    ]);
    expect(first.requests[3]?.payload.value).toEqual({ event_types: ['NewBlock'] });
    first.socket.destroy();
    await until(() => server.connections.length === 2 && node.state === 'connected', 'the second connection');
    expect(states).toEqual(['waiting', 'connecting', 'connected']);
    expect(server.last.asked).toEqual(['RegisterCliSpec', 'SubscribeEvents', 'RegisterModuleApi']);
    expect(server.last.requests[2]?.payload.value).toEqual({
      event_types: ['MeshPacketReceived', 'PeerConnected', 'NewBlock'],
    });
  });

  it('what is registered while a new connection is being told everything is told to it, once', async () => {
    const held: (() => void)[] = [];
    const server = await startServer();
    const node = await connect(server, { cliSpec: SPEC });
    await node.subscribeEvents(['NewBlock']);
    server.script = {
      onRequest: (connection, request) => {
        if (request.payload.name !== 'RegisterCliSpec') return false;
        held.push(() => {
          connection.answer(request, { name: 'Bool', value: true });
        });
        return true;
      },
    };
    server.last.socket.destroy();
    await until(() => held.length === 1, 'the second connection is being told');
    const done = Promise.all([
      node.subscribeEvents(['PeerConnected']),
      node.subscribeEvents(['PeerDisconnected', 'NewBlock']),
      node.nodeApi().registerModuleApi(['a'], 1),
    ]);
    held[0]?.();
    await done;
    const told = server.last.requests.slice(1).map(({ payload }) => payload);
    const types = told.flatMap((payload) =>
      payload.name === 'SubscribeEvents' ? payload.value.event_types : [],
    );
    expect([...types].sort()).toEqual(['NewBlock', 'PeerConnected', 'PeerDisconnected']);
    expect(told.filter(({ name }) => name === 'RegisterModuleApi')).toHaveLength(1);
    expect(node.stats().connections).toBe(2);
  });

  it('what was taken back is not told again', async () => {
    const server = await startServer({
      onRequest: (connection, request) => {
        if (request.payload.name !== 'UnregisterModuleApi') return false;
        connection.answer(request, { name: 'ModuleApiUnregistered', value: null });
        return true;
      },
    });
    const node = await connect(server);
    await node.nodeApi().registerModuleApi(['send_packet'], 1);
    await node.nodeApi().unregisterModuleApi();
    server.last.socket.destroy();
    await until(() => node.stats().connections === 2 && node.state === 'connected', 'the second connection');
    expect(server.last.asked).toEqual([]);
  });

  it('a node that comes back with another version is spoken to in its own generation', async () => {
    const server = await startServer({ nodeVersion: '0.1.83' });
    const node = await connect(server);
    await node.subscribeEvents(['PeerPayment', 'NewBlock']);
    server.script = { nodeVersion: '0.1.4' };
    const waiting = node.nodeApi().getBlockHeight();
    expect(await waiting).toBe(7n);
    server.last.socket.destroy();
    await until(() => node.stats().connections === 2 && node.state === 'connected', 'the older node');
    expect(server.last.requests[1]?.payload.value).toEqual({ event_types: ['NewBlock'] });
    await node.publish({ name: 'RouteFailed', value: { destination: new Uint8Array(1), reason: 'x' } });
    expect(node.nodeVersion).toBe('0.1.4');
  });

  it('a request that waited is written again for the generation of the node that comes', async () => {
    const clock = new VirtualClock();
    const server = await startServer({ nodeVersion: '0.1.83' });
    const node = await connect(server, { clock });
    server.script = { nodeVersion: '0.1.1' };
    server.last.socket.destroy();
    await until(() => node.state === 'waiting', 'the loss');
    const event = { name: 'RouteFailed', value: { destination: new Uint8Array(2), reason: 'y' } } as const;
    const published = node.publish(event);
    const missing = codeOf(node.nodeApi().getTransactionMetadata(new Uint8Array(32)));
    await advanceUntil(clock, () => node.stats().connections === 2, 'the older node');
    await published;
    expect(await missing).toBe('NODE_REQUEST_REFUSED');
    expect(server.last.requests[1]?.payload).toEqual({
      name: 'PublishEvent',
      value: { event_type: 'RouteFailed', payload: event },
    });
  });

  it.each(CORRUPT)('%s closes the connection, and the next one serves', async (_, bytes) => {
    const server = await startServer();
    const node = await connect(server);
    server.last.sendBytes(bytes);
    await until(() => node.stats().connections === 2 && node.state === 'connected', 'the next connection');
    expect(node.stats()).toMatchObject({ corrupt: 1, lost: 1 });
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
  });

  it('the node may close after any byte of an answer', async () => {
    const clock = new VirtualClock();
    let cut: number | null = null;
    const server = await startServer({
      onRequest: (connection, request) => {
        if (request.payload.name !== 'GetBlockHeight' || cut === null) return false;
        const frame = connection.codec.encodeFrame({
          name: 'Response',
          value: {
            correlation_id: request.correlation_id,
            success: true,
            payload: { name: 'U64', value: 1n },
            error: null,
          },
        });
        expect(frame.length).toBe(31);
        connection.socket.end(frame.subarray(0, cut));
        return true;
      },
    });
    const node = await connect(server, { clock });
    for (let length = 0; length < 31; length++) {
      cut = length;
      expect(await codeOf(node.nodeApi().getBlockHeight())).toBe('NODE_CONNECTION_LOST');
      // An answer in between: a request that is closed on twice in a row counts as refused.
      cut = null;
      await advanceUntil(clock, () => node.state === 'connected', 'a connection', 1_000);
      expect(await codeOf(node.nodeApi().getBlockHeight())).toBe('resolved');
    }
    expect(node.stats()).toMatchObject({ corrupt: 0, lost: 31, connections: 32 });
  });

  it('the node may close after any byte of its answer to the handshake', async () => {
    const ack = (connection: ServedConnection): Uint8Array =>
      connection.codec.encodeFrame({
        name: 'Response',
        value: {
          correlation_id: 1n,
          success: true,
          payload: { name: 'HandshakeAck', value: { node_version: '0.1.83' } },
          error: null,
        },
      });
    const lengths = { cut: 0 };
    const server = await startServer({
      onRequest: (connection) => {
        connection.socket.end(ack(connection).subarray(0, lengths.cut));
        return true;
      },
    });
    for (lengths.cut = 0; lengths.cut < 35; lengths.cut++)
      expect(await codeOf(ModuleIntegration.connect(optionsFor(server)))).toBe('NODE_PROTOCOL');
  });
});

describe('node connection › waiting', () => {
  it('a node that takes the connection and never answers is given up after the deadline', async () => {
    const clock = new VirtualClock();
    const server = await startServer({ onRequest: () => true });
    const code = codeOf(ModuleIntegration.connect(optionsFor(server, { clock })));
    await until(() => server.connections[0]?.requests.length === 1, 'the handshake');
    clock.advance(LIMITS.NODE_HANDSHAKE_MILLIS);
    expect(await code).toBe('NODE_PROTOCOL');
    await until(() => server.last.isClosed, 'the connection ends');
  });

  it('an answer to the handshake that is another message is refused', async () => {
    for (const bytes of [encodeFrame(Uint8Array.from([9])), encodeFrame(Uint8Array.from([1, 0, 0, 0]))]) {
      const server = await startServer({
        onRequest: (connection) => {
          connection.sendBytes(bytes);
          return true;
        },
      });
      expect(await codeOf(ModuleIntegration.connect(optionsFor(server)))).toBe('NODE_PROTOCOL');
    }
  });

  it('with a time to wait, a node that starts later is found', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    await server.stop();
    const connecting = ModuleIntegration.connect(optionsFor(server, { clock, connectTimeoutMillis: 60_000 }));
    let node: ModuleIntegration | null = null;
    void connecting.then((it) => (node = it));
    clock.advance(10);
    await server.listen();
    await advanceUntil(clock, () => node !== null, 'the connection');
    await (await connecting).close();
  });

  it('without reconnecting, the end of the connection is the end', async () => {
    const server = await startServer();
    const node = await connect(server, { reconnect: false });
    server.last.socket.destroy();
    await until(() => node.state === 'closed', 'the end');
    expect(await codeOf(node.nodeApi().getBlockHeight())).toBe('SHUTTING_DOWN');
  });

  it('the wait doubles with its spread up to its bound, and starts over after a connection that held', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    const node = await connect(server, { clock });
    const waits: number[] = [];
    let since = 0;
    node.onStateChange((state) => {
      if (state === 'waiting') since = clock.monotonicMillis();
      else if (state === 'connecting') waits.push(clock.monotonicMillis() - since);
    });
    await server.stop();
    await advanceUntil(clock, () => waits.length >= 11, 'eleven attempts', 10);
    waits.forEach((wait, i) => {
      const base = Math.min(LIMITS.RECONNECT_MAX_MILLIS, LIMITS.RECONNECT_MIN_MILLIS * 2 ** i);
      expect(wait).toBeGreaterThanOrEqual(0.8 * base - 20);
      expect(wait).toBeLessThanOrEqual(1.2 * base + 20);
    });
    await server.listen();
    await advanceUntil(clock, () => node.state === 'connected', 'the node again', 1_000);
    clock.advance(LIMITS.NODE_STABLE_MILLIS);
    waits.length = 0;
    server.last.socket.destroy();
    await advanceUntil(clock, () => node.state === 'connected' && waits.length > 0, 'a short wait', 10);
    expect(waits[0]).toBeLessThanOrEqual(1.2 * LIMITS.RECONNECT_MIN_MILLIS + 20);
  });

  it('close while it waits ends at once', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    const node = await connect(server, { clock });
    await server.stop();
    await until(() => node.state === 'waiting', 'the loss');
    const call = codeOf(node.nodeApi().getBlockHeight());
    await node.close();
    expect(await call).toBe('SHUTTING_DOWN');
    expect(node.state).toBe('closed');
  });

  it('a node that does not read is given up before it fills the memory', async () => {
    const server = await startServer({
      onConnection: (connection) => {
        connection.socket.once('data', () => connection.socket.pause());
      },
    });
    const node = await connect(server);
    let isLost = false;
    node.onStateChange((state) => (isLost ||= state === 'waiting'));
    const line = 'x'.repeat(30_000_000);
    // Requests wait while the socket is full; log lines are not taken then.
    expect(node.logToNode('Info', 'a', line)).toBe(true);
    expect(node.logToNode('Info', 'a', line)).toBe(false);
    node.onInvocation(() => ({
      success: true,
      payload: { name: 'ModuleApi', value: new Uint8Array(20_000_000) },
    }));
    for (let i = 0n; i < 3n; i++)
      server.last.invoke(i, {
        name: 'ModuleApi',
        value: { method: 'm', params: new Uint8Array(0), caller_module_id: 'c' },
      });
    await until(() => isLost, 'the connection is given up');
  });
});

describe('node connection › refusals', () => {
  /** A node that closes on these kinds, as a real one does without the capability. */
  const closingOn = (...names: string[]) => ({
    onRequest: (connection: ServedConnection, request: { payload: { name: string } }) => {
      if (!names.includes(request.payload.name)) return false;
      connection.socket.destroy();
      return true;
    },
  });

  it('a registration that the node closes on twice is refused, said so, and done without', async () => {
    const log = new MemoryLog();
    const server = await startServer(closingOn('RegisterModuleApi'));
    const node = await connect(server, { log });
    await node.subscribeEvents(['NewBlock']);
    expect(await codeOf(node.nodeApi().registerModuleApi(['a'], 1))).toBe('NODE_REQUEST_REFUSED');
    await until(() => node.state === 'connected', 'the connection without it');
    expect(node.stats()).toMatchObject({ connections: 3, refusedRequests: ['RegisterModuleApi'] });
    expect(server.last.asked).toEqual(['SubscribeEvents']);
    expect(log.has('the node refuses RegisterModuleApi')).toBe(true);
    // Asked again, it is not even sent.
    expect(await codeOf(node.nodeApi().registerModuleApi(['a'], 1))).toBe('NODE_REQUEST_REFUSED');
    expect(node.stats().connections).toBe(3);
  });

  it('among requests under way together the refused one is found, and the others are served', async () => {
    const server = await startServer(closingOn('SendMeshPacketToPeer'));
    const node = await connect(server);
    const api = node.nodeApi();
    let codes: string[] = [];
    for (let round = 0; round < 20 && node.stats().refusedRequests.length === 0; round++)
      codes = await Promise.all([
        codeOf(api.getBlockHeight()),
        codeOf(api.sendMeshPacketToPeer('a', new Uint8Array(1))),
        codeOf(api.reportMetric({ name: 'm', value: { name: 'Gauge', value: 1 }, labels: new Map() })),
      ]);
    expect(node.stats().refusedRequests).toEqual(['SendMeshPacketToPeer']);
    expect(codes).toContain('NODE_CONNECTION_LOST');
    expect(await codeOf(api.getBlockHeight())).toBe('resolved');
    expect(
      await codeOf(api.reportMetric({ name: 'm', value: { name: 'Gauge', value: 1 }, labels: new Map() })),
    ).toBe('resolved');
  });

  it('a kind that was answered once stays allowed: the node also closes on a request that merely fails', async () => {
    const server = await startServer({
      onRequest: (connection, { payload }) => {
        const isGone = payload.name === 'SendMeshPacketToPeer' && payload.value.peer_addr === 'gone';
        if (isGone) connection.socket.destroy();
        return isGone;
      },
    });
    const node = await connect(server);
    const api = node.nodeApi();
    const send = (address: string): Promise<string> =>
      codeOf(api.sendMeshPacketToPeer(address, new Uint8Array(1)));
    expect(await send('here')).toBe('resolved');
    for (let i = 0; i < 5; i++) {
      expect(await send('gone')).toBe('NODE_CONNECTION_LOST');
      await until(() => node.state === 'connected', 'a connection');
    }
    expect(node.stats().refusedRequests).toEqual([]);
    expect(await send('here')).toBe('resolved');
  });

  it('a node that was down may have been given other permissions: it is asked again', async () => {
    const clock = new VirtualClock();
    const server = await startServer(closingOn('PublishEvent'));
    const node = await connect(server, { clock });
    const event = { name: 'RouteFailed', value: { destination: new Uint8Array(1), reason: 'x' } } as const;
    for (let i = 0; i < 2; i++) {
      await advanceUntil(clock, () => node.state === 'connected', 'a connection');
      expect(await codeOf(node.publish(event))).toBe('NODE_CONNECTION_LOST');
    }
    expect(await codeOf(node.publish(event))).toBe('NODE_REQUEST_REFUSED');
    await server.stop();
    clock.advance(LIMITS.RECONNECT_MAX_MILLIS);
    await advanceUntil(clock, () => node.stats().refusedRequests.length === 0, 'an attempt in vain', 1_000);
    server.script = {};
    await server.listen();
    await advanceUntil(clock, () => node.state === 'connected', 'the new node', 1_000);
    expect(await codeOf(node.publish(event))).toBe('resolved');
  });
});
