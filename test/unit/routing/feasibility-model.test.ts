/**
 * Which advertised routes a running node takes as hints, against a slow model over random schedules (routing.md,
 * Discovery): from an authenticated neighbour, hop_count below 10, next_hop not this node, and feasible: strictly below
 * all that the node was seen to announce itself for the destination, until a newer request is answered or three minutes
 * pass without an announcement. The model is a list of those announcements, as they left the node.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { advertisement, Bench, id, ids, numberOf, request, response } from '../../support/discovery-bench.js';

const UNREACHABLE = 2n ** 64n - 1n;
/** So often the model looks at what the node has sent while time goes by: it knows the time of it no better. */
const LISTEN_MILLIS = 100;

interface Announced {
  readonly destination: number;
  readonly cost: bigint;
  readonly atMillis: number;
}

/** Neighbours 1 and 2 stay: what is told to anybody is told to one of them. */
const guest = fc.integer({ min: 3, max: 4 });
const neighbour = fc.integer({ min: 1, max: 4 });
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('hear' as const),
      from: fc.integer({ min: 1, max: 5 }),
      destination: fc.constantFrom(0, 1, 2, 3, 4, 50, 51, 90, 90, 90),
      cost: fc.bigInt({ min: 0n, max: 20n }),
      hopCount: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 11 })),
      nextHop: fc.integer({ min: 0, max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('find' as const),
      by: neighbour,
      cost: fc.bigInt({ min: 0n, max: 9n }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('pass' as const) }) },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('wait' as const), millis: fc.nat(40_000) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('lose' as const), guest }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('join' as const), guest }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type StepOf<K extends Step['op']> = Extract<Step, { op: K }>;

class Schedule {
  readonly bench = new Bench([1, 2, 3, 4]);
  readonly seen: { feasible: number; infeasible: number; insane: number; answered: number };
  readonly #peers = new Set([1, 2, 3, 4]);
  #announced: Announced[] = [];
  /** Destinations of which the model cannot tell whether what was announced before was over when it was announced anew. */
  readonly #unsure = new Set<number>();
  /** The id under which each neighbour was asked for 90 last. */
  readonly #askedFor90 = new Map<number, bigint>();
  #requests = 0;

  constructor(seen: Schedule['seen']) {
    this.seen = seen;
    this.bench.discovery.start();
  }

  run(step: Step): void {
    switch (step.op) {
      case 'hear':
        this.#hear(step);
        break;
      case 'find':
        this.#find(step);
        break;
      case 'pass':
        this.#pass();
        break;
      case 'wait':
        this.#wait(step.millis);
        break;
      case 'lose':
        this.#peers.delete(step.guest);
        this.bench.lose(step.guest);
        break;
      case 'join':
        this.#peers.add(step.guest);
        this.bench.table.addDirectPeer(id(step.guest), `peer-${step.guest}`);
        break;
    }
    this.#listen();
  }

  get #now(): number {
    return this.bench.clock.monotonicMillis();
  }

  #wait(millis: number): void {
    for (let left = millis; left > 0; left -= LISTEN_MILLIS) {
      this.bench.clock.advance(Math.min(left, LISTEN_MILLIS));
      this.#listen();
    }
  }

  #listen(): void {
    for (const { to, message } of this.bench.take()) {
      if (message.kind === 'RouteRequest' && numberOf(message.source) === 0) {
        this.#askedFor90.set(to, message.requestId);
      }
      if (message.kind !== 'RouteAdvertisement') continue;
      for (const { destination, cost } of message.routes) {
        if (cost !== UNREACHABLE) this.#announce(numberOf(destination), cost);
      }
    }
  }

  #announce(destination: number, cost: bigint): void {
    const quietMillis = this.#quietMillis(destination);
    if (isAboutOver(quietMillis)) this.#unsure.add(destination);
    // What was over by then is so for good.
    if (quietMillis > LIMITS.ANNOUNCED_MILLIS) this.#forget(destination);
    this.#announced.push({ destination, cost, atMillis: this.#now });
  }

  /** Since it was announced last. */
  #quietMillis(destination: number): number {
    return this.#now - Math.max(...this.#own(destination).map(({ atMillis }) => atMillis));
  }

  #own(destination: number): readonly Announced[] {
    return this.#announced.filter((one) => one.destination === destination);
  }

  #forget(destination: number): void {
    this.#announced = this.#announced.filter((one) => one.destination !== destination);
  }

  #hear({ from, destination, cost, hopCount, nextHop }: StepOf<'hear'>): void {
    // No more than a neighbour may.
    this.#wait(1_000);
    const quietMillis = this.#quietMillis(destination);
    if (isAboutOver(quietMillis) || this.#unsure.has(destination)) return;
    const isSane =
      this.#peers.has(from) &&
      hopCount >= 1 &&
      hopCount < 10 &&
      nextHop !== 0 &&
      destination !== 0 &&
      cost > 0n;
    // What was announced counts until three minutes after the last time.
    const isFeasible =
      quietMillis > LIMITS.ANNOUNCED_MILLIS || this.#own(destination).every((one) => cost < one.cost);
    const before = this.bench.table.list().length;
    const route = { destination: id(destination), nextHop: id(nextHop), cost, hopCount };
    const verdict = this.bench.from(from, { ...advertisement(from), routes: [route] });
    expect(verdict === Reason.Accepted).toBe(isSane && isFeasible);
    expect(this.bench.table.list()).toHaveLength(before);
    this.seen[!isSane ? 'insane' : isFeasible ? 'feasible' : 'infeasible'] += 1;
  }

  /** This node's own search, and what one of its neighbours answers. */
  #find({ by, cost }: StepOf<'find'>): void {
    void this.bench.discovery.discover(id(90));
    this.#listen();
    const requestId = this.#askedFor90.get(by);
    if (requestId === undefined) return;
    this.bench.from(by, response({ requestId, source: id(0), route: ids(0, by, 90), cost }));
    // Only what the node itself calls an answer is one: a neighbour may be gone, or contradict itself.
    if (this.bench.found.splice(0).length > 0) this.#answered();
  }

  /** The request of another node, and its answer, which passes by. */
  #pass(): void {
    this.#wait(200);
    this.#requests += 1;
    const requestId = BigInt(4 * this.#requests + 1);
    this.bench.from(1, request({ requestId }));
    if (this.bench.from(2, response({ requestId })) === Reason.Accepted) this.#answered();
  }

  #answered(): void {
    this.#listen();
    this.#forget(90);
    this.seen.answered += 1;
  }
}

/** Whether the three minutes end about now, as far as the model knows the time. */
function isAboutOver(quietMillis: number): boolean {
  return Math.abs(quietMillis - LIMITS.ANNOUNCED_MILLIS) <= LISTEN_MILLIS;
}

describe('feasibility', () => {
  it('of what a node hears is by all that it has announced, and by nothing else', () => {
    const seen = { feasible: 0, infeasible: 0, insane: 0, answered: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 15, maxLength: 60, size: 'max' }), (steps) => {
        const schedule = new Schedule(seen);
        for (const one of steps) schedule.run(one);
        schedule.bench.discovery.close();
      }),
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
  });
});
