/**
 * The demonstration's network: one development node process hosting five nodes in a ring with chords, and one
 * module process on each, as an operator would run them.
 *
 * Everything lives in one temporary directory; `close` ends every child and removes it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../core/assert.js';
import { errorText, MeshError } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Log } from '../core/ports.js';
import { DevControlClient } from '../dev/control-client.js';
import type { NodeInfo } from '../dev/control-protocol.js';
import { openIdentity } from '../store/identity.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const START_MILLIS = 30_000;
/** A child that does not end by itself is killed after this. */
const STOP_MILLIS = 3_000;

/** One node of the demonstration and the module process on it. */
export interface DemoNode {
  readonly name: string;
  readonly address: string;
  readonly socketPath: string;
  readonly payee: string;
  readonly nodeId: NodeId;
  /** Names of the nodes it is connected to. */
  readonly neighbours: readonly number[];
  readonly process: ChildProcess;
}

export class DemoNetwork {
  readonly directory: string;
  readonly nodes: readonly DemoNode[];
  readonly control: DevControlClient;
  readonly #devNode: ChildProcess;

  private constructor(
    directory: string,
    nodes: readonly DemoNode[],
    control: DevControlClient,
    devNode: ChildProcess,
  ) {
    this.directory = directory;
    this.nodes = nodes;
    this.control = control;
    this.#devNode = devNode;
  }

  /**
   * Starts everything; resolves when every module has registered with its node.
   * @throws MeshError DEV_NODE_FAILED when a child does not come up; nothing is left behind
   */
  static async start(options: {
    readonly nodes: number;
    readonly seed: number;
    readonly log: Log;
  }): Promise<DemoNetwork> {
    const directory = await mkdtemp(join(tmpdir(), 'blvm-mesh-'));
    const children: ChildProcess[] = [];
    try {
      const controlPath = join(directory, 'control.sock');
      const devNode = spawnCli(
        ['dev-node', '--nodes', String(options.nodes), '--dir', directory, '--topology', 'chords'],
        ['--seed', String(options.seed), '--json', '--exit-with-parent'],
      );
      children.push(devNode);
      const control = await connectControl(controlPath, devNode);
      const { nodes: infos } = await control.call('nodes', {});
      const prepared = await Promise.all(infos.map((info) => prepareNode(directory, info, options.log)));
      const payees = prepared.map(({ nodeId }, index) => `${nodeKey(nodeId)}=${infos[index]?.payee ?? ''}`);
      const nodes = await Promise.all(
        prepared.map(async ({ info, dataDir, nodeId }): Promise<DemoNode> => {
          await writeFile(join(dataDir, 'config.toml'), configText(payees));
          const child = spawnCli(['run', '--socket', info.socketPath, '--data-dir', dataDir], []);
          children.push(child);
          const neighbours = info.peers.map((address) =>
            infos.findIndex((other) => other.address === address),
          );
          const { name, address, socketPath, payee } = info;
          return { name, address, socketPath, payee, nodeId, neighbours, process: child };
        }),
      );
      await Promise.all(nodes.map((node) => moduleUp(control, node)));
      return new DemoNetwork(directory, nodes, control, devNode);
    } catch (error) {
      await Promise.all(children.map(stop));
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** What a module says of itself, or null where its process is gone. */
  async status(index: number): Promise<unknown> {
    const { name, process: child } = present(this.nodes[index], 'a node of the network');
    if (child.exitCode !== null || child.signalCode !== null) return null;
    try {
      const params = { node: name, module: 'blvm-mesh', subcommand: 'status', args: ['--json'] };
      const { stdout } = await this.control.call('cli', params);
      return JSON.parse(stdout) as unknown;
    } catch {
      return null;
    }
  }

  /** Ends every child and removes the directory. Safe to call again. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => stop(node.process)));
    this.control.close();
    await stop(this.#devNode);
    await rm(this.directory, { recursive: true, force: true });
  }
}

interface PreparedNode {
  readonly info: NodeInfo;
  readonly dataDir: string;
  readonly nodeId: NodeId;
}

/** Makes the identity ahead of the module, so that every node can be told the others' payees. */
async function prepareNode(directory: string, info: NodeInfo, log: Log): Promise<PreparedNode> {
  const dataDir = join(directory, 'data', info.name);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const { nodeId } = await openIdentity(dataDir, log);
  return { info, dataDir, nodeId };
}

function configText(payees: readonly string[]): string {
  return [
    '# Written by `blvm-mesh demo`.',
    'network = "regtest"',
    'listen_addr = ""',
    'workers = 1',
    'hello_interval_seconds = 1',
    'node_requests_per_second = 100000',
    'rate_limit_per_minute = 1000000',
    `payees = ${JSON.stringify(payees)}`,
    '',
  ].join('\n');
}

function spawnCli(command: readonly string[], options: readonly string[]): ChildProcess {
  return spawn(process.execPath, [CLI, ...command, ...options], { stdio: ['pipe', 'ignore', 'inherit'] });
}

async function connectControl(path: string, devNode: ChildProcess): Promise<DevControlClient> {
  const deadline = performance.now() + START_MILLIS;
  for (;;) {
    try {
      return await DevControlClient.connect(path);
    } catch (error) {
      if (devNode.exitCode !== null || performance.now() > deadline) {
        throw new MeshError('DEV_NODE_FAILED', `the development node did not start: ${errorText(error)}`, {
          exitCode: devNode.exitCode,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function moduleUp(control: DevControlClient, node: DemoNode): Promise<void> {
  const ended = new Promise<never>((_, reject) => {
    node.process.once('exit', (code) => {
      reject(
        new MeshError(
          'DEV_NODE_FAILED',
          `the module on ${node.name} ended with code ${String(code)} as it started`,
          {
            node: node.name,
          },
        ),
      );
    });
  });
  const params = {
    node: node.name,
    module: 'blvm-mesh',
    readiness: 'api',
    timeoutMillis: START_MILLIS,
  } as const;
  await Promise.race([control.call('waitForModule', params), ended]);
  node.process.removeAllListeners('exit');
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MILLIS);
  await ended;
  clearTimeout(timer);
}
