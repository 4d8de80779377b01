// The module's own door: JSON-RPC 2.0 over a Unix socket, with every bound met on purpose.
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { askModule, RefusedRequest } from '../../../src/api/door/client.js';
import { Door, DOOR_FILE } from '../../../src/api/door/door.js';
import { JsonRpc } from '../../../src/api/door/json-rpc.js';
import type { DoorMethod } from '../../../src/api/door/methods.js';
import { LIMITS } from '../../../src/core/limits.js';
import { BadRequest } from '../../../src/core/params.js';
import { endAll, endLater, temporaryDirectory, waitFor } from '../../support/mesh-process.js';

const methods = new Map<string, DoorMethod>([
  ['echo', (params) => ({ text: params.text('text') })],
  [
    'wrong',
    () => {
      throw new BadRequest('nothing suits it');
    },
  ],
  [
    'broken',
    () => {
      throw new Error('a secret of the inside');
    },
  ],
]);

let directory: string;
let path: string;
const logged: string[] = [];

beforeEach(async () => {
  directory = temporaryDirectory();
  path = join(directory, DOOR_FILE);
  logged.length = 0;
  const door = await Door.open(path, new JsonRpc(methods, { log: (_, message) => logged.push(message) }));
  endLater(() => door.close());
});

afterEach(endAll);

/** Sends text and gathers what comes until so many lines have come or the door closes. */
async function exchange(text: string, lines: number): Promise<readonly unknown[]> {
  const { socket, received } = await opened();
  socket.write(text);
  await waitFor('an answer', () => received.text.split('\n').length > lines || received.isClosed);
  socket.destroy();
  return received.text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

async function opened(): Promise<{ socket: Socket; received: { text: string; isClosed: boolean } }> {
  const received = { text: '', isClosed: false };
  const socket = connect(path);
  endLater(() => socket.destroy());
  socket.on('data', (chunk) => (received.text += chunk.toString()));
  socket.on('error', () => undefined);
  socket.on('close', () => (received.isClosed = true));
  await waitFor('a connection', () => !socket.connecting);
  return { socket, received };
}

const request = (id: number | undefined, method: string, params?: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params });

describe('door › JSON-RPC 2.0', () => {
  it('is for its owner alone', () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  it('answers requests in one stream, each under its id', async () => {
    const text = [1, 2, 3].map((id) => `${request(id, 'echo', { text: `n${id}` })}\n`).join('');
    expect(await exchange(text, 3)).toEqual(
      [1, 2, 3].map((id) => ({ jsonrpc: '2.0', id, result: { text: `n${id}` } })),
    );
  });

  it('does not answer notifications', async () => {
    const text = `${request(undefined, 'echo', { text: 'quiet' })}\n${request(9, 'echo', { text: 'loud' })}\n`;
    expect(await exchange(text, 1)).toEqual([{ jsonrpc: '2.0', id: 9, result: { text: 'loud' } }]);
  });

  it('answers a batch by a batch', async () => {
    const batch = `[${request(1, 'echo', { text: 'a' })},${request(2, 'missing')}]\n`;
    expect(await exchange(batch, 1)).toMatchObject([
      [
        { id: 1, result: { text: 'a' } },
        { id: 2, error: { code: -32_601 } },
      ],
    ]);
  });

  it('names what is wrong: no JSON, no request, no method, bad parameters', async () => {
    const lines = [
      '{',
      '{}',
      request(3, 'missing'),
      request(4, 'echo', { text: 5 }),
      request(5, 'echo', [1]),
    ];
    const answers = await exchange(`${lines.join('\n')}\n`, lines.length);
    const codes = answers.map((answer) => (answer as { error: { code: number } }).error.code);
    expect(codes.toSorted((a, b) => a - b)).toEqual([-32_700, -32_602, -32_602, -32_601, -32_600]);
    expect(JSON.stringify(answers)).toContain('text is a text');
  });

  it('answers what is no request as such, alone, and in a batch by a batch', async () => {
    const refusal = { id: null, error: { code: -32_600 } };
    for (const line of ['null', '0', '[]']) {
      expect(await exchange(`${line}\n`, 1)).toMatchObject([refusal]);
    }
    for (const line of ['[null]', '[0]', '[[]]']) {
      expect(await exchange(`${line}\n`, 1)).toMatchObject([[refusal]]);
    }
    expect(await exchange(`${request(1, 'echo', { text: 'still here' })}\n`, 1)).toHaveLength(1);
  });

  it('tells nothing of its inside where a method fails, but its log', async () => {
    const [answer] = await exchange(`${request(1, 'broken')}\n`, 1);
    expect(answer).toMatchObject({ error: { code: -32_603 } });
    expect(JSON.stringify(answer)).not.toContain('secret');
    expect(logged).toEqual(['a request at the door failed']);
  });
});

describe('door › bounds', () => {
  it('a line that is too long costs the connection, and no other', async () => {
    const other = await opened();
    const { socket, received } = await opened();
    socket.write('x'.repeat(LIMITS.DOOR_LINE_BYTES + 1));
    await waitFor('the end', () => received.isClosed);
    other.socket.write(`${request(1, 'echo', { text: 'still here' })}\n`);
    await waitFor('an answer', () => other.received.text.includes('still here'));
  });

  it('a batch of too many requests is refused whole', async () => {
    const batch = Array.from({ length: LIMITS.DOOR_IN_FLIGHT + 1 }, (_, id) =>
      request(id, 'echo', { text: '' }),
    );
    expect(await exchange(`[${batch.join(',')}]\n`, 1)).toMatchObject([{ error: { code: -32_600 } }]);
  });

  it('connections past the bound are closed at once', async () => {
    const held = await Promise.all(Array.from({ length: LIMITS.DOOR_CONNECTIONS }, opened));
    const { received } = await opened();
    await waitFor('the end', () => received.isClosed);
    expect(held.every((one) => !one.received.isClosed)).toBe(true);
  });

  it('bytes one by one are a request like any other', async () => {
    const { socket, received } = await opened();
    for (const byte of Buffer.from(`${request(7, 'echo', { text: 'slow' })}\n`))
      socket.write(Buffer.of(byte));
    await waitFor('an answer', () => received.text.includes('slow'));
  });
});

describe('door › its client', () => {
  it('gets results, and errors as errors', async () => {
    expect(await askModule(directory, 'echo', { text: 'hi' })).toEqual({ text: 'hi' });
    await expect(askModule(directory, 'wrong', {})).rejects.toThrow(RefusedRequest);
    await expect(askModule(directory, 'wrong', {})).rejects.toThrow('nothing suits it');
  });

  it('says what to do where no module runs', async () => {
    await expect(askModule(temporaryDirectory(), 'echo', {})).rejects.toThrow(/blvm-mesh run.*--data-dir/);
  });

  it('a socket that a killed module left is replaced', async () => {
    const at = join(temporaryDirectory(), DOOR_FILE);
    const rpc = new JsonRpc(methods, { log: () => undefined });
    const first = await Door.open(at, rpc);
    await expect(Door.open(at, rpc)).rejects.toThrow(/is taken/);
    await first.close();
    const second = await Door.open(at, rpc);
    await second.close();
  });
});
