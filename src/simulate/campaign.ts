/**
 * The long runs of the simulator, and what is wanted of them (routing.md): many small networks, some large ones, the
 * colluding entity, the field topology beside flooding, an hour at full load.
 */
import { randomBelow, SeededRandom } from '../core/random.js';
import { DEFAULT_MONOPOLY } from '../routing/monopoly.js';
import { sum } from './numbers.js';
import { percent, whole } from './output.js';
import { simulate, type SimulationOptions, type SimulationReport } from './run.js';
import type { ScenarioName } from './scenarios.js';
import { generate, GENERATORS, part, randomGraph, type Topology } from './topology.js';

/** A line of the table of targets. */
export interface Target {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly isMet: boolean;
  /** What it is made of, a line each. */
  readonly parts?: readonly string[];
}

/** A network of the large runs. */
export interface Field {
  readonly name: string;
  readonly topology: Topology;
}

/** runs: the many small networks. entity: the colluding entity. field: discovery and an hour at full load. */
export const CAMPAIGN_PARTS = ['runs', 'entity', 'field'] as const;

export type CampaignPart = (typeof CAMPAIGN_PARTS)[number];

export interface CampaignOptions {
  readonly parts: readonly CampaignPart[];
  readonly seed: number;
  /** Seeded runs on small networks; one in a hundred is larger, one in ten thousand has 2,000 nodes. */
  readonly runs: number;
  /** The network at full load, of which many small ones are parts. */
  readonly field: Field;
  readonly fullLoadHours: number;
  readonly packetsPerSecond: number;
  readonly flows: number;
  /** The networks with an entity; each with so many seeds, which say who belongs to it. */
  readonly entityFields: readonly Field[];
  readonly entitySeeds: number;
  readonly entityHours: number;
  readonly entityPacketsPerSecond: number;
  readonly entityFlows: number;
  readonly onProgress: (part: string, done: number) => void;
  readonly onTarget: (target: Target) => void;
}

/** Small runs last three minutes, half of them for settling. */
const SMALL_HOURS = 0.05;
const LARGER_EVERY = 100;
const LARGEST_EVERY = 10_000;
const LARGEST_NODES = 2_000;
const ENTITY_SHARE = 0.6;
/** Pairs that can do without the entity, below which concentration among them says little: few nodes are on their ways. */
const PAIRS_ENOUGH = 100;
const HHI_MOST = 1_800;
const NAKAMOTO_LEAST = 3;
const CHANGING: readonly ScenarioName[] = ['churn', 'liars'];

/** Sums over many runs. */
interface Sums {
  runs: number;
  loops: number;
  hops: number;
  reachable: number;
  working: number;
  /** Pairs of which every route works that may be drawn. */
  sure: number;
  /** Of the runs in which nobody lies. */
  honestReachable: number;
  honestWorking: number;
  installed: number;
  faults: number;
}

/** Runs everything in turn; each target is told as soon as it is known. @returns whether all were met */
export async function runCampaign(options: CampaignOptions): Promise<boolean> {
  let isMet = true;
  const runners = { runs: smallRuns, entity: entityRuns, field: fieldRuns };
  for (const name of options.parts) {
    for await (const target of runners[name](options)) {
      options.onTarget(target);
      isMet &&= target.isMet;
    }
  }
  return isMet;
}

async function* smallRuns(options: CampaignOptions): AsyncGenerator<Target> {
  const sums: Sums = {
    runs: 0,
    loops: 0,
    hops: 0,
    reachable: 0,
    working: 0,
    sure: 0,
    honestReachable: 0,
    honestWorking: 0,
    installed: 0,
    faults: 0,
  };
  for (let i = 0; i < options.runs; i++) {
    addTo(sums, await simulate(smallRun(options, i)));
    options.onProgress('seeded runs', (i + 1) / options.runs);
  }
  const runs = `${whole(sums.runs)} runs, ${whole(sums.hops)} hops`;
  yield target('packets that visit a node twice', '0', `${sums.loops} (${runs})`, sums.loops === 0);
  yield target(
    'routes installed from an unauthenticated, unasked or infeasible message',
    '0',
    `${sums.faults} of ${whole(sums.installed)}`,
    sums.faults === 0,
  );
  yield target(
    'pairs within 10 hops with a working route 3 periods after the last change',
    '100 %',
    `${pairs(sums.working, sums.reachable)} (every route that may be drawn works for ${whole(sums.sure)}); ` +
      `without liars ${pairs(sums.honestWorking, sums.honestReachable)}`,
    sums.working === sums.reachable,
  );
}

/** Networks of 4 to 24 nodes; every hundredth has up to 200, every ten thousandth 2,000. */
function smallRun({ seed, field }: CampaignOptions, index: number): SimulationOptions {
  const random = new SeededRandom(Math.imul(seed, 1_000_003) + index);
  const scenario = CHANGING[index % CHANGING.length] ?? 'churn';
  const isLargest = index % LARGEST_EVERY === LARGEST_EVERY - 1;
  const isLarger = index % LARGER_EVERY === LARGER_EVERY - 1;
  const nodes = isLargest
    ? LARGEST_NODES
    : isLarger
      ? 25 + randomBelow(random, 176)
      : 4 + randomBelow(random, 21);
  const kind = randomBelow(random, GENERATORS.length + 2);
  const generator = GENERATORS[kind];
  const topology =
    generator !== undefined
      ? generate(generator, nodes, random)
      : kind === GENERATORS.length
        ? randomGraph(nodes, 3 + 2 * random.unit(), random)
        : part(field.topology, nodes, randomBelow(random, field.topology.nodes));
  return {
    name: generator ?? 'random',
    topology,
    seed: randomBelow(random, 2 ** 32),
    scenario,
    hours: SMALL_HOURS,
    packetsPerSecond: isLargest ? 100 : isLarger ? 10 : 2,
    flows: isLargest ? 400 : isLarger ? 40 : 8,
    isBrief: true,
    entityShare: ENTITY_SHARE,
  };
}

function addTo(sums: Sums, report: SimulationReport): void {
  const { loops, hopEvents, reachablePairs, workingPairs, surePairs, installedRoutes, faults, scenario } =
    report;
  sums.runs += 1;
  sums.loops += loops;
  sums.hops += hopEvents;
  sums.reachable += reachablePairs;
  sums.working += workingPairs;
  sums.sure += surePairs;
  if (scenario !== 'liars') {
    sums.honestReachable += reachablePairs;
    sums.honestWorking += workingPairs;
  }
  sums.installed += installedRoutes;
  sums.faults += faults.unauthenticated + faults.unasked + faults.infeasible + faults.malformed;
}

/** One network with the entity, and the same with a chooser that does not care. */
interface EntityRun {
  readonly name: string;
  readonly guarded: SimulationReport;
  readonly free: SimulationReport;
}

/** The colluding entity on all networks, against a chooser that does not care. */
async function* entityRuns(options: CampaignOptions): AsyncGenerator<Target> {
  const runs: EntityRun[] = [];
  for (const field of options.entityFields) {
    for (let i = 0; i < options.entitySeeds; i++) {
      const name = `${field.name}, seed ${options.seed + i}`;
      const guarded = await entityRun(options, field, options.seed + i, false);
      runs.push({ name, guarded, free: await entityRun(options, field, options.seed + i, true) });
    }
  }
  const guarded = runs.map((run) => run.guarded);
  const free = runs.map((run) => run.free);
  const most = DEFAULT_MONOPOLY.maxEntityShare + 0.02;
  const share = entityShareOf(guarded);
  yield {
    ...target(
      'one entity with 60 % of the nodes: its share between pairs that can do without it',
      `<= ${percent(most)}`,
      `${percent(share)} of ${whole(sum(guarded.map(pairsOf)))} pairs in ${runs.length} networks ` +
        `(unconstrained ${percent(entityShareOf(free))})`,
      share <= most,
    ),
    parts: runs.map(entityLine),
  };
  const enough = guarded.filter((report) => pairsOf(report) >= PAIRS_ENOUGH);
  const large = `of ${enough.length} with ${PAIRS_ENOUGH} such pairs or more, median`;
  const hhi = spreadOf(enough.map((report) => report.hhi));
  const bound = 'where not, nodes that no way leaves out make';
  const many = enough.filter((report) => report.hhi >= HHI_MOST);
  const hubHhi = spreadOf(many.map(({ entity }) => entity?.hubHhi ?? 0));
  yield target(
    'HHI between these pairs, where the network allows it',
    '< 1,800',
    `${enough.length - many.length} networks (${large}: ${hhi.median.toFixed(0)}); ` +
      `${bound} ${hubHhi.least.toFixed(0)} or more in ${many.length}`,
    many.every(({ entity }) => (entity?.hubHhi ?? 0) >= HHI_MOST),
  );
  const nakamoto = spreadOf(enough.map((report) => report.nakamoto));
  const few = enough.filter((report) => report.nakamoto < NAKAMOTO_LEAST);
  const hubShare = spreadOf(few.map(twoHubsOf));
  yield target(
    'Nakamoto coefficient between these pairs, where the network allows it',
    '>= 3',
    `${enough.length - few.length} networks (${large}: ${nakamoto.median}); ` +
      `${bound} ${percent(hubShare.least)} or more in ${few.length}, two of them`,
    few.every((report) => twoHubsOf(report) > 0.5),
  );
  const lost = deliveredPart(free) - deliveredPart(guarded);
  yield target('delivery lost against an unconstrained chooser', '< 1 %', percent(lost), lost < 0.01);
  const price = spreadOf(guarded.map(({ medianPriceRatio }) => medianPriceRatio ?? 0));
  yield target(
    'median price against the cheapest route',
    '<= 1.15 x',
    `${price.median.toFixed(2)} x (median of the networks; ${price.least.toFixed(2)} to ${price.most.toFixed(2)})`,
    price.median <= 1.15,
  );
}

/** The middle of some figures, and their ends; 0 where there are none. */
function spreadOf(values: readonly number[]): { median: number; least: number; most: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? 0;
  return { median: at(sorted.length >> 1), least: at(0), most: at(sorted.length - 1) };
}

function entityRun(
  options: CampaignOptions,
  { name, topology }: Field,
  seed: number,
  isUnconstrained: boolean,
): Promise<SimulationReport> {
  const { entityHours, entityPacketsPerSecond, entityFlows, onProgress } = options;
  const what = `entity on ${name}, seed ${seed}${isUnconstrained ? ', unconstrained' : ''}`;
  return simulate({
    name,
    topology,
    seed,
    scenario: 'entity',
    hours: entityHours,
    packetsPerSecond: entityPacketsPerSecond,
    flows: entityFlows,
    entityShare: ENTITY_SHARE,
    isUnconstrained,
    isBrief: true,
    onProgress: (done) => {
      onProgress(what, done);
    },
  });
}

function entityLine({ name, guarded, free }: EntityRun): string {
  const { entity, hhi, nakamoto, medianPriceRatio } = guarded;
  return (
    `${name}: ${percent(entity?.share ?? 0)} of ${whole(pairsOf(guarded))} pairs ` +
    `(unconstrained ${percent(free.entity?.share ?? 0)}), ${percent(entity?.shareElsewhere ?? 0)} of the other ` +
    `${whole(guarded.flows - pairsOf(guarded))}; HHI ${hhi.toFixed(0)} (unavoidable ${(entity?.hubHhi ?? 0).toFixed(0)}), ` +
    `Nakamoto ${nakamoto} (two hubs ${percent(twoHubsOf(guarded))}), ` +
    `price ${(medianPriceRatio ?? 0).toFixed(2)} x, ` +
    `lost ${percent(deliveredPart([free]) - deliveredPart([guarded]))}`
  );
}

/** The part of what was forwarded between pairs that can do without the entity. */
function entityShareOf(reports: readonly SimulationReport[]): number {
  const rival = sum(reports.map(({ entity }) => entity?.forwardedMsat.rival ?? 0));
  return rival / Math.max(1, sum(reports.map(({ entity }) => entity?.forwardedMsat.all ?? 0)));
}

/** What the two largest hubs forward that no way leaves out: above a half no choice reaches a coefficient of 3. */
function twoHubsOf({ entity }: SimulationReport): number {
  return sum((entity?.hubShares ?? []).slice(0, 2));
}

function pairsOf({ entity }: SimulationReport): number {
  return entity?.avoidablePairs ?? 0;
}

/** Discovery beside flooding, and an hour at full load. */
async function* fieldRuns(options: CampaignOptions): AsyncGenerator<Target> {
  const { seed, field, fullLoadHours, packetsPerSecond, flows, onProgress } = options;
  const started = process.cpuUsage();
  const { messages, ...hour } = await simulate({
    name: field.name,
    topology: field.topology,
    seed,
    scenario: 'calm',
    hours: fullLoadHours,
    packetsPerSecond,
    flows,
    entityShare: ENTITY_SHARE,
    onProgress: (done) => {
      onProgress('full load', done);
    },
  });
  const { user, system } = process.cpuUsage(started);
  const minutes = (user + system) / 60_000_000;
  const asked = (messages.RouteRequest + messages.RouteResponse) / Math.max(1, messages.routesFound);
  const ratio = asked / messages.floodPerRoute;
  const all = messages.perRoute / messages.floodPerRoute;
  yield target(
    `discovery messages per route found on ${field.name}, against flooding`,
    '<= 0.25 x',
    `${ratio.toFixed(2)} x (${asked.toFixed(0)} of ${messages.floodPerRoute.toFixed(0)}; with all advertisements ${all.toFixed(2)} x)`,
    ratio <= 0.25,
  );
  yield target(
    `${fullLoadHours} simulated h of ${whole(hour.nodes)} nodes with ${whole(packetsPerSecond)} packets/s`,
    '< 10 min an hour',
    `${minutes.toFixed(1)} min of processor time (${whole(hour.hopEvents)} hops)`,
    minutes < 10 * fullLoadHours,
  );
}

function deliveredPart(reports: readonly SimulationReport[]): number {
  const ended = sum(reports.map(({ sent, underway }) => sent - underway));
  return sum(reports.map(({ delivered }) => delivered)) / Math.max(1, ended);
}

function target(what: string, wanted: string, measured: string, isMet: boolean): Target {
  return { what, wanted, measured, isMet };
}

function pairs(working: number, reachable: number): string {
  return `${whole(working)} of ${whole(reachable)}`;
}
