/**
 * Shapes of networks: field topologies from files, and generators that a seed reproduces.
 *
 * The file: { nodes, links: [[a, b], ...] }, undirected, nodes by their numbers from 0.
 */
import { present } from '../core/assert.js';
import { MeshError } from '../core/errors.js';
import type { Random } from '../core/ports.js';
import { randomBelow } from '../core/random.js';
import type { TopologyLink } from '../dev/topology.js';

export interface Topology {
  readonly nodes: number;
  /** Pairs of nodes, the smaller first, none twice. */
  readonly links: readonly TopologyLink[];
}

/** What can be made instead of read. */
export const GENERATORS = ['ring', 'grid', 'geometric', 'preferential'] as const;

export type Generator = (typeof GENERATORS)[number];

export const MAX_NODES = 10_000;

/** Mean number of neighbours in a geometric graph: as in the field topologies, some more than a tree has. */
const GEOMETRIC_DEGREE = 6;
/** Links that a node brings along in preferential attachment. */
const PREFERENTIAL_LINKS = 2;

export function isGenerator(text: string): text is Generator {
  return (GENERATORS as readonly string[]).includes(text);
}

/** A connected network of a generator. A grid is as square as its number allows. */
export function generate(generator: Generator, nodes: number, random: Random): Topology {
  switch (generator) {
    case 'ring':
      return ring(nodes);
    case 'grid': {
      const width = Math.max(...indices(Math.floor(Math.sqrt(nodes)) + 1).filter((w) => nodes % w === 0));
      return grid(width, nodes / width);
    }
    case 'geometric':
      return geometric(nodes, GEOMETRIC_DEGREE, random);
    case 'preferential':
      return preferential(nodes, PREFERENTIAL_LINKS, random);
  }
}

/** Every node linked to the next, the last to the first. */
export function ring(nodes: number): Topology {
  return topologyOf(
    nodes,
    indices(nodes).map((i) => [i, (i + 1) % nodes]),
  );
}

/** Rows and columns; every node linked to its neighbours in both. */
export function grid(width: number, height: number): Topology {
  const links: TopologyLink[] = [];
  for (const i of indices(width * height)) {
    if ((i + 1) % width !== 0) links.push([i, i + 1]);
    if (i + width < width * height) links.push([i, i + width]);
  }
  return topologyOf(width * height, links);
}

/** A random tree, so that all are connected, and random links up to the mean number of neighbours. */
export function randomGraph(nodes: number, meanDegree: number, random: Random): Topology {
  const links = new Map<number, TopologyLink>();
  const add = (a: number, b: number): void => {
    if (a !== b) links.set(Math.min(a, b) * nodes + Math.max(a, b), [Math.min(a, b), Math.max(a, b)]);
  };
  for (let i = 1; i < nodes; i++) add(randomBelow(random, i), i);
  const wanted = Math.min(Math.round((nodes * meanDegree) / 2), (nodes * (nodes - 1)) / 2);
  while (links.size < wanted) add(randomBelow(random, nodes), randomBelow(random, nodes));
  return { nodes, links: [...links.values()] };
}

/** Nodes at random places of a square, linked within a radius; islands are joined by one link each. */
export function geometric(nodes: number, meanDegree: number, random: Random): Topology {
  const places = indices(nodes).map((): readonly [number, number] => [random.unit(), random.unit()]);
  const radius = Math.sqrt(meanDegree / (Math.PI * Math.max(1, nodes)));
  const cells = new Map<string, number[]>();
  const cellOf = ([x, y]: readonly [number, number]): [number, number] => [
    Math.floor(x / radius),
    Math.floor(y / radius),
  ];
  const links: TopologyLink[] = [];
  for (const [i, place] of places.entries()) {
    const [column, row] = cellOf(place);
    for (let c = column - 1; c <= column + 1; c++) {
      for (let r = row - 1; r <= row + 1; r++) {
        for (const j of cells.get(`${c} ${r}`) ?? []) {
          const [x, y] = present(places[j], 'a node has a place');
          if (Math.hypot(x - place[0], y - place[1]) <= radius) links.push([j, i]);
        }
      }
    }
    const name = `${column} ${row}`;
    cells.set(name, [...(cells.get(name) ?? []), i]);
  }
  return joined(nodes, links, random);
}

/** Each new node links to nodes that stand at the ends of links already, so that the well linked get more. */
export function preferential(nodes: number, linksEach: number, random: Random): Topology {
  const links: TopologyLink[] = [];
  const ends: number[] = [0];
  for (let i = 1; i < nodes; i++) {
    const chosen = new Set<number>();
    for (let k = 0; k < linksEach; k++) chosen.add(ends[randomBelow(random, ends.length)] ?? 0);
    for (const j of chosen) {
      links.push([j, i]);
      ends.push(j, i);
    }
  }
  return topologyOf(nodes, links);
}

/**
 * A part of a network: the given number of nodes around one of them, nearest first, with the links among them.
 * Where it has fewer nodes it is all of it.
 */
export function part(topology: Topology, nodes: number, around: number): Topology {
  if (nodes >= topology.nodes) return topology;
  const renumbered = new Map([[around, 0]]);
  const neighbours = neighboursOf(topology);
  for (const index of renumbered.keys()) {
    for (const next of neighbours[index] ?? []) {
      if (renumbered.size < nodes && !renumbered.has(next)) renumbered.set(next, renumbered.size);
    }
  }
  const links = topology.links.flatMap(([a, b]): TopologyLink[] => {
    const [one, other] = [renumbered.get(a), renumbered.get(b)];
    return one === undefined || other === undefined ? [] : [[one, other]];
  });
  return topologyOf(renumbered.size, links);
}

/** The neighbours of each node. */
export function neighboursOf({ nodes, links }: Topology): readonly (readonly number[])[] {
  const neighbours = indices(nodes).map((): number[] => []);
  for (const [a, b] of links) {
    neighbours[a]?.push(b);
    neighbours[b]?.push(a);
  }
  return neighbours;
}

/**
 * Reads a topology file.
 * @throws MeshError CONFIG_INVALID where it is none
 */
export function parseTopology(text: string, name: string): Topology {
  const wrong = (what: string): MeshError =>
    new MeshError('CONFIG_INVALID', `${name}: ${what}. Wanted: { "nodes": N, "links": [[a, b], ...] }.`, {
      name,
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw wrong('this is no JSON');
  }
  if (typeof parsed !== 'object' || parsed === null) throw wrong('this is no object');
  const { nodes, links }: { nodes?: unknown; links?: unknown } = parsed;
  if (typeof nodes !== 'number' || !Number.isInteger(nodes) || nodes < 2 || nodes > MAX_NODES) {
    throw wrong(`nodes must be a whole number from 2 to ${MAX_NODES}`);
  }
  if (!Array.isArray(links)) throw wrong('links must be a list');
  const isNode = (value: unknown): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < nodes;
  const pairs = links.map((link: unknown, index): TopologyLink => {
    if (!Array.isArray(link) || link.length !== 2) throw wrong(`link ${index} is no pair`);
    const [a, b] = link as readonly unknown[];
    if (!isNode(a) || !isNode(b) || a === b) throw wrong(`link ${index} does not name two nodes`);
    return [a, b];
  });
  return topologyOf(nodes, pairs);
}

export function indices(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Joins islands by a link between random nodes of each and of what is joined already. */
function joined(nodes: number, links: TopologyLink[], random: Random): Topology {
  const neighbours = neighboursOf({ nodes, links });
  const reached: number[] = [];
  const isReached = new Uint8Array(nodes);
  for (let start = 0; start < nodes; start++) {
    if (isReached[start] === 1) continue;
    if (reached.length > 0) links.push([reached[randomBelow(random, reached.length)] ?? 0, start]);
    const from = reached.length;
    isReached[start] = 1;
    reached.push(start);
    for (let i = from; i < reached.length; i++) {
      for (const next of neighbours[reached[i] ?? 0] ?? []) {
        if (isReached[next] === 1) continue;
        isReached[next] = 1;
        reached.push(next);
      }
    }
  }
  return topologyOf(nodes, links);
}

function topologyOf(nodes: number, links: readonly TopologyLink[]): Topology {
  const byName = new Map<number, TopologyLink>();
  for (const [a, b] of links) {
    if (a !== b) byName.set(Math.min(a, b) * nodes + Math.max(a, b), [Math.min(a, b), Math.max(a, b)]);
  }
  return { nodes, links: [...byName.values()] };
}
