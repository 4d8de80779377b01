// Installation from the packed tarball into a node's modules directory, and a start from there as a node does it.
import { execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../src/config/config.js';
import { runDevNode, type DevNode } from '../../src/dev/index.js';
import {
  endAll,
  endLater,
  runCli,
  temporaryDirectory,
  waitFor,
  type CliOptions,
} from '../support/mesh-process.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Names what `npm pack` packed, and how the command in it is started. */
let packed: { readonly files: readonly string[]; readonly cli: CliOptions };

beforeAll(() => {
  // Below node_modules, where packages are found that a registry would bring; there is nothing else of the checkout.
  const folder = mkdtempSync(join(ROOT, 'node_modules', '.packed-'));
  endLater(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const [tarball] = JSON.parse(execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8' })) as {
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  if (tarball === undefined) throw new Error('npm pack makes one tarball');
  execFileSync('tar', ['-xzf', join(folder, tarball.filename), '-C', folder]);
  packed = {
    files: tarball.files.map(({ path }) => path),
    cli: { command: [join(folder, 'package', 'bin', 'blvm-mesh')] },
  };
});

afterAll(endAll);

const run = (...args: readonly string[]): ReturnType<typeof runCli> => runCli(args, packed.cli);

/** Starts an installed module as a node does, and resolves with its node id once it has registered. */
async function spawned(node: DevNode, entryPoint: string, dataDir: string): Promise<string> {
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
  const find = (): boolean => node.modules.find('blvm-mesh', ({ cliSpec }) => cliSpec !== null) !== null;
  const isUp = (): boolean => {
    if (child.exitCode !== null) throw new Error(`it ended: ${said}`);
    return find();
  };
  await waitFor('the module has registered', isUp, 30_000);
  const status = JSON.parse((await node.modules.cli('mesh', 'status', ['--json'])).stdout) as {
    readonly nodeId: string;
  };
  child.kill('SIGKILL');
  await waitFor('the node has noticed its end', () => !find());
  return status.nodeId;
}

describe('the packed package', () => {
  it('holds what runs, its documents and no source', () => {
    const tops = new Set(packed.files.map((path) => path.split('/')[0]));
    expect([...tops].sort()).toEqual([
      'LICENSE',
      'README.md',
      'bin',
      'dashboard',
      'dist',
      'docs',
      'module.toml',
      'package.json',
    ]);
    expect(packed.files.filter((path) => path.endsWith('.wasm'))).toHaveLength(1);
    const unwanted = packed.files.filter((path) => /dist\/(?:bench|examples)\/|\.tsbuildinfo$/.test(path));
    expect(unwanted).toEqual([]);
  });
});

describe('blvm-mesh install', () => {
  it('lays out a module that runs from there alone, as a node starts it; upgrades and removes it', async () => {
    const modulesDir = join(temporaryDirectory(), 'modules');
    const installed = await run('install', modulesDir, '--json');
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

    const network = await runDevNode({ nodes: 1, dir: temporaryDirectory() });
    endLater(() => network.close());
    const node = network.node('node-1');
    // Where a node's data directory of modules is that of their installation.
    const dataDir = join(directory, 'data');
    const nodeId = await spawned(node, entryPoint, dataDir);

    const config = join(directory, 'config.toml');
    writeFileSync(config, 'mode = "open"\n');
    writeFileSync(join(directory, 'notes.txt'), 'mine');
    const again = await run('install', modulesDir);
    expect(again).toMatchObject({ code: 1 });
    expect(again.stderr).toMatch(/INSTALL_FAILED.*--upgrade/);
    expect(await run('install', modulesDir, '--upgrade')).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toBe('mode = "open"\n');
    expect(existsSync(join(directory, 'dist/cli.js'))).toBe(true);
    expect(readdirSync(modulesDir)).toEqual(['blvm-mesh']);
    expect(await spawned(node, entryPoint, dataDir)).toBe(nodeId);

    expect(await run('uninstall', modulesDir)).toMatchObject({
      code: 0,
      stdout: 'removed, but for config.toml, data, notes.txt\n',
    });
    expect(await run('install', modulesDir)).toMatchObject({ code: 0 });
    expect(readFileSync(config, 'utf8')).toBe('mode = "open"\n');
    expect(await run('uninstall', modulesDir, '--purge')).toMatchObject({
      code: 0,
      stdout: 'removed\n',
    });
    expect(existsSync(directory)).toBe(false);
    expect(await run('uninstall', modulesDir)).toMatchObject({ code: 1 });
  }, 120_000);
});
