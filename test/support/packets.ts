// Small honest packets and policies that tests bend out of shape.
import { nodeIdOf, nodeKey, type NodeId } from '../../src/core/ids.js';
import type { JudgePolicy } from '../../src/core/policy.js';
import type { MeshPacket } from '../../src/packet/packet.js';

/** A node id of 32 equal bytes. */
export function testNode(byte: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(byte));
}

/** From node 1 over node 2 to node 3, free of any claim. */
export function testPacket(changes: Partial<MeshPacket> = {}): MeshPacket {
  return {
    version: 1,
    packetType: 'Paid',
    source: testNode(1),
    destination: testNode(3),
    route: [testNode(1), testNode(2), testNode(3)],
    sequence: 1n,
    timestamp: 1_800_000_000n,
    paymentProof: null,
    payload: new Uint8Array([1, 2, 3]),
    metadata: null,
    ...changes,
  };
}

/** Node 2 in payment_gated mode on regtest, without any payee. */
export function testPolicy(changes: Partial<JudgePolicy> = {}): JudgePolicy {
  return {
    enabled: true,
    mode: 'payment_gated',
    network: 'regtest',
    self: nodeKey(testNode(2)),
    ownPayee: null,
    acceptedPayees: [],
    declaredPayees: [],
    cappedPayees: [],
    binding: 'payee',
    ctv: false,
    receiveScripts: [],
    minConfirmations: 1,
    paymentsSince: 0,
    fees: { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 0n },
    governanceProtocols: [],
    governanceNodes: [],
    ...changes,
  };
}
