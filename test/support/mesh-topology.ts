/** Shapes of networks for simulations: node indices and the links between them. Reproducible from their seed. */
import { randomBelow } from '../../src/core/random.js';
import type { Random } from '../../src/core/ports.js';

export interface Topology {
  readonly nodes: number;
  /** Pairs of indices, the smaller first, none twice. */
  readonly links: readonly (readonly [number, number])[];
}

/** Every node linked to the next, the last to the first. */
export function ring(nodes: number): Topology {
  return { nodes, links: distinct(indices(nodes).map((i) => [i, (i + 1) % nodes])) };
}

/** Rows and columns; every node linked to its neighbours in both. */
export function grid(width: number, height: number): Topology {
  const links: [number, number][] = [];
  for (const i of indices(width * height)) {
    if ((i + 1) % width !== 0) links.push([i, i + 1]);
    if (i + width < width * height) links.push([i, i + width]);
  }
  return { nodes: width * height, links: distinct(links) };
}

/** A random tree, so that all are connected, and random links up to the mean degree. */
export function randomGraph(nodes: number, meanDegree: number, random: Random): Topology {
  const links: [number, number][] = indices(nodes)
    .slice(1)
    .map((i) => [randomBelow(random, i), i]);
  const wanted = Math.round((nodes * meanDegree) / 2);
  let unique = distinct(links);
  while (unique.length < wanted) {
    const [a, b] = [randomBelow(random, nodes), randomBelow(random, nodes)];
    if (a !== b) links.push([a, b]);
    unique = distinct(links);
  }
  return { nodes, links: unique };
}

export function indices(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

function distinct(links: readonly (readonly [number, number])[]): [number, number][] {
  const byName = new Map<string, [number, number]>();
  for (const [a, b] of links) {
    const link: [number, number] = a < b ? [a, b] : [b, a];
    byName.set(link.join('-'), link);
  }
  return [...byName.values()];
}
