/**
 * The fee campaign: so many seeded pairs of an amount and a route, each charged, split, posted and taken into a ledger;
 * no msat may be lost or made on the way.
 *
 * Rules: routing.md (Fees, Anti-monopoly 3), payments.md (Fee split). What each pair must come to is summed up here once
 * more, plainly, and compared with the balances at the end.
 */
import { present } from '../../core/assert.js';
import { U64_MAX } from '../../core/bincode.js';
import { nodeIdOf, type NodeId } from '../../core/ids.js';
import { LIMITS } from '../../core/limits.js';
import type { Clock } from '../../core/ports.js';
import { randomBelow, SeededRandom } from '../../core/random.js';
import { calculateFee, splitFee, type FeeDistribution } from '../../ledger/fee.js';
import { Ledger } from '../../ledger/ledger.js';
import { PostingView } from '../../ledger/posting-bytes.js';
import { PostingSlab } from '../../ledger/posting-slab.js';
import { PacketHead } from '../../packet/head.js';
import { encodePacket, PACKET_VERSION } from '../../packet/packet.js';

/** How long pairs run before the event loop gets its turn. */
const SLICE_MILLIS = 100;
const PAIRS_AT_ONCE = 512;
/** Nodes that routes lead over. */
const NODES = 1_024;
const MOST_ROUTERS = LIMITS.ROUTE_IDS - 2;
const KEY_BYTES = 32;
const NO_PAYLOAD = new Uint8Array(0);

export interface FeeCampaignOptions {
  readonly pairs: number;
  readonly seed: number;
  readonly clock: Pick<Clock, 'monotonicMillis'>;
  /** Called about ten times a second with the pairs done. */
  readonly onProgress?: (done: number) => void;
}

/** What did not come out even. */
export interface FeeFault {
  /** The how-manieth pair of its seed it was, from 0; null where only the balances at the end are wrong. */
  readonly pair: number | null;
  readonly what: string;
}

export interface FeeCampaignReport {
  readonly seed: number;
  readonly pairs: number;
  readonly elapsedSeconds: number;
  /** All fees, and who has them by the ledger. */
  readonly totalMsat: bigint;
  readonly destinationMsat: bigint;
  readonly routersMsat: bigint;
  readonly treasuryMsat: bigint;
  /** Pairs of which a part of the fee is 0, and those beyond the numbers that floating point holds exactly. */
  readonly withEmptyPart: number;
  readonly wide: number;
  /** The first faults. */
  readonly faults: readonly FeeFault[];
}

/** Faults that a report names. */
const FAULTS_NAMED = 8;

/** The same report but for its time whenever `pairs` and `seed` are the same. */
export async function runFeeCampaign(options: FeeCampaignOptions): Promise<FeeCampaignReport> {
  const { pairs, seed, clock, onProgress } = options;
  const started = clock.monotonicMillis();
  const counts = new FeeCounts(new SeededRandom(seed));
  let sliceEnd = started + SLICE_MILLIS;
  for (let pair = 0; pair < pairs; pair++) {
    counts.take(pair);
    if (pair % PAIRS_AT_ONCE !== 0 || clock.monotonicMillis() < sliceEnd) continue;
    onProgress?.(pair);
    await new Promise(setImmediate);
    sliceEnd = clock.monotonicMillis() + SLICE_MILLIS;
  }
  onProgress?.(pairs);
  const elapsedSeconds = (clock.monotonicMillis() - started) / 1_000;
  return { seed, pairs, elapsedSeconds, ...counts.report() };
}

class FeeCounts {
  readonly #random: SeededRandom;
  readonly #nodes: readonly NodeId[];
  readonly #ledger = new Ledger();
  readonly #slab = new PostingSlab();
  readonly #posting = new PostingView();
  readonly #faults: FeeFault[] = [];
  #totalMsat = 0n;
  #withEmptyPart = 0;
  #wide = 0;

  constructor(random: SeededRandom) {
    this.#random = random;
    this.#nodes = Array.from({ length: NODES }, () => nodeIdOf(random.bytes(KEY_BYTES)));
  }

  take(pair: number): void {
    const routers = randomBelow(this.#random, MOST_ROUTERS + 1);
    const head = this.#packet(Array.from({ length: routers + 2 }, () => this.#node()));
    const weights = this.#weights(routers);
    const total = this.#fee(routers + 1);
    const distribution = splitFee(total, weights);
    this.#judge(pair, total, weights, distribution);
    const key = this.#random.bytes(KEY_BYTES);
    const posting = this.#slab.write({ key, postedAt: pair, head, distribution, due: null });
    const isReadable = this.#posting.load(posting);
    const outcome = isReadable ? this.#ledger.post(this.#posting) : 'unreadable';
    if (outcome !== 'posted') this.#fault(pair, `its posting was ${outcome}`);
    this.#totalMsat += total;
    if (total > BigInt(Number.MAX_SAFE_INTEGER)) this.#wide += 1;
  }

  report(): Omit<FeeCampaignReport, 'seed' | 'pairs' | 'elapsedSeconds'> {
    const { totalMsat, destinationMsat, routersMsat, treasuryMsat } = this.#ledger.totals();
    if (totalMsat !== this.#totalMsat)
      this.#fault(null, `${this.#totalMsat} msat were paid in, and the ledger says ${totalMsat}`);
    if (destinationMsat + routersMsat + treasuryMsat !== this.#totalMsat)
      this.#fault(null, 'what the ledger owes is not what was paid in');
    let sum = 0n;
    for (const { balanceMsat } of this.#ledger.accounts()) sum += balanceMsat;
    if (sum !== 0n) this.#fault(null, `all balances together are ${sum} msat, not 0`);
    return {
      totalMsat,
      destinationMsat,
      routersMsat,
      treasuryMsat,
      withEmptyPart: this.#withEmptyPart,
      wide: this.#wide,
      faults: this.#faults,
    };
  }

  /** Each part must be its exact share rounded down or up, and all parts together the whole. */
  #judge(pair: number, total: bigint, weights: readonly bigint[], distribution: FeeDistribution): void {
    const { destinationMsat, routerMsat, treasuryMsat } = distribution;
    const whole = weights.reduce((sum, weight) => sum + weight, 0n);
    let sum = destinationMsat + treasuryMsat;
    let isEmpty = destinationMsat === 0n || treasuryMsat === 0n;
    for (let i = 0; i < routerMsat.length; i++) {
      const part = routerMsat[i] ?? 0n;
      sum += part;
      if (part === 0n) isEmpty = true;
      // All weights 0: equal.
      const share = whole === 0n ? 1n : (weights[i] ?? 0n);
      const of = 10n * (whole === 0n ? BigInt(routerMsat.length) : whole);
      if (!isRounded(part, 3n * total * share, of))
        this.#fault(pair, `router ${i} has ${part} of ${total} msat`);
    }
    const tenths = routerMsat.length === 0 ? 9n : 6n;
    if (!isRounded(destinationMsat, tenths * total, 10n))
      this.#fault(pair, `the destination has ${destinationMsat} of ${total} msat`);
    if (!isRounded(treasuryMsat, total, 10n))
      this.#fault(pair, `the treasury has ${treasuryMsat} of ${total} msat`);
    if (sum !== total) this.#fault(pair, `${sum} of ${total} msat are given to somebody`);
    if (isEmpty) this.#withEmptyPart += 1;
  }

  /** One with such a route, and nothing else. */
  #packet(route: readonly NodeId[]): PacketHead {
    const bytes = encodePacket({
      version: PACKET_VERSION,
      packetType: 'Paid',
      source: present(route[0], 'a route has a source'),
      destination: present(route.at(-1), 'a route has a destination'),
      route,
      sequence: 0n,
      timestamp: 0n,
      paymentProof: null,
      payload: NO_PAYLOAD,
      metadata: null,
    });
    return new PacketHead(bytes);
  }

  #node(): NodeId {
    return present(this.#nodes[randomBelow(this.#random, NODES)], 'a list without holes');
  }

  /** Costs of routers: all alike, small, none, of any size, or scaled by a fraction of their entity. */
  #weights(routers: number): readonly bigint[] {
    const kind = randomBelow(this.#random, 5);
    return Array.from({ length: routers }, () => {
      switch (kind) {
        case 0:
          return 1n;
        case 1:
          return BigInt(randomBelow(this.#random, 5));
        case 2:
          return 0n;
        case 3:
          return this.#u64();
        default:
          return BigInt(randomBelow(this.#random, 1_000_000)) * BigInt(randomBelow(this.#random, 2 ** 32));
      }
    });
  }

  /** The fee for an amount of any size, mostly those of the field. */
  #fee(hops: number): bigint {
    const isWide = randomBelow(this.#random, 16) === 0;
    const amount = isWide ? this.#u64() : BigInt(randomBelow(this.#random, 2 ** 31));
    const fees = {
      baseMsat: BigInt(randomBelow(this.#random, 2_000)),
      perHopMsat: BigInt(randomBelow(this.#random, 500)),
      perKibMsat: 0n,
      proportionalPpm: BigInt(randomBelow(this.#random, isWide ? 1_000_001 : 10_000)),
    };
    return calculateFee(fees, hops, amount, [BigInt(randomBelow(this.#random, 10_000))]);
  }

  #u64(): bigint {
    return (BigInt(this.#random.word()) * 2n ** 32n + BigInt(this.#random.word())) & U64_MAX;
  }

  #fault(pair: number | null, what: string): void {
    if (this.#faults.length < FAULTS_NAMED) this.#faults.push({ pair, what });
  }
}

/** Whether a part is the fraction top / bottom, rounded down or up. */
function isRounded(part: bigint, top: bigint, bottom: bigint): boolean {
  const rest = top - part * bottom;
  return rest > -bottom && rest < bottom;
}
