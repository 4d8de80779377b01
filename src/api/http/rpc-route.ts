/**
 * JSON-RPC at the HTTP door: `POST /rpc`, what the door in the data directory serves, for the holder of the token.
 *
 * Rules: JSON-RPC 2.0. A notification is answered by 204. Main thread.
 */
import type { IncomingMessage } from 'node:http';
import { LIMITS } from '../../core/limits.js';
import type { JsonRpc } from '../door/json-rpc.js';
import { refuse, type HttpRoute } from './http-door.js';

export function rpcRoute(rpc: JsonRpc): HttpRoute {
  return {
    method: 'POST',
    path: '/rpc',
    access: 'token',
    handle: async (request, response) => {
      // No form of another site can send this type without asking first.
      if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
        refuse(response, 415);
        return;
      }
      const body = await bodyOf(request, LIMITS.DOOR_LINE_BYTES);
      if (body === null) {
        refuse(response, 413);
        return;
      }
      const answer = await rpc.answer(body.toString('utf8'));
      if (answer === null) refuse(response, 204);
      else response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer));
    },
  };
}

/** The body of a request; null where it is longer than allowed, of which no more is read. */
async function bodyOf(request: IncomingMessage, mostBytes: number): Promise<Buffer | null> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) return null;
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > mostBytes) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}
