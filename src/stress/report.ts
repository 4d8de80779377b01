/**
 * What all campaigns say the same way: progress on standard error, a table or JSON on standard output, and how to run
 * again what found something. Exit codes: 0 clean, 1 a violation.
 */
import { SingleBar } from 'cli-progress';
import Table from 'cli-table3';
import { randomBelow, systemRandom } from '../core/random.js';
import { MAX_SEED } from '../api/fuzz/arguments.js';

/** Without a terminal progress is a line this often. */
const PROGRESS_LINE_MILLIS = 10_000;
const SHOWN_VIOLATIONS = 20;

/** What every campaign finds. */
export interface Findings {
  /** In words; empty where all is well. */
  readonly violations: readonly string[];
}

export interface CampaignRun<R extends Findings> {
  /** As it is typed. */
  readonly command: string;
  /** Options by which it is run again, the seed left out. */
  readonly again: string;
  readonly seed: number;
  readonly json: boolean;
  /** What is counted, and how many there will be. */
  readonly unit: string;
  readonly total: number;
  readonly run: (onProgress: (done: number, detail: string) => void) => Promise<R>;
  readonly rows: (result: R) => readonly (readonly [what: string, value: string | number])[];
}

/** A fresh seed where none was given. */
export function seedOr(given: number | undefined): number {
  return given ?? randomBelow(systemRandom, MAX_SEED);
}

/** Runs a campaign and says what it found. @returns the exit code */
export async function reportCampaign<R extends Findings>(campaign: CampaignRun<R>): Promise<number> {
  const { command, again, seed, json, unit, total } = campaign;
  const progress = process.stderr.isTTY ? barOf(total, unit) : linesOf(total, unit);
  const result = await campaign.run(progress.update).finally(progress.stop);
  const { violations } = result;
  if (json) {
    process.stdout.write(`${JSON.stringify({ seed, ...result })}\n`);
  } else {
    const rows = [...campaign.rows(result), ['violations', violations.length], ['seed', seed]] as const;
    const shown = violations.slice(0, SHOWN_VIOLATIONS).map((violation) => `violation: ${violation}\n`);
    process.stdout.write(`${tableOf(rows)}\n${shown.join('')}`);
  }
  if (violations.length === 0) return 0;
  process.stderr.write(`run it again: blvm-mesh ${command} --seed ${seed} ${again}\n`);
  return 1;
}

function tableOf(rows: readonly (readonly [what: string, value: string | number])[]): string {
  const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const table = new Table({ chars, style: { head: [], border: [] }, colAligns: ['left', 'right'] });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

interface Progress {
  readonly update: (done: number, detail: string) => void;
  readonly stop: () => void;
}

function barOf(total: number, unit: string): Progress {
  const format = `${unit} {bar} {value}/{total} {detail} {eta_formatted} left`;
  const bar = new SingleBar({ format, stream: process.stderr, hideCursor: true });
  bar.start(total, 0, { detail: '' });
  return {
    update: (done, detail) => {
      bar.update(done, { detail });
    },
    stop: () => {
      bar.stop();
    },
  };
}

function linesOf(total: number, unit: string): Progress {
  let shownAt = performance.now();
  return {
    update: (done, detail) => {
      if (performance.now() - shownAt < PROGRESS_LINE_MILLIS) return;
      shownAt = performance.now();
      process.stderr.write(`${done} of ${total} ${unit} ${detail}\n`);
    },
    stop: () => undefined,
  };
}
