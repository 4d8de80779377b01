/**
 * The demonstration's cheats: packets that must not pass, each with the reason that it must be refused for.
 *
 * Rules: payments.md (cheats that must fail). Each is sent as a hostile neighbour would send it: raw bytes on the
 * link to the node that is being cheated.
 */
import { present } from '../core/assert.js';
import { sha256 } from '../core/hash.js';
import type { NodeId } from '../core/ids.js';
import type { Network } from '../core/policy.js';
import { randomBelow, randomU64 } from '../core/random.js';
import type { Random } from '../core/ports.js';
import type { ReasonName } from '../core/reasons.js';
import { signInvoice } from '../dev/bolt11.js';
import { decodePacket, encodePacket, PACKET_VERSION, type MeshPacket } from '../packet/packet.js';
import type { LightningProof, PaymentProof } from '../packet/proof.js';

/** A packet that was delivered: its bytes as the destination got them, from its last neighbour. */
export interface DeliveredPacket {
  readonly bytes: Uint8Array;
  /** Index of the node that sent it to its destination, and of the destination. */
  readonly from: number;
  readonly to: number;
}

/** One cheat, ready to be sent from a node to its neighbour. */
export interface Cheat {
  readonly name: string;
  readonly expected: ReasonName;
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/** What the cheats are made from. */
export interface CheatMaterials {
  readonly random: Random;
  readonly nowSeconds: () => number;
  readonly nodeIds: readonly NodeId[];
  /** Private keys that no node accepts as payee, 32 bytes. */
  readonly strangerKey: Uint8Array;
  /** A paid invoice of a node's own wallet, with its preimage: as good as any, until it is misused. */
  readonly pay: (payee: number, amountMsat: bigint) => Promise<LightningProof>;
  /** Neighbours, by index. */
  readonly neighbours: (node: number) => readonly number[];
}

interface InvoiceTraits {
  readonly network?: Network;
  readonly amountMsat?: bigint | null;
  readonly ageSeconds?: number;
  readonly expirySeconds?: number;
}

type Recipe = (materials: CheatMaterials, delivered: DeliveredPacket) => Promise<Cheat> | Cheat;

/** Enough for any packet of the demonstration. */
const GENEROUS_MSAT = 50_000n;

/** Every kind of cheat, in the order in which they take turns. */
const RECIPES: readonly Recipe[] = [
  (_, { bytes, from, to }) => ({ name: 'same packet again', expected: 'ReplayedPayment', from, to, bytes }),
  altered('same payment, another timestamp', 'ReplayedPayment', (packet) => ({
    ...packet,
    timestamp: packet.timestamp + 1n,
  })),
  altered('same payment, higher sequence', 'ReplayedPayment', (packet) => ({
    ...packet,
    sequence: packet.sequence + 1_000n,
  })),
  altered('same payment, other payload', 'ReplayedPayment', (packet) => ({
    ...packet,
    payload: sha256(packet.payload),
  })),
  altered('wrong preimage', 'WrongPreimage', (packet) =>
    withProof(packet, (proof) => ({
      ...proof,
      preimage: sha256(proof.preimage),
    })),
  ),
  altered('claims more than the invoice', 'AmountMismatch', (packet) =>
    withProof(packet, (proof) => ({
      ...proof,
      amountMsats: proof.amountMsats * 1_000n,
    })),
  ),
  altered('paid type without a proof', 'PaymentRequired', (packet) => ({ ...packet, paymentProof: null })),
  altered('says Bitcoin, is not', 'TypeMismatch', (packet) => ({
    ...packet,
    packetType: 'BitcoinP2P',
    paymentProof: null,
    metadata: null,
  })),
  altered('proof dated tomorrow', 'ProofFromFuture', (packet, { nowSeconds }) =>
    withProof(packet, (proof) => ({
      ...proof,
      timestamp: BigInt(nowSeconds() + 86_400),
    })),
  ),
  cutShort,
  stranger('invoice of a stranger', 'PayeeNotAccepted', {}),
  stranger('expired invoice', 'InvoiceExpired', { ageSeconds: 7_200, expirySeconds: 3_600 }),
  stranger('invoice of another network', 'WrongNetwork', { network: 'mainnet' }),
  stranger('invoice without amount, large claim', 'NoAmount', { amountMsat: null }),
  selfIssued,
  tooCheap,
];

/** The number of different cheats. */
export const CHEAT_KINDS: number = RECIPES.length;

/** The n-th cheat; kinds take turns. */
export async function makeCheat(
  n: number,
  materials: CheatMaterials,
  delivered: DeliveredPacket,
): Promise<Cheat> {
  return present(RECIPES[n % RECIPES.length], 'a recipe for every turn')(materials, delivered);
}

/** A delivered packet, changed. */
function altered(
  name: string,
  expected: ReasonName,
  change: (packet: MeshPacket, materials: CheatMaterials) => MeshPacket,
): Recipe {
  return (materials, { bytes, from, to }) => {
    const changed = change(packetOf(bytes), materials);
    return { name, expected, from, to, bytes: encodePacket(changed) };
  };
}

function cutShort(_: CheatMaterials, { bytes, from, to }: DeliveredPacket): Cheat {
  return { name: 'cut short', expected: 'Truncated', from, to, bytes: bytes.slice(0, bytes.length - 1) };
}

/** A fresh packet between neighbours, paid with an invoice that the cheat signed itself. */
function stranger(name: string, expected: ReasonName, traits: InvoiceTraits): Recipe {
  return (materials) => {
    const { network = 'regtest', amountMsat = GENEROUS_MSAT, ageSeconds = 0, expirySeconds = 3_600 } = traits;
    const preimage = materials.random.bytes(32);
    const timestamp = materials.nowSeconds() - ageSeconds;
    const invoice = signInvoice(
      {
        network,
        amountMsat,
        timestamp,
        expirySeconds,
        paymentHash: sha256(preimage),
        paymentSecret: materials.random.bytes(32),
        description: name,
      },
      materials.strangerKey,
    );
    const proof = lightning(invoice, preimage, amountMsat ?? GENEROUS_MSAT, materials.nowSeconds());
    return fresh(materials, name, expected, (_from, _to) => proof);
  };
}

/** The sender pays itself: a real payment to its own wallet. */
async function selfIssued(materials: CheatMaterials): Promise<Cheat> {
  const { from, to } = neighbours(materials);
  const proof = await materials.pay(from, GENEROUS_MSAT);
  return between(materials, from, to, 'paid to oneself', 'PayeeIsSource', proof);
}

/** A real payment, of less than the packet costs. */
async function tooCheap(materials: CheatMaterials): Promise<Cheat> {
  const { from, to } = neighbours(materials);
  const proof = await materials.pay(to, 1n);
  return between(materials, from, to, 'pays less than the price', 'AmountTooLow', proof);
}

function fresh(
  materials: CheatMaterials,
  name: string,
  expected: ReasonName,
  proof: (from: number, to: number) => PaymentProof,
): Cheat {
  const { from, to } = neighbours(materials);
  return between(materials, from, to, name, expected, proof(from, to));
}

function between(
  materials: CheatMaterials,
  from: number,
  to: number,
  name: string,
  expected: ReasonName,
  paymentProof: PaymentProof,
): Cheat {
  const { nodeIds, random, nowSeconds } = materials;
  const source = present(nodeIds[from], 'the sender is a node');
  const destination = present(nodeIds[to], 'the receiver is a node');
  const packet: MeshPacket = {
    version: PACKET_VERSION,
    packetType: 'Paid',
    source,
    destination,
    route: [source, destination],
    sequence: randomU64(random),
    timestamp: BigInt(nowSeconds()),
    paymentProof,
    payload: random.bytes(64),
    metadata: { protocol: 'messaging-v1', fields: new Map() },
  };
  return { name, expected, from, to, bytes: encodePacket(packet) };
}

function neighbours({ nodeIds, random, neighbours }: CheatMaterials): { from: number; to: number } {
  const from = randomBelow(random, nodeIds.length);
  const near = neighbours(from);
  return { from, to: present(near[randomBelow(random, near.length)], 'every node has a neighbour') };
}

/** A Lightning proof as an honest sender writes it. */
export function lightning(
  invoice: string,
  preimage: Uint8Array,
  amountMsats: bigint,
  nowSeconds: number,
): LightningProof {
  return {
    kind: 'Lightning',
    invoice,
    preimage,
    amountMsats,
    timestamp: BigInt(nowSeconds),
    expiresAt: BigInt(nowSeconds + 3_600),
  };
}

function packetOf(bytes: Uint8Array): MeshPacket {
  const decoded = decodePacket(bytes);
  if (!decoded.ok) throw new Error('assertion failed: a delivered packet decodes');
  return decoded.value.packet;
}

function withProof(packet: MeshPacket, change: (proof: LightningProof) => LightningProof): MeshPacket {
  const { paymentProof } = packet;
  if (paymentProof?.kind !== 'Lightning')
    throw new Error('assertion failed: the demonstration pays by Lightning');
  return { ...packet, paymentProof: change(paymentProof) };
}
