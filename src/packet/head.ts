/**
 * The head of a packet, read where it lies: who is on its route. The main thread needs no more of a packet that is only
 * passed on, and decoding all of it would cost as much as everything else it does with one.
 *
 * Rules: wire.md, Packet; both generations begin the same. Only of bytes that a judge has found good: nothing is checked
 * here that the judge has checked.
 */
import { assert } from '../core/assert.js';
import { holdsAt } from '../core/bytes.js';
import { NODE_ID_BYTES, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { hasMagic, MAGIC_BYTES } from './packet.js';

/** Behind MESH: version, type, source, destination; then the length of the route. */
const IDS_OFFSET = 1 + 4 + 2 * NODE_ID_BYTES;
const LENGTH_BYTES = 8;

export class PacketHead {
  /** The packet, borrowed for as long as the head is used. */
  readonly bytes: Uint8Array;
  /** How many ids the route has: 2 to 11. */
  readonly ids: number;
  readonly #routeAt: number;

  /** @param bytes of a packet that was judged good */
  constructor(bytes: Uint8Array) {
    const idsAt = (hasMagic(bytes) ? MAGIC_BYTES : 0) + IDS_OFFSET;
    this.bytes = bytes;
    this.ids = bytes[idsAt] ?? 0;
    this.#routeAt = idsAt + LENGTH_BYTES;
    assert(this.ids >= 2 && this.ids <= LIMITS.ROUTE_IDS, 'a packet that was judged good has a route');
  }

  /** Where the id at a place of the route begins in the bytes. */
  idAt(place: number): number {
    return this.#routeAt + place * NODE_ID_BYTES;
  }

  /** All ids one behind another: a view of the packet's bytes. */
  get routeBytes(): Uint8Array {
    const { bytes } = this;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + this.#routeAt, this.ids * NODE_ID_BYTES);
  }

  /** Whether the route is the one that `routeBytes` of another packet had. */
  hasRoute(routeBytes: Uint8Array): boolean {
    return routeBytes.length === this.ids * NODE_ID_BYTES && holdsAt(this.bytes, this.#routeAt, routeBytes);
  }

  /** The id at a place of the route: a view of the packet's bytes. */
  node(place: number): NodeId {
    assert(place >= 0 && place < this.ids, 'a place of the route');
    const { bytes } = this;
    return new Uint8Array(bytes.buffer, bytes.byteOffset + this.idAt(place), NODE_ID_BYTES) as NodeId;
  }

  get destination(): NodeId {
    return this.node(this.ids - 1);
  }

  /** All ids, as views. */
  route(): NodeId[] {
    const route: NodeId[] = [];
    for (let place = 0; place < this.ids; place++) route.push(this.node(place));
    return route;
  }

  /** The number that the source gave the packet: 64 bits; as a number where that holds it exactly. */
  get sequence(): number | bigint {
    const start = this.idAt(this.ids);
    const low = this.#u32(start);
    const high = this.#u32(start + 4);
    const sum = high * 2 ** 32 + low;
    return Number.isSafeInteger(sum) ? sum : (BigInt(high) << 32n) | BigInt(low);
  }

  #u32(at: number): number {
    const { bytes } = this;
    const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return low + (bytes[at + 3] ?? 0) * 2 ** 24;
  }

  /** The ids between both ends, as views. */
  routers(): NodeId[] {
    const routers: NodeId[] = [];
    for (let place = 1; place < this.ids - 1; place++) routers.push(this.node(place));
    return routers;
  }
}
