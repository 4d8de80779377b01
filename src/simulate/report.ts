/** What a run of the simulator is given, and what it tells: both are all that its printed bytes depend on. */
import type { Faults } from './oracle.js';
import type { ScenarioName } from './scenarios.js';
import type { Forwarded } from './tally.js';
import type { Topology } from './topology.js';
import type { Flow } from './traffic.js';

export interface SimulationOptions {
  readonly name: string;
  readonly topology: Topology;
  readonly seed: number;
  readonly scenario: ScenarioName;
  readonly hours: number;
  readonly packetsPerSecond: number;
  /** Pairs that send to each other, at most. */
  readonly flows: number;
  /** Part of the nodes that is one entity, in the scenario of that name. */
  readonly entityShare: number;
  /** Choose routes as if everybody were on their own and might have any share: for comparison. */
  readonly isUnconstrained?: boolean;
  /** Leaves out the series: looking at all pairs again and again takes most of a small run. */
  readonly isBrief?: boolean;
  readonly onProgress?: (part: number) => void;
}

/** A look at the network while it runs. */
export interface Sample {
  readonly minutes: number;
  /** Of the pairs within 10 hops: those with a working route. */
  readonly working: number;
  /** Of what was forwarded so far: the part of the entity that is looked at, or of the largest. */
  readonly share: number;
  readonly delivered: number;
}

export interface SimulationReport {
  readonly seed: number;
  readonly topology: string;
  readonly nodes: number;
  readonly links: number;
  readonly scenario: ScenarioName;
  readonly entityShare: number | null;
  readonly hours: number;
  readonly flows: number;
  /** Packets that visited a node twice. */
  readonly loops: number;
  readonly sent: number;
  readonly delivered: number;
  readonly lost: number;
  /** Under way when the run ended. */
  readonly underway: number;
  readonly lostBy: Readonly<Record<'noRoute' | 'links' | 'lostHops' | 'liars' | 'replays', number>>;
  readonly repaired: number;
  readonly degraded: number;
  readonly copiesRefused: number;
  /** Pairs within 10 hops (over honest nodes) at the end, three advertisement periods after the last change. */
  readonly reachablePairs: number;
  /** Those of them of which a route works: one of those that their source doubts least. */
  readonly workingPairs: number;
  /** Those of them of which all of these work, whichever is drawn. */
  readonly surePairs: number;
  /** Those within reach that do not, the first of them. */
  readonly brokenPairs: readonly Flow[];
  readonly changes: number;
  /** The largest shares of what was forwarded between pairs that can do without the entity (all pairs without one). */
  readonly shares: readonly number[];
  readonly hhi: number;
  readonly nakamoto: number;
  readonly cap: number;
  /** Part of the pairs that can do without the entity, its share there and elsewhere; null where there is none. */
  readonly entity: {
    readonly avoidablePairs: number;
    /** Msat forwarded between these pairs: by anybody, and by the entity. */
    readonly forwardedMsat: Readonly<Forwarded>;
    readonly share: number;
    readonly shareElsewhere: number;
    /** Of them, the largest shares of nodes that every way without the entity passes, and HHI of these alone. */
    readonly hubShares: readonly number[];
    readonly hubHhi: number;
    readonly shareOfAll: number;
    readonly hhiOfAll: number;
    readonly nakamotoOfAll: number;
  } | null;
  /** Median of price / cheapest price that the network has; null where it changes. */
  readonly medianPriceRatio: number | null;
  readonly meanHops: number;
  readonly meanLatencyMillis: number;
  readonly messages: {
    readonly RouteRequest: number;
    readonly RouteResponse: number;
    readonly RouteAdvertisement: number;
    readonly total: number;
    /** Searches that found a route. */
    readonly routesFound: number;
    readonly perRoute: number;
    /** What plain flooding takes for one. */
    readonly floodPerRoute: number;
  };
  readonly installedRoutes: number;
  readonly faults: Faults;
  readonly badRoutes: readonly string[];
  readonly verdicts: Readonly<Record<string, number>>;
  readonly hopEvents: number;
  readonly trace: string;
  readonly series: readonly Sample[];
}
