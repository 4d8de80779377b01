/**
 * The four scenarios: how links behave, what changes, who lies, who colludes.
 */
import { JITTERY_LINKS, type LinkQuality } from './links.js';

export const SCENARIOS = ['calm', 'churn', 'liars', 'entity'] as const;

export type ScenarioName = (typeof SCENARIOS)[number];

export interface Scenario {
  readonly links: LinkQuality;
  /** Times an hour that a link goes down, and for how long at most. */
  readonly linkFailuresPerHour: number;
  readonly linkOutageMillis: number;
  /** Times an hour that a node starts again. */
  readonly nodeRestartsPerHour: number;
  readonly nodeOutageMillis: number;
  /** Times that the network falls into two parts and heals. */
  readonly partitions: number;
  /** How long the ends of a link may not notice that it is down. */
  readonly noticeMillis: number;
  /** Part of the nodes that lie. */
  readonly liarShare: number;
  /** Whether a part of the nodes is one entity. */
  readonly hasEntity: boolean;
}

const CALM: Scenario = {
  links: JITTERY_LINKS,
  linkFailuresPerHour: 0,
  linkOutageMillis: 0,
  nodeRestartsPerHour: 0,
  nodeOutageMillis: 0,
  partitions: 0,
  noticeMillis: 0,
  liarShare: 0,
  hasEntity: false,
};

const ROUGH: LinkQuality = { latencyMillis: [1, 60], loss: 0.005, duplication: 0.01, reordering: 0.05 };

const SCENARIO_TABLE: { readonly [N in ScenarioName]: Scenario } = {
  calm: CALM,
  churn: {
    ...CALM,
    links: ROUGH,
    linkFailuresPerHour: 2,
    linkOutageMillis: 60_000,
    nodeRestartsPerHour: 1,
    nodeOutageMillis: 60_000,
    partitions: 1,
    noticeMillis: 1_500,
  },
  liars: {
    ...CALM,
    links: ROUGH,
    linkFailuresPerHour: 1,
    linkOutageMillis: 60_000,
    noticeMillis: 1_500,
    liarShare: 0.1,
  },
  entity: { ...CALM, hasEntity: true },
};

export function scenarioOf(name: ScenarioName): Scenario {
  return SCENARIO_TABLE[name];
}

export function isScenario(text: string): text is ScenarioName {
  return (SCENARIOS as readonly string[]).includes(text);
}
