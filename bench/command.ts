/** The command line of `npm run bench`: which themes, how long, on how many workers, and where the result goes. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { resultOf, tableOf, thisMachine } from './report.js';
import type { Line } from './stats.js';
import { measureTheme, type Settings, type Theme } from './suite.js';

interface Flags {
  readonly quick?: true;
  readonly only?: readonly string[];
  readonly json?: string;
  readonly workers?: readonly number[];
}

/** A name, what it measures in a few words, and how. */
export interface NamedTheme {
  readonly about: string;
  readonly theme: Theme;
  /** Measured only where it is named. */
  readonly isOnRequest?: true;
  /** Too long for a first look: left out of `--quick`, unless it is named. */
  readonly isLong?: true;
}

export type Themes = ReadonlyMap<string, NamedTheme>;

const ROUNDS = 4;
const MILLIS = 400;
const QUICK_ROUNDS = 2;
const QUICK_MILLIS = 60;

/** More would measure the scheduler. */
const MOST_WORKERS = 64;

/** Where the command writes: the table to `out`, what it is doing to `progress`. */
export interface Streams {
  readonly out: (text: string) => void;
  readonly progress: (text: string) => void;
}

export function benchCommand(themes: Themes, { out, progress }: Streams): Command {
  return new Command('bench')
    .description('measure the parts of blvm-mesh on this machine, each beside a reference of the same run')
    .option('--quick', 'fewer rounds, smaller tables: a first look within a minute')
    .option('--only <names>', 'these alone, by comma; may be given again', namesOf(themes))
    .option('--json <file>', 'also write { machine, benches } to a file')
    .option(
      '--workers <counts>',
      'worker counts by comma, as 1,2: pipelines have the most, scaling compares all (default: 1 and all cores)',
      workersOf,
    )
    .addHelpText('after', helpOf(themes))
    .action(async (flags: Flags) => {
      const settings = settingsOf(flags);
      const lines: Line[] = [];
      for (const [name, { theme, isOnRequest = false, isLong = false }] of themes) {
        const isUsual = !isOnRequest && !(isLong && settings.isQuick);
        if (!(flags.only?.includes(name) ?? isUsual)) continue;
        progress(`measuring ${name}…`);
        const began = performance.now();
        try {
          lines.push(...(await measureTheme(theme, settings)));
          progress(` ${((performance.now() - began) / 1_000).toFixed(1)} s\n`);
        } catch (error) {
          // What was measured before and after is worth having.
          progress(` failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
          process.exitCode = 1;
        }
      }
      const machine = thisMachine();
      out(tableOf(machine, lines));
      if (flags.json !== undefined) {
        writeFileSync(flags.json, `${JSON.stringify(resultOf(machine, lines), null, 2)}\n`);
      }
    });
}

function settingsOf({ quick, workers }: Flags): Settings {
  const isQuick = quick === true;
  return {
    isQuick,
    rounds: isQuick ? QUICK_ROUNDS : ROUNDS,
    millis: isQuick ? QUICK_MILLIS : MILLIS,
    workers: workers ?? [...new Set([1, availableParallelism()])],
  };
}

/** Takes one more list of names. */
function namesOf(themes: Themes): (text: string, earlier?: readonly string[]) => readonly string[] {
  return (text, earlier = []) => {
    const names = text.split(',').map((name) => name.trim());
    const unknown = names.find((name) => !themes.has(name));
    if (unknown !== undefined) {
      throw new InvalidArgumentError(`there is no "${unknown}". There are: ${[...themes.keys()].join(', ')}`);
    }
    return [...earlier, ...names];
  };
}

function workersOf(text: string): readonly number[] {
  const counts = text.split(',').map(Number);
  if (!counts.every((count) => Number.isInteger(count) && count >= 1 && count <= MOST_WORKERS)) {
    throw new InvalidArgumentError(`worker counts are whole numbers from 1 to ${MOST_WORKERS}, by comma.`);
  }
  return [...new Set(counts)].sort((a, b) => a - b);
}

function helpOf(themes: Themes): string {
  const width = Math.max(...[...themes.keys()].map(({ length }) => length));
  const rows = [...themes].map(([name, { about, isOnRequest = false, isLong = false }]) => {
    const when = isOnRequest ? ' (only where it is named)' : isLong ? ' (not with --quick)' : '';
    return `  ${name.padEnd(width)}  ${about}${when}`;
  });
  return [
    '',
    'What is measured:',
    ...rows,
    '',
    'Examples:',
    '  npm run bench',
    '  npm run bench -- --quick',
    '  npm run bench -- --only paid,free --workers 1,2 --json bench.json',
    '',
    'A target that is missed is shown as "short", and the exit code stays 0: it is 1 where something could not be',
    'measured. docs/performance.md explains the figures.',
    '',
  ].join('\n');
}
