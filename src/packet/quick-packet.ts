/**
 * Reads the packets that come all the time in one pass: of the current generation, paid by Lightning or not at all.
 *
 * Rules: wire.md, Packet, as the codecs of packet.ts state them. Whatever this pass is not sure of gives null, and the
 * codecs say what it is: they are the plain twin, and what is accepted here they read as the same value.
 */
import { NODE_ID_BYTES, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { PACKET_TYPES } from './packet-type.js';
import type { MeshPacket, PacketMetadata } from './packet.js';
import type { LightningProof } from './proof.js';

/** Version, type, source, destination, and the length of the route. */
const ROUTE_OFFSET = 1 + 4 + 2 * NODE_ID_BYTES + 8;
/** Sequence, timestamp, and whether there is a proof. */
const BEHIND_ROUTE_BYTES = 8 + 8 + 1;
const LIGHTNING_TAG = 0;
const PREIMAGE_BYTES = 32;
/** Preimage, amount, timestamp, expiry. */
const BEHIND_INVOICE_BYTES = PREIMAGE_BYTES + 3 * 8;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The packet in `input` from `start` to its end, or null.
 * @param areViews whether its arrays are views of the input rather than copies
 */
export function readQuickly(input: Uint8Array, start: number, areViews: boolean): MeshPacket | null {
  cursor.open(input, start, areViews);
  const packet = cursor.packet();
  cursor.close();
  return packet;
}

const NOTHING = new Uint8Array(0);

/** A place in an input. What does not fit sets `#isDone`; what was read since then is not used. */
class Cursor {
  #input: Uint8Array = NOTHING;
  #at = 0;
  #isLost = false;
  #areViews = false;

  open(input: Uint8Array, start: number, areViews: boolean): void {
    // A Buffer's slice is a view; what is handed out must be copies where it is not asked for views.
    this.#input = Buffer.isBuffer(input) ? viewOf(input, 0, input.length) : input;
    this.#at = start;
    this.#isLost = false;
    this.#areViews = areViews;
  }

  /** Holds on to no input. */
  close(): void {
    this.#input = NOTHING;
  }

  packet(): MeshPacket | null {
    if (!this.#has(ROUTE_OFFSET)) return null;
    const version = this.#u8();
    const packetType = PACKET_TYPES[this.#u32()];
    const source = this.#bytes(NODE_ID_BYTES) as NodeId;
    const destination = this.#bytes(NODE_ID_BYTES) as NodeId;
    const ids = this.#length();
    if (packetType === undefined || ids > LIMITS.ROUTE_IDS) return null;
    if (!this.#has(ids * NODE_ID_BYTES + BEHIND_ROUTE_BYTES)) return null;
    const route: NodeId[] = [];
    for (let i = 0; i < ids; i++) route.push(this.#bytes(NODE_ID_BYTES) as NodeId);
    const sequence = this.#u64();
    const timestamp = this.#u64();
    const paymentProof = this.#option() ? this.#lightning() : null;
    const payload = this.#payload();
    const metadata = this.#option() ? this.#metadata() : null;
    if (this.#isLost || this.#at !== this.#input.length) return null;
    return {
      version,
      packetType,
      source,
      destination,
      route,
      sequence,
      timestamp,
      paymentProof,
      payload,
      metadata,
    };
  }

  /** The proof, which is used only where nothing was lost. */
  #lightning(): LightningProof | null {
    if (!this.#has(4) || this.#u32() !== LIGHTNING_TAG) return this.#lost();
    const invoice = this.#text();
    if (!this.#has(BEHIND_INVOICE_BYTES)) return this.#lost();
    const preimage = this.#bytes(PREIMAGE_BYTES);
    const amountMsats = this.#u64();
    const timestamp = this.#u64();
    const expiresAt = this.#u64();
    return { kind: 'Lightning', invoice, preimage, amountMsats, timestamp, expiresAt };
  }

  #payload(): Uint8Array {
    const length = this.#has(8) ? this.#length() : Infinity;
    if (length <= LIMITS.PAYLOAD_BYTES && this.#has(length)) return this.#bytes(length);
    this.#isLost = true;
    return NOTHING;
  }

  #metadata(): PacketMetadata | null {
    const protocol = this.#option() ? this.#text() : null;
    const count = this.#has(8) ? this.#length() : Infinity;
    if (count > LIMITS.METADATA_FIELDS) return this.#lost();
    const fields = new Map<string, string>();
    for (let i = 0; i < count; i++) {
      const key = this.#text();
      fields.set(key, this.#text());
    }
    return fields.size === count ? { protocol, fields } : this.#lost();
  }

  #lost(): null {
    this.#isLost = true;
    return null;
  }

  #has(count: number): boolean {
    return this.#input.length - this.#at >= count;
  }

  #option(): boolean {
    const byte = this.#has(1) ? this.#u8() : 2;
    if (byte > 1) this.#isLost = true;
    return byte === 1;
  }

  /** A String: strict UTF-8. */
  #text(): string {
    const length = this.#has(8) ? this.#length() : Infinity;
    if (!this.#has(length)) {
      this.#isLost = true;
      return '';
    }
    const from = this.#at;
    this.#at += length;
    try {
      return strictUtf8.decode(viewOf(this.#input, from, length));
    } catch {
      this.#isLost = true;
      return '';
    }
  }

  // The readers below are called where their bytes are there.

  #bytes(count: number): Uint8Array {
    const from = this.#at;
    this.#at += count;
    return this.#areViews ? viewOf(this.#input, from, count) : this.#input.slice(from, this.#at);
  }

  #u8(): number {
    return this.#input[this.#at++] ?? 0;
  }

  #u32(): number {
    const at = this.#at;
    const bytes = this.#input;
    this.#at = at + 4;
    const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return low + (bytes[at + 3] ?? 0) * 2 ** 24;
  }

  /** A length in 8 bytes; rounded above 2^53, where no input ends. */
  #length(): number {
    const low = this.#u32();
    return low + this.#u32() * 2 ** 32;
  }

  #u64(): bigint {
    const low = this.#u32();
    const high = this.#u32();
    return high < 2 ** 21 ? BigInt(low + high * 2 ** 32) : (BigInt(high) << 32n) | BigInt(low);
  }
}

function viewOf(input: Uint8Array, from: number, length: number): Uint8Array {
  return new Uint8Array(input.buffer, input.byteOffset + from, length);
}

/** Of this thread. */
const cursor = new Cursor();
