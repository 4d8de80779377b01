/**
 * Who loses packets, as far as a source can tell from what became of its own.
 *
 * A packet that is lost says only that somebody on its route is at fault. So a route is judged by what else one must
 * believe where all of its routers are honest: who must be at fault then, so that every route that failed has one on it
 * (few culprits, none of them one who delivers), and what must have been bad luck. The route that takes least to be
 * believed is the least doubtful. Failures are forgotten with time, since links fail too. Main thread only.
 */
import { present } from '../core/assert.js';
import type { NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { sharedPart } from './labels.js';

/** What is unlikely, as the negative logarithm of its chance: one node in twenty loses packets. */
const CULPRIT = Math.log(20);
/** And one packet in twenty is lost by nobody's fault, on a long way. */
const BAD_LUCK = Math.log(20);
/** Of those that follow on the same route it is one in three: a link that is down stays so for a while. */
const BAD_LUCK_AGAIN = Math.log(3);
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

interface Doubt {
  readonly key: NodeKey;
  /** Packets lost over it since it delivered last, and when the last was. */
  failures: number;
  lastMillis: number;
  delivered: number;
  deliveredMillis: number;
  /** It was the last router of a route that failed. */
  isLast: boolean;
  /** How unlikely it is that it is at fault, and the bad luck that this would spare; while an explanation is sought. */
  price: number;
  spares: number;
}

/** A route that has failed since it delivered last. */
interface Failed {
  readonly doubts: readonly Doubt[];
  failures: number;
  lastMillis: number;
}

/** Packets of which nothing is known yet, on one route. */
interface Pending {
  readonly routers: readonly NodeKey[];
  packets: number;
}

export class Suspects {
  /** In the order of their last failure. */
  readonly #doubts = new Map<NodeKey, Doubt>();
  /** By name, in the same order. */
  readonly #failed = new Map<string, Failed>();
  /** Packets that were sent over doubtful routes since the last of which it is known what became of it. */
  readonly #pending = new Map<string, Pending>();

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
  tried(name: string, routers: readonly NodeKey[]): void {
    const pending = this.#pending.get(name) ?? { routers, packets: 0 };
    pending.packets += 1;
    this.#pending.set(name, pending);
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
    let pending = 0;
    for (const other of this.#pending.values()) pending += other.packets * sharedPart(other.routers, routers);
    return (
      PENDING * pending +
      UNTRIED * (1 + untried) +
      explain(this.#failed.values(), new Set(doubts), nowMillis).unlikely
    );
  }

  /**
   * Who most likely keeps packets from a destination, whoever explains most first.
   * @param believed those that are held to be honest
   */
  culprits(destination: NodeKey, believed: ReadonlySet<NodeKey>, nowMillis: number): readonly NodeKey[] {
    const honest = new Set([...believed].map((key) => this.#doubts.get(key)));
    return explain(this.#failedTo(destination), honest, nowMillis).culprits.map(({ key }) => key);
  }

  /**
   * Which of some nodes it takes least to believe honest, beside others that are believed: the first of those that are alike.
   * @param nodes at least one
   */
  mostBelievable(
    destination: NodeKey,
    nodes: readonly NodeKey[],
    believed: ReadonlySet<NodeKey>,
    nowMillis: number,
  ): NodeKey {
    const routes = this.#failedTo(destination);
    const honest = [...believed].map((key) => this.#doubts.get(key));
    let best: NodeKey | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const key of nodes) {
      const { unlikely } = explain(routes, new Set([...honest, this.#doubts.get(key)]), nowMillis);
      if (unlikely < least) [best, least] = [key, unlikely];
    }
    return present(best, 'there is one to believe');
  }

  #failedTo(destination: NodeKey): readonly Failed[] {
    // A route's name is the keys of its ids, the destination's at the end.
    return [...this.#failed].flatMap(([name, failed]) => (name.endsWith(destination) ? [failed] : []));
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
      price: 0,
      spares: 0,
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
 * Who must be at fault: greedily whoever spares most bad luck for what it takes to believe it, as sets are covered cheaply.
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
    const weight = BAD_LUCK + BAD_LUCK_AGAIN * (failed.failures - 1);
    unlikely += weight;
    const suspects = left.filter((doubt) => !honest.has(doubt));
    for (const doubt of suspects) {
      if (!possible.has(doubt)) {
        doubt.price = priceOf(doubt);
        doubt.spares = 0;
        possible.add(doubt);
      }
      doubt.spares += weight;
    }
    open.push({ suspects, weight });
  }
  const culprits: Doubt[] = [];
  for (;;) {
    let culprit: Doubt | null = null;
    let most = 1;
    for (const doubt of possible) {
      const worth = doubt.spares / doubt.price;
      if (worth > most) [culprit, most] = [doubt, worth];
    }
    if (culprit === null) return { unlikely, culprits };
    culprits.push(culprit);
    unlikely += culprit.price - culprit.spares;
    for (const one of open) {
      if (!one.suspects.includes(culprit)) continue;
      for (const doubt of one.suspects) doubt.spares -= one.weight;
      one.weight = 0;
    }
    possible.delete(culprit);
  }
}

/** Several packets were lost over it, and that it is at fault is likelier than so much bad luck. */
function isSuspect(doubt: Doubt, nowMillis: number): boolean {
  const { failures } = doubt;
  return (
    failures >= LIMITS.SUSPECT_FAILURES && BAD_LUCK * failures > priceOf(doubt) && !isOver(doubt, nowMillis)
  );
}

/** How unlikely it is that a node is at fault. */
function priceOf({ isLast, delivered }: Doubt): number {
  return CULPRIT - (isLast ? LAST : 0) + DELIVERY * delivered;
}

function isOver({ lastMillis }: { readonly lastMillis: number }, nowMillis: number): boolean {
  return nowMillis - lastMillis >= LIMITS.SUSPECT_MILLIS;
}
