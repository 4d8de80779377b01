/** The node of the flood campaign: a real module that listens, in a process of its own, on a development node in this one. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import type { NodeId } from '../core/ids.js';
import type { ReasonName } from '../core/reasons.js';
import { MODULE_NAME } from '../core/version.js';
import { freePort } from '../dev/free-port.js';
import { runDevNode, type DevNode, type RunningDevNode } from '../dev/index.js';
import { prepareDataDir } from '../engine/foundations.js';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const START_MILLIS = 30_000;
const KIB_PER_MIB = 1_024;

/** What `status --json` says, as far as the campaign reads it. */
export interface FloodStatus {
  readonly peers: number;
  readonly counts: Readonly<Partial<Record<string, number>>>;
  readonly refused: Readonly<Partial<Record<ReasonName, number>>>;
}

export interface FloodNodeOptions {
  readonly directory: string;
  readonly seed: number;
  readonly workers: number;
}

export class FloodNode {
  readonly nodeId: NodeId;
  /** Where it listens on this machine. */
  readonly port: number;
  readonly #network: RunningDevNode;
  readonly #node: DevNode;
  readonly #child: ChildProcess;

  private constructor(
    nodeId: NodeId,
    port: number,
    network: RunningDevNode,
    node: DevNode,
    child: ChildProcess,
  ) {
    this.nodeId = nodeId;
    this.port = port;
    this.#network = network;
    this.#node = node;
    this.#child = child;
  }

  /** Resolves when it answers. @throws MeshError DEV_NODE_FAILED */
  static async start({ directory, seed, workers }: FloodNodeOptions): Promise<FloodNode> {
    const network = await runDevNode({ nodes: 1, dir: directory, seed });
    const node = present(network.network.nodes[0], 'a node');
    const dataDir = join(directory, 'data');
    await mkdir(dataDir, { mode: 0o700 });
    const nodeId = await prepareDataDir(dataDir, systemClock, { log: () => undefined });
    const port = await freePort();
    await writeFile(join(dataDir, 'config.toml'), configText(port, workers));
    const args = ['run', '--socket', node.socketPath, '--data-dir', dataDir, '--exit-with-parent'];
    const child = spawn(process.execPath, [CLI, ...args], { stdio: ['pipe', 'ignore', 'ignore'] });
    const started = new FloodNode(nodeId, port, network, node, child);
    try {
      await node.modules.waitFor(MODULE_NAME, 'cli', START_MILLIS);
      return started;
    } catch (error) {
      await started.close();
      throw error;
    }
  }

  async status(): Promise<FloodStatus> {
    const { stdout } = await this.#node.modules.cli('mesh', 'status', ['--json']);
    const { peers, counters } = JSON.parse(stdout) as {
      readonly peers: number;
      readonly counters: Pick<FloodStatus, 'counts' | 'refused'>;
    };
    return { peers, counts: counters.counts, refused: counters.refused };
  }

  /** Resident memory of its process; 0 where the system does not tell. */
  async residentMib(): Promise<number> {
    try {
      const text = await readFile(`/proc/${this.#child.pid ?? 0}/status`, 'utf8');
      return Number(/VmRSS:\s+(\d+) kB/.exec(text)?.[1] ?? 0) / KIB_PER_MIB;
    } catch {
      return 0;
    }
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    await this.#network.close();
  }
}

/** Quotas are far above what honest peers send, so that the flood is not held off at the door alone. */
function configText(port: number, workers: number): string {
  return [
    'network = "regtest"',
    `listen_addr = "127.0.0.1:${port}"`,
    `workers = ${workers}`,
    'rate_limit_per_minute = 60000',
    'max_unsettled_msats = 0',
    '',
  ].join('\n');
}
