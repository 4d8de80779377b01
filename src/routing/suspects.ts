/**
 * Who loses packets, as far as a source can tell from what became of its own.
 *
 * A packet that is lost says only that somebody on its route is at fault. So a route is judged by what else one must
 * believe where all of its routers are honest: who must be at fault then, so that every route that failed has one on it
 * (few culprits, none of them one who delivers), and what must have been bad luck. The route that takes least to be
 * believed is the least doubtful. Failures are forgotten with time, since links fail too. Main thread only.
 */
import type { NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Random } from '../core/ports.js';
import { shuffled } from '../core/random.js';

/** What is unlikely, as the negative logarithm of its chance: one node in twenty loses packets. */
const CULPRIT = Math.log(20);
/** And one packet in twenty is lost by nobody's fault, on a long way. */
const BAD_LUCK = Math.log(20);
/** Whoever lies to draw packets claims to be next to the destination: ten times as likely of the last router. */
const LAST = Math.log(10);
/** Each delivery makes it eight times less likely that a node is at fault. */
const DELIVERY = Math.log(8);
/** A router of which nothing is known. */
const UNTRIED = 0.05;
/** A packet of which nothing is known yet: others are tried meanwhile that are about as likely to work. */
const PENDING = BAD_LUCK / 2;
/** Deliveries of one node that count, and what is left of them with each failure: things change. */
const DELIVERIES_COUNTED = 8;
const DELIVERIES_KEPT = 0.8;

/** Routes that failed, of which what they have in common tells something. */
const SEVERAL = 3;

interface Doubt {
  readonly key: NodeKey;
  /** Packets lost over it since it delivered last, and when the last was. */
  failures: number;
  lastMillis: number;
  delivered: number;
  deliveredMillis: number;
  /** It was the last router of a route that failed. */
  isLast: boolean;
  /** What it spares in bad luck that it is at fault; while an explanation is sought. */
  gain: number;
}

/** A route that has failed since it delivered last. */
interface Failed {
  readonly doubts: readonly Doubt[];
  failures: number;
  lastMillis: number;
}

export class Suspects {
  /** In the order of their last failure. */
  readonly #doubts = new Map<NodeKey, Doubt>();
  /** By name, in the same order. */
  readonly #failed = new Map<string, Failed>();
  /** Packets that were sent over doubtful routes since the last of which it is known what became of it. */
  readonly #pending = new Map<string, number>();

  /** A packet came through these routers. @param name of the route */
  delivered(name: string, routers: readonly NodeKey[], nowMillis: number): void {
    for (const router of routers) {
      const doubt = this.#doubtOf(router);
      doubt.failures = 0;
      doubt.deliveredMillis = nowMillis;
      doubt.delivered = Math.min(DELIVERIES_COUNTED, doubt.delivered + 1);
    }
    this.#failed.delete(name);
    this.#pending.delete(name);
    this.#forget();
  }

  /** A packet was sent over a doubtful route. @param name of the route */
  tried(name: string): void {
    this.#pending.set(name, (this.#pending.get(name) ?? 0) + 1);
    this.#forget();
  }

  /** A packet that went through these routers was lost. @param name of the route */
  lost(name: string, routers: readonly NodeKey[], nowMillis: number): void {
    const doubts = routers.map((router) => this.#doubtOf(router));
    for (const doubt of doubts) {
      doubt.failures = isOver(doubt, nowMillis) ? 1 : doubt.failures + 1;
      doubt.lastMillis = nowMillis;
      doubt.delivered *= DELIVERIES_KEPT;
      this.#doubts.delete(doubt.key);
      this.#doubts.set(doubt.key, doubt);
    }
    this.#pending.delete(name);
    const last = doubts[doubts.length - 1];
    if (last !== undefined) last.isLast = true;
    const failed = this.#failed.get(name);
    const failures = failed === undefined || isOver(failed, nowMillis) ? 1 : failed.failures + 1;
    this.#failed.delete(name);
    this.#failed.set(name, { doubts, failures, lastMillis: nowMillis });
    this.#forget();
  }

  /**
   * How doubtful a route is: 0 where nobody on it has lost several packets since he delivered last, otherwise more the
   * more must be believed for it to work. Tells of two routes at one time which is more likely to work, and nothing else.
   */
  doubtOf(name: string, routers: readonly NodeKey[], nowMillis: number): number {
    const doubts = routers.map((router) => this.#doubts.get(router));
    if (!doubts.some((doubt) => doubt !== undefined && isSuspect(doubt, nowMillis))) return 0;
    const untried = doubts.filter((doubt) => doubt === undefined || doubt.delivered < 1).length;
    const pending = PENDING * (this.#pending.get(name) ?? 0);
    return (
      pending + UNTRIED * (1 + untried) + explain(this.#failed.values(), new Set(doubts), nowMillis).unlikely
    );
  }

  /**
   * A guess at who keeps packets from a destination.
   * @param believing 0 for the likeliest. Above it whoever can only be at fault where there is no way at all is believed:
   * those on each of several routes that failed, and one of the last routers before the destination; and this part of the
   * others, drawn anew each time
   */
  guess(destination: NodeKey, believing: number, random: Random, nowMillis: number): readonly NodeKey[] {
    // A route's name is the keys of its ids, the destination's at the end.
    const routes = [...this.#failed].flatMap(([name, failed]) =>
      name.endsWith(destination) ? [failed] : [],
    );
    const believed = new Set<Doubt>();
    if (believing > 0) {
      const lasts = new Set(routes.flatMap(({ doubts }) => doubts.slice(-1)));
      for (const last of shuffled(random, [...lasts]).slice(0, 1)) believed.add(last);
      for (const doubt of new Set(routes.flatMap(({ doubts }) => doubts))) {
        const isOnAll = routes.length >= SEVERAL && routes.every(({ doubts }) => doubts.includes(doubt));
        if (isOnAll || (!lasts.has(doubt) && random.unit() < believing)) believed.add(doubt);
      }
    }
    const { culprits } = explain(routes, believed, nowMillis);
    return shuffled(random, culprits).map(({ key }) => key);
  }

  #doubtOf(router: NodeKey): Doubt {
    const known = this.#doubts.get(router);
    if (known !== undefined) return known;
    const fresh: Doubt = {
      key: router,
      failures: 0,
      lastMillis: Number.NEGATIVE_INFINITY,
      delivered: 0,
      deliveredMillis: Number.NEGATIVE_INFINITY,
      isLast: false,
      gain: 0,
    };
    this.#doubts.set(router, fresh);
    return fresh;
  }

  #forget(): void {
    for (const oldest of this.#doubts.keys()) {
      if (this.#doubts.size <= LIMITS.SUSPECTS) break;
      this.#doubts.delete(oldest);
    }
    for (const routes of [this.#failed, this.#pending]) {
      for (const oldest of routes.keys()) {
        if (routes.size <= LIMITS.FAILED_ROUTES) break;
        routes.delete(oldest);
      }
    }
  }
}

/**
 * Who must be at fault, greedily those who spare most bad luck.
 * @param honest those who are believed
 */
function explain(
  routes: Iterable<Failed>,
  honest: ReadonlySet<Doubt | undefined>,
  nowMillis: number,
): { readonly unlikely: number; readonly culprits: readonly Doubt[] } {
  const open: { readonly suspects: readonly Doubt[]; weight: number }[] = [];
  const possible = new Set<Doubt>();
  let unlikely = 0;
  for (const failed of routes) {
    // Whoever has delivered since did not drop all packets then: where all have, it was a link, or bad luck.
    const left = failed.doubts.filter(({ deliveredMillis }) => deliveredMillis < failed.lastMillis);
    if (left.length === 0 || isOver(failed, nowMillis)) continue;
    const weight = BAD_LUCK * failed.failures;
    unlikely += weight;
    const suspects = left.filter((doubt) => !honest.has(doubt));
    for (const doubt of suspects) {
      if (!possible.has(doubt)) doubt.gain = (doubt.isLast ? LAST : 0) - CULPRIT - DELIVERY * doubt.delivered;
      possible.add(doubt);
      doubt.gain += weight;
    }
    open.push({ suspects, weight });
  }
  const culprits: Doubt[] = [];
  for (;;) {
    let culprit: Doubt | null = null;
    for (const doubt of possible) if (doubt.gain > (culprit?.gain ?? 0)) culprit = doubt;
    if (culprit === null) return { unlikely, culprits };
    culprits.push(culprit);
    unlikely -= culprit.gain;
    for (const one of open) {
      if (!one.suspects.includes(culprit)) continue;
      for (const doubt of one.suspects) doubt.gain -= one.weight;
      one.weight = 0;
    }
    possible.delete(culprit);
  }
}

function isSuspect(doubt: Doubt, nowMillis: number): boolean {
  return doubt.failures >= LIMITS.SUSPECT_FAILURES && !isOver(doubt, nowMillis);
}

function isOver({ lastMillis }: { readonly lastMillis: number }, nowMillis: number): boolean {
  return nowMillis - lastMillis >= LIMITS.SUSPECT_MILLIS;
}
