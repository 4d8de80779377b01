/** Drives a development network from another process over its control socket (control-protocol.ts). */
import { connect, type Socket } from 'node:net';
import { MESH_ERROR_CODES, MeshError, type MeshErrorCode } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { ControlMethod, ControlParams, ControlResponse, ControlResult } from './control-protocol.js';
import { LineReader } from '../core/lines.js';

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: MeshError) => void;
  readonly deadline: NodeJS.Timeout;
}

/** Beyond the longest wait that a method itself has. */
const ANSWER_MILLIS = 120_000;

export class DevControlClient {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #made = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new LineReader(LIMITS.DEV_CONTROL_LINE_BYTES);
    socket.on('data', (chunk) => {
      const isFine = reader.push(chunk, (line) => {
        this.#take(JSON.parse(line) as ControlResponse);
      });
      if (!isFine) socket.destroy();
    });
    socket.on('error', () => {
      socket.destroy();
    });
    socket.on('close', () => {
      this.#failAll();
    });
  }

  /** @throws MeshError NODE_UNREACHABLE */
  static connect(path: string): Promise<DevControlClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', (cause) => {
        reject(
          new MeshError(
            'NODE_UNREACHABLE',
            `no development network listens at ${path}: start one with \`blvm-mesh dev-node\``,
            { path },
            { cause },
          ),
        );
      });
      socket.once('connect', () => {
        socket.removeAllListeners('error');
        resolve(new DevControlClient(socket));
      });
    });
  }

  /**
   * Calls a method.
   * @throws MeshError with the code that the network gave (as a rejection), DEV_NODE_FAILED for a bad request
   */
  call<M extends ControlMethod>(method: M, params: ControlParams<M>): Promise<ControlResult<M>> {
    if (!this.#socket.writable) return Promise.reject(lost());
    const id = ++this.#made;
    return new Promise<unknown>((resolve, reject) => {
      const deadline = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new MeshError('NODE_REQUEST_TIMEOUT', `the development network did not answer ${method}`));
      }, ANSWER_MILLIS);
      deadline.unref();
      this.#waiting.set(id, { resolve, reject, deadline });
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`);
    }) as Promise<ControlResult<M>>;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(response: ControlResponse): void {
    const waiting = this.#waiting.get(response.id);
    if (waiting === undefined) return;
    this.#waiting.delete(response.id);
    clearTimeout(waiting.deadline);
    if ('result' in response) waiting.resolve(response.result);
    else waiting.reject(new MeshError(codeOf(response.error.code), response.error.message));
  }

  #failAll(): void {
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.deadline);
      waiting.reject(lost());
    }
    this.#waiting.clear();
  }
}

function lost(): MeshError {
  return new MeshError('NODE_CONNECTION_LOST', 'the development network is gone: start it again');
}

function codeOf(text: string): MeshErrorCode {
  return Object.hasOwn(MESH_ERROR_CODES, text) ? (text as MeshErrorCode) : 'DEV_NODE_FAILED';
}
