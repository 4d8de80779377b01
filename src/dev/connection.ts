/**
 * One module's connection to a development node: handshake, limits, requests in, events and invocations out.
 *
 * Rules: node-ipc.md (frames; the handshake first; what is malformed, denied or too fast closes the connection
 * without an answer, and no other connection notices). The module is not trusted.
 */
import type { Socket } from 'node:net';
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, Timer } from '../core/ports.js';
import { Reason, reasonText } from '../core/reasons.js';
import { capabilityFor, type Capability } from '../node/capabilities.js';
import { FRAME_HEADER_BYTES, FrameReader } from '../core/frame.js';
import type { IpcCodec } from '../node/ipc-codec.js';
import type {
  CliSpec,
  Invocation,
  InvocationResultMessage,
  InvocationResultPayload,
  Metric,
  ModuleHealth,
  ModuleMessage,
  RequestMessage,
  RequestPayload,
  ResponsePayload,
} from '../node/messages.js';
import { Outbox } from './outbox.js';

/** Why a request could not be served; a real node closes the connection on it (node-ipc.md, 5). */
export interface RequestFailure {
  readonly failed: string;
}

export type Answer = ResponsePayload | RequestFailure;

/** What a connection asks of its node. */
export interface ConnectionHost {
  readonly nodeVersion: string;
  readonly codec: IpcCodec;
  readonly clock: Clock;
  readonly log: Log;
  /** Requests of one module in one second; more close the connection. null: no limit. */
  readonly requestsPerSecond: number | null;
  /** Events that may wait for one module. */
  readonly eventQueue: number;
  /** Whether a failed request is answered with its error, as documented, or closes, as measured. */
  readonly failedRequests: 'answer' | 'close';
  capabilitiesOf(moduleId: string): readonly Capability[];
  answer(from: ModuleConnection, request: RequestPayload): Answer | Promise<Answer>;
  onReady(connection: ModuleConnection): void;
  onClosed(connection: ModuleConnection): void;
}

/** What a module has told about itself. */
export interface ModuleFacts {
  readonly moduleId: string;
  readonly moduleName: string;
  readonly version: string;
}

interface PendingInvocation {
  readonly resolve: (result: InvocationResultMessage) => void;
  readonly reject: (error: MeshError) => void;
  readonly timer: Timer;
}

/** A module that connects and says nothing gets this long. */
const HANDSHAKE_MILLIS = 10_000;
/** What was answered before a close has this long to go out. */
const CLOSE_MILLIS = 500;
const RATE_WINDOW_MILLIS = 1_000;

export class ModuleConnection {
  readonly #host: ConnectionHost;
  readonly #socket: Socket;
  readonly #outbox: Outbox;
  readonly #reader = new FrameReader();
  readonly #pending = new Map<bigint, PendingInvocation>();
  readonly #handshakeTimer: Timer;
  /** Times of the last requests, a ring of as many as one second may have. */
  readonly #requestTimes: Float64Array | null;
  #requests = 0;
  #invocations = 0n;
  #facts: ModuleFacts | null = null;
  #closeReason: string | null = null;
  #closeTimer: Timer | null = null;

  /** Event types the module subscribed to. */
  readonly subscriptions: Set<string> = new Set();
  /** The module API, or null while none is registered. */
  api: { readonly methods: ReadonlySet<string>; readonly version: number } | null = null;
  cliSpec: CliSpec | null = null;
  health: ModuleHealth = { name: 'Healthy', value: null };
  readonly rpcEndpoints: Map<string, string> = new Map();
  /** The last report of each name. */
  readonly metrics: Map<string, Metric> = new Map();

  constructor(host: ConnectionHost, socket: Socket) {
    this.#host = host;
    this.#socket = socket;
    this.#outbox = new Outbox(socket, { events: host.eventQueue });
    this.#requestTimes =
      host.requestsPerSecond === null ? null : new Float64Array(host.requestsPerSecond).fill(-Infinity);
    this.#handshakeTimer = host.clock.after(HANDSHAKE_MILLIS, () => {
      if (this.#facts === null) this.close('no handshake came in time');
    });
    socket.on('data', (chunk) => {
      // A plain view: what a Buffer slices stays tied to the whole chunk.
      this.#onData(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    socket.on('drain', () => {
      if (this.#socket.isPaused()) this.#socket.resume();
    });
    socket.on('error', (error) => {
      this.#closeReason ??= errorText(error);
    });
    socket.on('close', () => {
      this.#onClose();
    });
  }

  /** Who is connected, or null before the handshake. */
  get facts(): ModuleFacts | null {
    return this.#facts;
  }

  get isOpen(): boolean {
    return this.#closeReason === null && !this.#socket.destroyed;
  }

  /** Events dropped because the module did not read them. */
  get eventsDropped(): number {
    return this.#outbox.dropped;
  }

  get eventsWaiting(): number {
    return this.#outbox.waiting;
  }

  get requests(): number {
    return this.#requests;
  }

  /** Whether the module goes by that id or name. */
  isNamed(idOrName: string): boolean {
    return this.#facts?.moduleId === idOrName || this.#facts?.moduleName === idOrName;
  }

  /** Sends an event's frame; nothing is asked about subscriptions here. */
  sendEvent(frame: Uint8Array): void {
    this.#outbox.event(frame);
  }

  /**
   * Asks the module something.
   * @throws MeshError NODE_REQUEST_TIMEOUT, NODE_CONNECTION_LOST or NODE_QUEUE_FULL (as a rejection)
   */
  invoke(invocation: Invocation, timeoutMillis: number): Promise<InvocationResultMessage> {
    const name = this.#facts?.moduleName ?? 'a module';
    if (this.#pending.size >= LIMITS.DEV_INVOCATIONS) {
      return Promise.reject(
        new MeshError('NODE_QUEUE_FULL', `${name} has not answered ${this.#pending.size} invocations`),
      );
    }
    const correlationId = ++this.#invocations;
    const frame = this.#host.codec.encodeFrame({
      name: 'Invocation',
      value: { correlation_id: correlationId, invocation_type: invocation },
    });
    if (frame.length - FRAME_HEADER_BYTES > LIMITS.NODE_FRAME_BYTES) {
      return Promise.reject(
        new MeshError('NODE_REQUEST_REFUSED', `the call to ${name} does not fit in a frame`, {
          bytes: frame.length,
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const timer = this.#host.clock.after(timeoutMillis, () => {
        this.#pending.delete(correlationId);
        reject(
          new MeshError('NODE_REQUEST_TIMEOUT', `${name} did not answer within ${timeoutMillis} ms`, {
            kind: invocation.name,
          }),
        );
      });
      this.#pending.set(correlationId, { resolve, reject, timer });
      this.#outbox.write(frame);
    });
  }

  /** Closes; answers already given go out first, what the module sent and was not yet read is lost. */
  close(reason: string): void {
    if (this.#closeReason !== null) return;
    this.#closeReason = reason;
    this.#host.log.log('info', 'closing a module connection', { module: this.#facts?.moduleId, reason });
    this.#outbox.flush();
    this.#socket.destroySoon();
    // A module that does not read its answers is cut off.
    this.#closeTimer = this.#host.clock.after(CLOSE_MILLIS, () => {
      this.#socket.destroy();
    });
  }

  /** Closes without waiting for anything: for a node that ends. */
  destroy(reason: string): void {
    this.#closeReason ??= reason;
    this.#socket.destroy();
  }

  /** Why the connection was closed from here, or null. */
  get closeReason(): string | null {
    return this.#closeReason;
  }

  #onData(chunk: Uint8Array): void {
    if (!this.isOpen) return;
    const verdict = this.#reader.push(chunk, (body) => this.#onBody(body));
    if (verdict !== Reason.Accepted) {
      this.close(reasonText(verdict));
      return;
    }
    // A module that does not read its answers is not asked for more requests.
    if (this.#outbox.isFull) this.#socket.pause();
  }

  /** Returns whether the rest of the stream is wanted. */
  #onBody(body: Uint8Array): boolean {
    const decoded = this.#host.codec.decodeMessage(body);
    if (!decoded.ok) {
      this.close(`a frame does not decode: ${decoded.failure.detail} at offset ${decoded.failure.offset}`);
      return false;
    }
    const message = decoded.value;
    switch (message.name) {
      case 'Request':
        this.#onRequest(message.value);
        break;
      case 'InvocationResult':
        this.#onResult(message.value);
        break;
      case 'Log':
        this.#host.log.log(LOG_LEVELS[message.value.level], message.value.message, {
          module: message.value.module_id,
          target: message.value.target,
        });
        break;
      default:
        this.close(`a module does not send ${message.name}`);
    }
    return this.isOpen;
  }

  #onRequest(request: RequestMessage): void {
    this.#requests++;
    const { payload } = request;
    if (this.#facts === null) {
      this.#handshake(request);
      return;
    }
    if (this.#isTooFast()) {
      this.close(`more than ${this.#host.requestsPerSecond} requests within a second`);
      return;
    }
    const needed = capabilityFor(payload.name);
    if (needed !== null && !this.#host.capabilitiesOf(this.#facts.moduleId).includes(needed)) {
      this.close(`${payload.name} needs the capability ${needed}`);
      return;
    }
    const answer = this.#host.answer(this, payload);
    if (answer instanceof Promise) {
      void answer.then((late) => {
        this.#respond(request.correlation_id, late);
      });
    } else {
      this.#respond(request.correlation_id, answer);
    }
  }

  #handshake(request: RequestMessage): void {
    if (request.payload.name !== 'Handshake') {
      this.close('the first request must be the handshake');
      return;
    }
    const { module_id, module_name, version } = request.payload.value;
    this.#handshakeTimer.cancel();
    this.#facts = { moduleId: module_id, moduleName: module_name, version };
    this.#respond(request.correlation_id, {
      name: 'HandshakeAck',
      value: { node_version: this.#host.nodeVersion },
    });
    this.#host.onReady(this);
  }

  #respond(correlationId: bigint, answer: Answer): void {
    if (!('failed' in answer)) {
      this.#send({
        name: 'Response',
        value: { correlation_id: correlationId, success: true, payload: answer, error: null },
      });
    } else if (this.#host.failedRequests === 'answer') {
      this.#send({
        name: 'Response',
        value: { correlation_id: correlationId, success: false, payload: null, error: answer.failed },
      });
    } else {
      this.close(answer.failed);
    }
  }

  #onResult(result: InvocationResultMessage): void {
    const pending = this.#pending.get(result.correlation_id);
    // An answer after its deadline, or to nothing, is no fault of the connection.
    if (pending === undefined) return;
    this.#pending.delete(result.correlation_id);
    pending.timer.cancel();
    pending.resolve(result);
  }

  #isTooFast(): boolean {
    const times = this.#requestTimes;
    if (times === null) return false;
    const slot = this.#requests % times.length;
    const now = this.#host.clock.monotonicMillis();
    const isTooFast = now - (times[slot] ?? -Infinity) < RATE_WINDOW_MILLIS;
    times[slot] = now;
    return isTooFast;
  }

  #send(message: ModuleMessage): void {
    this.#outbox.write(this.#host.codec.encodeFrame(message));
  }

  #onClose(): void {
    this.#handshakeTimer.cancel();
    this.#closeTimer?.cancel();
    const error = new MeshError('NODE_CONNECTION_LOST', 'the module is gone: start it again', {
      module: this.#facts?.moduleId ?? null,
    });
    for (const pending of this.#pending.values()) {
      pending.timer.cancel();
      pending.reject(error);
    }
    this.#pending.clear();
    this.#host.onClosed(this);
  }
}

/** The payload of a module's successful answer. */
export function resultPayload(result: InvocationResultMessage): InvocationResultPayload {
  if (!result.success || result.payload === null) {
    throw new MeshError('NODE_REQUEST_REFUSED', result.error ?? 'the module answered without a result');
  }
  return result.payload;
}

const LOG_LEVELS = { Trace: 'trace', Debug: 'debug', Info: 'info', Warn: 'warn', Error: 'error' } as const;
