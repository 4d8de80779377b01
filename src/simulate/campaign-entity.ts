/** The colluding entity on all networks of the campaign, against a chooser that does not care (routing.md, Anti-monopoly). */
import { DEFAULT_MONOPOLY } from '../routing/monopoly.js';
import { sum } from './numbers.js';
import { percent, whole } from './output.js';
import type { SimulationReport } from './report.js';
import { simulate } from './run.js';
import { ENTITY_SHARE, target, type CampaignOptions, type Field, type Target } from './targets.js';

/** Pairs that can do without the entity, below which concentration among them says little: few nodes are on their ways. */
const PAIRS_ENOUGH = 100;
const HHI_MOST = 1_800;
const NAKAMOTO_LEAST = 3;

/** One network with the entity, and the same with a chooser that does not care. */
interface EntityRun {
  readonly name: string;
  readonly guarded: SimulationReport;
  readonly free: SimulationReport;
}

/** The colluding entity on all networks, against a chooser that does not care. */
export async function* entityRuns(options: CampaignOptions): AsyncGenerator<Target> {
  const runs: EntityRun[] = [];
  for (const field of options.entityFields) {
    for (let i = 0; i < options.entitySeeds; i++) {
      const name = `${field.name}, seed ${options.seed + i}`;
      const guarded = await entityRun(options, field, options.seed + i, false);
      const run = { name, guarded, free: await entityRun(options, field, options.seed + i, true) };
      runs.push(run);
      options.onLine(entityLine(run));
    }
  }
  const guarded = runs.map((run) => run.guarded);
  const free = runs.map((run) => run.free);
  const most = DEFAULT_MONOPOLY.maxEntityShare + 0.02;
  const share = entityShareOf(guarded);
  yield target(
    'one entity with 60 % of the nodes: its share between pairs that can do without it',
    `<= ${percent(most)}`,
    `${percent(share)} of ${whole(sum(guarded.map(pairsOf)))} pairs in ${runs.length} networks ` +
      `(unconstrained ${percent(entityShareOf(free))})`,
    share <= most,
  );
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

function deliveredPart(reports: readonly SimulationReport[]): number {
  const ended = sum(reports.map(({ sent, underway }) => sent - underway));
  return sum(reports.map(({ delivered }) => delivered)) / Math.max(1, ended);
}
