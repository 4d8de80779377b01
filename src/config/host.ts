/**
 * What this process needs of its host, and what the host allows: address space, threads, open files.
 *
 * Rules: node-ipc.md 2 (the node sets these limits just after it started the module, so the launcher may not have seen
 * them yet). bin/blvm-mesh checks the same before Node.js starts; docs/hosting.md says where the numbers come from.
 */
import { appendFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';

/** Infinity where there is no limit. */
export interface HostLimits {
  readonly addressBytes: number;
  /** Threads that may run at once. */
  readonly threads: number;
  readonly files: number;
  /** Threads that others of the same user run: the limit is on all of them together. */
  readonly threadsOfOthers: number;
}

/** Where the files of /proc lie; another place in tests. */
const PROC = '/proc';

const MIB = 1_048_576;

/** A setting of bin/blvm-mesh without which the address space is not enough, whatever it is within reason. */
const LAUNCHED = '--disable-wasm-trap-handler';
const PLAIN_ADDRESS_BYTES = 48 * 1_024 * MIB;

/** What a node is told in its configuration, by what it limits. */
const SETTINGS = {
  addressBytes: 'default_max_memory_bytes',
  threads: 'default_max_child_processes',
  files: 'default_max_file_descriptors',
} as const;

type Limited = keyof typeof SETTINGS;

/** The limits of this process. A system without /proc/self/limits enforces none that would matter here. */
export function hostLimits(proc: string = PROC): HostLimits {
  const rows = textOf(`${proc}/self/limits`);
  const threads = softLimit(rows, 'Max processes');
  return {
    addressBytes: softLimit(rows, 'Max address space'),
    threads,
    files: softLimit(rows, 'Max open files'),
    threadsOfOthers: threads === Infinity ? 0 : countThreadsOfOthers(proc),
  };
}

/**
 * Stops a run that its host has no room for, before anything large is loaded, and says so in the log too: nobody reads
 * what a module writes to its pipes.
 * @param dataDir of this run, where it is known
 * @throws MeshError HOST_TOO_SMALL
 */
export function requireHost(dataDir: string | undefined): void {
  try {
    const limits = hostLimits();
    workersThatFit(1, limits);
    if (limits.addressBytes < PLAIN_ADDRESS_BYTES && !process.execArgv.includes(LAUNCHED)) {
      throw new MeshError(
        'HOST_TOO_SMALL',
        'address space is limited here, and Node.js runs without the settings for that: start bin/blvm-mesh of the package.',
      );
    }
  } catch (error) {
    if (dataDir !== undefined) appendToLog(dataDir, errorText(error));
    throw error;
  }
}

/** A line as the log's own, which is not loaded yet. */
function appendToLog(dataDir: string, msg: string): void {
  const line = JSON.stringify({ level: 'error', time: new Date().toISOString(), facts: {}, msg });
  try {
    const logs = join(dataDir, 'logs');
    mkdirSync(logs, { recursive: true, mode: 0o700 });
    appendFileSync(join(logs, 'mesh.log'), `${line}\n`, { mode: 0o600 });
  } catch {
    // It is said on standard error too.
  }
}

/**
 * @returns so many workers as fit, at most those that are wanted
 * @throws MeshError HOST_TOO_SMALL where not even one fits: it names the setting, what was found and what is needed
 */
export function workersThatFit(wanted: number, limits: HostLimits): number {
  const fitting = {
    addressBytes: roomFor(limits.addressBytes - LIMITS.HOST_ADDRESS_BYTES, LIMITS.HOST_WORKER_ADDRESS_BYTES),
    threads: roomFor(limits.threads - limits.threadsOfOthers - LIMITS.HOST_THREADS, 1),
    files: roomFor(limits.files - LIMITS.HOST_FILES, LIMITS.HOST_WORKER_FILES),
  };
  for (const limited of ['addressBytes', 'threads', 'files'] as const) {
    if (fitting[limited] < 1) throw tooSmall(limited, limits);
  }
  return Math.min(wanted, fitting.addressBytes, fitting.threads, fitting.files);
}

/** Whether so many workers can be started beside those that run, which end when the others are there. */
export function isRoomForOthers(wanted: number, running: number, limits: HostLimits): boolean {
  return workersThatFit(wanted + running, limits) === wanted + running;
}

function roomFor(left: number, each: number): number {
  return Math.floor(left / each);
}

function tooSmall(limited: Limited, limits: HostLimits): MeshError {
  const { threadsOfOthers } = limits;
  const needed = {
    addressBytes: LIMITS.HOST_ADDRESS_BYTES + LIMITS.HOST_WORKER_ADDRESS_BYTES,
    threads: threadsOfOthers + LIMITS.HOST_THREADS + 1,
    files: LIMITS.HOST_FILES + LIMITS.HOST_WORKER_FILES,
  }[limited];
  const setting = SETTINGS[limited];
  const found = limits[limited];
  const shown = {
    addressBytes: `${Math.floor(found / MIB)} MiB of address space; the least that works is ${Math.ceil(needed / MIB)} MiB`,
    threads: `${found} threads of this user, who has ${threadsOfOthers} others; the least that works is ${needed}`,
    files: `${found} open files; the least that works is ${needed}`,
  }[limited];
  return new MeshError(
    'HOST_TOO_SMALL',
    `the host allows ${shown}. Set ${setting} = ${needed} or more in [module_resource_limits] of the node's configuration.`,
    { setting, found, needed },
  );
}

/** The soft limit of a row of /proc/self/limits. */
function softLimit(rows: string, name: string): number {
  const row = rows.split('\n').find((line) => line.startsWith(name));
  const value = row?.slice(name.length).trim().split(/\s+/, 1)[0] ?? 'unlimited';
  return value === 'unlimited' ? Infinity : Number(value);
}

/**
 * Threads of all other processes of this user, as far as they can be seen. None for root, whom the system does not
 * hold to that limit.
 */
function countThreadsOfOthers(proc: string): number {
  const self = textOf(`${proc}/self/status`);
  const user = field(self, 'Uid');
  if (user === '0') return 0;
  let threads = 0;
  for (const name of readdirSync(proc)) {
    if (!/^\d+$/.test(name) || name === field(self, 'Pid')) continue;
    const status = textOf(`${proc}/${name}/status`);
    if (field(status, 'Uid') === user) threads += Number(field(status, 'Threads') ?? 0);
  }
  return threads;
}

/** The first word of a line of a status file. */
function field(status: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1];
}

/** A process may end while it is looked at. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
