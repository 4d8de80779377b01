/**
 * Whether a decoded packet is one that this node may look at any further: version, route, previous hop.
 *
 * Rules: payments.md, Any proof, 1; routing.md, Routes. A hello may come from a peer that is not known yet and
 * may be sent before the other side's id is known (control.ts).
 */
import { equalBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { isHelloProtocol, isUnknownPeer } from './control.js';
import { PACKET_VERSION, type MeshPacket, type PacketMetadata } from './packet.js';

/** Where a packet entered this node: on a link, or from this node's own modules. */
export type PacketOrigin = 'peer' | 'local';

/** `position` is this node's index on the route. */
export type StructureVerdict =
  { readonly ok: true; readonly position: number } | { readonly ok: false; readonly reason: Reason };

/**
 * @param self this node
 * @param previousHop the id that the link vouches for; null before the peer has said who it is. Not looked at
 *   for a packet of this node's own modules
 */
export function judgeStructure(
  packet: MeshPacket,
  self: NodeId,
  previousHop: NodeId | null,
  origin: PacketOrigin,
): StructureVerdict {
  const { route, source, destination } = packet;
  if (packet.version !== PACKET_VERSION) return refuse(Reason.UnsupportedVersion);
  if (packet.payload.length > LIMITS.PAYLOAD_BYTES) return refuse(Reason.PayloadTooLarge);
  if (isMetadataTooLarge(packet.metadata)) return refuse(Reason.MetadataTooLarge);
  if (route.length > LIMITS.ROUTE_IDS) return refuse(Reason.RouteTooLong);
  if (equalBytes(source, destination)) return refuse(Reason.Loopback);
  if (route.length < 2) return refuse(Reason.RouteTooShort);
  if (repeatsNode(route)) return refuse(Reason.RouteRepeatsNode);
  if (!isSame(route[0], source) || !isSame(route[route.length - 1], destination)) {
    return refuse(Reason.RouteEndsMismatch);
  }

  const position = positionOf(packet, self);
  if (position < 0) return refuse(Reason.NotOnRoute);
  const sender = judgeSender(packet, position, previousHop, origin);
  return sender === Reason.Accepted ? { ok: true, position } : refuse(sender);
}

function refuse(reason: Reason): StructureVerdict {
  return { ok: false, reason };
}

/** At most 55 comparisons, nearly all of them of one byte: cheaper than any set. */
function repeatsNode(route: readonly NodeId[]): boolean {
  for (let i = 0; i < route.length; i++) {
    const id = route[i];
    for (let j = i + 1; j < route.length; j++) if (isSame(route[j], id)) return true;
  }
  return false;
}

function isSame(a: NodeId | undefined, b: NodeId | undefined): boolean {
  return a !== undefined && b !== undefined && equalBytes(a, b);
}

/** A hello to whoever listens ends in zeros and is for this node. */
function positionOf(packet: MeshPacket, self: NodeId): number {
  const { route } = packet;
  for (let position = 0; position < route.length; position++) {
    if (isSame(route[position], self)) return position;
  }
  return isHello(packet) && route.length === 2 && isUnknownPeer(packet.destination) ? 1 : -1;
}

/** Whether the packet came from the id before this node's on its route. */
function judgeSender(
  packet: MeshPacket,
  position: number,
  previousHop: NodeId | null,
  origin: PacketOrigin,
): Reason {
  if (origin === 'local') return position === 0 ? Reason.Accepted : Reason.WrongPreviousHop;
  const before = packet.route[position - 1];
  if (before === undefined) return Reason.SpoofedSource;
  if (previousHop === null) return isHello(packet) ? Reason.Accepted : Reason.UnknownPeer;
  return equalBytes(before, previousHop) ? Reason.Accepted : Reason.WrongPreviousHop;
}

function isHello(packet: MeshPacket): boolean {
  return isHelloProtocol(packet.metadata?.protocol ?? null);
}

/** Metadata travels beside the payload that is paid for, so it must stay small. */
function isMetadataTooLarge(metadata: PacketMetadata | null): boolean {
  if (metadata === null) return false;
  if (metadata.fields.size > LIMITS.METADATA_FIELDS) return true;
  let total = Buffer.byteLength(metadata.protocol ?? '');
  for (const [key, value] of metadata.fields) total += Buffer.byteLength(key) + Buffer.byteLength(value);
  return total > LIMITS.METADATA_BYTES;
}
