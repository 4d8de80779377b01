/**
 * This node's identity: an Ed25519 key whose raw public key is its node id (wire.md, mesh-hello-v1).
 *
 * The private key stays in DATA_DIR/identity.pem (PKCS8 PEM, mode 0600), is made once and never shown. Call only
 * while the data directory is locked (data-dir.ts), so that no second process makes another.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { access, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { errorText, MeshError } from '../core/errors.js';
import { NODE_ID_BYTES, nodeIdOf, nodeKey, type NodeId } from '../core/ids.js';
import type { Log } from '../core/ports.js';
import { writeFileDurably } from './durable-file.js';
import { OWNER_ONLY, readPrivateFile } from './private-file.js';

export const IDENTITY_FILE = 'identity.pem';

export interface Identity {
  readonly nodeId: NodeId;
  /** Ed25519, for signing. Never logged. */
  readonly privateKey: KeyObject;
}

/**
 * The identity in a data directory; made on the first start. A file that others may read is closed to them, with
 * a warning.
 * @throws MeshError IDENTITY_INVALID where the file holds no Ed25519 key; DATA_DIR_UNUSABLE where it cannot be read
 *   or written
 */
export async function openIdentity(dataDir: string, log: Log): Promise<Identity> {
  const path = join(dataDir, IDENTITY_FILE);
  try {
    const pem = await readPrivateFile(path, (why) => invalid(path, why), log);
    if (pem !== null) return identityOf(pem, path);
    const { privateKey } = generateKeyPairSync('ed25519');
    const made = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    await writeFileDurably(path, Buffer.from(made, 'utf8'), OWNER_ONLY);
    const identity = identityOf(made, path);
    log.log('info', 'made a new identity', { nodeId: nodeKey(identity.nodeId), file: path });
    return identity;
  } catch (error) {
    if (error instanceof MeshError) throw error;
    throw new MeshError(
      'DATA_DIR_UNUSABLE',
      `cannot read or write ${path}: ${errorText(error)}. Check its owner, its permissions and the free space.`,
      { file: path },
      { cause: error },
    );
  }
}

/**
 * Puts the identity of a data directory aside, so that the next start makes another.
 * @returns the file in which the old key is kept
 */
export async function retireIdentity(dataDir: string, nodeId: NodeId): Promise<string> {
  const path = join(dataDir, `retired-${nodeKey(nodeId).slice(0, 16)}.pem`);
  await rename(join(dataDir, IDENTITY_FILE), path);
  return path;
}

/** Whether a data directory has an identity already, of whatever kind: then this is not its first run. */
export async function hasIdentity(dataDir: string): Promise<boolean> {
  try {
    await access(join(dataDir, IDENTITY_FILE));
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}

function identityOf(pem: string, path: string): Identity {
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch {
    // The cause is left out: messages of the PEM parser may repeat parts of the file.
    throw invalid(path, 'it is not a private key in PEM');
  }
  if (privateKey.asymmetricKeyType !== 'ed25519') {
    throw invalid(path, `its key is of type ${privateKey.asymmetricKeyType ?? 'unknown'}, not Ed25519`);
  }
  const { x } = createPublicKey(privateKey).export({ format: 'jwk' });
  const raw = new Uint8Array(Buffer.from(x ?? '', 'base64url'));
  if (raw.length !== NODE_ID_BYTES) throw invalid(path, 'its public key has a wrong length');
  return { nodeId: nodeIdOf(raw), privateKey };
}

function invalid(path: string, why: string): MeshError {
  return new MeshError(
    'IDENTITY_INVALID',
    `${path} cannot be used: ${why}. Restore it from a backup; or move it away, and the next start makes a new ` +
      'identity (peers and payees that know the old node id must then be told the new one).',
    { file: path },
  );
}
