/**
 * Ed25519 keys as Node.js takes them: public keys from node ids and back, signatures of hellos.
 *
 * Keys pass as JWK (RFC 8037), which is their raw bytes: by DER each of the two ways takes as long as a signature.
 */
import { createPrivateKey, sign, verify, type KeyObject } from 'node:crypto';
import { present } from '../core/assert.js';
import { concatBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';

/** RFC 8410: what stands before the 32 bytes of an Ed25519 private key in PKCS8. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The private key of a secret of 32 bytes. */
export function privateKeyOf(secret: Uint8Array): KeyObject {
  const key = Buffer.from(concatBytes(PKCS8_PREFIX, secret));
  return createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

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
    return verify(null, statement, { key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }, signature);
  } catch {
    return false; // no key at all
  }
}
