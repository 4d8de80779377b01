/** The rings of a search (searches.ts). Rules: routing.md, Discovery (2, 4 and 10 hops within 30 s). */
import { LIMITS } from '../core/limits.js';

export interface Ring {
  readonly hops: number;
  readonly whom: 'hinted' | 'frugal' | 'selective' | 'everybody' | 'thoroughly';
  /** Ids that the neighbours are dealt out over. */
  readonly ids: number;
  /** How many more, which admit dominant entities (relays.ts), where there are such: cheaper ways lead through them. */
  readonly openIds: number;
  /** In thirtieths of the whole time. */
  readonly startsAt: number;
}

/**
 * A ring that finds nobody to ask takes no time. A single lost message ends an answer: so the widest ring is asked again
 * and again, everybody twice, the second time thoroughly (shunning.ts), and few more often, which costs less for each way
 * that it tries. The later rings are for destinations to which no good route is known, and ask as carefully as can be.
 */
export const RINGS: readonly Ring[] = [
  { hops: LIMITS.ROUTE_HOPS, whom: 'hinted', ids: 3, openIds: 3, startsAt: 0 },
  { hops: 2, whom: 'frugal', ids: 3, openIds: 1, startsAt: 0.4 },
  { hops: 4, whom: 'frugal', ids: 3, openIds: 1, startsAt: 0.6 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'frugal', ids: 3, openIds: 1, startsAt: 1 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selective', ids: 2, openIds: 0, startsAt: 3 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'everybody', ids: 1, openIds: 0, startsAt: 6 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'frugal', ids: 3, openIds: 0, startsAt: 10 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selective', ids: 3, openIds: 0, startsAt: 14 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'thoroughly', ids: 1, openIds: 0, startsAt: 19 },
  { hops: LIMITS.ROUTE_HOPS, whom: 'selective', ids: 3, openIds: 0, startsAt: 25 },
];
export const RINGS_END_AT = 30;
/** When a search begins to ask thoroughly as well (shunning.ts), where all known routes lose packets. */
export const THOROUGH_FROM = 3;
