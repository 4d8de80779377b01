/** What the mesh tells whoever brought a packet. */
import type { Reason } from '../core/reasons.js';

/** What became of a packet. */
export type PacketOutcome =
  | { readonly kind: 'delivered' | 'forwarded' | 'held' | 'accepted' | 'duplicate' | 'control' }
  | { readonly kind: 'refused'; readonly reason: Reason };

/** Takes a packet. @param packetBytes kept until its end is told @param nowMillis of the monotonic clock */
export type TakePacket = (packetBytes: Uint8Array, nowMillis: number) => void;

/** Called once. */
export type OnOutcome = (outcome: PacketOutcome) => void;
