/**
 * The token that opens the HTTP door: 32 random bytes in hex, in `http.token` of the data directory (mode 0600). Made
 * once; whoever removes the file has a new one made by the next start.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { join } from 'node:path';
import { toHex } from '../../core/bytes.js';
import { MeshError } from '../../core/errors.js';
import type { Log, Random } from '../../core/ports.js';
import { writeFileDurably } from '../../store/durable-file.js';
import { OWNER_ONLY, readPrivateFile } from '../../store/private-file.js';

/** In the data directory. */
export const TOKEN_FILE = 'http.token';

const TOKEN_BYTES = 32;

/**
 * The token of a data directory, which must be locked.
 * @throws MeshError DOOR_FAILED where the file holds something else; what the file system throws
 */
export async function openToken(dataDir: string, random: Random, log: Log): Promise<string> {
  const path = join(dataDir, TOKEN_FILE);
  const text = await readPrivateFile(path, (why) => invalid(path, why), log);
  if (text !== null) {
    const token = text.trim();
    if (/^[\da-f]{64}$/.test(token)) return token;
    throw invalid(path, 'it is no token of 64 hex digits');
  }
  const made = toHex(random.bytes(TOKEN_BYTES));
  await writeFileDurably(path, Buffer.from(`${made}\n`), OWNER_ONLY);
  return made;
}

/**
 * Whether the Authorization header of a request carries the token: `Bearer TOKEN`, or `Basic` with it as the password
 * of any user, which browsers and scrapers know too. Takes the same time whatever is offered.
 */
export function isAuthorized(header: string | undefined, token: string): boolean {
  const [, scheme = '', value = ''] = /^(bearer|basic) +(\S+)$/i.exec(header ?? '') ?? [];
  const offered = scheme.toLowerCase() === 'basic' ? passwordIn(value) : value;
  return timingSafeEqual(digest(offered), digest(token));
}

function invalid(path: string, why: string): MeshError {
  const text = `${path} cannot be used: ${why}. Remove it, and the next start makes one.`;
  return new MeshError('DOOR_FAILED', text, { path });
}

function passwordIn(credentials: string): string {
  const text = Buffer.from(credentials, 'base64').toString('latin1');
  return text.slice(text.indexOf(':') + 1);
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
