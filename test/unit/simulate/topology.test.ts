/** Topologies: generators, files, parts. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/core/random.js';
import {
  generate,
  GENERATORS,
  neighboursOf,
  parseTopology,
  part,
  randomGraph,
  type Topology,
} from '../../../src/simulate/topology.js';

/** Nodes that are reached from node 0. */
function reached(topology: Topology): number {
  const neighbours = neighboursOf(topology);
  const seen = new Set([0]);
  for (const node of seen) for (const next of neighbours[node] ?? []) seen.add(next);
  return seen.size;
}

describe('topology > generators', () => {
  it.each(GENERATORS)(
    '%s: all nodes are connected, each pair has one link, a seed gives the same',
    (name) => {
      for (const nodes of [2, 3, 17, 150]) {
        const topology = generate(name, nodes, new SeededRandom(5));
        expect([topology.nodes, reached(topology)]).toEqual([nodes, nodes]);
        const names = topology.links.map(([a, b]) => `${a}-${b}`);
        expect(new Set(names).size).toBe(names.length);
        expect(topology.links.every(([a, b]) => a < b && b < nodes)).toBe(true);
        expect(generate(name, nodes, new SeededRandom(5))).toEqual(topology);
      }
    },
  );

  it('a random graph has as many links as asked for', () => {
    expect(randomGraph(50, 4, new SeededRandom(1)).links).toHaveLength(100);
    expect(randomGraph(4, 30, new SeededRandom(1)).links).toHaveLength(6);
  });
});

describe('topology > files', () => {
  it('reads nodes and links, smaller node first, doubles once', () => {
    const text = '{"source":"here","nodes":3,"links":[[1,0],[0,1],[1,2]]}';
    expect(parseTopology(text, 'a.json')).toEqual({
      nodes: 3,
      links: [
        [0, 1],
        [1, 2],
      ],
    });
  });

  it.each([
    ['no JSON', '{'],
    ['no object', '3'],
    ['no nodes', '{"links":[]}'],
    ['too many nodes', '{"nodes":1000000,"links":[]}'],
    ['links that are no list', '{"nodes":3,"links":{}}'],
    ['a link of three', '{"nodes":3,"links":[[0,1,2]]}'],
    ['a link to nobody', '{"nodes":3,"links":[[0,3]]}'],
    ['a link to itself', '{"nodes":3,"links":[[1,1]]}'],
  ])('refuses %s, and says which file', (_, text) => {
    expect(() => parseTopology(text, 'a.json')).toThrow(/^a\.json: .*Wanted: /);
  });

  it('a part is connected, around its node, and of the size asked for', () => {
    const whole = generate('geometric', 300, new SeededRandom(2));
    const some = part(whole, 40, 7);
    expect([some.nodes, reached(some)]).toEqual([40, 40]);
    expect(part(whole, 400, 7)).toBe(whole);
  });
});
