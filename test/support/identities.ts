// Ed25519 identities as the store makes them.
import { createPublicKey, type KeyObject } from 'node:crypto';
import { nodeIdOf, type NodeId } from '../../src/core/ids.js';
import { bytesOfPublicKey, privateKeyOf } from '../../src/transport/keys.js';

export interface TestIdentity {
  readonly nodeId: NodeId;
  readonly privateKey: KeyObject;
}

/** The same number always gives the same identity. */
export function identity(number: number): TestIdentity {
  const secret = Buffer.alloc(32, number);
  secret.writeUInt32BE(number);
  const privateKey = privateKeyOf(secret);
  return { nodeId: nodeIdOf(bytesOfPublicKey(createPublicKey(privateKey))), privateKey };
}

/** Two identities, the smaller id first. */
export function inOrder(a: TestIdentity, b: TestIdentity): readonly [TestIdentity, TestIdentity] {
  return Buffer.compare(a.nodeId, b.nodeId) < 0 ? [a, b] : [b, a];
}
