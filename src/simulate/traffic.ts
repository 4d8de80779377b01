/**
 * Packets of a simulation: who sends to whom, their way hop by hop, what became of them.
 *
 * A packet is a place in a few arrays with its source route; it is forwarded by the rules of routing.md (the next hop
 * is the id after one's own, one local repair where it is gone) and paid by those of payments.md (its key lets it
 * through each node once). The choice of its route, the repair, the price and the shares are the module's own code.
 */
import { present } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';
import type { SeededRandom } from '../core/random.js';
import { randomBelow } from '../core/random.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { Route } from '../routing/table.js';
import type { Network, SearchListener, SimNode } from './network.js';
import type { Tally } from './tally.js';
import { NOWHERE, Ways, type Way } from './ways.js';

/** Without a word from the other end for that long a packet counts as lost at its source. */
const ANSWER_MILLIS = 5_000;
/** Packets that wait at a source for the route of one flow; the rest are lost. */
const WAITING_PACKETS = 32;
/** Room for the nodes that a packet passes: 11, and one that it must not pass. */
const PASSED = 16;
const NO_FLOW = -1;
/** A router remembers for much longer who relies on a way, so that it need not be told with every packet. */
const NOTE_MILLIS = 60_000;

/** A node that sends to another. */
export interface Flow {
  readonly from: number;
  readonly to: number;
}

interface FlowState extends Flow {
  /** The discovery that looks for a route: what it began ends with it when its node starts again. */
  searchedBy: RouteDiscovery | null;
  waiting: number;
}

export interface TrafficOptions {
  readonly network: Network;
  readonly flows: readonly Flow[];
  readonly packetsPerSecond: number;
  /** Nobody sends before: nodes that have just started know nothing of each other. */
  readonly warmUpMillis: number;
  /** Then flows begin one after another within this time: not all nodes look for their routes at once. */
  readonly rampMillis: number;
  readonly random: SeededRandom;
  readonly tally: Tally;
}

export class Traffic implements SearchListener {
  readonly ways: Ways;
  readonly #network: Network;
  readonly #tally: Tally;
  readonly #random: SeededRandom;
  readonly #flows: readonly FlowState[];
  /** The flows of each source that wait for a route. */
  readonly #searching = new Map<number, Set<number>>();
  readonly #meanGapMillis: number;
  readonly #warmUpMillis: number;
  readonly #rampMillis: number;
  readonly #hopKind: number;
  readonly #tickKind: number;
  readonly #lostKind: number;
  #isOn = false;
  // Packets under way, by slot.
  readonly #way: Way[] = [];
  readonly #flow: number[] = [];
  readonly #position: number[] = [];
  readonly #startMillis: number[] = [];
  readonly #isRepaired: boolean[] = [];
  readonly #isTampered: boolean[] = [];
  #passed = new Int32Array(1_024 * PASSED);
  readonly #passedCount: number[] = [];
  readonly #freeSlots: number[] = [];

  constructor(options: TrafficOptions) {
    const { network, flows, packetsPerSecond, warmUpMillis, rampMillis, random, tally } = options;
    this.#network = network;
    this.#tally = tally;
    this.#random = random;
    this.#flows = flows.map((flow) => ({ ...flow, searchedBy: null, waiting: 0 }));
    this.#meanGapMillis = 1_000 / packetsPerSecond;
    this.#warmUpMillis = warmUpMillis;
    this.#rampMillis = rampMillis;
    this.ways = new Ways(network);
    this.#hopKind = network.queue.register((slot) => {
      this.#arrive(slot);
    });
    this.#tickKind = network.queue.register(() => {
      this.#tick();
    });
    this.#lostKind = network.queue.register((slot) => {
      this.#giveUp(slot);
    });
    network.listen(this);
  }

  /** Sends from the end of the warm-up on until `stop`. */
  start(): void {
    // A small network may have no two honest nodes within reach of each other.
    if (this.#flows.length === 0) return;
    this.#isOn = true;
    this.#nextTick(this.#warmUpMillis);
  }

  stop(): void {
    this.#isOn = false;
  }

  /** The ways of a flow that its source doubts least; none where it knows none. */
  waysOf({ from, to }: Flow): readonly Way[] {
    const { table, isUp } = this.#network.node(from);
    if (!isUp) return [];
    return table.chooser.leastDoubted(this.#network.node(to).id).map((route) => this.ways.of(from, route));
  }

  onRouteFound(node: SimNode, route: Route): void {
    const destination = route.ids[route.ids.length - 1];
    if (destination !== undefined) this.#searchEnded(node, destination, true);
  }

  onRouteFailed(node: SimNode, destination: NodeId): void {
    this.#searchEnded(node, destination, false);
  }

  #nextTick(wait = 0): void {
    const gap = wait - Math.log(1 - this.#random.unit()) * this.#meanGapMillis;
    this.#network.queue.post(gap, this.#tickKind, 0);
  }

  #tick(): void {
    if (!this.#isOn) return;
    this.#nextTick();
    const sending = this.#network.now - this.#warmUpMillis;
    const begun = Math.min(1, sending / this.#rampMillis) * this.#flows.length;
    const flow = randomBelow(this.#random, Math.max(1, Math.ceil(begun)));
    if (this.#network.node(this.#flowAt(flow).from).isUp) this.#send(flow);
  }

  #send(flow: number): void {
    const { from, to } = this.#flowAt(flow);
    const { table, discovery } = this.#network.node(from);
    const destination = this.#network.node(to).id;
    this.#tally.sent += 1;
    const choice = table.chooser.choose(destination);
    if (!choice.ok) {
      this.#wait(flow);
      return;
    }
    if (choice.isDegraded) this.#tally.degraded += 1;
    if (choice.isDegraded || choice.isLosing) discovery.lookForOthers(destination, choice.isLosing);
    this.#launch(flow, this.ways.of(from, choice.route), choice.route);
  }

  /** The packet waits for a route, and its source looks for one. */
  #wait(index: number): void {
    const flow = this.#flowAt(index);
    const { discovery } = this.#network.node(flow.from);
    if (flow.searchedBy !== null && flow.searchedBy !== discovery) {
      this.#tally.lostWithoutRoute += flow.waiting;
      flow.waiting = 0;
      flow.searchedBy = null;
    }
    if (flow.waiting >= WAITING_PACKETS) {
      this.#tally.lostWithoutRoute += 1;
      return;
    }
    flow.waiting += 1;
    if (flow.searchedBy !== null) return;
    flow.searchedBy = discovery;
    const ofSource = this.#searching.get(flow.from) ?? new Set<number>();
    this.#searching.set(flow.from, ofSource.add(index));
    void discovery.discover(this.#network.node(flow.to).id);
  }

  #searchEnded(node: SimNode, destination: NodeId, isFound: boolean): void {
    const to = this.#network.nodeOf(destination)?.index;
    for (const index of this.#searching.get(node.index) ?? []) {
      const flow = this.#flowAt(index);
      if (flow.to !== to) continue;
      this.#searching.get(node.index)?.delete(index);
      flow.searchedBy = null;
      const { waiting } = flow;
      flow.waiting = 0;
      const choice = isFound ? node.table.chooser.choose(destination) : null;
      if (choice?.ok !== true) {
        this.#tally.lostWithoutRoute += waiting;
        continue;
      }
      for (let i = 0; i < waiting; i++) {
        this.#launch(index, this.ways.of(node.index, choice.route), choice.route);
      }
    }
  }

  #launch(flow: number, way: Way, route: Route): void {
    const slot = this.#freeSlots.pop() ?? this.#way.length;
    if ((slot + 1) * PASSED > this.#passed.length) this.#growPassed();
    this.#way[slot] = way;
    this.#flow[slot] = flow;
    this.#position[slot] = 0;
    this.#startMillis[slot] = this.#network.now;
    this.#isRepaired[slot] = false;
    this.#isTampered[slot] = false;
    this.#passedCount[slot] = 0;
    this.#notePassed(slot, way.nodes[0] ?? NOWHERE);
    const source = this.#network.node(way.nodes[0] ?? 0);
    source.table.shares.record(route.ids.slice(1, -1), BigInt(way.priceMsat));
    this.#tally.paid(flow, way);
    this.#forward(slot);
  }

  /** Puts a packet on the link to its next hop. */
  #forward(slot: number): void {
    const way = this.#wayAt(slot);
    const position = this.#position[slot] ?? 0;
    const link = way.links[position] ?? NOWHERE;
    if (link === NOWHERE) {
      this.#reroute(slot);
      return;
    }
    const { links, queue, now } = this.#network;
    if (links.isLost()) {
      this.#tally.lostOnLinks += 1;
      this.#lose(slot);
      return;
    }
    // The copy bears the same payment key: the next hop refuses whichever comes second.
    if (links.isDoubled()) this.#tally.copiesRefused += 1;
    queue.post(links.delay(links.direction(link, way.nodes[position] ?? 0), now), this.#hopKind, slot);
  }

  /** A packet reaches the other end of a link, or finds it gone and is still its sender's. */
  #arrive(slot: number): void {
    const way = this.#wayAt(slot);
    const position = (this.#position[slot] ?? 0) + 1;
    const link = way.links[position - 1] ?? NOWHERE;
    if (!this.#network.links.isUp(link)) {
      this.#reroute(slot);
      return;
    }
    const index = way.nodes[position] ?? 0;
    const node = this.#network.node(index);
    this.#tally.hops += 1;
    if (this.#hasPassed(slot, index)) {
      if (this.#isTampered[slot] === true) this.#tally.replaysRefused += 1;
      else this.#tally.loops += 1;
      this.#lose(slot);
      return;
    }
    this.#position[slot] = position;
    this.#notePassed(slot, index);
    if (position === way.nodes.length - 1) {
      this.#deliver(slot);
      return;
    }
    this.#tally.forwarded(index, way.priceMsat);
    if (node.liar === null || node.liar.packets === 'pass') {
      this.#noteForwarded(node, way, position);
      this.#forward(slot);
    } else if (node.liar.packets === 'drop') {
      this.#tally.lostToLiars += 1;
      this.#lose(slot);
    } else this.#sendRound(slot);
  }

  #noteForwarded({ discovery }: SimNode, { ids, notedMillis }: Way, position: number): void {
    const { now } = this.#network;
    if (now - (notedMillis[position] ?? 0) < NOTE_MILLIS) return;
    notedMillis[position] = now;
    discovery.packetForwarded(ids, position);
  }

  #deliver(slot: number): void {
    const flow = this.#flow[slot] ?? NO_FLOW;
    const latency = this.#network.now - (this.#startMillis[slot] ?? 0);
    this.#tally.arrived(flow, latency);
    this.#network.note(slot, latency * 1_000);
    this.#outcome(slot, true, latency);
    this.#freeSlots.push(slot);
  }

  /** The next hop is gone: one local repair, otherwise the word of it travels back to the source. */
  #reroute(slot: number): void {
    const way = this.#wayAt(slot);
    const position = this.#position[slot] ?? 0;
    const here = this.#network.node(way.nodes[position] ?? 0);
    const lost = way.ids[position + 1];
    const destination = present(way.ids[way.ids.length - 1], 'a way ends somewhere');
    if (here.isUp && this.#isRepaired[slot] === false && lost !== undefined) {
      const travelled = way.ids.slice(0, position);
      const other = here.table.repair(destination, [lost, ...travelled], way.ids.length - position);
      if (other !== null) {
        this.#isRepaired[slot] = true;
        this.#tally.repaired += 1;
        this.#way[slot] = {
          ...this.ways.along([...travelled, ...other.ids], way.priceMsat),
          route: way.route,
        };
        this.#forward(slot);
        return;
      }
    }
    this.#tally.lostHops += 1;
    if (here.isUp) here.discovery.packetFailed(way.ids, position);
    this.#lose(slot);
  }

  /** A liar rewrites the route, so that the packet goes back to where it came from and comes by again. */
  #sendRound(slot: number): void {
    const way = this.#wayAt(slot);
    const position = this.#position[slot] ?? 0;
    const back = way.ids[position - 1];
    if (back === undefined) return;
    this.#isTampered[slot] = true;
    this.#way[slot] = {
      ...this.ways.along([...way.ids.slice(position, position + 1), back, ...way.ids.slice(position + 1)], 0),
      route: way.route,
    };
    this.#position[slot] = 0;
    this.#forward(slot);
  }

  /** Nobody tells the source: it notices after a while. */
  #lose(slot: number): void {
    this.#network.queue.post(ANSWER_MILLIS, this.#lostKind, slot);
  }

  #giveUp(slot: number): void {
    this.#outcome(slot, false, null);
    this.#freeSlots.push(slot);
  }

  #outcome(slot: number, isDelivered: boolean, latencyMillis: number | null): void {
    const { route } = this.#wayAt(slot);
    const source = this.#network.node(this.#flowAt(this.#flow[slot] ?? NO_FLOW).from);
    if (route !== null && source.isUp) source.table.chooser.outcome(route, isDelivered, latencyMillis);
  }

  #hasPassed(slot: number, node: number): boolean {
    const start = slot * PASSED;
    const end = start + (this.#passedCount[slot] ?? 0);
    for (let i = start; i < end; i++) if (this.#passed[i] === node) return true;
    return false;
  }

  #notePassed(slot: number, node: number): void {
    const count = this.#passedCount[slot] ?? 0;
    this.#passed[slot * PASSED + count] = node;
    this.#passedCount[slot] = count + 1;
  }

  #growPassed(): void {
    const grown = new Int32Array(2 * this.#passed.length);
    grown.set(this.#passed);
    this.#passed = grown;
  }

  #wayAt(slot: number): Way {
    return present(this.#way[slot], 'a packet under way has one');
  }

  #flowAt(index: number): FlowState {
    return present(this.#flows[index], 'a flow of this run');
  }
}
