// Ed25519 identities as the store makes them.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { nodeIdOf, type NodeId } from '../../src/core/ids.js';
import { bytesOfPublicKey } from '../../src/transport/keys.js';

export interface TestIdentity {
  readonly nodeId: NodeId;
  readonly privateKey: KeyObject;
}

/** RFC 8410: what stands before the 32 bytes of a private key in PKCS8. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');

/** The same number always gives the same identity. */
export function identity(number: number): TestIdentity {
  const secret = Buffer.alloc(32, number);
  secret.writeUInt32BE(number);
  const key = Buffer.concat([PKCS8_PREFIX, secret]);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  return { nodeId: nodeIdOf(bytesOfPublicKey(createPublicKey(privateKey))), privateKey };
}

/** Two identities, the smaller id first. */
export function inOrder(a: TestIdentity, b: TestIdentity): readonly [TestIdentity, TestIdentity] {
  return Buffer.compare(a.nodeId, b.nodeId) < 0 ? [a, b] : [b, a];
}
