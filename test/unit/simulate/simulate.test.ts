/** The simulator: smoke runs of each scenario, replay from a seed, what its observer sees, what it draws. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/random.js';
import { runCampaign } from '../../../src/simulate/campaign.js';
import { isClean } from '../../../src/simulate/command.js';
import { Network } from '../../../src/simulate/network.js';
import { jsonOf, plotOf, textOf } from '../../../src/simulate/output.js';
import type { SimulationOptions, SimulationReport } from '../../../src/simulate/report.js';
import { simulate } from '../../../src/simulate/run.js';
import { SCENARIOS, type ScenarioName } from '../../../src/simulate/scenarios.js';
import { Tally } from '../../../src/simulate/tally.js';
import { CAMPAIGN_PARTS, type Target } from '../../../src/simulate/targets.js';
import { generate, grid, ring } from '../../../src/simulate/topology.js';
import { Traffic } from '../../../src/simulate/traffic.js';

function options(scenario: ScenarioName, seed: number): SimulationOptions {
  return {
    name: 'geometric',
    topology: generate('geometric', 30, new SeededRandom(3)),
    seed,
    scenario,
    hours: 0.05,
    packetsPerSecond: 10,
    flows: 40,
    entityShare: 0.6,
  };
}

describe('simulator > smoke', () => {
  it.each(SCENARIOS)(
    '%s: no packet goes round, no route is installed that should not be',
    async (scenario) => {
      const report = await simulate(options(scenario, 1));
      expect(report.badRoutes).toEqual([]);
      expect(isClean(report)).toBe(true);
      expect(report.sent).toBe(report.delivered + report.lost + report.underway);
      expect(report.delivered).toBeGreaterThan(report.sent / 3);
      expect(report.installedRoutes).toBeGreaterThan(0);
      expect(report.reachablePairs).toBeGreaterThan(0);
      expect(report.shares.reduce((sum, share) => sum + share, 0)).toBeLessThanOrEqual(1 + 1e-9);
      expect(report.changes > 0).toBe(scenario === 'churn' || scenario === 'liars');
    },
  );

  it('calm: everything arrives, every pair has a working route, at about the cheapest price', async () => {
    const report = await simulate(options('calm', 2));
    expect([report.lost, report.workingPairs]).toEqual([0, report.reachablePairs]);
    expect(report.medianPriceRatio).toBeGreaterThanOrEqual(1);
  });

  it('a network with one node outside of the entity has nobody to send to', async () => {
    const none = await simulate({ ...options('entity', 1), topology: ring(3), entityShare: 0.7 });
    expect([none.flows, none.sent, none.reachablePairs]).toEqual([0, 0, 0]);
  });

  it('entity: its nodes count as one, and a chooser that does not care gives it more', async () => {
    const guarded = await simulate(options('entity', 4));
    const free = await simulate({ ...options('entity', 4), isUnconstrained: true });
    expect(guarded.entity?.avoidablePairs).toBeGreaterThan(0);
    expect(guarded.entity?.share).toBeLessThan(free.entity?.share ?? 0);
  });
});

describe('simulator > replay', () => {
  it.each(['churn', 'liars'] as const)(
    '%s: a seed gives the same JSON, another another',
    async (scenario) => {
      const first = jsonOf(await simulate(options(scenario, 7)));
      expect(jsonOf(await simulate(options(scenario, 7)))).toBe(first);
      expect(jsonOf(await simulate(options(scenario, 8)))).not.toBe(first);
      const keys = Object.keys(JSON.parse(first) as object);
      for (const key of [
        'seed',
        'loops',
        'delivered',
        'lost',
        'reachablePairs',
        'workingPairs',
        'shares',
        'hhi',
        'nakamoto',
        'messages',
      ]) {
        expect(keys).toContain(key);
      }
    },
  );
});

describe('simulator > what is seen from above', () => {
  it('a route that its neighbours could not have vouched for is a fault', () => {
    const network = Network.of(ring(8), { seed: 1 });
    const id = (index: number): Network['nodes'][number]['id'] => network.node(index).id;
    network.node(0).table.learn([id(0), id(1), id(4)], 1n);
    network.oracle.audit(network.node(0), id(4));
    expect(network.oracle.faults.malformed).toBe(1);
    expect(network.oracle.badRoutes).toEqual(['node 0: a made-up link before any liar']);
  });

  it('a neighbour that says it is another is refused, and would be a fault', () => {
    const network = Network.of(ring(5), { seed: 1 });
    network.hello(network.node(1), network.node(0), network.node(3).id);
    expect(network.verdicts().get('HelloMismatch')).toBe(1);
    expect(network.oracle.faults.unauthenticated).toBe(0);
  });

  it('a packet whose route comes by a node twice is a loop', () => {
    const network = Network.of(grid(3, 3), { seed: 1 });
    const flows = [{ from: 0, to: 2 }];
    const tally = new Tally({
      nodes: 9,
      entityOf: (node) => node,
      rival: null,
      flows,
      isAvoidable: [true],
      hubs: [[0]],
      cheapestMsat: null,
    });
    const random = new SeededRandom(1);
    const traffic = new Traffic({
      network,
      flows,
      packetsPerSecond: 10,
      warmUpMillis: 0,
      rampMillis: 1,
      random,
      tally,
    });
    const { ids } = traffic.ways.along(
      [0, 1, 4, 1, 2].map((index) => network.node(index).id),
      0,
    );
    const looping = { ids, cost: 0n, learnedAtMillis: 0 };
    network.node(0).table.chooser.choose = () => ({
      ok: true,
      route: looping,
      isDegraded: false,
      isLosing: false,
    });
    traffic.start();
    network.run(10_000);
    expect(tally.loops).toBeGreaterThan(0);
    expect(tally.delivered).toBe(0);
  });

  it('hops are counted over what is up, and not through whoever does not pass', () => {
    const network = Network.of(ring(6), { seed: 1 });
    expect([...network.hopsFrom(0)]).toEqual([0, 1, 2, 3, 2, 1]);
    expect([...network.hopsFrom(0, (index) => index !== 1)]).toEqual([0, 1, 4, 3, 2, 1]);
    network.disconnect(0, 5);
    expect([...network.hopsFrom(0)]).toEqual([0, 1, 2, 3, 4, 5]);
    network.connect(0, 5);
    network.stop(5);
    network.restart(5);
    expect([...network.hopsFrom(0)]).toEqual([0, 1, 2, 3, 2, 1]);
    expect(network.node(5).table.directPeers()).toHaveLength(2);
  });
});

describe('simulator > output', () => {
  let report: SimulationReport | null = null;
  const made = async (): Promise<SimulationReport> => (report ??= await simulate(options('entity', 1)));

  it('the table names what is wanted of a run', async () => {
    const text = textOf(await made(), 1);
    for (const word of ['visits twice', 'pairs within 10 hops', 'HHI', 'Nakamoto', 'flooding', 'entity']) {
      expect(text).toContain(word);
    }
  });

  it('the picture is well-formed, has a line for each series, and takes the colour of its surroundings', async () => {
    const svg = plotOf(await made());
    const opened = [...svg.matchAll(/<(\w+)(?: [^>]*[^/])?>/g)].map(([, name]) => name).sort();
    const closed = [...svg.matchAll(/<\/(\w+)>/g)].map(([, name]) => name).sort();
    expect(closed).toEqual(opened);
    expect(svg.match(/<polyline/g)).toHaveLength(4);
    expect(svg).toContain('currentColor');
    expect(svg).not.toContain('NaN');
  });
});

describe('simulator > campaign', () => {
  it('measures every target', async () => {
    const targets: Target[] = [];
    const lines: string[] = [];
    const field = { name: 'preferential', topology: generate('preferential', 60, new SeededRandom(1)) };
    await runCampaign({
      parts: CAMPAIGN_PARTS,
      seed: 1,
      runs: 2,
      fromRun: 0,
      field,
      fullLoadHours: 0.05,
      packetsPerSecond: 20,
      flows: 60,
      entityFields: [field, { name: 'grid', topology: grid(8, 8) }],
      entitySeeds: 1,
      entityHours: 0.05,
      entityPacketsPerSecond: 20,
      entityFlows: 60,
      onProgress: () => undefined,
      onTarget: (target) => targets.push(target),
      onLine: (line) => lines.push(line),
    });
    expect(targets).toHaveLength(10);
    expect(lines).toHaveLength(2);
    expect(targets.slice(0, 2).map(({ isMet }) => isMet)).toEqual([true, true]);
  });
});
