/**
 * A small network in one process: routing tables and discoveries over a virtual clock and seeded links that delay,
 * lose, double and reorder. The same seed gives the same run, message by message; `trace()` proves it.
 *
 * It audits as it runs: every route that a node installs is judged by an observer who knows the real links, and
 * what breaks a rule of routing.md is kept in `badRoutes`.
 */
import { createHash, type Hash } from 'node:crypto';
import { present } from '../../src/core/assert.js';
import { VirtualClock } from '../../src/core/clock.js';
import { sha256 } from '../../src/core/hash.js';
import { nodeIdOf, nodeKey, type NodeId, type NodeKey } from '../../src/core/ids.js';
import type { FeeSchedule } from '../../src/core/policy.js';
import { SeededRandom } from '../../src/core/random.js';
import { Reason, reasonName, type ReasonName } from '../../src/core/reasons.js';
import type { DiscoveryMessage } from '../../src/packet/discovery.js';
import { RouteDiscovery } from '../../src/routing/discovery.js';
import type { SearchLimits } from '../../src/routing/searches.js';
import { RoutingTable, type Route } from '../../src/routing/table.js';
import { PERFECT_LINKS, type LinkQuality } from '../../src/simulate/links.js';
import type { Topology } from './mesh-topology.js';

/** How much later a message arrives that is held back. */
const HELD_BACK_MILLIS = 200;
/** How long a route may name a link that is gone: an answer is on its way no longer than its request is known. */
const STALE_LINK_MILLIS = 31_000;
const STEP_MILLIS = 20;

export const NO_FEES: FeeSchedule = { baseMsat: 0n, perHopMsat: 0n, perKibMsat: 0n, proportionalPpm: 0n };

/** What a dishonest node does with a message, in place of handling it or before it does. */
export interface Liar {
  /** @returns whether the message is handled honestly as well */
  onMessage(node: SimNode, from: NodeId, message: DiscoveryMessage, sim: MeshSim): boolean;
}

export interface SimNode {
  readonly index: number;
  readonly id: NodeId;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly liar: Liar | null;
  /** Searches of this node that ended. */
  ended: number;
}

export interface MeshSimOptions {
  readonly seed: number;
  readonly links?: LinkQuality;
  readonly hopCostSats?: (index: number) => bigint;
  readonly routeExpirySeconds?: number;
  /** The dishonest among the nodes. */
  readonly liarAt?: (index: number) => Liar | null;
}

interface Link {
  isUp: boolean;
  wentDownMillis: number;
}

export class MeshSim {
  readonly clock = new VirtualClock();
  readonly random: SeededRandom;
  readonly nodes: SimNode[] = [];
  /** Routes that broke a rule, in words. */
  readonly badRoutes: string[] = [];
  /** Messages put on links, by kind. */
  readonly sent = { RouteRequest: 0, RouteResponse: 0, RouteAdvertisement: 0 };
  /** What honest nodes said to the messages that reached them. */
  readonly verdicts = new Map<ReasonName, number>();
  readonly #options: MeshSimOptions;
  readonly #links = new Map<string, Link>();
  readonly #byKey = new Map<NodeKey, SimNode>();
  /** When the last message in order arrives, per direction of a link. */
  readonly #lastArrival = new Map<string, number>();
  readonly #trace: Hash = createHash('sha256');

  constructor(options: MeshSimOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
  }

  /** A network of the given shape, all links up. */
  static of(topology: Topology, options: MeshSimOptions): MeshSim {
    const sim = new MeshSim(options);
    for (let i = 0; i < topology.nodes; i++) sim.addNode();
    for (const [a, b] of topology.links) sim.connect(a, b);
    return sim;
  }

  addNode(): SimNode {
    const { seed, hopCostSats, routeExpirySeconds, liarAt } = this.#options;
    const index = this.nodes.length;
    const id = nodeIdOf(sha256(new TextEncoder().encode(`node ${index}`)));
    const { clock } = this;
    const random = new SeededRandom(seed * 1_000_003 + index);
    const table = new RoutingTable({
      self: id,
      clock,
      random,
      fees: NO_FEES,
      ...(routeExpirySeconds === undefined ? {} : { routeExpirySeconds }),
    });
    const ended = (): void => {
      node.ended += 1;
    };
    const discovery = new RouteDiscovery({
      self: id,
      table,
      clock,
      random,
      ...(hopCostSats === undefined ? {} : { hopCostSats: hopCostSats(index) }),
      transmit: (peer, message) => {
        this.send(node, peer, message);
      },
      onRouteFound: ended,
      onRouteFailed: ended,
    });
    const node: SimNode = { index, id, table, discovery, liar: liarAt?.(index) ?? null, ended: 0 };
    this.nodes.push(node);
    this.#byKey.set(nodeKey(id), node);
    return node;
  }

  node(index: number): SimNode {
    return present(this.nodes[index], 'a node of this network');
  }

  /** The node with an id, or null where the id is made up. */
  nodeOf(id: NodeId): SimNode | null {
    return this.#byKey.get(nodeKey(id)) ?? null;
  }

  connect(a: number, b: number): void {
    const link = this.#links.get(linkName(a, b));
    if (link?.isUp === true) return;
    this.#links.set(linkName(a, b), { isUp: true, wentDownMillis: 0 });
    for (const [here, there] of [
      [this.node(a), this.node(b)],
      [this.node(b), this.node(a)],
    ] as const) {
      const verdict = here.table.addDirectPeer(there.id, `node-${there.index}`);
      if (verdict !== Reason.Accepted) this.badRoutes.push(`peer refused: ${reasonName(verdict)}`);
    }
  }

  disconnect(a: number, b: number): void {
    const link = this.#links.get(linkName(a, b));
    if (link?.isUp !== true) return;
    link.isUp = false;
    link.wentDownMillis = this.clock.monotonicMillis();
    for (const [here, there] of [
      [this.node(a), this.node(b)],
      [this.node(b), this.node(a)],
    ] as const) {
      here.table.removeDirectPeer(there.id);
      here.discovery.announceLoss(there.id);
    }
  }

  isConnected(a: number, b: number): boolean {
    return this.#links.get(linkName(a, b))?.isUp === true;
  }

  /** Links that are up, as pairs of indices. */
  linksUp(): [number, number][] {
    const names = [...this.#links]
      .filter(([, link]) => link.isUp)
      .map(([name]) => name.split('-').map(Number));
    return names.map(([a, b]) => [present(a, 'two ends'), present(b, 'two ends')]);
  }

  /**
   * Hops from a node to each that can be reached now.
   * @param passes which nodes may stand between
   */
  hopsFrom(start: number, passes: (index: number) => boolean = () => true): Map<number, number> {
    const neighbours = new Map<number, number[]>();
    for (const [a, b] of this.linksUp()) {
      neighbours.set(a, [...(neighbours.get(a) ?? []), b]);
      neighbours.set(b, [...(neighbours.get(b) ?? []), a]);
    }
    const hops = new Map([[start, 0]]);
    for (const [index, distance] of hops) {
      if (index !== start && !passes(index)) continue;
      for (const next of neighbours.get(index) ?? []) if (!hops.has(next)) hops.set(next, distance + 1);
    }
    return hops;
  }

  /** Lets time pass. */
  run(millis: number): void {
    this.clock.advance(millis);
  }

  /** Searches for a route and lets time pass until the search has ended. */
  async discover(from: number, to: number, limits: SearchLimits = {}): Promise<Route | null> {
    const node = this.node(from);
    const before = node.ended;
    const answer = node.discovery.discover(this.node(to).id, limits);
    while (node.ended === before) this.clock.advance(STEP_MILLIS);
    return answer;
  }

  /** Puts a message on the link to a peer. */
  send(from: SimNode, peer: NodeId, message: DiscoveryMessage): void {
    const to = this.nodeOf(peer);
    if (to === null) return;
    const { loss, duplication } = this.#options.links ?? PERFECT_LINKS;
    this.sent[message.kind] += 1;
    if (this.random.unit() < loss) return;
    this.#deliverLater(from, to, message);
    if (this.random.unit() < duplication) this.#deliverLater(from, to, message);
  }

  /** Every message delivered so far and every verdict on it, as one hash. */
  trace(): string {
    return this.#trace.copy().digest('hex');
  }

  /** Messages put on links so far. */
  totalSent(): number {
    return this.sent.RouteRequest + this.sent.RouteResponse + this.sent.RouteAdvertisement;
  }

  #deliverLater(from: SimNode, to: SimNode, message: DiscoveryMessage): void {
    const {
      latencyMillis: [least, most],
      reordering,
    } = this.#options.links ?? PERFECT_LINKS;
    const direction = `${from.index}>${to.index}`;
    const arrival = this.clock.monotonicMillis() + least + (most - least) * this.random.unit();
    const isHeldBack = this.random.unit() < reordering;
    const due = isHeldBack
      ? arrival + HELD_BACK_MILLIS * this.random.unit()
      : Math.max(arrival, this.#lastArrival.get(direction) ?? 0);
    if (!isHeldBack) this.#lastArrival.set(direction, due);
    this.clock.after(due - this.clock.monotonicMillis(), () => {
      if (this.isConnected(from.index, to.index)) this.#deliver(from, to, message);
    });
  }

  #deliver(from: SimNode, to: SimNode, message: DiscoveryMessage): void {
    if (to.liar !== null && !to.liar.onMessage(to, from.id, message, this)) return;
    const verdict = to.discovery.handleMessage(from.id, message);
    const name = reasonName(verdict);
    const now = this.clock.monotonicMillis();
    this.#trace.update(`${now} ${from.index}>${to.index} ${message.kind} ${name}\n`);
    if (to.liar !== null) return;
    this.verdicts.set(name, (this.verdicts.get(name) ?? 0) + 1);
    if (verdict === Reason.Accepted && message.kind === 'RouteResponse') this.audit(to, message.destination);
  }

  /** Judges all routes that a node has to a destination. */
  audit(node: SimNode, destination: NodeId): void {
    for (const route of node.table.alternatives(destination)) {
      const fault = this.#faultOf(node, destination, route);
      if (fault !== null) this.badRoutes.push(`node ${node.index}: ${fault}`);
    }
  }

  #faultOf(node: SimNode, destination: NodeId, { ids, cost, learnedAtMillis }: Route): string | null {
    const keys = ids.map(nodeKey);
    if (keys.length < 2 || keys.length > 11) return `a route of ${keys.length} ids`;
    if (new Set(keys).size !== keys.length) return 'a route that loops';
    if (keys[0] !== nodeKey(node.id)) return 'a route that starts elsewhere';
    if (keys[keys.length - 1] !== nodeKey(destination)) return 'a route that ends elsewhere';
    if (cost >= 2n ** 64n - 1n) return 'an unreachable route';
    const [first, ...rest] = ids.slice(1).map((id) => this.nodeOf(id));
    if (first === undefined || first === null) return 'a made-up first hop';
    if (!this.isConnected(node.index, first.index)) return 'a lost first hop';
    let here = first;
    for (const next of rest) {
      // What a liar says of the part behind itself nobody can check; up to it each node vouched for the next.
      if (here.liar !== null) return null;
      if (next === null) return 'a made-up node before any liar';
      const link = this.#links.get(linkName(here.index, next.index));
      if (link === undefined) return 'a made-up link before any liar';
      if (!link.isUp && learnedAtMillis - link.wentDownMillis > STALE_LINK_MILLIS) return 'a link long gone';
      here = next;
    }
    return null;
  }
}

function linkName(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
