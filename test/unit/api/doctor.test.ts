// The doctor: each thing that can be wrong is found, with what to do; where nothing is wrong, it says so.
import { once } from 'node:events';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { ModuleFacts } from '../../../src/api/doctor/facts.js';
import type { Finding } from '../../../src/api/doctor/finding.js';
import {
  configFindings,
  dataDirFindings,
  nodeSocket,
  packageFindings,
  stoppedFindings,
} from '../../../src/api/doctor/host-checks.js';
import { httpDoor } from '../../../src/api/doctor/http-check.js';
import { freeFindings, reachableFindings } from '../../../src/api/doctor/listening.js';
import { moduleFindings } from '../../../src/api/doctor/module-checks.js';
import { systemClock } from '../../../src/core/clock.js';
import { VERSION } from '../../../src/core/version.js';
import { parseConfig, type MeshConfig } from '../../../src/config/config.js';
import { prepareDataDir } from '../../../src/engine/foundations.js';
import { endAll, endLater, temporaryDirectory } from '../../support/mesh-process.js';
import { freePort } from '../../../src/dev/free-port.js';

afterEach(endAll);

const HEALTHY: ModuleFacts = {
  version: '0.1.0',
  pid: 1,
  uptimeSeconds: 60,
  node: {
    state: 'connected',
    version: '0.1.83',
    lost: 0,
    refusedRequests: [],
    missingCapabilities: [],
    eventsDropped: 0,
    timedOut: 0,
  },
  lightning: { key: '02ab', error: null },
  secp256k1: { name: 'native', passedOver: [] },
  workers: { wanted: 2, running: 2, lost: 0 },
  journal: { isFailed: false, records: 3, bytes: 500 },
  replay: { keys: 3, capacity: 1_000, refused: 0 },
  routes: 2,
  peers: [{ address: '10.0.0.2:1', hasSaidHello: true, clockAheadSeconds: 1 }],
  missingPeers: [],
  received: 100,
  accepted: 100,
  topReasons: [],
  logLinesDropped: 0,
};

const refusedAs = (name: string, count: number): ModuleFacts['topReasons'] => [
  { name, count, meaning: 'it means', remedy: 'mend it' },
];

function configOf(text = ''): MeshConfig {
  return parseConfig({ text, fileName: 'config.toml', env: {} }).config;
}

const statusOf = (findings: readonly Finding[], check: string): string | undefined =>
  findings.find((finding) => finding.check === check)?.status;

describe('doctor › a running module', () => {
  it('finds nothing where nothing is wrong', () => {
    expect(moduleFindings(HEALTHY).filter(({ status }) => status !== 'ok')).toEqual([]);
  });

  const WRONG: readonly (readonly [string, string, 'warn' | 'fail', Partial<ModuleFacts>])[] = [
    ['the node is away', 'connection to the node', 'fail', { node: { ...HEALTHY.node, state: 'waiting' } }],
    [
      'the node closes now and then',
      'connection to the node',
      'warn',
      { node: { ...HEALTHY.node, lost: 2 } },
    ],
    [
      'a capability is missing',
      'capabilities granted',
      'fail',
      {
        node: {
          ...HEALTHY.node,
          refusedRequests: ['GetUtxo'],
          missingCapabilities: ['read_utxo'],
        },
      },
    ],
    ['Lightning does not answer', 'Lightning', 'fail', { lightning: { key: null, error: 'timed out' } }],
    ['there is no wallet', 'Lightning', 'warn', { lightning: { key: null, error: null } }],
    ['a worker was lost', 'workers', 'warn', { workers: { wanted: 2, running: 2, lost: 1 } }],
    ['no worker is left', 'workers', 'fail', { workers: { wanted: 2, running: 0, lost: 9 } }],
    ['the journal failed', 'journal', 'fail', { journal: { isFailed: true, records: 1, bytes: 1 } }],
    [
      'the clock is an hour behind',
      'clock',
      'fail',
      { peers: [{ address: 'a:1', hasSaidHello: true, clockAheadSeconds: 3_600 }] },
    ],
    [
      'the clock is a minute ahead',
      'clock',
      'warn',
      { peers: [{ address: 'a:1', hasSaidHello: true, clockAheadSeconds: -60 }] },
    ],
    ['there is no peer', 'peers', 'fail', { peers: [], routes: 0 }],
    ['a configured peer is not connected', 'peers', 'warn', { missingPeers: ['10.0.0.9:1'] }],
    ['no route is known', 'routes', 'warn', { routes: 0 }],
    [
      'the memory of payments is full',
      'memory of used payments',
      'fail',
      { replay: { keys: 10, capacity: 10, refused: 1 } },
    ],
    [
      'the memory of payments is nearly full',
      'memory of used payments',
      'warn',
      { replay: { keys: 95, capacity: 100, refused: 0 } },
    ],
    [
      'valid payments are refused since the journal is young',
      'memory of used payments',
      'warn',
      { topReasons: refusedAs('JournalTooYoung', 3) },
    ],
    [
      'the mode refuses most of what comes',
      'packets refused',
      'warn',
      { topReasons: refusedAs('ModeForbids', 900), accepted: 10 },
    ],
    [
      'events were dropped',
      'nothing lost on the way',
      'warn',
      { node: { ...HEALTHY.node, eventsDropped: 1 } },
    ],
  ];

  it.each(WRONG)('%s', (_, check, status, change) => {
    const finding = moduleFindings({ ...HEALTHY, ...change }).find((found) => found.check === check);
    expect(finding?.status).toBe(status);
    expect(finding?.remedy.length).toBeGreaterThan(10);
  });

  it('takes the middle of what the peers say of the clock: one liar among three moves nothing', () => {
    const peers = [1, -90_000, 2].map((clockAheadSeconds, index) => ({
      address: `p:${index}`,
      hasSaidHello: true,
      clockAheadSeconds,
    }));
    expect(statusOf(moduleFindings({ ...HEALTHY, peers }), 'clock')).toBe('ok');
  });
});

describe('doctor › an installation', () => {
  it('finds the package whole', async () => {
    const found = await packageFindings();
    expect(found.filter(({ status }) => status === 'fail')).toEqual([]);
    expect(found.map(({ check }) => check)).toContain('native secp256k1');
  });

  it('finds each part of it that is broken', async () => {
    const dir = temporaryDirectory();
    const broken = {
      dir,
      curve: { name: 'the one in JavaScript', passedOver: ['native: not built'] },
      limits: { addressBytes: 1, threads: 1, files: 1, threadsOfOthers: 0 },
      loadKernel: () => {
        throw new Error('it is not there');
      },
    };
    const statuses = async (): Promise<readonly string[]> =>
      (await packageFindings(broken)).map(({ check, status }) => `${check}: ${status}`);
    const rest = ['native secp256k1: warn', 'WebAssembly kernel: fail', 'room on the host: fail'];
    expect(await statuses()).toEqual(['manifest: fail', 'entry point: fail', ...rest]);
    // A manifest of another program, and a program that nobody may run.
    writeFileSync(join(dir, 'module.toml'), 'name = "other"\nversion = "9"\n');
    mkdirSync(join(dir, 'bin'));
    writeFileSync(join(dir, 'bin', 'blvm-mesh'), '', { mode: 0o600 });
    expect(await statuses()).toEqual(['manifest: fail', 'entry point: fail', ...rest]);
    // One that does not ask for what is needed.
    writeFileSync(
      join(dir, 'module.toml'),
      `name = "blvm-mesh"\nversion = "${VERSION}"\ncapabilities = []\n`,
    );
    chmodSync(join(dir, 'bin', 'blvm-mesh'), 0o700);
    expect(await statuses()).toEqual(['manifest: fail', 'entry point: ok', ...rest]);
  });

  it('finds addresses that answer, and such that do not', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    endLater(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const answered = configOf(`listen_addr = "0.0.0.0:${port}"\ndashboard_addr = "127.0.0.1:${port}"`);
    // Nothing but a connection is asked of the one; at the other it is not this module that answers.
    expect((await reachableFindings(answered)).map(({ status }) => status)).toEqual(['ok', 'fail']);
    expect((await freeFindings(answered)).map(({ status }) => status)).toEqual(['fail', 'fail']);
    const free = await freePort();
    const nobody = configOf(`listen_addr = "127.0.0.1:${free}"\ndashboard_addr = "127.0.0.1:${free}"`);
    expect((await reachableFindings(nobody)).map(({ status }) => status)).toEqual(['fail', 'fail']);
    const off = configOf('listen_addr = ""');
    for (const found of [await reachableFindings(off), await freeFindings(off)]) {
      expect(found.map(({ status }) => status)).toEqual(['ok', 'ok']);
    }
  });

  it('says of covenants, configuration, disk and the node when all is well', async () => {
    const config = configOf('network = "regtest"');
    expect(configFindings(config, []).map(({ status }) => status)).toEqual(['ok', 'ok']);
    expect(statusOf(configFindings(config, ['line 3: unknown key']), 'configuration')).toBe('warn');
    expect(statusOf(configFindings(configOf('ctv = true'), []), 'payments by covenant')).toBe('fail');
    const directory = temporaryDirectory();
    expect(statusOf(await dataDirFindings(directory), 'data directory')).toBe('ok');
    expect(statusOf(await dataDirFindings(directory), 'disk space')).not.toBe('fail');
    const path = join(directory, 'node.sock');
    const node = createServer().listen(path);
    endLater(() => node.close());
    await new Promise((resolve) => node.once('listening', resolve));
    expect(await nodeSocket(path)).toMatchObject({ status: 'ok' });
  });

  it('warns of covenants where nothing enforces them', () => {
    const config = configOf('ctv = true\nreceive_scripts = ["0014751e76e8199196d454941c45d1b3a323f1433bd6"]');
    expect(statusOf(configFindings(config, []), 'payments by covenant')).toBe('fail');
    expect(statusOf(configFindings(configOf('enabled = false'), []), 'configuration')).toBe('warn');
  });

  it('finds a data directory that is not there', async () => {
    const [finding] = await dataDirFindings(join(temporaryDirectory(), 'nowhere'));
    expect(finding).toMatchObject({ check: 'data directory', status: 'fail' });
  });

  it('finds a disk that takes nothing', async () => {
    const dataDir = join(temporaryDirectory(), 'data');
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o500);
    const found = await dataDirFindings(process.getuid?.() === 0 ? '/proc/self' : dataDir);
    expect(found.some(({ status }) => status === 'fail')).toBe(true);
  });

  it('finds a stopped module, why it ended, its journal whole, and a port that is taken', async () => {
    const dataDir = temporaryDirectory();
    await prepareDataDir(dataDir, systemClock, { log: () => undefined });
    mkdirSync(join(dataDir, 'logs'));
    const line = {
      level: 'error',
      time: 'then',
      facts: { error: 'it broke' },
      msg: 'the mesh could not run',
    };
    writeFileSync(join(dataDir, 'logs', 'mesh.log'), `${JSON.stringify(line)}\n`);
    const server = createServer().listen(0, '127.0.0.1');
    endLater(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const found = await stoppedFindings(dataDir, configOf(`listen_addr = "127.0.0.1:${port}"`));
    expect(found.map(({ check, status }) => [check, status])).toEqual([
      ['module runs', 'fail'],
      ['identity', 'ok'],
      ['journal', 'ok'],
      ['listen address', 'fail'],
      ['page and metrics', 'ok'],
    ]);
    expect(found[0]?.found).toContain('it broke');
  });

  it('finds a damaged journal', async () => {
    const dataDir = temporaryDirectory();
    await prepareDataDir(dataDir, systemClock, { log: () => undefined });
    writeFileSync(join(dataDir, 'payments.journal'), 'this is no journal at all, whatever one thinks of it');
    expect(statusOf(await stoppedFindings(dataDir, configOf('listen_addr = ""')), 'journal')).toBe('fail');
  });

  it('finds a node that is not there', async () => {
    expect(await nodeSocket(join(temporaryDirectory(), 'node.sock'))).toMatchObject({ status: 'fail' });
  });
});

describe('doctor › the HTTP door', () => {
  async function answering(
    status: number,
    body: string,
    headers: Record<string, string> = {},
  ): Promise<Finding> {
    const server = createHttpServer((_, response) => {
      response.writeHead(status, headers).end(body);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    endLater(() => server.close());
    return httpDoor({ host: '127.0.0.1', port: (server.address() as AddressInfo).port });
  }

  it('is fine where it is off, where this module answers, or where it asks for its token', async () => {
    expect((await httpDoor(null)).status).toBe('ok');
    expect((await answering(503, '{"status":"failed","faults":["no worker"]}')).status).toBe('ok');
    const realm = { 'WWW-Authenticate': 'Basic realm="blvm-mesh", charset="UTF-8"' };
    expect((await answering(401, '', realm)).status).toBe('ok');
  });

  it('finds another program at its address, or nobody', async () => {
    expect((await answering(200, '<h1>It works</h1>')).status).toBe('fail');
    expect((await answering(200, '{}')).found).toMatch(/another program answers/);
    expect((await answering(401, '')).status).toBe('fail');
    expect((await httpDoor({ host: '127.0.0.1', port: 1 })).status).toBe('fail');
  });
});
