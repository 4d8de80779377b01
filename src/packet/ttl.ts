/**
 * How long a packet may be on its way, where its sender asked for a limit (send_packet, ttl).
 *
 * Rules: wire.md, Packet and ModuleAPI. A packet has no field of its own for it, so it travels as one of
 * `metadata.fields`: `ttl`, whole seconds in decimal without leading zeros, counted from the packet's own timestamp. Nodes
 * that do not know it pass it on; one that does refuses a packet that has outlived it, and keeps none in care for longer.
 * Pure; any thread.
 */
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import type { MeshPacket, PacketMetadata } from './packet.js';

const FIELD = 'ttl';

/** The metadata of a packet that is to live that long; null where there is nothing to say. */
export function metadataWith(protocol: string | null, ttlSeconds: number | null): PacketMetadata | null {
  if (protocol === null && ttlSeconds === null) return null;
  return { protocol, fields: new Map(ttlSeconds === null ? [] : [[FIELD, String(ttlSeconds)]]) };
}

/** Whether a packet names a ttl, whatever it is. */
export function hasTtl({ metadata }: MeshPacket): boolean {
  return metadata?.fields.has(FIELD) === true;
}

/** Accepted; PacketExpired where its time is over; BadTtl where the field is none. */
export function judgeTtl(packet: MeshPacket, nowSeconds: number): Reason {
  const left = secondsLeft(packet, nowSeconds);
  if (Number.isNaN(left)) return Reason.BadTtl;
  return left !== null && left < 0 ? Reason.PacketExpired : Reason.Accepted;
}

/**
 * Seconds until a packet's time is over, by its sender's clock: below 0 where it is, and never more than it asked for,
 * whenever it says that it was sent. null where it has no limit; NaN where the field is none.
 */
export function secondsLeft({ timestamp, metadata }: MeshPacket, nowSeconds: number): number | null {
  const text = metadata?.fields.get(FIELD);
  if (text === undefined) return null;
  const ttl = /^(?:0|[1-9]\d{0,4})$/.test(text) ? Number(text) : NaN;
  if (!(ttl <= LIMITS.PACKET_TTL_MOST_SECONDS)) return NaN;
  const age = BigInt(nowSeconds) - timestamp;
  return age <= 0n ? ttl : ttl - Number(age);
}
