/** Small files of the data directory that hold a secret: for their owner alone. */
import { chmod, open } from 'node:fs/promises';
import type { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';

/** Readable and writable by the owner alone. */
export const OWNER_ONLY = 0o600;

/**
 * The text of such a file, or null where there is none. One that others may read is closed to them, with a warning.
 * @param invalid makes the error for a file that is too large, from the words that say so
 * @throws what `invalid` makes; what the file system throws, but for a missing file
 */
export async function readPrivateFile(
  path: string,
  invalid: (why: string) => MeshError,
  log: Log,
): Promise<string | null> {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { mode, size } = await handle.stat();
    if (size > LIMITS.SECRET_FILE_BYTES) throw invalid('it is too large');
    if ((mode & 0o077) !== 0) {
      await chmod(path, OWNER_ONLY);
      log.log('warn', 'a file with a secret was open to other users and is now closed to them', {
        file: path,
        mode: (mode & 0o777).toString(8),
      });
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
