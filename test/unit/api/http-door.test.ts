// The HTTP door: who may ask, what a browser of another site cannot do, and every bound met on purpose.
import { request, type IncomingHttpHeaders } from 'node:http';
import { statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JsonRpc } from '../../../src/api/door/json-rpc.js';
import type { DoorMethod } from '../../../src/api/door/methods.js';
import { HttpDoor, type HttpRoute } from '../../../src/api/http/http-door.js';
import { rpcRoute } from '../../../src/api/http/rpc-route.js';
import { openToken, TOKEN_FILE } from '../../../src/api/http/token.js';
import { LIMITS } from '../../../src/core/limits.js';
import { systemRandom } from '../../../src/core/random.js';
import { endAll, endLater, temporaryDirectory, waitFor } from '../../support/mesh-process.js';

const TOKEN = 'ab'.repeat(32);
const JSON_TYPE = { 'content-type': 'application/json' };
const HOLDER = { authorization: `Bearer ${TOKEN}`, ...JSON_TYPE };

const logged: string[] = [];
const log = { log: (_: string, message: string): void => void logged.push(message) };
const methods = new Map<string, DoorMethod>([['echo', (params) => ({ text: params.text('text') })]]);
const routes: readonly HttpRoute[] = [
  rpcRoute(new JsonRpc(methods, log)),
  {
    method: 'GET',
    path: '/health',
    access: 'local',
    handle: (_, response, url) => void response.end(`fine ${url.search}`),
  },
  {
    method: 'GET',
    path: '/broken',
    access: 'token',
    handle: () => Promise.reject(new Error('a secret of the inside')),
  },
  { method: 'GET', path: '/events', access: 'token', handle: (_, response) => void response.write('one\n') },
];

let port: number;

beforeEach(async () => {
  logged.length = 0;
  port = await opened('127.0.0.1');
});

afterEach(endAll);

async function opened(host: string): Promise<number> {
  const door = await HttpDoor.open({ address: { host, port: 0 }, token: TOKEN, routes, log });
  endLater(() => door.close());
  return door.port;
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

function ask(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const echo = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'echo', params: { text: 'hi' } });

describe('HTTP door › JSON-RPC', () => {
  it('answers the holder of the token, by Bearer and by Basic', async () => {
    const basic = `Basic ${Buffer.from(`anyone:${TOKEN}`).toString('base64')}`;
    for (const authorization of [`Bearer ${TOKEN}`, `bearer  ${TOKEN}`, basic]) {
      const answer = await ask('POST', '/rpc', { authorization, ...JSON_TYPE }, echo);
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.text)).toEqual({ jsonrpc: '2.0', id: 1, result: { text: 'hi' } });
    }
  });

  it('answers a batch by a batch, a notification by 204, what is no JSON by an error', async () => {
    expect(JSON.parse((await ask('POST', '/rpc', HOLDER, `[${echo}]`)).text)).toHaveLength(1);
    const note = JSON.stringify({ jsonrpc: '2.0', method: 'echo', params: { text: 'quiet' } });
    expect(await ask('POST', '/rpc', HOLDER, note)).toMatchObject({ status: 204, text: '' });
    expect(JSON.parse((await ask('POST', '/rpc', HOLDER, '{')).text)).toMatchObject({
      error: { code: -32_700 },
    });
  });

  it('takes no other type of body: a form of another site cannot send this one', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'text/plain' };
    expect((await ask('POST', '/rpc', headers, echo)).status).toBe(415);
  });
});

describe('HTTP door › who may ask', () => {
  it('nobody without the token, nor with a wrong one, and nobody learns what there is', async () => {
    const wrong = [
      undefined,
      `Bearer ${'ac'.repeat(32)}`,
      'Bearer',
      `Basic ${TOKEN}`,
      `Digest ${TOKEN}`,
      `Bearer ${TOKEN}0`,
    ];
    for (const authorization of wrong) {
      for (const path of ['/rpc', '/nothing']) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await ask('POST', path, { ...headers, ...JSON_TYPE }, echo);
        expect(answer).toMatchObject({ status: 401, text: '' });
        expect(answer.headers['www-authenticate']).toContain('Basic');
      }
    }
  });

  it('a local route is open on a loopback address, and needs the token on any other', async () => {
    expect(await ask('GET', '/health?a=1')).toMatchObject({ status: 200, text: 'fine ?a=1' });
    expect(await ask('HEAD', '/health')).toMatchObject({ status: 200, text: '' });
    port = await opened('0.0.0.0');
    expect((await ask('GET', '/health')).status).toBe(401);
    expect((await ask('GET', '/health', HOLDER)).status).toBe(200);
  });

  it('no page of another site: by its Origin, and by a Host that was made to point here', async () => {
    expect((await ask('POST', '/rpc', { ...HOLDER, origin: 'https://evil.example' }, echo)).status).toBe(403);
    expect((await ask('POST', '/rpc', { ...HOLDER, origin: 'null' }, echo)).status).toBe(403);
    const own = { ...HOLDER, origin: `http://127.0.0.1:${port}` };
    expect((await ask('POST', '/rpc', own, echo)).status).toBe(200);
    expect((await ask('GET', '/health', { host: `evil.example:${port}` })).status).toBe(403);
    expect((await ask('GET', '/health', { host: `localhost:${port}` })).status).toBe(200);
    expect(await sent('GET /health HTTP/1.0\r\n\r\n')).toContain('HTTP/1.1 403');
  });
});

describe('HTTP door › bounds', () => {
  it('names unknown paths and methods to the holder alone', async () => {
    expect((await ask('GET', '/nothing', HOLDER)).status).toBe(404);
    expect(await ask('GET', '/rpc', HOLDER)).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect((await ask('GET', '//evil.example/rpc', HOLDER)).status).toBe(403);
  });

  it('refuses a body that is too long, announced or not', async () => {
    const long = 'x'.repeat(LIMITS.DOOR_LINE_BYTES + 1);
    const sized = { ...HOLDER, 'content-length': String(long.length) };
    expect((await ask('POST', '/rpc', sized)).status).toBe(413);
    const streamed = await ask('POST', '/rpc', { ...HOLDER, 'transfer-encoding': 'chunked' }, long).then(
      ({ status }) => status,
      () => 413, // the door closed before all of it was sent
    );
    expect(streamed).toBe(413);
  });

  it('tells nothing of its inside where a route fails, but its log', async () => {
    expect(await ask('GET', '/broken', HOLDER)).toMatchObject({ status: 500, text: '' });
    expect(logged).toEqual(['a request at the HTTP door failed']);
  });

  it('no HTTP, a header without end, bytes one by one: each costs its own connection at most', async () => {
    const ends = await Promise.all(
      ['\0\x01\x02\r\n\r\n', `GET / HTTP/1.1\r\nX: ${'x'.repeat(2 * LIMITS.HTTP_HEADER_BYTES)}`].map((text) =>
        sent(text),
      ),
    );
    expect(ends.map((text) => text.split('\r\n')[0])).toEqual([
      'HTTP/1.1 400 Bad Request',
      'HTTP/1.1 431 Request Header Fields Too Large',
    ]);
    const slowly = sent(
      ...Array.from('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    );
    expect(await slowly).toContain('fine');
  });

  it('connections past the bound are closed at once', async () => {
    const held = Array.from({ length: LIMITS.HTTP_CONNECTIONS }, () => connect(port, '127.0.0.1'));
    for (const socket of held) endLater(() => socket.destroy());
    await waitFor('connections', () => held.every(({ connecting }) => !connecting));
    await expect(ask('GET', '/health')).rejects.toThrow(/hang up|reset/i);
  });

  it('closes with responses that are kept open', async () => {
    const door = await HttpDoor.open({ address: { host: '::1', port: 0 }, token: TOKEN, routes, log });
    const events = request({ host: '::1', port: door.port, path: '/events', headers: HOLDER }).end();
    await new Promise((resolve) => events.once('response', resolve));
    events.on('error', () => undefined);
    await door.close();
  });

  it('says what to do where the port is taken', async () => {
    const address = { host: '127.0.0.1', port };
    await expect(HttpDoor.open({ address, token: TOKEN, routes, log })).rejects.toThrow(/dashboard_addr/);
  });
});

describe('HTTP door › its token', () => {
  it('is made once, for its owner alone', async () => {
    const directory = temporaryDirectory();
    const token = await openToken(directory, systemRandom, log);
    expect(token).toMatch(/^[\da-f]{64}$/);
    expect(await openToken(directory, systemRandom, log)).toBe(token);
    expect(statSync(join(directory, TOKEN_FILE)).mode & 0o777).toBe(0o600);
  });

  it('that is none, or empty, is never taken', async () => {
    const directory = temporaryDirectory();
    for (const text of ['', 'secret\n', 'AB'.repeat(32)]) {
      writeFileSync(join(directory, TOKEN_FILE), text);
      await expect(openToken(directory, systemRandom, log)).rejects.toThrow(/is no token/);
    }
  });
});

/** Sends pieces on a connection of its own; what came back when the door closed it. */
function sent(...pieces: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay();
    socket.on('data', (chunk) => (text += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(text);
    });
    for (const piece of pieces) socket.write(piece, 'latin1');
  });
}
