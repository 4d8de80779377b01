// Packets and policies for tests of payments: a source, two routers, a destination, and who may be paid.
import { nodeIdOf, nodeKey, type NodeId } from '../../src/core/ids.js';
import type { JudgePolicy } from '../../src/core/policy.js';
import type { MeshPacket } from '../../src/packet/packet.js';
import type { PaymentProof } from '../../src/packet/proof.js';
import { ISSUED_AT, testPayee } from './invoices.js';

/** A node id made of one byte. */
export function testNode(byte: number): NodeId {
  return nodeIdOf(new Uint8Array(32).fill(byte));
}

export const SOURCE: NodeId = testNode(1);
export const SELF: NodeId = testNode(2);
export const ROUTER: NodeId = testNode(3);
export const DESTINATION: NodeId = testNode(4);

/** Lightning keys of the nodes above, and one from the configuration. */
export const PAYEES = {
  self: testPayee(102),
  source: testPayee(101),
  destination: testPayee(104),
  treasury: testPayee(105),
  stranger: testPayee(106),
} as const;

/** A regtest node that asks 1,000 msat + 100 a hop + 10 a KiB. */
export function testPolicy(changes: Partial<JudgePolicy> = {}): JudgePolicy {
  return {
    enabled: true,
    mode: 'payment_gated',
    network: 'regtest',
    self: nodeKey(SELF),
    ownPayee: PAYEES.self.publicKey,
    acceptedPayees: [PAYEES.treasury.publicKey],
    declaredPayees: [
      [nodeKey(SOURCE), PAYEES.source.publicKey],
      [nodeKey(DESTINATION), PAYEES.destination.publicKey],
    ],
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

/** A paid packet of three hops and 11 bytes, for 1,310 msat under `testPolicy`. */
export function paidPacket(proof: PaymentProof, changes: Partial<MeshPacket> = {}): MeshPacket {
  return {
    version: 1,
    packetType: 'Paid',
    source: SOURCE,
    destination: DESTINATION,
    route: [SOURCE, SELF, ROUTER, DESTINATION],
    sequence: 1n,
    timestamp: BigInt(ISSUED_AT),
    paymentProof: proof,
    payload: new TextEncoder().encode('hello, mesh'),
    metadata: null,
    ...changes,
  };
}
