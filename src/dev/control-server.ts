/**
 * The control socket of a development network: other processes drive it by lines of JSON (control-protocol.ts).
 * Lines and unanswered requests are bounded; a client that breaks the bounds loses its connection only.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS } from '../core/limits.js';
import { controlMethods } from './control-methods.js';
import type { ControlRequest, ControlResponse } from './control-protocol.js';
import { LineReader } from '../core/lines.js';
import type { DevNetwork } from './network.js';
import { BadRequest, Params, errorFacts, recordOf } from '../core/params.js';
import { listenOn } from '../node/unix-listen.js';

export class ControlServer {
  readonly path: string;
  readonly #network: DevNetwork;
  readonly #methods: Readonly<Record<string, ((params: Params) => unknown) | undefined>>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @param onShutdown called when a client asks for the end */
  constructor(network: DevNetwork, path: string, onShutdown: () => void) {
    this.path = path;
    this.#network = network;
    this.#methods = controlMethods(network, onShutdown);
    this.#server = createServer((socket) => {
      this.#serve(socket);
    });
  }

  /** @throws MeshError DEV_NODE_FAILED where the path is too long, taken or not usable */
  async listen(): Promise<void> {
    await listenOn(this.#server, this.path, 'DEV_NODE_FAILED');
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroySoon();
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    const reader = new LineReader(LIMITS.DEV_CONTROL_LINE_BYTES);
    let inFlight = 0;
    const settle = (): void => {
      inFlight--;
      if (inFlight < LIMITS.DEV_CONTROL_IN_FLIGHT && socket.isPaused()) socket.resume();
    };
    socket.on('data', (chunk) => {
      const isFine = reader.push(chunk, (line) => {
        inFlight++;
        void this.#answer(line).then((response) => {
          if (socket.writable) socket.write(`${JSON.stringify(response)}\n`);
          settle();
        });
      });
      if (!isFine) socket.destroy();
      else if (inFlight >= LIMITS.DEV_CONTROL_IN_FLIGHT) socket.pause();
    });
    socket.on('error', () => {
      socket.destroy();
    });
    socket.on('close', () => {
      this.#sockets.delete(socket);
    });
  }

  async #answer(line: string): Promise<ControlResponse> {
    let id = 0;
    try {
      const request = parseRequest(line);
      id = request.id;
      const method = Object.hasOwn(this.#methods, request.method) ? this.#methods[request.method] : undefined;
      if (method === undefined) throw new BadRequest(`there is no method ${request.method}`);
      return { id, result: await method(new Params(request.params)) };
    } catch (error) {
      const facts = errorFacts(error);
      if (facts.code === 'INTERNAL') this.#network.log.log('error', 'a control request failed', facts);
      return { id, error: facts };
    }
  }
}

function parseRequest(line: string): ControlRequest {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new BadRequest('a request is one JSON object on a line');
  }
  const { id, method, params } = recordOf(value, 'a request');
  if (typeof id !== 'number') throw new BadRequest('id is a number');
  if (typeof method !== 'string') throw new BadRequest('method is a text');
  return { id, method, params: recordOf(params ?? {}, 'params') };
}
