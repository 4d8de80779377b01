/**
 * The rules of the anti-monopoly policy as plain functions: the cap, the share limit, quality, fee weights.
 *
 * Rules: routing.md, Anti-monopoly 1 to 4. The chooser applies them; tests hold them against slow models.
 */
import { assert } from '../core/assert.js';
import type { NodeKey } from '../core/ids.js';
import type { ConcentrationRule } from '../core/policy.js';

/** What the operator decides. */
export interface MonopolyPolicy {
  /** c: the largest share of the paid msat that one entity should forward, above 0 and at most 1. */
  readonly maxEntityShare: number;
  readonly concentration: ConcentrationRule;
}

export const DEFAULT_MONOPOLY: MonopolyPolicy = { maxEntityShare: 0.25, concentration: 'degrade' };

/** Where a new entity begins; it earns the rest by delivered packets. */
export const NEW_ENTITY_WEIGHT = 0.25;

/** Fee weights are whole numbers: parts of this of a router's cost. */
const WHOLE_WEIGHT = 1_000_000;

/** c_eff: with few entities not even equal shares would fit under the cap. */
export function effectiveCap(maxEntityShare: number, usableEntities: number): number {
  return Math.max(maxEntityShare, 1.25 / Math.max(1, usableEntities));
}

/** d: 1 up to the cap, falling linearly to 0 at twice the cap. */
export function feeFactor(share: number, cap: number): number {
  return Math.min(1, Math.max(0, 2 - share / cap));
}

/** A router's weight in the 30 %: its cost x d. Any unit, only the proportion counts. */
export function feeWeight(cost: bigint, share: number, cap: number): bigint {
  assert(cost >= 0n, 'a cost is not negative');
  return cost * BigInt(Math.round(WHOLE_WEIGHT * feeFactor(share, cap)));
}

/** 0.25 for a new entity, 1 after so many delivered packets as `full`. */
export function entityWeight(delivered: number, full: number): number {
  return NEW_ENTITY_WEIGHT + (1 - NEW_ENTITY_WEIGHT) * Math.min(1, delivered / full);
}

/** What quality is made of. */
export interface QualityFacts {
  /** Of the last uses, 0 to 1. */
  readonly successRate: number;
  /** Names of the entities of the routers, in order; none on a direct route. */
  readonly entities: readonly NodeKey[];
  /** The largest share among them now, 0 to 1. */
  readonly largestShare: number;
  readonly cap: number;
  /** Cheapest price among the alternatives / this price. */
  readonly priceRatio: number;
  /** Best latency among the alternatives / this latency; 1 where it is not known. */
  readonly latencyRatio: number;
}

/** Q, 0 to 1 (routing.md, Anti-monopoly, 4). */
export function qualityOf(facts: QualityFacts): number {
  const { successRate, entities, largestShare, cap, priceRatio, latencyRatio } = facts;
  if (entities.length === 0) return unit(successRate);
  const diversity = new Set(entities).size / entities.length;
  return unit(successRate) * unit(1 - largestShare / cap) * diversity * unit(priceRatio) * unit(latencyRatio);
}

/** Whether an entity stands twice among them. */
export function repeatsEntity(entities: readonly NodeKey[]): boolean {
  return new Set(entities).size < entities.length;
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}
