/** `blvm-mesh dev-node`: a development network in a process of its own, until Ctrl-C, its parent or a client ends it. */
import Table from 'cli-table3';
import { Command, InvalidArgumentError, Option } from 'commander';
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import { runDevNode, type RunningDevNode } from './dev-node.js';
import { DEFAULT_NODE_VERSION } from './node.js';
import { TOPOLOGIES, type Topology } from './topology.js';

interface CommandOptions {
  readonly nodes: number;
  readonly dir?: string;
  readonly topology: Topology;
  readonly latencyMs: number;
  readonly loss: number;
  readonly reorder: number;
  readonly seed: number;
  readonly nodeVersion: string;
  readonly requestsPerSecond?: number;
  readonly json?: boolean;
  readonly exitWithParent?: boolean;
}

/** The command, for the command line to add. */
export function devNodeCommand(): Command {
  return new Command('dev-node')
    .description('run development nodes: real module sockets, a virtual network, a Lightning wallet each')
    .option('--nodes <count>', 'how many nodes', wholeNumber(1, LIMITS.DEV_NODES), 2)
    .option('--dir <directory>', 'where the sockets go (default: a fresh temporary directory)')
    .addOption(
      new Option('--topology <shape>', 'who is connected to whom').choices(TOPOLOGIES).default('ring'),
    )
    .option('--latency-ms <ms>', 'delay of each link', wholeNumber(0, 600_000), 0)
    .option('--loss <share>', 'share of the packets that get lost, 0 to 1', share, 0)
    .option('--reorder <share>', 'share of the packets that later ones overtake, 0 to 1', share, 0)
    .option('--seed <number>', 'keys, losses and order follow from it', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--node-version <version>', 'node version to imitate', DEFAULT_NODE_VERSION)
    .option(
      '--requests-per-second <count>',
      'close a module that asks more often; a real node allows 100 (default: no limit)',
      wholeNumber(1, 1_000_000),
    )
    .option('--json', 'print JSON lines instead of a table')
    .option('--exit-with-parent', 'end when the process that started this one does')
    .action(async (options: CommandOptions) => {
      await run(options);
    });
}

async function run(options: CommandOptions): Promise<void> {
  const running = await runDevNode({
    nodes: options.nodes,
    ...(options.dir === undefined ? {} : { dir: options.dir }),
    topology: options.topology,
    latencyMillis: options.latencyMs,
    lossRate: options.loss,
    reorderRate: options.reorder,
    seed: options.seed,
    nodeVersion: options.nodeVersion,
    requestsPerSecond: options.requestsPerSecond ?? null,
    log: stderrLog,
  });
  const stop = (): void => void running.close();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  if (options.exitWithParent === true) onParentGone(stop);
  process.stdout.write(options.json === true ? asJsonLines(running) : asTable(running));
  await running.ended;
  process.off('SIGINT', stop);
  process.off('SIGTERM', stop);
  if (options.exitWithParent === true) releaseParent();
}

/** A parent is there as long as its IPC channel is, or, without one, its end of our standard input. */
function onParentGone(stop: () => void): void {
  if (process.channel !== undefined) {
    process.once('disconnect', stop);
    return;
  }
  process.stdin.on('end', stop);
  process.stdin.on('close', stop);
  process.stdin.on('error', stop);
  process.stdin.resume();
}

function releaseParent(): void {
  if (process.connected) process.disconnect();
  process.stdin.destroy();
}

function asJsonLines(running: RunningDevNode): string {
  const lines = [
    ...running.describe().map((node) => ({ event: 'node', ...node })),
    { event: 'ready', control: running.controlPath, pid: process.pid },
  ];
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

function asTable(running: RunningDevNode): string {
  const nodes = running.describe();
  const table = new Table({
    head: ['node', 'address', 'module socket', 'peers'],
    style: { head: [], border: [] },
  });
  for (const node of nodes) table.push([node.name, node.address, node.socketPath, String(node.peers.length)]);
  const first = nodes[0]?.socketPath ?? '';
  return [
    table.toString(),
    '',
    'Attach a module, each with a data directory of its own:',
    `  blvm-mesh run --socket ${first} --data-dir ./node-1`,
    `Control socket (a JSON object a line): ${running.controlPath}`,
    'Ctrl-C ends the nodes and removes their sockets.',
    '',
  ].join('\n');
}

/** One line a message on standard error, from info on: why a module's connection was closed is what people need. */
const stderrLog: Log = {
  log: (level, message, facts = {}) => {
    if (level === 'trace' || level === 'debug') return;
    const shown = Object.entries(facts)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
    process.stderr.write(`dev-node ${level}: ${message}${shown.join('')}\n`);
  },
};

function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`A whole number from ${least} to ${most}, please.`);
    return value;
  };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError('A share from 0 to 1, please.');
  return value;
}
