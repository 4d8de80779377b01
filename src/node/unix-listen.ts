/** Listening on Unix sockets: paths that fit, and leftovers of dead processes out of the way. */
import { lstatSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { MeshError, errorText, type MeshErrorCode } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';

/**
 * Listens on a Unix socket. A socket that a dead process left there is replaced, a live one and any other kind of
 * file never.
 * @param code of the MeshError where it cannot
 * @throws MeshError where the path is too long, taken or not usable
 */
export async function listenOn(server: Server, path: string, code: MeshErrorCode): Promise<void> {
  checkSocketPath(path, code);
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) {
    if (!isSocket(path) || (await isAlive(path))) {
      throw new MeshError(
        code,
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
          code,
          `cannot listen on ${path}: ${errorText(error)}. Choose a directory that exists and is yours.`,
          { path },
          { cause: error },
        ),
      );
    });
    server.listen(path, resolve);
  });
}

/** @throws MeshError where the system would cut the path off */
function checkSocketPath(path: string, code: MeshErrorCode): void {
  const bytes = Buffer.byteLength(path);
  if (bytes <= LIMITS.UNIX_PATH_BYTES) return;
  throw new MeshError(
    code,
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
