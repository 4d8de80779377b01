/**
 * What the pipelines are measured in: a fresh pool over an empty replay table, where wanted with a registry of issued
 * invoices and with accounts whose journal is on the disk that holds this project.
 *
 * A bed is used once: what was paid in it is a replay the next time.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { systemClock } from '#dist/core/clock.js';
import { LIMITS } from '#dist/core/limits.js';
import { Reason } from '#dist/core/reasons.js';
import type { Accounts, OnRecorded } from '#dist/engine/accounts.js';
import type { MeshModule } from '#dist/engine/module.js';
import { PacketHead } from '#dist/packet/head.js';
import { InvoiceRegistry } from '#dist/payment/registry.js';
import type { PacketJudge, PacketVerdict, VerdictKind } from '#dist/pool/judge-port.js';
import { VerdictPool } from '#dist/pool/verdict-pool.js';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import { nodeDisk } from '#dist/store/disk.js';
import type { Journal } from '#dist/store/journal.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { stopwatch, type Rate } from './cpu.js';
import { accountsOf, benchJournal } from './ledger.js';
import { POLICY, SELF, SOURCE, type PaidSample } from './samples.js';

/**
 * Packets that wait for a verdict or the disk at most, and their bytes: as many free ones as the queue of the pool takes.
 * With fewer, those that wait for the disk leave the workers nothing to do.
 */
const MOST_WAITING = (LIMITS.FREE_SHARE_PERCENT / 100) * LIMITS.PACKETS_QUEUED;
const MOST_WAITING_BYTES = 16 * 2 ** 20;

/** The packets come from so many peers in turn. */
const PEERS = 16;

const SENDERS = Array.from({ length: PEERS }, (_, index) => ({
  previousHop: SOURCE,
  origin: 'peer' as const,
  peer: `10.0.0.${index}:8334`,
}));

const NOTHING = new Uint8Array(0);

const QUIET = { log: (): void => undefined };

export interface BedOptions {
  readonly workers: number;
  /** Invoices of this node: payments by them need no curve. */
  readonly issued?: readonly PaidSample[];
  /** Whether accepted payments are posted and made durable before they count as done. */
  readonly isDurable?: boolean;
  /** Other than the pool's defaults. */
  readonly batchPackets?: number;
  readonly batchLingerMicros?: number;
  /** Another worker module than the pool's own. */
  readonly workerFile?: URL;
  /** Counts, times and records every packet, as the engine does. */
  readonly watch?: Watch;
  /** The verdict that the pool's own worker would have given. */
  readonly asOwn?: (verdict: PacketVerdict) => PacketVerdict;
}

/** By which the operator sees what passes. */
export type Watch = Pick<MeshModule, 'counters' | 'recorder' | 'timings'>;

/** What a packet is given back as; a bed ends at once where it is another. */
export interface Expected {
  readonly bytes: Uint8Array;
  readonly kind: VerdictKind;
}

export class Bed {
  readonly pool: VerdictPool;
  readonly #table: SharedReplayTable;
  readonly #books: Books | null;
  readonly #asOwn: (verdict: PacketVerdict) => PacketVerdict;
  readonly #judge: Pick<PacketJudge, 'judge'>;
  readonly #watch: Watch | null;
  /** As the recorder takes it: in the engine the packet is in care already. */
  readonly #passed: { bytes: Uint8Array; from: string } = { bytes: NOTHING, from: '' };

  private constructor(
    pool: VerdictPool,
    table: SharedReplayTable,
    books: Books | null,
    { asOwn = (verdict) => verdict, watch }: BedOptions,
  ) {
    this.pool = pool;
    this.#judge = watch?.timings.judged(pool) ?? pool;
    this.#watch = watch ?? null;
    this.#table = table;
    this.#books = books;
    this.#asOwn = asOwn;
  }

  static async open(options: BedOptions): Promise<Bed> {
    const { workers, issued = [], isDurable = false, batchPackets, batchLingerMicros, workerFile } = options;
    const secret = new Uint8Array(randomBytes(16));
    const kernel = new WasmKernel(compileKernel(), secret);
    const registry = InvoiceRegistry.create(kernel);
    for (const { invoice, issued: facts } of issued) registry.register(invoice, facts);
    const table = SharedReplayTable.create(kernel);
    table.expire(systemClock.unixSeconds());
    const pool = await VerdictPool.start({
      workers,
      policy: POLICY,
      table: table.memory,
      secret,
      registry: registry.memory,
      log: QUIET,
      clock: systemClock,
      ...(batchPackets === undefined ? {} : { batchPackets }),
      ...(batchLingerMicros === undefined ? {} : { batchLingerMicros }),
      ...(workerFile === undefined ? {} : { workerFile }),
    });
    return new Bed(pool, table, isDurable ? await Books.open(options.watch) : null, options);
  }

  /**
   * One packet, to its verdict, and where the bed is durable to the disk.
   * @param number chooses the peer that it comes from
   */
  judge(
    { bytes, kind }: Expected,
    number: number,
    onDone: () => void,
    onFailed: (error: Error) => void,
  ): void {
    const sender = SENDERS[number % PEERS];
    if (sender === undefined) throw new Error('there are peers');
    const watch = this.#watch;
    if (watch !== null) watch.counters.hot.packets_received.count++;
    watch?.counters.arrived(kind === 'paid' ? 'paid' : 'free', bytes.length);
    const done = (): void => {
      if (watch !== null) {
        watch.counters.hot.packets_delivered.count++;
        watch.counters.passed(kind === 'paid' ? 'paid' : 'free', bytes.length);
        this.#passed.bytes = bytes;
        this.#passed.from = sender.peer;
        watch.recorder.passed('delivered', this.#passed, Reason.Accepted);
      }
      onDone();
    };
    this.#judge.judge(bytes, sender, (verdict) => {
      this.tend();
      if (verdict.kind !== kind) {
        onFailed(new Error(`a packet was ${verdict.kind} (reason ${verdict.reason}), not ${kind}`));
      } else if (verdict.kind === 'paid' && this.#books !== null) {
        this.enter(bytes, verdict, (error) => {
          if (error === null) done();
          else onFailed(new Error('a payment was not recorded', { cause: error }));
        });
      } else done();
    });
  }

  /** What the engine does after each verdict, so that the replay table has room. */
  tend(): void {
    this.#table.tend();
  }

  /** Makes an accepted payment durable. */
  enter(bytes: Uint8Array, verdict: PacketVerdict, onRecorded: OnRecorded): void {
    if (this.#books === null) throw new Error('a bed has books where it is durable');
    this.#books.enter(bytes, this.#asOwn(verdict), onRecorded);
  }

  /** All packets, as fast as they go. */
  rate(packets: readonly Expected[]): Promise<Rate> {
    return new Promise((resolve, reject) => {
      const stop = stopwatch();
      let next = 0;
      let done = 0;
      let waitingBytes = 0;
      let isFeeding = false;
      const feed = (): void => {
        isFeeding = false;
        for (let packet = packets[next]; packet !== undefined; packet = packets[next]) {
          const { length } = packet.bytes;
          if (next - done >= MOST_WAITING || waitingBytes + length > MOST_WAITING_BYTES) return;
          waitingBytes += length;
          const onDone = (): void => {
            waitingBytes -= length;
            done += 1;
            if (done === packets.length) resolve(stop(done));
            else if (!isFeeding) {
              isFeeding = true;
              setImmediate(feed);
            }
          };
          this.judge(packet, next++, onDone, reject);
        }
      };
      feed();
    });
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.#books?.close();
  }
}

/** Accounts over a journal in a folder of its own, which is gone afterwards. */
class Books {
  readonly #folder: string;
  readonly #journal: Journal;
  readonly #accounts: Accounts;

  private constructor(folder: string, journal: Journal) {
    this.#folder = folder;
    this.#journal = journal;
    this.#accounts = accountsOf(SELF, (records) => journal.append(records), POLICY.ownPayee);
  }

  static async open(watch?: Watch): Promise<Books> {
    const { folder, journal } = await benchJournal(watch?.timings.synced(nodeDisk));
    return new Books(folder, journal);
  }

  /** As the engine does: posted, and durable when it is told. */
  enter(bytes: Uint8Array, verdict: PacketVerdict, onRecorded: OnRecorded): void {
    this.#accounts.record(new PacketHead(bytes), verdict, onRecorded);
  }

  async close(): Promise<void> {
    await this.#journal.close();
    rmSync(this.#folder, { recursive: true });
  }
}
