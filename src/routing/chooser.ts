/**
 * The choice among the known routes to a destination, such that nobody comes to own the traffic.
 *
 * Rules: routing.md, Anti-monopoly: share limit with its only-route rule, no entity twice among a path's routers,
 * weighted random by Q, fee weights, sybil limits. Every RoutingTable has one (`table.chooser`).
 *
 * Whoever sends packets: `choose` for each; `table.shares.record(routers, paidMsat)` once a paid one is on its way;
 * `outcome` as soon as it is known what became of it. Main thread only.
 */
import { LRUCache } from 'lru-cache';
import { present } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { equalWeights } from '../ledger/fee.js';
import type { Entities, EntityKey } from './entities.js';
import type { RouteLabel, RouteLabels } from './labels.js';
import {
  effectiveCap,
  entityWeight,
  feeWeight,
  qualityOf,
  repeatsEntity,
  type MonopolyPolicy,
} from './monopoly.js';
import type { Route } from './route.js';
import type { ForwardingShares } from './shares.js';
import { Suspects } from './suspects.js';

export interface RouteChooserOptions {
  readonly entities: Entities;
  readonly labels: RouteLabels;
  readonly shares: ForwardingShares;
  readonly clock: Clock;
  readonly random: Random;
  readonly policy: MonopolyPolicy;
  /** The routes to choose from, at most 3. */
  readonly alternatives: (destination: NodeId) => readonly Route[];
  /** What a route costs for an amount carried, in msat. */
  readonly priceMsat: (route: Route, amountMsat: bigint) => bigint;
  /** A route failed again and again: it is to be dropped. */
  readonly drop: (route: Pick<Route, 'ids'>) => void;
  /** A packet was lost, and every route known to its destination leads over nodes that lose packets. */
  readonly onLosing: (destination: NodeId) => void;
}

export interface ChoiceWish {
  /** Msat that the packet pays, for the share limit; by default the price of each route. */
  readonly paidMsat?: bigint;
  /** Leaves out routes that the caller cannot use. */
  readonly accepts?: (route: Route) => boolean;
}

export type Choice =
  | {
      readonly ok: true;
      readonly route: Route;
      /** It breaks the share limit or repeats an entity, and no known route does better (only-route rule). */
      readonly isDegraded: boolean;
      /** It leads over nodes that lose packets, as all known routes do. */
      readonly isLosing: boolean;
    }
  /** RouteUnknown, or RouteConcentrated where `concentration` is strict. */
  | { readonly ok: false; readonly reason: Reason };

export interface MonopolyStats {
  /** Share of each entity, largest first; the least node key of an entity is its name. */
  readonly shares: readonly { readonly entity: EntityKey; readonly share: number }[];
  /** Sum of the squares of the shares in per cent. */
  readonly hhi: number;
  /** Entities that it takes for more than half of what was forwarded. */
  readonly nakamoto: number;
  /** c_eff. */
  readonly cap: number;
  /** k: entities that were seen as routers in the last day. */
  readonly usableEntities: number;
  /** Paid packets in the window. */
  readonly packets: number;
  /** Choices since the start, by how they ended. */
  readonly chosen: number;
  readonly degraded: number;
  readonly refused: number;
}

interface Score {
  uses: number;
  successRate: number;
  /** In a row, since the route was dropped for them last. */
  failuresInARow: number;
  /** Smoothed, or null before the first delivery. */
  latencyMillis: number | null;
}

interface Known {
  delivered: number;
}

interface Candidate {
  readonly route: Route;
  readonly label: RouteLabel;
  readonly priceMsat: bigint;
  /** Largest share among its routers after this packet; 0 while shares are not enforced. */
  readonly shareAfter: number;
  readonly repeats: boolean;
  readonly isDominated: boolean;
  /** By what was lost over its routers (suspects.ts). */
  readonly doubt: number;
}

export class RouteChooser {
  readonly #options: RouteChooserOptions;
  /** As in the options; may be changed. */
  policy: MonopolyPolicy;
  readonly #scores = new LRUCache<string, Score>({ maxSize: LIMITS.ROUTE_SCORES, sizeCalculation: () => 1 });
  /** Entities that were routers, newest use last. */
  readonly #known: LRUCache<EntityKey, Known>;
  /** Who loses packets. */
  readonly suspects: Suspects = new Suspects();
  readonly #counts = { chosen: 0, degraded: 0, refused: 0 };

  constructor(options: RouteChooserOptions) {
    this.#options = options;
    this.policy = options.policy;
    this.#known = new LRUCache<EntityKey, Known>({
      maxSize: LIMITS.ENTITIES_KNOWN,
      sizeCalculation: () => 1,
      ttl: LIMITS.ENTITY_KNOWN_MILLIS,
      updateAgeOnGet: true,
      ttlResolution: 0,
      perf: { now: () => options.clock.monotonicMillis() + 1 },
    });
  }

  /** c, as configured. */
  get maxEntityShare(): number {
    return this.policy.maxEntityShare;
  }

  /** Entities that own more than their share of the nodes known here. */
  get dominant(): ReadonlySet<EntityKey> {
    return this.#options.entities.dominant(this.maxEntityShare);
  }

  /** c_eff as things stand. */
  get cap(): number {
    return effectiveCap(this.policy.maxEntityShare, this.#usableEntities());
  }

  /** Draws one of the alternatives by quality. One that is degraded or loses packets is a cue to look for others. */
  choose(destination: NodeId, wish: ChoiceWish = {}): Choice {
    const { policy } = this;
    const { alternatives } = this.#options;
    const { accepts = () => true } = wish;
    const candidates = alternatives(destination)
      .filter(accepts)
      .map((route) => this.#candidate(route, wish.paidMsat));
    if (candidates.length === 0) return { ok: false, reason: Reason.RouteUnknown };
    const { cap } = this;
    const permitted = candidates.filter((candidate) => isPermitted(candidate, cap));
    const trusted = leastDoubtful(candidates);
    const [first] = trusted;
    const isLosing = first !== undefined && first.doubt > 0;
    // Whoever must not concentrate takes what is permitted even over nodes that lose packets.
    const isStrict = policy.concentration === 'strict';
    const drawn = isStrict ? leastDoubtful(permitted) : permitted.filter((one) => trusted.includes(one));
    if (drawn.length > 0) {
      this.#counts.chosen += 1;
      return this.#chosen(this.#draw(drawn, cap), false, isLosing);
    }
    if (isStrict) {
      this.#counts.refused += 1;
      return { ok: false, reason: Reason.RouteConcentrated };
    }
    this.#counts.chosen += 1;
    this.#counts.degraded += 1;
    const least = trusted.reduce((best, one) => (isLessConcentrated(one, best) ? one : best));
    return this.#chosen(least, true, isLosing);
  }

  #chosen({ route, label, doubt }: Candidate, isDegraded: boolean, isLosing: boolean): Choice {
    if (doubt > 0) this.suspects.tried(label.name, label.routers);
    return { ok: true, route, isDegraded, isLosing };
  }

  /** The known routes that are doubted least: those that are chosen from, as far as shares permit them. */
  leastDoubted(destination: NodeId): readonly Route[] {
    const candidates = this.#options
      .alternatives(destination)
      .map((route) => this.#candidate(route, undefined));
    return leastDoubtful(candidates).map(({ route }) => route);
  }

  /** Whether a route could be chosen without a doubt: it is permitted, and nobody on it loses packets. */
  isGood(route: Route): boolean {
    const candidate = this.#candidate(route, undefined);
    return candidate.doubt === 0 && isPermitted(candidate, this.cap);
  }

  /** Whether a route leads over an entity that owns more than its share of the nodes known here. */
  isDominated(route: Pick<Route, 'ids'>): boolean {
    const { dominant } = this;
    return dominant.size > 0 && this.#options.labels.of(route).entities.some((one) => dominant.has(one));
  }

  /** How doubtful a route is: 0 where nobody on it is suspect, otherwise more the less likely it works (suspects.ts). */
  doubtOf(route: Pick<Route, 'ids'>): number {
    const { name, routers } = this.#options.labels.of(route);
    return this.suspects.doubtOf(name, routers, this.#options.clock.monotonicMillis());
  }

  /**
   * What became of a packet that went this way.
   * @param latencyMillis how long it took, where it was delivered; null where that is not known
   */
  outcome(route: Pick<Route, 'ids'>, delivered: boolean, latencyMillis: number | null): void {
    const { name, routers, entities } = this.#options.labels.of(route);
    const score = this.#scoreOf(name);
    score.uses += 1;
    // One success is given in advance, so that the first failure does not decide everything.
    const weight = 1 / Math.min(score.uses + 1, LIMITS.ROUTE_QUALITY_USES);
    score.successRate += weight * ((delivered ? 1 : 0) - score.successRate);
    score.failuresInARow = delivered ? 0 : score.failuresInARow + 1;
    const now = this.#options.clock.monotonicMillis();
    if (delivered) this.suspects.delivered(name, routers, now);
    else this.suspects.lost(name, routers, now);
    if (delivered) {
      for (const entity of new Set(entities)) this.#knownOf(entity).delivered += 1;
      if (latencyMillis !== null) {
        score.latencyMillis =
          score.latencyMillis === null
            ? latencyMillis
            : score.latencyMillis + weight * (latencyMillis - score.latencyMillis);
      }
    }
    this.#scores.set(name, score);
    if (!delivered) this.#lost(route, score);
  }

  /** A packet was lost: its route is dropped where it fails again and again, later where no other is known. */
  #lost(route: Pick<Route, 'ids'>, score: Score): void {
    const { alternatives, drop, onLosing } = this.#options;
    const destination = present(route.ids[route.ids.length - 1], 'a route has a destination');
    // Who has delivered often is doubted late, and may have had bad luck.
    const isGivenUp = alternatives(destination).length > 1 && this.doubtOf(route) > 0;
    if (score.failuresInARow >= (isGivenUp ? LIMITS.ROUTE_FAILURES : LIMITS.LAST_ROUTE_FAILURES)) {
      score.failuresInARow = 0;
      drop(route);
    }
    if (alternatives(destination).every((known) => this.doubtOf(known) > 0)) onLosing(destination);
  }

  /** Q of each route among these alternatives (routing.md, Anti-monopoly, 4), before the weight of new entities. */
  qualities(routes: readonly Route[]): readonly number[] {
    const candidates = routes.map((route) => this.#candidate(route, undefined));
    return this.#qualities(candidates, this.cap);
  }

  /** Weights of routers in the 30 % of a fee, in the order of the route: d, since what each of them costs is not known. */
  feeWeights(routers: readonly NodeId[]): readonly bigint[] {
    const { entities, shares } = this.#options;
    if (!shares.isEnforced) return equalWeights(routers.length);
    return this.#weights(routers.map((router) => entities.entityOfId(router)));
  }

  /** As `feeWeights`, of the routers of a known route, and cheaper. */
  feeWeightsOf(route: Route): readonly bigint[] {
    const { labels, shares } = this.#options;
    return shares.isEnforced ? this.#weights(labels.of(route).entities) : equalWeights(route.ids.length - 2);
  }

  stats(): MonopolyStats {
    const { shares } = this.#options;
    this.#known.purgeStale();
    return {
      shares: shares.byEntity().map(([entity, share]) => ({ entity, share })),
      hhi: shares.hhi(),
      nakamoto: shares.nakamoto(),
      cap: this.cap,
      usableEntities: this.#usableEntities(),
      packets: shares.packets,
      ...this.#counts,
    };
  }

  /** k: those that known routes lead through, or that forwarded something. */
  #usableEntities(): number {
    return Math.max(this.#known.size, this.#options.shares.entities);
  }

  #weights(entities: readonly EntityKey[]): readonly bigint[] {
    const { cap } = this;
    return entities.map((entity) => feeWeight(1n, this.#options.shares.shareOf(entity), cap));
  }

  #candidate(route: Route, paidMsat: bigint | undefined): Candidate {
    const { shares, priceMsat } = this.#options;
    const label = this.#options.labels.of(route);
    const price = priceMsat(route, 0n);
    const routers = label.entities.length;
    const doubt = this.doubtOf(route);
    const isDominated = this.isDominated(route);
    let shareAfter = 0;
    for (const entity of label.entities) {
      this.#knownOf(entity);
      if (!shares.isEnforced) continue;
      shareAfter = Math.max(shareAfter, shares.shareAfter(entity, paidMsat ?? price, routers));
    }
    const repeats = repeatsEntity(label.entities);
    return { route, label, priceMsat: price, shareAfter, repeats, isDominated, doubt };
  }

  #draw(candidates: readonly Candidate[], cap: number): Candidate {
    const first = present(candidates[0], 'there is something to draw from');
    if (candidates.length === 1) return first;
    const weights = this.#qualities(candidates, cap).map(
      (quality, index) => quality * this.#weightOf(present(candidates[index], 'one quality for each')),
    );
    const sum = weights.reduce((total, weight) => total + weight, 0);
    if (sum === 0) return first;
    let draw = this.#options.random.unit() * sum;
    for (const [index, candidate] of candidates.entries()) {
      draw -= weights[index] ?? 0;
      if (draw < 0) return candidate;
    }
    return first;
  }

  #qualities(candidates: readonly Candidate[], cap: number): readonly number[] {
    const { shares } = this.#options;
    const scores = candidates.map(({ label }) => this.#scores.get(label.name));
    const latencies = scores.map((score) => score?.latencyMillis ?? null);
    const best = Math.min(...latencies.filter((latency) => latency !== null));
    // One msat is added to both sides so that free routes have a ratio too.
    const prices = candidates.map(({ priceMsat }) => Number(priceMsat + 1n));
    const cheapest = Math.min(...prices);
    return candidates.map(({ label }, index) => {
      const latency = latencies[index] ?? null;
      return qualityOf({
        successRate: scores[index]?.successRate ?? 1,
        entities: label.entities,
        largestShare: shares.isEnforced
          ? Math.max(0, ...label.entities.map((entity) => shares.shareOf(entity)))
          : 0,
        cap,
        priceRatio: cheapest / present(prices[index], 'every route has a price'),
        latencyRatio: latency === null ? 1 : (best + 1) / (latency + 1),
      });
    });
  }

  /** A chain is as known as its least known link. */
  #weightOf({ label }: Candidate): number {
    const weights = label.entities.map((entity) =>
      entityWeight(this.#knownOf(entity).delivered, LIMITS.ENTITY_FULL_DELIVERIES),
    );
    return Math.min(1, ...weights);
  }

  #knownOf(entity: EntityKey): Known {
    const known = this.#known.get(entity);
    if (known !== undefined) return known;
    const fresh = { delivered: 0 };
    this.#known.set(entity, fresh);
    return fresh;
  }

  #scoreOf(name: string): Score {
    return this.#scores.get(name) ?? { uses: 0, successRate: 1, failuresInARow: 0, latencyMillis: null };
  }
}

function isPermitted({ repeats, shareAfter }: Candidate, cap: number): boolean {
  return !repeats && shareAfter <= cap;
}

function leastDoubtful(candidates: readonly Candidate[]): readonly Candidate[] {
  const least = Math.min(...candidates.map(({ doubt }) => doubt));
  return candidates.filter(({ doubt }) => doubt === least);
}

/**
 * Of two that are not permitted: one router that all must pass is better than an owner of much of the network. A route
 * that repeats an entity is not permitted whatever the shares are, so it may as well be the cheaper one.
 */
function isLessConcentrated(a: Candidate, b: Candidate): boolean {
  if (a.isDominated !== b.isDominated) return b.isDominated;
  if (a.repeats !== b.repeats) return b.repeats;
  if (a.repeats) return a.priceMsat < b.priceMsat;
  return a.shareAfter < b.shareAfter;
}
