/**
 * A network of whole engines in one process: virtual time, seeded chance, links that delay, lose and reorder, real
 * signed invoices, journals on disks in memory. The same seed gives the same run.
 *
 * A link can be cut so that both ends are told (as a node reports it), or fall silent so that nobody is.
 */
import { present } from '../../src/core/assert.js';
import { MeshError } from '../../src/core/errors.js';
import { nodeIdOf, nodeKey, type NodeId } from '../../src/core/ids.js';
import { sha256 } from '../../src/core/hash.js';
import type { FeeSchedule, JudgePolicy } from '../../src/core/policy.js';
import { SeededRandom } from '../../src/core/random.js';
import type { SendResult } from '../../src/engine/outbound.js';
import type { PacketOutcome } from '../../src/engine/packet-outcome.js';
import { isControlProtocol } from '../../src/packet/control.js';
import { decodePacket, encodePacket, type MeshPacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import type { Route } from '../../src/routing/table.js';
import { MemoryDisk } from '../unit/store/memory-disk.js';
import { EngineLinks, NetClock, type LinkQuality } from './engine-links.js';
import { EngineNode } from './engine-node.js';
import { testPolicy } from './paid-packets.js';
import { makeInvoice, proofOf, testPayee, type InvoiceOptions, type TestPayee } from './invoices.js';

/** 1,000 msat, 100 a hop, 10 a KiB. */
export const NET_FEES: FeeSchedule = {
  baseMsat: 1_000n,
  perHopMsat: 100n,
  perKibMsat: 10n,
  proportionalPpm: 0n,
};

/** Enough for 10 hops and the largest payload. */
export const PLENTY_MSAT = 10_000n;
export const PROTOCOL = 'chat-v1';
export const HELLO_MILLIS = 1_000;

const PERFECT_LINKS: LinkQuality = { latencyMillis: [5, 5], loss: 0, reordering: 0 };

/** How far time moves before what it set off is handled. */
const STEP_MILLIS = 5;
/** Turns of the event loop after which nothing more is waited for: something is held back on purpose. */
const MOST_TURNS = 50;

export interface EngineNetOptions {
  readonly seed?: number;
  readonly nodes: number;
  readonly links: readonly (readonly [number, number])[];
  readonly quality?: LinkQuality;
  readonly policy?: (index: number) => Partial<JudgePolicy>;
  readonly packetTtlSeconds?: number;
  readonly packetsPerMinute?: number;
  readonly freePacketsPerMinute?: number;
  readonly freeBytesPerMinute?: number;
  readonly maxPeers?: number;
  readonly replayKeys?: number;
  /** Worker threads of each node; none unless said otherwise. */
  readonly workers?: (index: number) => number;
  /** Whether plain judges say of packets that they follow each other; they do unless said otherwise. */
  readonly hints?: boolean;
  readonly maxUnsettledMsat?: bigint;
}

/** The id of a node of every net. */
export function netNode(index: number): NodeId {
  return nodeIdOf(sha256(new TextEncoder().encode(`node ${index}`)));
}

/** A packet of payload traffic that was put on a link. */
export interface Hop {
  readonly from: number;
  readonly to: number;
  readonly packet: MeshPacket;
  readonly bytes: Uint8Array;
}

/** A connection to one node with nobody but the test behind it. */
export interface Stranger {
  readonly address: string;
  /** What the node sent to it. */
  readonly heard: Uint8Array[];
  send(packetBytes: Uint8Array): Promise<PacketOutcome>;
}

export class EngineNet {
  readonly clock = new NetClock();
  readonly random: SeededRandom;
  readonly links: EngineLinks;
  readonly hops: Hop[] = [];
  readonly #options: EngineNetOptions;
  readonly #nodes: EngineNode[] = [];
  readonly #strangers = new Map<string, Stranger>();
  #pending = 0;
  #invoices = 0;

  /** Starts all nodes and links; resolves when every pair of neighbours knows each other. */
  static async start(options: EngineNetOptions): Promise<EngineNet> {
    const net = new EngineNet(options);
    for (let index = 0; index < options.nodes; index++) net.#nodes.push(await net.#startNode(index));
    for (const [a, b] of options.links) net.connect(a, b);
    const joined = (): boolean => options.links.every(([a, b]) => net.areNeighbours(a, b));
    if (!(await net.until(joined, 10_000))) throw new Error('the neighbours did not find each other');
    return net;
  }

  private constructor(options: EngineNetOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed ?? 1);
    this.links = new EngineLinks(this.clock, this.random, options.quality ?? PERFECT_LINKS);
  }

  node(index: number): EngineNode {
    return present(this.#nodes[index], 'a node of the net');
  }

  get nodes(): readonly EngineNode[] {
    return this.#nodes;
  }

  idOf(index: number): NodeId {
    return netNode(index);
  }

  /** A node's address as its peers see it. */
  addressOf(index: number): string {
    return `peer-${index}`;
  }

  payeeOf(index: number): TestPayee {
    return testPayee(1_000 + index);
  }

  areNeighbours(a: number, b: number): boolean {
    return this.node(a).peers.has(this.idOf(b)) && this.node(b).peers.has(this.idOf(a));
  }

  /** Brings a link up: both ends are told. */
  connect(a: number, b: number): void {
    this.links.connect(a, b);
    this.#tell(a, (node) => node.peers.connected(this.addressOf(b)));
    this.#tell(b, (node) => node.peers.connected(this.addressOf(a)));
  }

  /** Cuts a link: what is under way is lost, and both ends are told. */
  cut(a: number, b: number): void {
    this.links.break(a, b, 'down');
    this.#tell(a, (node) => {
      node.peers.disconnected(this.addressOf(b));
    });
    this.#tell(b, (node) => {
      node.peers.disconnected(this.addressOf(a));
    });
  }

  /** From now on nothing that is sent over the link arrives, and nobody is told. */
  silence(a: number, b: number): void {
    this.links.break(a, b, 'silent');
  }

  /** Opens a connection to a node from outside of the net. */
  stranger(at: number, address: string): Stranger {
    const node = this.node(at);
    const stranger: Stranger = {
      address,
      heard: [],
      send: (packetBytes) => node.handle(packetBytes, address),
    };
    this.#strangers.set(`${at} ${address}`, stranger);
    node.peers.connected(address);
    return stranger;
  }

  /** Ends a node's run and starts the next one on what its disk holds; its links are told. */
  async restart(index: number, way: 'close' | 'kill' = 'close'): Promise<EngineNode> {
    await this.stop(index, way);
    return this.revive(index);
  }

  async stop(index: number, way: 'close' | 'kill'): Promise<void> {
    await this.node(index).stop(way);
    for (const other of this.#linked(index)) this.links.break(index, other, 'silent');
  }

  async revive(index: number): Promise<EngineNode> {
    const before = this.node(index).disk;
    this.#nodes[index] = await this.#startNode(
      index,
      before.crash((synced) => synced),
    );
    for (const other of this.#linked(index)) {
      this.#tell(other, (node) => {
        node.peers.disconnected(this.addressOf(index));
      });
      this.connect(index, other);
    }
    return this.node(index);
  }

  /** Handles everything that is ready, without moving time. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < MOST_TURNS && (turn < 2 || this.#pending > 0); turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async run(millis: number, stepMillis: number = STEP_MILLIS): Promise<void> {
    await this.settle();
    for (let left = millis; left > 0; left -= stepMillis) {
      this.clock.advance(Math.min(left, stepMillis));
      await this.settle();
    }
  }

  /** Runs until something is so; false where it is not within the time. */
  async until(condition: () => boolean, millis: number): Promise<boolean> {
    for (let passed = 0; passed <= millis && !condition(); passed += STEP_MILLIS) await this.run(STEP_MILLIS);
    return condition();
  }

  /** An invoice of a node, paid: as good as any for a packet to that node. */
  pay(
    payee: number,
    options: Partial<InvoiceOptions> = {},
    lies: Partial<LightningProof> = {},
  ): LightningProof {
    return proofOf(
      makeInvoice({
        seed: 10_000 + this.#invoices++,
        payee: this.payeeOf(payee),
        amountMsat: PLENTY_MSAT,
        timestamp: this.clock.unixSeconds(),
        ...options,
      }),
      lies,
    );
  }

  /** A packet along the nodes of a route, paid to the last of them unless said otherwise. */
  packet(route: readonly number[], changes: Partial<MeshPacket> = {}): MeshPacket {
    const ids = route.map((index) => this.idOf(index));
    const last = present(route.at(-1), 'a route has an end');
    return {
      version: 1,
      packetType: 'Paid',
      source: present(ids[0], 'a route has a start'),
      destination: this.idOf(last),
      route: ids,
      sequence: BigInt(++this.#invoices),
      timestamp: BigInt(this.clock.unixSeconds()),
      paymentProof: changes.paymentProof === undefined ? this.pay(last) : changes.paymentProof,
      payload: new TextEncoder().encode('hello, mesh'),
      metadata: { protocol: PROTOCOL, fields: new Map() },
      ...changes,
    };
  }

  /** Hands a packet to a node as if its neighbour had sent it. */
  async inject(from: number, to: number, packet: MeshPacket | Uint8Array): Promise<PacketOutcome> {
    const bytes = packet instanceof Uint8Array ? packet : encodePacket(packet);
    const work = this.node(to).handle(bytes, this.addressOf(from));
    this.#track(work);
    await this.settle();
    return work;
  }

  /** Lets a node find a route. */
  async discover(from: number, to: number): Promise<Route | null> {
    let route: Route | null | undefined;
    void this.node(from)
      .discovery.discover(this.idOf(to))
      .then((found) => {
        route = found;
      });
    await this.until(() => route !== undefined, 31_000);
    // The answers that come within the grace are alternatives.
    await this.run(1_100);
    return route ?? null;
  }

  /** Sends a paid packet from a node's own modules. */
  async send(from: number, to: number, payload: Uint8Array, amountMsat = PLENTY_MSAT): Promise<SendResult> {
    const work = this.node(from).outbound.send({
      destination: this.idOf(to),
      payload,
      paymentProof: this.pay(to, { amountMsat }),
      protocolId: PROTOCOL,
      ttlSeconds: null,
    });
    this.#track(work);
    await this.settle();
    return work;
  }

  async close(): Promise<void> {
    for (const node of this.#nodes) if (!node.isClosed) await node.stop('kill');
  }

  #startNode(index: number, disk: MemoryDisk = new MemoryDisk()): Promise<EngineNode> {
    const { nodes, policy } = this.#options;
    const self = this.idOf(index);
    return EngineNode.start({
      self,
      policy: testPolicy({
        self: nodeKey(self),
        ownPayee: this.payeeOf(index).publicKey,
        acceptedPayees: [],
        declaredPayees: Array.from({ length: nodes }, (_, other) => [
          nodeKey(netNode(other)),
          this.payeeOf(other).publicKey,
        ]),
        fees: NET_FEES,
        ...policy?.(index),
      }),
      clock: this.clock,
      random: this.random,
      disk,
      // As the direct transport: it takes at once what the node need not hold.
      link: {
        send: (address, bytes) => this.#carry(index, address, bytes),
        passOn: (address, bytes) => this.#isCarried(index, address, bytes),
      },
      helloIntervalMillis: HELLO_MILLIS,
      packetTtlSeconds: this.#options.packetTtlSeconds ?? 20,
      packetsPerMinute: this.#options.packetsPerMinute ?? 600_000,
      freePacketsPerMinute: this.#options.freePacketsPerMinute ?? 300_000,
      freeBytesPerMinute: this.#options.freeBytesPerMinute ?? 10_000_000_000,
      maxPeers: this.#options.maxPeers ?? 64,
      replayKeys: this.#options.replayKeys ?? 100_000,
      workers: this.#options.workers?.(index) ?? 0,
      hints: this.#options.hints ?? true,
      maxUnsettledMsat: this.#options.maxUnsettledMsat ?? 0n,
    });
  }

  #carry(from: number, address: string, bytes: Uint8Array): Promise<void> {
    if (this.#isCarried(from, address, bytes)) return Promise.resolve();
    return Promise.reject(new MeshError('PEER_UNKNOWN', 'the link is down', { from, address }));
  }

  #isCarried(from: number, address: string, bytes: Uint8Array): boolean {
    const stranger = this.#strangers.get(`${from} ${address}`);
    if (stranger !== undefined) {
      stranger.heard.push(bytes.slice());
      return true;
    }
    const copy = bytes.slice();
    const to = Number(address.slice(this.addressOf(0).length - 1));
    const isTaken =
      !this.node(from).isClosed &&
      this.links.carry(from, to, () => {
        if (!this.node(to).isClosed) this.#track(this.node(to).handle(copy, this.addressOf(from)));
      });
    if (isTaken) this.#record(from, to, copy);
    return isTaken;
  }

  #record(from: number, to: number, bytes: Uint8Array): void {
    const decoded = decodePacket(bytes);
    if (!decoded.ok || isControlProtocol(decoded.value.packet.metadata?.protocol ?? '')) return;
    this.hops.push({ from, to, packet: decoded.value.packet, bytes });
  }

  #linked(index: number): number[] {
    return this.#nodes.map((_, other) => other).filter((other) => this.links.has(index, other));
  }

  #tell(index: number, what: (node: EngineNode) => unknown): void {
    const node = this.node(index);
    if (!node.isClosed) what(node);
  }

  #track(work: Promise<unknown>): void {
    this.#pending += 1;
    void work.finally(() => {
      this.#pending -= 1;
    });
  }
}
