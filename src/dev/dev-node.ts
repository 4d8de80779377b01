/** Starts a whole development network in this process: nodes in a topology, and the control socket beside them. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import { nodeInfo } from './control-methods.js';
import type { NodeInfo } from './control-protocol.js';
import { ControlServer } from './control-server.js';
import { DevNetwork } from './network.js';
import type { DevNode, DevNodeOptions } from './node.js';
import { topologyLinks, type Topology, type TopologyLink } from './topology.js';

export interface DevNetworkSetup {
  /** How many, or the options of each that differ from the defaults. Default 2. */
  readonly nodes?: number | readonly Partial<DevNodeOptions>[];
  /** For the sockets; made if absent. Default: a fresh directory in the system's temporary one, removed at the end. */
  readonly dir?: string;
  /** Keys, preimages, losses and order follow from it. Default 1. */
  readonly seed?: number;
  /** A named topology, or links between node numbers from 0. Default ring. */
  readonly topology?: Topology | readonly TopologyLink[];
  readonly latencyMillis?: number;
  readonly lossRate?: number;
  readonly reorderRate?: number;
  /** For every node that names none of its own. */
  readonly nodeVersion?: string;
  readonly requestsPerSecond?: number | null;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface RunningDevNode {
  readonly network: DevNetwork;
  readonly dir: string;
  readonly controlPath: string;
  /** Settles when the network has ended, by `close` or over the control socket. */
  readonly ended: Promise<void>;
  /** As DevNetwork.node. */
  readonly node: (nameOrAddress: string) => DevNode;
  /** Where each node is reached, in order. */
  readonly describe: () => readonly NodeInfo[];
  /** Ends everything and removes the sockets. Safe to call again. */
  readonly close: () => Promise<void>;
}

/**
 * Starts a development network.
 * @throws MeshError DEV_NODE_FAILED where the directory or a socket cannot be used
 */
export async function runDevNode(setup: DevNetworkSetup = {}): Promise<RunningDevNode> {
  const { dir, isOurs } = directoryOf(setup.dir);
  const network = new DevNetwork({
    seed: setup.seed ?? 1,
    link: {
      latencyMillis: setup.latencyMillis ?? 0,
      lossRate: setup.lossRate ?? 0,
      reorderRate: setup.reorderRate ?? 0,
    },
    ...(setup.clock === undefined ? {} : { clock: setup.clock }),
    ...(setup.log === undefined ? {} : { log: setup.log }),
  });
  const controlPath = join(dir, 'control.sock');
  const control = new ControlServer(network, controlPath, () => void close());
  let closing: Promise<void> | null = null;
  let end: () => void = () => undefined;
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const close = (): Promise<void> => {
    closing ??= (async () => {
      await Promise.all([control.close(), network.close()]);
      if (isOurs) rmSync(dir, { recursive: true, force: true });
      end();
    })();
    return closing;
  };

  try {
    await startNodes(network, dir, setup);
    await control.listen();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    network,
    dir,
    controlPath,
    ended,
    node: (nameOrAddress) => network.node(nameOrAddress),
    describe: () => network.nodes.map(nodeInfo),
    close,
  };
}

async function startNodes(network: DevNetwork, dir: string, setup: DevNetworkSetup): Promise<void> {
  const wanted = setup.nodes ?? 2;
  const each: readonly Partial<DevNodeOptions>[] =
    typeof wanted === 'number' ? Array.from({ length: wanted }, () => ({})) : wanted;
  if (each.length < 1 || each.length > LIMITS.DEV_NODES) {
    throw new MeshError(
      'DEV_NODE_FAILED',
      `a development network has 1 to ${LIMITS.DEV_NODES} nodes, not ${each.length}`,
      { nodes: each.length },
    );
  }
  for (const [index, options] of each.entries()) {
    await network.addNode({
      socketPath: join(dir, `node-${index + 1}.sock`),
      requestsPerSecond: setup.requestsPerSecond ?? null,
      ...(setup.nodeVersion === undefined ? {} : { nodeVersion: setup.nodeVersion }),
      ...options,
    });
  }
  const topology = setup.topology ?? 'ring';
  const links = typeof topology === 'string' ? topologyLinks(topology, each.length) : topology;
  for (const [a, b] of links) network.connect(nameOf(network, a), nameOf(network, b));
}

function nameOf(network: DevNetwork, index: number): string {
  const node = network.nodes[index];
  if (node === undefined) {
    throw new MeshError(
      'DEV_NODE_FAILED',
      `the topology names a node ${index} that is not there: count from 0`,
      {
        index,
      },
    );
  }
  return node.name;
}

function directoryOf(wanted: string | undefined): { dir: string; isOurs: boolean } {
  try {
    if (wanted === undefined) return { dir: mkdtempSync(join(tmpdir(), 'blvm-dev-')), isOurs: true };
    mkdirSync(wanted, { recursive: true });
    return { dir: wanted, isOurs: false };
  } catch (error) {
    throw new MeshError(
      'DEV_NODE_FAILED',
      `cannot make the directory for the sockets: ${errorText(error)}. Choose another with --dir.`,
      { dir: wanted ?? tmpdir() },
      { cause: error },
    );
  }
}
