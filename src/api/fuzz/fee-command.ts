/** `blvm-mesh fee-campaign`: random fees through split and ledger. Exit codes: 0 conserved, 1 a msat is wrong, 2 misuse. */
import { SingleBar } from 'cli-progress';
import { Command } from 'commander';
import { systemClock } from '../../core/clock.js';
import { bigintAsText } from '../../core/codec.js';
import { randomBelow, systemRandom } from '../../core/random.js';
import { tableText } from '../status.js';
import { MAX_SEED, wholeBetween } from './arguments.js';
import { runFeeCampaign, type FeeCampaignReport } from './fee-campaign.js';

/** Some weeks of one core: more is a typing error. */
const MAX_PAIRS = 1e12;

interface FeeFlags {
  readonly pairs: number;
  readonly seed?: number;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function feeCommand(): Command {
  return new Command('fee-campaign')
    .description('charge, split and post random fees: no msat may be lost or made')
    .option('--pairs <N>', 'pairs of an amount and a route', wholeBetween(1, MAX_PAIRS), 1_000_000)
    .option('--seed <S>', 'replays a run (0 to 2^32-1; a fresh one by default)', wholeBetween(0, MAX_SEED))
    .option('--json', 'print the result as JSON, amounts as decimal text in msat')
    .addHelpText(
      'after',
      `
Routes have no router to nine, with costs that are equal, small, 0, or of any size; one amount in sixteen is of any size
up to 2^64-1. Each part must be its exact share rounded down or up, all parts together the fee, and at the end the ledger
what was paid in.

Example:
  $ blvm-mesh fee-campaign --pairs 10000000 --seed 1`,
    )
    .action(async (flags: FeeFlags) => {
      process.exitCode = await campaign(flags);
    });
}

async function campaign({
  pairs,
  json,
  seed = randomBelow(systemRandom, MAX_SEED),
}: FeeFlags): Promise<number> {
  const bar = process.stderr.isTTY ? progressBar(pairs) : null;
  const report = await runFeeCampaign({
    pairs,
    seed,
    clock: systemClock,
    onProgress: (done) => bar?.update(done),
  });
  bar?.stop();
  process.stdout.write(json === true ? `${JSON.stringify(report, bigintAsText)}\n` : textOf(report));
  for (const { pair, what } of report.faults) {
    const replay =
      pair === null ? '' : ` (run it again: blvm-mesh fee-campaign --seed ${seed} --pairs ${pair + 1})`;
    process.stderr.write(`error: ${pair === null ? 'at the end' : `pair ${pair}`}: ${what}${replay}\n`);
  }
  return report.faults.length === 0 ? 0 : 1;
}

function progressBar(pairs: number): SingleBar {
  const bar = new SingleBar({
    format: 'pairs {bar} {percentage} %, {eta_formatted} left',
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(pairs, 0);
  return bar;
}

function textOf(report: FeeCampaignReport): string {
  const { seed, pairs, elapsedSeconds, totalMsat, destinationMsat, routersMsat, treasuryMsat } = report;
  const rows = [
    ['paid in', totalMsat],
    ['destinations', destinationMsat],
    ['routers', routersMsat],
    ['treasury', treasuryMsat],
  ] as const;
  return (
    `${tableText(
      ['ledger', 'msat'],
      rows.map(([name, amount]) => [name, amount.toLocaleString('en')]),
    )}\n` +
    `seed ${seed}, ${elapsedSeconds.toFixed(1)} s: ${pairs.toLocaleString('en')} pairs ` +
    `(${report.withEmptyPart.toLocaleString('en')} with a part of 0, ${report.wide.toLocaleString('en')} past 2^53 msat), ` +
    `${report.faults.length === 0 ? 'every msat conserved' : 'not conserved'}\n`
  );
}
