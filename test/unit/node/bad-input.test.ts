// A node that misbehaves, or something in its place: each kind of bad input costs a bounded time and memory, and is over
// with it. More of it: frame.test.ts (cuts, lengths), reconnect.test.ts (closing after each byte, silence, not reading),
// requests.test.ts (second and late answers, deadlines), events.test.ts (readers that do not read).
import { describe, expect, it } from 'vitest';
import { concatBytes } from '../../../src/core/bytes.js';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { encodeFrame } from '../../../src/core/frame.js';
import type { ModuleIntegration } from '../../../src/node/module-integration.js';
import { until } from './server.js';
import { advanceUntil, connect, startServer } from './support.js';

const MIB = 1_048_576;
const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const u64 = (value: bigint): Uint8Array => new Uint8Array(BigUint64Array.of(value).buffer);
const header = (length: number): Uint8Array => Buffer.from(length.toString(16).padStart(8, '0'), 'hex');
const body = (...parts: readonly Uint8Array[]): Uint8Array => encodeFrame(concatBytes(...parts));

/** ModuleMessage: 1 Response, 2 Event. A response: correlation id, success, payload, error. */
const [RESPONSE, EVENT] = [1, 2] as const;
const NONE = Uint8Array.of(0);
const SOME = Uint8Array.of(1);

/** A request that is not answered: how it ends. */
async function codeOfLost(node: ModuleIntegration): Promise<unknown> {
  return node
    .nodeApi()
    .getChainTip()
    .then(
      () => 'answered',
      (error: unknown) => (error as { code: unknown }).code,
    );
}

describe('bad input of the node › frames', () => {
  const frames: Readonly<Record<string, Uint8Array>> = {
    'a frame of nothing': header(0),
    'a frame longer than 40 MiB': header(LIMITS.NODE_FRAME_BYTES + 1),
    'the longest length there is': header(0xffff_ffff),
    'a body of three bytes': body(Uint8Array.of(1, 0, 0)),
    'an unknown message': body(u32(9)),
    'an unknown answer': body(u32(RESPONSE), u64(2n), SOME, SOME, u32(4_000)),
    'an unknown event': body(u32(EVENT), u32(4_000), u32(4_000)),
    'an option that is neither': body(u32(RESPONSE), u64(2n), SOME, Uint8Array.of(2)),
    'a truth that is neither': body(u32(RESPONSE), u64(2n), Uint8Array.of(7), NONE, NONE),
    'a text that is none': body(u32(RESPONSE), u64(2n), NONE, NONE, SOME, u64(2n), Uint8Array.of(0xc3, 0x28)),
    'a text without end': body(u32(RESPONSE), u64(2n), NONE, NONE, SOME, u64(2n ** 64n - 1n)),
    'bytes that are left over': body(u32(RESPONSE), u64(2n), NONE, NONE, NONE, NONE),
  };

  it.each(Object.keys(frames))('%s costs the connection, and the next one serves', async (name) => {
    const server = await startServer();
    const node = await connect(server);
    const asked = codeOfLost(node);
    await until(() => server.last.asked.includes('GetChainTip'), 'the request');
    server.last.sendBytes(frames[name] ?? NONE);
    expect(await asked).toBe('NODE_CONNECTION_LOST');
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    expect(node.stats()).toMatchObject({ corrupt: 1, connections: 2, refusedRequests: [] });
  });

  it('a node that sends nothing else is asked ever less often', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    const node = await connect(server, { clock });
    server.script = { onConnection: ({ socket }) => void socket.write(header(0)) };
    server.last.sendBytes(header(0));
    const minutes = 10;
    const end = clock.monotonicMillis() + 60_000 * minutes;
    await advanceUntil(clock, () => clock.monotonicMillis() >= end, 'ten minutes', 1_000);
    expect(node.state).not.toBe('connected');
    const atMost = 10 + (60_000 * minutes) / (LIMITS.RECONNECT_MAX_MILLIS / 2);
    expect(server.connections.length).toBeLessThan(atMost);
    expect(server.connections.length).toBeGreaterThan(10);
  });

  it('frames of 40 MiB are taken one by one, and no more of them held than the bound', async () => {
    const server = await startServer();
    const node = await connect(server);
    node.eventReceiver();
    const packet = new Uint8Array(LIMITS.NODE_FRAME_BYTES - 64);
    const frame = server.last.codec.encodeFrame({
      name: 'Event',
      value: {
        event_type: 'MeshPacketReceived',
        payload: { name: 'MeshPacketReceived', value: { packet_data: packet, peer_addr: 'peer' } },
      },
    });
    expect(frame.length).toBeGreaterThan(40 * MIB - 64);
    const before = process.memoryUsage().arrayBuffers;
    for (let sent = 1; sent <= 3; sent++) {
      server.last.sendBytes(frame);
      await until(() => node.stats().events.received === sent, `frame ${sent}`, 20_000);
    }
    expect(node.stats()).toMatchObject({ state: 'connected', lost: 0, events: { queued: 1, dropped: 2 } });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(
      LIMITS.NODE_EVENT_BYTES_QUEUED + 200 * MIB,
    );
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
  });

  it('40 MiB that are only announced hold nothing, and requests have their deadline all the same', async () => {
    const clock = new VirtualClock();
    const server = await startServer();
    const node = await connect(server, { clock });
    const before = process.memoryUsage().arrayBuffers;
    server.last.sendBytes(concatBytes(header(LIMITS.NODE_FRAME_BYTES), new Uint8Array(100)));
    const asked = codeOfLost(node);
    await until(() => server.last.asked.includes('GetChainTip'), 'the request');
    clock.advance(LIMITS.NODE_REQUEST_MILLIS);
    expect(await asked).toBe('NODE_REQUEST_TIMEOUT');
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(MIB);
  });
});

describe('bad input of the node › answers and invocations', () => {
  it('20,000 answers that nobody asked for are counted, and change nothing', async () => {
    const server = await startServer();
    const node = await connect(server);
    const answers = Array.from({ length: 20_000 }, (_, n) =>
      body(u32(RESPONSE), u64(BigInt(n) << 20n), SOME, NONE, NONE),
    );
    server.last.sendBytes(concatBytes(...answers));
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    expect(node.stats()).toMatchObject({ lost: 0, requests: { unasked: 20_000, inFlight: 0, waiting: 0 } });
  });

  it('10,000 invocations at once are each answered once, and requests are served among them', async () => {
    const server = await startServer();
    const node = await connect(server);
    let running = 0;
    let most = 0;
    node.onInvocation(async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return { success: true, payload: { name: 'ModuleApi', value: SOME } };
    });
    const value = { method: 'a', params: NONE, caller_module_id: 'b' };
    const startedMillis = performance.now();
    for (let n = 0; n < 10_000; n++) server.last.invoke(BigInt(n), { name: 'ModuleApi', value });
    expect(await node.nodeApi().getBlockHeight()).toBe(7n);
    await until(() => server.last.results.length >= 10_000, 'all of them', 20_000);
    expect(performance.now() - startedMillis).toBeLessThan(20_000);
    expect(most).toBeLessThanOrEqual(LIMITS.INVOCATIONS_RUNNING);
    expect(new Set(server.last.results.map(({ correlation_id: id }) => id)).size).toBe(10_000);
    const { answered, turnedAway } = node.stats().invocations;
    expect(answered + turnedAway).toBe(10_000);
  });
});
