/**
 * The connection to the node over time: sessions one after another, with everything that must survive a session.
 *
 * Rules: node-ipc.md, Consequences: reconnect with jittered backoff, subscribe and register again, do without
 * what is refused. The wait grows with each lost connection and starts over only after one that held, so that a
 * node that takes connections and closes them is not hammered. Main thread.
 */
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, Random, Timer } from '../core/ports.js';
import { jittered } from '../core/random.js';
import { EventHub, type EventStats } from './events.js';
import { FRAME_HEADER_BYTES } from '../core/frame.js';
import { generationFor } from './generations.js';
import { InvocationDesk, resultOf, type InvocationStats } from './invocations.js';
import type { MessageHead } from './ipc-codec.js';
import type { LogLevelName, ModuleMessage } from './messages.js';
import { consequenceOf, Refusals, remedyFor } from './refusals.js';
import { Registrations } from './registrations.js';
import { RequestDesk, type RequestStats } from './request-desk.js';
import { shuttingDown } from './request-errors.js';
import { NodeSession, type ModuleIdentity, type SessionEnd } from './session.js';

/** connecting: on the way to a handshake. connected: requests go. waiting: the next attempt is due later. */
export type ConnectionState = 'connecting' | 'connected' | 'waiting' | 'closed';

export type StateListener = (state: ConnectionState, detail: string) => void;

export interface ConnectionOptions {
  readonly socketPath: string;
  readonly identity: ModuleIdentity;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly requestsPerSecond: number;
  /** Whether a lost connection is made again. */
  readonly reconnect: boolean;
  /** How long the first connection is tried for; 0: once. */
  readonly connectTimeoutMillis: number;
}

export interface ConnectionStats {
  readonly state: ConnectionState;
  /** Of the last node that answered the handshake; empty before that. */
  readonly nodeVersion: string;
  /** First and last node version of the wire generation spoken, or empty. */
  readonly generation: string;
  /** Handshakes that succeeded, and connections that ended afterwards. */
  readonly connections: number;
  readonly lost: number;
  /** Connections closed because the node sent what does not decode. */
  readonly corrupt: number;
  /** Sound messages that were ignored: events that disagree with themselves, kinds that no node sends. */
  readonly ignored: number;
  /** Kinds of requests that the node refuses by closing, and those under suspicion. */
  readonly refusedRequests: readonly string[];
  readonly suspectRequests: readonly string[];
  readonly requests: RequestStats;
  readonly events: EventStats;
  readonly invocations: InvocationStats;
}

export class NodeConnection {
  readonly #options: ConnectionOptions;
  readonly #refusals = new Refusals();
  readonly requests: RequestDesk;
  readonly events: EventHub;
  readonly invocations: InvocationDesk;
  readonly registrations: Registrations;
  readonly #stateListeners = new Set<StateListener>();
  #state: ConnectionState = 'connecting';
  #session: NodeSession | null = null;
  #nodeVersion = '';
  #connections = 0;
  #lost = 0;
  #corrupt = 0;
  #ignored = 0;
  /** Waits since a connection last held. */
  #waits = 0;
  readonly #closing = new AbortController();
  /** Ends the wait before the next attempt. */
  #wake: (() => void) | null = null;

  constructor(options: ConnectionOptions) {
    const { clock, log, requestsPerSecond } = options;
    this.#options = options;
    this.requests = new RequestDesk({ clock, requestsPerSecond, refusals: this.#refusals });
    this.events = new EventHub(log);
    this.invocations = new InvocationDesk({ clock, log });
    this.registrations = new Registrations({ requests: this.requests, clock, log });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get nodeVersion(): string {
    return this.#nodeVersion;
  }

  get stats(): ConnectionStats {
    const generation = this.#session?.codec.generation;
    return {
      state: this.#state,
      nodeVersion: this.#nodeVersion,
      generation: generation === undefined ? '' : `${generation.from} to ${generation.to}`,
      connections: this.#connections,
      lost: this.#lost,
      corrupt: this.#corrupt,
      ignored: this.#ignored,
      refusedRequests: this.#refusals.refused,
      suspectRequests: this.#refusals.suspects,
      requests: this.requests.stats,
      events: this.events.stats,
      invocations: this.invocations.stats,
    };
  }

  /** @returns what takes the listener away again */
  onStateChange(listener: StateListener): () => void {
    this.#stateListeners.add(listener);
    return () => {
      this.#stateListeners.delete(listener);
    };
  }

  /**
   * Connects for the first time, and keeps the connection from then on.
   * @throws MeshError NODE_UNREACHABLE or NODE_PROTOCOL when that failed for as long as it was tried
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      void this.#keep({ resolve, reject });
    });
  }

  /** Sends a line to the node's log. @returns whether there was a connection that takes it */
  sendLog(level: LogLevelName, target: string, message: string): boolean {
    const session = this.#session;
    if (session === null || session.isBlocked) return false;
    const { identity, clock } = this.#options;
    session.send({
      name: 'Log',
      value: { level, module_id: identity.moduleId, message, target, timestamp: BigInt(clock.unixSeconds()) },
    });
    return true;
  }

  /** Ends everything: requests are rejected, event readers end, nothing is tried again. */
  close(): void {
    this.#shut('closed by this module');
  }

  #shut(detail: string): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#session?.close();
    this.#wake?.();
    this.requests.end();
    this.registrations.end(shuttingDown());
    this.events.end();
    this.#become('closed', detail);
    this.#stateListeners.clear();
  }

  async #keep(first: { resolve: () => void; reject: (error: MeshError) => void }): Promise<void> {
    const { clock, reconnect, connectTimeoutMillis } = this.#options;
    const giveUpMillis = clock.monotonicMillis() + connectTimeoutMillis;
    let failure = new MeshError(
      'NODE_CONNECTION_LOST',
      'the connection to the node ended before it was ready: connect again',
    );
    while (!this.#closing.signal.aborted) {
      this.#become('connecting', this.#options.socketPath);
      const startedMillis = clock.monotonicMillis();
      const ended = await this.#connect(first.resolve);
      if (ended instanceof MeshError) {
        if (this.#connections === 0 && clock.monotonicMillis() >= giveUpMillis) {
          failure = ended;
          break;
        }
        await this.#wait(ended.message);
      } else {
        if (!reconnect) {
          failure = new MeshError('NODE_CONNECTION_LOST', `the connection to the node ended: ${ended.why}`);
          break;
        }
        if (clock.monotonicMillis() - startedMillis >= LIMITS.NODE_STABLE_MILLIS) this.#waits = 0;
        await this.#wait(ended.why);
      }
    }
    this.#shut(failure.message);
    first.reject(failure);
  }

  /** One connection from attempt to end: how it ended, or why there was none. */
  async #connect(onReady: () => void): Promise<SessionEnd | MeshError> {
    const { socketPath, identity, clock, log } = this.#options;
    let over: (end: SessionEnd) => void = () => undefined;
    const end = new Promise<SessionEnd>((resolve) => {
      over = resolve;
    });
    try {
      await NodeSession.open({
        socketPath,
        identity,
        clock,
        signal: this.#closing.signal,
        handlers: {
          onOpen: (session) => {
            this.#onOpen(session);
          },
          onMessage: (message, bytes) => {
            this.#onMessage(message, bytes);
          },
          onUnreadable: (head) => {
            this.#onUnreadable(head);
          },
          onDrain: () => {
            this.requests.pump();
          },
          onEnd: (how) => {
            this.#onEnd(how);
            over(how);
          },
        },
      });
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
      // Nobody listened: whoever listens next may have been started with other permissions.
      if (error.code === 'NODE_UNREACHABLE') this.#refusals.nodeWasDown();
      log.log('debug', 'no connection to the node', { error: error.message });
      return error;
    }
    await this.registrations.restore();
    if (this.#session !== null) {
      this.requests.open();
      this.#become('connected', this.#nodeVersion);
      onReady();
    }
    return end;
  }

  #onOpen(session: NodeSession): void {
    this.#session = session;
    this.#nodeVersion = session.nodeVersion;
    this.#connections++;
    const { generation, fit } = generationFor(session.nodeVersion);
    const facts = { nodeVersion: session.nodeVersion, wire: `${generation.from} to ${generation.to}` };
    if (fit === 'exact') this.#options.log.log('info', 'connected to the node', facts);
    else this.#options.log.log('warn', `connected to a node of ${FIT_TEXTS[fit]}`, facts);
    this.registrations.begin();
    this.requests.attach(session);
  }

  #onEnd(end: SessionEnd): void {
    this.#session = null;
    this.#lost++;
    if (end.by === 'corrupt frame') this.#corrupt++;
    const refused = this.requests.detach(end.why, end.by === 'node');
    const { log } = this.#options;
    log.log(end.by === 'self' ? 'info' : 'warn', 'the connection to the node ended', {
      by: end.by,
      why: end.why,
    });
    if (refused !== null) {
      const facts = { consequence: consequenceOf(refused), remedy: remedyFor(refused) };
      log.log('warn', `the node refuses ${refused}: going on without it`, facts);
    }
  }

  #onMessage(message: ModuleMessage, bytes: number): void {
    switch (message.name) {
      case 'Response':
        this.requests.onResponse(message.value);
        break;
      case 'Event':
        this.events.deliver(message.value.payload, bytes);
        break;
      case 'Invocation':
        this.invocations.onInvocation(message.value, this.#replier(message.value.correlation_id));
        break;
      default:
        this.#ignored++;
    }
  }

  #onUnreadable(head: MessageHead | null): void {
    if (head?.name === 'Response') this.requests.onUnreadable(head.correlationId);
    else if (head?.name === 'Invocation')
      this.invocations.onUnreadable(head.correlationId, this.#replier(head.correlationId));
    else this.#ignored++;
  }

  /** Answers on the connection of now, whatever connection there is when the answer comes. */
  #replier(correlationId: bigint): (result: ModuleMessage) => void {
    const session = this.#session;
    return (result) => {
      if (session === null) return;
      const frame = session.codec.encodeFrame(result);
      if (frame.length - FRAME_HEADER_BYTES <= LIMITS.NODE_FRAME_BYTES) session.sendFrame(frame);
      else session.send(resultOf(correlationId, TOO_LARGE));
    };
  }

  #wait(why: string): Promise<void> {
    if (this.#closing.signal.aborted) return Promise.resolve();
    const { clock, random } = this.#options;
    const millis = Math.min(LIMITS.RECONNECT_MAX_MILLIS, LIMITS.RECONNECT_MIN_MILLIS * 2 ** this.#waits);
    this.#waits = Math.min(this.#waits + 1, 30);
    return new Promise((resolve) => {
      const timer: Timer = clock.after(jittered(random, millis), resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
      this.#become('waiting', why);
    });
  }

  #become(state: ConnectionState, detail: string): void {
    if (this.#state === state || this.#state === 'closed') return;
    this.#state = state;
    for (const listener of this.#stateListeners) {
      try {
        listener(state, detail);
      } catch (error) {
        this.#options.log.log('error', 'a listener of the connection failed', { error: errorText(error) });
      }
    }
  }
}

const TOO_LARGE = { success: false, error: 'the result is larger than a frame of the node: 40 MiB' } as const;

const FIT_TEXTS = {
  newer: 'a newer version than any that is known: its messages are read as the newest known',
  older: 'an older version than any that is known: its messages are read as the oldest known',
  unreadable: 'a version that cannot be read: its messages are read as the newest known',
} as const;
