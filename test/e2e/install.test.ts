// Installation into a node's modules directory, and a start from there as a node does it.
import { spawn } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.js';
import { runDevNode } from '../../src/dev/index.js';
import { endAll, endLater, runCli, temporaryDirectory, waitFor } from '../support/mesh-process.js';

afterAll(endAll);

describe('blvm-mesh install', () => {
  it('lays out a module that runs from there alone, as a node starts it; upgrades and removes it', async () => {
    const modulesDir = join(temporaryDirectory(), 'modules');
    const installed = await runCli(['install', modulesDir, '--json']);
    expect(installed).toMatchObject({ code: 0, stderr: '' });
    const directory = join(modulesDir, 'blvm-mesh');
    const entryPoint = join(directory, 'blvm-mesh');
    expect(JSON.parse(installed.stdout)).toMatchObject({ directory, entryPoint });
    expect(lstatSync(realpathSync(entryPoint)).mode & 0o111).toBe(0o111);
    expect(readFileSync(join(directory, 'module.toml'), 'utf8')).toContain('entry_point = "blvm-mesh"');
    for (const unneeded of [
      'src',
      'test',
      'dist/bench',
      'dist/examples',
      'node_modules/vitest',
      'node_modules/typescript',
    ]) {
      expect(existsSync(join(directory, unneeded))).toBe(false);
    }

    // Every line of the template is a comment, and what it comments is a configuration.
    const template = readFileSync(join(directory, 'config.toml'), 'utf8');
    expect(template.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([]);
    const uncommented = template.replaceAll(/^# ([a-z_.]+ = )/gm, '$1');
    expect(parseConfig({ text: uncommented, fileName: 'config.toml', env: {} }).warnings).toEqual([]);

    const dataDir = temporaryDirectory();
    const network = await runDevNode({ nodes: 1, dir: temporaryDirectory() });
    endLater(() => network.close());
    const [node] = network.network.nodes;
    if (node === undefined) throw new Error('there is one node');
    const child = spawn(entryPoint, [], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'] ?? '',
        MODULE_NAME: 'blvm-mesh',
        MODULE_ID: `blvm-mesh_${'0'.repeat(32)}`,
        SOCKET_PATH: node.socketPath,
        DATA_DIR: dataDir,
        MODULE_CONFIG_LISTEN_ADDR: '',
        MODULE_CONFIG_NETWORK: 'regtest',
      },
    });
    endLater(() => child.kill('SIGKILL'));
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await waitFor(
      'the module has registered',
      () => {
        if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
        return node.modules.find('blvm-mesh', ({ cliSpec }) => cliSpec !== null) !== null;
      },
      30_000,
    );
    child.kill('SIGKILL');

    const config = join(directory, 'config.toml');
    writeFileSync(config, 'mode = "open"\n');
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    const again = await runCli(['install', modulesDir]);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toMatch(/INSTALL_FAILED.*--upgrade/);
    expect(await runCli(['install', modulesDir, '--upgrade'])).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toBe('mode = "open"\n');
    expect(existsSync(join(directory, 'dist/cli.js'))).toBe(true);
    expect(readdirSync(modulesDir)).toEqual(['blvm-mesh']);

    expect(await runCli(['uninstall', modulesDir])).toMatchObject({
      code: 0,
      stdout: 'removed, but for config.toml, notes.txt\n',
    });
    expect(await runCli(['install', modulesDir])).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toBe('mode = "open"\n');
    expect(await runCli(['uninstall', modulesDir, '--purge'])).toMatchObject({
      code: 0,
      stdout: 'removed\n',
    });
    expect(existsSync(directory)).toBe(false);
    expect(await runCli(['uninstall', modulesDir])).toMatchObject({ code: 1 });
  }, 120_000);
});
