/**
 * The many small networks of the campaign, and some large ones: half of them churn, half have liars (routing.md,
 * Discovery). Each run follows from the seed of the campaign and its own number, so that one can be had again alone.
 */
import { randomBelow, SeededRandom } from '../core/random.js';
import { whole } from './output.js';
import type { SimulationOptions, SimulationReport } from './report.js';
import { simulate } from './run.js';
import type { ScenarioName } from './scenarios.js';
import { ENTITY_SHARE, target, type CampaignOptions, type Target } from './targets.js';
import { generate, GENERATORS, part, randomGraph } from './topology.js';

/** Small runs last three minutes, half of them for settling. */
const SMALL_HOURS = 0.05;
const LARGER_EVERY = 100;
const LARGEST_EVERY = 20_000;
const LARGEST_NODES = 2_000;
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

export async function* smallRuns(options: CampaignOptions): AsyncGenerator<Target> {
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
    const index = options.fromRun + i;
    const report = await simulate(smallRun(options, index));
    if (addTo(sums, report)) options.onLine(shortLine(index, report));
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

/** Networks of 4 to 24 nodes; every hundredth has up to 200, every twenty thousandth 2,000. */
export function smallRun({ seed, field }: CampaignOptions, index: number): SimulationOptions {
  const random = new SeededRandom(Math.imul(seed, 1_000_003) + index);
  const isLargest = index % LARGEST_EVERY === LARGEST_EVERY - 1;
  const isLarger = index % LARGER_EVERY === LARGER_EVERY - 1;
  // Of each size half churn and half have liars.
  const ofItsSize = Math.floor(index / (isLargest ? LARGEST_EVERY : isLarger ? LARGER_EVERY : 1));
  const scenario = CHANGING[ofItsSize % CHANGING.length] ?? 'churn';
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
    // Few pairs in the largest: each that a liar troubles asks all nodes again and again.
    packetsPerSecond: isLarger && !isLargest ? 10 : 2,
    flows: isLarger && !isLargest ? 40 : 8,
    isBrief: true,
    entityShare: ENTITY_SHARE,
  };
}

/** @returns whether it fell short of something */
function addTo(sums: Sums, report: SimulationReport): boolean {
  const { loops, hopEvents, reachablePairs, workingPairs, surePairs, installedRoutes, scenario } = report;
  const wrong = wrongRoutes(report);
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
  sums.faults += wrong;
  return loops + wrong > 0 || workingPairs < reachablePairs;
}

function wrongRoutes({ faults }: SimulationReport): number {
  return faults.unauthenticated + faults.unasked + faults.infeasible + faults.malformed;
}

/** What is wrong with a run, and how to have it again. */
function shortLine(index: number, report: SimulationReport): string {
  const { topology, nodes, scenario, loops, brokenPairs, reachablePairs, workingPairs } = report;
  const broken = brokenPairs.map(({ from, to }) => `${from}-${to}`).join(' ');
  return (
    `run ${index} (${topology}, ${nodes} nodes, ${scenario}): ${loops} visits twice, ${wrongRoutes(report)} bad routes, ` +
    `${pairs(workingPairs, reachablePairs)} pairs${broken === '' ? '' : `, not ${broken}`}; ` +
    `again: the same command with --from ${index} --runs 1`
  );
}

function pairs(working: number, reachable: number): string {
  return `${whole(working)} of ${whole(reachable)}`;
}
