/** `blvm-mesh simulate`: one run of the simulator. Exit codes: 0 clean, 1 a rule was broken, 2 misuse. */
import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { MAX_SEED, numberBetween, wholeBetween } from '../api/fuzz/arguments.js';
import { errorText, MeshError } from '../core/errors.js';
import { randomBelow, SeededRandom, systemRandom } from '../core/random.js';
import { jsonOf, plotOf, textOf } from './output.js';
import { progressOf } from './progress.js';
import type { SimulationReport } from './report.js';
import { simulate } from './run.js';
import { isScenario, SCENARIOS, type ScenarioName } from './scenarios.js';
import {
  generate,
  GENERATORS,
  isGenerator,
  MAX_NODES,
  parseTopology,
  part,
  type Topology,
} from './topology.js';

const MAX_PACKETS_PER_SECOND = 100_000;
const MAX_FLOWS = 1_000_000;
const MAX_HOURS = 168;
/** Below it there is no time to settle. */
const MIN_HOURS = 0.05;
const GENERATED_NODES = 200;
/** By default each node sends a packet every two seconds, all of them together at most a thousand a second. */
const PACKETS_PER_NODE = 0.5;
const MOST_PACKETS_PER_SECOND = 1_000;
/** Every pair should send a few times while routes settle. */
const SECONDS_PER_PACKET_OF_FLOW = 4;

interface SimulateFlags {
  readonly topology: string;
  readonly seed?: number;
  readonly nodes?: number;
  readonly scenario: ScenarioName;
  readonly entityShare: number;
  readonly hours: number;
  readonly packets?: number;
  readonly flows?: number;
  readonly unconstrained?: true;
  readonly json?: true;
  readonly svg?: string;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function simulateCommand(): Command {
  return new Command('simulate')
    .description('run a whole mesh in this process, on a virtual clock, from one seed')
    .option('--topology <FILE|NAME>', `a topology file, or ${GENERATORS.join(', ')}`, 'geometric')
    .option('--seed <S>', 'replays a run (0 to 2^32-1; a fresh one by default)', wholeBetween(0, MAX_SEED))
    .option('--nodes <N>', 'how many; of a file, that many around one of them', wholeBetween(2, MAX_NODES))
    .option('--scenario <NAME>', SCENARIOS.join(', '), asScenario, 'calm')
    .option('--entity-share <PART>', 'part of the nodes that is one entity', numberBetween(0.01, 0.99), 0.6)
    .option('--hours <H>', 'simulated time', numberBetween(MIN_HOURS, MAX_HOURS), 0.25)
    .option(
      '--packets <N>',
      'packets a second, of all nodes together',
      numberBetween(0.1, MAX_PACKETS_PER_SECOND),
    )
    .option('--flows <N>', 'pairs that send to each other', wholeBetween(1, MAX_FLOWS))
    .option('--unconstrained', 'choose routes as if everybody were on their own, for comparison')
    .option('--json', 'print one object')
    .option('--svg <FILE>', 'draw convergence and shares')
    .addHelpText(
      'after',
      `
Every node is the module's own routing table, discovery and choice of routes; links delay, lose, double and reorder.
calm: nothing changes. churn: links and nodes fail, the network falls apart and heals. liars: a tenth of the nodes lies.
entity: a part of the nodes colludes as one entity. Exits with 1 where a packet visits a node twice or a route is
installed that should not be.

Example:
  $ blvm-mesh simulate --topology grid --nodes 400 --scenario churn --seed 1 --svg churn.svg`,
    )
    .action(async (flags: SimulateFlags) => {
      process.exitCode = await run(flags);
    });
}

async function run(flags: SimulateFlags): Promise<number> {
  const seed = flags.seed ?? randomBelow(systemRandom, MAX_SEED);
  const topology = await topologyOf(flags, seed);
  const packetsPerSecond =
    flags.packets ?? Math.min(PACKETS_PER_NODE * topology.nodes, MOST_PACKETS_PER_SECOND);
  const progress = progressOf('simulated', 1);
  const started = performance.now();
  const report = await simulate({
    name: basename(flags.topology),
    topology,
    seed,
    scenario: flags.scenario,
    hours: flags.hours,
    packetsPerSecond,
    flows: flags.flows ?? Math.max(1, Math.round(SECONDS_PER_PACKET_OF_FLOW * packetsPerSecond)),
    entityShare: flags.entityShare,
    isUnconstrained: flags.unconstrained === true,
    onProgress: progress.update,
  }).finally(progress.stop);
  const seconds = (performance.now() - started) / 1_000;
  process.stdout.write(flags.json === true ? jsonOf(report) : textOf(report, seconds));
  if (flags.svg !== undefined) await writeFile(flags.svg, plotOf(report));
  return isClean(report) ? 0 : 1;
}

/** Whether no packet went round and no route was installed that should not be. */
export function isClean({ loops, faults }: SimulationReport): boolean {
  const { unauthenticated, unasked, infeasible, malformed } = faults;
  return loops + unauthenticated + unasked + infeasible + malformed === 0;
}

async function topologyOf({ topology, nodes }: SimulateFlags, seed: number): Promise<Topology> {
  const random = new SeededRandom(seed);
  if (isGenerator(topology)) return generate(topology, nodes ?? GENERATED_NODES, random);
  const whole = await readTopology(topology);
  return nodes === undefined ? whole : part(whole, nodes, randomBelow(random, whole.nodes));
}

/** @throws MeshError CONFIG_UNREADABLE, CONFIG_INVALID */
export async function readTopology(path: string): Promise<Topology> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new MeshError(
      'CONFIG_UNREADABLE',
      `${path} cannot be read: ${errorText(error)}. Give a topology file or one of ${GENERATORS.join(', ')}.`,
      { path },
      { cause: error },
    );
  }
  return parseTopology(text, path);
}

function asScenario(text: string): ScenarioName {
  if (!isScenario(text)) throw new InvalidArgumentError(`Give one of ${SCENARIOS.join(', ')}.`);
  return text;
}
