/**
 * The demonstration's network: one development node process hosting five nodes in a ring with chords, and one
 * module process on each, as an operator would run them.
 *
 * Everything lives in one temporary directory; `close` ends every child and removes it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import { MeshError } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Log } from '../core/ports.js';
import { MODULE_NAME } from '../core/version.js';
import { prepareDataDir } from '../engine/foundations.js';
import { DevControlClient } from '../dev/control-client.js';
import type { NodeInfo } from '../dev/control-protocol.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const START_MILLIS = 30_000;
/** A child that does not end by itself is killed after this. */
const STOP_MILLIS = 3_000;
const POLL_MILLIS = 20;
const LAST_WORDS_CHARS = 2_000;

/** A child process, and the last of what it wrote to standard error. */
class Child {
  readonly process: ChildProcess;
  #lastWords = '';

  constructor(args: readonly string[]) {
    this.process = spawn(process.execPath, [CLI, ...args, '--exit-with-parent'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.#lastWords = (this.#lastWords + chunk.toString()).slice(-LAST_WORDS_CHARS);
    });
  }

  get isAlive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** That it ended before it was up. */
  failure(name: string): MeshError {
    return new MeshError('DEV_NODE_FAILED', `${name} ended as it started: ${this.#lastWords.trim()}`, {
      name,
      exitCode: this.process.exitCode,
    });
  }

  async stop(): Promise<void> {
    if (!this.isAlive) return;
    const ended = once(this.process, 'exit');
    this.process.kill('SIGTERM');
    const timer = setTimeout(() => this.process.kill('SIGKILL'), STOP_MILLIS);
    await ended;
    clearTimeout(timer);
  }
}

/** One node of the demonstration and the module process on it. */
export interface DemoNode {
  readonly name: string;
  readonly address: string;
  readonly socketPath: string;
  readonly payee: string;
  readonly nodeId: NodeId;
  /** Names of the nodes it is connected to. */
  readonly neighbours: readonly number[];
  /** The module's process. */
  readonly module: Child;
}

/** How neighbours reach each other: by the direct transport, over their nodes, or three nodes so and two so. */
export const DEMO_WAYS = ['direct', 'node', 'mixed'] as const;
export type DemoWay = (typeof DEMO_WAYS)[number];

/** Of a mixed network so many nodes, the first ones, have no transport. */
const MIXED_WITHOUT = 2;

export class DemoNetwork {
  readonly directory: string;
  readonly nodes: readonly DemoNode[];
  readonly control: DevControlClient;
  readonly #devNode: Child;

  private constructor(
    directory: string,
    nodes: readonly DemoNode[],
    control: DevControlClient,
    devNode: Child,
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
    readonly way?: DemoWay;
  }): Promise<DemoNetwork> {
    const { way = 'direct' } = options;
    const directory = await mkdtemp(join(tmpdir(), 'blvm-mesh-demo-'));
    const children: Child[] = [];
    try {
      const controlPath = join(directory, 'control.sock');
      const size = ['--nodes', String(options.nodes), '--topology', 'chords'];
      const devNode = new Child(['dev-node', ...size, '--dir', directory, '--seed', String(options.seed)]);
      children.push(devNode);
      const control = await connectControl(controlPath, devNode);
      const { nodes: infos } = await control.call('nodes', {});
      const prepared = await Promise.all(infos.map((info) => prepareNode(directory, info, options.log)));
      const payees = prepared.map(({ nodeId }, index) => `${nodeKey(nodeId)}=${infos[index]?.payee ?? ''}`);
      const ports = await freePorts(prepared.map((_, index) => isDirect(way, index)));
      const nodes = await Promise.all(
        prepared.map(async ({ info, dataDir, nodeId }, index): Promise<DemoNode> => {
          const neighbours = info.peers.map((address) =>
            infos.findIndex((other) => other.address === address),
          );
          const peers = neighbours.flatMap((neighbour) => peerText(prepared[neighbour], ports[neighbour]));
          const port = ports[index] ?? null;
          await writeFile(
            join(dataDir, 'config.toml'),
            configText({ payees, port, peers: port === null ? [] : peers }),
          );
          const child = new Child(['run', '--socket', info.socketPath, '--data-dir', dataDir]);
          children.push(child);
          const { name, address, socketPath, payee } = info;
          return { name, address, socketPath, payee, nodeId, neighbours, module: child };
        }),
      );
      await Promise.all(nodes.map(({ name, module }) => moduleUp(control, name, module)));
      return new DemoNetwork(directory, nodes, control, devNode);
    } catch (error) {
      await Promise.all(children.map((child) => child.stop()));
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** What a module says of itself, or null where its process is gone. */
  async status(index: number): Promise<unknown> {
    const { name, module: child } = present(this.nodes[index], 'a node of the network');
    if (!child.isAlive) return null;
    try {
      const params = { node: name, module: MODULE_NAME, subcommand: 'status', args: ['--json'] };
      const { stdout } = await this.control.call('cli', params);
      return JSON.parse(stdout) as unknown;
    } catch {
      return null;
    }
  }

  /** Ends every child and removes the directory. Safe to call again. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.module.stop()));
    this.control.close();
    await this.#devNode.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

interface PreparedNode {
  readonly info: NodeInfo;
  readonly dataDir: string;
  readonly nodeId: NodeId;
}

/** Makes the data directory ahead of the module, so that every node can be told the others' payees. */
async function prepareNode(directory: string, info: NodeInfo, log: Log): Promise<PreparedNode> {
  const dataDir = join(directory, 'data', info.name);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const nodeId = await prepareDataDir(dataDir, systemClock, log);
  return { info, dataDir, nodeId };
}

function isDirect(way: DemoWay, index: number): boolean {
  return way === 'direct' || (way === 'mixed' && index >= MIXED_WITHOUT);
}

/** How a neighbour stands in the configuration; nothing where it has no transport. */
function peerText(neighbour: PreparedNode | undefined, port: number | null | undefined): readonly string[] {
  if (neighbour === undefined || port === null || port === undefined) return [];
  return [`${nodeKey(neighbour.nodeId)}@127.0.0.1:${port}`];
}

/** A port that is free now for each node that wants one. */
async function freePorts(wanted: readonly boolean[]): Promise<readonly (number | null)[]> {
  const servers = await Promise.all(
    wanted.map(async (isWanted) => {
      if (!isWanted) return null;
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  // All at once, so that none is given out twice.
  return servers.map((server) => {
    const address = server?.address() ?? null;
    server?.close();
    return typeof address === 'object' && address !== null ? address.port : null;
  });
}

function configText(facts: {
  readonly payees: readonly string[];
  readonly port: number | null;
  readonly peers: readonly string[];
}): string {
  const { payees, port, peers } = facts;
  return [
    '# Written by `blvm-mesh demo`.',
    'network = "regtest"',
    `listen_addr = ${JSON.stringify(port === null ? '' : `127.0.0.1:${port}`)}`,
    `peers = ${JSON.stringify(peers)}`,
    'workers = 1',
    'hello_interval_seconds = 1',
    'node_requests_per_second = 100000',
    'rate_limit_per_minute = 1000000',
    `payees = ${JSON.stringify(payees)}`,
    '',
  ].join('\n');
}

async function connectControl(path: string, devNode: Child): Promise<DevControlClient> {
  const deadline = performance.now() + START_MILLIS;
  for (;;) {
    try {
      return await DevControlClient.connect(path);
    } catch {
      if (!devNode.isAlive || performance.now() > deadline) throw devNode.failure('the development node');
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
    }
  }
}

async function moduleUp(control: DevControlClient, name: string, child: Child): Promise<void> {
  const params = { node: name, module: MODULE_NAME, readiness: 'cli', timeoutMillis: START_MILLIS } as const;
  const ended = once(child.process, 'exit').then(() => {
    throw child.failure(`the module on ${name}`);
  });
  // It ends some day anyway: only an end before it is up is a failure.
  ended.catch(() => undefined);
  await Promise.race([control.call('waitForModule', params), ended]);
}
