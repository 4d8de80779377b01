/**
 * The worker threads behind a VerdictPool, over Piscina, and the batch memory that they share with it.
 *
 * A batch that was handed over always comes back: judged, or lost with its worker. A worker that judges nothing
 * for LIMITS.WORKER_STALL_MILLIS is stopped, so that no packet waits for a hung one. Main thread only.
 */
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import type { InvoiceVerdict } from '../payment/invoice.js';
import { compileKernel } from '../wasm/kernel.js';
import { BatchRegion, createBatchMemory } from './batch-memory.js';
import type { BatchTask, WorkerStart } from './worker.js';

/** Seen from src/ and from dist/ alike: threads run the built file. */
const WORKER_FILE = new URL('../../dist/pool/worker.js', import.meta.url);

/** One batch in work and one at the door, so that a worker never waits for the main thread between two. */
const TASKS_PER_WORKER = 2;

/** LIMITS.WORKER_STALL_MILLIS that a batch waits for a worker to begin it before all workers are replaced. */
const STALLS_TO_BEGIN = 3;

/**
 * Memory of a worker, so that a few of them fit into the address space that a node leaves a module. The code of one is
 * a few hundred kilobytes; packets, batches and tables lie outside of its heap.
 */
const WORKER_LIMITS = { codeRangeSizeMb: 16, maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16 };

export interface CrewOptions {
  readonly workers: number;
  /** Memory of the SharedReplayTable. */
  readonly table: SharedArrayBuffer;
  /** 16 bytes: the secret of its fingerprints. */
  readonly secret: Uint8Array;
  /** Memory of the InvoiceRegistry, under the same secret. */
  readonly registry?: SharedArrayBuffer;
  readonly log: Log;
  /** Another worker module than the built one: for tests of workers that fail. */
  readonly workerFile?: URL;
}

/** A region that is the caller's until it gives it back. */
export interface Batch {
  readonly index: number;
  readonly region: BatchRegion;
}

export class Crew {
  readonly workers: number;
  readonly #options: CrewOptions;
  readonly #start: WorkerStart;
  readonly #free: Batch[];
  #piscina: Piscina<BatchTask | readonly string[]>;
  /** Settled but while all workers are replaced. */
  #restart: Promise<void> = Promise.resolve();
  #isRestarting = false;
  #onIdle: (() => void) | null = null;
  #isClosing = false;
  #workersLost = 0;

  private constructor(options: CrewOptions) {
    const regions = options.workers * LIMITS.BATCHES_PER_WORKER;
    const batches = createBatchMemory(regions);
    this.workers = options.workers;
    this.#options = options;
    const { table, secret, registry } = options;
    this.#start = {
      batches,
      table,
      secret,
      kernel: compileKernel(),
      ...(registry === undefined ? {} : { registry }),
    };
    this.#free = Array.from({ length: regions }, (_, index) => ({
      index,
      region: new BatchRegion(batches, index),
    }));
    this.#piscina = this.#hire();
  }

  /**
   * Starts the workers, and waits until each can judge.
   * @param hello a task without packets
   * @throws MeshError WASM_MISSING or WORKER_LOST
   */
  static async start(options: CrewOptions, hello: Omit<BatchTask, 'region' | 'count'>): Promise<Crew> {
    const crew = new Crew(options);
    try {
      const tasks = Array.from({ length: options.workers }, (_, region) =>
        crew.#piscina.run({ ...hello, region, count: 0 }),
      );
      await Promise.all(tasks);
    } catch (cause) {
      await crew.close();
      throw new MeshError(
        'WORKER_LOST',
        `the worker threads cannot start (${errorText(cause)}): run "npm run build" in the package, or lower "workers"`,
        { workers: options.workers },
        { cause },
      );
    }
    return crew;
  }

  /** Workers lost since the start. */
  get workersLost(): number {
    return this.#workersLost;
  }

  /** An empty region, or null while all are in use. */
  takeBatch(): Batch | null {
    const batch = this.#free.pop();
    batch?.region.clear();
    return batch ?? null;
  }

  giveBack(batch: Batch): void {
    this.#free.push(batch);
    if (this.#isIdle) this.#onIdle?.();
  }

  /** Resolves when no region is taken. One caller, which takes none afterwards. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isIdle) resolve();
      else this.#onIdle = resolve;
    });
  }

  /**
   * Has a batch judged. Nobody but the caller uses its region when this resolves.
   * @returns false where it was lost: the states in its region say how far it got
   */
  async judge(batch: Batch, how: Omit<BatchTask, 'region' | 'count'>): Promise<boolean> {
    const watch = this.#watch(batch.region);
    try {
      await this.#piscina.run({ ...how, region: batch.index, count: batch.region.count });
      return true;
    } catch (error) {
      // While all workers are replaced, tasks end before their threads do.
      await this.#restart;
      this.#options.log.log('error', 'a batch of packets did not come back from its worker', {
        error: errorText(error),
        packets: batch.region.count,
      });
      return false;
    } finally {
      clearInterval(watch);
    }
  }

  /** Reads invoices on a worker. @throws where the worker was lost */
  async readInvoices(texts: readonly string[]): Promise<readonly InvoiceVerdict[]> {
    return (await this.#piscina.run(texts, { name: 'readInvoices' })) as readonly InvoiceVerdict[];
  }

  /** Stops the workers; batches still out are lost. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await this.#restart;
    await this.#piscina.destroy();
  }

  get #isIdle(): boolean {
    return this.#free.length === this.workers * LIMITS.BATCHES_PER_WORKER;
  }

  #hire(): Piscina<BatchTask | readonly string[]> {
    const piscina = new Piscina<BatchTask | readonly string[]>({
      filename: fileURLToPath(this.#options.workerFile ?? WORKER_FILE),
      minThreads: this.workers,
      maxThreads: this.workers,
      concurrentTasksPerWorker: TASKS_PER_WORKER,
      recordTiming: false,
      resourceLimits: WORKER_LIMITS,
      workerData: this.#start,
    });
    piscina.on('error', (error: unknown) => {
      this.#options.log.log('error', 'a worker thread failed', { error: errorText(error) });
    });
    piscina.on('workerDestroy', () => {
      if (!this.#isClosing) this.#workersLost++;
    });
    return piscina;
  }

  /** Stops the worker where it makes no progress, or replaces all of them where none begins the batch. */
  #watch(region: BatchRegion): NodeJS.Timeout {
    let waited = 0;
    let seen = { thread: 0, judged: 0 };
    const timer = setInterval(() => {
      const { thread, judged } = region;
      if (thread === 0) {
        if (++waited >= STALLS_TO_BEGIN) this.#replaceAll();
      } else if (thread === seen.thread && judged === seen.judged) {
        void this.#piscina.threads.find(({ threadId }) => threadId === thread)?.terminate();
      }
      seen = { thread, judged };
    }, LIMITS.WORKER_STALL_MILLIS);
    timer.unref();
    return timer;
  }

  #replaceAll(): void {
    if (this.#isRestarting) return;
    this.#options.log.log('error', 'no worker thread begins its batches; all are replaced', {});
    const old = this.#piscina;
    this.#isRestarting = true;
    this.#restart = old.destroy().finally(() => {
      this.#isRestarting = false;
    });
    this.#piscina = this.#hire();
  }
}
