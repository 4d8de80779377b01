/**
 * A network of development nodes in one process: who is connected to whom, and how well packets travel.
 *
 * Any number of nodes with a chain in common, each with a socket for modules and a wallet; besides them light
 * peers without a node, honest or hostile. Everything random follows from one seed.
 */
import { assert } from '../core/assert.js';
import { utf8 } from '../core/bytes.js';
import { systemClock } from '../core/clock.js';
import { MeshError } from '../core/errors.js';
import { sha256 } from '../core/hash.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import { SeededRandom } from '../core/random.js';
import { DevChain } from './chain.js';
import { LinkDirection, PERFECT_LINK, type LinkQuality, type LinkStats } from './link.js';
import { DevNode, type DevNodeOptions } from './node.js';
import { InvoiceBook, type DevPayment } from './wallet.js';

/** One who can be reached at an address of the virtual network. */
export interface NetworkMember {
  readonly address: string;
  onBytes(from: string, bytes: Uint8Array): void;
  onPeerConnected(address: string): void;
  onPeerDisconnected(address: string, reason: string): void;
}

export interface DevNetworkOptions {
  /** Default 1. */
  readonly seed?: number;
  /** For links that name no quality of their own. Default: nothing lost, no delay. */
  readonly link?: LinkQuality;
  readonly clock?: Clock;
  readonly log?: Log;
}

/** A peer without a node: it sends and gets raw bytes, whatever they are. */
export interface LightPeer {
  readonly address: string;
  /** Connects to a member at once, and tells it. */
  connect(to: string, quality?: Partial<LinkQuality>): void;
  disconnect(from: string, reason?: string): void;
  /** @returns false where the peer is not connected to that address */
  send(to: string, bytes: Uint8Array): boolean;
  /** Disconnects from everyone and frees the address. */
  leave(): void;
}

export interface NetworkLink {
  readonly a: string;
  readonly b: string;
  readonly quality: LinkQuality;
  /** From a to b, and back. */
  readonly forth: LinkStats;
  readonly back: LinkStats;
}

interface Link {
  readonly a: string;
  readonly b: string;
  readonly forth: LinkDirection;
  readonly back: LinkDirection;
}

interface Arrival {
  readonly to: string;
  readonly from: string;
  readonly bytes: Uint8Array;
}

const silent: Log = { log: () => undefined };

export class DevNetwork {
  readonly seed: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly chain: DevChain;
  /** Every invoice of every wallet here. */
  readonly invoices: InvoiceBook = new InvoiceBook();
  readonly #link: LinkQuality;
  readonly #members = new Map<string, NetworkMember>();
  readonly #nodes = new Map<string, DevNode>();
  readonly #links = new Map<string, Link>();
  /** Bytes that arrived while others were being taken: peers that answer each other must not recurse. */
  readonly #arrivals: Arrival[] = [];
  #isDelivering = false;

  constructor(options: DevNetworkOptions = {}) {
    this.seed = options.seed ?? 1;
    this.clock = options.clock ?? systemClock;
    this.log = options.log ?? silent;
    this.#link = options.link ?? PERFECT_LINK;
    this.chain = new DevChain(this.clock);
  }

  /** Adds a node and opens its socket. The first is node-1 at 10.0.0.1:18444 unless the options say otherwise. */
  async addNode(options: DevNodeOptions): Promise<DevNode> {
    const number = this.#nodes.size + 1;
    const name = options.name ?? `node-${number}`;
    if (this.#nodes.has(name))
      throw new MeshError('DEV_NODE_FAILED', `there is a node ${name} already`, { name });
    const node = new DevNode(this, name, options.address ?? addressOf(number), options);
    this.#addMember(node);
    this.#nodes.set(name, node);
    try {
      await node.listen();
    } catch (error) {
      this.#nodes.delete(name);
      this.#members.delete(node.address);
      throw error;
    }
    return node;
  }

  /** All nodes, in the order they were added. */
  get nodes(): readonly DevNode[] {
    return [...this.#nodes.values()];
  }

  /**
   * A node by its name or address.
   * @throws MeshError PEER_UNKNOWN where there is none
   */
  node(nameOrAddress: string): DevNode {
    const byName = this.#nodes.get(nameOrAddress);
    if (byName !== undefined) return byName;
    for (const node of this.#nodes.values()) if (node.address === nameOrAddress) return node;
    throw new MeshError('PEER_UNKNOWN', `there is no node ${nameOrAddress} in this network`, {
      nameOrAddress,
    });
  }

  /**
   * Adds a peer that has no node.
   * @param onBytes gets whatever members send to the address
   */
  join(address: string, onBytes: (from: string, bytes: Uint8Array) => void): LightPeer {
    this.#addMember({
      address,
      onBytes,
      onPeerConnected: () => undefined,
      onPeerDisconnected: () => undefined,
    });
    return {
      address,
      connect: (to, quality) => {
        this.connect(address, to, quality);
      },
      disconnect: (from, reason) => {
        this.disconnect(address, from, reason);
      },
      send: (to, bytes) => this.send(address, to, bytes),
      leave: () => {
        this.#remove(address);
      },
    };
  }

  /**
   * Connects two members, named by node name or address. Does nothing where they are connected already.
   * @throws MeshError PEER_UNKNOWN for an unknown member, DEV_NODE_FAILED where one has banned the other
   */
  connect(first: string, second: string, quality: Partial<LinkQuality> = {}): void {
    const a = this.#resolve(first);
    const b = this.#resolve(second);
    const key = linkKey(a.address, b.address);
    if (this.#links.has(key)) return;
    if (a.address === b.address)
      throw new MeshError('DEV_NODE_FAILED', 'a member cannot connect to itself', { address: a.address });
    if (this.#hasBanned(a, b) || this.#hasBanned(b, a)) {
      throw new MeshError('DEV_NODE_FAILED', 'one of the two has banned the other: wait until the ban ends', {
        a: a.address,
        b: b.address,
      });
    }
    const whole = { ...this.#link, ...quality };
    this.#links.set(key, {
      a: a.address,
      b: b.address,
      forth: this.#direction(a.address, b.address, whole),
      back: this.#direction(b.address, a.address, whole),
    });
    a.onPeerConnected(b.address);
    b.onPeerConnected(a.address);
  }

  /** Cuts a link, and tells both ends. Does nothing where there is none. */
  disconnect(first: string, second: string, reason = 'connection closed'): void {
    const a = this.#resolve(first);
    const b = this.#resolve(second);
    const key = linkKey(a.address, b.address);
    const link = this.#links.get(key);
    if (link === undefined) return;
    this.#links.delete(key);
    link.forth.close();
    link.back.close();
    a.onPeerDisconnected(b.address, reason);
    b.onPeerDisconnected(a.address, reason);
  }

  /**
   * Changes how well a link works, in both directions, from now on.
   * @throws MeshError PEER_UNKNOWN where there is no such link
   */
  setLink(first: string, second: string, quality: Partial<LinkQuality>): LinkQuality {
    const a = this.#resolve(first).address;
    const b = this.#resolve(second).address;
    const link = this.#links.get(linkKey(a, b));
    if (link === undefined)
      throw new MeshError('PEER_UNKNOWN', `${a} and ${b} are not connected: connect them first`, { a, b });
    const whole = { ...link.forth.quality, ...quality };
    link.forth.setQuality(whole);
    link.back.setQuality(whole);
    return whole;
  }

  /**
   * Sends bytes over a link. They are kept, not copied.
   * @returns false where the two are not connected, or the bytes are more than one message may have
   */
  send(from: string, to: string, bytes: Uint8Array): boolean {
    const link = this.#links.get(linkKey(from, to));
    if (link === undefined || bytes.length > LIMITS.DEV_P2P_BYTES) return false;
    (link.a === from ? link.forth : link.back).send(bytes);
    return true;
  }

  /** Whether two addresses are connected. */
  isConnected(a: string, b: string): boolean {
    return this.#links.has(linkKey(a, b));
  }

  links(): readonly NetworkLink[] {
    return [...this.#links.values()].map(({ a, b, forth, back }) => ({
      a,
      b,
      quality: forth.quality,
      forth: forth.stats(),
      back: back.stats(),
    }));
  }

  /**
   * Pays an invoice of any wallet here.
   * @throws MeshError WALLET_REFUSED
   */
  pay(invoice: string, amountMsat?: bigint): DevPayment {
    return this.invoices.pay(invoice, amountMsat);
  }

  /** Closes all nodes and removes their sockets. */
  async close(): Promise<void> {
    const nodes = this.nodes;
    for (const address of this.#members.keys()) this.#remove(address);
    this.#nodes.clear();
    await Promise.all(nodes.map((node) => node.close()));
  }

  #addMember(member: NetworkMember): void {
    if (this.#members.has(member.address)) {
      throw new MeshError('DEV_NODE_FAILED', `the address ${member.address} is taken`, {
        address: member.address,
      });
    }
    if (this.#members.size >= LIMITS.DEV_NODES) {
      throw new MeshError('DEV_NODE_FAILED', `a development network has at most ${LIMITS.DEV_NODES} members`);
    }
    this.#members.set(member.address, member);
  }

  #remove(address: string): void {
    for (const link of [...this.#links.values()]) {
      if (link.a === address || link.b === address) this.disconnect(link.a, link.b, 'peer left');
    }
    this.#members.delete(address);
  }

  #resolve(nameOrAddress: string): NetworkMember {
    return this.#members.get(nameOrAddress) ?? this.node(nameOrAddress);
  }

  #hasBanned(member: NetworkMember, other: NetworkMember): boolean {
    return member instanceof DevNode && member.hasBanned(other.address);
  }

  #direction(from: string, to: string, quality: LinkQuality): LinkDirection {
    // Each direction draws from a generator of its own, so that traffic elsewhere changes nothing here.
    const digest = sha256(utf8(`${this.seed}/${from}/${to}`));
    const seed = new DataView(digest.buffer, digest.byteOffset).getUint32(0, true);
    return new LinkDirection(quality, this.clock, new SeededRandom(seed), (bytes) => {
      this.#arrive({ to, from, bytes });
    });
  }

  #arrive(arrival: Arrival): void {
    this.#arrivals.push(arrival);
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    try {
      for (let next = this.#arrivals.shift(); next !== undefined; next = this.#arrivals.shift()) {
        this.#members.get(next.to)?.onBytes(next.from, next.bytes);
      }
    } finally {
      this.#isDelivering = false;
    }
  }
}

/** The address of the nth node, from 1: 10.0.0.1:18444, regtest's port. */
export function addressOf(number: number): string {
  assert(number > 0 && number < 2 ** 24, 'node numbers fit in 10.0.0.0/8');
  return `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}:18444`;
}

function linkKey(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
