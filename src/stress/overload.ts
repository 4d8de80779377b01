/**
 * The overload campaign: honest peers pay for what they send while one peer floods with five times what the workers can
 * judge, nearly all of it junk. The packet engine's real parts: quotas, queues, worker threads, replay table, journal.
 *
 * Rules: architecture.md (per-peer fair queueing, bounded everywhere), payments.md (a reason for every refusal). Load is
 * open: packets are due at fixed times, whatever became of those before, and their latency counts from then until their
 * payment is durable. The junk is the dearest there is: most of it costs the worker a whole signature.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { present } from '../core/assert.js';
import { systemClock } from '../core/clock.js';
import { SeededRandom } from '../core/random.js';
import { Reason, reasonName, type ReasonName } from '../core/reasons.js';
import { PeerBook } from '../engine/peers.js';
import { declaredTraffic } from '../packet/declared.js';
import { judged, type PacketJudge, type PacketVerdict } from '../pool/judge-port.js';
import { VerdictPool } from '../pool/verdict-pool.js';
import { FINGERPRINT_SECRET_BYTES } from '../replay/fingerprint.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import type { ReplayTable } from '../replay/table.js';
import { nodeDisk } from '../store/disk.js';
import { Journal, JOURNAL_FILE } from '../store/journal.js';
import { WasmKernel } from '../wasm/kernel.js';
import { LatencyHistogram, type Latency } from './latency.js';
import { OverloadPackets } from './overload-packets.js';

export interface OverloadOptions {
  /** Of the whole campaign: a quarter without the flood, the rest but three seconds with it. At least 8. */
  readonly seconds: number;
  readonly seed: number;
  readonly workers?: number;
  /** Called several times a second. */
  readonly onProgress?: (seconds: number, detail: string) => void;
}

/** What honest peers saw in one part of the campaign. */
export interface HonestPart extends Latency {
  readonly offered: number;
  /** Judged, claimed and durable. */
  readonly accepted: number;
}

export interface OverloadResult {
  /** Packets a second that the workers judge, each of which costs a signature. */
  readonly capacity: number;
  /** What was offered in the flood, in times of that. */
  readonly timesCapacity: number;
  readonly alone: HonestPart;
  readonly flood: HonestPart;
  /** From one second after the flood on. */
  readonly after: HonestPart;
  readonly offered: number;
  readonly accepted: number;
  readonly refused: Readonly<Partial<Record<ReasonName, number>>>;
  /** Resident memory in MiB: when the flood was a third over, and the most in its last third. */
  readonly residentMib: readonly [before: number, after: number];
  readonly seconds: number;
  /** Packets that were not accounted for, or honest ones that were refused for something else than load. */
  readonly violations: readonly string[];
  /** Bounds on time and memory that were missed; they depend on the machine. */
  readonly missed: readonly string[];
}

const HONEST_PEERS = 8;
const HOSTILE = 'hostile:8333';
const TIMES_CAPACITY = 5;
const JUNK_SHARE = 0.9;
/** Quotas, in times of the capacity: so wide that the flood is not held off at the door alone. */
const QUOTA_TIMES = 3;
const SECONDS_AFTER = 3;
const CAPACITY_PACKETS = 8_000;
const IN_FLIGHT = 512;
const TICK_MILLIS = 1;
/** Of one tick at most, so that what is due late does not hold up the verdicts. */
const TICK_PACKETS = 512;
const TEND_MILLIS = 20;
const PROGRESS_MILLIS = 250;
const JOURNAL_TYPE = 0;
const RECORD_BYTES = 160;
const MIB = 1_048_576;
/** Of the replay table: payments that were accepted stay, and that is no leak. */
const BYTES_PER_KEY = 34;
const MEMORY_SLACK_MIB = 48;

/** The bounds (issue: overload). */
const LEAST_THROUGHPUT = 0.9;
const MOST_P99 = 10;
const MOST_P99_AFTER = 3;
/** A scheduler's turn: below that latencies say nothing on a shared machine. */
const NOISE_MILLIS = 2;

const silent = { log: () => undefined };

/** Runs a whole campaign. @throws MeshError where the workers or the journal cannot be used */
export async function runOverloadCampaign(options: OverloadOptions): Promise<OverloadResult> {
  const directory = await mkdtemp(join(tmpdir(), 'blvm-mesh-overload-'));
  const campaign = await OverloadCampaign.start(options, directory);
  try {
    return await campaign.run();
  } finally {
    await campaign.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Counts of one part. */
class Part {
  offered = 0;
  accepted = 0;
  readonly latency = new LatencyHistogram();

  result(): HonestPart {
    return { offered: this.offered, accepted: this.accepted, ...this.latency.summary() };
  }
}

class OverloadCampaign {
  readonly #options: OverloadOptions;
  readonly #packets: OverloadPackets;
  readonly #judge: PacketJudge;
  readonly #table: ReplayTable;
  readonly #journal: Journal;
  readonly #startedAt = performance.now();
  readonly #refused = new Map<Reason, number>();
  readonly #violations: string[] = [];
  #peers: PeerBook | null = null;
  #offered = 0;
  #accepted = 0;
  #pending = 0;

  private constructor(
    options: OverloadOptions,
    packets: OverloadPackets,
    judge: PacketJudge,
    table: ReplayTable,
    journal: Journal,
  ) {
    this.#options = options;
    this.#packets = packets;
    this.#judge = judge;
    this.#table = table;
    this.#journal = journal;
  }

  static async start(options: OverloadOptions, directory: string): Promise<OverloadCampaign> {
    const random = new SeededRandom(options.seed);
    const packets = new OverloadPackets(random, systemClock.unixSeconds());
    const secret = random.bytes(FINGERPRINT_SECRET_BYTES);
    const kernel = WasmKernel.load(secret);
    const table = SharedReplayTable.create(kernel, 2 ** 22);
    const path = join(directory, JOURNAL_FILE);
    const journal = await Journal.open({
      disk: nodeDisk,
      path,
      clock: systemClock,
      log: silent,
      isFirstRun: true,
    });
    const judge = await VerdictPool.start({
      workers: options.workers ?? 1,
      table: table.memory,
      secret,
      log: silent,
      policy: packets.policy,
      clock: systemClock,
    });
    return new OverloadCampaign(options, packets, judge, table, journal);
  }

  async run(): Promise<OverloadResult> {
    const { seconds } = this.#options;
    const capacity = await this.#measureCapacity();
    this.#peers = this.#peersOf(capacity);
    const total = capacity * TIMES_CAPACITY;
    const honest = total * (1 - JUNK_SHARE);
    const aloneSeconds = seconds / 4;
    const floodSeconds = seconds - aloneSeconds - SECONDS_AFTER;

    const alone = await this.#drive(aloneSeconds, honest, 0);
    const memory: number[] = [];
    const before = this.#offered;
    const flood = await this.#drive(floodSeconds, honest, total - honest, memory);
    const timesCapacity = (this.#offered - before) / floodSeconds / capacity;
    await this.#drive(1, honest, 0);
    const after = await this.#drive(SECONDS_AFTER - 1, honest, 0);
    await this.#drained();

    const third = Math.floor(memory.length / 3);
    const residentMib = [
      Math.max(...memory.slice(0, third + 1)),
      Math.max(...memory.slice(-third - 1)),
    ] as const;
    const parts = { alone: alone.result(), flood: flood.result(), after: after.result() };
    this.#account();
    return {
      capacity: Math.round(capacity),
      timesCapacity,
      ...parts,
      offered: this.#offered,
      accepted: this.#accepted,
      refused: Object.fromEntries([...this.#refused].map(([reason, count]) => [reasonName(reason), count])),
      residentMib,
      seconds: (performance.now() - this.#startedAt) / 1_000,
      violations: [...this.#violations],
      missed: missedBounds({ ...parts, timesCapacity, residentMib }),
    };
  }

  async close(): Promise<void> {
    this.#peers?.stop();
    await this.#judge.close();
    await this.#journal.close();
  }

  /** Judged as fast as the workers can, with as many in flight as keep them busy. */
  async #measureCapacity(): Promise<number> {
    let left = CAPACITY_PACKETS;
    const sender = this.#packets.senderOf('capacity');
    const lane = async (): Promise<void> => {
      while (left-- > 0) await judged(this.#judge, this.#packets.signed(), sender);
    };
    const startedAt = performance.now();
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return CAPACITY_PACKETS / ((performance.now() - startedAt) / 1_000);
  }

  #peersOf(capacity: number): PeerBook {
    const perMinute = capacity * QUOTA_TIMES * 60;
    const peers = new PeerBook({
      self: this.#packets.self,
      clock: systemClock,
      random: new SeededRandom(this.#options.seed),
      maxPeers: HONEST_PEERS + 1,
      staticPeers: new Set(),
      packetsPerMinute: perMinute,
      freePacketsPerMinute: perMinute / 2,
      freeBytesPerMinute: Number.MAX_SAFE_INTEGER,
      helloIntervalMillis: 60_000,
      sendHello: () => undefined,
      challenge: null,
      onMoved: () => undefined,
      onJoined: () => Reason.Accepted,
      onLost: () => undefined,
      onReturned: () => undefined,
    });
    for (let index = 0; index < HONEST_PEERS; index++) peers.connected(honestPeer(index));
    peers.connected(HOSTILE);
    return peers;
  }

  /** Offers what is due until the time is over; returns what became of the honest packets of that time, so far. */
  async #drive(seconds: number, honestRate: number, junkRate: number, memory?: number[]): Promise<Part> {
    const part = new Part();
    const startedAt = performance.now();
    let [honest, junk, tendedAt, toldAt] = [0, 0, 0, 0];
    for (;;) {
      const now = performance.now();
      const passed = (now - startedAt) / 1_000;
      if (passed >= seconds) return part;
      let most = TICK_PACKETS;
      for (; honest < passed * honestRate && most > 0; honest++, most--) {
        this.#offerHonest(honest, part, startedAt + (honest / honestRate) * 1_000);
      }
      for (; junk < passed * junkRate && most > 0; junk++, most--) {
        this.#offer(this.#packets.junk(junk), HOSTILE, (verdict) => {
          this.#refuse(verdict.reason);
        });
      }
      if (now - tendedAt > TEND_MILLIS) {
        tendedAt = now;
        this.#table.expire(systemClock.unixSeconds());
      }
      if (now - toldAt > PROGRESS_MILLIS) {
        toldAt = now;
        memory?.push(process.memoryUsage.rss() / MIB - (this.#accepted * BYTES_PER_KEY) / MIB);
        const detail = `${this.#accepted} paid, ${this.#offered} offered`;
        this.#options.onProgress?.(Math.floor((now - this.#startedAt) / 1_000), detail);
      }
      const isLate = honest < passed * honestRate || junk < passed * junkRate;
      await new Promise((resolve) => (isLate ? setImmediate(resolve) : setTimeout(resolve, TICK_MILLIS)));
    }
  }

  #offerHonest(number: number, part: Part, dueAt: number): void {
    part.offered += 1;
    this.#offer(this.#packets.paid(), honestPeer(number % HONEST_PEERS), (verdict) => {
      if (verdict.kind !== 'paid') {
        this.#refuse(verdict.reason);
        if (verdict.reason !== Reason.Overloaded && verdict.reason !== Reason.PacketQuotaExceeded) {
          this.#violations.push(`an honest packet was refused as ${reasonName(verdict.reason)}`);
        }
        return;
      }
      // As the engine does, so that the table grows with the claims however long this thread has to wait for its turn.
      this.#table.tend();
      this.#pending += 1;
      const record = {
        type: JOURNAL_TYPE,
        keepUntil: verdict.expiresAt,
        payload: new Uint8Array(RECORD_BYTES),
      };
      const recorded = this.#journal.append([record]).then(
        () => {
          this.#accepted += 1;
          part.accepted += 1;
          part.latency.add(performance.now() - dueAt);
        },
        () => {
          this.#refuse(Reason.NotRecorded);
        },
      );
      void recorded.finally(() => {
        this.#pending -= 1;
      });
    });
  }

  /** Through the door, the queues and the workers. */
  #offer(bytes: Uint8Array, address: string, onVerdict: (verdict: PacketVerdict) => void): void {
    this.#offered += 1;
    const charged = present(this.#peers, 'the peers are known').charge(
      address,
      declaredTraffic(bytes),
      bytes.length,
    );
    if (charged !== Reason.Accepted) {
      this.#refuse(charged);
      return;
    }
    this.#pending += 1;
    this.#judge.judge(bytes, this.#packets.senderOf(address), (verdict) => {
      this.#pending -= 1;
      onVerdict(verdict);
    });
  }

  #refuse(reason: Reason): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  async #drained(): Promise<void> {
    while (this.#pending > 0) await new Promise((resolve) => setTimeout(resolve, TICK_MILLIS));
  }

  #account(): void {
    const refused = [...this.#refused.values()].reduce((sum, count) => sum + count, 0);
    if (this.#offered !== this.#accepted + refused) {
      this.#violations.push(
        `${this.#offered} packets were offered, ${this.#accepted} accepted and ${refused} refused: some have no reason`,
      );
    }
    const passed = this.#refused.get(Reason.Accepted) ?? 0;
    if (passed > 0) this.#violations.push(`${passed} packets of junk passed`);
  }
}

function honestPeer(index: number): string {
  return `honest-${index}:8333`;
}

/** Which bounds were missed, in words. */
export function missedBounds(
  found: Pick<OverloadResult, 'alone' | 'flood' | 'after' | 'timesCapacity' | 'residentMib'>,
): readonly string[] {
  const { alone, flood, after, timesCapacity, residentMib } = found;
  const [before, most] = residentMib;
  const share = flood.accepted / flood.offered / (alone.accepted / alone.offered);
  const slow = Math.max(alone.p99Millis, NOISE_MILLIS);
  const missed: (readonly [boolean, string])[] = [
    [
      timesCapacity < TIMES_CAPACITY * 0.9,
      `the flood was only ${timesCapacity.toFixed(1)} times the capacity`,
    ],
    [
      !(share >= LEAST_THROUGHPUT),
      `honest peers kept ${(share * 100).toFixed(1)} % of their paid throughput in the flood`,
    ],
    [
      flood.p99Millis > MOST_P99 * slow,
      `p99 went from ${alone.p99Millis.toFixed(1)} to ${flood.p99Millis.toFixed(1)} ms in the flood`,
    ],
    [
      after.p99Millis > MOST_P99_AFTER * slow,
      `p99 was still ${after.p99Millis.toFixed(1)} ms a second after the flood`,
    ],
    [
      most > before + MEMORY_SLACK_MIB,
      `resident memory grew from ${before.toFixed(0)} to ${most.toFixed(0)} MiB in the flood`,
    ],
  ];
  return missed.filter(([isMissed]) => isMissed).map(([, what]) => what);
}
