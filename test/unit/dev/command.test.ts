// The command in a process of its own, from the compiled package, as `blvm-mesh dev-node` runs it.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { present } from '../../../src/core/assert.js';
import { DevControlClient, type NodeInfo } from '../../../src/dev/index.js';
import { BareModule, waitUntil } from '../../support/dev.js';

const compiled = new URL('../../../dist/dev/index.js', import.meta.url);
const script = `
  const { devNodeCommand } = await import(${JSON.stringify(compiled.href)});
  await devNodeCommand().parseAsync(process.argv.slice(1), { from: 'user' });`;
const isCompiled = existsSync(compiled);
if (!isCompiled) console.warn('skipped: the development node is not compiled; `npm run build` does it');

const children = new Set<ChildProcess>();
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
});

interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exitCode: () => number | NodeJS.Signals | null;
}

function start(...args: readonly string[]): Started {
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, '--', ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  children.add(child);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  return { child, output: () => output, exitCode: () => child.exitCode ?? child.signalCode };
}

async function startJson(
  ...args: readonly string[]
): Promise<Started & { nodes: NodeInfo[]; control: string }> {
  const started = start('--json', ...args);
  await waitUntil(
    () => started.output().includes('"ready"') || started.exitCode() !== null,
    'the command is ready',
    15_000,
  );
  const lines = started
    .output()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { event: string; control?: string } & NodeInfo);
  return {
    ...started,
    nodes: lines.filter(({ event }) => event === 'node'),
    control: present(lines.find(({ event }) => event === 'ready')?.control, 'the last line'),
  };
}

describe.skipIf(!isCompiled)('blvm-mesh dev-node', () => {
  test('it prints each node, serves modules and clients, and ends by Ctrl-C without leaving sockets', async () => {
    const { child, nodes, control, exitCode } = await startJson('--nodes', '3', '--topology', 'full');
    expect(nodes.map((node) => node.peers.length)).toEqual([2, 2, 2]);
    const first = present(nodes[0], 'a node');
    const module = await BareModule.join(first.socketPath);
    const client = await DevControlClient.connect(control);
    expect((await client.call('nodes', {})).nodes[0]?.modules).toEqual(['blvm-mesh']);
    child.kill('SIGINT');
    await waitUntil(() => exitCode() !== null, 'the command ends');
    expect(exitCode()).toBe(0);
    expect(module.isClosed).toBe(true);
    expect(existsSync(first.socketPath) || existsSync(control)).toBe(false);
    client.close();
  });

  test('with --exit-with-parent it ends when its standard input does', async () => {
    const { child, exitCode, control } = await startJson('--exit-with-parent');
    child.stdin?.end();
    await waitUntil(() => exitCode() !== null, 'the command ends');
    expect(exitCode()).toBe(0);
    expect(existsSync(control)).toBe(false);
  });

  test('a client that asks for the end gets it', async () => {
    const { exitCode, control } = await startJson();
    const client = await DevControlClient.connect(control);
    await client.call('shutdown', {});
    await waitUntil(() => exitCode() !== null, 'the command ends');
    expect(exitCode()).toBe(0);
  });

  test('people get a table and the line that attaches a module', async () => {
    const { child, output, exitCode } = start();
    await waitUntil(() => output().includes('Ctrl-C'), 'the table', 15_000);
    expect(output()).toMatch(/node-2.*10\.0\.0\.2:18444/);
    expect(output()).toMatch(/blvm-mesh run --socket \S+node-1\.sock --data-dir/);
    child.kill('SIGTERM');
    await waitUntil(() => exitCode() !== null, 'the command ends');
  });
});
