/** Asks a running module at its own door, one request on one connection. */
import { connect } from 'node:net';
import { join } from 'node:path';
import {
  createJSONRPCRequest,
  isJSONRPCResponse,
  type JSONRPCErrorResponse,
  type JSONRPCResponse,
} from 'json-rpc-2.0';
import type { Json } from '../../core/codec.js';
import { errorText, MeshError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import { DOOR_FILE } from './door.js';

/** A request that the module answered with an error. */
export class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly error: JSONRPCErrorResponse['error'];

  constructor(error: JSONRPCErrorResponse['error']) {
    super(error.message);
    this.error = error;
  }
}

/**
 * @param dataDir the data directory of the module
 * @throws MeshError DOOR_FAILED where no module runs there or it does not answer in time; RefusedRequest
 */
export async function askModule(
  dataDir: string,
  method: string,
  params: { readonly [name: string]: Json },
): Promise<unknown> {
  const path = join(dataDir, DOOR_FILE);
  const response = await exchange(path, `${JSON.stringify(createJSONRPCRequest(1, method, params))}\n`);
  if (response.error !== undefined) throw new RefusedRequest(response.error);
  return response.result;
}

function exchange(path: string, line: string): Promise<JSONRPCResponse> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const socket = connect(path, () => {
      socket.write(line);
    });
    const fail = (what: string, cause?: unknown): void => {
      socket.destroy();
      reject(new MeshError('DOOR_FAILED', what, { path }, { cause }));
    };
    socket.setTimeout(LIMITS.DOOR_ANSWER_MILLIS, () => {
      fail(`the module at ${path} does not answer; its log may say why`);
    });
    socket.on('data', (chunk: Buffer) => {
      parts.push(chunk);
      if (!chunk.includes('\n')) return;
      const response = parsed(Buffer.concat(parts).toString('utf8'));
      if (response === null) fail(`what listens at ${path} does not speak JSON-RPC`);
      else {
        socket.destroy();
        resolve(response);
      }
    });
    socket.on('error', (error) => {
      fail(
        `no module answers at ${path} (${errorText(error)}): start it with \`blvm-mesh run\`, or name its data ` +
          'directory by --data-dir',
        error,
      );
    });
    socket.on('end', () => {
      fail(`the module at ${path} closed the connection without an answer`);
    });
  });
}

function parsed(text: string): JSONRPCResponse | null {
  try {
    const value: unknown = JSON.parse(text);
    return isJSONRPCResponse(value) ? value : null;
  } catch {
    return null;
  }
}
