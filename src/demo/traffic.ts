/**
 * The demonstration's honest traffic: paid packets between random nodes, and what came of each.
 *
 * Every packet goes the documents' way: a module asks the mesh on its node for a price, pays an invoice of the
 * destination's wallet, sends by `send_packet`, and the destination's mesh calls the handler that was registered there.
 */
import { present } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';
import { nodeKey } from '../core/ids.js';
import type { Random } from '../core/ports.js';
import { randomBelow, randomU64 } from '../core/random.js';
import type { MeshClient } from '../api/mesh-client.js';
import { decodePacket, encodePacket, PACKET_VERSION, type MeshPacket } from '../packet/packet.js';
import type { LightningProof } from '../packet/proof.js';
import type { DeliveredPacket } from './cheats.js';

/** The protocols of the documents' use cases. */
export const DEMO_PROTOCOLS = ['onion-v1', 'mining-pool-v1', 'messaging-v1'] as const;

/** One end of the traffic: a module beside the mesh on its node. */
export interface TrafficNode {
  readonly nodeId: NodeId;
  readonly client: MeshClient;
  /** Nodes that it is connected to, by index. */
  readonly neighbours: readonly number[];
  /** Sends packet bytes to a neighbour through the node, past the mesh beside it. */
  readonly sendTo: (neighbour: number, packetBytes: Uint8Array) => Promise<void>;
}

export interface TrafficOptions {
  readonly nodes: readonly TrafficNode[];
  readonly random: Random;
  /** Pays an invoice of a node's wallet. */
  readonly pay: (payee: number, amountMsat: bigint) => Promise<LightningProof>;
  /** How long a packet may take before it counts as lost. */
  readonly timeoutMillis: number;
  /** Monotonic, in milliseconds. */
  readonly now: () => number;
  readonly nowSeconds: () => number;
}

/** What happened to one packet. */
export interface TrafficRecord {
  readonly hops: number;
  readonly protocol: string;
  readonly latencyMillis: number;
  readonly amountMsat: bigint;
}

interface Content {
  readonly payload: Uint8Array;
  readonly proof: LightningProof;
  readonly protocol: string;
}

interface Awaited {
  readonly from: number;
  readonly to: number;
  readonly amountMsat: bigint;
  readonly protocol: string;
  readonly sentAt: number;
  readonly resolve: (isDelivered: boolean) => void;
}

/** Each payload opens with the packet's number, 8 bytes; the rest is filling. */
const NUMBER_BYTES = 8;
const FILLING_BYTES = 400;
const RETRY_MILLIS = 50;
/** The mesh takes short ways. One packet in so many goes a longer one that its sender chose. */
const PACKETS_PER_DETOUR = 4n;
const DETOUR_HOPS = [3, 4] as const;
/** Delivered packets kept as material for cheats. */
const KEPT_PACKETS = 256;

export class Traffic {
  /** What was delivered so far. */
  readonly records: TrafficRecord[] = [];
  /** Recently delivered packets. */
  readonly delivered: DeliveredPacket[] = [];
  /** The longest route that a packet took. */
  longestRoute: readonly NodeId[] = [];
  lost = 0;
  /** Why packets were lost, and how many for each. */
  readonly losses: Map<string, number> = new Map();
  /** Handler calls for packets that nobody waited for: anything here got through by cheating. */
  unexpected = 0;
  firstDeliveryAt: number | null = null;
  readonly #options: TrafficOptions;
  readonly #awaited = new Map<bigint, Awaited>();
  readonly #indexOf: ReadonlyMap<string, number>;
  #made = 0n;

  constructor(options: TrafficOptions) {
    this.#options = options;
    this.#indexOf = new Map(options.nodes.map(({ nodeId }, index) => [nodeKey(nodeId), index]));
  }

  /**
   * Sends one packet between two nodes; true when it arrived in time.
   * @param mayDetour lets one packet in four go a longer way that its sender chose; nobody looks after such a packet
   *   where its very first hop is dead
   */
  async send(from: number, to: number, mayDetour = false): Promise<boolean> {
    const { nodes, random, pay, now, timeoutMillis } = this.#options;
    const { client } = present(nodes[from], 'the sender is a node');
    const { nodeId: destination } = present(nodes[to], 'the receiver is a node');
    const deadline = now() + timeoutMillis;
    const number = this.#made++;
    const protocol = present(DEMO_PROTOCOLS[Number(number % 3n)], 'protocols take turns');
    const payload = random.bytes(NUMBER_BYTES + randomBelow(random, FILLING_BYTES));
    new DataView(payload.buffer).setBigUint64(0, number, true);

    const priceSats = await this.#price(client, destination, deadline);
    if (priceSats === null) return this.#lose('no route');
    const proof = await pay(to, priceSats * 1_000n);
    const arrived = new Promise<boolean>((resolve) => {
      this.#awaited.set(number, {
        from,
        to,
        amountMsat: proof.amountMsats,
        protocol,
        sentAt: now(),
        resolve,
      });
      setTimeout(() => {
        if (this.#awaited.delete(number)) resolve(false);
      }, timeoutMillis).unref();
    });
    const isDetour = mayDetour && number % PACKETS_PER_DETOUR === 0n;
    const error = isDetour
      ? await this.#sendAlong(this.#detour(from, to), { payload, proof, protocol })
      : await this.#sendByMesh(client, destination, { payload, proof, protocol });
    if (error !== null) {
      this.#awaited.delete(number);
      return this.#lose(error);
    }
    return (await arrived) || this.#lose('did not arrive');
  }

  /** The mesh on a node handed over a packet. */
  onDelivered(at: number, packetBytes: Uint8Array): void {
    const decoded = decodePacket(packetBytes);
    if (!decoded.ok || decoded.value.packet.payload.length < NUMBER_BYTES) {
      this.unexpected += 1;
      return;
    }
    const { packet } = decoded.value;
    const number = new DataView(packet.payload.buffer, packet.payload.byteOffset).getBigUint64(0, true);
    const awaited = this.#awaited.get(number);
    if (awaited?.to !== at) {
      this.unexpected += 1;
      return;
    }
    this.#awaited.delete(number);
    const arrivedAt = this.#options.now();
    this.firstDeliveryAt ??= arrivedAt;
    this.records.push({
      hops: packet.route.length - 1,
      protocol: awaited.protocol,
      latencyMillis: arrivedAt - awaited.sentAt,
      amountMsat: awaited.amountMsat,
    });
    if (packet.route.length > this.longestRoute.length) this.longestRoute = packet.route;
    const lastHop = this.#indexOf.get(nodeKey(present(packet.route.at(-2), 'a route has two ids')));
    if (lastHop !== undefined) {
      const kept = { bytes: packetBytes, from: lastHop, to: at };
      if (this.delivered.length < KEPT_PACKETS) this.delivered.push(kept);
      else this.delivered[randomBelow(this.#options.random, KEPT_PACKETS)] = kept;
    }
    awaited.resolve(true);
  }

  /** Two different nodes, drawn at random. */
  randomPair(): { readonly from: number; readonly to: number } {
    const { random, nodes } = this.#options;
    const from = randomBelow(random, nodes.length);
    return { from, to: (from + 1 + randomBelow(random, nodes.length - 1)) % nodes.length };
  }

  async #sendByMesh(client: MeshClient, destination: NodeId, content: Content): Promise<string | null> {
    const { payload, proof, protocol } = content;
    const sent = await client.sendPacket(destination, payload, { paymentProof: proof, protocolId: protocol });
    return sent.success ? null : (sent.error ?? 'not sent');
  }

  /** Source routing by hand: the packet is built here and handed to the first neighbour on its way. */
  async #sendAlong(way: readonly number[], { payload, proof, protocol }: Content): Promise<string | null> {
    const { nodes, random, nowSeconds } = this.#options;
    const route = way.map((index) => present(nodes[index], 'a way leads over nodes').nodeId);
    const [source, ...rest] = route;
    const packet: MeshPacket = {
      version: PACKET_VERSION,
      packetType: 'Paid',
      source: present(source, 'a way has a start'),
      destination: present(rest.at(-1), 'a way has an end'),
      route,
      sequence: randomU64(random),
      timestamp: BigInt(nowSeconds()),
      paymentProof: proof,
      payload,
      metadata: { protocol, fields: new Map() },
    };
    const [from = 0, next = 0] = way;
    await present(nodes[from], 'the sender is a node').sendTo(next, encodePacket(packet));
    return null;
  }

  /** A way of three or four hops where there is one, drawn at random, else of whatever length there is. */
  #detour(from: number, to: number): readonly number[] {
    const { nodes, random } = this.#options;
    const ways: (readonly number[])[] = [];
    const walk = (way: readonly number[]): void => {
      const here = present(way.at(-1), 'a way has a last node');
      if (here === to) ways.push(way);
      else if (way.length <= Math.max(...DETOUR_HOPS)) {
        const { neighbours } = present(nodes[here], 'a way leads over nodes');
        for (const next of neighbours) if (!way.includes(next)) walk([...way, next]);
      }
    };
    walk([from]);
    const hops = present(DETOUR_HOPS[randomBelow(random, DETOUR_HOPS.length)], 'one of the lengths');
    const wanted = ways.filter((way) => way.length - 1 === hops);
    const choice = wanted.length > 0 ? wanted : ways;
    return present(choice[randomBelow(random, choice.length)], 'the network is connected');
  }

  #lose(why: string): boolean {
    this.lost += 1;
    this.losses.set(why, (this.losses.get(why) ?? 0) + 1);
    return false;
  }

  /** The price in sats, as soon as a route is known. */
  async #price(client: MeshClient, destination: NodeId, deadline: number): Promise<bigint | null> {
    while (this.#options.now() < deadline) {
      const price = await client.quoteRouteFee(destination);
      if (price > 0n) return price;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MILLIS));
    }
    return null;
  }
}
