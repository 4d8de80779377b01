/**
 * The module's own door: a Unix socket in the data directory that serves JSON-RPC 2.0, one JSON text a line.
 *
 * Rules: JSON-RPC 2.0 (requests, notifications, batches), wire.md. The node has no way to carry such answers yet
 * (node-ipc.md, 9). Whoever may open the data directory may ask; everything is bounded, and a client that breaks a
 * bound loses its connection only. Main thread.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import {
  JSONRPCErrorCode,
  JSONRPCServer,
  createJSONRPCErrorResponse,
  type JSONRPCRequest,
  type JSONRPCResponse,
} from 'json-rpc-2.0';
import { errorText } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import { LineReader } from '../../core/lines.js';
import type { Log } from '../../core/ports.js';
import { listenOn } from '../../node/unix-listen.js';
import { paramsOf, rpcError, type DoorMethod } from './methods.js';

/** In the data directory. */
export const DOOR_FILE = 'mesh.sock';

const OWNER_ONLY = 0o600;

type Answer = JSONRPCResponse | JSONRPCResponse[] | null;

export class Door {
  readonly #path: string;
  readonly #rpc: JSONRPCServer;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, methods: ReadonlyMap<string, DoorMethod>, log: Log) {
    this.#path = path;
    // What a method throws is answered; the library's own listener would write to standard error.
    this.#rpc = new JSONRPCServer({ errorListener: () => undefined });
    this.#rpc.mapErrorToJSONRPCErrorResponse = (id, error: unknown) => {
      const { code, message, data } = rpcError(error);
      if (code === (JSONRPCErrorCode.InternalError as number)) {
        log.log('error', 'a request at the door failed', { error: errorText(error) });
      }
      return createJSONRPCErrorResponse(id, code, message, data);
    };
    for (const [name, method] of methods) {
      this.#rpc.addMethod(name, (params: unknown) => method(paramsOf(params)));
    }
    this.#server = createServer((socket) => {
      this.#welcome(socket);
    });
    this.#server.maxConnections = LIMITS.DOOR_CONNECTIONS;
  }

  /**
   * Opens the door. A socket that a killed process left is replaced.
   * @throws MeshError DOOR_FAILED where the path is too long, taken or not usable
   */
  static async open(path: string, methods: ReadonlyMap<string, DoorMethod>, log: Log): Promise<Door> {
    const door = new Door(path, methods, log);
    await listenOn(door.#server, path, 'DOOR_FAILED');
    await chmod(path, OWNER_ONLY);
    return door;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroySoon();
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    await rm(this.#path, { force: true });
  }

  #welcome(socket: Socket): void {
    this.#sockets.add(socket);
    const reader = new LineReader(LIMITS.DOOR_LINE_BYTES);
    let inFlight = 0;
    socket.on('data', (chunk) => {
      const isFine = reader.push(chunk, (line) => {
        inFlight++;
        void this.#answer(line).then((answer) => {
          inFlight--;
          if (answer !== null && socket.writable) socket.write(`${JSON.stringify(answer)}\n`);
          if (inFlight < LIMITS.DOOR_IN_FLIGHT && socket.writableLength === 0) socket.resume();
        });
      });
      if (!isFine) socket.destroy();
      else if (inFlight >= LIMITS.DOOR_IN_FLIGHT || socket.writableNeedDrain) socket.pause();
    });
    socket.on('drain', () => {
      if (inFlight < LIMITS.DOOR_IN_FLIGHT) socket.resume();
    });
    socket.on('error', () => {
      socket.destroy();
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
    });
  }

  async #answer(line: string): Promise<Answer> {
    let request: unknown;
    try {
      request = JSON.parse(line);
    } catch {
      return createJSONRPCErrorResponse(
        null,
        JSONRPCErrorCode.ParseError,
        'a request is one JSON text on a line',
      );
    }
    if (Array.isArray(request) && request.length > LIMITS.DOOR_IN_FLIGHT) {
      const most = `a batch holds at most ${LIMITS.DOOR_IN_FLIGHT} requests`;
      return createJSONRPCErrorResponse(null, JSONRPCErrorCode.InvalidRequest, most);
    }
    // The library answers what is no request, but for null, which it cannot look into.
    const readable: unknown = Array.isArray(request) ? request.map(withoutNull) : withoutNull(request);
    return this.#rpc.receive(readable as JSONRPCRequest);
  }
}

function withoutNull(request: unknown): unknown {
  return request ?? {};
}
