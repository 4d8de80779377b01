/**
 * What is counted of the packets of a simulation, and what follows from it: shares, concentration, prices.
 *
 * Rules: routing.md, Anti-monopoly (share = paid msat forwarded as a router / all paid msat forwarded). A packet
 * counts its price once for each router that takes it, so that all shares sum to 1.
 */
import { hhiOf, nakamotoOf } from '../routing/shares.js';
import type { Flow } from './traffic.js';
import type { Way } from './ways.js';

/** Prices are counted by hundredths of the cheapest one, up to ten times. */
const PRICE_STEPS = 100;
const PRICE_RATIO_MAX = 10;

export interface TallyOptions {
  readonly nodes: number;
  /** The entity of each node, by a number. */
  readonly entityOf: (node: number) => number;
  /** The entity that is looked at, or null. */
  readonly rival: number | null;
  readonly flows: readonly Flow[];
  /** Whether a flow has a way of at most 10 hops without the rival. */
  readonly isAvoidable: readonly boolean[];
  /** The nodes that every such way of a flow passes. */
  readonly hubs: readonly (readonly number[])[];
  /** The cheapest price that the real network has for each flow; null where prices are not compared. */
  readonly cheapestMsat: readonly number[] | null;
}

/** Msat forwarded for a group of flows: by anybody, and by the rival. */
export interface Forwarded {
  all: number;
  rival: number;
}

/** Shares of forwarded msat and how concentrated they are. */
export interface Concentration {
  readonly hhi: number;
  readonly nakamoto: number;
  /** The largest shares, each 0 to 1. */
  readonly shares: readonly number[];
}

export class Tally {
  sent = 0;
  delivered = 0;
  hops = 0;
  /** Packets that visit a node twice. */
  loops = 0;
  degraded = 0;
  repaired = 0;
  lostWithoutRoute = 0;
  lostOnLinks = 0;
  lostHops = 0;
  lostToLiars = 0;
  /** Packets that a liar sent round, refused by their payment key where they had passed. */
  replaysRefused = 0;
  /** Copies that links made, refused by their payment key. */
  copiesRefused = 0;
  /** Of flows that can do without the rival, and of the others. */
  readonly avoidable: Forwarded = { all: 0, rival: 0 };
  readonly unavoidable: Forwarded = { all: 0, rival: 0 };
  readonly #options: TallyOptions;
  readonly #byNode: Float64Array;
  /** As `#byNode`, of the flows that can do without the rival. */
  readonly #avoidableByNode: Float64Array;
  /** Of these what no way without the rival could have kept from the node. */
  readonly #hubByNode: Float64Array;
  readonly #prices = new Uint32Array(PRICE_STEPS * PRICE_RATIO_MAX + 1);
  #latencySum = 0;

  constructor(options: TallyOptions) {
    this.#options = options;
    this.#byNode = new Float64Array(options.nodes);
    this.#avoidableByNode = new Float64Array(options.nodes);
    this.#hubByNode = new Float64Array(options.nodes);
  }

  /** A packet of a flow was sent on its way, and paid. */
  paid(flow: number, { nodes, priceMsat }: Way): void {
    const { cheapestMsat, isAvoidable, rival, entityOf, hubs } = this.#options;
    const isAvoidableFlow = isAvoidable[flow] === true;
    const sums = isAvoidableFlow ? this.avoidable : this.unavoidable;
    for (let i = 1; i < nodes.length - 1; i++) {
      const node = nodes[i] ?? 0;
      sums.all += priceMsat;
      if (rival !== null && entityOf(node) === rival) sums.rival += priceMsat;
      if (isAvoidableFlow && node >= 0) {
        this.#avoidableByNode[node] = (this.#avoidableByNode[node] ?? 0) + priceMsat;
      }
    }
    for (const hub of hubs[flow] ?? []) this.#hubByNode[hub] = (this.#hubByNode[hub] ?? 0) + priceMsat;
    const cheapest = cheapestMsat?.[flow] ?? 0;
    if (cheapest === 0) return;
    const step = Math.round(PRICE_STEPS * Math.min(PRICE_RATIO_MAX, priceMsat / cheapest));
    this.#prices[step] = (this.#prices[step] ?? 0) + 1;
  }

  /** A router took a packet. */
  forwarded(node: number, priceMsat: number): void {
    this.#byNode[node] = (this.#byNode[node] ?? 0) + priceMsat;
  }

  arrived(_flow: number, latencyMillis: number): void {
    this.delivered += 1;
    this.#latencySum += latencyMillis;
  }

  get lost(): number {
    return (
      this.lostWithoutRoute +
      this.lostOnLinks +
      this.lostHops +
      this.lostToLiars +
      this.replaysRefused +
      this.loops
    );
  }

  get meanLatencyMillis(): number {
    return this.delivered === 0 ? 0 : this.#latencySum / this.delivered;
  }

  /** The median of price / cheapest price over all packets; null where it was not counted. */
  medianPriceRatio(): number | null {
    const all = this.#prices.reduce((sum, count) => sum + count, 0);
    let seen = 0;
    for (const [step, count] of this.#prices.entries()) {
      seen += count;
      if (count > 0 && 2 * seen >= all) return step / PRICE_STEPS;
    }
    return null;
  }

  /** Of everything that was forwarded. */
  concentration(): Concentration {
    return this.#concentrationOf(this.#byNode);
  }

  /** Of what was paid between pairs that can do without the rival. */
  avoidableConcentration(): Concentration {
    return this.#concentrationOf(this.#avoidableByNode);
  }

  /**
   * The part of it, 0 to 1 each and largest first, that nodes had to forward which no way without the rival leaves out:
   * no choice among such ways, of the same lengths and prices, could have given them less.
   */
  hubShares(): readonly number[] {
    const shares = [...this.#hubByNode]
      .filter((amount) => amount > 0)
      .map((amount) => amount / this.avoidable.all);
    return shares.sort((a, b) => b - a);
  }

  #concentrationOf(byNode: Float64Array): Concentration {
    const sums = new Map<number, number>();
    let total = 0;
    for (const [node, amount] of byNode.entries()) {
      const entity = this.#options.entityOf(node);
      sums.set(entity, (sums.get(entity) ?? 0) + amount);
      total += amount;
    }
    const shares = [...sums.values()]
      .filter((sum) => sum > 0)
      .map((sum) => sum / total)
      .sort((a, b) => b - a);
    return { hhi: hhiOf(shares), nakamoto: nakamotoOf(shares), shares };
  }
}
