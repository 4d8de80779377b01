/**
 * The long runs of the simulator, and what is wanted of them (routing.md): many small networks, some large ones, the
 * colluding entity, the field topology beside flooding, an hour at full load.
 */
import { randomBelow, SeededRandom } from '../core/random.js';
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
}

/** runs: the many small networks. entity: the colluding entity. field: discovery and an hour at full load. */
export const CAMPAIGN_PARTS = ['runs', 'entity', 'field'] as const;

export type CampaignPart = (typeof CAMPAIGN_PARTS)[number];

export interface CampaignOptions {
  readonly parts: readonly CampaignPart[];
  readonly seed: number;
  /** Seeded runs on small networks; one in a hundred is larger, one in ten thousand has 2,000 nodes. */
  readonly runs: number;
  /** The network of the large runs. */
  readonly field: Topology;
  readonly fieldName: string;
  /** Simulated hours of the runs on it with an entity, and of the one at full load. */
  readonly hours: number;
  readonly fullLoadHours: number;
  readonly packetsPerSecond: number;
  readonly flows: number;
  readonly onProgress: (part: string, done: number) => void;
  readonly onTarget: (target: Target) => void;
}

/** Small runs last three minutes, half of them for settling. */
const SMALL_HOURS = 0.05;
const LARGER_EVERY = 100;
const LARGEST_EVERY = 10_000;
const LARGEST_NODES = 2_000;
const ENTITY_SHARE = 0.6;
const CHANGING: readonly ScenarioName[] = ['churn', 'liars'];

/** Sums over many runs. */
interface Sums {
  runs: number;
  loops: number;
  hops: number;
  reachable: number;
  working: number;
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
    `${pairs(sums.working, sums.reachable)}; without liars ${pairs(sums.honestWorking, sums.honestReachable)}`,
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
        : part(field, nodes, randomBelow(random, field.nodes));
  return {
    name: generator ?? 'random',
    topology,
    seed: randomBelow(random, 2 ** 32),
    scenario,
    hours: SMALL_HOURS,
    packetsPerSecond: isLargest ? 100 : isLarger ? 10 : 2,
    flows: isLargest ? 400 : isLarger ? 40 : 8,
    entityShare: ENTITY_SHARE,
  };
}

function addTo(sums: Sums, report: SimulationReport): void {
  const { loops, hopEvents, reachablePairs, workingPairs, installedRoutes, faults, scenario } = report;
  sums.runs += 1;
  sums.loops += loops;
  sums.hops += hopEvents;
  sums.reachable += reachablePairs;
  sums.working += workingPairs;
  if (scenario !== 'liars') {
    sums.honestReachable += reachablePairs;
    sums.honestWorking += workingPairs;
  }
  sums.installed += installedRoutes;
  sums.faults += faults.unauthenticated + faults.unasked + faults.infeasible + faults.malformed;
}

/** The colluding entity, against a chooser that does not care. */
async function* entityRuns(options: CampaignOptions): AsyncGenerator<Target> {
  const guarded = await fieldRun(options, 'entity', 'the entity');
  const free = await fieldRun(options, 'entity', 'the entity, unconstrained', { isUnconstrained: true });
  const { entity, cap, hhi, nakamoto, medianPriceRatio } = guarded;
  if (entity === null || free.entity === null || medianPriceRatio === null) return;
  const most = cap + 0.02;
  yield target(
    'one entity with 60 % of the nodes: its share between pairs that can do without it',
    `<= ${percent(most)}`,
    `${percent(entity.share)} of ${entity.avoidablePairs} pairs (unconstrained ${percent(free.entity.share)}; ` +
      `other pairs ${percent(entity.shareElsewhere)})`,
    entity.share <= most,
  );
  yield target(
    'HHI between these pairs',
    '< 1,800',
    `${hhi.toFixed(0)} (unconstrained ${free.hhi.toFixed(0)})`,
    hhi < 1_800,
  );
  yield target(
    'Nakamoto coefficient between these pairs',
    '>= 3',
    `${nakamoto} (unconstrained ${free.nakamoto})`,
    nakamoto >= 3,
  );
  const lost = deliveredPart(free) - deliveredPart(guarded);
  yield target('delivery lost against an unconstrained chooser', '< 1 %', percent(lost), lost < 0.01);
  yield target(
    'median price against the cheapest route',
    '<= 1.15 x',
    `${medianPriceRatio.toFixed(2)} x (unconstrained ${(free.medianPriceRatio ?? 0).toFixed(2)} x)`,
    medianPriceRatio <= 1.15,
  );
}

/** Discovery beside flooding, and an hour at full load. */
async function* fieldRuns(options: CampaignOptions): AsyncGenerator<Target> {
  const started = performance.now();
  const { messages, ...hour } = await fieldRun(options, 'calm', 'an hour at full load', {
    hours: options.fullLoadHours,
  });
  const minutes = (performance.now() - started) / 60_000;
  const asked = (messages.RouteRequest + messages.RouteResponse) / Math.max(1, messages.routesFound);
  const ratio = asked / messages.floodPerRoute;
  yield target(
    'discovery messages per route found, against flooding',
    '<= 0.25 x',
    `${ratio.toFixed(2)} x (${asked.toFixed(0)} of ${messages.floodPerRoute.toFixed(0)}; ` +
      `with advertisements ${messages.perRoute.toFixed(0)})`,
    ratio <= 0.25,
  );
  yield target(
    `${options.fullLoadHours} simulated h of ${whole(hour.nodes)} nodes with ${options.packetsPerSecond} packets/s`,
    '< 10 min an hour',
    `${minutes.toFixed(1)} min (${whole(hour.hopEvents)} hops)`,
    minutes < 10 * options.fullLoadHours,
  );
}

function fieldRun(
  { seed, field, fieldName, hours, packetsPerSecond, flows, onProgress }: CampaignOptions,
  scenario: ScenarioName,
  name: string,
  changes: Partial<SimulationOptions> = {},
): Promise<SimulationReport> {
  return simulate({
    name: fieldName,
    topology: field,
    seed,
    scenario,
    hours,
    packetsPerSecond,
    flows,
    entityShare: ENTITY_SHARE,
    onProgress: (done) => {
      onProgress(name, done);
    },
    ...changes,
  });
}

function deliveredPart({ sent, delivered, underway }: SimulationReport): number {
  return delivered / (sent - underway);
}

function target(what: string, wanted: string, measured: string, isMet: boolean): Target {
  return { what, wanted, measured, isMet };
}

function pairs(working: number, reachable: number): string {
  return `${whole(working)} of ${whole(reachable)}`;
}
