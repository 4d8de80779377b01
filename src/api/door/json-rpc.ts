/**
 * JSON-RPC 2.0 over whatever carries texts: one JSON text in, one out, or none for a notification.
 *
 * Rules: JSON-RPC 2.0 (requests, notifications, batches). Main thread.
 */
import {
  JSONRPCErrorCode,
  JSONRPCServer,
  createJSONRPCErrorResponse,
  type JSONRPCRequest,
  type JSONRPCResponse,
} from 'json-rpc-2.0';
import { errorText } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import type { Log } from '../../core/ports.js';
import { paramsOf, rpcError, type DoorMethod } from './methods.js';

export type RpcAnswer = JSONRPCResponse | JSONRPCResponse[] | null;

export class JsonRpc {
  readonly #server: JSONRPCServer;

  constructor(methods: ReadonlyMap<string, DoorMethod>, log: Log) {
    // What a method throws is answered; the library's own listener would write to standard error.
    this.#server = new JSONRPCServer({ errorListener: () => undefined });
    this.#server.mapErrorToJSONRPCErrorResponse = (id, error: unknown) => {
      const { code, message, data } = rpcError(error);
      if (code === (JSONRPCErrorCode.InternalError as number)) {
        log.log('error', 'a request at the door failed', { error: errorText(error) });
      }
      return createJSONRPCErrorResponse(id, code, message, data);
    };
    for (const [name, method] of methods) {
      this.#server.addMethod(name, (params: unknown) => method(paramsOf(params)));
    }
  }

  /** Answers one text: a request or a batch of at most DOOR_IN_FLIGHT. Never rejects; null where nothing is answered. */
  async answer(text: string): Promise<RpcAnswer> {
    let request: unknown;
    try {
      request = JSON.parse(text);
    } catch {
      return createJSONRPCErrorResponse(null, JSONRPCErrorCode.ParseError, 'a request is one JSON text');
    }
    if (!Array.isArray(request)) return this.#receive(request);
    if (request.length === 0 || request.length > LIMITS.DOOR_IN_FLIGHT) {
      const most = `a batch holds 1 to ${LIMITS.DOOR_IN_FLIGHT} requests`;
      return createJSONRPCErrorResponse(null, JSONRPCErrorCode.InvalidRequest, most);
    }
    // One by one, since the library answers a batch of one as if it were none.
    const answers = await Promise.all(request.map((one) => this.#receive(one)));
    const told = answers.filter((answer) => answer !== null);
    return told.length === 0 ? null : told;
  }

  async #receive(request: unknown): Promise<JSONRPCResponse | null> {
    // The library answers what is no request, but for what it cannot look into.
    const readable = typeof request === 'object' && !Array.isArray(request) ? (request ?? {}) : {};
    return this.#server.receive(readable as JSONRPCRequest);
  }
}
