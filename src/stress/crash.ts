/**
 * The crash campaign: module processes under a load of paid packets are killed with SIGKILL at random points, started
 * again on what they left, and offered every payment once more that is used there.
 *
 * Rules: payments.md, any proof, 5, 7 and 8 (cheats 32 and 33). No key may be lost, no payment accepted twice, no
 * posting lost or doubled, no packet delivered twice. The seed decides victims, delays and packets; the machine decides
 * what it was doing just then. A long campaign goes over to a fresh network now and then: what is offered again grows
 * with every payment, and would soon be all that it does.
 */
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import type { Random } from '../core/ports.js';
import { randomBelow, randomU64, SeededRandom } from '../core/random.js';
import { encodePacket, PACKET_VERSION } from '../packet/packet.js';
import { readDurable } from './audit.js';
import { CrashBed, LINE, PROTOCOL } from './bed.js';
import { Payments, type Payment } from './payments.js';

export interface CrashOptions {
  readonly rounds: number;
  readonly seed: number;
  /** Called after each round. */
  readonly onProgress?: (rounds: number, result: CrashResult) => void;
}

export interface CrashResult {
  readonly rounds: number;
  /** Modules killed; more than rounds, since some are killed again as they start. */
  readonly kills: number;
  /** Payments made. */
  readonly payments: number;
  /** Keys that are used at some node, counted once for each. */
  readonly keys: number;
  /** Packets that reached the handler of their destination. */
  readonly delivered: number;
  /** Payments that were offered again at a node where they are used. */
  readonly replays: number;
  readonly seconds: number;
  /** In words; empty where all is well. */
  readonly violations: readonly string[];
}

/** Packets on their way at once; and used payments that are offered again at once. */
const LANES = 12;
const REPLAY_LANES = 64;
const MOST_SEED = 2 ** 32;
const MOST_FILLING_BYTES = 2_000;
/** After so many rounds the next ones have a network, and payments, of their own. */
const ROUNDS_PER_NETWORK = 125;
/** Covers any packet of the campaign. */
const LEAST_MSAT = 5_000;
/** A kill comes at some point within so long after the load began. */
const MOST_LOAD_MILLIS = 80;
/** One start in so many is killed within so long after it began. */
const STARTS_PER_KILL = 4;
const MOST_START_MILLIS = 700;
/** The ways of packets over the line, and where each is handed in. */
const WAYS: readonly { readonly route: readonly number[]; readonly by: 'send' | 'offer' }[] = [
  { route: [0, 1], by: 'send' },
  { route: [1, 2], by: 'send' },
  { route: [0, 1, 2], by: 'offer' },
  { route: [0, 1], by: 'offer' },
  { route: [1, 2], by: 'offer' },
];

/** Runs a whole campaign. @throws MeshError when a module does not start any more: that is a finding too */
export async function runCrashCampaign({ rounds, seed, onProgress }: CrashOptions): Promise<CrashResult> {
  const seeds = new SeededRandom(seed);
  let sum: CrashResult = NOTHING_YET;
  while (sum.rounds < rounds && sum.violations.length === 0) {
    const before = sum;
    const campaign = await Campaign.start({
      rounds: Math.min(rounds - before.rounds, ROUNDS_PER_NETWORK),
      seed: randomBelow(seeds, MOST_SEED),
      onProgress: (result) => onProgress?.(before.rounds + result.rounds, added(before, result)),
    });
    try {
      sum = added(before, await campaign.run());
    } finally {
      await campaign.close();
    }
  }
  return sum;
}

const NOTHING_YET: CrashResult = {
  rounds: 0,
  kills: 0,
  payments: 0,
  keys: 0,
  delivered: 0,
  replays: 0,
  seconds: 0,
  violations: [],
};

function added(one: CrashResult, other: CrashResult): CrashResult {
  return {
    rounds: one.rounds + other.rounds,
    kills: one.kills + other.kills,
    payments: one.payments + other.payments,
    keys: one.keys + other.keys,
    delivered: one.delivered + other.delivered,
    replays: one.replays + other.replays,
    seconds: one.seconds + other.seconds,
    violations: [...one.violations, ...other.violations],
  };
}

/** What one network is put through. */
interface CampaignOptions {
  readonly rounds: number;
  readonly seed: number;
  readonly onProgress: (result: CrashResult) => void;
}

class Campaign {
  readonly #options: CampaignOptions;
  readonly #random: Random;
  readonly #bed: CrashBed;
  readonly #payments: Payments;
  readonly #startedAt = performance.now();
  #rounds = 0;
  #kills = 0;
  #replays = 0;

  private constructor(options: CampaignOptions, bed: CrashBed, payments: Payments) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#bed = bed;
    this.#payments = payments;
  }

  static async start(options: CampaignOptions): Promise<Campaign> {
    const payments = new Payments();
    const bed = await CrashBed.start(options.seed, (at, payload) => {
      payments.delivered(at, payload);
    });
    return new Campaign(options, bed, payments);
  }

  close(): Promise<void> {
    return this.#bed.close();
  }

  async run(): Promise<CrashResult> {
    while (this.#rounds < this.#options.rounds && this.#payments.violations.length === 0) {
      await this.#round();
      this.#rounds += 1;
      this.#options.onProgress(this.#result());
    }
    // At the end all of them, so that what was promised since their last kill is looked at too.
    for (const victim of LINE) {
      await this.#bed.kill(victim);
      this.#kills += 1;
      this.#payments.check(victim, await readDurable(this.#bed.dataDir(victim)));
    }
    return this.#result();
  }

  async #round(): Promise<void> {
    const victim = randomBelow(this.#random, LINE.length);
    const load = { isOver: false };
    const lanes = Array.from({ length: LANES }, () => this.#lane(load));
    await pause(randomBelow(this.#random, MOST_LOAD_MILLIS));
    await this.#bed.kill(victim);
    load.isOver = true;
    this.#kills += 1;
    await Promise.all(lanes);
    let used = this.#payments.check(victim, await readDurable(this.#bed.dataDir(victim)));
    await this.#bed.begin(victim);
    while (randomBelow(this.#random, STARTS_PER_KILL) === 0) {
      await pause(randomBelow(this.#random, MOST_START_MILLIS));
      await this.#bed.kill(victim);
      this.#kills += 1;
      used = this.#payments.check(victim, await readDurable(this.#bed.dataDir(victim)));
      await this.#bed.begin(victim);
    }
    await this.#bed.ready(victim);
    await this.#checkStatus(victim, used);
    await this.#offerAgain(victim, used);
  }

  /** Sends one packet after the other until the load is over. */
  async #lane(load: { readonly isOver: boolean }): Promise<void> {
    while (!load.isOver) {
      const way = present(WAYS[randomBelow(this.#random, WAYS.length)], 'a way');
      const { route } = way;
      const [first, second] = route;
      const amountMsat = BigInt(LEAST_MSAT + randomBelow(this.#random, LEAST_MSAT));
      const proof = this.#bed.pay(present(route.at(-1), 'a way has an end'), amountMsat);
      const filling = this.#random.bytes(randomBelow(this.#random, MOST_FILLING_BYTES));
      const payment = this.#payments.add(proof, route, filling);
      const at = present(way.by === 'send' ? first : second, 'a way has two ends');
      const why =
        way.by === 'send'
          ? await this.#bed.send(at, present(second, 'a way has two ends'), payment.payload, proof)
          : await this.#bed.offer(at, present(first, 'a way has a start'), this.#packetOf(payment));
      if (why === null) payment.acceptedAt.add(at);
      // What is refused at once while the victim is down must not keep this process busy.
      else await pause(1);
    }
  }

  /** What a restarted module says of its ledger: all that was durable is in it. Neighbours may add to it already. */
  async #checkStatus(at: number, used: readonly Payment[]): Promise<void> {
    const status = await this.#bed.ledger(at);
    const sumMsat = used.reduce((sum, { proof }) => sum + proof.amountMsats, 0n);
    if (status.postings < used.length || status.totalMsat < sumMsat || !status.isConserved) {
      this.#payments.violations.push(
        `node ${at} started with ${status.postings} postings of ${status.totalMsat} msat; its journal holds ` +
          `${used.length} of ${sumMsat} msat`,
      );
    }
  }

  /** Every payment that is used at a node is offered there once more: as it was, or with something changed. */
  async #offerAgain(at: number, used: readonly Payment[]): Promise<void> {
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let payment = used[next++]; payment !== undefined; payment = used[next++]) {
        const why = await this.#replay(payment, at);
        this.#replays += 1;
        if (why === null) this.#payments.acceptedAgain(payment, at);
        else if (!why.includes('ReplayedPayment')) this.#payments.refusedOtherwise(payment, at, why);
      }
    };
    await Promise.all(Array.from({ length: REPLAY_LANES }, lane));
  }

  #replay(payment: Payment, at: number): Promise<string | null> {
    const { route, proof, payload } = payment;
    const position = route.indexOf(at);
    const destination = present(route.at(-1), 'a way has an end');
    if (position === 0) {
      const next = present(route[1], 'a way has two ends');
      return this.#bed.send(at, next, payload, proof);
    }
    const from = present(route[position - 1], `node ${at} is on the way to ${destination}`);
    return this.#bed.offer(at, from, this.#packetOf(payment));
  }

  /** A packet for a payment; its sequence and its timestamps are new each time. */
  #packetOf({ route, proof, payload }: Payment): Uint8Array {
    const ids = route.map((index) => this.#bed.nodeId(index));
    return encodePacket({
      version: PACKET_VERSION,
      packetType: 'Paid',
      source: present(ids[0], 'a way has a start'),
      destination: present(ids.at(-1), 'a way has an end'),
      route: ids,
      sequence: randomU64(this.#random),
      timestamp: BigInt(systemClock.unixSeconds()),
      paymentProof: { ...proof, timestamp: BigInt(systemClock.unixSeconds()) },
      payload,
      metadata: { protocol: PROTOCOL, fields: new Map() },
    });
  }

  #result(): CrashResult {
    const { all, violations } = this.#payments;
    return {
      rounds: this.#rounds,
      kills: this.#kills,
      payments: all.length,
      keys: all.reduce((sum, { acceptedAt }) => sum + acceptedAt.size, 0),
      delivered: all.reduce((sum, { deliveries }) => sum + deliveries, 0),
      replays: this.#replays,
      seconds: (performance.now() - this.#startedAt) / 1_000,
      violations: [...violations],
    };
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
