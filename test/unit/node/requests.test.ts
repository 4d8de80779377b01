// Requests over one connection: matched, bounded, paced, each with a deadline.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { RequestMessage } from '../../../src/node/messages.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import { MemoryLog, advanceUntil, codeOf, connect, optionsFor, startServer } from './support.js';
import { until } from './server.js';

/** Holds back answers to this kind of request. */
function holding(name: string): {
  held: RequestMessage[];
  onRequest: (_: unknown, r: RequestMessage) => boolean;
} {
  const held: RequestMessage[] = [];
  return {
    held,
    onRequest: (_, request) => {
      if (request.payload.name !== name) return false;
      held.push(request);
      return true;
    },
  };
}

describe('node requests', () => {
  it('a call has its typed answer', async () => {
    const server = await startServer();
    const node = await connect(server);
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    expect(node.nodeVersion).toBe('0.1.83');
    expect(server.last.requests[0]?.payload).toEqual({
      name: 'Handshake',
      value: { module_id: 'blvm-mesh', module_name: 'blvm-mesh', version: '0.1.0' },
    });
  });

  it('answers in any order find their requests', async () => {
    const script = holding('GetFeeEstimate');
    const server = await startServer(script);
    const node = await connect(server);
    const calls = Array.from({ length: 300 }, (_, i) => node.nodeApi().getFeeEstimate(i));
    await until(() => script.held.length === 300, 'all requests under way at once');
    for (const request of [...script.held].reverse()) {
      const target = request.payload.name === 'GetFeeEstimate' ? request.payload.value.target_blocks : -1;
      server.last.answer(request, { name: 'FeeEstimate', value: BigInt(target) });
    }
    expect(await Promise.all(calls)).toEqual(calls.map((_, i) => BigInt(i)));
  });

  it('answers cut into single bytes are put together', async () => {
    const server = await startServer({
      onRequest: (connection, request) => {
        if (request.payload.name !== 'GetBlockHeight') return false;
        const frame = connection.codec.encodeFrame({
          name: 'Response',
          value: {
            correlation_id: request.correlation_id,
            success: true,
            payload: { name: 'U64', value: 9n },
            error: null,
          },
        });
        connection.socket.setNoDelay(true);
        for (const byte of frame) connection.sendBytes(Uint8Array.from([byte]));
        return true;
      },
    });
    const node = await connect(server);
    expect(await node.nodeApi().getBlockHeight()).toBe(9n);
  });

  it('an answer that nobody asked for, a second one and a late one are counted and change nothing', async () => {
    const script = holding('GetBlockHeight');
    const server = await startServer(script);
    const node = await connect(server);
    server.last.send({
      name: 'Response',
      value: { correlation_id: 999n, success: true, payload: { name: 'U64', value: 1n }, error: null },
    });
    const call = node.nodeApi().getBlockHeight();
    await until(() => script.held.length === 1, 'the request');
    const [request] = script.held;
    if (request === undefined) throw new Error('no request');
    server.last.answer(request, { name: 'U64', value: 2n });
    server.last.answer(request, { name: 'U64', value: 3n });
    expect(await call).toBe(2n);
    await until(() => node.stats().requests.unasked === 2, 'both were counted');
    expect(node.state).toBe('connected');
  });

  it('a refusal and an answer of another kind reject with what the node said', async () => {
    const server = await startServer({
      onRequest: (connection, request) => {
        if (request.payload.name === 'GetPaymentState') connection.refuse(request, 'no such payment');
        else if (request.payload.name === 'GetChainTip')
          connection.answer(request, { name: 'U64', value: 1n });
        else return false;
        return true;
      },
    });
    const node = await connect(server);
    await expect(node.nodeApi().getPaymentState('a')).rejects.toMatchObject({
      code: 'NODE_REQUEST_REFUSED',
      facts: { request: 'GetPaymentState', error: 'no such payment' },
    });
    await expect(node.nodeApi().getChainTip()).rejects.toMatchObject({ code: 'NODE_PROTOCOL' });
    expect(node.state).toBe('connected');
  });

  it('an answer whose layout was not published rejects its request alone', async () => {
    const server = await startServer({
      onRequest: (connection, request) => {
        if (request.payload.name !== 'GetChainTip') return false;
        // A Response whose payload is Some(Block(Some(…))).
        const body = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 42]);
        new DataView(body.buffer).setBigUint64(4, request.correlation_id, true);
        connection.sendBytes(new Uint8Array([0, 0, 0, body.length, ...body]));
        return true;
      },
    });
    const node = await connect(server);
    expect(await codeOf(node.nodeApi().getChainTip())).toBe('NODE_PROTOCOL');
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    expect(node.stats().lost).toBe(0);
  });

  it('each request has its deadline, and its late answer is ignored', async () => {
    const clock = new VirtualClock();
    const script = holding('GetBlockHeight');
    const server = await startServer(script);
    const node = await connect(server, { clock });
    const call = codeOf(node.nodeApi().getBlockHeight());
    await until(() => script.held.length === 1, 'the request');
    clock.advance(LIMITS.NODE_REQUEST_MILLIS - 1);
    expect(node.stats().requests.inFlight).toBe(1);
    clock.advance(1);
    expect(await call).toBe('NODE_REQUEST_TIMEOUT');
    const [request] = script.held;
    if (request !== undefined) server.last.answer(request, { name: 'U64', value: 2n });
    await until(() => node.stats().requests.unasked === 1, 'the late answer');
    expect(node.stats().requests).toMatchObject({ inFlight: 0, timedOut: 1 });
  });

  it('a call to another module has its own, longer deadline', async () => {
    const clock = new VirtualClock();
    const script = holding('CallModule');
    const server = await startServer(script);
    const node = await connect(server, { clock });
    const call = codeOf(node.callModule('other', 'method', new Uint8Array(3)));
    const short = codeOf(node.callModule('other', 'method', new Uint8Array(3), 500));
    await until(() => script.held.length === 2, 'the requests');
    clock.advance(500);
    expect(await short).toBe('NODE_REQUEST_TIMEOUT');
    clock.advance(LIMITS.NODE_CALL_MILLIS - 501);
    expect(node.stats().requests.inFlight).toBe(1);
    clock.advance(1);
    expect(await call).toBe('NODE_REQUEST_TIMEOUT');
  });

  it('at most so many requests wait; one more is refused at once', async () => {
    const clock = new VirtualClock();
    const server = await startServer(holding('GetBlockHeight'));
    const node = await connect(server, { clock, requestsPerSecond: 80 });
    const calls = Array.from({ length: LIMITS.NODE_REQUESTS_IN_FLIGHT }, () =>
      codeOf(node.nodeApi().getBlockHeight()),
    );
    expect(await codeOf(node.nodeApi().getBlockHeight())).toBe('NODE_QUEUE_FULL');
    clock.advance(LIMITS.NODE_REQUEST_MILLIS);
    expect(new Set(await Promise.all(calls))).toEqual(new Set(['NODE_REQUEST_TIMEOUT']));
    expect(node.stats().requests).toMatchObject({ waiting: 0, inFlight: 0 });
  });

  it('no more memory than the bound waits in line', async () => {
    const clock = new VirtualClock();
    const server = await startServer(holding('SendMeshPacketToPeer'));
    const node = await connect(server, { clock, requestsPerSecond: 1 });
    const megabyte = new Uint8Array(1_000_000);
    const codes = Array.from({ length: 80 }, () =>
      codeOf(node.nodeApi().sendMeshPacketToPeer('a', megabyte)),
    );
    clock.advance(LIMITS.NODE_REQUEST_MILLIS);
    const full = (await Promise.all(codes)).filter((code) => code === 'NODE_QUEUE_FULL');
    expect(full.length).toBeGreaterThanOrEqual(
      80 - 1 - Math.floor(LIMITS.NODE_REQUEST_BYTES_QUEUED / 1_000_000),
    );
  });

  it('a request larger than a frame is refused', async () => {
    const node = await connect(await startServer());
    const huge = new Uint8Array(LIMITS.NODE_FRAME_BYTES);
    expect(await codeOf(node.nodeApi().sendMeshPacketToPeer('a', huge))).toBe('NODE_REQUEST_REFUSED');
  });

  it('a quarter of the rate goes at once, the rest in order as the clock moves', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    const node = await connect(server, { clock, requestsPerSecond: 80 });
    const calls = Array.from({ length: 60 }, () => node.nodeApi().getBlockHeight());
    await until(() => node.stats().requests.answered === 20, 'the first burst');
    expect(node.stats().requests.waiting).toBe(40);
    clock.advance(125);
    await until(() => node.stats().requests.answered >= 29, 'an eighth of a second later');
    expect(node.stats().requests.sent).toBeLessThanOrEqual(30);
    await advanceUntil(clock, () => node.stats().requests.answered === 60, 'all of them');
    await Promise.all(calls);
    expect(clock.monotonicMillis()).toBeGreaterThanOrEqual(500);
    const ids = server.last.requests.map((request) => request.correlation_id);
    expect(ids).toEqual([...ids].sort((a, b) => (a < b ? -1 : 1)));
  });

  it('a request or an event that the node does not have yet is refused here', async () => {
    const server = await startServer({ nodeVersion: '0.1.80' });
    const node = await connect(server);
    await expect(node.nodeApi().getTransactionMetadata(new Uint8Array(32))).rejects.toMatchObject({
      code: 'NODE_REQUEST_REFUSED',
      facts: { nodeVersion: '0.1.80' },
    });
    const event = {
      name: 'PeerPayment',
      value: { command: 'a', payload: new Uint8Array(0), peer_addr: 'b' },
    } as const;
    expect(await codeOf(node.publish(event))).toBe('NODE_REQUEST_REFUSED');
    expect(server.last.asked).toEqual([]);
  });

  it('every generation is spoken as its node speaks it', async () => {
    for (const nodeVersion of ['0.1.1', '0.1.5', '0.1.10', '0.1.29', '0.1.56', '0.1.74', '0.1.81', '9.9.9']) {
      const server = await startServer({ nodeVersion });
      const log = new MemoryLog();
      const node = await connect(server, { log });
      await node.nodeApi().registerModuleApi(['send_packet'], 1);
      await node.publish({
        name: 'RouteFailed',
        value: { destination: new Uint8Array(32), reason: 'none' },
      });
      expect(server.last.asked).toEqual(['RegisterModuleApi', 'PublishEvent']);
      expect(node.nodeVersion).toBe(nodeVersion);
      expect(log.has('newer version than any that is known')).toBe(nodeVersion === '9.9.9');
    }
  });

  it('typed calls send what they say', async () => {
    const server = await startServer();
    const node = await connect(server, { clock: new VirtualClock(1_700_000_000) });
    await node.nodeApi().reportMetric({
      name: 'packets',
      value: { name: 'Counter', value: 5n },
      labels: new Map([['mode', 'open']]),
    });
    await node.nodeApi().sendMeshPacketToPeer('10.0.0.1:8333', Uint8Array.from([1, 2]));
    expect(node.logToNode('Warn', 'mesh', 'hello')).toBe(true);
    await until(() => server.last.others.length === 1, 'the log line');
    expect(server.last.requests.slice(1).map(({ payload }) => payload)).toEqual([
      {
        name: 'ReportMetric',
        value: {
          metric: {
            name: 'packets',
            value: { name: 'Counter', value: 5n },
            labels: new Map([['mode', 'open']]),
            timestamp: 1_700_000_000n,
          },
        },
      },
      {
        name: 'SendMeshPacketToPeer',
        value: { peer_addr: '10.0.0.1:8333', packet_data: Uint8Array.from([1, 2]) },
      },
    ]);
    expect(server.last.others[0]?.value).toMatchObject({
      level: 'Warn',
      module_id: 'blvm-mesh',
      message: 'hello',
    });
  });

  it('close rejects what is under way and whatever is asked later', async () => {
    const server = await startServer(holding('GetBlockHeight'));
    const node = await connect(server);
    const call = codeOf(node.nodeApi().getBlockHeight());
    await until(() => server.last.asked.length === 1, 'the request');
    await node.close();
    await node.close();
    expect(await call).toBe('NODE_CONNECTION_LOST');
    expect(await codeOf(node.nodeApi().getBlockHeight())).toBe('SHUTTING_DOWN');
    expect(await codeOf(node.subscribeEvents(['NewBlock']))).toBe('SHUTTING_DOWN');
    await until(() => server.last.isClosed, 'the connection ends');
    expect(node.state).toBe('closed');
  });

  it('connecting where nobody listens says so', async () => {
    const server = await startServer();
    await server.stop();
    await expect(ModuleIntegration.connect(optionsFor(server))).rejects.toMatchObject({
      code: 'NODE_UNREACHABLE',
    });
  });
});
