/** Inputs of the benchmarks: packets as they come from peers, paid with really signed invoices. */
import { concatBytes, utf8 } from '#dist/core/bytes.js';
import { sha256 } from '#dist/core/hash.js';
import { nodeIdOf, nodeKey, type NodeId } from '#dist/core/ids.js';
import type { JudgePolicy } from '#dist/core/policy.js';
import { SeededRandom } from '#dist/core/random.js';
import { payeeOf, signInvoice } from '#dist/dev/bolt11.js';
import { toHex } from '#dist/core/bytes.js';
import { encodePacket, type MeshPacket } from '#dist/packet/packet.js';

const random = new SeededRandom(1);

export const SELF: NodeId = nodeIdOf(random.bytes(32));
export const SOURCE: NodeId = nodeIdOf(random.bytes(32));
const PAYEE_KEY = random.bytes(32);
const AMOUNT_MSAT = 10_000n;

export const POLICY: JudgePolicy = {
  enabled: true,
  mode: 'payment_gated',
  network: 'regtest',
  self: nodeKey(SELF),
  ownPayee: toHex(payeeOf(PAYEE_KEY)),
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
};

/** Paid packets for this node, each with an invoice of its own. */
export function paidPackets(count: number, payloadBytes: number): readonly Uint8Array[] {
  const now = Math.floor(Date.now() / 1_000);
  return Array.from({ length: count }, (_, index) => {
    const preimage = random.bytes(32);
    const invoice = signInvoice(
      {
        network: 'regtest',
        amountMsat: AMOUNT_MSAT,
        timestamp: now,
        expirySeconds: 36_000,
        paymentHash: sha256(preimage),
        paymentSecret: random.bytes(32),
        description: `bench ${index}`,
      },
      PAYEE_KEY,
    );
    return encodePacket({
      ...packetOf(index, random.bytes(payloadBytes)),
      packetType: 'Paid',
      paymentProof: {
        kind: 'Lightning',
        invoice,
        preimage,
        amountMsats: AMOUNT_MSAT,
        timestamp: BigInt(now),
        expiresAt: BigInt(now + 36_000),
      },
    });
  });
}

/** A Bitcoin P2P v1 message `tx` on regtest with a right checksum, of this many bytes in all. */
export function bitcoinMessage(bytes: number): Uint8Array {
  const payload = random.bytes(bytes - 24);
  const length = new Uint8Array(new Uint32Array([payload.length]).buffer);
  const command = concatBytes(utf8('tx'), new Uint8Array(10));
  const checksum = sha256(sha256(payload)).subarray(0, 4);
  return concatBytes(Uint8Array.of(0xfa, 0xbf, 0xb5, 0xda), command, length, checksum, payload);
}

/** Free Bitcoin packets for this node. */
export function freePackets(count: number, messageBytes: number): readonly Uint8Array[] {
  return Array.from({ length: count }, (_, index) =>
    encodePacket({ ...packetOf(index, bitcoinMessage(messageBytes)), packetType: 'BitcoinP2P' }),
  );
}

function packetOf(sequence: number, payload: Uint8Array): MeshPacket {
  return {
    version: 1,
    packetType: 'Paid',
    source: SOURCE,
    destination: SELF,
    route: [SOURCE, SELF],
    sequence: BigInt(sequence),
    timestamp: 0n,
    paymentProof: null,
    payload,
    metadata: null,
  };
}
