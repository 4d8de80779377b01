/**
 * Bytes of the node's IPC to messages and back, for both ends: the module, and the development node as its server.
 *
 * Rules: node-ipc.md (Transport); the table is chosen by the node's version. A request whose type and payload
 * disagree is refused, and so is an event; inside PublishEvent the node itself lets them differ (golden bytes).
 */
import { present } from '../core/assert.js';
import { BincodeWriter } from '../core/bincode.js';
import { toHex } from '../core/bytes.js';
import { decode, type Codec, type Decoded, type Json } from '../core/codec.js';
import { Reason } from '../core/reasons.js';
import { writeFrameHeader } from '../core/frame.js';
import { GENERATIONS, generationFor, type Generation } from './generations.js';
import type { ModuleMessage } from './messages.js';
import { SchemaCodecs } from './schema.js';

/** Bytes before the packet in a frame that holds one: three tags and its length. */
const PACKET_OFFSET = 20;
/** Longer peer addresses than this take the codecs' way. */
const LONGEST_ADDRESS = 128;

/** Reads and writes the messages of one generation. Main thread: keeps the last peer address it read. */
export class IpcCodec {
  readonly generation: Generation;
  readonly #message: Codec<ModuleMessage>;
  readonly #eventTags: ReadonlyMap<string, number>;
  /** The first bytes of every MeshPacketReceived event. */
  readonly #packetPrefix: Uint8Array;
  #lastAddress = '';
  #lastAddressBytes = new Uint8Array(0);

  constructor(generation: Generation) {
    this.generation = generation;
    // The tables give both this codec and the type ModuleMessage, which is derived from them (messages.ts).
    this.#message = new SchemaCodecs(generation).of('ModuleMessage') as Codec<ModuleMessage>;
    const tagsOf = (name: string): Map<string, number> =>
      new Map(
        Object.keys(present(generation.enums[name], 'an enum of the tables')).map((key, tag) => [key, tag]),
      );
    this.#eventTags = tagsOf('EventType');
    const writer = new BincodeWriter(PACKET_OFFSET);
    for (const [name, variant] of [
      ['ModuleMessage', 'Event'],
      ['EventType', 'MeshPacketReceived'],
      ['EventPayload', 'MeshPacketReceived'],
    ] as const)
      writer.tag(present(tagsOf(name).get(variant), 'every generation has mesh packets'));
    this.#packetPrefix = writer.finish();
  }

  /** The codec for a node of that version; generationFor says how well it fits. Shared between callers. */
  static forVersion(version: string): IpcCodec {
    const { generation } = generationFor(version);
    const codec = codecs.get(generation) ?? new IpcCodec(generation);
    codecs.set(generation, codec);
    return codec;
  }

  /** The codec of the newest generation: for the handshake, whose tags never moved. */
  static newest(): IpcCodec {
    return IpcCodec.forVersion(present(GENERATIONS[0], 'there are generations').to);
  }

  /** Whether this generation has the request. */
  hasRequest(name: string): boolean {
    return Object.hasOwn(this.generation.enums['RequestPayload'] ?? {}, name);
  }

  /** Whether this generation has the event. */
  hasEvent(name: string): boolean {
    return this.#eventTags.has(name);
  }

  /**
   * The message of a frame's body.
   * @param body borrowed; nothing of the result refers to it
   */
  decodeMessage(body: Uint8Array): Decoded<ModuleMessage> {
    const packet = this.#readPacketEvent(body);
    if (packet !== null) return { ok: true, value: packet };
    const decoded = decode(this.#message, body);
    if (!decoded.ok) return decoded;
    const { name, value } = decoded.value;
    if (name === 'Request' && value.request_type !== value.payload.name)
      return mismatch(Reason.RequestTypeMismatch, value.request_type, value.payload.name);
    if (name === 'Event' && value.event_type !== value.payload.name)
      return mismatch(Reason.EventTypeMismatch, value.event_type, value.payload.name);
    return decoded;
  }

  /** The body of a message. The message must exist in this generation: see hasRequest and hasEvent. */
  encodeMessage(message: ModuleMessage): Uint8Array {
    const writer = new BincodeWriter();
    this.#message.write(writer, message);
    return writer.finish();
  }

  /** A message as a whole frame. The caller sees to its length: LIMITS.NODE_FRAME_BYTES behind the header. */
  encodeFrame(message: ModuleMessage): Uint8Array {
    const writer = new BincodeWriter();
    writer.u32(0);
    this.#message.write(writer, message);
    const frame = writer.finish();
    writeFrameHeader(frame);
    return frame;
  }

  /** The message as the vectors show it, without the outer name. */
  messageJson(message: ModuleMessage): Json {
    const shown = this.#message.json(message, 'number');
    return (shown as Readonly<Record<string, Json>>)[message.name] ?? null;
  }

  /**
   * Reads the one event that comes in hundreds of thousands a second without the codecs' overhead. Anything
   * that is not exactly one well-formed MeshPacketReceived gives null: the codecs then say what it is.
   */
  #readPacketEvent(body: Uint8Array): ModuleMessage | null {
    if (body.length < PACKET_OFFSET + 8 || !startsWith(body, this.#packetPrefix)) return null;
    const packetBytes = smallLength(body, this.#packetPrefix.length);
    const addressAt = PACKET_OFFSET + packetBytes + 8;
    if (addressAt > body.length || smallLength(body, addressAt - 8) !== body.length - addressAt) return null;
    const address = this.#address(body.subarray(addressAt));
    if (address === null) return null;
    const packet = Uint8Array.prototype.slice.call(body, PACKET_OFFSET, addressAt - 8);
    const value = { packet_data: packet, peer_addr: address };
    return {
      name: 'Event',
      value: { event_type: 'MeshPacketReceived', payload: { name: 'MeshPacketReceived', value } },
    };
  }

  /** Short ASCII text, most often the same as last time; null for anything else. */
  #address(bytes: Uint8Array): string | null {
    if (bytes.length > LONGEST_ADDRESS) return null;
    if (bytes.length === this.#lastAddressBytes.length && startsWith(bytes, this.#lastAddressBytes))
      return this.#lastAddress;
    for (const byte of bytes) if (byte > 0x7f) return null;
    this.#lastAddressBytes = Uint8Array.from(bytes);
    this.#lastAddress = String.fromCharCode(...bytes);
    return this.#lastAddress;
  }
}

const codecs = new Map<Generation, IpcCodec>();

function mismatch(reason: Reason, type: string, payload: string): Decoded<ModuleMessage> {
  return {
    ok: false,
    failure: { reason, offset: 4, detail: `the type says ${type}, the payload ${payload}` },
  };
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false;
  return true;
}

/** A little-endian u64 that a frame can hold, or Infinity. */
function smallLength(bytes: Uint8Array, at: number): number {
  for (let i = at + 4; i < at + 8; i++) if (bytes[i] !== 0) return Infinity;
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return low + (bytes[at + 3] ?? 0) * 2 ** 24;
}

/** Where a message's answer belongs, read without its content: for messages of which a part cannot be read. */
export interface MessageHead {
  readonly name: 'Request' | 'Response' | 'Invocation' | 'InvocationResult';
  readonly correlationId: bigint;
}

/** The head of a frame's body; null where the message has no correlation id, or ends before it. */
export function messageHead(body: Uint8Array): MessageHead | null {
  if (body.length < 12) return null;
  const view = new DataView(body.buffer, body.byteOffset);
  const name = HEAD_NAMES.get(view.getUint32(0, true));
  return name === undefined ? null : { name, correlationId: view.getBigUint64(4, true) };
}

/** ModuleMessage's tags: the same in every generation. */
const HEAD_NAMES: ReadonlyMap<number, MessageHead['name']> = new Map([
  [0, 'Request'],
  [1, 'Response'],
  [4, 'Invocation'],
  [5, 'InvocationResult'],
]);

/** A message shown for a person: its kind and name as in the vectors, its value, its bytes written again. */
export interface InspectedMessage {
  readonly kind: string;
  readonly name: string;
  readonly value: Json;
  readonly hex: string;
}

/** Decodes one frame body as a node of that version writes it. */
export function ipcInspect(body: Uint8Array, nodeVersion: string): Decoded<InspectedMessage> {
  const codec = IpcCodec.forVersion(nodeVersion);
  const decoded = codec.decodeMessage(body);
  if (!decoded.ok) return decoded;
  const message = decoded.value;
  return {
    ok: true,
    value: {
      kind: message.name === 'InvocationResult' ? 'invocation_result' : message.name.toLowerCase(),
      name: shownName(message),
      value: codec.messageJson(message),
      hex: toHex(codec.encodeMessage(message)),
    },
  };
}

function shownName(message: ModuleMessage): string {
  switch (message.name) {
    case 'Request':
    case 'Event':
      return message.value.payload.name;
    case 'Response':
    case 'InvocationResult':
      return message.value.payload?.name ?? 'error';
    case 'Invocation':
      return message.value.invocation_type.name;
    case 'Log':
      return 'LogMessage';
  }
}
