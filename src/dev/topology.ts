/** Who is connected to whom when a development network starts. */
import { assert } from '../core/assert.js';

/**
 * line: a path from the first node to the last. ring: the path closed. chords: the ring with shortcuts across it,
 * so that there are ways of different lengths. full: everyone with everyone.
 */
export const TOPOLOGIES = ['line', 'ring', 'chords', 'full'] as const;

export type Topology = (typeof TOPOLOGIES)[number];

/** A link between two nodes, by their numbers from 0. */
export type TopologyLink = readonly [number, number];

export function isTopology(text: string): text is Topology {
  return (TOPOLOGIES as readonly string[]).includes(text);
}

/** The links of a topology; each pair once. */
export function topologyLinks(topology: Topology, nodes: number): readonly TopologyLink[] {
  assert(Number.isInteger(nodes) && nodes >= 1, 'a network has a node or more');
  const links: TopologyLink[] = [];
  if (topology === 'full') {
    for (let a = 0; a < nodes; a++) for (let b = a + 1; b < nodes; b++) links.push([a, b]);
    return links;
  }
  for (let a = 0; a + 1 < nodes; a++) links.push([a, a + 1]);
  if (topology === 'line' || nodes < 3) return links;
  links.push([0, nodes - 1]);
  if (topology === 'chords') {
    // Every third node reaches across about a third of the ring.
    const reach = Math.max(2, Math.floor(nodes / 3));
    const seen = new Set(links.map(([a, b]) => `${Math.min(a, b)} ${Math.max(a, b)}`));
    for (let a = 0; a < nodes; a += 3) {
      const b = (a + reach) % nodes;
      const key = `${Math.min(a, b)} ${Math.max(a, b)}`;
      if (a === b || seen.has(key)) continue;
      seen.add(key);
      links.push([Math.min(a, b), Math.max(a, b)]);
    }
  }
  return links;
}
