/** Discovery in whole networks: who finds whom, at what cost, and what liars achieve (routing.md, Discovery). */
import { describe, expect, it } from 'vitest';
import { randomBelow, SeededRandom } from '../../../src/core/random.js';
import { blackHole, forger, inflater, pretender, type Liar } from '../../../src/simulate/liars.js';
import { JITTERY_LINKS, ROUGH_LINKS } from '../../../src/simulate/links.js';
import { Network } from '../../../src/simulate/network.js';
import { floodMessages } from '../../../src/simulate/reach.js';
import { grid, indices, randomGraph, ring, type Topology } from '../../../src/simulate/topology.js';

/** Time between two searches: the neighbours' allowances fill up again. */
const PAUSE_MILLIS = 1_000;

interface Outcome {
  found: number;
  missed: string[];
  messages: number;
}

type Pair = readonly [number, number];

async function discoverAll(sim: Network, pairs: Iterable<Pair>): Promise<Outcome> {
  const outcome: Outcome = { found: 0, missed: [], messages: 0 };
  const before = sim.totalSent();
  for (const [from, to] of pairs) {
    const route = await sim.discover(from, to);
    if (route === null) outcome.missed.push(`${from} to ${to}`);
    else outcome.found += 1;
    sim.run(PAUSE_MILLIS);
  }
  outcome.messages = sim.totalSent() - before;
  return outcome;
}

/** Ordered pairs within 10 hops, over nodes that pass messages on. */
function pairsWithin10(sim: Network, passes: (index: number) => boolean = () => true): Pair[] {
  const honest = indices(sim.nodes.length).filter(passes);
  return honest.flatMap((from) => {
    const hops = sim.hopsFrom(from, passes);
    return honest.filter((to) => to !== from && (hops[to] ?? 99) <= 10).map((to): Pair => [from, to]);
  });
}

function sample(pairs: readonly Pair[], count: number, seed: number): Pair[] {
  const random = new SeededRandom(seed);
  return indices(count).map(() => pairs[randomBelow(random, pairs.length)] ?? [0, 0]);
}

function report(name: string, sim: Network, pairs: readonly Pair[], { found, messages }: Outcome): void {
  const mean = (sum: number): number => Math.round((10 * sum) / pairs.length) / 10;
  const routes = pairs.reduce((sum, [from, to]) => {
    return sum + sim.node(from).table.alternatives(sim.node(to).id).length;
  }, 0);
  const flood = pairs.reduce((sum, [from, to]) => sum + floodMessages(sim, { from, to }), 0);
  console.info(
    `${name}: ${found} of ${pairs.length} pairs; ${mean(messages)} messages a search for ${mean(routes)} routes ` +
      `each; plain flooding needs ${mean(flood)} for one`,
  );
}

describe('discovery > every pair within 10 hops finds a route', () => {
  const cases: [string, Topology, number | 'all'][] = [
    ['ring of 21', ring(21), 'all'],
    ['grid of 9 x 3', grid(9, 3), 'all'],
    ['random graph of 200', randomGraph(200, 4, new SeededRandom(5)), 100],
    ['sparse random graph of 200', randomGraph(200, 2.5, new SeededRandom(6)), 80],
  ];
  it.each(cases)('%s, with links of uneven speed', async (name, topology, count) => {
    const sim = Network.of(topology, { seed: 1, links: JITTERY_LINKS });
    const all = pairsWithin10(sim);
    const pairs = count === 'all' ? all : sample(all, count, 2);
    const outcome = await discoverAll(sim, pairs);
    report(name, sim, pairs, outcome);
    expect(outcome.missed).toEqual([]);
    expect(sim.oracle.badRoutes).toEqual([]);
  });

  it('with loss, duplication and reordering', async () => {
    const sim = Network.of(randomGraph(150, 4, new SeededRandom(7)), { seed: 3, links: ROUGH_LINKS });
    const pairs = sample(pairsWithin10(sim), 100, 4);
    const outcome = await discoverAll(sim, pairs);
    report('rough links, 150 nodes', sim, pairs, outcome);
    expect(outcome.missed).toEqual([]);
    expect(sim.oracle.badRoutes).toEqual([]);
  });

  it('and none that is farther away', async () => {
    const sim = Network.of(ring(24), { seed: 1 });
    expect(await sim.discover(0, 10)).not.toBeNull();
    expect(await sim.discover(0, 11)).toBeNull();
    expect(await sim.discover(0, 12)).toBeNull();
  });
});

describe('discovery > churn', () => {
  it('installs no bad route while links come and go, and finds all pairs once they rest', async () => {
    const topology = randomGraph(80, 4, new SeededRandom(11));
    const sim = Network.of(topology, { seed: 12, links: ROUGH_LINKS });
    const random = new SeededRandom(13);
    for (let round = 0; round < 300; round++) {
      const [a, b] = topology.links[randomBelow(random, topology.links.length)] ?? [0, 1];
      if (sim.isConnected(a, b)) sim.disconnect(a, b);
      else sim.connect(a, b);
      const node = sim.node(randomBelow(random, 80));
      void node.discovery.discover(sim.node((node.index + 1 + randomBelow(random, 79)) % 80).id);
      sim.run(200);
      for (const { index, id } of sim.nodes) {
        if (index % 8 === round % 8) sim.oracle.audit(node, id);
      }
    }
    for (const [a, b] of topology.links) sim.connect(a, b);
    sim.run(60_000);
    const outcome = await discoverAll(sim, sample(pairsWithin10(sim), 60, 14));
    expect(outcome.missed).toEqual([]);
    expect(sim.oracle.badRoutes).toEqual([]);
    expect(sim.sent.RouteAdvertisement).toBeGreaterThan(0);
  });

  it('a lost neighbour is told to the others, whose routes through this node to it go', async () => {
    const sim = Network.of(ring(6), { seed: 1 });
    await sim.discover(0, 2);
    await sim.discover(0, 3);
    sim.run(2_000);
    const viaOne = (to: number): boolean =>
      sim
        .node(0)
        .table.alternatives(sim.node(to).id)
        .some(({ ids }) => ids[1] === sim.node(1).id);
    expect([viaOne(2), viaOne(3)]).toEqual([true, true]);
    sim.disconnect(1, 2);
    sim.run(100);
    expect([viaOne(2), viaOne(3)]).toEqual([false, false]);
  });
});

describe('discovery > liars', () => {
  const withLiars = (liar: Liar, everyNth: number): Network =>
    Network.of(randomGraph(100, 5, new SeededRandom(21)), {
      seed: 22,
      links: JITTERY_LINKS,
      liarAt: (index) => (index % everyNth === 0 ? liar : null),
    });

  /** Pairs that the honest nodes connect among themselves. */
  const honestPairs = (sim: Network, count: number): Pair[] =>
    sample(
      pairsWithin10(sim, (index) => sim.node(index).liar === null),
      count,
      23,
    );

  it('forged responses and advertisements install nothing and hinder nobody', async () => {
    const sim = withLiars(forger, 5);
    const pairs = honestPairs(sim, 80);
    const outcome = await discoverAll(sim, pairs);
    report('a fifth of forgers', sim, pairs, outcome);
    expect(outcome.missed).toEqual([]);
    expect(sim.oracle.badRoutes).toEqual([]);
    for (const name of [
      'ResponseNotAsked',
      'ResponseBadRoute',
      'RouteRepeatsNode',
      'RouteTooLong',
    ] as const) {
      expect(sim.verdicts().get(name), name).toBeGreaterThan(0);
    }
  });

  it.each([
    ['nodes that swallow everything', blackHole],
    ['nodes that raise the hops of requests and swallow the answers', inflater],
  ])('%s do not keep the others from finding each other', async (name, liar) => {
    const sim = withLiars(liar, 10);
    const pairs = honestPairs(sim, 30);
    const outcome = await discoverAll(sim, pairs);
    report(name, sim, pairs, outcome);
    expect(outcome.missed).toEqual([]);
    expect(sim.oracle.badRoutes).toEqual([]);
  });

  it('a false claim to be next to the destination draws routes to the liar alone', async () => {
    const sim = withLiars(pretender, 10);
    const pairs = honestPairs(sim, 100);
    await discoverAll(sim, pairs);
    // Every hop up to the first liar is real: badRoutes would name it otherwise.
    expect(sim.oracle.badRoutes).toEqual([]);
    const isHonest = ([from, to]: Pair): boolean =>
      sim
        .node(from)
        .table.alternatives(sim.node(to).id)
        .some(({ ids }) => ids.every((id) => sim.nodeOf(id)?.liar === null));
    const honest = pairs.filter(isHonest).length;
    console.info(
      `a tenth of pretenders: ${honest} of ${pairs.length} pairs also hold a route without a liar`,
    );
    expect(honest).toBeGreaterThan(0);
  });
});

describe('discovery > replay of a run', () => {
  const run = async (seed: number): Promise<string> => {
    const sim = Network.of(randomGraph(40, 4, new SeededRandom(31)), {
      seed,
      links: ROUGH_LINKS,
      liarAt: (index) => (index % 10 === 0 ? forger : null),
    });
    await discoverAll(sim, sample(pairsWithin10(sim), 20, 32));
    return sim.trace();
  };

  it('the same seed gives the same trace, another seed another', async () => {
    expect(await run(33)).toBe(await run(33));
    expect(await run(34)).not.toBe(await run(33));
  });
});
