/** `blvm-mesh fuzz`: the fuzzer on the command line. Exit codes: 0 nothing broke, 1 something did, 2 misuse. */
import Table from 'cli-table3';
import { Command, Option } from 'commander';
import { systemClock } from '../../core/clock.js';
import { randomBelow, systemRandom } from '../../core/random.js';
import { MAX_SEED, numberBetween, wholeBetween } from './arguments.js';
import { runFuzz, type FuzzFailure, type FuzzReport } from './fuzzer.js';
import { FUZZ_TARGETS } from './targets.js';

/** A week: more is a typing error. */
const MAX_SECONDS = 604_800;

interface FuzzFlags {
  readonly seconds: number;
  readonly seed?: number;
  readonly target?: string;
  readonly json?: true;
}

/** The subcommand. Its exit code is left in process.exitCode. */
export function fuzzCommand(): Command {
  const names = [...FUZZ_TARGETS.keys()];
  return new Command('fuzz')
    .description('throw damaged bytes at every reader of outside input and watch its invariants')
    .option('--seconds <N>', 'how long to run', numberBetween(0.001, MAX_SECONDS), 10)
    .option('--seed <S>', 'replays a run (0 to 2^32-1; a fresh one by default)', wholeBetween(0, MAX_SEED))
    .addOption(new Option('--target <NAME>', 'only this reader').choices(names))
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Watched: nothing throws, what is accepted encodes back to the same bytes, every refusal has a reason, the plain
and the WebAssembly detector agree, and no input takes long.

Examples:
  $ blvm-mesh fuzz --seconds 60
  $ blvm-mesh fuzz --seconds 60 --seed 7 --target packet --json`,
    )
    .action(async (flags: FuzzFlags) => {
      process.exitCode = await fuzz(flags);
    });
}

async function fuzz(flags: FuzzFlags): Promise<number> {
  const seed = flags.seed ?? randomBelow(systemRandom, MAX_SEED);
  const wanted = [...FUZZ_TARGETS].filter(([name]) => flags.target === undefined || name === flags.target);
  const report = await runFuzz({
    targets: wanted.map(([, make]) => make()),
    seed,
    seconds: flags.seconds,
    clock: systemClock,
    ...(process.stderr.isTTY ? { onProgress: showProgress } : {}),
  });
  process.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : tableOf(report));
  if (report.failure === null) return 0;
  showFailure(report.failure, seed);
  return 1;
}

function showProgress({ elapsedSeconds, targets }: FuzzReport): void {
  const inputs = targets.reduce((sum, target) => sum + target.inputs, 0);
  process.stderr.write(`${elapsedSeconds.toFixed(0)} s, ${inputs.toLocaleString('en')} inputs\n`);
}

function showFailure({ target, input, fault, hex }: FuzzFailure, seed: number): void {
  process.stderr.write(
    `error: ${target}, input ${input}: ${fault}\n` +
      `seed ${seed}; run it again: blvm-mesh fuzz --seed ${seed} --target ${target} --seconds ${MAX_SECONDS}\n` +
      `input ${hex}\n`,
  );
}

function tableOf({ seed, elapsedSeconds, targets }: FuzzReport): string {
  const table = new Table({
    head: ['reader', 'inputs', 'accepted', 'slowest'],
    colAligns: ['left', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const { name, inputs, accepted, slowestMicros } of targets) {
    table.push([name, inputs.toLocaleString('en'), accepted.toLocaleString('en'), `${slowestMicros} us`]);
  }
  return `${table.toString()}\nseed ${seed}, ${elapsedSeconds.toFixed(1)} s\n`;
}
