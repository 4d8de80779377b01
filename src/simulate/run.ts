/**
 * One run of the simulator: a topology, a scenario and a seed, from the first packet to the figures.
 *
 * Wanted of it: routing.md, Discovery and Anti-monopoly. Everything that a report holds follows from the options, so
 * that the same seed prints the same bytes.
 */
import { setImmediate } from 'node:timers/promises';
import type { FeeSchedule } from '../core/policy.js';
import { randomBelow, SeededRandom } from '../core/random.js';
import { nodeKey } from '../core/ids.js';
import { Entities } from '../routing/entities.js';
import { DEFAULT_MONOPOLY, effectiveCap } from '../routing/monopoly.js';
import { hhiOf } from '../routing/shares.js';
import { Churn } from './churn.js';
import { LIARS, type Liar } from './liars.js';
import { Network } from './network.js';
import { count, mean, ratio, shuffled } from './numbers.js';
import { cheapestPrices, floodMessages, hubsOf, reachability } from './reach.js';
import type { Sample, SimulationOptions, SimulationReport } from './report.js';
import { scenarioOf, type Scenario } from './scenarios.js';
import { Tally } from './tally.js';
import { indices } from './topology.js';
import { Traffic, type Flow } from './traffic.js';

const HOUR_MILLIS = 3_600_000;
/** Three advertisement periods: by then every pair within 10 hops must have a working route. */
export const SETTLE_MILLIS = 90_000;
/** The defaults of the configuration. */
const FEES: FeeSchedule = { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 0n, proportionalPpm: 0n };
/** Routers ask for 1 to 3 sats. */
const HOP_COSTS = 3;
/** Part of a run before anybody sends, three advertisement periods at most, and part within which flows begin then. */
const RAMP_PART = 0.1;
const SAMPLES = 60;
const SAMPLED_FLOWS = 100;
/** Random pairs that are looked at for each one wanted: where few are within reach there are fewer flows. */
const TRIES_PER_FLOW = 50;
const SHARES_SHOWN = 20;
const BROKEN_SHOWN = 20;
const RIVAL = 0;
const RIVAL_PAYEE = '02'.repeat(33);
/** How often other work of the process has its turn, in simulated milliseconds. */
const SLICE_MILLIS = 2_000;

/** Runs it. The process has its other turns now and then. */
export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  const run = new Run(options);
  await run.execute();
  return run.report();
}

class Run {
  readonly #options: SimulationOptions;
  readonly #scenario: Scenario;
  readonly #network: Network;
  readonly #isRival: readonly boolean[];
  readonly #flows: readonly Flow[];
  readonly #isAvoidable: readonly boolean[];
  readonly #tally: Tally;
  readonly #traffic: Traffic;
  readonly #churn: Churn;
  readonly #floodPerRoute: number;
  readonly #endMillis: number;
  readonly #series: Sample[] = [];
  #reachable: { readonly version: number; readonly flags: readonly boolean[] } | null = null;
  readonly #isHonest = (node: number): boolean => this.#network.node(node).liar === null;

  constructor(options: SimulationOptions) {
    const { topology, seed, hours, packetsPerSecond } = options;
    const scenario = scenarioOf(options.scenario);
    // Each part draws from its own source, so that one of them can change without the others.
    const randomFor = (part: number): SeededRandom => new SeededRandom(Math.imul(seed, 31) + part);
    const roles = shuffled(randomFor(1), indices(topology.nodes));
    const rivals = scenario.hasEntity ? Math.round(options.entityShare * topology.nodes) : 0;
    const liars = Math.round(scenario.liarShare * topology.nodes);
    const isRival = indices(topology.nodes).map(() => false);
    const liarAt = indices(topology.nodes).map((): Liar | null => null);
    for (const index of roles.slice(0, rivals)) isRival[index] = true;
    for (const [i, index] of roles.slice(0, liars).entries()) liarAt[index] = LIARS[i % LIARS.length] ?? null;
    const costs = randomFor(2);
    const hopCosts = indices(topology.nodes).map(() => BigInt(1 + randomBelow(costs, HOP_COSTS)));
    const notice = randomFor(3);
    const entities = new Entities();
    const network = Network.of(topology, {
      seed,
      links: scenario.links,
      fees: FEES,
      hopCostSats: (index) => hopCosts[index] ?? 1n,
      liarAt: (index) => liarAt[index] ?? null,
      noticeMillis: () => scenario.noticeMillis * notice.unit(),
      ...(options.isUnconstrained === true
        ? { monopoly: { ...DEFAULT_MONOPOLY, maxEntityShare: 1 } }
        : { entities }),
    });
    for (const { index, id } of network.nodes) {
      if (isRival[index] === true) entities.setPayee(nodeKey(id), RIVAL_PAYEE);
    }
    this.#endMillis = Math.max(hours * HOUR_MILLIS, 2 * SETTLE_MILLIS);
    this.#options = options;
    this.#scenario = scenario;
    this.#network = network;
    this.#isRival = isRival;
    this.#flows = this.#makeFlows(randomFor(4));
    this.#isAvoidable = this.#flows.map(reachability(network, (node) => this.#isRival[node] !== true));
    const isSteady = scenario.linkFailuresPerHour === 0 && scenario.nodeRestartsPerHour === 0;
    this.#tally = new Tally({
      nodes: topology.nodes,
      entityOf: (node) => (isRival[node] === true ? RIVAL : node + 1),
      rival: rivals > 0 ? RIVAL : null,
      flows: this.#flows,
      isAvoidable: this.#isAvoidable,
      hubs: scenario.hasEntity
        ? this.#flows.map((flow) => hubsOf(network, flow, (node) => isRival[node] !== true))
        : [],
      cheapestMsat: isSteady ? cheapestPrices(network, this.#flows, FEES) : null,
    });
    this.#traffic = new Traffic({
      network,
      flows: this.#flows,
      packetsPerSecond,
      warmUpMillis: Math.min(SETTLE_MILLIS, RAMP_PART * this.#endMillis),
      rampMillis: RAMP_PART * this.#endMillis,
      random: randomFor(5),
      tally: this.#tally,
    });
    this.#churn = new Churn({
      network,
      scenario,
      random: randomFor(6),
      untilMillis: this.#endMillis - SETTLE_MILLIS,
    });
    const sample = this.#flows.slice(0, SAMPLED_FLOWS);
    this.#floodPerRoute = mean(sample.map((flow) => floodMessages(network, flow)));
  }

  async execute(): Promise<void> {
    const { onProgress, isBrief } = this.#options;
    this.#network.start();
    this.#traffic.start();
    this.#churn.start();
    const network = this.#network;
    let nextSample = 1;
    while (network.now < this.#endMillis) {
      network.queue.runUntil(Math.min(network.now + SLICE_MILLIS, this.#endMillis));
      if (isBrief !== true && network.now >= (nextSample * this.#endMillis) / SAMPLES) {
        nextSample += 1;
        this.#sample();
      }
      onProgress?.(network.now / this.#endMillis);
      await setImmediate();
    }
  }

  report(): SimulationReport {
    const network = this.#network;
    const { seed, name, scenario, hours, entityShare } = this.#options;
    const tally = this.#tally;
    const { isWorking, isSure, isReachable } = this.#pairs(this.#flows);
    const { hasEntity } = this.#scenario;
    const { hhi, nakamoto, shares } = tally.avoidableConcentration();
    const all = tally.concentration();
    const routesFound = network.nodes.reduce((sum, { discovery }) => sum + discovery.stats().routesFound, 0);
    this.#traffic.stop();
    network.close();
    return {
      seed,
      topology: name,
      nodes: network.nodes.length,
      links: network.links.count,
      scenario,
      entityShare: hasEntity ? entityShare : null,
      hours,
      flows: this.#flows.length,
      loops: tally.loops,
      sent: tally.sent,
      delivered: tally.delivered,
      lost: tally.lost,
      underway: tally.sent - tally.delivered - tally.lost,
      lostBy: {
        noRoute: tally.lostWithoutRoute,
        links: tally.lostOnLinks,
        lostHops: tally.lostHops,
        liars: tally.lostToLiars,
        replays: tally.replaysRefused,
      },
      repaired: tally.repaired,
      degraded: tally.degraded,
      copiesRefused: tally.copiesRefused,
      reachablePairs: count(isReachable),
      workingPairs: count(isWorking),
      surePairs: count(isSure),
      brokenPairs: this.#flows
        .filter((_, i) => isReachable[i] === true && isWorking[i] !== true)
        .slice(0, BROKEN_SHOWN),
      changes: this.#churn.changes,
      shares: shares.slice(0, SHARES_SHOWN),
      hhi,
      nakamoto,
      cap: effectiveCap(DEFAULT_MONOPOLY.maxEntityShare, shares.length),
      entity: hasEntity
        ? {
            avoidablePairs: count(this.#isAvoidable),
            forwardedMsat: tally.avoidable,
            share: ratio(tally.avoidable.rival, tally.avoidable.all),
            shareElsewhere: ratio(tally.unavoidable.rival, tally.unavoidable.all),
            hubShares: tally.hubShares().slice(0, SHARES_SHOWN),
            hubHhi: hhiOf(tally.hubShares()),
            shareOfAll: ratio(
              tally.avoidable.rival + tally.unavoidable.rival,
              tally.avoidable.all + tally.unavoidable.all,
            ),
            hhiOfAll: all.hhi,
            nakamotoOfAll: all.nakamoto,
          }
        : null,
      medianPriceRatio: tally.medianPriceRatio(),
      meanHops: ratio(tally.hops, tally.delivered),
      meanLatencyMillis: tally.meanLatencyMillis,
      messages: {
        ...network.sent,
        total: network.totalSent(),
        routesFound,
        perRoute: ratio(network.totalSent(), routesFound),
        floodPerRoute: this.#floodPerRoute,
      },
      installedRoutes: network.oracle.installed,
      faults: network.oracle.faults,
      badRoutes: network.oracle.badRoutes,
      verdicts: Object.fromEntries(network.verdicts()),
      hopEvents: tally.hops,
      trace: network.trace(),
      series: this.#series,
    };
  }

  #sample(): void {
    const { isWorking, isReachable } = this.#pairs(this.#flows.slice(0, SAMPLED_FLOWS));
    const { avoidable, delivered, lost } = this.#tally;
    const { shares } = this.#tally.avoidableConcentration();
    this.#series.push({
      minutes: this.#network.now / 60_000,
      working: ratio(count(isWorking), count(isReachable)),
      share: this.#scenario.hasEntity ? ratio(avoidable.rival, avoidable.all) : (shares[0] ?? 0),
      delivered: ratio(delivered, delivered + lost),
    });
  }

  /** Which flows are within 10 hops over honest nodes, and of which of those a route works, or all that are drawn. */
  #pairs(flows: readonly Flow[]): Record<'isReachable' | 'isWorking' | 'isSure', readonly boolean[]> {
    const isReachable = this.#reachableNow(flows);
    const { ways } = this.#traffic;
    const known = flows.map((flow, i) => (isReachable[i] === true ? this.#traffic.waysOf(flow) : []));
    return {
      isReachable,
      isWorking: known.map((of) => of.some((way) => ways.works(way))),
      isSure: known.map((of) => of.length > 0 && of.every((way) => ways.works(way))),
    };
  }

  /** Looked at anew only where a link has changed: a breadth-first search for each source takes its time. */
  #reachableNow(flows: readonly Flow[]): readonly boolean[] {
    const { version } = this.#network.links;
    const known = this.#reachable;
    if (known?.version === version && known.flags.length === flows.length) return known.flags;
    const flags = flows.map(reachability(this.#network, this.#isHonest));
    this.#reachable = { version, flags };
    return flags;
  }

  /**
   * Pairs of honest nodes within 10 hops over honest nodes: all where they are few, otherwise a sample. Half of it are
   * pairs that can do without the entity, where there is one and there are so many: they are rare, and what is looked at.
   */
  #makeFlows(random: SeededRandom): readonly Flow[] {
    const network = this.#network;
    const wanted = this.#options.flows;
    const isReachable = reachability(network, this.#isHonest);
    const ends = indices(network.nodes.length).filter(
      (index) => this.#isHonest(index) && this.#isRival[index] !== true,
    );
    if (ends.length * (ends.length - 1) <= wanted) {
      const all = ends.flatMap((from) => ends.filter((to) => to !== from).map((to): Flow => ({ from, to })));
      return all.filter(isReachable);
    }
    const pairs = new Map<number, Flow>();
    const pick = (): number => ends[randomBelow(random, ends.length)] ?? 0;
    const draw = (most: number, isWanted: (flow: Flow) => boolean): void => {
      for (let tries = 0; tries < TRIES_PER_FLOW * most && pairs.size < most; tries++) {
        const flow = { from: pick(), to: pick() };
        if (flow.from === flow.to || !isWanted(flow)) continue;
        pairs.set(flow.from * network.nodes.length + flow.to, flow);
      }
    };
    if (this.#scenario.hasEntity) {
      draw(
        Math.floor(wanted / 2),
        reachability(network, (node) => this.#isRival[node] !== true),
      );
    }
    draw(wanted, isReachable);
    return shuffled(random, [...pairs.values()]);
  }
}
