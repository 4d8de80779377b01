// The command line of the bench suite, with themes of this test: what runs, what is written, what is refused.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { benchCommand, type Themes } from '../../../bench/command.js';
import { atLeast } from '../../../bench/stats.js';
import type { Group, Runner, Settings } from '../../../bench/suite.js';

let folder = '';
let seen: Settings[] = [];
let ended = 0;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-'));
  seen = [];
  ended = 0;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Two closed loops of nothing, which tinybench runs. */
const loops = (): Group => ({
  name: 'loops',
  tasks: [
    { name: 'one', unit: 'ops/s', operations: 1, run: () => undefined },
    { name: 'ten', unit: 'ops/s', operations: 10, run: () => undefined, target: atLeast(1) },
  ],
  close: () => {
    ended += 1;
    return Promise.resolve();
  },
});

const fixed = (): Runner => ({
  name: 'fixed',
  measure: (settings) => {
    seen.push(settings);
    return Promise.resolve([
      { name: 'a', unit: 'B', samples: [1, 2, 3] },
      { name: 'b', unit: 'B', samples: [2, 4, 6], reference: 'a' },
    ]);
  },
});

const THEMES: Themes = new Map([
  ['loops', { about: 'closed loops', theme: loops }],
  ['rare', { about: 'long ones', theme: () => ({ ...fixed(), name: 'rare' }), isOnRequest: true }],
  ['large', { about: 'no first look', theme: () => ({ ...fixed(), name: 'large' }), isLong: true }],
  ['fixed', { about: 'fixed figures', theme: () => [fixed(), { ...fixed(), name: 'again' }] }],
]);

async function bench(...args: readonly string[]): Promise<{ readonly out: string; readonly errors: string }> {
  let out = '';
  let errors = '';
  const command = benchCommand(THEMES, {
    out: (text) => (out += text),
    progress: () => undefined,
  })
    .exitOverride()
    .configureOutput({ writeOut: (text) => (out += text), writeErr: (text) => (errors += text) });
  await command.parseAsync(args, { from: 'user' }).catch((error: unknown) => {
    errors ||= String(error);
  });
  return { out, errors };
}

describe('bench command', () => {
  it('measures closed loops and writes { machine, benches } with the reference of each figure', async () => {
    const file = join(folder, 'result.json');
    const { out, errors } = await bench('--quick', '--only', 'loops', '--json', file);
    expect(errors).toBe('');
    const result = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    expect(result).toEqual({
      machine: {
        cpu: expect.any(String) as string,
        cores: expect.any(Number) as number,
        memoryGiB: expect.any(Number) as number,
        node: process.version,
      },
      benches: [figure('loops: one', null), figure('loops: ten', 'loops: one')],
    });
    expect(out).toContain('loops: ten');
    expect(out).toContain('>= 1 ok');
    expect(out).not.toContain('fixed');
    expect(ended).toBe(1);
  });

  it('runs all themes without --only, and all that a theme measures', async () => {
    const { out } = await bench('--quick');
    for (const name of ['loops: one', 'fixed: b', 'again: b']) expect(out).toContain(name);
  });

  it('runs what is long only where it is named', async () => {
    expect((await bench('--quick')).out).not.toContain('rare: b');
    expect((await bench('--quick', '--only', 'rare')).out).toContain('rare: b');
  });

  it('leaves what is no first look out of --quick, unless it is named', async () => {
    expect((await bench('--quick')).out).not.toContain('large: b');
    expect((await bench('--quick', '--only', 'large')).out).toContain('large: b');
    expect((await bench('--only', 'large')).out).toContain('large: b');
  });

  it('takes names by comma and again, and worker counts in ascending order', async () => {
    await bench('--quick', '--only', 'fixed', '--only', 'loops,fixed', '--workers', '3,1,3');
    expect(seen.map(({ workers, isQuick }) => ({ workers, isQuick }))).toEqual([
      { workers: [1, 3], isQuick: true },
      { workers: [1, 3], isQuick: true },
    ]);
  });

  it('refuses unknown names and worker counts that are none, and measures nothing', async () => {
    expect((await bench('--only', 'loop')).errors).toContain(
      'there is no "loop". There are: loops, rare, large, fixed',
    );
    for (const counts of ['0', '1,x', '', '1.5', '65']) {
      expect((await bench('--workers', counts)).errors).toContain('whole numbers from 1 to 64');
    }
    expect(seen).toEqual([]);
  });

  it('tells in its help what can be measured', async () => {
    const { out } = await bench('--help');
    expect(out).toContain('fixed  fixed figures');
    expect(out).toContain('--workers 1,2');
  });
});

function figure(name: string, reference: string | null): Record<string, unknown> {
  const number = expect.any(Number) as number;
  return { name, unit: 'ops/s', median: number, min: number, max: number, reference, ratio: number };
}
