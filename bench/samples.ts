/** Inputs of the benchmarks: packets as they come from peers, paid with really signed invoices. */
import { createHash } from 'node:crypto';
import { concatBytes, toHex, utf8 } from '#dist/core/bytes.js';
import { sha256 } from '#dist/core/hash.js';
import { nodeIdOf, nodeKey, type NodeId } from '#dist/core/ids.js';
import type { JudgePolicy } from '#dist/core/policy.js';
import { SeededRandom } from '#dist/core/random.js';
import { payeeOf, signInvoice } from '#dist/dev/bolt11.js';
import { encodePacket, type MeshPacket } from '#dist/packet/packet.js';
import type { IssuedInvoice } from '#dist/payment/registry.js';
import { InvoiceMint } from '#dist/dev/mint.js';

const random = new SeededRandom(1);

export const SELF: NodeId = nodeIdOf(random.bytes(32));
export const SOURCE: NodeId = nodeIdOf(random.bytes(32));
const PAYEE_KEY = random.bytes(32);
const AMOUNT_MSAT = 10_000n;

/** All invoices are of the minute in which the run began, and good for ten hours. */
const TIMESTAMP: number = Math.floor(Date.now() / 1_000);
const EXPIRY_SECONDS = 36_000;

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

/** A packet and its payment: enough to register the invoice as issued. */
export interface PaidSample {
  readonly bytes: Uint8Array;
  readonly invoice: string;
  readonly issued: IssuedInvoice;
}

let mint: InvoiceMint | null = null;
let minted = 0;

/** Paid packets for this node, each with an invoice of its own that no earlier call has used. About 20 us each. */
export function paidSamples(count: number, payloadBytes: number): readonly PaidSample[] {
  mint ??= new InvoiceMint(patternInvoice(), PAYEE_KEY);
  const maker = mint;
  const payload = random.bytes(payloadBytes);
  return Array.from({ length: count }, () => {
    const { preimage, paymentHash } = nextPayment();
    const invoice = maker.mint(paymentHash);
    return {
      bytes: paidPacket(payload, invoice, preimage),
      invoice,
      issued: {
        paymentHash,
        amountMsat: AMOUNT_MSAT,
        settledMsat: null,
        timestamp: TIMESTAMP,
        expirySeconds: EXPIRY_SECONDS,
        descriptionHash: null,
      },
    };
  });
}

export function paidPackets(count: number, payloadBytes: number): readonly Uint8Array[] {
  return paidSamples(count, payloadBytes).map(({ bytes }) => bytes);
}

/** Paid packets of somebody along a route, to the key of POLICY; each has a payment of its own. */
export function paidPacketsAlong(
  route: readonly NodeId[],
  count: number,
  payloadBytes: number,
): readonly Uint8Array[] {
  mint ??= new InvoiceMint(patternInvoice(), PAYEE_KEY);
  const maker = mint;
  const payload = random.bytes(payloadBytes);
  return Array.from({ length: count }, () => {
    const { preimage, paymentHash } = nextPayment();
    return paidPacket(payload, maker.mint(paymentHash), preimage, route);
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
  return Array.from({ length: count }, () =>
    encodePacket({ ...packetOf(bitcoinMessage(messageBytes)), packetType: 'BitcoinP2P' }),
  );
}

/** Packets that say they are paid and hold noise instead of a payment: refused, late rather than early. */
export function junkPackets(count: number, payloadBytes: number): readonly Uint8Array[] {
  const noise = `lnbcrt100n1${'q'.repeat(300)}`;
  return Array.from({ length: count }, () => paidPacket(random.bytes(payloadBytes), noise, random.bytes(32)));
}

function nextPayment(): { readonly preimage: Uint8Array; readonly paymentHash: Uint8Array } {
  const preimage = Buffer.alloc(32);
  preimage.writeUInt32LE(++minted);
  return { preimage, paymentHash: createHash('sha256').update(preimage).digest() };
}

function patternInvoice(): string {
  return signInvoice(
    {
      network: 'regtest',
      amountMsat: AMOUNT_MSAT,
      timestamp: TIMESTAMP,
      expirySeconds: EXPIRY_SECONDS,
      paymentHash: random.bytes(32),
      paymentSecret: random.bytes(32),
      description: 'bench',
    },
    PAYEE_KEY,
  );
}

function paidPacket(
  payload: Uint8Array,
  invoice: string,
  preimage: Uint8Array,
  route: readonly NodeId[] = [SOURCE, SELF],
): Uint8Array {
  return encodePacket({
    ...packetOf(payload, route),
    packetType: 'Paid',
    paymentProof: {
      kind: 'Lightning',
      invoice,
      preimage,
      amountMsats: AMOUNT_MSAT,
      timestamp: BigInt(TIMESTAMP),
      expiresAt: BigInt(TIMESTAMP + EXPIRY_SECONDS),
    },
  });
}

let sequence = 0n;

function packetOf(payload: Uint8Array, route: readonly NodeId[] = [SOURCE, SELF]): MeshPacket {
  return {
    version: 1,
    packetType: 'Paid',
    source: route[0] ?? SOURCE,
    destination: route[route.length - 1] ?? SELF,
    route,
    sequence: ++sequence,
    timestamp: 0n,
    paymentProof: null,
    payload,
    metadata: null,
  };
}
