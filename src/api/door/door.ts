/**
 * The module's own door: a Unix socket in the data directory that serves JSON-RPC 2.0, one JSON text a line.
 *
 * Rules: JSON-RPC 2.0, wire.md. The node has no way to carry such answers yet
 * (node-ipc.md, 9). Whoever may open the data directory may ask; everything is bounded, and a client that breaks a
 * bound loses its connection only. Main thread.
 */
import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS } from '../../core/limits.js';
import { LineReader } from '../../core/lines.js';
import { listenOn } from '../../node/unix-listen.js';
import { OWNER_ONLY } from '../../store/private-file.js';
import type { JsonRpc } from './json-rpc.js';

/** In the data directory. */
export const DOOR_FILE = 'mesh.sock';

export class Door {
  readonly #path: string;
  readonly #rpc: JsonRpc;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, rpc: JsonRpc) {
    this.#path = path;
    this.#rpc = rpc;
    this.#server = createServer((socket) => {
      this.#welcome(socket);
    });
    this.#server.maxConnections = LIMITS.DOOR_CONNECTIONS;
  }

  /**
   * Opens the door. A socket that a killed process left is replaced.
   * @throws MeshError DOOR_FAILED where the path is too long, taken or not usable
   */
  static async open(path: string, rpc: JsonRpc): Promise<Door> {
    const door = new Door(path, rpc);
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
        void this.#rpc.answer(line).then((answer) => {
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
}
