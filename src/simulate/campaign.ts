/**
 * The long runs of the simulator, and what is wanted of them (routing.md): many small networks, some large ones, the
 * colluding entity, the field topology beside flooding, an hour at full load.
 */
import { entityRuns } from './campaign-entity.js';
import { smallRuns } from './campaign-runs.js';
import { whole } from './output.js';
import { simulate } from './run.js';
import { ENTITY_SHARE, target, type CampaignOptions, type Target } from './targets.js';

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
