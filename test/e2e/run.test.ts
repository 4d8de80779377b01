import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { systemClock } from '../../src/core/clock.js';
import { runDevNode, type DevNode, type RunningDevNode } from '../../src/dev/index.js';
import { encodePacket } from '../../src/packet/packet.js';
import { nodeDisk } from '../../src/store/disk.js';
import { Journal, JOURNAL_FILE, KEEP_FOREVER, type JournalRecord } from '../../src/store/journal.js';
import { configText, MESH, MeshBed, startModule } from '../support/mesh-bed.js';
import {
  endAll,
  endLater,
  MeshProcess,
  runCli,
  temporaryDirectory,
  waitFor,
} from '../support/mesh-process.js';

/** How long a module may take to end when it is asked to. */
const STOP_MILLIS = 3_000;

afterEach(endAll);

/** A data directory with a configuration. */
function dataDirectory(...lines: readonly string[]): string {
  const path = join(temporaryDirectory(), 'data');
  mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(path, 'config.toml'), configText(lines));
  return path;
}

async function devNode(dir?: string): Promise<{ readonly network: RunningDevNode; readonly node: DevNode }> {
  const network = await runDevNode({ nodes: 1, dir: dir ?? temporaryDirectory() });
  endLater(() => network.close());
  return { network, node: network.node('node-1') };
}

function logOf(dataDir: string): string {
  const path = join(dataDir, 'logs', 'mesh.log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

async function writeJournal(dataDir: string, record: JournalRecord): Promise<void> {
  const log = { log: () => undefined };
  const path = join(dataDir, JOURNAL_FILE);
  const journal = await Journal.open({ disk: nodeDisk, path, clock: systemClock, log, isFirstRun: true });
  await journal.append([record]);
  await journal.close();
}

describe('run › what is missing or wrong', () => {
  it('names the option and the variable when no socket or data directory was given', async () => {
    const noSocket = await runCli(['run', '--data-dir', dataDirectory()]);
    expect(noSocket).toMatchObject({ code: 1, stdout: '' });
    expect(noSocket.stderr).toMatch(/--socket.*SOCKET_PATH/);
    const noData = await runCli(['run'], { env: { SOCKET_PATH: '/nowhere/node.sock' } });
    expect(noData).toMatchObject({ code: 1, stdout: '' });
    expect(noData.stderr).toMatch(/--data-dir.*DATA_DIR/);
  });

  it('says which configuration file cannot be read', async () => {
    const dataDir = dataDirectory();
    const args = ['run', '--socket', '/nowhere/node.sock', '--data-dir', dataDir];
    const missing = await runCli([...args, '--config', join(dataDir, 'other.toml')]);
    expect(missing).toMatchObject({ code: 1, stdout: '' });
    expect(missing.stderr).toContain(`CONFIG_UNREADABLE: cannot read ${join(dataDir, 'other.toml')}`);
    rmSync(join(dataDir, 'config.toml'));
    mkdirSync(join(dataDir, 'config.toml'));
    const directory = await runCli(args);
    expect(directory).toMatchObject({ code: 1, stdout: '' });
    expect(directory.stderr).toContain(`CONFIG_UNREADABLE: cannot read ${join(dataDir, 'config.toml')}`);
  });

  it('names file, line, value and what is allowed when a value is bad', async () => {
    const dataDir = dataDirectory('# a comment', 'mode = "paid"');
    const args = ['run', '--socket', '/nowhere/node.sock', '--data-dir', dataDir];
    const inFile = await runCli(args);
    expect(inFile).toMatchObject({ code: 1, stdout: '' });
    expect(inFile.stderr).toBe(
      `CONFIG_INVALID: ${join(dataDir, 'config.toml')}:7:8: mode = "paid" is not allowed. ` +
        'Allowed: one of "bitcoin_only", "payment_gated", "open".\n',
    );
    writeFileSync(join(dataDir, 'config.toml'), configText([]));
    const inEnvironment = await runCli(args, { env: { MODULE_CONFIG_WORKERS: 'many' } });
    expect(inEnvironment).toMatchObject({ code: 1, stdout: '' });
    expect(inEnvironment.stderr).toMatch(
      /MODULE_CONFIG_WORKERS: workers = "many" is not allowed\. Allowed: .*64/,
    );
  });

  it('refuses a data directory that another process uses, and leaves that one alone', async () => {
    const { node } = await devNode();
    const dataDir = dataDirectory();
    const first = startModule(node, dataDir);
    await node.modules.waitFor(MESH, 'cli', 10_000);
    const second = await runCli(['run', '--socket', node.socketPath, '--data-dir', dataDir]);
    expect(second).toMatchObject({ code: 1, stdout: '' });
    expect(second.stderr).toContain(
      `DATA_DIR_UNUSABLE: Process ${String(first.process.pid)} already uses this`,
    );
    expect(first.isAlive).toBe(true);
    expect((await node.modules.cli('mesh', 'config-path', [])).exitCode).toBe(0);
  });

  it('ends with a message when the data directory holds what it cannot use', async () => {
    const { node } = await devNode();
    const noJournal = dataDirectory();
    writeFileSync(join(noJournal, JOURNAL_FILE), 'this is no journal, and long enough to have a header');
    const newerJournal = dataDirectory();
    await writeJournal(newerJournal, { type: 99, keepUntil: KEEP_FOREVER, payload: new Uint8Array(8) });
    for (const dataDir of [noJournal, newerJournal]) {
      const result = await runCli(['run', '--socket', node.socketPath, '--data-dir', dataDir]);
      expect(result).toMatchObject({ code: 1, stdout: '' });
      expect(result.stderr).toMatch(/^JOURNAL_CORRUPT: [^\n]+\n$/);
      expect(logOf(dataDir)).toContain('the mesh could not run');
      expect(existsSync(join(dataDir, 'blvm-mesh.lock'))).toBe(false);
    }
  });
});

describe('run › misuse and help', () => {
  it('has exit code 2 for what it does not know', async () => {
    const misuses = [
      ['run', '--no-such-option'],
      ['run', 'extra'],
      ['no-such-command'],
      ['inspect'],
      ['inspect', 'no-such-kind', '00'],
      ['inspect', 'packet'],
    ];
    const results = await Promise.all(misuses.map((args) => runCli(args)));
    for (const [index, { code, stdout, stderr }] of results.entries()) {
      expect({ args: misuses[index], code, stdout }).toEqual({ args: misuses[index], code: 2, stdout: '' });
      expect(stderr).not.toBe('');
    }
  });

  it('answers --help and --version through a link, as npx calls it', () => {
    const link = join(temporaryDirectory(), 'blvm-mesh');
    symlinkSync(fileURLToPath(new URL('../../bin/blvm-mesh', import.meta.url)), link);
    const run = (...args: readonly string[]): { status: number | null; stdout: string } =>
      spawnSync(link, args, { encoding: 'utf8' });
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(run('--version')).toMatchObject({ status: 0, stdout: `${version}\n` });
    const help = run('--help');
    expect(help.status).toBe(0);
    for (const command of ['run', 'demo', 'dev-node', 'inspect']) expect(help.stdout).toContain(command);
    expect(run('run', '--help')).toMatchObject({ status: 0 });
  });
});

describe('run › the log', () => {
  it('warns of an unknown key with the nearest name, and of nothing else', async () => {
    const { node } = await devNode();
    const dataDir = dataDirectory('rate_limit_per_minit = 5');
    startModule(node, dataDir);
    await node.modules.waitFor(MESH, 'cli', 10_000);
    await waitFor('the log file is written', () => logOf(dataDir).includes('the mesh is up'));
    const warnings = logOf(dataDir)
      .split('\n')
      .filter((line) => line.includes('"level":"warn"'));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/config\.toml:6:\d+: unknown key/);
    expect(warnings[0]).toContain('did you mean rate_limit_per_minute?');
  });

  it('is in the data directory and holds no preimage; a pipe gets nothing', async () => {
    const bed = await MeshBed.start({ nodes: 2, links: [[0, 1]], config: ['log_level = "trace"'] });
    await bed.greeted();
    const good = bed.pay(1, 5_000n);
    const bad = bed.pay(1, 5_000n);
    bed.sendRaw(0, 1, encodePacket(bed.packet([0, 1], good)));
    bed.sendRaw(0, 1, encodePacket(bed.packet([0, 1], { ...bad, amountMsats: 6_000n })));
    await waitFor('one packet passes and one is refused', async () => {
      const { counters, received } = await bed.status(1);
      return received['packets'] === 1 && counters.refused['AmountMismatch'] === 1;
    });
    const { dataDir, module } = bed.at(1);
    expect(await module.stop()).toEqual({ code: 0, signal: null });
    const text = logOf(dataDir);
    expect(text).toContain('the mesh is up');
    expect(text).toContain('stopping');
    for (const { preimage } of [good, bad]) {
      expect(text).not.toContain(toHex(preimage));
      expect(text).not.toContain(Buffer.from(preimage).toString('base64'));
    }
    expect(module.stdout).toBe('');
    expect(module.stderr).toBe('');
  });
});

describe('run › the end', () => {
  it('comes within 3 s of SIGTERM with exit code 0, and frees the data directory', async () => {
    const { node } = await devNode();
    const dataDir = dataDirectory();
    const module = startModule(node, dataDir);
    await node.modules.waitFor(MESH, 'cli', 10_000);
    await endsInTime(module);
    expect(existsSync(join(dataDir, 'blvm-mesh.lock'))).toBe(false);
    await waitFor('the node has noticed', () => node.modules.find(MESH, () => true) === null);
  });

  it('comes while packets wait for a handler that refuses them', async () => {
    const bed = await MeshBed.start({ nodes: 2, links: [[0, 1]] });
    await bed.greeted();
    const driver = await bed.driver(1);
    driver.isWilling = false;
    await driver.offer('take');
    await driver.client.registerProtocolHandler('test-v1', 'take');
    for (let sent = 0; sent < 20; sent++)
      bed.sendRaw(0, 1, encodePacket(bed.packet([0, 1], bed.pay(1, 5_000n))));
    await waitFor('a handler was called', () => driver.calls.length > 0);
    await endsInTime(bed.at(1).module);
  });

  it('comes while there is no node, and while a node does not answer the handshake', async () => {
    const dataDir = dataDirectory();
    const socketPath = join(temporaryDirectory(), 'node.sock');
    const args = ['run', '--socket', socketPath, '--data-dir', dataDir];
    const alone = new MeshProcess(args);
    await waitFor('it waits', () => logOf(dataDir).includes('the node is not there yet'));
    await endsInTime(alone);

    const silent = createServer();
    silent.listen(socketPath);
    endLater(() => silent.close());
    const unheard = new MeshProcess(args);
    const [socket] = (await once(silent, 'connection')) as [NodeJS.WritableStream & { destroy(): void }];
    endLater(() => {
      socket.destroy();
    });
    await endsInTime(unheard);
  });

  it('comes with the node that started it, but not with one that it is attached to', async () => {
    const { node } = await devNode();
    const spawnedData = dataDirectory();
    const env = { SOCKET_PATH: node.socketPath, DATA_DIR: spawnedData, MODULE_NAME: MESH };
    const spawned = new MeshProcess(['run'], { env });
    await node.modules.waitFor(MESH, 'cli', 10_000);
    const shutdown = { name: 'NodeShutdown', value: { reason: 'maintenance', timeout_seconds: 5n } } as const;
    node.publish(shutdown);
    expect(await spawned.ended).toEqual({ code: 0, signal: null });

    const attachedData = dataDirectory();
    const attached = startModule(node, attachedData);
    await node.modules.waitFor(MESH, 'cli', 10_000);
    node.publish(shutdown);
    await waitFor('it has heard', () => logOf(attachedData).includes('the node is shutting down'));
    expect((await node.modules.cli('mesh', 'config-path', [])).exitCode).toBe(0);
    expect(attached.isAlive).toBe(true);
  });
});

describe('run › a node that comes and goes', () => {
  it('waits for a node that is not there, and serves it when it is', async () => {
    const dir = temporaryDirectory();
    const dataDir = dataDirectory();
    const module = new MeshProcess(['run', '--socket', join(dir, 'node-1.sock'), '--data-dir', dataDir]);
    await waitFor('it waits', () => logOf(dataDir).includes('the node is not there yet'));
    expect(module.isAlive).toBe(true);
    const { node } = await devNode(dir);
    await node.modules.waitFor(MESH, 'cli', 10_000);
    expect((await node.modules.cli('mesh', 'status', [])).exitCode).toBe(0);
  });

  it('subscribes and registers again after a restart of the node, and keeps its tables', async () => {
    const bed = await MeshBed.start({ nodes: 2, links: [[0, 1]] });
    await bed.greeted();
    const used = encodePacket(bed.packet([0, 1], bed.pay(1, 5_000n)));
    bed.sendRaw(0, 1, used);
    await waitFor('the packet is accepted', async () => (await bed.status(1)).received['packets'] === 1);
    const before = await bed.status(1);

    await bed.network.close();
    const network = await runDevNode({ nodes: 2, topology: [[0, 1]], dir: bed.network.dir });
    endLater(() => network.close());
    const node = network.node('node-2');
    await Promise.all(network.network.nodes.map(({ modules }) => modules.waitFor(MESH, 'cli', 15_000)));
    const connection = await node.modules.waitFor(MESH, 'subscribed', 5_000);
    expect([...connection.subscriptions].sort()).toContain('MeshPacketReceived');
    expect(connection.api?.methods.size).toBe(12);

    const status = async (): Promise<typeof before> =>
      JSON.parse((await node.modules.cli('mesh', 'status', ['--json'])).stdout) as typeof before;
    await waitFor('the neighbours know each other again', async () => (await status()).peers === 1);
    network.node('node-1').sendToPeer(node.address, used);
    await waitFor('the used payment is refused', async () => {
      return (await status()).counters.refused['ReplayedPayment'] === 1;
    });
    const after = await status();
    expect(after.nodeId).toBe(before.nodeId);
    expect(after.ledger).toEqual(before.ledger);
    expect(after.received).toEqual(before.received);
    expect(bed.nodes.every(({ module }) => module.isAlive)).toBe(true);
  });
});

async function endsInTime(module: MeshProcess): Promise<void> {
  const askedAt = performance.now();
  module.process.kill('SIGTERM');
  expect(await module.ended).toEqual({ code: 0, signal: null });
  expect(performance.now() - askedAt).toBeLessThan(STOP_MILLIS);
}
