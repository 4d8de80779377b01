/**
 * A packet in the kernel's memory, as assembly/packet.ts has found it: numbers say where its parts lie, and a part is
 * made when it is asked for. There is one such object for each kernel; it holds until the next packet is examined.
 */
import { NODE_ID_BYTES, type NodeId } from '../core/ids.js';
import { DETECTED_PROTOCOLS, type DetectedProtocol } from '../packet/detect.js';
import type { ExaminedPacket } from '../packet/examined.js';
import { PACKET_TYPES, type PacketType } from '../packet/packet-type.js';
import { PACKET_VERSION, type MeshPacket, type PacketMetadata } from '../packet/packet.js';
import type { LightningProof } from '../packet/proof.js';
import { FINGERPRINT_WORDS } from '../replay/fingerprint.js';

/** Bytes of what the kernel found. */
export const FOUND_BYTES = 112;

// Places in it, in words of 32 bits, and behind them in words of 64.
const POSITION = 0;
const TYPE = 1;
const BINCODE_AT = 2;
const IDS = 3;
const PAYLOAD_AT = 4;
const PAYLOAD_BYTES = 5;
const INVOICE_AT = 6;
const INVOICE_BYTES = 7;
const METADATA = 8;
const PROTOCOL_AT = 9;
const PROTOCOL_BYTES = 10;
const FOLLOWS = 23;
const SEQUENCE = 6;
const TIMESTAMP = 7;
const AMOUNT = 8;
const PROOF_TIMESTAMP = 9;
const EXPIRES_AT = 10;
/** In bytes. */
const MARK = 96;

/** METADATA: none, without the name of a protocol, or with it. */
const NO_METADATA = 0;
const NAMES_PROTOCOL = 2;

// Of the bincode.
const SOURCE = 5;
const DESTINATION: number = SOURCE + NODE_ID_BYTES;
const ROUTE: number = DESTINATION + NODE_ID_BYTES + 8;
const PREIMAGE_BYTES = 32;

const PAID: number = PACKET_TYPES.indexOf('Paid');
const NO_FIELDS: ReadonlyMap<string, string> = new Map();

export class PacketInPlace implements ExaminedPacket, MeshPacket {
  readonly version: number = PACKET_VERSION;
  readonly mark: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #wide: BigUint64Array;
  readonly #proof: LightningInPlace;

  /** @param found where in the memory the kernel writes what it has found */
  constructor(memory: ArrayBuffer, found: number) {
    this.#bytes = new Uint8Array(memory);
    this.#words = new Int32Array(memory, found, FOUND_BYTES / 4);
    this.#wide = new BigUint64Array(memory, found, FOUND_BYTES / 8);
    this.mark = new Int32Array(memory, found + MARK, FINGERPRINT_WORDS);
    this.#proof = new LightningInPlace(this.#bytes, this.#words, this.#wide);
  }

  get packet(): MeshPacket {
    return this;
  }

  get kind(): 'free' | 'paid' {
    return this.#word(TYPE) === PAID ? 'paid' : 'free';
  }

  /** The type and the protocol of a free packet are the same. */
  get protocol(): DetectedProtocol {
    return this.kind === 'paid' ? 'MeshPacket' : (DETECTED_PROTOCOLS[this.#word(TYPE)] ?? 'Unknown');
  }

  get position(): number {
    return this.#word(POSITION);
  }

  get follows(): boolean {
    return this.#word(FOLLOWS) === 1;
  }

  get sequenceNumber(): number {
    const [low, high] = [this.#word(2 * SEQUENCE), this.#word(2 * SEQUENCE + 1)];
    return (high >>> 0) * 2 ** 32 + (low >>> 0);
  }

  get packetType(): PacketType {
    return PACKET_TYPES[this.#word(TYPE)] ?? 'Paid';
  }

  get source(): NodeId {
    return this.#id(SOURCE);
  }

  get destination(): NodeId {
    return this.#id(DESTINATION);
  }

  get route(): readonly NodeId[] {
    return Array.from({ length: this.#word(IDS) }, (_, index) => this.#id(ROUTE + index * NODE_ID_BYTES));
  }

  get hops(): number {
    return this.#word(IDS) - 1;
  }

  get payloadBytes(): number {
    return this.#word(PAYLOAD_BYTES);
  }

  get sequence(): bigint {
    return this.#wide[SEQUENCE] ?? 0n;
  }

  get timestamp(): bigint {
    return this.#wide[TIMESTAMP] ?? 0n;
  }

  get paymentProof(): LightningProof | null {
    if (this.kind !== 'paid') return null;
    this.#proof.forget();
    return this.#proof;
  }

  /** Where the payload lies in the kernel's memory. */
  get payloadAt(): number {
    return this.#word(PAYLOAD_AT);
  }

  get payload(): Uint8Array {
    const start = this.payloadAt;
    return this.#bytes.subarray(start, start + this.payloadBytes);
  }

  get metadata(): PacketMetadata | null {
    const has = this.#word(METADATA);
    if (has === NO_METADATA) return null;
    const protocol =
      has === NAMES_PROTOCOL
        ? asciiAt(this.#bytes, this.#word(PROTOCOL_AT), this.#word(PROTOCOL_BYTES))
        : null;
    return { protocol, fields: NO_FIELDS };
  }

  #id(offset: number): NodeId {
    const start = this.#word(BINCODE_AT) + offset;
    return this.#bytes.subarray(start, start + NODE_ID_BYTES) as NodeId;
  }

  #word(place: number): number {
    return this.#words[place] ?? 0;
  }
}

/** The proof of such a packet. */
class LightningInPlace implements LightningProof {
  readonly kind = 'Lightning';
  readonly #bytes: Uint8Array;
  readonly #words: Int32Array;
  readonly #wide: BigUint64Array;
  #text: string | null = null;

  constructor(bytes: Uint8Array, words: Int32Array, wide: BigUint64Array) {
    this.#bytes = bytes;
    this.#words = words;
    this.#wide = wide;
  }

  /** It is that of another packet now. */
  forget(): void {
    this.#text = null;
  }

  get invoice(): string {
    return (this.#text ??= asciiAt(this.#bytes, this.#invoiceAt, this.#invoiceBytes));
  }

  get invoiceBytes(): Uint8Array {
    return this.#bytes.subarray(this.#invoiceAt, this.#invoiceAt + this.#invoiceBytes);
  }

  get preimage(): Uint8Array {
    const start = this.#invoiceAt + this.#invoiceBytes;
    return this.#bytes.subarray(start, start + PREIMAGE_BYTES);
  }

  get amountMsats(): bigint {
    return this.#wide[AMOUNT] ?? 0n;
  }

  get timestamp(): bigint {
    return this.#wide[PROOF_TIMESTAMP] ?? 0n;
  }

  get expiresAt(): bigint {
    return this.#wide[EXPIRES_AT] ?? 0n;
  }

  get #invoiceAt(): number {
    return this.#words[INVOICE_AT] ?? 0;
  }

  get #invoiceBytes(): number {
    return this.#words[INVOICE_BYTES] ?? 0;
  }
}

function asciiAt(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString('latin1');
}
