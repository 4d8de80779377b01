/**
 * Who relies on this node for a way: the neighbours that were given a route through it, or sent a packet over one.
 *
 * When a neighbour takes a node back, those are told who may hold a route through both; they tell theirs, and so the
 * news of a broken link goes back to every source that holds a route over it, and to nobody else (as the precursors
 * of AODV, RFC 3561). That is also how a RouteFailed reaches the source of a packet: the wire has no other message.
 *
 * An entry is (first hop, node behind it, neighbour in front). Two generations of at most LIMITS.PRECURSORS entries,
 * each for half the life of a route: bounded, and nothing outlives what it is for. Main thread only.
 */
import type { NodeId, NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { shortKey } from './route.js';

/** By first hop, then by node behind it: the neighbours in front. */
type Generation = Map<number, Map<number, Set<NodeKey>>>;

export class Precursors {
  readonly #generationMillis: number;
  #newer: Generation = new Map();
  #older: Generation = new Map();
  #size = 0;
  #turnedMillis = 0;

  /** @param routeExpiryMillis how long a route holds */
  constructor(routeExpiryMillis: number) {
    this.#generationMillis = routeExpiryMillis;
  }

  /**
   * A neighbour holds a way that leads through this node.
   * @param onward the ids behind this node: the first hop, ..., the destination
   */
  note(neighbour: NodeKey, onward: readonly NodeId[], nowMillis: number): void {
    this.#turn(nowMillis);
    const [firstHop, ...behind] = onward;
    if (firstHop === undefined) return;
    const through = subMap(this.#newer, shortKey(firstHop));
    for (const node of behind) {
      const key = shortKey(node);
      const inFront = through.get(key) ?? new Set<NodeKey>();
      if (inFront.has(neighbour)) continue;
      inFront.add(neighbour);
      through.set(key, inFront);
      this.#size += 1;
    }
  }

  /** Who relies on reaching a node through a first hop. They are forgotten: whoever is told once knows. */
  take(firstHop: NodeId, node: NodeId): ReadonlySet<NodeKey> {
    const found = new Set<NodeKey>();
    for (const generation of [this.#newer, this.#older]) {
      const through = generation.get(shortKey(firstHop));
      const inFront = through?.get(shortKey(node));
      if (inFront === undefined) continue;
      for (const neighbour of inFront) found.add(neighbour);
      through?.delete(shortKey(node));
    }
    return found;
  }

  #turn(nowMillis: number): void {
    const isDue = nowMillis - this.#turnedMillis >= this.#generationMillis;
    if (!isDue && this.#size < LIMITS.PRECURSORS) return;
    this.#older = this.#newer;
    this.#newer = new Map();
    this.#size = 0;
    this.#turnedMillis = nowMillis;
  }
}

function subMap(generation: Generation, key: number): Map<number, Set<NodeKey>> {
  const known = generation.get(key);
  if (known !== undefined) return known;
  const fresh = new Map<number, Set<NodeKey>>();
  generation.set(key, fresh);
  return fresh;
}
