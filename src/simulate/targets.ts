/** What the long runs are given, and what they tell: the lines of the table of targets. */
import type { Topology } from './topology.js';

/** A line of the table of targets. */
export interface Target {
  readonly what: string;
  readonly wanted: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** A network of the large runs. */
export interface Field {
  readonly name: string;
  readonly topology: Topology;
}

/** runs: the many small networks. entity: the colluding entity. field: discovery and an hour at full load. */
export const CAMPAIGN_PARTS = ['runs', 'entity', 'field'] as const;

export type CampaignPart = (typeof CAMPAIGN_PARTS)[number];

export interface CampaignOptions {
  readonly parts: readonly CampaignPart[];
  readonly seed: number;
  /** Seeded runs on small networks; one in a hundred is larger, one in two thousand has 2,000 nodes. */
  readonly runs: number;
  /** The number of the first of them. */
  readonly fromRun: number;
  /** The network at full load, of which many small ones are parts. */
  readonly field: Field;
  readonly fullLoadHours: number;
  readonly packetsPerSecond: number;
  readonly flows: number;
  /** The networks with an entity; each with so many seeds, which say who belongs to it. */
  readonly entityFields: readonly Field[];
  readonly entitySeeds: number;
  readonly entityHours: number;
  readonly entityPacketsPerSecond: number;
  readonly entityFlows: number;
  readonly onProgress: (part: string, done: number) => void;
  readonly onTarget: (target: Target) => void;
  /** A run in words: each network with the entity, and of the small runs those that fell short. */
  readonly onLine: (line: string) => void;
}

/** Part of the nodes that the colluding entity has. */
export const ENTITY_SHARE = 0.6;

export function target(what: string, wanted: string, measured: string, isMet: boolean): Target {
  return { what, wanted, measured, isMet };
}
