// The module of docs/building-on-the-mesh.md, word for word, as a process of its own on two nodes.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, endLater, temporaryDirectory, waitFor } from '../support/mesh-process.js';

const PACKAGE = fileURLToPath(new URL('../..', import.meta.url));

let bed: MeshBed;
let program: string;

beforeAll(async () => {
  const page = readFileSync(join(PACKAGE, 'docs/building-on-the-mesh.md'), 'utf8');
  const [, code] = /```js\n([\s\S]*?)```/.exec(page) ?? [];
  if (code === undefined) throw new Error('the page holds no module');
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(PACKAGE, join(directory, 'node_modules/blvm-mesh'), 'dir');
  program = join(directory, 'note.mjs');
  writeFileSync(program, code);
  bed = await MeshBed.start({ nodes: 2, links: [[0, 1]] });
  await bed.greeted();
});

afterAll(endAll);

/** Runs the module beside the mesh on a node. */
function run(index: number, ...args: readonly string[]): { readonly process: ChildProcess; output: string } {
  const child = spawn(process.execPath, [program, ...args], {
    env: { PATH: process.env['PATH'] ?? '', SOCKET_PATH: bed.at(index).node.socketPath },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const running = { process: child, output: '' };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => (running.output += chunk.toString()));
  }
  endLater(() => child.kill('SIGKILL'));
  return running;
}

describe('the module of docs/building-on-the-mesh.md', () => {
  it('writes to itself on another node, over restarts of the mesh there', async () => {
    const receiver = run(1);
    await waitFor('the receiver is up', () => receiver.output.includes('ready'));
    for (const [number, text] of ['a first note', 'a second note'].entries()) {
      const { invoice, preimage } = bed.pay(1, 50_000n);
      const sender = run(0, toHex(bed.at(1).nodeId), invoice, toHex(preimage), text);
      await waitFor('the note was sent', () => sender.output.includes('sent'));
      const line = `${toHex(bed.at(0).nodeId)}: ${text}\n`;
      await waitFor('the note has arrived', () => receiver.output.includes(line));
      sender.process.kill('SIGKILL');
      if (number > 0) break;
      await bed.at(1).module.kill();
      await bed.restart(1);
    }
    expect(receiver.output.match(/note\n/g)).toHaveLength(2);
  }, 60_000);
});
