/** What a recorded packet says, as far as its bytes were kept and can be read. */
import { BincodeReader } from '../../core/bincode.js';
import { nodeId, option, u64, u8, unitEnum, vec } from '../../core/codec.js';
import type { NodeId } from '../../core/ids.js';
import { hasMagic, viewPacket } from '../../packet/packet.js';
import { PACKET_TYPES, type PacketType } from '../../packet/packet-type.js';
import { paymentProof, type PaymentProof } from '../../packet/proof.js';
import type { FlightRecord } from '../../metrics/recorder.js';

export interface PacketView {
  readonly version: number;
  readonly packetType: PacketType;
  readonly source: NodeId;
  readonly destination: NodeId;
  readonly route: readonly NodeId[];
  /** Unix seconds, the sender's claim. */
  readonly timestamp: bigint;
  readonly paymentProof: PaymentProof | null;
  readonly payloadBytes: number;
  /** null where it names none, or where only the first bytes were kept. */
  readonly protocol: string | null;
}

/** A view, or a line for a person that says why there is none. */
export type PacketReading =
  { readonly ok: true; readonly view: PacketView } | { readonly ok: false; readonly why: string };

const MAGIC_BYTES = 4;

export function readRecorded({ head, length }: FlightRecord): PacketReading {
  if (head.length === 0 && length > 0) return { ok: false, why: 'its bytes made room for newer packets' };
  if (head.length < length) return readHead(head);
  const decoded = viewPacket(head);
  if (!decoded.ok) {
    const { detail, offset } = decoded.failure;
    return { ok: false, why: `byte ${offset}: ${detail}` };
  }
  const { payload, metadata, ...rest } = decoded.value.packet;
  return {
    ok: true,
    view: { ...rest, payloadBytes: payload.length, protocol: metadata?.protocol ?? null },
  };
}

/** What stands before the payload: the fields in the order of wire.md. */
function readHead(head: Uint8Array): PacketReading {
  const reader = new BincodeReader(hasMagic(head) ? head.subarray(MAGIC_BYTES) : head);
  const fields = {
    version: u8.read(reader),
    packetType: unitEnum('packet_type', PACKET_TYPES).read(reader),
    source: nodeId.read(reader),
    destination: nodeId.read(reader),
    route: vec(nodeId).read(reader),
    sequence: u64.read(reader),
    timestamp: u64.read(reader),
    paymentProof: option(paymentProof).read(reader),
    payloadBytes: Number(u64.read(reader)),
    protocol: null,
  };
  const { failure } = reader;
  return failure === null ? { ok: true, view: fields } : { ok: false, why: failure.detail };
}
