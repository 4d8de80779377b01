/**
 * A mesh in one process: the routing tables and discoveries of the module itself, over a virtual clock and seeded
 * links. The same seed gives the same run, message by message; `trace()` proves it.
 *
 * Messages travel as objects: their encoding is not what is simulated. An observer who knows the real links and hears
 * every message judges each route that an honest node installs (oracle.ts).
 */
import { assert, present } from '../core/assert.js';
import { equalBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import type { FeeSchedule } from '../core/policy.js';
import { SeededRandom } from '../core/random.js';
import { Reason, reasonName, type ReasonName } from '../core/reasons.js';
import type { DiscoveryMessage } from '../packet/discovery.js';
import { RouteDiscovery } from '../routing/discovery.js';
import type { Entities } from '../routing/entities.js';
import type { MonopolyPolicy } from '../routing/monopoly.js';
import type { SearchLimits } from '../routing/searches.js';
import { RoutingTable, type Route } from '../routing/table.js';
import { addressOf, idOf, indexIn } from './identities.js';
import type { Liar } from './liars.js';
import { Links, PERFECT_LINKS, type LinkQuality } from './links.js';
import { Oracle } from './oracle.js';
import { EventQueue } from './queue.js';
import type { Topology } from './topology.js';

export const NO_FEES: FeeSchedule = { baseMsat: 0n, perHopMsat: 0n, perKibMsat: 0n, proportionalPpm: 0n };

/** Far away: no way, or none that is allowed. */
export const OUT_OF_REACH = 255;
const STEP_MILLIS = 20;
/** How often a node frees what it no longer needs. */
const SWEEP_MILLIS = 60_000;

export interface SimNode {
  readonly index: number;
  readonly id: NodeId;
  /** What it asks for as a router. */
  readonly hopCostSats: bigint;
  /** Replaced when the node starts again: nothing that it had learned survives. */
  table: RoutingTable;
  discovery: RouteDiscovery;
  readonly liar: Liar | null;
  isUp: boolean;
  /** Searches of this node that ended. */
  ended: number;
}

/** What else is done when a search ends. */
export interface SearchListener {
  readonly onRouteFound: (node: SimNode, route: Route) => void;
  readonly onRouteFailed: (node: SimNode, destination: NodeId) => void;
}

export interface NetworkOptions {
  readonly seed: number;
  readonly links?: LinkQuality;
  readonly fees?: FeeSchedule;
  readonly hopCostSats?: (index: number) => bigint;
  readonly routeExpirySeconds?: number;
  /** The dishonest among the nodes. */
  readonly liarAt?: (index: number) => Liar | null;
  /** How long the ends of a link that goes down do not notice: what they send meanwhile is lost. */
  readonly noticeMillis?: () => number;
  readonly monopoly?: MonopolyPolicy;
  /** Who is who, the same for all; without it each node is on its own. */
  readonly entities?: Entities;
}

export class Network {
  readonly queue: EventQueue = new EventQueue();
  readonly random: SeededRandom;
  readonly nodes: SimNode[] = [];
  readonly links: Links;
  readonly oracle: Oracle;
  /** Messages put on links, by kind. */
  readonly sent = { RouteRequest: 0, RouteResponse: 0, RouteAdvertisement: 0 };
  readonly #options: NetworkOptions;
  /** What honest nodes said to the messages that reached them, by reason. */
  readonly #verdicts = new Map<Reason, number>();
  /** Whether both ends of a link know each other as direct peers. */
  readonly #isJoined: boolean[] = [];
  #listener: SearchListener | null = null;
  #isStarted = false;
  #starts = 0;
  #trace = 0x811c_9dc5;
  // Messages under way, by slot.
  readonly #messageKind: number;
  readonly #messages: (DiscoveryMessage | null)[] = [];
  readonly #messageFrom: number[] = [];
  readonly #messageLink: number[] = [];
  readonly #freeSlots: number[] = [];

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.random = new SeededRandom(options.seed);
    this.links = new Links(options.links ?? PERFECT_LINKS, this.random);
    this.oracle = new Oracle(this);
    this.#messageKind = this.queue.register((slot) => {
      this.#arrive(slot);
    });
  }

  /** A network of the given shape, all links up. */
  static of(topology: Topology, options: NetworkOptions): Network {
    const network = new Network(options);
    for (let i = 0; i < topology.nodes; i++) network.addNode();
    for (const [a, b] of topology.links) network.connect(a, b);
    return network;
  }

  addNode(): SimNode {
    const { hopCostSats, liarAt } = this.#options;
    const index = this.nodes.length;
    const fixed = { index, id: idOf(index), hopCostSats: hopCostSats?.(index) ?? 1n };
    const node: SimNode = {
      ...fixed,
      ...this.#start(fixed),
      liar: liarAt?.(index) ?? null,
      isUp: true,
      ended: 0,
    };
    this.nodes.push(node);
    return node;
  }

  /** From now on nodes advertise and sweep by themselves; without it they only answer. */
  start(): void {
    this.#isStarted = true;
    for (const { discovery } of this.nodes) discovery.start();
    const sweep = (): void => {
      for (const { discovery, isUp } of this.nodes) if (isUp) discovery.sweep();
      this.queue.after(SWEEP_MILLIS, sweep);
    };
    this.queue.after(SWEEP_MILLIS, sweep);
  }

  /** Who hears of searches that end. One listener at most. */
  listen(listener: SearchListener): void {
    assert(this.#listener === null, 'one listener hears of searches');
    this.#listener = listener;
  }

  node(index: number): SimNode {
    return present(this.nodes[index], 'a node of this network');
  }

  /** The node with an id, or null where the id is made up. */
  nodeOf(id: NodeId): SimNode | null {
    const node = this.nodes[indexIn(id)];
    return node !== undefined && (node.id === id || equalBytes(node.id, id)) ? node : null;
  }

  /** Milliseconds since the start. */
  get now(): number {
    return this.queue.monotonicMillis();
  }

  /** Joins two nodes, or mends the link that they had. */
  connect(a: number, b: number): void {
    const known = this.links.between(a, b);
    if (known < 0) this.#join(this.links.add(a, b));
    else if (!this.links.isUp(known)) this.mend(known);
  }

  disconnect(a: number, b: number): void {
    const link = this.links.between(a, b);
    if (link >= 0 && this.links.isUp(link)) this.cut(link);
  }

  isConnected(a: number, b: number): boolean {
    const link = this.links.between(a, b);
    return link >= 0 && this.links.isUp(link);
  }

  /** One more reason for a link to be down. */
  cut(link: number): void {
    if (!this.links.cut(link, this.now)) return;
    const notice = this.#options.noticeMillis?.() ?? 0;
    if (notice === 0) {
      this.#part(link);
      return;
    }
    this.queue.after(notice, () => {
      if (!this.links.isUp(link)) this.#part(link);
    });
  }

  /** One reason less. */
  mend(link: number): void {
    if (this.links.mend(link)) this.#join(link);
  }

  /** A node goes down, with all that it knew and its links. */
  stop(index: number): void {
    const node = this.node(index);
    assert(node.isUp, 'a node stops once');
    node.isUp = false;
    node.discovery.close();
    for (const link of this.links.ofNode(index)) this.cut(link);
  }

  /** A node that was down starts afresh. */
  restart(index: number): void {
    const node = this.node(index);
    assert(!node.isUp, 'a node is restarted when it is down');
    Object.assign(node, this.#start(node), { isUp: true });
    if (this.#isStarted) node.discovery.start();
    for (const link of this.links.ofNode(index)) {
      this.mend(link);
      // Its neighbours may not have noticed; it has to greet them all the same.
      if (this.links.isUp(link)) this.#greet(index, this.links.otherEnd(link, index));
    }
  }

  /**
   * Hops from a node to each, over what is up now; OUT_OF_REACH where there is no way.
   * @param passes which nodes may stand between
   */
  hopsFrom(start: number, passes: (index: number) => boolean = () => true, maxHops = 254): Uint8Array {
    const hops = new Uint8Array(this.nodes.length).fill(OUT_OF_REACH);
    const reached = [start];
    hops[start] = 0;
    for (const index of reached) {
      const distance = hops[index] ?? 0;
      if (distance >= maxHops || (index !== start && !passes(index))) continue;
      for (const link of this.links.ofNode(index)) {
        const next = this.links.otherEnd(link, index);
        if (hops[next] !== OUT_OF_REACH || !this.links.isUp(link)) continue;
        hops[next] = distance + 1;
        reached.push(next);
      }
    }
    return hops;
  }

  /** Lets time pass. */
  run(millis: number): void {
    this.queue.advance(millis);
  }

  /** Searches for a route and lets time pass until the search has ended. */
  async discover(from: number, to: number, limits: SearchLimits = {}): Promise<Route | null> {
    const node = this.node(from);
    const before = node.ended;
    const answer = node.discovery.discover(this.node(to).id, limits);
    while (node.ended === before) this.run(STEP_MILLIS);
    return answer;
  }

  /** Puts a message on the link to a peer. */
  send(from: SimNode, peer: NodeId, message: DiscoveryMessage): void {
    const to = this.nodeOf(peer);
    if (to === null) return;
    const link = this.links.between(from.index, to.index);
    if (link < 0) return;
    this.sent[message.kind] += 1;
    this.oracle.sent(from, to, message);
    if (this.links.isLost()) return;
    this.#post(link, from.index, message);
    if (this.links.isDoubled()) this.#post(link, from.index, message);
  }

  /** A hello over the link from one node to another, with whatever id it claims. */
  hello(from: SimNode, to: SimNode, claimed: NodeId): Reason {
    const verdict = to.table.addDirectPeer(claimed, addressOf(from.index));
    this.#countVerdict(to, verdict);
    if (to.liar === null) this.oracle.greeted(from, to, claimed, verdict);
    return verdict;
  }

  /** What honest nodes said to the messages that reached them. */
  verdicts(): ReadonlyMap<ReasonName, number> {
    return new Map([...this.#verdicts].map(([reason, count]) => [reasonName(reason), count]));
  }

  /** Every message delivered so far and every verdict on it, as one number in hex. */
  trace(): string {
    return this.#trace.toString(16).padStart(8, '0');
  }

  /** Takes something that happened into the trace. */
  note(...what: readonly number[]): void {
    for (const word of what) this.#trace = Math.imul(this.#trace ^ (word | 0), 0x0100_0193) >>> 0;
  }

  /** Messages put on links so far. */
  totalSent(): number {
    return this.sent.RouteRequest + this.sent.RouteResponse + this.sent.RouteAdvertisement;
  }

  /** Ends all timers of the nodes. */
  close(): void {
    for (const { discovery } of this.nodes) discovery.close();
  }

  #start({
    index,
    id: self,
    hopCostSats,
  }: Pick<SimNode, 'index' | 'id' | 'hopCostSats'>): Pick<SimNode, 'table' | 'discovery'> {
    const { seed, routeExpirySeconds, fees = NO_FEES, monopoly, entities } = this.#options;
    const { queue: clock } = this;
    const random = new SeededRandom(Math.imul(seed, 1_000_003) + 7_919 * this.#starts++ + index);
    const table = new RoutingTable({
      self,
      clock,
      random,
      fees,
      ...(routeExpirySeconds === undefined ? {} : { routeExpirySeconds }),
      ...(monopoly === undefined ? {} : { monopoly }),
      ...(entities === undefined ? {} : { entities }),
    });
    const discovery = new RouteDiscovery({
      self,
      table,
      clock,
      random,
      hopCostSats,
      transmit: (peer, message) => {
        this.send(this.node(index), peer, message);
      },
      onRouteFound: (route) => {
        const node = this.node(index);
        node.ended += 1;
        this.#listener?.onRouteFound(node, route);
      },
      onRouteFailed: (destination) => {
        const node = this.node(index);
        node.ended += 1;
        this.#listener?.onRouteFailed(node, destination);
      },
    });
    return { table, discovery };
  }

  #join(link: number): void {
    this.#isJoined[link] = true;
    const [a, b] = this.links.ends(link);
    for (const [here, there] of [
      [a, b],
      [b, a],
    ] as const) {
      // Where nobody noticed that it was down, whoever has started again meanwhile knows nothing of it all the same.
      if (!this.node(here).table.isDirectPeer(this.node(there).id)) this.#greet(here, there);
    }
  }

  #greet(here: number, there: number): void {
    const verdict = this.hello(this.node(there), this.node(here), this.node(there).id);
    assert(verdict === Reason.Accepted, 'a neighbour that says who it is is let in');
  }

  #part(link: number): void {
    if (this.#isJoined[link] !== true) return;
    this.#isJoined[link] = false;
    const [a, b] = this.links.ends(link);
    this.#lose(this.node(a), this.node(b));
    this.#lose(this.node(b), this.node(a));
  }

  #lose(here: SimNode, there: SimNode): void {
    if (!here.isUp) return;
    here.table.removeDirectPeer(there.id);
    here.discovery.announceLoss(there.id);
  }

  #post(link: number, from: number, message: DiscoveryMessage): void {
    const slot = this.#freeSlots.pop() ?? this.#messages.length;
    this.#messages[slot] = message;
    this.#messageFrom[slot] = from;
    this.#messageLink[slot] = link;
    this.queue.post(this.links.delay(this.links.direction(link, from), this.now), this.#messageKind, slot);
  }

  #arrive(slot: number): void {
    const message = present(this.#messages[slot], 'a message that arrives was sent');
    const link = this.#messageLink[slot] ?? 0;
    const from = this.node(this.#messageFrom[slot] ?? 0);
    this.#messages[slot] = null;
    this.#freeSlots.push(slot);
    const to = this.node(this.links.otherEnd(link, from.index));
    if (!this.links.isUp(link) || !to.isUp) return;
    if (to.liar !== null) {
      if (to.liar.onMessage(to, from.id, message, this)) to.discovery.handleMessage(from.id, message);
      return;
    }
    const before = this.oracle.look(to, message);
    const verdict = to.discovery.handleMessage(from.id, message);
    this.note(this.now * 1_000, from.index, to.index, verdict);
    this.#countVerdict(to, verdict);
    this.oracle.took(to, from, message, before);
  }

  #countVerdict(to: SimNode, verdict: Reason): void {
    if (to.liar === null) this.#verdicts.set(verdict, (this.#verdicts.get(verdict) ?? 0) + 1);
  }
}
