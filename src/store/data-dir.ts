/**
 * The data directory: made, checked and locked, so that two processes never share one journal and one identity.
 *
 * The lock is a file that names its owner: process id, and where the system tells it, the boot and the moment in it
 * when the process started, since process ids are used again. It holds among the processes of one machine (and one
 * process-id namespace). A lock whose owner is gone is taken over.
 */
import { createHash, randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { errorText, MeshError } from '../core/errors.js';

const LOCK_FILE = 'blvm-mesh.lock';

/** Tries at a lock that changes hands meanwhile. */
const LOCK_TRIES = 8;

export interface DataDir {
  /** Absolute. */
  readonly path: string;
  /** The path of a file inside it. */
  file(name: string): string;
  /** Gives up the lock. Safe to call again. */
  release(): Promise<void>;
}

/**
 * Makes the directory if needed and locks it for this process.
 * @throws MeshError DATA_DIR_UNUSABLE where it cannot be written to, or where another process has it
 */
export async function openDataDir(path: string): Promise<DataDir> {
  const absolute = resolve(path);
  try {
    await mkdir(absolute, { recursive: true, mode: 0o700 });
    const owner = JSON.stringify({ ...(await ownerOf(process.pid)), token: randomBytes(8).toString('hex') });
    const lockPath = join(absolute, LOCK_FILE);
    await takeLock(lockPath, owner);
    return {
      path: absolute,
      file: (name) => join(absolute, name),
      release: () => releaseLock(lockPath, owner),
    };
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new MeshError(
      'DATA_DIR_UNUSABLE',
      `cannot use ${absolute} as data directory: ${errorText(error)}. Check its owner, its permissions and the free ` +
        'space, or name another one.',
      { dataDir: absolute },
      { cause: error },
    );
  }
}

/** Who holds a lock. Fields that the system does not tell are null. */
interface LockOwner {
  readonly pid: number;
  /** Identifies one boot of the machine. */
  readonly boot: string | null;
  /** Clock ticks from the boot to the start of the process. */
  readonly startedAt: string | null;
}

async function takeLock(lockPath: string, owner: string): Promise<void> {
  // The name appears with its content: a link is made in one step, and fails where the name is taken.
  const own = `${lockPath}.${randomBytes(6).toString('hex')}`;
  await writeFile(own, owner, { flag: 'wx', mode: 0o600 });
  try {
    for (let attempt = 0; attempt < LOCK_TRIES; attempt++) {
      if (await linked(own, lockPath)) return;
      const held = await readOrNull(lockPath);
      if (held === null) continue; // released meanwhile
      const holder = parseOwner(held);
      if (holder !== null && (await isAlive(holder))) throw lockedBy(lockPath, holder.pid);
      if (await takeOver(lockPath, own, held)) return;
    }
    throw lockedBy(lockPath, null);
  } finally {
    await rm(own, { force: true });
  }
}

/**
 * Puts an own lock in the place of one whose owner is gone; at no time is there none. Only who holds the claim on
 * exactly that lock may do it, and gives the claim up after the lock has changed, so that a latecomer finds another
 * lock than it came for. A claim whose holder is gone itself passes to a claim named after it.
 * @returns false where the lock has changed meanwhile
 */
async function takeOver(lockPath: string, own: string, stale: string): Promise<boolean> {
  const claims: string[] = [];
  let subject = stale;
  for (;;) {
    const claim = `${lockPath}.${createHash('sha256').update(subject).digest('hex').slice(0, 24)}`;
    claims.push(claim);
    if (await linked(own, claim)) break;
    const held = await readOrNull(claim);
    if (held === null) return false; // given up meanwhile
    const holder = parseOwner(held);
    if (holder !== null && (await isAlive(holder))) throw lockedBy(lockPath, holder.pid);
    subject += held;
  }
  const isStill = (await readOrNull(lockPath)) === stale;
  if (isStill) await rename(own, lockPath);
  for (const claim of isStill ? claims : claims.slice(-1)) await rm(claim, { force: true });
  return isStill;
}

async function releaseLock(lockPath: string, owner: string): Promise<void> {
  if ((await readOrNull(lockPath)) === owner) await rm(lockPath, { force: true });
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

async function ownerOf(pid: number): Promise<LockOwner> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null);
  return { pid, boot: boot?.trim() ?? null, startedAt: await startOf(pid) };
}

/** Field 22 of /proc/PID/stat; the name before it may hold spaces and ends at the last bracket. */
async function startOf(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

/** What a lock file says, or null where it was not written by this module. */
function parseOwner(text: string): LockOwner | null {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof found !== 'object' || found === null) return null;
  const { pid, boot, startedAt } = found as Record<string, unknown>;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return null;
  return {
    pid,
    boot: typeof boot === 'string' ? boot : null,
    startedAt: typeof startedAt === 'string' ? startedAt : null,
  };
}

async function isAlive(holder: LockOwner): Promise<boolean> {
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = await ownerOf(holder.pid);
  const isSame = (then: string | null, here: string | null): boolean =>
    then === null || here === null || then === here;
  return isSame(holder.boot, now.boot) && isSame(holder.startedAt, now.startedAt);
}

function lockedBy(lockPath: string, pid: number | null): MeshError {
  const who = pid === null ? 'Other processes that start and stop' : `Process ${pid}`;
  return new MeshError(
    'DATA_DIR_UNUSABLE',
    `${who} already use${pid === null ? '' : 's'} this data directory (${lockPath}). Stop it first, or give this one ` +
      'a data directory of its own.',
    { lock: lockPath, pid },
  );
}
