// A real process that is told by SIGHUP, by its node and by `blvm-mesh reload` that its configuration has changed.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { configText, MeshBed, type BedNode } from '../support/mesh-bed.js';
import { endAll, runCli, waitFor } from '../support/mesh-process.js';

let bed: MeshBed;
let at: BedNode;

beforeAll(async () => {
  bed = await MeshBed.start({ nodes: 1, links: [] });
  at = bed.at(0);
}, 30_000);
afterAll(endAll);

const write = (...lines: readonly string[]): void => {
  const own = configText(lines).split('\n');
  // A key stands once: the later line counts.
  const byKey = new Map(own.map((line) => [line.split(' = ')[0], line]));
  writeFileSync(join(at.dataDir, 'config.toml'), [...byKey.values()].join('\n'));
};

const log = (): string => {
  const path = join(at.dataDir, 'logs', 'mesh.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

async function asked(method: string): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await runCli(['rpc', method, '--data-dir', at.dataDir]);
  expect(stderr).toBe('');
  return JSON.parse(stdout) as Record<string, unknown>;
}

describe('SIGHUP', () => {
  it('changes what can change in the running process, and names what cannot', async () => {
    write('mode = "open"', 'workers = 2', 'max_peers = 3', 'replay_capacity = 4096', 'log_level = "debug"');
    at.module.process.kill('SIGHUP');
    await waitFor('two workers judge', async () => (await asked('status'))['workers'] === 2, 30_000);
    await waitFor('it is said', () =>
      log().includes('replay_capacity was changed and holds from the next start on'),
    );
    const config = await asked('config');
    expect(config).toMatchObject({ mode: 'open', workers: 2, maxPeers: 3, needRestart: ['replay_capacity'] });
    expect(config['replayCapacity']).not.toBe(4096);
    expect(log()).toContain('"changed":"mode, workers, max_peers, payees, log_level"');
    expect(at.module.isAlive).toBe(true);
  });

  it('with a file that is not allowed changes nothing, and the log says why', async () => {
    write('workers = 1', 'mode = "paid"');
    at.module.process.kill('SIGHUP');
    await waitFor('it is refused', () => log().includes('mode = \\"paid\\" is not allowed'));
    expect(await asked('config')).toMatchObject({ mode: 'open', workers: 2 });
  });
});

describe('reload', () => {
  it('answers with what changed and what needs a restart', async () => {
    write('replay_capacity = 4096', 'own_payee = ""');
    const { code, stdout } = await runCli(['reload', '--data-dir', at.dataDir]);
    expect([code, stdout]).toEqual([
      0,
      'changed: mode, workers, max_peers, log_level\nfrom the next start on: replay_capacity\n',
    ]);
    const again = await runCli(['reload', '--json', '--data-dir', at.dataDir]);
    expect(JSON.parse(again.stdout)).toEqual({
      ok: true,
      changed: [],
      needRestart: ['replay_capacity'],
      warnings: [],
    });
  });

  it('says what is wrong with a file, with exit code 1', async () => {
    write('min_confirmations = 0');
    const { code, stdout, stderr } = await runCli(['reload', '--data-dir', at.dataDir]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^nothing has changed: CONFIG_INVALID: .*config\.toml:\d+:\d+: min_confirmations = 0/,
    );
  });

  it('comes with the ConfigLoaded of the node', async () => {
    write('min_confirmations = 5');
    at.node.publish({ name: 'ConfigLoaded', value: { changed_sections: [], config_json: null } });
    await waitFor('it was read', async () => (await asked('config'))['minConfirmations'] === 5);
  });
});

describe('log-level', () => {
  it('changes what is logged of a component while it runs, until the file is read again', async () => {
    const run = (...args: readonly string[]): ReturnType<typeof runCli> =>
      runCli(['log-level', ...args, '--data-dir', at.dataDir]);
    expect(JSON.parse((await run('--json')).stdout)).toMatchObject({ transport: 'info', peers: 'info' });
    expect(JSON.parse((await run('transport', 'trace', '--json')).stdout)).toEqual({ transport: 'trace' });
    expect((await run('peers')).stdout).toMatch(/peers\s+│ info/);
    expect(JSON.parse((await run('all', 'warn', '--json')).stdout)).toMatchObject({ transport: 'warn' });
    expect(await run('wires', 'warn')).toMatchObject({ code: 2, stdout: '' });
    expect((await run('peers', 'loud')).stderr).toContain('levels are trace, debug, info, warn, error');
    await runCli(['reload', '--data-dir', at.dataDir]);
    expect(JSON.parse((await run('--json')).stdout)).toMatchObject({ transport: 'info' });
  });

  it('is a command of the node too', async () => {
    const { stdout } = await bed.cli(0, 'log-level', 'payments', 'debug', '--json');
    expect(JSON.parse(stdout)).toEqual({ payments: 'debug' });
  });
});
