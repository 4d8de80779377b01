/**
 * The judge over worker threads: packets wait in turns by peer, lie in batches in shared memory, and are judged there
 * by whichever worker is free.
 *
 * Rules: architecture.md (worker pool, per-peer fair queueing). Contract: judge-port.ts; twin: InlineJudge. A worker that
 * is awake takes what has gathered as soon as it is free; one that sleeps is woken at the end of the turn of the event
 * loop that brought the packets, or earlier, when a batch is full or packets have waited for `batchLingerMicros`. So
 * batches grow with the load, and a lonely packet waits for nothing. Main thread only; the work is done in worker.ts.
 */
import { deserialize, serialize } from 'node:v8';
import { assert } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Clock } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { tellSecp256k1 } from '../payment/bolt11/secp256k1.js';
import { refusedInvoice, type InvoiceVerdict } from '../payment/invoice.js';
import { VerdictCounts } from './counts.js';
import { Crew, type CrewOptions } from './crew.js';
import type { BatchTimes } from './desk.js';
import { refusedVerdict } from './judge.js';
import type { JudgeStats, OnVerdict, PacketJudge, PacketSender } from './judge-port.js';
import { Lanes } from './lanes.js';

const MICROS = 1_000;
/** So many packets gather in a few microseconds. */
const LOOK_PACKETS = 8;

/** What may change while it runs. */
export interface PoolShape {
  readonly workers: number;
  /** Packets in one batch at most. */
  readonly batchPackets?: number;
  /** Microseconds that packets gather at most before a worker that sleeps is woken. */
  readonly batchLingerMicros?: number;
}

export interface VerdictPoolOptions extends CrewOptions, PoolShape {
  readonly policy: JudgePolicy;
  /** Unix time for the verdicts. How long a batch waits is real time whatever this says. */
  readonly clock: Clock;
  /** A batch is done: told before its verdicts. */
  readonly onBatch?: (times: BatchTimes) => void;
}

/** A list of invoices that waits for a batch. */
interface Read {
  readonly list: Uint8Array;
  readonly onAnswer: (answer: Uint8Array | null) => void;
}

export class VerdictPool implements PacketJudge {
  readonly #options: VerdictPoolOptions;
  #lingerMicros: number;
  #batchPackets: number;
  readonly #counts = new VerdictCounts();
  readonly #lanes = new Lanes(({ bytes, onVerdict }) => {
    this.#refuse(Reason.Overloaded, bytes, onVerdict);
  });
  readonly #reads: Read[] = [];
  #policy: JudgePolicy;
  /** Set by `start`, before anything else. */
  #crew: Crew | null = null;
  /** The crew before, while it finishes. */
  #leaving: Crew | null = null;
  #resizing: Promise<void> = Promise.resolve();
  /** When packets began to gather in this turn of the event loop; null where none has yet. */
  #gatheringSince: number | null = null;
  #batchesBefore = 0;
  #workersLostBefore = 0;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  /** Called when nothing waits and nothing is out, while closing. */
  #onDrained: (() => void) | null = null;

  private constructor(options: VerdictPoolOptions) {
    this.#options = options;
    this.#policy = options.policy;
    this.#lingerMicros = options.batchLingerMicros ?? LIMITS.BATCH_LINGER_MICROS;
    this.#batchPackets = options.batchPackets ?? LIMITS.BATCH_PACKETS;
  }

  /**
   * Starts the workers; resolves when all of them can judge.
   * @throws MeshError WASM_MISSING or WORKER_LOST where they cannot start
   */
  static async start(options: VerdictPoolOptions): Promise<VerdictPool> {
    const pool = new VerdictPool(options);
    pool.#crew = await pool.#hire(options.workers, pool.#batchPackets);
    tellSecp256k1(options.log);
    return pool;
  }

  judge(bytes: Uint8Array, sender: PacketSender, onVerdict: OnVerdict): void {
    if (this.#isClosed) {
      this.#refuse(Reason.JudgeUnavailable, bytes, onVerdict);
    } else if (bytes.length > LIMITS.PACKET_BYTES) {
      this.#refuse(Reason.PacketTooLarge, bytes, onVerdict);
    } else if (this.#lanes.length === 0 && this.#working.desk.put(bytes, sender, onVerdict)) {
      this.#gathered();
    } else if (!this.#lanes.push({ bytes, sender, onVerdict })) {
      this.#refuse(Reason.Overloaded, bytes, onVerdict);
    }
  }

  isFull(peer: string): boolean {
    return this.#lanes.isFull(peer);
  }

  onRoom(peer: string, onRoom: () => void): void {
    this.#lanes.onRoom(peer, onRoom);
  }

  readInvoices(texts: readonly string[]): Promise<readonly InvoiceVerdict[]> {
    const unread = (detail: string): readonly InvoiceVerdict[] =>
      texts.map(() => refusedInvoice(Reason.JudgeUnavailable, detail));
    const list = serialize(texts);
    if (this.#isClosed) return Promise.resolve(unread('no worker reads any more'));
    if (list.length > LIMITS.BATCH_BYTES || this.#reads.length >= LIMITS.INVOICE_READS_QUEUED) {
      return Promise.resolve(unread('too much to read at once'));
    }
    return new Promise((resolve) => {
      const onAnswer = (answer: Uint8Array | null): void => {
        const isRead = answer !== null && answer.length > 0;
        resolve(isRead ? (deserialize(answer) as readonly InvoiceVerdict[]) : unread('its worker was lost'));
      };
      this.#reads.push({ list, onAnswer });
      this.#fill();
    });
  }

  updatePolicy(policy: JudgePolicy): void {
    this.#policy = policy;
    this.#working.updatePolicy(policy);
  }

  /**
   * Changes what may change while running. Where that needs other workers, new ones are started, then take over; the
   * old ones finish what they have. Resolves when those are gone.
   * @throws MeshError as `start`; then nothing has changed
   */
  reshape(shape: PoolShape): Promise<void> {
    const reshaped = this.#resizing.then(() => this.#reshape(shape));
    this.#resizing = reshaped.catch(() => undefined);
    return reshaped;
  }

  /** In force. */
  get shape(): Required<PoolShape> {
    const { workers } = this.#working;
    return { workers, batchPackets: this.#batchPackets, batchLingerMicros: this.#lingerMicros };
  }

  stats(): JudgeStats {
    const crews = [this.#working, ...(this.#leaving === null ? [] : [this.#leaving])];
    const sum = (of: (crew: Crew) => number): number => crews.reduce((total, crew) => total + of(crew), 0);
    return {
      judged: this.#counts.judged,
      byReason: this.#counts.byReason(),
      queued: this.#lanes.length,
      inFlight: sum(({ desk }) => desk.inFlight),
      batches: this.#batchesBefore + sum(({ desk }) => desk.batches),
      workers: this.#working.workers,
      workersLost: this.#workersLostBefore + sum(({ workersLost }) => workersLost),
      sharedBytes: sum(({ sharedBytes }) => sharedBytes),
    };
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  /** The crew that gets the packets. */
  get #working(): Crew {
    assert(this.#crew !== null, 'a pool that was started has workers');
    return this.#crew;
  }

  get #isDrained(): boolean {
    return this.#lanes.length === 0 && this.#reads.length === 0 && this.#working.desk.isIdle;
  }

  async #drain(): Promise<void> {
    await this.#resizing;
    if (!this.#isDrained) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
        this.#fill();
      });
    }
    await this.#working.close();
  }

  #hire(workers: number, batchPackets: number): Promise<Crew> {
    assert(Number.isInteger(workers) && workers >= 1, 'a pool has at least one worker');
    const { clock, onBatch } = this.#options;
    const desk = {
      batchPackets,
      counts: this.#counts,
      nowSeconds: () => clock.unixSeconds(),
      ...(onBatch === undefined ? {} : { onBatch }),
    };
    return Crew.start({ ...this.#options, workers }, this.#policy, desk, {
      onProgress: () => {
        this.#fill();
      },
    });
  }

  async #reshape(shape: PoolShape): Promise<void> {
    const { workers, batchPackets = this.#batchPackets } = shape;
    const isSame = workers === this.#working.workers && batchPackets === this.#batchPackets;
    if (!isSame && !this.#isClosed) await this.#replace(workers, batchPackets);
    this.#lingerMicros = shape.batchLingerMicros ?? this.#lingerMicros;
  }

  async #replace(workers: number, batchPackets: number): Promise<void> {
    const policy = this.#policy;
    const crew = await this.#hire(workers, batchPackets);
    if (policy !== this.#policy) crew.updatePolicy(this.#policy);
    const old = this.#working;
    this.#batchPackets = batchPackets;
    this.#crew = crew;
    this.#leaving = old;
    this.#fill();
    await old.idle();
    await old.close();
    this.#leaving = null;
    this.#batchesBefore += old.desk.batches;
    this.#workersLostBefore += old.workersLost;
  }

  #refuse(reason: Reason, bytes: Uint8Array, onVerdict: OnVerdict): void {
    this.#counts.add(reason);
    onVerdict(refusedVerdict(reason), bytes);
  }

  /** A packet was put into a batch: workers that sleep are woken soon. */
  #gathered(): void {
    if (this.#gatheringSince === null) {
      this.#gatheringSince = performance.now();
      setImmediate(() => {
        this.#gatheringSince = null;
        this.#working.collect();
        this.#fill();
      });
      return;
    }
    const { gathered } = this.#working.desk;
    const hasFilledOne = gathered === 1;
    // Where they come fast, the time is not looked at for each.
    if (gathered > LOOK_PACKETS && gathered % LOOK_PACKETS !== 0) return;
    const now = performance.now();
    if (!hasFilledOne && (now - this.#gatheringSince) * MICROS < this.#lingerMicros) return;
    this.#gatheringSince = now;
    this.#working.ring();
  }

  /** Puts what waits into batches, as long as there are any, and has them taken. */
  #fill(): void {
    if (this.#crew === null) return;
    const { desk } = this.#crew;
    for (let read = this.#reads[0]; read !== undefined; read = this.#reads[0]) {
      if (!desk.putInvoices(read.list, read.onAnswer)) break;
      this.#reads.shift();
    }
    for (let next = this.#lanes.peek(); next !== null; next = this.#lanes.peek()) {
      if (!desk.put(next.bytes, next.sender, next.onVerdict)) break;
      this.#lanes.take();
    }
    this.#crew.ring();
    if (this.#isDrained) this.#onDrained?.();
  }
}
