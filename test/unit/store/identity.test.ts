// The identity: made once, the same ever after, closed to others, and never replaced in silence.
import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { toHex } from '../../../src/core/bytes.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { Log } from '../../../src/core/ports.js';
import { IDENTITY_FILE, openIdentity } from '../../../src/store/identity.js';

let folder = '';
let lines: string[] = [];
const log: Log = {
  log: (level, message, facts) => lines.push(`${level} ${message} ${JSON.stringify(facts)}`),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mesh-identity-'));
  lines = [];
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const path = (): string => join(folder, IDENTITY_FILE);

describe('identity', () => {
  it('is made on the first start and is the same on the next', async () => {
    const first = await openIdentity(folder, log);
    const second = await openIdentity(folder, log);
    expect(second.nodeId).toEqual(first.nodeId);
    expect(readdirSync(folder)).toEqual([IDENTITY_FILE]);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
  });

  it('has the raw public key of its private key as node id', async () => {
    const { nodeId, privateKey } = await openIdentity(folder, log);
    const raw = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).subarray(-32);
    expect(toHex(nodeId)).toBe(raw.toString('hex'));
    const message = Buffer.from('hello');
    expect(verify(null, message, createPublicKey(privateKey), sign(null, message, privateKey))).toBe(true);
  });

  it('does not show its private key in the log', async () => {
    await openIdentity(folder, log);
    const secret = readFileSync(path(), 'utf8').split('\n')[1] ?? '';
    expect(secret.length).toBeGreaterThan(20);
    expect(lines.join('\n')).not.toContain(secret);
  });

  it('closes a file that others may read, with a warning', async () => {
    await openIdentity(folder, log);
    chmodSync(path(), 0o644);
    await openIdentity(folder, log);
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    expect(lines.at(-1)).toContain('warn a file with a secret was open to other users');
  });

  it.each<[string, () => string]>([
    ['empty', () => ''],
    ['no key', () => 'hello'],
    ['a torn key', () => '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ\n-----END PRIVATE KEY-----\n'],
    ['too large', () => '-'.repeat(LIMITS.SECRET_FILE_BYTES + 1)],
    [
      'a key of another kind',
      () => generateKeyPairSync('x25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
  ])('refuses a file that is %s, says what to do and leaves it alone', async (_, make) => {
    const content = make();
    writeFileSync(path(), content, { mode: 0o600 });
    const opening = openIdentity(folder, log);
    await expect(opening).rejects.toMatchObject({ code: 'IDENTITY_INVALID' });
    await expect(opening).rejects.toThrow('Restore it from a backup');
    expect(readFileSync(path(), 'utf8')).toBe(content);
  });

  it('says so where the folder is missing', async () => {
    await expect(openIdentity(join(folder, 'absent'), log)).rejects.toMatchObject({
      code: 'DATA_DIR_UNUSABLE',
    });
  });
});
