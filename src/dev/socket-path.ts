/** Unix sockets of the development network: paths that fit, and leftovers of dead processes out of the way. */
import { lstatSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';

/**
 * Listens on a Unix socket. A socket that a dead process left there is replaced, a live one and any other kind of
 * file never.
 * @throws MeshError DEV_NODE_FAILED where the path is too long, taken or not usable
 */
export async function listenOn(server: Server, path: string): Promise<void> {
  checkSocketPath(path);
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    if (!isSocket(path) || (await isAlive(path))) {
      throw new MeshError(
        'DEV_NODE_FAILED',
        `${path} is taken: stop the process that listens there, or choose another directory`,
        { path },
      );
    }
    rmSync(path, { force: true });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      reject(
        new MeshError(
          'DEV_NODE_FAILED',
          `cannot listen on ${path}: ${errorText(error)}. Choose a directory that exists and is yours.`,
          { path },
          { cause: error },
        ),
      );
    });
    server.listen(path, resolve);
  });
}

/** @throws MeshError DEV_NODE_FAILED where the system would cut the path off */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= LIMITS.UNIX_PATH_BYTES) return;
  throw new MeshError(
    'DEV_NODE_FAILED',
    `the socket path has ${bytes} bytes and a Unix socket at most ${LIMITS.UNIX_PATH_BYTES}: choose a shorter directory, such as one in /tmp`,
    { path },
  );
}

function isSocket(path: string): boolean {
  return lstatSync(path).isSocket();
}

/** Whether a process accepts connections there. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', () => {
      resolve(false);
    });
  });
}
