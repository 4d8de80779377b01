/**
 * The kinds of packets of a trace: free and control ones, lies about a payment, structures that are not allowed.
 *
 * Rules: payments.md (cheats that must fail; free traffic), routing.md (routes).
 */
import { present } from '../core/assert.js';
import { sha256 } from '../core/hash.js';
import type { NodeId } from '../core/ids.js';
import type { Random } from '../core/ports.js';
import { randomBelow } from '../core/random.js';
import { covenantSample } from '../api/fuzz/samples.js';
import { stratumSample } from '../api/fuzz/stratum-samples.js';
import { BITCOIN_COMMANDS, encodeBitcoinMessage } from '../packet/bitcoin-wire.js';
import { discoveryPacket, helloPacket, type ControlHeader } from '../packet/control.js';
import { PACKET_VERSION, type MeshPacket } from '../packet/packet.js';
import { PACKET_TYPES } from '../packet/packet-type.js';
import type { LightningProof, PaymentProof } from '../packet/proof.js';
import { STRATUM_MESSAGES } from '../packet/stratum-wire.js';
import { GOVERNANCE_PROTOCOL, type World } from './world.js';

/** What a packet is made from. */
export interface TraceContext {
  readonly random: Random;
  readonly world: World;
  readonly nowSeconds: number;
}

/** A packet without a payment. */
export interface UnpaidPacket {
  readonly packet: MeshPacket;
  /** The first of its peer, which has not said yet who it is. */
  readonly isFirst?: true;
}

type FreeKind = (context: TraceContext) => UnpaidPacket;
type Lie = (proof: LightningProof, context: TraceContext) => PaymentProof | null;
type Structure = (packet: MeshPacket, context: TraceContext) => MeshPacket;

/** Governance and Bitcoin at their best and at their worst, Stratum, hellos, discovery. */
export const FREE_KINDS: readonly FreeKind[] = [
  free('BitcoinP2P', ({ random }) => bitcoin(random)),
  free('BitcoinP2P', ({ random }) => bitcoin(random)),
  free('BitcoinP2P', ({ random }) => encodeBitcoinMessage('mainnet', 'ping', random.bytes(8))),
  free('BitcoinP2P', ({ random }) => withByteChanged(bitcoin(random), random)),
  free('BitcoinP2P', ({ random }) => random.bytes(randomBelow(random, 300))),
  free('StratumV2', ({ random }) => stratum(random)),
  free('StratumV2', ({ random }) => stratum(random)),
  free('StratumV2', ({ random }) => withByteChanged(stratum(random), random)),
  free('StratumV2', ({ random }) => bitcoin(random)),
  free('CommonsGovernance', ({ random }) => random.bytes(randomBelow(random, 300)), GOVERNANCE_PROTOCOL),
  free('CommonsGovernance', ({ random }) => random.bytes(40), 'other'),
  free('Paid', ({ random }) => bitcoin(random)),
  (context) => ({ packet: helloPacket(controlHeader(context), context.world.self) }),
  (context) => ({ packet: helloPacket(controlHeader(context), null), isFirst: true }),
  (context) => {
    const { source, self, destination } = context.world;
    const requestId = BigInt(randomBelow(context.random, 1_000));
    const message = { kind: 'RouteRequest', destination, source, requestId, maxHops: 4 } as const;
    return { packet: discoveryPacket(controlHeader(context), self, message) };
  },
];

/** What a cheat says about a payment that was made. */
export const LIES: readonly Lie[] = [
  () => null,
  (proof) => ({ ...proof, preimage: sha256(proof.preimage) }),
  (proof) => ({ ...proof, amountMsats: proof.amountMsats + 1n }),
  (proof) => ({ ...proof, amountMsats: proof.amountMsats * 1_000n }),
  (proof, { nowSeconds }) => ({ ...proof, timestamp: BigInt(nowSeconds + 86_400) }),
  (proof) => ({ ...proof, expiresAt: proof.expiresAt + 86_400n }),
  (proof) => ({ ...proof, timestamp: 0n, expiresAt: 0n }),
  (proof, { random }) => ({ ...proof, invoice: withCharacterChanged(proof.invoice, random) }),
  (proof) => ({ ...proof, invoice: `${proof.invoice}q` }),
  (proof) => ({ ...proof, invoice: `lnbcrt1${'q'.repeat(proof.invoice.length)}` }),
  (proof) => ({ ...proof, invoice: '' }),
  (proof) => ({ ...proof, invoice: `lightning:${proof.invoice}` }),
  (_, { random, nowSeconds }) => ({
    kind: 'OnChainSettlement',
    paymentRequestId: 'request',
    txHash: random.bytes(32),
    amountSats: BigInt(randomBelow(random, 200)),
    timestamp: BigInt(nowSeconds),
  }),
  (_, { random, nowSeconds }) => ({
    kind: 'InstantSettlement',
    covenantProof: random.unit() < 0.5 ? covenantSample : withByteChanged(covenantSample, random),
    merkleProof: null,
    outputIndex: randomBelow(random, 3),
    amountSats: 2_000n,
    timestamp: BigInt(nowSeconds),
  }),
];

/** What a route, a type or a version must not be, and some that they may. */
export const STRUCTURES: readonly Structure[] = [
  (packet) => ({ ...packet, version: 0 }),
  (packet) => ({ ...packet, version: 255 }),
  (packet) => ({ ...packet, route: [] }),
  (packet) => ({ ...packet, route: packet.route.slice(0, -1) }),
  (packet) => ({ ...packet, route: packet.route.toReversed() }),
  (packet, { world: { source, self, destination } }) => ({
    ...packet,
    route: [source, self, source, destination],
  }),
  (packet, { world: { source, router, destination } }) => ({
    ...packet,
    route: [source, router, destination],
  }),
  (packet, { world }) => ({ ...packet, route: longRoute(world, 9), destination: world.destination }),
  (packet, { world }) => ({ ...packet, route: longRoute(world, 20), destination: world.destination }),
  (packet, { world: { stranger } }) => ({ ...packet, source: stranger }),
  (packet, { world: { stranger } }) => ({ ...packet, destination: stranger }),
  (packet, { random }) => ({
    ...packet,
    packetType: present(PACKET_TYPES[randomBelow(random, PACKET_TYPES.length)], 'one of the types'),
  }),
  (packet) => ({ ...packet, payload: new Uint8Array(300_000) }),
  (packet) => ({ ...packet, metadata: { protocol: 'p'.repeat(5_000), fields: new Map() } }),
];

function free(
  packetType: MeshPacket['packetType'],
  payload: (context: TraceContext) => Uint8Array,
  protocol: string | null = null,
): FreeKind {
  return (context) => {
    const { source, self, router, destination } = context.world;
    const packet: MeshPacket = {
      version: PACKET_VERSION,
      packetType,
      source,
      destination,
      route: [source, self, router, destination],
      sequence: BigInt(randomBelow(context.random, 1_000_000)),
      timestamp: BigInt(context.nowSeconds),
      paymentProof: null,
      payload: payload(context),
      metadata: protocol === null ? null : { protocol, fields: new Map() },
    };
    return { packet };
  };
}

function controlHeader({ random, world, nowSeconds }: TraceContext): ControlHeader {
  return { self: world.source, sequence: BigInt(randomBelow(random, 1_000)), nowSeconds };
}

/** Some whose length and command are right and whose body is not. */
function bitcoin(random: Random): Uint8Array {
  const command = present(
    BITCOIN_COMMANDS[randomBelow(random, BITCOIN_COMMANDS.length)],
    'one of the commands',
  );
  return encodeBitcoinMessage('regtest', command, random.bytes(randomBelow(random, 500)));
}

function stratum(random: Random): Uint8Array {
  const message = STRATUM_MESSAGES[randomBelow(random, STRATUM_MESSAGES.length)];
  return stratumSample(present(message, 'one of the messages'), 'full');
}

function withByteChanged(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = bytes.slice();
  const at = randomBelow(random, changed.length);
  changed[at] = (changed[at] ?? 0) ^ (1 << randomBelow(random, 8));
  return changed;
}

function withCharacterChanged(text: string, random: Random): string {
  const at = randomBelow(random, text.length);
  return `${text.slice(0, at)}${text.charAt(at) === 'q' ? 'p' : 'q'}${text.slice(at + 1)}`;
}

/** From the source over this node and so many others. */
function longRoute({ source, self, destination }: World, others: number): NodeId[] {
  const between = Array.from({ length: others }, (_, index) => {
    const id = destination.slice() as NodeId;
    id[0] = (id[0] ?? 0) ^ (index + 1);
    return id;
  });
  return [source, self, ...between, destination];
}
