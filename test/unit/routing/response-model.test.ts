/**
 * Which responses a node takes, against a slow model over random schedules (routing.md, Discovery): the request is
 * pending, route[0] is this node, route[1] the authenticated sender, the last id the destination, all distinct, at most
 * 11, no longer than was asked for; and where a response passes by, its way back is as it was remembered. The model keeps
 * a list of all that the node was seen to ask, and looks through it at each response.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import type { RouteRequest, RouteResponse } from '../../../src/packet/discovery.js';
import { shunnedBy } from '../../../src/routing/shunning.js';
import { advertisement, Bench, id, ids, numberOf, request, response } from '../../support/discovery-bench.js';

const UNREACHABLE = 2n ** 64n - 1n;
const HOP_COST = 7n;
/** Hints live longer than any schedule here, so whom a neighbour is next to is all that it ever said. */
const END_MILLIS = 100_000;
/** So often the model looks at what the node has sent while time goes by. */
const LISTEN_MILLIS = 100;

/** A request that the node sent to a peer: its own, or that of another node. */
interface Asked {
  readonly requestId: bigint;
  readonly source: number;
  readonly peer: number;
  readonly destination: number;
  readonly maxHops: number;
  /** Whom the answer goes back to, of a request of another node. */
  readonly previous: number | null;
  /** False once no answer is taken any more. */
  readonly isPending: () => boolean;
  /** The answers that were taken, by the peer that they came from. */
  readonly answers: number[];
}

const FAULTS = [
  'otherPeer',
  'otherId',
  'otherSource',
  'otherDestination',
  'otherStart',
  'otherSecond',
  'otherEnd',
  'repeats',
  'unreachable',
  'overAsker',
  'overSource',
] as const;
type Fault = (typeof FAULTS)[number] | 'none';

const peer = fc.integer({ min: 1, max: 4 });
const destination = fc.integer({ min: 90, max: 91 });
const answer = fc.record({
  op: fc.constant('answer' as const),
  which: fc.nat(1_000),
  /** To one of so many requests sent last. */
  among: fc.constantFrom(6, 6, 6, 6, 1_000),
  fault: fc.oneof({ weight: 3, arbitrary: fc.constant('none' as const) }, fc.constantFrom(...FAULTS)),
  between: fc.oneof(
    { weight: 5, arbitrary: fc.uniqueArray(fc.integer({ min: 50, max: 53 }), { maxLength: 2 }) },
    fc.uniqueArray(fc.integer({ min: 50, max: 60 }), { maxLength: 10, size: 'max' }),
  ),
  cost: fc.oneof(
    { weight: 9, arbitrary: fc.bigInt({ min: 0n, max: 5n }) },
    fc.constant(UNREACHABLE - HOP_COST),
    fc.constant(UNREACHABLE - HOP_COST - 1n),
  ),
});
type Answer = typeof answer extends fc.Arbitrary<infer T> ? T : never;

const common = [
  { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), millis: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('wait' as const), millis: fc.nat(9_000) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('lose' as const), peer }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('join' as const), peer }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('tell' as const),
      peer,
      near: fc.subarray([50, 51, 52, 53, 90], { minLength: 1 }),
    }),
  },
  { weight: 12, arbitrary: answer },
];
const searches = fc.oneof(
  { weight: 3, arbitrary: fc.record({ op: fc.constant('search' as const), destination }) },
  ...common,
);
const requests = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('ask' as const),
      peer,
      destination,
      source: fc.integer({ min: 80, max: 81 }),
      reach: fc.nat(2),
      maxHops: fc.integer({ min: 0, max: 14 }),
    }),
  },
  ...common,
);
type Step =
  | (typeof searches extends fc.Arbitrary<infer T> ? T : never)
  | (typeof requests extends fc.Arbitrary<infer T> ? T : never);

/** A search of this node as the model sees it: over once the node says so, or a second after its first route. */
interface Search {
  readonly startedMillis: number;
  firstMillis: number | null;
  isOver: boolean;
}

/** The node under test, and beside it all that was ever asked of it and by it. */
class Schedule {
  readonly bench = new Bench([1, 2, 3, 4], HOP_COST);
  readonly tally: Record<Fault | 'refused', number>;
  #peers = new Set([1, 2, 3, 4]);
  #asked: Asked[] = [];
  #near = new Map<number, Set<number>>();
  #searches = new Map<number, Search>();
  /** Routes that were taken, as far as their first hop is still connected. */
  #routes: number[][] = [];
  /** Destinations that have lost a route. */
  readonly #starved = new Set<number>();
  #requests = 0;

  constructor(tally: Record<Fault | 'refused', number>) {
    this.tally = tally;
  }

  run(step: Step): void {
    const { bench } = this;
    switch (step.op) {
      case 'wait':
        this.#wait(step.millis);
        break;
      case 'lose':
        this.#peers.delete(step.peer);
        this.#near.delete(step.peer);
        for (const route of this.#routes) {
          if (route[1] === step.peer) this.#starved.add(route[route.length - 1] ?? 0);
        }
        this.#routes = this.#routes.filter((route) => route[1] !== step.peer);
        bench.lose(step.peer);
        break;
      case 'join':
        this.#peers.add(step.peer);
        bench.table.addDirectPeer(id(step.peer), `peer-${step.peer}`);
        break;
      case 'tell':
        this.#wait(1_000);
        this.#tell(step.peer, step.near);
        break;
      case 'search':
        this.#search(step.destination);
        break;
      case 'ask':
        this.#wait(200);
        this.#ask(step);
        break;
      case 'answer':
        this.#answer(step);
        break;
    }
    this.#listen();
  }

  get #now(): number {
    return this.bench.clock.monotonicMillis();
  }

  #wait(millis: number): void {
    if (this.#now + millis > END_MILLIS) return;
    for (let left = millis; left > 0; left -= LISTEN_MILLIS) {
      this.bench.clock.advance(Math.min(left, LISTEN_MILLIS));
      this.#listen();
    }
    for (const search of this.#searches.values()) {
      // A route that comes at the very end has its second too, in which others may follow.
      const most = search.firstMillis === null ? 30_000 : 31_000;
      if (this.#isRunning(search)) expect(this.#now - search.startedMillis).toBeLessThan(most);
    }
  }

  #tell(from: number, near: readonly number[]): void {
    const message = advertisement(from, ...near.map((node): [number, bigint] => [node, 2n]));
    this.bench.from(from, message);
    if (!this.#peers.has(from)) return;
    this.#near.set(from, new Set([...(this.#near.get(from) ?? []), ...near]));
  }

  #search(wanted: number): void {
    const running = this.#searches.get(wanted);
    const isKnown = this.#routes.some((route) => route[route.length - 1] === wanted);
    const joins =
      running !== undefined && this.#isRunning(running) && (running.firstMillis === null || isKnown);
    if (!joins) this.#begin(wanted);
    void this.bench.discovery.discover(id(wanted));
  }

  #begin(wanted: number): void {
    const before = this.#searches.get(wanted);
    if (before !== undefined) before.isOver = true;
    if (this.#peers.size === 0) return;
    this.#searches.set(wanted, { startedMillis: this.#now, firstMillis: null, isOver: false });
  }

  #isRunning({ firstMillis, isOver }: Search): boolean {
    return !isOver && (firstMillis === null || this.#now < firstMillis + 1_000);
  }

  /** Another node's request, under an id that nobody has used; its last two bits say how widely it goes. */
  #ask(step: Extract<Step, { op: 'ask' }>): void {
    this.#requests += 1;
    const requestId = BigInt(4 * this.#requests + step.reach);
    const { source, maxHops } = step;
    this.bench.from(
      step.peer,
      request({ requestId, source: id(source), destination: id(step.destination), maxHops }),
    );
    this.#listen(step);
  }

  /** Notes whom the node has asked since. @param of the request of another node that it may just have passed on */
  #listen(of?: Extract<Step, { op: 'ask' }>): void {
    const askedMillis = this.#now;
    for (const [number] of this.bench.failed.splice(0)) {
      const search = this.#searches.get(number);
      if (search !== undefined) search.isOver = true;
    }
    for (const { to, message } of this.bench.take()) {
      if (message.kind !== 'RouteRequest') continue;
      expect(this.#peers).toContain(to);
      this.#asked.push({ ...this.#noted(message, of?.peer ?? null, askedMillis), peer: to });
      if (of !== undefined) expect(message.maxHops).toBe(Math.min(of.maxHops, 10) - 1);
    }
  }

  #noted(message: RouteRequest, previous: number | null, askedMillis: number): Omit<Asked, 'peer'> {
    const [source, wanted] = [numberOf(message.source), numberOf(message.destination)];
    const running = this.#searches.get(wanted);
    const isOfRunning = running !== undefined && this.#isRunning(running) && running.firstMillis === null;
    if (source === 0 && !isOfRunning) {
      // It asks of its own accord for what has lost its last route.
      expect(this.#starved).toContain(wanted);
      this.#begin(wanted);
    }
    const search = this.#searches.get(wanted);
    const isPending = (): boolean =>
      source === 0
        ? search !== undefined && this.#isRunning(search)
        : this.#now - askedMillis < LIMITS.SEEN_REQUEST_MILLIS;
    const known = this.#asked.find(
      (one) => one.requestId === message.requestId && one.source === source && one.isPending(),
    );
    const { requestId, maxHops } = message;
    const answers = known?.answers ?? [];
    return { requestId, source, destination: wanted, maxHops, previous, isPending, answers };
  }

  #answer(step: Answer): void {
    const { bench } = this;
    const at = this.#asked.length - 1 - (step.which % step.among);
    const asked = this.#asked[at];
    if (asked === undefined) return;
    const { from, message } = forged(step, asked);
    const found = this.#asked.find(
      (one) =>
        one.requestId === message.requestId &&
        one.source === numberOf(message.source) &&
        one.peer === from &&
        one.isPending(),
    );
    const takes = this.#peers.has(from) && found !== undefined && this.#isGood(from, message, found);
    const before = bench.table.list().map((route) => route.ids.map(numberOf));
    expect(bench.from(from, message) === Reason.Accepted).toBe(takes);
    this.tally[takes ? step.fault : 'refused'] += 1;
    const after = bench.table.list().map((route) => route.ids.map(numberOf));
    const sent = bench.take();
    if (!takes) {
      expect(after).toEqual(before);
      expect(sent).toEqual([]);
      return;
    }
    found.answers.push(from);
    if (found.previous === null) this.#learned(message, after);
    else {
      expect(after).toEqual(before);
      const passed = {
        ...message,
        route: [id(found.previous), ...message.route],
        cost: message.cost + HOP_COST,
      };
      expect(sent).toEqual([{ to: found.previous, message: passed }]);
    }
  }

  /** By the rules of routing.md, one after another. */
  #isGood(
    from: number,
    { destination: named, route, cost, requestId }: RouteResponse,
    asked: Asked,
  ): boolean {
    const numbers = route.map(numberOf);
    const [first, second, third] = numbers;
    if (asked.answers.length >= LIMITS.ANSWERS_TAKEN) return false;
    if (asked.answers.filter((one) => one === from).length >= LIMITS.ANSWERS_TAKEN_OF_ONE) return false;
    if (numberOf(named) !== asked.destination) return false;
    if (first !== 0 || second !== from || numbers[numbers.length - 1] !== asked.destination) return false;
    if (new Set(numbers).size < numbers.length) return false;
    if (numbers.length > 11 || numbers.length - 1 > asked.maxHops) return false;
    if (cost >= UNREACHABLE) return false;
    // Not over whom a thorough request leaves out; who that is, is a hash.
    const shuns = shunnedBy(requestId);
    if (shuns !== null && route.slice(1, -1).some(shuns)) return false;
    // Not against the neighbour's own word, but where everybody was asked.
    const near = this.#near.get(from);
    if (requestId % 2n === 0n && near !== undefined && third !== undefined && !near.has(third)) return false;
    if (asked.previous === null) return true;
    // What passes by goes back to a neighbour that is there, and not over it or the source.
    if (!this.#peers.has(asked.previous)) return false;
    return (
      !numbers.includes(asked.previous) && !numbers.includes(asked.source) && cost + HOP_COST < UNREACHABLE
    );
  }

  #learned({ route }: RouteResponse, listed: readonly number[][]): void {
    const numbers = route.map(numberOf);
    const wanted = numbers[numbers.length - 1];
    this.#routes.push(numbers);
    const search = wanted === undefined ? undefined : this.#searches.get(wanted);
    if (search !== undefined) search.firstMillis ??= this.#now;
    // It is in the table now, unless three better ones are.
    const known = listed.filter((one) => one[one.length - 1] === wanted);
    if (known.length < LIMITS.ROUTES_PER_DESTINATION) expect(known).toContainEqual(numbers);
    for (const one of known) expect(this.#routes).toContainEqual(one);
  }
}

/** An honest answer to a request, but for one fault. */
function forged(
  { fault, between, cost }: Answer,
  asked: Asked,
): { readonly from: number; readonly message: RouteResponse } {
  const from = fault === 'otherPeer' ? (asked.peer % 4) + 1 : asked.peer;
  const route = [0, asked.peer, ...between, asked.destination];
  if (fault === 'otherStart') route[0] = 70;
  if (fault === 'otherSecond') route[1] = 71;
  if (fault === 'otherEnd') route[route.length - 1] = 72;
  // The first of the others, or this node where there is none.
  if (fault === 'repeats') route.splice(2, 0, between[0] ?? 0);
  if (fault === 'overAsker') route.splice(2, 0, asked.previous ?? 73);
  if (fault === 'overSource') route.splice(2, 0, asked.source);
  const message = response({
    requestId: asked.requestId + (fault === 'otherId' ? 4n : 0n),
    source: id(fault === 'otherSource' ? 82 : asked.source),
    destination: id(fault === 'otherDestination' ? 92 : asked.destination),
    route: ids(...route),
    cost: fault === 'unreachable' ? UNREACHABLE : cost,
  });
  return { from, message };
}

describe('responses', () => {
  const kinds = [
    { name: "to this node's own requests", steps: searches },
    { name: "to others' requests", steps: requests },
  ];
  it.each(kinds)('$name are taken when, and only when, a slow model takes them', ({ steps }) => {
    const tally = Object.fromEntries([...FAULTS, 'none', 'refused'].map((name) => [name, 0])) as Record<
      Fault | 'refused',
      number
    >;
    fc.assert(
      fc.property(fc.array<Step>(steps, { minLength: 20, maxLength: 80, size: 'max' }), (all) => {
        const schedule = new Schedule(tally);
        for (const step of all) schedule.run(step);
        schedule.bench.discovery.close();
      }),
    );
    expect(Math.min(tally.none, tally.refused)).toBeGreaterThan(500);
    for (const fault of ['otherStart', 'otherSecond', 'otherEnd', 'repeats', 'unreachable'] as const) {
      expect(tally[fault]).toBe(0);
    }
  });
});
