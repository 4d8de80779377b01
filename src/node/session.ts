/**
 * One connection to the node from its handshake to its end: frames in and out, nothing remembered beyond it.
 *
 * Rules: node-ipc.md (Transport: the handshake first, the table chosen by the version in its answer).
 * Main thread. A corrupt frame, a node that does not read and a node that goes away all end the session; the
 * owner is told once and decides what comes next.
 */
import { createConnection, type Socket } from 'node:net';
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { Reason, reasonName } from '../core/reasons.js';
import { FrameReader } from '../core/frame.js';
import { IpcCodec, messageHead, type MessageHead } from './ipc-codec.js';
import type { ModuleMessage } from './messages.js';

/** How this module introduces itself. */
export interface ModuleIdentity {
  readonly moduleId: string;
  readonly moduleName: string;
  readonly version: string;
}

/** How a session ended: by whom, and why in words for a log. */
export interface SessionEnd {
  readonly by: 'node' | 'corrupt frame' | 'unread' | 'self';
  readonly why: string;
}

export interface SessionHandlers {
  /** Called once, with the handshake done and before any message of the node. */
  onOpen(session: NodeSession): void;
  /** @param bytes length of the frame's body */
  onMessage(message: ModuleMessage, bytes: number): void;
  /** A message whose frame and head are sound but whose content this module cannot read or will not accept. */
  onUnreadable(head: MessageHead | null, reason: Reason): void;
  /** The node has read what was written: more may be sent. */
  onDrain(): void;
  /** Called once, after an open session ended. */
  onEnd(end: SessionEnd): void;
}

export interface SessionOptions {
  readonly socketPath: string;
  readonly identity: ModuleIdentity;
  readonly clock: Clock;
  /** Ends an attempt that is under way. */
  readonly signal: AbortSignal;
  readonly handlers: SessionHandlers;
}

/** How long what was written last may still take to reach the node after a close. */
const LINGER_MILLIS = 1_000;

/** The handshake's own correlation id; requests count on from there. */
export const HANDSHAKE_CORRELATION_ID = 1n;

export class NodeSession {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #handlers: SessionHandlers;
  readonly #reader = new FrameReader();
  /** Set while the handshake is under way. */
  #opening: { readonly done: () => void; readonly failed: (error: MeshError) => void } | null = null;
  #codec: IpcCodec = IpcCodec.newest();
  #nodeVersion = '';
  #end: SessionEnd | null = null;
  #isOver = false;

  private constructor(socket: Socket, clock: Clock, handlers: SessionHandlers) {
    this.#socket = socket;
    this.#clock = clock;
    this.#handlers = handlers;
    socket.on('data', (chunk) => {
      this.#onData(chunk);
    });
    socket.on('drain', () => {
      if (this.#opening === null && !this.#isOver) handlers.onDrain();
    });
    socket.on('error', (error) => {
      this.#end ??= { by: 'node', why: errorText(error) };
    });
    socket.on('close', () => {
      this.#onClose();
    });
  }

  /**
   * Connects and shakes hands.
   * @throws MeshError NODE_UNREACHABLE where nobody listens; NODE_PROTOCOL where the node closes, is silent or
   *   answers with something else
   */
  static open(options: SessionOptions): Promise<NodeSession> {
    const { socketPath, identity, clock, signal, handlers } = options;
    return new Promise((resolve, reject) => {
      const socket = createConnection(socketPath);
      const session = new NodeSession(socket, clock, handlers);
      let isConnected = false;
      const timer = clock.after(LIMITS.NODE_HANDSHAKE_MILLIS, () => {
        session.#finish({
          by: 'self',
          why: `no answer to the handshake in ${LIMITS.NODE_HANDSHAKE_MILLIS} ms`,
        });
      });
      const abort = (): void => {
        session.#finish({ by: 'self', why: 'closed by this module' });
      };
      signal.addEventListener('abort', abort, { once: true });
      const settled = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', abort);
      };
      session.#opening = {
        done: () => {
          settled();
          handlers.onOpen(session);
          resolve(session);
        },
        failed: (error) => {
          settled();
          reject(isConnected ? error : unreachable(socketPath, error));
        },
      };
      socket.once('connect', () => {
        isConnected = true;
        session.send(handshake(identity));
      });
    });
  }

  /** What the node calls its version. */
  get nodeVersion(): string {
    return this.#nodeVersion;
  }

  /** The codec of the node's generation. */
  get codec(): IpcCodec {
    return this.#codec;
  }

  get isOpen(): boolean {
    return this.#opening === null && !this.#isOver;
  }

  /** Whether the node has not yet read what was written: requests wait then. */
  get isBlocked(): boolean {
    return this.#socket.writableNeedDrain;
  }

  send(message: ModuleMessage): void {
    this.sendFrame(this.#codec.encodeFrame(message));
  }

  /** Writes a whole frame; the array is kept until it is written. A session that is over takes it and drops it. */
  sendFrame(frame: Uint8Array): void {
    if (this.#isOver) return;
    this.#socket.write(frame);
    if (this.#socket.writableLength > LIMITS.NODE_UNSENT_BYTES)
      this.#finish({ by: 'unread', why: `the node left ${this.#socket.writableLength} bytes unread` });
  }

  /** Ends the session from here. What was written is still delivered, if the node reads it soon. */
  close(): void {
    if (this.#isOver) return;
    this.#end ??= { by: 'self', why: 'closed by this module' };
    this.#isOver = true;
    const destroy = (): void => {
      linger.cancel();
      this.#socket.destroy();
    };
    const linger = this.#clock.after(LINGER_MILLIS, destroy);
    this.#socket.end(destroy);
    this.#tellEnd();
  }

  #onData(chunk: Uint8Array): void {
    if (this.#isOver) return;
    // A Buffer's subarray is slower and its slice is a view: take its bytes as a plain array.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const verdict = this.#reader.push(bytes, (body) => {
      this.#onBody(body);
      return !this.#isOver;
    });
    if (verdict !== Reason.Accepted) this.#corrupt(verdict);
  }

  #onBody(body: Uint8Array): void {
    const decoded = this.#codec.decodeMessage(body);
    if (this.#opening !== null) {
      this.#onHandshakeAnswer(decoded.ok ? decoded.value : null);
      return;
    }
    if (decoded.ok) {
      this.#handlers.onMessage(decoded.value, body.length);
      return;
    }
    const { reason } = decoded.failure;
    // Sound frames all the same: the next one can be read. Any module can publish an event that disagrees.
    if (reason === Reason.UnsupportedType || reason === Reason.EventTypeMismatch)
      this.#handlers.onUnreadable(messageHead(body), reason);
    else this.#corrupt(reason);
  }

  #onHandshakeAnswer(message: ModuleMessage | null): void {
    const answer = message?.name === 'Response' ? message.value : null;
    if (answer?.correlation_id !== HANDSHAKE_CORRELATION_ID || answer.payload?.name !== 'HandshakeAck') {
      this.#finish({
        by: 'self',
        why: answer?.error ?? 'the first frame is no answer to the handshake',
      });
      return;
    }
    this.#nodeVersion = answer.payload.value.node_version;
    this.#codec = IpcCodec.forVersion(this.#nodeVersion);
    const opening = this.#opening;
    this.#opening = null;
    opening?.done();
  }

  #corrupt(reason: Reason): void {
    this.#finish({ by: 'corrupt frame', why: `a frame does not decode: ${reasonName(reason)}` });
  }

  /** Ends at once: what is unsent is dropped. */
  #finish(end: SessionEnd): void {
    this.#end ??= end;
    this.#socket.destroy();
    this.#onClose();
  }

  #onClose(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#tellEnd();
  }

  #tellEnd(): void {
    const end = this.#end ?? { by: 'node', why: 'the node closed the connection' };
    const opening = this.#opening;
    if (opening === null) {
      this.#handlers.onEnd(end);
      return;
    }
    this.#opening = null;
    opening.failed(
      new MeshError(
        'NODE_PROTOCOL',
        `the node took the connection but not the handshake (${end.why}): another connection of this module may hold its place`,
        { why: end.why },
      ),
    );
  }
}

function handshake({ moduleId, moduleName, version }: ModuleIdentity): ModuleMessage {
  return {
    name: 'Request',
    value: {
      correlation_id: HANDSHAKE_CORRELATION_ID,
      request_type: 'Handshake',
      payload: { name: 'Handshake', value: { module_id: moduleId, module_name: moduleName, version } },
    },
  };
}

function unreachable(socketPath: string, error: MeshError): MeshError {
  return new MeshError(
    'NODE_UNREACHABLE',
    `no node listens on ${socketPath}: start blvm-node with its module system on, or correct the socket path`,
    { socketPath, why: error.facts['why'] ?? null },
  );
}
