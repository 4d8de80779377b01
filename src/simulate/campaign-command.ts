/** `blvm-mesh simulate-campaign`: the long runs and the table of targets. Exit codes: 0 all met, 1 one short, 2 misuse. */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { MAX_SEED, numberBetween, wholeBetween } from '../api/fuzz/arguments.js';
import { SeededRandom } from '../core/random.js';
import { runCampaign } from './campaign.js';
import { readTopology } from './command.js';
import { plainTable } from './output.js';
import { progressOf, type Progress } from './progress.js';
import { CAMPAIGN_PARTS, type CampaignPart, type Field, type Target } from './targets.js';
import { generate, type Generator } from './topology.js';

const MAX_RUNS = 100_000_000;
const MAX_HOURS = 24;
const MAX_SEEDS = 1_000;
/** Where no field topology is given: as many nodes as Aachen has. */
const FIELD_NODES = 1_972;
/** Of the generated networks with an entity. */
const ENTITY_NODES = 1_000;
const ENTITY_GENERATORS = ['geometric', 'preferential', 'grid'] as const;
const ENTITY_PER_SECOND = 200;
const ENTITY_FLOWS = 400;
const FULL_LOAD_HOURS = 1;
const FULL_LOAD_PER_SECOND = 1_000;
const FULL_LOAD_FLOWS = 2_000;

interface CampaignFlags {
  readonly topology: readonly string[];
  readonly seed: number;
  readonly runs: number;
  readonly from: number;
  readonly hours: number;
  readonly seeds: number;
  readonly part?: CampaignPart;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function simulateCampaignCommand(): Command {
  return new Command('simulate-campaign')
    .description('the long simulations: what is wanted of routing, and what was measured')
    .option(
      '--topology <FILES...>',
      'field topologies: the first at full load (a generated one by default), all with an entity',
      [],
    )
    .option('--seed <S>', 'replays a campaign', wholeBetween(0, MAX_SEED), 1)
    .option('--runs <N>', 'seeded runs on networks of 4 to 2,000 nodes', wholeBetween(1, MAX_RUNS), 100_000)
    .option(
      '--from <I>',
      'the number of the first of them: one run is had again alone',
      wholeBetween(0, MAX_RUNS),
      0,
    )
    .option('--hours <H>', 'simulated time of the runs with an entity', numberBetween(0.05, MAX_HOURS), 0.25)
    .option('--seeds <N>', 'of each network with an entity', wholeBetween(1, MAX_SEEDS), 2)
    .addOption(new Option('--part <NAME>', 'one part alone').choices(CAMPAIGN_PARTS))
    .option('--json', 'print targets and lines as one object')
    .addHelpText(
      'after',
      `
Example:
  $ blvm-mesh simulate-campaign --part entity --seeds 1 --topology freifunk-aachen.json freifunk-berlin.json`,
    )
    .action(async (flags: CampaignFlags) => {
      process.exitCode = await campaign(flags);
    });
}

async function campaign(flags: CampaignFlags): Promise<number> {
  const { topology, seed, runs, from: fromRun, hours, seeds, part, json } = flags;
  const fields: Field[] = [];
  for (const path of topology) fields.push({ name: basename(path), topology: await readTopology(path) });
  const generated = (generator: Generator, nodes: number): Field => ({
    name: generator,
    topology: generate(generator, nodes, new SeededRandom(seed)),
  });
  const targets: Target[] = [];
  const lines: string[] = [];
  let shown: { readonly name: string; readonly progress: Progress } | null = null;
  const isMet = await runCampaign({
    parts: part === undefined ? CAMPAIGN_PARTS : [part],
    seed,
    runs,
    fromRun,
    field: fields[0] ?? generated('preferential', FIELD_NODES),
    fullLoadHours: FULL_LOAD_HOURS,
    packetsPerSecond: FULL_LOAD_PER_SECOND,
    flows: FULL_LOAD_FLOWS,
    entityFields: [...fields, ...ENTITY_GENERATORS.map((generator) => generated(generator, ENTITY_NODES))],
    entitySeeds: seeds,
    entityHours: hours,
    entityPacketsPerSecond: ENTITY_PER_SECOND,
    entityFlows: ENTITY_FLOWS,
    onProgress: (name, done) => {
      if (shown?.name !== name) {
        shown?.progress.stop();
        shown = { name, progress: progressOf(name, 1) };
      }
      shown.progress.update(done);
    },
    onTarget: (target) => {
      targets.push(target);
    },
    onLine: (line) => {
      if (json === true) lines.push(line);
      else process.stdout.write(`${line}\n`);
    },
  }).finally(() => shown?.progress.stop());
  process.stdout.write(json === true ? `${JSON.stringify({ seed, targets, lines })}\n` : textOf(targets));
  return isMet ? 0 : 1;
}

function textOf(targets: readonly Target[]): string {
  const table = plainTable();
  for (const { what, wanted, measured, isMet } of targets) {
    table.push([what, wanted, measured, isMet ? 'ok' : 'short']);
  }
  return `${table.toString()}\n`;
}
