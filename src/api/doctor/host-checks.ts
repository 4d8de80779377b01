/**
 * What can be seen of an installation from outside, whether the module runs or not: package, configuration, host, disk,
 * identity, and where no module runs, its journal and its ports.
 */
import { constants } from 'node:fs';
import { access, open, readFile, statfs } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'smol-toml';
import { systemClock } from '../../core/clock.js';
import { errorText, MeshError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import { MODULE_NAME, VERSION } from '../../core/version.js';
import type { MeshConfig } from '../../config/config.js';
import { hostLimits, workersThatFit, type HostLimits } from '../../config/host.js';
import { secp256k1 } from '../../payment/bolt11/secp256k1.js';
import { openDataDir } from '../../store/data-dir.js';
import { nodeDisk } from '../../store/disk.js';
import { hasIdentity, openIdentity } from '../../store/identity.js';
import { Journal, JOURNAL_FILE } from '../../store/journal.js';
import { logDirectory } from '../../store/log.js';
import { compileKernel } from '../../wasm/kernel.js';
import { failure, fine, warning, type Finding } from './finding.js';
import { freeFindings } from './listening.js';

const PACKAGE_DIR = fileURLToPath(new URL('../../..', import.meta.url));

/** What the module asks the node for all the time; without others it does without a part. */
const NEEDED_CAPABILITIES = ['subscribe_events', 'network_access', 'register_module_api', 'read_network'];

/** Bytes free below which nothing more may be written soon, and below which it is time to look. */
const DISK_FAIL_BYTES: number = LIMITS.JOURNAL_SEGMENT_BYTES;
const DISK_WARN_BYTES = 1_073_741_824;

const CONNECT_MILLIS = 2_000;
/** Read from the end of the log to find why the module ended. */
const LOG_TAIL_BYTES = 65_536;

const silent = { log: (): void => undefined };

/** What is looked at. */
export interface PackageParts {
  /** Where the package lies. */
  readonly dir: string;
  readonly curve: { readonly name: string; readonly passedOver: readonly string[] };
  readonly limits: HostLimits;
  /** Loads the kernel; throws where it cannot. */
  readonly loadKernel: () => unknown;
}

/** @param parts other ones than those of this process, for tests */
export async function packageFindings(parts: Partial<PackageParts> = {}): Promise<readonly Finding[]> {
  const { dir = PACKAGE_DIR, curve: used = secp256k1 } = parts;
  const { limits = hostLimits(), loadKernel = compileKernel } = parts;
  return [await manifest(dir), await entryPoint(dir), curve(used), kernel(loadKernel), host(limits)];
}

async function manifest(dir: string): Promise<Finding> {
  const check = 'manifest';
  const path = join(dir, 'module.toml');
  try {
    const { name, version, capabilities } = parse(await readFile(path, 'utf8'));
    if (name !== MODULE_NAME || version !== VERSION) {
      const found = `${path} is of ${JSON.stringify([name, version])}, the program of ${MODULE_NAME} ${VERSION}`;
      return failure(check, found, 'install the package again: `blvm-mesh install MODULES_DIR --upgrade`');
    }
    const asked = Array.isArray(capabilities) ? capabilities : [];
    const missing = NEEDED_CAPABILITIES.filter((capability) => !asked.includes(capability));
    return missing.length === 0
      ? fine(check, `${MODULE_NAME} ${VERSION}, ${asked.length} capabilities asked for`)
      : failure(check, `${path} does not ask for ${missing.join(', ')}`, 'add them to its capabilities');
  } catch (error) {
    return failure(check, errorText(error), 'install the package again');
  }
}

async function entryPoint(dir: string): Promise<Finding> {
  const check = 'entry point';
  const path = join(dir, 'bin', MODULE_NAME);
  try {
    await access(path, constants.X_OK);
    return fine(check, path);
  } catch (error) {
    return failure(check, errorText(error), `make it executable: chmod +x ${path}`);
  }
}

function curve({ name, passedOver }: PackageParts['curve']): Finding {
  const check = 'native secp256k1';
  return passedOver.length === 0
    ? fine(check, name)
    : warning(
        check,
        `${name} is used, some three times slower: ${passedOver.join('; ')}`,
        'install a C toolchain and run `npm rebuild secp256k1` where the package lies',
      );
}

function kernel(load: PackageParts['loadKernel']): Finding {
  const check = 'WebAssembly kernel';
  try {
    load();
    return fine(check, 'loads');
  } catch (error) {
    return failure(check, errorText(error), 'install the package again, or build it: `npm run build`');
  }
}

function host(limits: HostLimits): Finding {
  const check = 'room on the host';
  try {
    const fitting = workersThatFit(LIMITS.HOST_THREADS, limits);
    return fine(check, `at least ${fitting} workers fit into the limits of this user`);
  } catch (error) {
    return failure(check, errorText(error), 'docs/hosting.md says what each limit must be');
  }
}

/** What the configuration says that cannot be meant. */
export function configFindings(config: MeshConfig, warnings: readonly string[]): readonly Finding[] {
  const check = 'configuration';
  const found = `mode ${config.mode} on ${config.network}${config.enabled ? '' : ', disabled'}`;
  return [
    warnings.length > 0
      ? warning(check, warnings.join('; '), 'mend the lines that are named')
      : config.enabled
        ? fine(check, found)
        : warning(check, found, 'set enabled = true: every packet is refused'),
    covenants(config),
  ];
}

function covenants({ ctv, network, receiveScripts }: MeshConfig): Finding {
  const check = 'payments by covenant';
  if (!ctv) return fine(check, 'off (ctv = false)');
  if (receiveScripts.length === 0)
    return failure(
      check,
      'ctv = true, and receive_scripts is empty',
      'name the scripts of your wallet there',
    );
  return network === 'mainnet'
    ? failure(
        check,
        'ctv = true on mainnet, which does not enforce BIP119: anybody may spend what funds a covenant',
        'set ctv = false',
      )
    : warning(check, `ctv = true on ${network}`, 'keep it only where that network enforces BIP119');
}

export async function dataDirFindings(dataDir: string): Promise<readonly Finding[]> {
  const check = 'data directory';
  try {
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    const remedy = 'name it with --data-dir, or start the module once, which makes it; check its owner';
    return [failure(check, errorText(error), remedy)];
  }
  return [fine(check, dataDir), await diskSpace(dataDir)];
}

async function diskSpace(dataDir: string): Promise<Finding> {
  const check = 'disk space';
  try {
    // Asked of the disk itself: a file system may say that it has room and take nothing.
    const probe = join(dataDir, `.doctor-${process.pid}`);
    await takesBytes(probe);
    const { bavail, bsize } = await statfs(dataDir);
    const free = bavail * bsize;
    const found = `${Math.floor(free / 1_048_576)} MiB free, and it takes what is written`;
    if (free < DISK_FAIL_BYTES)
      return failure(check, found, 'make room: the journal needs 64 MiB for its next file');
    return free < DISK_WARN_BYTES
      ? warning(check, found, 'make room before the journal needs it')
      : fine(check, found);
  } catch (error) {
    return failure(check, errorText(error), 'make room on the disk, or mend it, then restart the module');
  }
}

async function takesBytes(path: string): Promise<void> {
  try {
    const file = await open(path, 'w', 0o600);
    try {
      await file.write(new Uint8Array(4_096));
      await file.datasync();
    } finally {
      await file.close();
    }
  } finally {
    await nodeDisk.remove(path);
  }
}

/** What only a stopped module can be asked: its lock is taken for a moment. */
export async function stoppedFindings(dataDir: string, config: MeshConfig): Promise<readonly Finding[]> {
  return [
    await lastError(dataDir),
    await identity(dataDir),
    await journal(dataDir),
    ...(await freeFindings(config)),
  ];
}

async function lastError(dataDir: string): Promise<Finding> {
  const check = 'module runs';
  const remedy = 'start it: by its node, or `blvm-mesh run --socket PATH --data-dir DIR`';
  const error = await lastErrorOf(join(logDirectory(dataDir), 'mesh.log'));
  const found = 'no module answers at this data directory';
  return failure(check, error === null ? found : `${found}; its log ends with: ${error}`, remedy);
}

/** The newest line of the log at level error, as text. */
async function lastErrorOf(path: string): Promise<string | null> {
  let text: string;
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const tail = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
      await file.read(tail, 0, tail.length, size - tail.length);
      text = tail.toString('utf8');
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
  const line = text.split('\n').findLast((entry) => entry.includes('"level":"error"'));
  if (line === undefined) return null;
  try {
    const { time, msg, facts } = JSON.parse(line) as Record<string, unknown>;
    return `${String(time)} ${String(msg)} ${JSON.stringify(facts)}`;
  } catch {
    return line;
  }
}

async function identity(dataDir: string): Promise<Finding> {
  const check = 'identity';
  try {
    if (!(await hasIdentity(dataDir))) return fine(check, 'none yet: the first start makes it');
    const { nodeId } = await openIdentity(dataDir, silent);
    return fine(check, Buffer.from(nodeId).toString('hex'));
  } catch (error) {
    return failure(
      check,
      errorText(error),
      'put identity.pem back from your backup; without it this is another node',
    );
  }
}

async function journal(dataDir: string): Promise<Finding> {
  const check = 'journal';
  if ((await nodeDisk.list(join(dataDir, JOURNAL_FILE))).length === 0)
    return fine(check, 'none yet: the first start makes it');
  try {
    const locked = await openDataDir(dataDir);
    try {
      const path = locked.file(JOURNAL_FILE);
      const opened = await Journal.open({
        disk: nodeDisk,
        path,
        clock: systemClock,
        log: silent,
        isFirstRun: false,
      });
      const { records, segments } = opened.stats();
      await opened.close();
      return fine(check, `${records} records in ${segments} files, all whole`);
    } finally {
      await locked.release();
    }
  } catch (error) {
    const isLocked = error instanceof MeshError && error.code === 'DATA_DIR_UNUSABLE';
    return failure(
      check,
      errorText(error),
      isLocked
        ? 'wait until that process has started, or stop it'
        : 'put the file back from a backup; do not delete it',
    );
  }
}

/** Whether something listens at a Unix socket: the node's. */
export function nodeSocket(path: string): Promise<Finding> {
  const check = "node's module socket";
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (finding: Finding): void => {
      socket.destroy();
      resolve(finding);
    };
    const remedy = 'start the node, or name the socket that it listens at';
    socket.setTimeout(CONNECT_MILLIS, () => {
      done(failure(check, `${path} does not answer`, remedy));
    });
    socket.once('connect', () => {
      done(fine(check, path));
    });
    socket.once('error', (error) => {
      done(failure(check, errorText(error), remedy));
    });
  });
}
