/**
 * This module's place on the node: one connection for requests, events and invocations, kept over time.
 *
 * Rules: api.md (ModuleIntegration), node-ipc.md. Main thread.
 */
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, Random } from '../core/ports.js';
import {
  NodeConnection,
  type ConnectionState,
  type ConnectionStats,
  type StateListener,
} from './connection.js';
import type { EventListener } from './events.js';
import type { InvocationHandler } from './invocations.js';
import type { CliSpec, LogLevelName, NodeEvent } from './messages.js';
import { NodeApi } from './node-api.js';

export type { ConnectionState, ConnectionStats, StateListener } from './connection.js';
export type { EventListener } from './events.js';
export type { InvocationHandler, InvocationOutcome } from './invocations.js';

/** Requests a second where the configuration says nothing (`node_requests_per_second`; node-ipc.md, 6). */
export const NODE_REQUESTS_PER_SECOND = 80;

export interface ModuleIntegrationOptions {
  /** The node's module socket: SOCKET_PATH where the node started this module. */
  readonly socketPath: string;
  /** The module's name rather than the MODULE_ID that the node chose: permissions go by it (node-ipc.md, 4). */
  readonly moduleId: string;
  readonly moduleName: string;
  readonly version: string;
  /** Commands to register with each connection. */
  readonly cliSpec?: CliSpec;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Below the limit of the node, which closes the connection at once above it. */
  readonly requestsPerSecond?: number;
  /** Whether a lost connection is made again. Default: yes. */
  readonly reconnect?: boolean;
  /** How long a node that is not there is waited for at first. Default: not at all. */
  readonly connectTimeoutMillis?: number;
}

export class ModuleIntegration {
  readonly #connection: NodeConnection;
  readonly #nodeApi: NodeApi;

  private constructor(connection: NodeConnection, clock: Clock) {
    this.#connection = connection;
    this.#nodeApi = new NodeApi({
      requests: connection.requests,
      registrations: connection.registrations,
      clock,
    });
  }

  /**
   * Connects, shakes hands and registers what is given.
   * @throws MeshError NODE_UNREACHABLE (nobody listens) or NODE_PROTOCOL (the handshake was not answered)
   */
  static async connect(options: ModuleIntegrationOptions): Promise<ModuleIntegration> {
    const { socketPath, moduleId, moduleName, version, clock, random, log } = options;
    const connection = new NodeConnection({
      socketPath,
      identity: { moduleId, moduleName, version },
      clock,
      random,
      log,
      requestsPerSecond: options.requestsPerSecond ?? NODE_REQUESTS_PER_SECOND,
      reconnect: options.reconnect ?? true,
      connectTimeoutMillis: options.connectTimeoutMillis ?? 0,
    });
    const integration = new ModuleIntegration(connection, clock);
    if (options.cliSpec !== undefined) integration.#nodeApi.registerCliSpecLater(options.cliSpec);
    await connection.start();
    return integration;
  }

  /** The same object each time. */
  nodeApi(): NodeApi {
    return this.#nodeApi;
  }

  /** What the node calls its version; of the last connection while there is none. */
  get nodeVersion(): string {
    return this.#connection.nodeVersion;
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  /**
   * Subscribes to more events, now and on every later connection. Types that the node does not have are left out
   * and logged.
   * @throws MeshError as NodeApi's calls
   */
  subscribeEvents(eventTypes: readonly string[]): Promise<void> {
    return this.#connection.registrations.subscribe(eventTypes);
  }

  /**
   * A new reader of the events that come from now on, with a queue of its own (limits NODE_EVENTS_QUEUED and
   * NODE_EVENT_BYTES_QUEUED): what does not fit is dropped and counted. Ends when the integration is closed.
   */
  eventReceiver(): AsyncIterableIterator<NodeEvent, undefined> {
    return this.#connection.events.receiver();
  }

  /**
   * Calls the listener for each event as it is read, before any reader gets it; it must return at once.
   * @returns what takes the listener away again
   */
  onEvent(listener: EventListener): () => void {
    return this.#connection.events.listen(listener);
  }

  /** Sends so many requests a second from now on. */
  setRequestRate(requestsPerSecond: number): void {
    this.#connection.requests.setRate(requestsPerSecond);
  }

  /** Publishes an event on the node. */
  publish(event: NodeEvent): Promise<void> {
    return this.#nodeApi.publishEvent(event);
  }

  /** Calls a method of another module on this node. */
  callModule(
    targetModuleId: string | null,
    method: string,
    params: Uint8Array,
    timeoutMillis: number = LIMITS.NODE_CALL_MILLIS,
  ): Promise<Uint8Array> {
    return this.#nodeApi.callModule(targetModuleId, method, params, timeoutMillis);
  }

  /** Sets who answers invocations; until then they are answered with a failure. */
  onInvocation(handler: InvocationHandler): void {
    this.#connection.invocations.handler = handler;
  }

  /** @returns what takes the listener away again */
  onStateChange(listener: StateListener): () => void {
    return this.#connection.onStateChange(listener);
  }

  /**
   * Writes a line to the node's log. It must hold no secret.
   * @returns whether there was a connection that takes it
   */
  logToNode(level: LogLevelName, target: string, message: string): boolean {
    return this.#connection.sendLog(level, target, message);
  }

  stats(): ConnectionStats {
    return this.#connection.stats;
  }

  /** Ends the connection for good: requests are rejected, event readers end. Safe to call again. */
  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }
}
