/**
 * Ed25519 keys as Node.js takes them: public keys from node ids and back, signatures of hellos.
 *
 * Keys pass as JWK (RFC 8037), which is their raw bytes: by DER each of the two ways takes as long as a signature.
 */
import { createPublicKey, sign, verify, type KeyObject } from 'node:crypto';
import { present } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';

/** The raw bytes of an Ed25519 public key. */
export function bytesOfPublicKey(key: KeyObject): Uint8Array {
  const { x } = key.export({ format: 'jwk' });
  return new Uint8Array(Buffer.from(present(x, 'an Ed25519 key has its bytes'), 'base64url'));
}

/** 64 bytes. */
export function signed(statement: Uint8Array, privateKey: KeyObject): Uint8Array {
  return new Uint8Array(sign(null, statement, privateKey));
}

/** Whether the signature of a statement is that of a node. Any 32 bytes may be given as its id. */
export function isSignedBy(nodeId: NodeId, statement: Uint8Array, signature: Uint8Array): boolean {
  try {
    const x = Buffer.from(nodeId.buffer, nodeId.byteOffset, nodeId.length).toString('base64url');
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return verify(null, statement, key, signature);
  } catch {
    return false; // no key at all
  }
}
