/** `blvm-mesh crash-campaign`: kill -9 under load, again and again. Exit codes: 0 clean, 1 a violation, 2 misuse. */
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { Command } from 'commander';
import { randomBelow, systemRandom } from '../core/random.js';
import { MAX_SEED, wholeBetween } from '../api/fuzz/arguments.js';
import { runCrashCampaign, type CrashResult } from './crash.js';

const MAX_ROUNDS = 1_000_000;
/** Without a terminal progress is a line this often. */
const PROGRESS_LINE_MILLIS = 10_000;
const SHOWN_VIOLATIONS = 20;

interface CrashFlags {
  readonly rounds: number;
  readonly seed?: number;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function crashCommand(): Command {
  return new Command('crash-campaign')
    .description('kill modules with SIGKILL under load; no payment may be lost or accepted twice')
    .option('--rounds <N>', 'kills under load', wholeBetween(1, MAX_ROUNDS), 30)
    .option('--seed <S>', 'replays a run (0 to 2^32-1; a fresh one by default)', wholeBetween(0, MAX_SEED))
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Three real modules on a development network carry paid packets. In each round one of them is killed at a random point,
what it left on disk is checked against what it had promised, and after its restart every payment that is used there is
offered again.

Example:
  $ blvm-mesh crash-campaign --rounds 100 --seed 1`,
    )
    .action(async (flags: CrashFlags) => {
      process.exitCode = await campaign(flags);
    });
}

async function campaign({
  rounds,
  seed = randomBelow(systemRandom, MAX_SEED),
  json,
}: CrashFlags): Promise<number> {
  const progress = process.stderr.isTTY ? barOf(rounds) : linesOf(rounds);
  const result = await runCrashCampaign({ rounds, seed, onProgress: progress.update }).finally(progress.stop);
  process.stdout.write(json === true ? `${JSON.stringify({ seed, ...result })}\n` : textOf(seed, result));
  if (result.violations.length === 0) return 0;
  process.stderr.write(`run it again: blvm-mesh crash-campaign --seed ${seed} --rounds ${rounds}\n`);
  return 1;
}

interface Progress {
  readonly update: (done: number, result: CrashResult) => void;
  readonly stop: () => void;
}

function barOf(rounds: number): Progress {
  const bar = new SingleBar({
    format: 'rounds {bar} {value}/{total}, {keys} keys, {replays} replays refused, {eta_formatted} left',
    stream: process.stderr,
    hideCursor: true,
  });
  bar.start(rounds, 0, { keys: 0, replays: 0 });
  return {
    update: (done, { keys, replays }) => {
      bar.update(done, { keys, replays });
    },
    stop: () => {
      bar.stop();
    },
  };
}

function linesOf(rounds: number): Progress {
  let shownAt = performance.now();
  return {
    update: (done, { keys, replays }) => {
      if (performance.now() - shownAt < PROGRESS_LINE_MILLIS) return;
      shownAt = performance.now();
      process.stderr.write(`${done} of ${rounds} rounds, ${keys} keys, ${replays} replays\n`);
    },
    stop: () => undefined,
  };
}

function textOf(seed: number, result: CrashResult): string {
  const { violations, seconds, ...counts } = result;
  const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const table = new Table({ chars, style: { head: [], border: [] }, colAligns: ['left', 'right'] });
  table.push(
    ['rounds', counts.rounds],
    ['kills (SIGKILL)', counts.kills],
    ['payments made', counts.payments],
    ['keys used, over all nodes', counts.keys],
    ['packets delivered', counts.delivered],
    ['used payments offered again', counts.replays],
    ['violations', violations.length],
    ['seconds', seconds.toFixed(1)],
    ['seed', seed],
  );
  const shown = violations.slice(0, SHOWN_VIOLATIONS).map((violation) => `violation: ${violation}\n`);
  return `${table.toString()}\n${shown.join('')}`;
}
