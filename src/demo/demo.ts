/**
 * The demonstration: five nodes, paid packets over one to four hops, replays and cheats among them, and what came
 * of it all.
 */
import { present } from '../core/assert.js';
import { fromHex, toHex } from '../core/bytes.js';
import { systemClock } from '../core/clock.js';
import { decode } from '../core/codec.js';
import { nodeKey } from '../core/ids.js';
import type { Log, Random } from '../core/ports.js';
import { SeededRandom, systemRandom } from '../core/random.js';
import { REASON_TABLE } from '../core/reasons.js';
import { MeshClient } from '../api/mesh-client.js';
import { ModuleIntegration } from '../node/module-integration.js';
import { packetFromPeer } from '../packet/module-api.js';
import type { LightningProof } from '../packet/proof.js';
import { lightning, makeCheat, type CheatMaterials, type DeliveredPacket } from './cheats.js';
import { DemoNetwork, type DemoNode, type DemoWay } from './network.js';
import type { DemoResult, ShownHop, ShownLink } from './report.js';
import { statusOf, type ModuleStatus } from './status.js';
import { DEMO_PROTOCOLS, Traffic } from './traffic.js';

export interface DemoOptions {
  /** Honest packets and cheats together; one in ten is a cheat. */
  readonly packets: number;
  readonly seed: number;
  readonly nodes: number;
  readonly way?: DemoWay;
  readonly log: Log;
  /** Called often: packets settled so far (delivered, lost, cheats sent), of all. */
  readonly onProgress: (settled: number, all: number) => void;
}

const DRIVER = 'mesh-demo';
const HANDLER = 'deliver';
/** Packets on their way at once. */
const CONCURRENCY = 8;
const PACKET_TIMEOUT_MILLIS = 20_000;
const CHEATS_PER_PACKET = 1 / 10;
/** How long the last refusals may take to be counted. */
const SETTLE_MILLIS = 5_000;
/** The driver's modules may ask as much as they like: the development node allows it. */
const DRIVER_REQUESTS_PER_SECOND = 100_000;

/** Hundreds of the reasons that discovery and routing, and connections, have (reasons.ts). */
const OTHER_AREAS: ReadonlySet<number> = new Set([5, 7]);

/** A demonstration that is up. */
export class Demo {
  readonly network: DemoNetwork;
  readonly traffic: Traffic;
  readonly #options: DemoOptions;
  readonly #drivers: readonly ModuleIntegration[];
  readonly #random: Random;
  readonly #startedAt: number;
  #cheatsSent = 0;
  /** How many of the cheats must be refused for each reason. */
  readonly #expected = new Map<string, number>();

  private constructor(
    options: DemoOptions,
    network: DemoNetwork,
    drivers: readonly ModuleIntegration[],
    random: Random,
    startedAt: number,
  ) {
    this.#options = options;
    this.network = network;
    this.#drivers = drivers;
    this.#random = random;
    this.#startedAt = startedAt;
    this.traffic = new Traffic({
      nodes: network.nodes.map(({ nodeId, neighbours }, index) => {
        const driver = present(drivers[index], 'every node has a driver');
        return {
          nodeId,
          neighbours,
          client: new MeshClient(driver),
          sendTo: (neighbour: number, bytes: Uint8Array) =>
            driver
              .nodeApi()
              .sendMeshPacketToPeer(present(network.nodes[neighbour], 'a neighbour').address, bytes),
        };
      }),
      random,
      pay: (payee, amountMsat) => this.#pay(payee, amountMsat),
      timeoutMillis: PACKET_TIMEOUT_MILLIS,
      now: () => performance.now(),
      nowSeconds: () => systemClock.unixSeconds(),
    });
  }

  /** Starts the network and a driver module beside the mesh on every node. */
  static async start(options: DemoOptions): Promise<Demo> {
    const startedAt = performance.now();
    const random = new SeededRandom(options.seed);
    const network = await DemoNetwork.start(options);
    const drivers: ModuleIntegration[] = [];
    try {
      for (const node of network.nodes) drivers.push(await connectDriver(node, options.log));
      const demo = new Demo(options, network, drivers, random, startedAt);
      for (const [index, driver] of drivers.entries()) await demo.#listen(index, driver);
      return demo;
    } catch (error) {
      for (const driver of drivers) await driver.close();
      await network.close();
      throw error;
    }
  }

  /** Sends the whole traffic and reports on it. */
  async run(): Promise<DemoResult> {
    const { packets } = this.#options;
    const cheats = Math.round(packets * CHEATS_PER_PACKET);
    const honest = packets - cheats;
    const begunAt = performance.now();
    let begun = 0;
    let settled = 0;
    const lane = async (): Promise<void> => {
      while (begun < honest) {
        begun += 1;
        const { from, to } = this.traffic.randomPair();
        await this.traffic.send(from, to, true);
        settled += 1;
        this.#options.onProgress(settled + this.#cheatsSent, packets);
        const isCheatDue = this.#cheatsSent < cheats && this.#cheatsSent * honest < settled * cheats;
        if (isCheatDue && this.#material.length > 0) await this.#cheat();
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, lane));
    while (this.#cheatsSent < cheats && this.#material.length > 0) await this.#cheat();
    this.#options.onProgress(packets, packets);
    const seconds = (performance.now() - begunAt) / 1_000;
    return this.#result(seconds);
  }

  async close(): Promise<void> {
    await Promise.all(this.#drivers.map((driver) => driver.close()));
    await this.network.close();
  }

  async #listen(index: number, driver: ModuleIntegration): Promise<void> {
    driver.onInvocation((invocation) => {
      if (invocation.name !== 'ModuleApi' || invocation.value.method !== HANDLER) {
        return Promise.resolve({ success: false, error: 'the demonstration has no such method' });
      }
      const call = decode(packetFromPeer, invocation.value.params);
      if (call.ok) this.traffic.onDelivered(index, call.value[0]);
      return Promise.resolve({ success: true, payload: { name: 'ModuleApi', value: new Uint8Array([1]) } });
    });
    await driver.nodeApi().registerModuleApi([HANDLER], 1);
    const client = new MeshClient(driver);
    for (const protocol of DEMO_PROTOCOLS) await client.registerProtocolHandler(protocol, HANDLER);
  }

  async #pay(payee: number, amountMsat: bigint): Promise<LightningProof> {
    const { control, nodes } = this.network;
    const { name } = present(nodes[payee], 'the payee is a node');
    const { invoice } = await control.call('createInvoice', { node: name, amountMsat: String(amountMsat) });
    const { preimage } = await control.call('pay', { invoice });
    const bytes = present(fromHex(preimage), 'the wallet reveals preimages in hex');
    return lightning(invoice, bytes, amountMsat, systemClock.unixSeconds());
  }

  async #cheat(): Promise<void> {
    const n = this.#cheatsSent++;
    const { control, nodes } = this.network;
    const materials: CheatMaterials = {
      random: this.#random,
      nowSeconds: () => systemClock.unixSeconds(),
      nodeIds: nodes.map(({ nodeId }) => nodeId),
      strangerKey: new Uint8Array(32).fill(7),
      pay: (payee, amountMsat) => this.#pay(payee, amountMsat),
      neighbours: (node) => present(nodes[node], 'a node of the network').neighbours,
    };
    const delivered = this.#material;
    const material = present(delivered[n % delivered.length], 'something was delivered');
    const cheat = await makeCheat(n, materials, material);
    this.#expected.set(cheat.expected, (this.#expected.get(cheat.expected) ?? 0) + 1);
    const from = present(nodes[cheat.from], 'the cheat is a node').name;
    const to = present(nodes[cheat.to], 'the cheated one is a node').address;
    const { sent } = await control.call('sendFrom', { node: from, to, hex: toHex(cheat.bytes) });
    if (!sent)
      throw new Error(`${from} could not send '${cheat.name}' to ${to}: their nodes are not connected`);
  }

  /**
   * Packets that a cheat can be made from: it is sent from node to node, and the direct transport also connects some
   * whose nodes are not.
   */
  get #material(): readonly DeliveredPacket[] {
    const { nodes } = this.network;
    return this.traffic.delivered.filter(({ from, to }) => nodes[from]?.neighbours.includes(to) === true);
  }

  async #result(seconds: number): Promise<DemoResult> {
    const statuses = await this.#settledStatuses();
    const { refused, repeated } = turnedAwayBy(statuses);
    const fees = { destinationMsat: 0n, routersMsat: 0n, treasuryMsat: 0n, totalMsat: 0n };
    for (const { received } of statuses) {
      for (const part of ['destinationMsat', 'routersMsat', 'treasuryMsat', 'totalMsat'] as const) {
        fees[part] += BigInt(received[part]);
      }
    }
    const paidMsat = this.traffic.records.reduce((sum, { amountMsat }) => sum + amountMsat, 0n);
    const { firstDeliveryAt } = this.traffic;
    return {
      seconds,
      records: this.traffic.records,
      lost: this.traffic.lost,
      cheatsSent: this.#cheatsSent,
      cheatsAccepted: this.traffic.unexpected,
      expected: byCount(this.#expected),
      refused: byCount(refused),
      repeated,
      fees,
      conserved:
        statuses.every(({ ledger }) => ledger.conserved) &&
        fees.destinationMsat + fees.routersMsat + fees.treasuryMsat === fees.totalMsat &&
        fees.totalMsat === paidMsat,
      links: this.#shownLinks(statuses, seconds),
      route: this.#shownRoute(),
      firstDeliverySeconds: firstDeliveryAt === null ? null : (firstDeliveryAt - this.#startedAt) / 1_000,
    };
  }

  /** What the modules say once every cheat was turned away, or when waiting any longer is no use. */
  async #settledStatuses(): Promise<readonly ModuleStatus[]> {
    const deadline = performance.now() + SETTLE_MILLIS;
    for (;;) {
      const read = await Promise.all(this.network.nodes.map((_, index) => this.network.status(index)));
      const statuses = read.map(statusOf).filter((status) => status !== null);
      if (this.#isEveryCheatIn(turnedAwayBy(statuses)) || performance.now() > deadline) return statuses;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Whether each reason was given at least as often as cheats were sent that must be refused for it. */
  #isEveryCheatIn({ refused, repeated }: TurnedAway): boolean {
    return [...this.#expected].every(([reason, count]) => {
      // One that comes again while the first is in care still is not refused, but acknowledged.
      const acknowledged = reason === 'ReplayedPayment' ? repeated : 0;
      return (refused.get(reason) ?? 0) + acknowledged >= count;
    });
  }

  /** What each connection of the direct transport carried, by its direction. */
  #shownLinks(statuses: readonly ModuleStatus[], seconds: number): readonly ShownLink[] {
    const nameOf = new Map<string, string>(
      this.network.nodes.map(({ nodeId, name }) => [nodeKey(nodeId), name]),
    );
    return statuses.flatMap(({ nodeId, transport }) =>
      (transport?.links ?? []).map((link) => ({
        from: nameOf.get(nodeId) ?? 'unknown',
        to: nameOf.get(link.nodeId) ?? 'unknown',
        packets: link.packetsOut,
        packetsPerSecond: link.packetsOut / seconds,
        bytesPerSecond: link.bytesOut / seconds,
      })),
    );
  }

  #shownRoute(): readonly ShownHop[] {
    const { nodes } = this.network;
    const route = this.traffic.longestRoute;
    return route.map((id, position) => {
      const node = nodes.find(({ nodeId }) => nodeKey(nodeId) === nodeKey(id));
      const role = position === 0 ? 'source' : position === route.length - 1 ? 'destination' : 'router';
      return {
        node: node?.name ?? 'unknown',
        address: node?.address ?? '',
        nodeId: nodeKey(id).slice(0, 16),
        role,
      };
    });
  }
}

function connectDriver(node: DemoNode, log: Log): Promise<ModuleIntegration> {
  return ModuleIntegration.connect({
    socketPath: node.socketPath,
    moduleId: DRIVER,
    moduleName: DRIVER,
    version: '1.0.0',
    clock: systemClock,
    random: systemRandom,
    log,
    requestsPerSecond: DRIVER_REQUESTS_PER_SECOND,
  });
}

/** Packets that all nodes together turned away. */
interface TurnedAway {
  /** By reason. */
  readonly refused: ReadonlyMap<string, number>;
  /**
   * Packets that came again while a node had them in care: it acknowledges these, and does nothing more. Nodes
   * themselves send what a lost neighbour may not have got again, so that not all of these are cheats.
   */
  readonly repeated: number;
}

function turnedAwayBy(statuses: readonly ModuleStatus[]): TurnedAway {
  const refused = new Map<string, number>();
  let repeated = 0;
  for (const { counters } of statuses) {
    repeated += counters.counts['packets_duplicate'] ?? 0;
    for (const [reason, count] of packetRefusals(counters.refused)) {
      refused.set(reason, (refused.get(reason) ?? 0) + count);
    }
  }
  return { refused, repeated };
}

function byCount(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a));
}

/** Refusals of packets: what routing messages were refused for is the modules' own business, and nobody's cheat. */
function packetRefusals(refused: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  const codes = new Map<string, number>(REASON_TABLE.map(([code, name]) => [name, code]));
  return Object.entries(refused).filter(
    ([name]) => !OTHER_AREAS.has(Math.floor((codes.get(name) ?? 0) / 100)),
  );
}
