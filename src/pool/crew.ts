/**
 * The worker threads behind a VerdictPool, over Piscina, which owns their lives, and the memory that they share with
 * the main thread.
 *
 * Each worker is one task of Piscina that does not end while there is anything to do. A task that ends otherwise lost
 * its batch: that is taken back, and the task given to the next thread. A worker that makes no step for
 * LIMITS.WORKER_STALL_MILLIS is stopped, so that no packet waits for a hung one. Main thread only.
 */
import { serialize } from 'node:v8';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { errorText, MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Log } from '../core/ports.js';
import { compileKernel } from '../wasm/kernel.js';
import { BatchMemory, createBatchMemory, STOP } from './batch-memory.js';
import { Desk, type DeskOptions } from './desk.js';
import type { WorkerStart, WorkTask } from './worker.js';

/** Seen from src/ and from dist/ alike: threads run the built file. */
const WORKER_FILE = new URL('../../dist/pool/worker.js', import.meta.url);

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

/** What a crew tells. */
export interface CrewEvents {
  /** Verdicts were handed out, or batches taken back: there may be room. */
  readonly onProgress: () => void;
}

/** What was last seen of a worker. */
interface Watched {
  /** Where it was with which batch; null where it held none. */
  step: string | null;
  /** For how long its thread has not been there, in milliseconds. */
  absent: number;
}

export class Crew {
  readonly workers: number;
  readonly desk: Desk;
  readonly #options: CrewOptions;
  readonly #events: CrewEvents;
  readonly #memory: BatchMemory;
  readonly #piscina: Piscina<WorkTask>;
  readonly #watched: Watched[];
  #policy: SharedArrayBuffer;
  #policyVersion = 0;
  #watch: NodeJS.Timeout | null = null;
  /** One for each worker; they settle when the crew is closed. */
  readonly #workers: Promise<void>[] = [];
  readonly #closing = new AbortController();
  #onArrival: (() => void) | null = null;
  #onIdle: (() => void) | null = null;
  #workersLost = 0;

  private constructor(options: CrewOptions, policy: JudgePolicy, desk: DeskOptions, events: CrewEvents) {
    const { workers, table, secret, registry, log } = options;
    const batches = createBatchMemory({
      workers,
      batches: workers * LIMITS.BATCHES_PER_WORKER,
      packets: desk.batchPackets,
    });
    const start: WorkerStart = {
      batches,
      table,
      secret,
      kernel: compileKernel(),
      ...(registry === undefined ? {} : { registry }),
    };
    this.workers = workers;
    this.#options = options;
    this.#events = events;
    this.#policy = shared(policy);
    this.#memory = new BatchMemory(batches);
    this.desk = new Desk(this.#memory, this.#policyVersion, desk);
    this.#watched = Array.from({ length: workers }, () => ({ step: null, absent: 0 }));
    this.#piscina = new Piscina<WorkTask>({
      filename: fileURLToPath(options.workerFile ?? WORKER_FILE),
      minThreads: workers,
      maxThreads: workers,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: WORKER_LIMITS,
      workerData: start,
    });
    this.#piscina.on('error', (error: unknown) => {
      log.log('error', 'a worker thread failed', { error: errorText(error) });
    });
    this.#piscina.on('workerDestroy', () => {
      if (!this.#isClosing()) this.#workersLost++;
    });
  }

  /**
   * Starts the workers, and waits until each can judge.
   * @throws MeshError WASM_MISSING or WORKER_LOST
   */
  static async start(
    options: CrewOptions,
    policy: JudgePolicy,
    desk: DeskOptions,
    events: CrewEvents,
  ): Promise<Crew> {
    const crew = new Crew(options, policy, desk, events);
    try {
      await crew.#hireAll();
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

  /** Memory shared with the workers: batches with their verdicts, and the policy. */
  get sharedBytes(): number {
    return this.#memory.bytes + this.#policy.byteLength;
  }

  /** Wakes workers for the batches that wait, and watches over them. */
  ring(): void {
    const { waiting } = this.desk;
    if (waiting > 0) this.#memory.ringWork(waiting);
    if (this.desk.isIdle) return;
    this.#watch ??= setInterval(() => {
      this.#look();
    }, LIMITS.WORKER_STALL_MILLIS);
  }

  /** Hands out what is done; to be called when there is time, beside when workers ring. */
  collect(): void {
    this.desk.collect();
    if (!this.desk.isIdle) return;
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#watch = null;
    this.#onIdle?.();
  }

  /** Holds for every packet that is put from now on: every worker comes back for it. */
  updatePolicy(policy: JudgePolicy): void {
    this.#policy = shared(policy);
    this.#policyVersion++;
    this.desk.setPolicy(this.#policyVersion);
    this.#memory.want(this.#policyVersion);
  }

  /** Resolves when every batch is back. One caller, which puts nothing in afterwards. */
  idle(): Promise<void> {
    this.ring();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      this.collect();
    });
  }

  /** Stops the workers; what is still out is refused. */
  async close(): Promise<void> {
    this.#closing.abort();
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#memory.want(STOP);
    // A worker that hangs does not leave its loop: it ends with its thread.
    const late = delay(LIMITS.WORKER_STALL_MILLIS, undefined, { ref: false });
    await Promise.race([Promise.all(this.#workers), late]);
    await this.#piscina.destroy();
    // For `#listen`, which would wait for it for ever.
    this.#memory.ringDone();
    this.desk.giveUp();
  }

  /** Resolves when all workers are there. */
  async #hireAll(): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      const late = AbortSignal.timeout(LIMITS.WORKER_START_MILLIS);
      late.addEventListener('abort', () => {
        reject(new Error('they did not come up in time'));
      });
      for (let worker = 0; worker < this.workers; worker++) this.#workers.push(this.#keep(worker, reject));
    });
    const arrived = new Promise<void>((resolve) => {
      this.#onArrival = resolve;
    });
    this.#listen();
    await Promise.race([arrived, failed]);
  }

  /**
   * Keeps a worker at work until the crew is closed.
   * @param onFailure called where it was lost before it was there
   */
  async #keep(worker: number, onFailure: (error: unknown) => void): Promise<void> {
    const { signal } = this.#closing;
    while (!this.#isClosing()) {
      try {
        await this.#piscina.run({ worker, policyVersion: this.#policyVersion, policy: this.#policy });
        this.#memory.depart(worker);
      } catch (error) {
        if (this.#isClosing()) return;
        const wasThere = this.#memory.threadOf(worker) !== 0;
        this.#lost(worker, error);
        if (wasThere) continue;
        onFailure(error);
        await delay(LIMITS.WORKER_RETRY_MILLIS, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  /** Its thread has ended, or has left its loop: what it held goes to others. */
  #lost(worker: number, error: unknown): void {
    this.#options.log.log('error', 'a worker was lost; its packets are judged by another', {
      error: errorText(error),
    });
    this.#memory.depart(worker);
    this.desk.collect();
    this.desk.reclaim(worker);
    this.ring();
    this.#tell();
  }

  /** Hands out what is done whenever workers ring. */
  #listen(): void {
    if (this.#isClosing()) return;
    const seen = this.#memory.doneBell;
    this.#tell();
    const rung = this.#memory.doneRung(seen);
    // Not at once where it has rung meanwhile: the event loop must have its turn.
    if (rung === null)
      setImmediate(() => {
        this.#listen();
      });
    else
      void rung.then(() => {
        this.#listen();
      });
  }

  #tell(): void {
    if (this.#onArrival !== null && this.#isComplete) {
      this.#onArrival();
      this.#onArrival = null;
    }
    this.collect();
    this.#events.onProgress();
  }

  /** A method, since it may change while one waits. */
  #isClosing(): boolean {
    return this.#closing.signal.aborted;
  }

  get #isComplete(): boolean {
    return this.#watched.every((_, worker) => this.#memory.threadOf(worker) !== 0);
  }

  /** Stops workers that made no step since the last look, and threads that never became workers. */
  #look(): void {
    const starting = new Set(this.#piscina.threads.map(({ threadId }) => threadId));
    let isAnyAbsent = false;
    for (const [worker, watched] of this.#watched.entries()) {
      const thread = this.#memory.threadOf(worker);
      starting.delete(thread);
      watched.absent = thread === 0 ? watched.absent + LIMITS.WORKER_STALL_MILLIS : 0;
      isAnyAbsent ||= watched.absent >= LIMITS.WORKER_START_MILLIS;
      const step = this.desk.stepOf(worker);
      if (step !== null && step === watched.step) this.#stop(thread);
      watched.step = step;
    }
    if (isAnyAbsent) for (const thread of starting) this.#stop(thread);
    // No bell is ever missed; if one were, this is where the wait ends.
    this.#tell();
    this.ring();
  }

  #stop(thread: number): void {
    void this.#piscina.threads.find(({ threadId }) => threadId === thread)?.terminate();
  }
}

/** A policy as workers read it: bytes in shared memory, so that a task carries a handle alone. */
function shared(policy: JudgePolicy): SharedArrayBuffer {
  const bytes = serialize(policy);
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
