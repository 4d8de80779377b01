// Development networks for tests, and a bare module that speaks to their sockets with nothing but the codec.
import { connect, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { present } from '../../src/core/assert.js';
import { runDevNode, type DevNetworkSetup, type RunningDevNode } from '../../src/dev/index.js';
import { FrameReader } from '../../src/core/frame.js';
import { IpcCodec } from '../../src/node/ipc-codec.js';
import type {
  EventPayload,
  InvocationMessage,
  InvocationResultPayload,
  ModuleMessage,
  RequestPayload,
  ResponseMessage,
} from '../../src/node/messages.js';

const running = new Set<{ close(): unknown }>();

afterEach(async () => {
  const open = [...running];
  running.clear();
  await Promise.all(open.map((one) => one.close()));
});

/** A development network that ends with its test. */
export async function startDevNetwork(setup: DevNetworkSetup = {}): Promise<RunningDevNode> {
  const network = await runDevNode(setup);
  running.add(network);
  return network;
}

/** Waits for a condition, looking again on every turn of the loop; fails loudly after the deadline. */
export async function waitUntil(
  condition: () => boolean,
  what: string,
  deadlineMillis = 5_000,
): Promise<void> {
  const until = performance.now() + deadlineMillis;
  while (!condition()) {
    if (performance.now() > until) throw new Error(`waited ${deadlineMillis} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** What a bare module answers to an invocation; null says that it failed. */
export type Answering = (invocation: InvocationMessage) => InvocationResultPayload | null;

/** What an event of a name holds. */
type EventValue<N extends EventPayload['name']> = Extract<EventPayload, { readonly name: N }>['value'];

/** One connection to a node, without any of ModuleIntegration's care: for what a careful client cannot send. */
export class BareModule {
  readonly events: EventPayload[] = [];
  /** Frames in the order they came, by kind. */
  readonly order: string[] = [];
  readonly socket: Socket;
  readonly codec: IpcCodec;
  isClosed = false;
  answering: Answering = () => null;
  readonly #answers = new Map<bigint, (response: ResponseMessage | null) => void>();
  #asked = 0n;

  private constructor(socket: Socket, codec: IpcCodec) {
    this.socket = socket;
    this.codec = codec;
    const reader = new FrameReader();
    socket.on('data', (chunk) => {
      reader.push(new Uint8Array(chunk), (body) => {
        this.#take(body);
        return true;
      });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isClosed = true;
      for (const settle of this.#answers.values()) settle(null);
      this.#answers.clear();
    });
  }

  /** Connects without a handshake. */
  static async open(socketPath: string, version = '0.1.83'): Promise<BareModule> {
    const socket = connect(socketPath);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const module = new BareModule(socket, IpcCodec.forVersion(version));
    running.add(module);
    return module;
  }

  /** Connects and shakes hands. */
  static async join(socketPath: string, name = 'blvm-mesh', version = '0.1.83'): Promise<BareModule> {
    const module = await BareModule.open(socketPath, version);
    await module.ask({ name: 'Handshake', value: { module_id: name, module_name: name, version: '0.1.0' } });
    return module;
  }

  /** The answer, or null where the node closed the connection instead. */
  ask(payload: RequestPayload): Promise<ResponseMessage | null> {
    const correlationId = ++this.#asked;
    return new Promise((resolve) => {
      if (this.isClosed) {
        resolve(null);
        return;
      }
      this.#answers.set(correlationId, resolve);
      this.send({
        name: 'Request',
        value: { correlation_id: correlationId, request_type: payload.name, payload },
      });
    });
  }

  /** The payload of the answer, which must be a success. */
  async get(payload: RequestPayload): Promise<NonNullable<ResponseMessage['payload']>> {
    const response = present(await this.ask(payload), `the node answers ${payload.name}`);
    if (!response.success) throw new Error(`${payload.name} failed: ${response.error ?? ''}`);
    return present(response.payload, 'a success has a payload');
  }

  async subscribe(...types: readonly string[]): Promise<void> {
    await this.get({ name: 'SubscribeEvents', value: { event_types: types } });
  }

  send(message: ModuleMessage): void {
    this.socket.write(this.codec.encodeFrame(message));
  }

  /** Waits until so many events of a type came, and gives all of that type. */
  async eventsOf<N extends EventPayload['name']>(name: N, count: number): Promise<readonly EventValue<N>[]> {
    const found = (): EventPayload[] => this.events.filter((event) => event.name === name);
    await waitUntil(() => found().length >= count, `${count} events ${name}`);
    return found().map((event): EventValue<N> => event.value as EventValue<N>);
  }

  close(): void {
    this.socket.destroy();
  }

  #take(body: Uint8Array): void {
    const decoded = this.codec.decodeMessage(body);
    if (!decoded.ok) throw new Error(`the node sent a bad frame: ${decoded.failure.detail}`);
    const message = decoded.value;
    this.order.push(message.name);
    switch (message.name) {
      case 'Response': {
        const settle = this.#answers.get(message.value.correlation_id);
        this.#answers.delete(message.value.correlation_id);
        settle?.(message.value);
        break;
      }
      case 'Event':
        this.events.push(message.value.payload);
        break;
      case 'Invocation': {
        const payload = this.answering(message.value);
        this.send({
          name: 'InvocationResult',
          value: {
            correlation_id: message.value.correlation_id,
            success: payload !== null,
            payload,
            error: payload === null ? 'refused by the test' : null,
          },
        });
        break;
      }
    }
  }
}
