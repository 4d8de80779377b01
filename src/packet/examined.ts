/**
 * Packets that are looked at where they lie, in one pass: the contract of whoever does that, and what it finds.
 *
 * Rules: wire.md, Packet; payments.md, Any proof, 1, and Free traffic. Only what comes all the time and passes is taken:
 * a packet of a neighbour that is free by its bytes, or paid by Lightning. Of everything else nothing is said; packet.ts,
 * structure.ts and policy.ts decide, which are the plain twin.
 */
import type { NodeId } from '../core/ids.js';
import type { Network } from '../core/policy.js';
import type { DetectedProtocol } from './detect.js';
import type { MeshPacket } from './packet.js';

/** What a packet is looked at for. */
export interface ExaminerRules {
  /** This node. */
  readonly self: NodeId;
  /** The only one whose Bitcoin messages are free. */
  readonly network: Network;
}

/** What the price of a packet depends on. */
export interface PacketSize {
  /** Ids of the route less one. */
  readonly hops: number;
  readonly payloadBytes: number;
}

/** A packet that decodes and has a right structure. It holds until the next one is examined. */
export interface ExaminedPacket extends PacketSize {
  /** What the gate says of it in mode payment_gated: `paid` means to be verified. */
  readonly kind: 'free' | 'paid';
  /** The strict parse of a free packet's payload; MeshPacket where `paid`. */
  readonly protocol: DetectedProtocol;
  /** This node's index on the route, at least 1. */
  readonly position: number;
  /** As viewPacket gives it; the parts are made when they are asked for. The payload is there where it is `paid`. */
  readonly packet: MeshPacket;
  /** The mark of a free packet (mark.ts), four words. */
  readonly mark: Int32Array;
  /** Whether the packet that was examined before it was free and began alike: all before the sequence number. */
  readonly follows: boolean;
  /** The sequence number; exact where it is a safe integer. */
  readonly sequenceNumber: number;
}

export interface PacketExaminer {
  /**
   * Looks at the bytes of a packet that a neighbour brought.
   * @param bytes borrowed until the next call; those of a packet that is found to be free are changed
   * @param previousHop the neighbour: the id before this node's on the route
   * @returns null where it is not sure: that says nothing of the packet
   */
  examine(bytes: Uint8Array, rules: ExaminerRules, previousHop: NodeId): ExaminedPacket | null;
}
