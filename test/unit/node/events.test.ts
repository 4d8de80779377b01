// Events and invocations: they interleave with everything else, and a flood of them is bounded.
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { concatBytes } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import { encodeFrame } from '../../../src/core/frame.js';
import type { NodeEvent } from '../../../src/node/messages.js';
import type { InvocationOutcome } from '../../../src/node/module-integration.js';
import { until } from './server.js';
import { MemoryLog, connect, startServer } from './support.js';

const packet = (size: number, fill = 1): NodeEvent => ({
  name: 'MeshPacketReceived',
  value: { packet_data: new Uint8Array(size).fill(fill), peer_addr: '10.0.0.9:8333' },
});

describe('node events', () => {
  it('each reader and each listener gets every event in order, between answers', async () => {
    const server = await startServer();
    const node = await connect(server);
    const heard: NodeEvent[] = [];
    const stop = node.onEvent((event) => heard.push(event));
    const reader = node.eventReceiver();
    const other = node.eventReceiver();
    const heights = [];
    for (let i = 0; i < 50; i++) {
      server.last.event(packet(10, i));
      heights.push(node.nodeApi().getBlockHeight());
    }
    expect(await Promise.all(heights)).toHaveLength(50);
    await until(() => heard.length === 50, 'all events');
    stop();
    for (let i = 0; i < 50; i++) {
      expect(await reader.next()).toEqual({ done: false, value: packet(10, i) });
      expect(await other.next()).toEqual({ done: false, value: packet(10, i) });
    }
    server.last.event(packet(10));
    expect((await reader.next()).done).toBe(false);
    expect(heard).toHaveLength(50);
  });

  it('a reader waits for the next event, and ends with the integration', async () => {
    const server = await startServer();
    const node = await connect(server);
    const seen: string[] = [];
    const reading = (async () => {
      for await (const event of node.eventReceiver()) seen.push(event.name);
    })();
    server.last.event(packet(1));
    await until(() => seen.length === 1, 'the first');
    server.last.event({ name: 'ModuleStarted', value: { module_name: 'a' } });
    await until(() => seen.length === 2, 'the second');
    await node.close();
    await reading;
    expect(seen).toEqual(['MeshPacketReceived', 'ModuleStarted']);
    expect((await node.eventReceiver().next()).done).toBe(true);
  });

  it('a reader that does not read loses the newest, counted, and holds no more than the bound', async () => {
    const server = await startServer();
    const node = await connect(server);
    const reader = node.eventReceiver();
    const frame = server.last.codec.encodeFrame({
      name: 'Event',
      value: { event_type: 'MeshPacketReceived', payload: packet(1_000_000) },
    });
    const most = Math.floor(LIMITS.NODE_EVENT_BYTES_QUEUED / (frame.length - 4));
    for (let i = 0; i < most + 5; i++) server.last.sendBytes(frame);
    await until(() => node.stats().events.received === most + 5, 'all were read');
    expect(node.stats().events).toMatchObject({ dropped: 5, queued: most });
    await reader.next();
    server.last.sendBytes(frame);
    await until(() => node.stats().events.received === most + 6, 'one more');
    expect(node.stats().events).toMatchObject({ dropped: 5, queued: most });
    await reader.return?.();
    expect(node.stats().events.queued).toBe(0);
  });

  it('an event that disagrees with itself is ignored and the connection stays', async () => {
    const server = await startServer();
    const node = await connect(server);
    server.last.send({
      name: 'Event',
      value: { event_type: 'NewBlock', payload: { name: 'ModuleStarted', value: { module_name: 'a' } } },
    });
    server.last.event(packet(1));
    await until(() => node.stats().events.received === 1, 'the sound one');
    expect(node.stats()).toMatchObject({ ignored: 1, lost: 0 });
  });

  it('messages that no node sends are ignored', async () => {
    const server = await startServer();
    const node = await connect(server);
    server.last.send({
      name: 'Log',
      value: { level: 'Info', module_id: 'a', message: 'b', target: 'c', timestamp: 1n },
    });
    await until(() => node.stats().ignored === 1, 'it was counted');
    expect(node.state).toBe('connected');
  });

  it('a listener that throws harms nobody else', async () => {
    const server = await startServer();
    const log = new MemoryLog();
    const node = await connect(server, { log });
    let heard = 0;
    node.onEvent(() => {
      throw new Error('boom');
    });
    node.onEvent(() => heard++);
    server.last.event(packet(1));
    await until(() => heard === 1, 'the other listener');
    expect(log.has('a listener of node events failed')).toBe(true);
  });

  it('100,000 packet events in one burst all arrive', async () => {
    const server = await startServer();
    const node = await connect(server);
    let heard = 0;
    node.onEvent(() => heard++);
    const frame = server.last.codec.encodeFrame({
      name: 'Event',
      value: { event_type: 'MeshPacketReceived', payload: packet(120) },
    });
    const burst = concatBytes(...Array.from({ length: 1_000 }, () => frame));
    for (let i = 0; i < 100; i++) server.last.sendBytes(burst);
    await until(() => heard === 100_000, 'all of them', 10_000);
  });
});

describe('node invocations', () => {
  const invocation = (method: string) =>
    ({
      name: 'ModuleApi',
      value: { method, params: Uint8Array.from([1]), caller_module_id: 'other' },
    }) as const;
  const done = (value: Uint8Array): InvocationOutcome => ({
    success: true,
    payload: { name: 'ModuleApi', value },
  });

  it('each is answered under its own id, whenever its handler is done', async () => {
    const server = await startServer();
    const node = await connect(server);
    const waiting: (() => void)[] = [];
    node.onInvocation(async (call) => {
      if (call.name !== 'ModuleApi') return { success: false, error: 'no' };
      if (call.value.method === 'slow') await new Promise<void>((resolve) => waiting.push(resolve));
      return done(call.value.params);
    });
    server.last.invoke(1n, invocation('slow'));
    server.last.invoke(2n, invocation('fast'));
    server.last.invoke(3n, { name: 'Cli', value: { subcommand: 'status', args: [] } });
    await until(() => server.last.results.length === 2, 'the fast ones');
    waiting[0]?.();
    await until(() => server.last.results.length === 3, 'the slow one');
    expect(server.last.results).toEqual([
      {
        correlation_id: 2n,
        success: true,
        payload: { name: 'ModuleApi', value: Uint8Array.from([1]) },
        error: null,
      },
      { correlation_id: 3n, success: false, payload: null, error: 'no' },
      {
        correlation_id: 1n,
        success: true,
        payload: { name: 'ModuleApi', value: Uint8Array.from([1]) },
        error: null,
      },
    ]);
  });

  it('without a handler, with one that throws, and with a result of another kind: a failure', async () => {
    const server = await startServer();
    const node = await connect(server);
    server.last.invoke(1n, invocation('a'));
    await until(() => server.last.results.length === 1, 'the first answer');
    node.onInvocation(() => {
      throw new Error('boom '.repeat(1_000));
    });
    server.last.invoke(2n, invocation('a'));
    await until(() => server.last.results.length === 2, 'the second answer');
    node.onInvocation(() => done(new Uint8Array(0)));
    server.last.invoke(3n, { name: 'Cli', value: { subcommand: 'status', args: [] } });
    await until(() => server.last.results.length === 3, 'the third answer');
    expect(server.last.results.map(({ success }) => success)).toEqual([false, false, false]);
    expect(server.last.results[1]?.error).toHaveLength(1_000);
    expect(node.stats().invocations).toMatchObject({ running: 0, failed: 2, turnedAway: 1 });
  });

  it('an Rpc invocation, whose JSON nobody can read, is answered with a failure', async () => {
    const server = await startServer();
    const node = await connect(server);
    const body = Buffer.from(
      '04000000' + '0700000000000000' + '01000000' + '0100000000000000' + '61' + '00',
      'hex',
    );
    server.last.sendBytes(encodeFrame(body));
    await until(() => server.last.results.length === 1, 'the answer');
    expect(server.last.results[0]).toMatchObject({ correlation_id: 7n, success: false, payload: null });
    expect(node.stats().lost).toBe(0);
  });

  it('a storm runs up to the bound; the rest is answered at once', async () => {
    const server = await startServer();
    const node = await connect(server);
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    node.onInvocation(async () => {
      await gate;
      return done(new Uint8Array(0));
    });
    const extra = 500;
    for (let i = 0; i < LIMITS.INVOCATIONS_RUNNING + extra; i++)
      server.last.invoke(BigInt(i), invocation('a'));
    await until(() => server.last.results.length === extra, 'those turned away');
    expect(node.stats().invocations).toMatchObject({
      running: LIMITS.INVOCATIONS_RUNNING,
      turnedAway: extra,
    });
    // Requests and events are served all the while.
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    release();
    await until(() => server.last.results.length === LIMITS.INVOCATIONS_RUNNING + extra, 'all of them');
    expect(new Set(server.last.results.map(({ correlation_id }) => correlation_id)).size).toBe(
      LIMITS.INVOCATIONS_RUNNING + extra,
    );
  });

  it('one that is not done by its deadline is answered with a failure, once', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    const node = await connect(server, { clock });
    let release: () => void = () => undefined;
    node.onInvocation(async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return done(new Uint8Array(0));
    });
    server.last.invoke(1n, invocation('a'));
    await until(() => node.stats().invocations.running === 1, 'it runs');
    clock.advance(LIMITS.INVOCATION_MILLIS);
    await until(() => server.last.results.length === 1, 'the failure');
    release();
    server.last.invoke(2n, { name: 'Cli', value: { subcommand: 'x', args: [] } });
    await until(() => node.stats().invocations.running === 1, 'the next runs');
    release();
    await until(() => server.last.results.length === 2, 'its answer');
    expect(server.last.results.map(({ correlation_id }) => correlation_id)).toEqual([1n, 2n]);
    expect(node.stats().invocations.timedOut).toBe(1);
  });

  it('an answer is not sent on a later connection', async () => {
    const server = await startServer();
    const node = await connect(server);
    let release: () => void = () => undefined;
    node.onInvocation(async () => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return done(new Uint8Array(0));
    });
    server.last.invoke(1n, invocation('a'));
    await until(() => node.stats().invocations.running === 1, 'it runs');
    server.last.socket.destroy();
    await until(() => node.stats().connections === 2 && node.state === 'connected', 'the next connection');
    release();
    await until(() => node.stats().invocations.running === 0, 'the handler is done');
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    expect(server.last.results).toEqual([]);
  });
});
