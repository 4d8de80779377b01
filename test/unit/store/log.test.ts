// The log: one JSON line per message, repeats bounded, nothing on standard output that could stall the process.
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { LogLevel } from '../../../src/core/ports.js';
import { logDirectory, MeshLog, type LogLine } from '../../../src/store/log.js';
import { textLine } from '../../../src/store/log-text.js';

let folder = '';
let clock = new VirtualClock();
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-log-'));
  clock = new VirtualClock();
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function made(level: LogLevel = 'info'): MeshLog {
  return new MeshLog({ directory: logDirectory(folder), level, clock, standardOutput: 'none' });
}

interface Line {
  readonly component: string;
  readonly level: string;
  readonly time: string;
  readonly msg: string;
  readonly facts: Record<string, unknown>;
}

const filePath = (): string => join(logDirectory(folder), 'mesh.log');

function lines(): Line[] {
  return readFileSync(filePath(), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Line);
}

describe('log', () => {
  it('writes one JSON line with level, time, message and facts, to a file for this user alone', async () => {
    const log = made();
    log.log('warn', 'something', {
      amount: 2n ** 64n - 1n,
      key: Uint8Array.of(1, 255),
      error: new Error('why'),
      nested: { list: [1n] },
      level: 'not the level',
      missing: undefined,
    });
    await log.close();
    expect(lines()).toMatchObject([
      {
        level: 'warn',
        msg: 'something',
        facts: {
          amount: '18446744073709551615',
          key: '01ff',
          error: 'why',
          nested: '{"list":["1"]}',
          level: 'not the level',
          missing: null,
        },
      },
    ]);
    expect(Date.parse(lines()[0]?.time ?? '')).not.toBeNaN();
    expect(statSync(filePath()).mode & 0o077).toBe(0);
  });

  it('takes facts that refer to themselves, and cuts long ones', async () => {
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    const log = made();
    log.log('info', 'odd', { circle, long: 'x'.repeat(100_000), line: 'a\nb' });
    await log.close();
    expect(lines()).toHaveLength(1);
    expect(lines()[0]?.facts['circle']).toBe('[not printable]');
    expect(String(lines()[0]?.facts['long']).length).toBeLessThan(LIMITS.LOG_FACT_CHARS + 10);
  });

  it('leaves out what is less serious than its level', async () => {
    const log = made('warn');
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) log.log(level, level);
    await log.close();
    expect(lines().map(({ level }) => level)).toEqual(['warn', 'error']);
  });

  it('writes a bounded number of repeats, and how many were left out', async () => {
    const log = made();
    for (let count = 0; count < 1_000; count++) log.log('warn', 'flood', { count });
    log.log('warn', 'another');
    clock.advance(LIMITS.LOG_REPEAT_MILLIS);
    log.log('warn', 'flood', { count: 1_000 });
    for (let count = 0; count < LIMITS.LOG_REPEATS + 4; count++) log.log('warn', 'flood');
    await log.close();
    const floods = lines().filter(({ msg }) => msg === 'flood');
    expect(floods).toHaveLength(2 * LIMITS.LOG_REPEATS);
    expect(floods[LIMITS.LOG_REPEATS]?.facts['repeatsLeftOut']).toBe(1_000 - LIMITS.LOG_REPEATS);
    expect(lines().filter(({ msg }) => msg === 'another')).toHaveLength(1);
    expect(lines().at(-1)).toMatchObject({ facts: { message: 'warn flood', repeatsLeftOut: 5 } });
  });

  it('remembers a bounded number of messages', async () => {
    const log = made('error');
    for (let count = 0; count < 3 * LIMITS.LOG_MESSAGES; count++) log.log('error', `message ${count}`);
    await log.close();
    expect(lines()).toHaveLength(3 * LIMITS.LOG_MESSAGES);
  });

  it('has a level for each component, which changes while it runs', async () => {
    const log = new MeshLog({
      directory: logDirectory(folder),
      level: 'warn',
      components: [['transport', 'debug']],
      clock,
      standardOutput: 'none',
    });
    const say = (message: string): void => {
      for (const component of ['transport', 'payments'] as const) log.of(component).log('debug', message);
      log.log('info', message);
    };
    say('first');
    log.setLevel('payments', 'trace');
    say('second');
    log.setLevels({ level: 'info' });
    say('third');
    await log.close();
    expect(lines().map(({ component, msg }) => [component, msg])).toEqual([
      ['transport', 'first'],
      ['transport', 'second'],
      ['payments', 'second'],
      ['module', 'third'],
    ]);
    expect(new Set(log.levels.values())).toEqual(new Set(['info']));
  });

  it('gives the sink a copy, and goes on without one that fails', async () => {
    const log = made();
    const copies: LogLine[] = [];
    log.setSink((line) => copies.push(line));
    log.of('peers').log('info', 'first', { n: 1n });
    let calls = 0;
    log.setSink(() => {
      calls++;
      throw new Error('sink is gone');
    });
    log.log('info', 'second');
    log.log('info', 'third');
    await log.close();
    expect(copies).toEqual([{ level: 'info', component: 'peers', message: 'first', facts: { n: '1' } }]);
    expect(calls).toBe(1);
    expect(lines().map(({ msg }) => msg)).toEqual([
      'first',
      'second',
      'the second log failed and is not used any more',
      'third',
    ]);
  });

  it('drops lines, and counts them, when the disk does not keep up', async () => {
    const log = made();
    const long = 'x'.repeat(4_000);
    for (let count = 0; count < 1_000; count++) log.log('info', `line ${count}`, { long });
    expect(log.linesDropped).toBeGreaterThan(0);
    const dropped = log.linesDropped;
    await log.close();
    expect(lines()).toHaveLength(1_000 - dropped);
  });

  it('escapes control characters for a terminal', () => {
    expect(textLine('warn', 'a\u001b[2Jb', { x: 'c\nd', y: '\u009b' })).toBe(
      'WARN  a\\x1b[2Jb x="c\\nd" y="\\x9b"',
    );
  });

  it('writes nothing to a pipe, which nobody may read', async () => {
    const script = `
      const { MeshLog } = await import('./dist/store/log.js');
      const { systemClock } = await import('./dist/core/clock.js');
      const log = new MeshLog({ directory: process.argv[1], level: 'info', clock: systemClock });
      log.log('error', 'hello');
      await log.close();`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script, logDirectory(folder)],
      { cwd: new URL('../../../', import.meta.url) },
    );
    expect(stdout).toBe('');
    expect(lines()).toHaveLength(1);
  });
});
