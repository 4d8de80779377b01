/**
 * Why this node cannot listen, for the operator: who probably has the port, and which setting to change.
 *
 * On Linux the owner is looked up in /proc (proc(5), net/tcp); elsewhere, or where it is another user's, the usual
 * suspect is named: 8334 is also where Bitcoin Core listens for Tor.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { errorText, MeshError } from '../core/errors.js';
import { hostPortText } from './addresses.js';

/** Bitcoin Core's default target of its onion service on mainnet. */
const CORE_ONION_PORT = 8_334;

/** State of a listening socket in /proc/net/tcp. */
const LISTENING = '0A';

export async function listenFailure(error: unknown, host: string, port: number): Promise<MeshError> {
  const address = hostPortText(host, port);
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code !== 'EADDRINUSE') {
    return new MeshError(
      'LISTEN_ADDR_UNUSABLE',
      `cannot listen on ${address}: ${errorText(error)}. Set listen_addr to an address of this machine and a port ` +
        'above 1023, or to "" to listen nowhere.',
      { address, code },
      { cause: error },
    );
  }
  const owner = (await ownerOf(port)) ?? (port === CORE_ONION_PORT ? 'probably Bitcoin Core, for Tor' : null);
  return new MeshError(
    'LISTEN_ADDR_IN_USE',
    `cannot listen on ${address}: it is taken by ${owner ?? 'another process'}. Set listen_addr to another port, ` +
      'such as "0.0.0.0:8335", or to "" to listen nowhere.',
    { address, owner },
    { cause: error },
  );
}

/** Name and number of the process that listens on a port, as far as this user may see it. */
async function ownerOf(port: number): Promise<string | null> {
  try {
    const inodes = await listenersOf(port);
    if (inodes.size === 0) return null;
    for (const pid of await readdir('/proc')) {
      if (/^\d+$/.test(pid) && (await holdsSocket(pid, inodes))) {
        return `${(await readFile(`/proc/${pid}/comm`, 'utf8')).trim()} (process ${pid})`;
      }
    }
  } catch {
    // No /proc, or not for this user.
  }
  return null;
}

/** Inodes of the sockets that listen on a port. */
async function listenersOf(port: number): Promise<ReadonlySet<string>> {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const inodes = new Set<string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const text = await readFile(table, 'utf8').catch(() => '');
    for (const line of text.split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (local.endsWith(wanted) && state === LISTENING) inodes.add(`socket:[${inode}]`);
    }
  }
  return inodes;
}

async function holdsSocket(pid: string, inodes: ReadonlySet<string>): Promise<boolean> {
  const files = await readdir(`/proc/${pid}/fd`).catch(() => []);
  for (const file of files) {
    const target = await readlink(`/proc/${pid}/fd/${file}`).catch(() => '');
    if (inodes.has(target)) return true;
  }
  return false;
}
