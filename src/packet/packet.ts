/**
 * The mesh packet: what travels between nodes.
 *
 * Rules: wire.md, Packet. Peers of the oldest generation leave the four bytes `MESH` out: both forms are read,
 * and bytes are written back in the form they came in. Whether a packet is allowed is judged in structure.ts
 * and policy.ts; here it only has to decode and to fit.
 */
import { BincodeWriter } from '../core/bincode.js';
import {
  bytes,
  map,
  nodeId,
  option,
  string,
  struct,
  u64,
  u8,
  unitEnum,
  vec,
  type Codec,
  type Decoded,
  type Json,
  type SmallIntegers,
} from '../core/codec.js';
import { sha256 } from '../core/hash.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { PACKET_TYPES, type PacketType } from './packet-type.js';
import { decodeEither, oldestPaymentProof, paymentProof, type PaymentProof } from './proof.js';
import { readQuickly } from './quick-packet.js';

/** The version that this module writes and accepts. */
export const PACKET_VERSION = 1;

/** `MESH`, in front of every packet but those of the oldest generation. */
const MAGIC: Uint8Array = Uint8Array.of(0x4d, 0x45, 0x53, 0x48);

/** Length of `MESH`. */
export const MAGIC_BYTES: number = MAGIC.length;

/** What a packet takes beside its payload, mostly: saves the writer from growing. */
const USUAL_OVERHEAD_BYTES = 1_024;

export interface PacketMetadata {
  readonly protocol: string | null;
  /** In the order met on the wire. */
  readonly fields: ReadonlyMap<string, string>;
}

export interface MeshPacket {
  readonly version: number;
  readonly packetType: PacketType;
  readonly source: NodeId;
  readonly destination: NodeId;
  /** All ids from source to destination. */
  readonly route: readonly NodeId[];
  readonly sequence: bigint;
  /** Unix seconds, the sender's claim. */
  readonly timestamp: bigint;
  readonly paymentProof: PaymentProof | null;
  readonly payload: Uint8Array;
  readonly metadata: PacketMetadata | null;
}

export interface DecodedPacket {
  readonly packet: MeshPacket;
  /** Whether the bytes opened with `MESH`. */
  readonly hasMagic: boolean;
}

/** Vec<u8>, refused by its length before it is copied. */
const payload: Codec<Uint8Array> = {
  ...bytes,
  read: (reader) => {
    const at = reader.offset;
    const length = reader.length(1);
    if (length > LIMITS.PAYLOAD_BYTES) {
      reader.fail(Reason.PayloadTooLarge, `${length} bytes, at most ${LIMITS.PAYLOAD_BYTES} are allowed`, at);
      return new Uint8Array(0);
    }
    return reader.fixed(length);
  },
};

/** The bincode of a packet, with proofs of one generation. */
function packetCodec(proof: Codec<PaymentProof>): Codec<MeshPacket> {
  return struct<MeshPacket>({
    version: u8,
    packetType: unitEnum('packet_type', PACKET_TYPES),
    source: nodeId,
    destination: nodeId,
    route: vec(nodeId),
    sequence: u64,
    timestamp: u64,
    paymentProof: option(proof),
    payload,
    metadata: option(struct<PacketMetadata>({ protocol: option(string), fields: map(string) })),
  });
}

/** The bincode of a packet, without `MESH`: reads proofs of the current generation. */
export const meshPacket: Codec<MeshPacket> = packetCodec(paymentProof);

/** As `meshPacket`, for proofs of the oldest generation. */
export const oldestMeshPacket: Codec<MeshPacket> = packetCodec(oldestPaymentProof);

/** Whether bytes open with `MESH`. No packet without it does: its type would be unknown. */
export function hasMagic(input: Uint8Array): boolean {
  return input[0] === 0x4d && input[1] === 0x45 && input[2] === 0x53 && input[3] === 0x48;
}

/** Decodes packet bytes of either generation. The input is not kept. Any thread. */
export function decodePacket(input: Uint8Array): Decoded<DecodedPacket> {
  return decodeWith(input, false);
}

/**
 * As decodePacket, but the arrays in the packet may be views of the input: they hold as long as the input is not
 * changed, and hold on to its memory. For packets that are looked at where they lie.
 */
export function viewPacket(input: Uint8Array): Decoded<DecodedPacket> {
  return decodeWith(input, true);
}

function decodeWith(input: Uint8Array, areViews: boolean): Decoded<DecodedPacket> {
  if (input.length > LIMITS.PACKET_BYTES) {
    const detail = `${input.length} bytes, at most ${LIMITS.PACKET_BYTES} are allowed`;
    return { ok: false, failure: { reason: Reason.PacketTooLarge, offset: 0, detail } };
  }
  const isMarked = hasMagic(input);
  const start = isMarked ? MAGIC_BYTES : 0;
  const packet = readQuickly(input, start, areViews);
  if (packet !== null) return { ok: true, value: { packet, hasMagic: isMarked } };
  const decoded = decodeByCodecs(start === 0 ? input : input.subarray(start));
  if (decoded.ok) return { ok: true, value: { packet: decoded.value, hasMagic: isMarked } };
  const { reason, offset, detail } = decoded.failure;
  return { ok: false, failure: { reason, offset: offset + start, detail } };
}

/** The bincode of a packet of either generation, without `MESH`: the plain twin of quick-packet.ts. */
export function decodeByCodecs(input: Uint8Array): Decoded<MeshPacket> {
  return decodeEither(meshPacket, oldestMeshPacket, input);
}

/** The bytes of a packet, behind `MESH` unless told otherwise. */
export function encodePacket(packet: MeshPacket, options: { readonly magic?: boolean } = {}): Uint8Array {
  return packetWriter(packet, options.magic !== false).finish();
}

/** Calls with the bytes of a packet, which are valid during the call alone. */
export function withEncodedPacket<R>(packet: MeshPacket, use: (bytes: Uint8Array) => R): R {
  return packetWriter(packet, true).lend(use);
}

function packetWriter(packet: MeshPacket, hasMagic: boolean): BincodeWriter {
  const writer = new BincodeWriter(packet.payload.length + USUAL_OVERHEAD_BYTES);
  if (hasMagic) writer.fixed(MAGIC);
  meshPacket.write(writer, packet);
  return writer;
}

/** The bincode of packet bytes, without `MESH`: a view. */
export function bincodeOf(packetBytes: Uint8Array): Uint8Array {
  return hasMagic(packetBytes) ? packetBytes.subarray(MAGIC_BYTES) : packetBytes;
}

/** SHA-256 of the bincode of packet bytes: 32 bytes (wire.md, ModuleAPI). */
export function packetId(packetBytes: Uint8Array): Uint8Array {
  return sha256(bincodeOf(packetBytes));
}

/** The JSON form of the vectors. */
export function packetJson(packet: MeshPacket, integers: SmallIntegers = 'text'): Json {
  return meshPacket.json(packet, integers);
}
