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
import { randomBelow } from '../core/random.js';
import type { MeshClient } from '../api/mesh-client.js';
import { decodePacket } from '../packet/packet.js';
import type { LightningProof } from '../packet/proof.js';
import type { DeliveredPacket } from './cheats.js';

/** The protocols of the documents' use cases. */
export const DEMO_PROTOCOLS = ['onion-v1', 'mining-pool-v1', 'messaging-v1'] as const;

/** One end of the traffic: a module beside the mesh on its node. */
export interface TrafficNode {
  readonly nodeId: NodeId;
  readonly client: MeshClient;
}

export interface TrafficOptions {
  readonly nodes: readonly TrafficNode[];
  readonly random: Random;
  /** Pays an invoice of a node's wallet. */
  readonly pay: (payee: number, amountMsat: bigint) => Promise<LightningProof>;
  /** How long a packet may take before it counts as lost. */
  readonly timeoutMillis: number;
  readonly now: () => number;
}

/** What happened to one packet. */
export interface TrafficRecord {
  readonly hops: number;
  readonly protocol: string;
  readonly latencyMillis: number;
  readonly amountMsat: bigint;
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

  /** Sends one packet between two nodes; true when it arrived in time. */
  async send(from: number, to: number): Promise<boolean> {
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
      }, timeoutMillis);
    });
    const sent = await client.sendPacket(destination, payload, { paymentProof: proof, protocolId: protocol });
    if (!sent.success) {
      this.#awaited.delete(number);
      return this.#lose(sent.error ?? 'not sent');
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
