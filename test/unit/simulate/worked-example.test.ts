/** The worked example of docs/anti-monopoly.md: its commands print what stands there, and draw its picture. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/random.js';
import { plotOf, textOf } from '../../../src/simulate/output.js';
import type { SimulationReport } from '../../../src/simulate/report.js';
import { simulate } from '../../../src/simulate/run.js';
import { generate } from '../../../src/simulate/topology.js';

const COMMAND =
  '--topology geometric --nodes 60 --scenario entity --hours 0.05 --packets 30 --flows 120 --seed 4';
const SEED = 4;
const ROWS = ['delivered', 'entity', 'concentration', 'median price'];

function run(isUnconstrained: boolean): Promise<SimulationReport> {
  return simulate({
    name: 'geometric',
    topology: generate('geometric', 60, new SeededRandom(SEED)),
    seed: SEED,
    scenario: 'entity',
    hours: 0.05,
    packetsPerSecond: 30,
    flows: 120,
    entityShare: 0.6,
    isUnconstrained,
  });
}

/** The cells of the named rows of a table, whatever its lines are drawn with. */
function rowsOf(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.split(/[|│]/u).map((cell) => cell.trim()))
    .flatMap(([, name = '', value = '']) => (ROWS.includes(name) ? [[name, value]] : []));
}

describe('docs/anti-monopoly.md > a worked example', () => {
  it('prints what the page says, with the rules and without them', async () => {
    const page = await readFile('docs/anti-monopoly.md', 'utf8');
    expect(page).toContain(`npm run simulate -- ${COMMAND}\n`);
    expect(page).toContain(`npm run simulate -- ${COMMAND} --unconstrained\n`);
    const guarded = await run(false);
    const free = await run(true);
    expect(rowsOf(page)).toEqual([...rowsOf(textOf(guarded, 0)), ...rowsOf(textOf(free, 0))]);
    expect(plotOf(guarded)).toBe(await readFile('docs/anti-monopoly.svg', 'utf8'));
  });
});
