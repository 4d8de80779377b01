/**
 * One accepted packet as this node takes care of it: its bytes, and what of them was read so far. Most are only passed
 * on, for which their head is enough; the rest is decoded when somebody asks for it.
 */
import { assert } from '../core/assert.js';
import { equalBytes, keepable } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import type { Clock } from '../core/ports.js';
import { PacketHead } from '../packet/head.js';
import { bincodeOf, encodePacket, viewPacket, type MeshPacket } from '../packet/packet.js';
import { secondsLeft } from '../packet/ttl.js';

/** How a packet came into care. */
export interface Acceptance {
  /** What names it in this process: its payment's key, or the mark of a packet that nobody paid for (textKey, textKeyOfWords). */
  readonly key: string;
  /** The mark of a packet that nobody paid for, four words; null for the others. */
  readonly mark: Int32Array | null;
  /** The peer that gave it to us, or null where it started here. */
  readonly from: string | null;
  /** Where this node stands on the route. */
  readonly position: number;
  /** What was paid for it; 0 where it passed free. */
  readonly paidMsat: bigint;
}

export class CaredPacket implements Acceptance {
  readonly key: string;
  readonly mark: Int32Array | null;
  readonly from: string | null;
  readonly position: number;
  readonly paidMsat: bigint;
  #head: PacketHead;
  /** As it came. */
  #offered: Uint8Array;
  #packet: MeshPacket | null = null;

  /** @param head of bytes that were judged good, as they go out: borrowed until they are moved */
  constructor(acceptance: Acceptance, head: PacketHead, offered: Uint8Array = head.bytes) {
    this.key = acceptance.key;
    this.mark = acceptance.mark;
    this.from = acceptance.from;
    this.position = acceptance.position;
    this.paidMsat = acceptance.paidMsat;
    this.#head = head;
    this.#offered = offered;
  }

  get head(): PacketHead {
    return this.#head;
  }

  /** Moves the bytes elsewhere. @param copy gives the same bytes, or those that it was given where they may stay */
  moveTo(copy: (bytes: Uint8Array) => Uint8Array): void {
    const { bytes } = this;
    const moved = copy(bytes);
    if (moved === bytes) return;
    if (this.#offered === bytes) this.#offered = moved;
    this.#head = new PacketHead(moved);
    // It lay in the old ones.
    this.#packet = null;
  }

  /** The packet as it goes out. */
  get bytes(): Uint8Array {
    return this.#head.bytes;
  }

  /** The same, decoded; it lies in the bytes. */
  get packet(): MeshPacket {
    return (this.#packet ??= judgedPacket(this.bytes));
  }

  get isAtEnd(): boolean {
    return this.position === this.head.ids - 1;
  }

  /** Whoever is next on the route: a view of the bytes. */
  get nextHop(): NodeId {
    return this.head.node(this.position + 1);
  }

  /** Whether this is the very packet that came, with MESH or without: a repair has replaced some of its bytes since. */
  cameAs(bytes: Uint8Array): boolean {
    return equalBytes(bincodeOf(this.#offered), bincodeOf(bytes));
  }

  /** The same packet on another way. */
  rerouted(route: readonly NodeId[]): CaredPacket {
    const bytes = encodePacket({ ...this.packet, route });
    return new CaredPacket(this, new PacketHead(bytes), keepable(this.#offered));
  }
}

/** The packet in bytes that a judge has decoded before; it lies in them. */
export function judgedPacket(packetBytes: Uint8Array): MeshPacket {
  const decoded = viewPacket(packetBytes);
  assert(decoded.ok, 'a packet that was judged good decodes');
  return decoded.value.packet;
}

/** Seconds for which a packet is kept: the time that its sender gave it, or this node's own where that is less. */
export function ttlSecondsOf(
  packetBytes: Uint8Array,
  hasTtl: boolean,
  { clock, packetTtlSeconds }: { readonly clock: Clock; readonly packetTtlSeconds: () => number },
): number {
  const most = packetTtlSeconds();
  if (!hasTtl) return most;
  const left = secondsLeft(judgedPacket(packetBytes), clock.unixSeconds()) ?? most;
  return Math.max(0, Math.min(most, left));
}
