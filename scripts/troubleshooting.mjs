/**
 * Goes a new operator's way on a development network, causes ten faults, and finds each by one command.
 *
 *   node scripts/troubleshooting.mjs          packs and installs into an empty folder, and writes docs/troubleshooting.md
 *   node scripts/troubleshooting.mjs --check  with what is built here, and writes nothing
 *
 * Ends with 1 where a command does not find its fault.
 * Run after a build. What cannot be caused on this machine (a full disk, where nothing may be mounted) is left out, and said.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../dist/dev/free-port.js';
import { FAULTS, pageOf } from './troubleshooting-page.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const isCheck = process.argv.includes('--check');
const folder = mkdtempSync(join(tmpdir(), 'blvm-mesh-operator-'));
const packageDir = isCheck ? ROOT : install();
const CLI = join(packageDir, 'bin', 'blvm-mesh');
const { DevControlClient } = await import(join(packageDir, 'dist', 'dev', 'index.js'));
const { encodePacket, packetId, parseNodeId } = await import(join(packageDir, 'dist', 'index.js'));

const children = new Set();
const LONG_MILLIS = 60_000;

/** Into an empty folder, as from a registry: only there its dependencies come with it. */
function install() {
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: ROOT,
      encoding: 'utf8',
    }),
  );
  for (const args of [
    ['init', '--yes'],
    ['install', `./${filename}`],
  ])
    execFileSync('npm', args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  return join(folder, 'node_modules', 'blvm-mesh');
}

/** Runs a command to its end, as the operator types it. */
function run(args, env = {}) {
  const { stdout, stderr, status } = spawnSync(CLI, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  return { command: `npx blvm-mesh ${args.join(' ')}`, output: neutral(stdout + stderr), code: status };
}

/** Without what is only of this machine. */
function neutral(text) {
  return text
    .replaceAll(folder, '~/mesh')
    .replaceAll(ROOT.replace(/\/$/, ''), '~/mesh/node_modules/blvm-mesh');
}

function start(args, env = {}) {
  const child = spawn(CLI, args, {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  child.text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (child.text += chunk));
  children.add(child);
  child.ended = once(child, 'close').then(() => children.delete(child));
  return child;
}

async function stop(child) {
  child.kill('SIGTERM');
  await child.ended;
}

async function until(what, probe) {
  const deadline = Date.now() + LONG_MILLIS;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await sleep(100);
  }
}

/** The operator's configuration, as it stands where all is well. */
const CONFIG = {
  network: '"regtest"',
  listen_addr: '""',
  workers: '2',
  hello_interval_seconds: '1',
};

function configure(dataDir, changes = {}) {
  mkdirSync(join(folder, dataDir), { recursive: true, mode: 0o700 });
  const lines = Object.entries({ ...CONFIG, ...changes }).map(([name, value]) => `${name} = ${value}\n`);
  writeFileSync(join(folder, dataDir, 'config.toml'), lines.join(''));
}

const status = (dataDir) => {
  const { output, code } = run(['status', '--data-dir', dataDir, '--json']);
  return code === 0 ? JSON.parse(output) : null;
};

async function startModule(node, dataDir, { env = {}, neighbours = 1 } = {}) {
  const child = start(['run', '--socket', `net/${node}.sock`, '--data-dir', dataDir], env);
  await until(`the module of ${node} knows its neighbour`, () => {
    if (child.exitCode !== null) throw new Error(`it ended: ${child.text} ${dataDir}`);
    return (status(dataDir)?.peers ?? -1) >= neighbours;
  });
  return child;
}

async function main() {
  const network = start(['dev-node', '--nodes', '3', '--dir', 'net', '--exit-with-parent']);
  await until('the network', () => network.text.includes('Ctrl-C'));
  const greeting = network.text;
  const control = await DevControlClient.connect(join(folder, / (\S*control\S*)$/m.exec(network.text)[1]));
  const { nodes } = await control.call('nodes', {});
  const dashboardPort = isCheck ? await freePort() : 8335;
  configure('mine', { dashboard_addr: `"127.0.0.1:${dashboardPort}"` });
  configure('theirs');
  const theirs = await startModule('node-2', 'theirs', { neighbours: 0 });
  let mine = await startModule('node-1', 'mine');
  const [own, other] = ['mine', 'theirs'].map((dataDir) => status(dataDir).nodeId);

  const restart = async (changes = {}, env = {}) => {
    await stop(mine);
    configure('mine', changes);
    mine = await startModule('node-1', 'mine', { env });
  };
  const pay = async (request = {}) => {
    const made = await control.call('createInvoice', { node: 'node-1', amountMsat: '100000', ...request });
    const { preimage } = await control.call('pay', { invoice: made.invoice });
    return { ...made, preimage };
  };
  const packet = ({ invoice, preimage, expiresAt }) =>
    encodePacket({
      version: 1,
      packetType: 'Paid',
      source: parseNodeId(other),
      destination: parseNodeId(own),
      route: [parseNodeId(other), parseNodeId(own)],
      sequence: BigInt(Date.now()),
      timestamp: BigInt(Math.floor(Date.now() / 1_000)),
      paymentProof: {
        kind: 'Lightning',
        invoice,
        preimage: Buffer.from(preimage, 'hex'),
        amountMsats: 100_000n,
        timestamp: BigInt(Math.floor(Date.now() / 1_000)),
        expiresAt: BigInt(expiresAt),
      },
      payload: Buffer.from('hello'),
      metadata: { protocol: 'messaging-v1', fields: new Map() },
    });
  /** How often a packet is recorded: once for each time that it came, when its verdict is there. */
  const timesRecorded = (id) =>
    run(['explain', id, '--data-dir', 'mine']).output.split(`packet ${id}`).length - 1;
  const send = async (bytes) => {
    const id = Buffer.from(packetId(bytes)).toString('hex');
    const before = timesRecorded(id);
    const to = nodes.find(({ name }) => name === 'node-1').address;
    await control.call('sendFrom', { node: 'node-2', to, hex: Buffer.from(bytes).toString('hex') });
    await until('the packet is judged', () => timesRecorded(id) > before);
  };
  const doctor = () => run(['doctor', '--data-dir', 'mine']);
  const explain = () => run(['explain', '--last', '1', '--data-dir', 'mine']);

  const healthy = doctor();
  const peerTable = run(['peers', '--data-dir', 'mine']);
  const health = await (await fetch(`http://127.0.0.1:${dashboardPort}/healthz`)).text();
  await send(packet(await pay()));
  const first = explain();

  /** Each fault: how it was caused is told by the page, under the same name. */
  const faults = {
    async 'wrong mode'() {
      await restart({ mode: '"bitcoin_only"' });
      await send(packet(await pay()));
      const found = explain();
      await restart();
      return found;
    },
    async 'unreachable peer'() {
      await restart({ peers: '["10.0.0.99:18444"]' });
      const found = doctor();
      await restart();
      return found;
    },
    async 'expired invoice'() {
      const proof = await pay({ expirySeconds: 2 });
      await sleep(4_000);
      await send(packet({ ...proof, expiresAt: proof.expiresAt + 600 }));
      return explain();
    },
    async replay() {
      const bytes = packet(await pay());
      await send(bytes);
      await send(bytes);
      return explain();
    },
    async 'wrong payee'() {
      await send(packet(await pay({ node: 'node-3' })));
      return explain();
    },
    async 'full disk'() {
      const disk = join(folder, 'disk');
      mkdirSync(disk);
      const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'none', disk]);
      if (mount.status !== 0) return null;
      await stop(mine);
      cpSync(join(folder, 'mine'), join(disk, 'mine'), { recursive: true });
      mine = await startModule('node-1', 'disk/mine');
      const { bavail, bsize } = statfsSync(disk);
      spawnSync('dd', ['if=/dev/zero', `of=${disk}/filling`, `bs=${bsize}`, `count=${bavail + 1}`]);
      const found = run(['doctor', '--data-dir', 'disk/mine']);
      await stop(mine);
      spawnSync('umount', [disk]);
      mine = await startModule('node-1', 'mine');
      return found;
    },
    async 'no native module'() {
      if (isCheck) return run(['doctor', '--data-dir', 'mine'], { NODE_OPTIONS: '--no-addons' });
      const built = join(folder, 'node_modules', 'secp256k1', 'prebuilds');
      renameSync(built, `${built}.away`);
      const found = doctor();
      renameSync(`${built}.away`, built);
      return found;
    },
    async 'clock off by an hour'() {
      const preload = join(folder, 'an-hour-ahead.cjs');
      writeFileSync(preload, 'const { now } = Date;\nDate.now = () => now() + 3_600_000;\n');
      await restart({}, { NODE_OPTIONS: `--require ${preload}` });
      await until('a neighbour told its time', () => !doctor().output.includes('no peer to compare with'));
      const found = doctor();
      await restart();
      return found;
    },
    async 'port in use'() {
      const squatter = createServer().listen(0, '127.0.0.1');
      await once(squatter, 'listening');
      const { port } = squatter.address();
      await stop(mine);
      configure('mine', { listen_addr: `"127.0.0.1:${port}"` });
      const failing = start(['run', '--socket', 'net/node-1.sock', '--data-dir', 'mine']);
      await failing.ended;
      const found = doctor();
      squatter.close();
      configure('mine');
      mine = await startModule('node-1', 'mine');
      return { ...found, output: found.output.replaceAll(`:${port}`, ':8448') };
    },
    async 'killed worker'() {
      const preload = join(folder, 'kill-a-worker.cjs');
      writeFileSync(
        preload,
        `const threads = require('node:worker_threads');
const made = [];
threads.Worker = class extends threads.Worker {
  constructor(...parts) {
    super(...parts);
    made.push(this);
  }
};
require('node:module').syncBuiltinESMExports();
if (threads.isMainThread) process.on('SIGUSR2', () => void made[0].terminate());
`,
      );
      await restart({}, { NODE_OPTIONS: `--require ${preload}` });
      mine.kill('SIGUSR2');
      await until('the loss is noticed', () => / 1 were lost/.test(doctor().output));
      const found = doctor();
      await restart();
      return found;
    },
  };

  const found = {};
  for (const [name, cause] of Object.entries(faults)) {
    found[name] = await cause();
    if (found[name] === null) process.stderr.write(`${name}: cannot be caused on this machine\n`);
    else if (FAULTS[name].finds.test(found[name].output)) process.stderr.write(`${name}: found\n`);
    else throw new Error(`${name}: not found by ${found[name].command}\n${found[name].output}`);
  }
  await stop(mine);
  await stop(theirs);
  control.close();
  return { start: { network: neutral(greeting), healthy, peers: peerTable, health, first }, found };
}

/** Ends what was started, and removes it. */
function end() {
  for (const child of children) child.kill('SIGKILL');
  spawnSync('umount', ['--lazy', join(folder, 'disk')]);
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    end();
    process.exit(1);
  });
}
try {
  const done = await main();
  if (!isCheck) writeFileSync(join(ROOT, 'docs', 'troubleshooting.md'), pageOf(done));
} finally {
  end();
}
process.exit();
