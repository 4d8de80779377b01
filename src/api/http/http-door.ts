/**
 * The HTTP door: optional, on a loopback address by default, for tools that speak no Unix socket.
 *
 * It serves a list of routes and knows nothing of what they do. A further one (metrics, a page, its events) is one more
 * `HttpRoute` in the list that `serve.ts` opens the door with: an exact path, a method, who may ask, and a handler that
 * writes the response, which it may also keep open. JSON-RPC is `rpc-route.ts`.
 *
 * Who may ask: the holder of the token (token.ts). A route with access `local` needs none where the door listens on a
 * loopback address. Requests that a browser sends on behalf of another site are refused: by their Origin, and by a Host
 * that is not this one's (a name that was made to resolve to 127.0.0.1). Everything is bounded (limits.md). Main thread.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { errorText, MeshError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import type { Log } from '../../core/ports.js';
import type { HostPort } from '../../config/kinds.js';
import { isAuthorized } from './token.js';

export interface HttpRoute {
  /** GET answers HEAD too. */
  readonly method: 'GET' | 'POST';
  /** Exact, without a query. */
  readonly path: string;
  /** `token`: its holder alone. `local`: on a loopback address anyone on this machine. */
  readonly access: 'token' | 'local';
  /**
   * Answers. A rejection is logged, and answered by 500 where nothing was sent yet.
   * @param url with the query; its host is what the client claims
   */
  readonly handle: (request: IncomingMessage, response: ServerResponse, url: URL) => void | Promise<void>;
}

export interface HttpDoorParts {
  /** Port 0 takes any that is free. */
  readonly address: HostPort;
  readonly token: string;
  readonly routes: readonly HttpRoute[];
  readonly log: Log;
}

export class HttpDoor {
  readonly #parts: HttpDoorParts;
  readonly #server: Server;
  readonly #isLocal: boolean;

  private constructor(parts: HttpDoorParts) {
    this.#parts = parts;
    this.#isLocal = isLoopback(parts.address.host);
    this.#server = createServer(
      {
        maxHeaderSize: LIMITS.HTTP_HEADER_BYTES,
        headersTimeout: LIMITS.HTTP_REQUEST_MILLIS,
        requestTimeout: LIMITS.HTTP_REQUEST_MILLIS,
        keepAliveTimeout: LIMITS.HTTP_IDLE_MILLIS,
        // Looked for that often; a slow sender is noticed that late at most.
        connectionsCheckingInterval: LIMITS.HTTP_REQUEST_MILLIS / 10,
      },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.maxConnections = LIMITS.HTTP_CONNECTIONS;
  }

  /** @throws MeshError DOOR_FAILED where the address is taken or not this machine's */
  static async open(parts: HttpDoorParts): Promise<HttpDoor> {
    const door = new HttpDoor(parts);
    const { host, port } = parts.address;
    await new Promise<void>((resolve, reject) => {
      door.#server.once('error', (error) => {
        const text = `cannot listen on ${host}:${port}: ${errorText(error)}. Choose another dashboard_addr.`;
        reject(new MeshError('DOOR_FAILED', text, { host, port }, { cause: error }));
      });
      door.#server.listen({ host, port }, resolve);
    });
    return door;
  }

  /** The port on which it listens. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends all connections too, also those of responses that are kept open. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { log } = this.#parts;
    try {
      response.setHeader('Cache-Control', 'no-store');
      response.setHeader('X-Content-Type-Options', 'nosniff');
      const url = urlOf(request);
      if (url === null || !this.#isOwnHost(url) || isForeign(request, url)) refuse(response, 403);
      else await this.#route(request, response, url);
    } catch (error) {
      log.log('error', 'a request at the HTTP door failed', { error: errorText(error) });
      if (response.headersSent) response.destroy();
      else refuse(response, 500);
    }
    // A body that nobody wants is not read to its end.
    if (response.writableEnded && !request.complete) request.destroy();
  }

  async #route(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const { routes, token } = this.#parts;
    const isHolder = isAuthorized(request.headers.authorization, token);
    const here = routes.filter(({ path }) => path === url.pathname);
    const asked = request.method === 'HEAD' ? 'GET' : request.method;
    const route = here.find(({ method }) => method === asked);
    const isOpen = this.#isLocal && (route ?? here[0])?.access === 'local';
    if (!isHolder && !isOpen) {
      // Without the token nobody learns what there is.
      response.setHeader('WWW-Authenticate', 'Basic realm="blvm-mesh", charset="UTF-8"');
      refuse(response, 401);
    } else if (route !== undefined) {
      await route.handle(request, response, url);
    } else if (here.length > 0) {
      response.setHeader('Allow', here.map(({ method }) => method).join(', '));
      refuse(response, 405);
    } else {
      refuse(response, 404);
    }
  }

  /** On a loopback address only its own names count: another is a trick. */
  #isOwnHost(url: URL): boolean {
    return !this.#isLocal || isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  }
}

/** Ends a response with nothing but its status. */
export function refuse(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.end();
}

function urlOf(request: IncomingMessage): URL | null {
  const { url = '', headers } = request;
  // Node.js passes on what is no path, such as that of CONNECT or a whole URL.
  if (!url.startsWith('/') || url.startsWith('//')) return null;
  try {
    return new URL(url, `http://${headers.host ?? ''}`);
  } catch {
    return null;
  }
}

/** Whether a browser says that it asks for another site. */
function isForeign({ headers }: IncomingMessage, url: URL): boolean {
  const { origin } = headers;
  return origin !== undefined && origin !== url.origin;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
