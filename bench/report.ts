/** The result of a run: the table for people, the JSON for scripts. Pure but for the look at the machine. */
import { cpus, totalmem } from 'node:os';
import Table from 'cli-table3';
import { isMet, type Figure, type Line } from './stats.js';

/** What it was measured on: figures of different machines say little of one another. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly node: string;
}

export interface Result {
  readonly machine: Machine;
  readonly benches: readonly Figure[];
}

export function thisMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
}

export function resultOf(machine: Machine, lines: readonly Line[]): Result {
  const benches = lines.map(({ target: _target, ...figure }) => figure);
  return { machine, benches };
}

/** The table, and below it the machine and how to read it. Ends in a newline. */
export function tableOf(machine: Machine, lines: readonly Line[]): string {
  const table = new Table({
    head: ['what', 'median', 'min', 'max', 'unit', 'ratio', 'target'],
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    style: { head: [], border: [] },
    colAligns: ['left', 'right', 'right', 'right', 'left', 'right', 'left'],
  });
  for (const line of lines) {
    table.push([
      line.name,
      ...[line.median, line.min, line.max].map(numberText),
      line.unit,
      line.reference === null ? '' : line.ratio.toFixed(2),
      targetText(line),
    ]);
  }
  const { cores, cpu, memoryGiB, node } = machine;
  return (
    `${table.toString()}\n${cores} x ${cpu}, ${memoryGiB} GiB, Node.js ${node}\n` +
    'A ratio is to the line above it in its group that has none, measured in turns with it; --json names it.\n'
  );
}

/** `>= 0.80 ok`, `<= 4,000 short`, of the ratio or in the line's unit; empty without a target. */
export function targetText(line: Line): string {
  const { target } = line;
  if (target === null) return '';
  const sign = target.bound === 'least' ? '>=' : '<=';
  const value = target.of === 'ratio' ? target.value.toFixed(2) : numberText(target.value);
  return `${sign} ${value} ${isMet(line, target) ? 'ok' : 'short'}`;
}

/** Three digits or more: 1,234,567; 12.3; 0.123. */
export function numberText(value: number): string {
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en', { maximumFractionDigits: Number.isInteger(value) ? 0 : digits });
}
