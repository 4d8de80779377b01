// A node's end of the module socket, as a test scripts it: written with this module's own codec.
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FrameReader } from '../../../src/core/frame.js';
import { IpcCodec } from '../../../src/node/ipc-codec.js';
import type {
  Invocation,
  InvocationResultMessage,
  ModuleMessage,
  NodeEvent,
  RequestMessage,
  ResponsePayload,
} from '../../../src/node/messages.js';

/** One connection as the server sees it. */
export class ServedConnection {
  readonly socket: Socket;
  readonly requests: RequestMessage[] = [];
  readonly results: InvocationResultMessage[] = [];
  readonly others: ModuleMessage[] = [];
  codec: IpcCodec = IpcCodec.newest();
  isClosed = false;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  send(message: ModuleMessage): void {
    this.sendBytes(this.codec.encodeFrame(message));
  }

  sendBytes(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  answer(request: RequestMessage, payload: ResponsePayload): void {
    this.send({
      name: 'Response',
      value: { correlation_id: request.correlation_id, success: true, payload, error: null },
    });
  }

  refuse(request: RequestMessage, error: string): void {
    this.send({
      name: 'Response',
      value: { correlation_id: request.correlation_id, success: false, payload: null, error },
    });
  }

  event(event: NodeEvent): void {
    this.send({ name: 'Event', value: { event_type: event.name, payload: event } });
  }

  invoke(correlationId: bigint, invocation: Invocation): void {
    this.send({
      name: 'Invocation',
      value: { correlation_id: correlationId, invocation_type: invocation },
    });
  }

  /** The names of the requests, without the handshake. */
  get asked(): string[] {
    return this.requests.slice(1).map(({ payload }) => payload.name);
  }
}

export interface ServerScript {
  readonly nodeVersion?: string;
  /** What to do with a request; the handshake is answered before, unless this says it took it (true). */
  onRequest?(connection: ServedConnection, request: RequestMessage): boolean | undefined;
  onConnection?(connection: ServedConnection): void;
}

/** What the node answers to the requests that tests make, where a test does not say otherwise. */
const ANSWERS: Readonly<Record<string, ResponsePayload>> = {
  SubscribeEvents: { name: 'SubscribeAck', value: null },
  RegisterModuleApi: { name: 'ModuleApiRegistered', value: null },
  RegisterCliSpec: { name: 'Bool', value: true },
  GetBlockHeight: { name: 'U64', value: 7n },
  SendMeshPacketToPeer: { name: 'Bool', value: true },
  PublishEvent: { name: 'EventPublished', value: null },
  ReportMetric: { name: 'MetricReported', value: null },
};

export class TestServer {
  readonly path: string = join(tmpdir(), `mesh-ipc-${randomBytes(8).toString('hex')}.sock`);
  readonly connections: ServedConnection[] = [];
  script: ServerScript;
  #server: Server | null = null;

  private constructor(script: ServerScript) {
    this.script = script;
  }

  static async start(script: ServerScript = {}): Promise<TestServer> {
    const server = new TestServer(script);
    await server.listen();
    return server;
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.#serve(socket);
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.path, resolve));
  }

  /** The connection of now. */
  get last(): ServedConnection {
    const connection = this.connections.at(-1);
    if (connection === undefined) throw new Error('no connection was made yet');
    return connection;
  }

  /** Takes the socket away and closes every connection. */
  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    for (const { socket } of this.connections) socket.destroy();
    if (server !== null)
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
    rmSync(this.path, { force: true });
  }

  #serve(socket: Socket): void {
    const connection = new ServedConnection(socket);
    connection.codec = IpcCodec.forVersion(this.script.nodeVersion ?? '0.1.83');
    this.connections.push(connection);
    const reader = new FrameReader();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      connection.isClosed = true;
    });
    socket.on('data', (chunk) => {
      reader.push(chunk, (body) => {
        const decoded = connection.codec.decodeMessage(body);
        if (!decoded.ok) throw new Error(`the module sent what does not decode: ${decoded.failure.detail}`);
        this.#take(connection, decoded.value);
        return true;
      });
    });
    this.script.onConnection?.(connection);
  }

  #take(connection: ServedConnection, message: ModuleMessage): void {
    if (message.name === 'InvocationResult') connection.results.push(message.value);
    else if (message.name !== 'Request') connection.others.push(message);
    if (message.name !== 'Request') return;
    const request = message.value;
    connection.requests.push(request);
    if (this.script.onRequest?.(connection, request) === true) return;
    if (request.payload.name === 'Handshake') {
      connection.answer(request, {
        name: 'HandshakeAck',
        value: { node_version: this.script.nodeVersion ?? '0.1.83' },
      });
      return;
    }
    const payload = ANSWERS[request.payload.name];
    if (payload !== undefined) connection.answer(request, payload);
  }
}

/** Waits until the condition holds, turn by turn of the event loop. */
export async function until(condition: () => boolean, what: string, millis = 5_000): Promise<void> {
  const end = performance.now() + millis;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited ${millis} ms in vain: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
