/** Ed25519 keys as Node.js takes them: public keys from node ids and back, signatures of hellos. */
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import type { NodeId } from '../core/ids.js';

/** RFC 8410: what stands before the 32 bytes of an Ed25519 public key in its SubjectPublicKeyInfo. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** The raw bytes of a public key. */
export function bytesOfPublicKey(key: KeyObject): Uint8Array {
  return new Uint8Array(key.export({ type: 'spki', format: 'der' }).subarray(SPKI_PREFIX.length));
}

/** 64 bytes. */
export function signed(statement: Uint8Array, privateKey: KeyObject): Uint8Array {
  return new Uint8Array(sign(null, statement, privateKey));
}

/** Whether the signature of a statement is that of a node. Any 32 bytes may be given as its id. */
export function isSignedBy(nodeId: NodeId, statement: Uint8Array, signature: Uint8Array): boolean {
  try {
    const key = createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, nodeId]),
      format: 'der',
      type: 'spki',
    });
    return verify(null, statement, key, signature);
  } catch {
    return false; // no key at all
  }
}
