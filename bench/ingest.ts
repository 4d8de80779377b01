/**
 * Packet events from the node on their way to whoever handles them, on the main thread: out of bytes in memory, and
 * over a Unix socket from another process. Beside each, the same frames only cut out of the same stream and copied.
 *
 * Target: 250,000 small events a second over the socket, which is what the real node sends.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { systemClock } from '#dist/core/clock.js';
import { systemRandom } from '#dist/core/random.js';
import { EventHub } from '#dist/node/events.js';
import { FRAME_HEADER_BYTES, FrameReader } from '#dist/core/frame.js';
import { IpcCodec } from '#dist/node/ipc-codec.js';
import { ModuleIntegration } from '#dist/node/module-integration.js';
import { packetFrames, type FloodOrder } from './ingest-node.js';
import { atLeast, type Reading } from './stats.js';
import type { Group, Runner, Task } from './suite.js';

/** Of each packet: small ones, of which there may be most. */
const PACKET_BYTES = 120;
/** In memory: as much as a socket hands over at once. */
const EVENTS_AT_ONCE = 384;
const EVENTS_PER_CALL = 16 * EVENTS_AT_ONCE;
/** Over the socket, in one sample; and before any is taken. */
const EVENTS = 200_000;
const QUICK_EVENTS = 50_000;

const NO_LOG = { log: (): void => undefined };

/** Copies each frame's body out of a stream that holds whole ones. @returns how many there were */
function copyFrames(stream: Uint8Array, keep: (body: Uint8Array) => void): number {
  let count = 0;
  for (let at = 0; at < stream.length; count++) {
    const view = new DataView(stream.buffer, stream.byteOffset + at, FRAME_HEADER_BYTES);
    const end = at + FRAME_HEADER_BYTES + view.getUint32(0, false);
    keep(stream.slice(at + FRAME_HEADER_BYTES, end));
    at = end;
  }
  return count;
}

/** From bytes in memory to a listener, as a session does it. */
function inMemory(): Group {
  const buffer = packetFrames(EVENTS_AT_ONCE, PACKET_BYTES);
  const stream = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
  const reader = new FrameReader();
  const codec = IpcCodec.newest();
  const hub = new EventHub(NO_LOG);
  let heard = 0;
  hub.listen((event) => {
    if (event.name === 'MeshPacketReceived') heard++;
  });
  const task = (name: string, once: () => void): Task => ({
    name,
    unit: 'events/s',
    operations: EVENTS_PER_CALL,
    run: () => {
      for (let i = 0; i < EVENTS_PER_CALL / EVENTS_AT_ONCE; i++) once();
    },
  });
  let kept: Uint8Array | null = null;
  return {
    name: `packet events of ${PACKET_BYTES} B, in memory`,
    tasks: [
      task('copied', () => {
        copyFrames(stream, (body) => (kept = body));
        if (kept === null) throw new Error('there are frames');
      }),
      task('read and handed over', () => {
        const before = heard;
        reader.push(stream, (body) => {
          const decoded = codec.decodeMessage(body);
          if (decoded.ok && decoded.value.name === 'Event') {
            hub.deliver(decoded.value.value.payload, body.length);
          }
          return true;
        });
        if (heard !== before + EVENTS_AT_ONCE) throw new Error('an event was lost');
      }),
    ],
  };
}

/** The other process. */
class FloodingNode {
  readonly #socketPath: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#socketPath = join(folder, 'node.sock');
    const file = fileURLToPath(new URL('./ingest-node.js', import.meta.url));
    this.#process = fork(file, [this.#socketPath, String(PACKET_BYTES)]);
  }

  static async start(): Promise<FloodingNode> {
    const node = new FloodingNode(mkdtempSync(join(tmpdir(), 'blvm-mesh-bench-')));
    await once(node.#process, 'message');
    return node;
  }

  /** Connects; the other end knows of it when this resolves. */
  async open(way: (socketPath: string) => Promise<Way>): Promise<Way> {
    const connected = once(this.#process, 'message');
    const [opened] = await Promise.all([way(this.#socketPath), connected]);
    return opened;
  }

  flood(events: number): void {
    const order: FloodOrder = { events };
    this.#process.send(order);
  }

  async close(): Promise<void> {
    const gone = once(this.#process, 'exit');
    this.#process.disconnect();
    await gone;
    rmSync(this.#folder, { recursive: true });
  }
}

/** Counts events up to so many: from the first of them on, since before that the other process begins. */
class Meter {
  #left = 0;
  #events = 0;
  #began = 0;
  #onDone: (perSecond: number) => void = () => undefined;

  expect(events: number): Promise<number> {
    this.#events = this.#left = events;
    return new Promise((resolve) => (this.#onDone = resolve));
  }

  count(): void {
    if (this.#left === this.#events) this.#began = performance.now();
    if (--this.#left > 0) return;
    this.#onDone(((this.#events - 1) * 1_000) / (performance.now() - this.#began));
  }
}

/** A rate of events for which there is a connection. */
interface Way {
  rate(node: FloodingNode, events: number): Promise<number>;
  close(): Promise<void>;
}

/** A socket of which the frames are copied out and nothing more; pieces of frames are put together by concatenation. */
async function bareSocket(socketPath: string): Promise<Way> {
  const meter = new Meter();
  const socket = createConnection(socketPath);
  await once(socket, 'connect');
  const frameBytes = packetFrames(1, PACKET_BYTES).length;
  let rest = new Uint8Array(0);
  socket.on('data', (chunk) => {
    const bytes = new Uint8Array(rest.length + chunk.length);
    bytes.set(rest);
    bytes.set(chunk, rest.length);
    const whole = bytes.length - (bytes.length % frameBytes);
    copyFrames(bytes.subarray(0, whole), () => {
      meter.count();
    });
    rest = bytes.slice(whole);
  });
  return {
    rate: (from, events) => {
      const rate = meter.expect(events);
      from.flood(events);
      return rate;
    },
    close: () =>
      new Promise((resolve) => {
        socket.end(resolve);
        socket.resume();
      }),
  };
}

/** This module's connection. @param isQueued whether events go through a reader's queue, or to a listener */
async function connection(socketPath: string, isQueued: boolean): Promise<Way> {
  const integration = await ModuleIntegration.connect({
    socketPath,
    moduleId: 'bench',
    moduleName: 'bench',
    version: '0.0.0',
    clock: systemClock,
    random: systemRandom,
    log: NO_LOG,
    reconnect: false,
  });
  const meter = new Meter();
  const reading = async (): Promise<void> => {
    for await (const event of integration.eventReceiver()) {
      if (event.name === 'MeshPacketReceived') meter.count();
    }
  };
  if (isQueued) void reading();
  else {
    integration.onEvent((event) => {
      if (event.name === 'MeshPacketReceived') meter.count();
    });
  }
  return {
    rate: (from, events) => {
      const rate = meter.expect(events);
      from.flood(events);
      return rate;
    },
    close: () => integration.close(),
  };
}

/** Over a Unix socket from another process. */
function overSocket(): Runner {
  return {
    name: `packet events of ${PACKET_BYTES} B, over a socket`,
    measure: async ({ rounds, isQuick }) => {
      const node = await FloodingNode.start();
      const events = isQuick ? QUICK_EVENTS : EVENTS;
      const ways: readonly [string, (socketPath: string) => Promise<Way>][] = [
        ['copied', bareSocket],
        ['handed to a listener', (at) => connection(at, false)],
        ['handed to a reader', (at) => connection(at, true)],
      ];
      const samples = ways.map((): number[] => []);
      for (let round = 0; round < rounds; round++) {
        for (const [index, [, open]] of ways.entries()) {
          const way = await node.open(open);
          if (round === 0) await way.rate(node, QUICK_EVENTS);
          samples[index]?.push(await way.rate(node, events));
          await way.close();
        }
      }
      await node.close();
      return ways.map(([name], index): Reading => ({
        name,
        unit: 'events/s',
        samples: samples[index] ?? [],
        ...(index === 0 ? {} : { reference: ways[0]?.[0] ?? '', target: atLeast(250_000) }),
      }));
    },
  };
}

export function ingest(): readonly [Group, Runner] {
  return [inMemory(), overSocket()];
}
