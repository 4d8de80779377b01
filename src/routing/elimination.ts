/**
 * Without whom a node asks for ways to a destination, where all routes that it knows lose packets.
 *
 * Whoever is most likely at fault is left out (suspects.ts, shunning.ts). Where that brings no answer there is no way
 * without them: so one of them is honest, and others must be at fault. Which one is believed, is weighed for the first
 * request of a turn and drawn for the others: what is likely is tried soon, and nothing is ruled out. What brought no
 * answer counts in the next searches too, as long as it is not older than a link stays down. Main thread only.
 */
import { LRUCache } from 'lru-cache';
import { present } from '../core/assert.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { shuffled } from '../core/random.js';
import type { Suspects } from './suspects.js';

/** A request without some nodes. */
export interface Shunning {
  readonly nodes: readonly NodeKey[];
  readonly askedMillis: number;
  /** Whether an answer was learned from. */
  isAnswered: boolean;
}

export interface EliminationOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly suspects: Pick<Suspects, 'culprits' | 'mostBelievable'>;
}

export class Elimination {
  readonly #options: EliminationOptions;
  /** What was asked in the last search for each destination. */
  readonly #shunnings = new LRUCache<NodeKey, Shunning[]>({ max: LIMITS.ELIMINATIONS });

  constructor(options: EliminationOptions) {
    this.#options = options;
  }

  /** A search begins: what was answered before may be asked again, and what is old. */
  begin(destination: NodeId): void {
    const key = nodeKey(destination);
    const since = this.#options.clock.monotonicMillis() - LIMITS.ELIMINATION_MILLIS;
    const before = this.#shunnings.get(key) ?? [];
    const left = before.filter(({ isAnswered, askedMillis }) => !isAnswered && askedMillis > since);
    if (left.length > 0) this.#shunnings.set(key, left);
    else this.#shunnings.delete(key);
  }

  /** Whom to leave out next, in a few requests; none is asked without the same nodes twice. */
  next(destination: NodeId): readonly Shunning[] {
    const key = nodeKey(destination);
    const shunnings = this.#shunnings.get(key) ?? [];
    const askedMillis = this.#options.clock.monotonicMillis();
    const added: Shunning[] = [];
    for (let turn = 0; turn < LIMITS.THOROUGH_REQUESTS; turn++) {
      const nodes = this.#propose(key, shunnings, turn === 0);
      if (nodes === null) continue;
      const shunning = { nodes, askedMillis, isAnswered: false };
      shunnings.push(shunning);
      added.push(shunning);
    }
    if (added.length > 0) this.#shunnings.set(key, shunnings);
    return added;
  }

  #propose(
    destination: NodeKey,
    shunnings: readonly Shunning[],
    isWeighed: boolean,
  ): readonly NodeKey[] | null {
    const { clock, random, suspects } = this.#options;
    const now = clock.monotonicMillis();
    const believed = new Set<NodeKey>();
    const culprits = (): readonly NodeKey[] =>
      suspects.culprits(destination, believed, now).slice(0, LIMITS.SHUNNED_NODES);
    const believeOneOf = (nodes: readonly NodeKey[]): void => {
      if (nodes.length === 0 || nodes.some((node) => believed.has(node))) return;
      const drawn = shuffled(random, nodes);
      believed.add(
        isWeighed
          ? suspects.mostBelievable(destination, drawn, believed, now)
          : present(drawn[0], 'there is one'),
      );
    };
    for (const { nodes, isAnswered } of shunnings) if (!isAnswered) believeOneOf(nodes);
    let nodes = culprits();
    if (isKnown(shunnings, nodes)) {
      believeOneOf(nodes);
      nodes = culprits();
    }
    return nodes.length === 0 || isKnown(shunnings, nodes) ? null : nodes;
  }
}

function isKnown(shunnings: readonly Shunning[], nodes: readonly NodeKey[]): boolean {
  return shunnings.some(
    (other) => other.nodes.length === nodes.length && other.nodes.every((node) => nodes.includes(node)),
  );
}
