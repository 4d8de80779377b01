/**
 * The links of a simulated network: who is joined to whom, whether the link is up, how it treats what it carries.
 *
 * A link can be down for several reasons at once (its own failure, a node that is off, a partition) and is up again
 * when the last of them ends. Links are numbered from 0; a direction of a link is twice its number, plus one from the
 * larger node to the smaller.
 */
import { assert, present } from '../core/assert.js';
import type { SeededRandom } from '../core/random.js';

/** How the links behave. Chances are per message or packet. */
export interface LinkQuality {
  /** The way takes between the two, evenly. */
  readonly latencyMillis: readonly [number, number];
  readonly loss: number;
  readonly duplication: number;
  /** Chance to be held back and overtaken; all others arrive in the order in which they were sent. */
  readonly reordering: number;
}

export const PERFECT_LINKS: LinkQuality = {
  latencyMillis: [5, 5],
  loss: 0,
  duplication: 0,
  reordering: 0,
};

/** Fast and slow messages, but none lost. */
export const JITTERY_LINKS: LinkQuality = { ...PERFECT_LINKS, latencyMillis: [1, 60] };

export const ROUGH_LINKS: LinkQuality = {
  latencyMillis: [1, 60],
  loss: 0.05,
  duplication: 0.05,
  reordering: 0.1,
};

/** How much later arrives what is held back, at most. */
const HELD_BACK_MILLIS = 200;
/** Node numbers stay below it, so that a pair is a small integer. */
const PAIR_BASE = 16_384;

export class Links {
  readonly quality: LinkQuality;
  readonly #random: SeededRandom;
  readonly #ends: (readonly [number, number])[] = [];
  /** Both ends of each link in one number: less one of them it is the other. */
  readonly #endSum: number[] = [];
  /** For how many reasons it is down. */
  readonly #down: number[] = [];
  readonly #downSince: number[] = [];
  readonly #byPair = new Map<number, number>();
  readonly #ofNode: number[][] = [];
  /** When the last that keeps the order arrives, per direction. */
  readonly #lastArrival: number[] = [];

  #version = 0;

  constructor(quality: LinkQuality, random: SeededRandom) {
    this.quality = quality;
    this.#random = random;
  }

  /** Changes whenever a link goes down or comes up. */
  get version(): number {
    return this.#version;
  }

  get count(): number {
    return this.#ends.length;
  }

  /** A new link, up. */
  add(a: number, b: number): number {
    assert(this.between(a, b) < 0 && a !== b, 'two nodes have one link');
    const [low, high] = a < b ? [a, b] : [b, a];
    const link = this.#ends.push([low, high]) - 1;
    this.#endSum.push(low + high);
    this.#down.push(0);
    this.#downSince.push(0);
    this.#lastArrival.push(0, 0);
    this.#byPair.set(low * PAIR_BASE + high, link);
    for (const end of [low, high]) (this.#ofNode[end] ??= []).push(link);
    return link;
  }

  /** The link between two nodes, or -1. */
  between(a: number, b: number): number {
    return this.#byPair.get(a < b ? a * PAIR_BASE + b : b * PAIR_BASE + a) ?? -1;
  }

  /** The direction from a node over one of its links. */
  direction(link: number, from: number): number {
    return 2 * link + (this.ends(link)[0] === from ? 0 : 1);
  }

  /** The smaller node, then the larger. */
  ends(link: number): readonly [number, number] {
    return present(this.#ends[link], 'a link of this network');
  }

  /** Whom a node has at the other end. */
  otherEnd(link: number, node: number): number {
    return (this.#endSum[link] ?? 0) - node;
  }

  /** All links of a node, whether up or down. */
  ofNode(node: number): readonly number[] {
    return this.#ofNode[node] ?? [];
  }

  isUp(link: number): boolean {
    return this.#down[link] === 0;
  }

  /** When it went down last; 0 where it never did. */
  downSince(link: number): number {
    return this.#downSince[link] ?? 0;
  }

  /** One more reason to be down. @returns whether it was up */
  cut(link: number, nowMillis: number): boolean {
    const reasons = this.#down[link] ?? 0;
    this.#down[link] = reasons + 1;
    if (reasons > 0) return false;
    this.#version += 1;
    this.#downSince[link] = nowMillis;
    return true;
  }

  /** One reason less. @returns whether it is up now */
  mend(link: number): boolean {
    const reasons = this.#down[link] ?? 0;
    assert(reasons > 0, 'only what is down is mended');
    this.#down[link] = reasons - 1;
    this.#version += 1;
    return reasons === 1;
  }

  isLost(): boolean {
    const { loss } = this.quality;
    return loss > 0 && this.#random.unit() < loss;
  }

  isDoubled(): boolean {
    const { duplication } = this.quality;
    return duplication > 0 && this.#random.unit() < duplication;
  }

  /** How long the way takes that starts now, in milliseconds. */
  delay(direction: number, nowMillis: number): number {
    const { latencyMillis, reordering } = this.quality;
    const [least, most] = latencyMillis;
    const arrival = nowMillis + (least === most ? least : least + (most - least) * this.#random.unit());
    if (reordering > 0 && this.#random.unit() < reordering) {
      return arrival + HELD_BACK_MILLIS * this.#random.unit() - nowMillis;
    }
    const due = Math.max(arrival, this.#lastArrival[direction] ?? 0);
    this.#lastArrival[direction] = due;
    return due - nowMillis;
  }
}
