/** `blvm-mesh simulate-campaign`: the long runs and the table of targets. Exit codes: 0 all met, 1 one short, 2 misuse. */
import { basename } from 'node:path';
import { Command, Option } from 'commander';
import { MAX_SEED, numberBetween, wholeBetween } from '../api/fuzz/arguments.js';
import { SeededRandom } from '../core/random.js';
import { CAMPAIGN_PARTS, runCampaign, type CampaignPart, type Target } from './campaign.js';
import { readTopology } from './command.js';
import { plainTable } from './output.js';
import { progressOf, type Progress } from './progress.js';
import { generate } from './topology.js';

const MAX_RUNS = 100_000_000;
const MAX_HOURS = 24;
/** Where no field topology is given: as many nodes as Aachen has. */
const FIELD_NODES = 1_972;
const FULL_LOAD_HOURS = 1;
const FULL_LOAD_PER_SECOND = 1_000;
const FULL_LOAD_FLOWS = 2_000;

interface CampaignFlags {
  readonly topology?: string;
  readonly seed: number;
  readonly runs: number;
  readonly hours: number;
  readonly part?: CampaignPart;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function simulateCampaignCommand(): Command {
  return new Command('simulate-campaign')
    .description('the long simulations: what is wanted of routing, and what was measured')
    .option('--topology <FILE>', 'the field topology of the large runs (a generated one by default)')
    .option('--seed <S>', 'replays a campaign', wholeBetween(0, MAX_SEED), 1)
    .option('--runs <N>', 'seeded runs on networks of 4 to 2,000 nodes', wholeBetween(1, MAX_RUNS), 100_000)
    .option('--hours <H>', 'simulated time of the runs with an entity', numberBetween(0.05, MAX_HOURS), 0.5)
    .addOption(new Option('--part <NAME>', 'one part alone').choices(CAMPAIGN_PARTS))
    .option('--json', 'print the targets as one object')
    .addHelpText(
      'after',
      `
Example:
  $ blvm-mesh simulate-campaign --topology freifunk-aachen.json --runs 1000 --hours 0.1`,
    )
    .action(async (flags: CampaignFlags) => {
      process.exitCode = await campaign(flags);
    });
}

async function campaign({ topology, seed, runs, hours, part, json }: CampaignFlags): Promise<number> {
  const field =
    topology === undefined
      ? generate('preferential', FIELD_NODES, new SeededRandom(seed))
      : await readTopology(topology);
  const targets: Target[] = [];
  let shown: { readonly name: string; readonly progress: Progress } | null = null;
  const isMet = await runCampaign({
    parts: part === undefined ? CAMPAIGN_PARTS : [part],
    seed,
    runs,
    hours,
    fullLoadHours: FULL_LOAD_HOURS,
    packetsPerSecond: FULL_LOAD_PER_SECOND,
    flows: FULL_LOAD_FLOWS,
    field,
    fieldName: topology === undefined ? 'preferential' : basename(topology),
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
  }).finally(() => shown?.progress.stop());
  process.stdout.write(json === true ? `${JSON.stringify({ seed, targets })}\n` : textOf(targets));
  return isMet ? 0 : 1;
}

function textOf(targets: readonly Target[]): string {
  const table = plainTable();
  for (const { what, wanted, measured, isMet } of targets) {
    table.push([what, wanted, measured, isMet ? 'ok' : 'short']);
  }
  return `${table.toString()}\n`;
}
