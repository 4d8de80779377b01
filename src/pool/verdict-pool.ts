/**
 * The judge over worker threads: packs packets into batches in shared memory, and hands out the verdicts.
 *
 * Rules: architecture.md (a batch goes when it is full or after a deadline; one lonely packet waits less than a
 * millisecond). Contract: judge-port.ts; twin: InlineJudge. Main thread only; the work is done in worker.ts.
 *
 * Where a worker is lost, what it had judged counts; a packet whose payment it may have claimed is refused; the
 * one that it was judging is tried once more, as are all where it had begun none; the rest are judged as if
 * nothing had been. So a packet that kills workers costs two of them, and no other packet its verdict.
 */
import { serialize } from 'node:v8';
import { assert, present } from '../core/assert.js';
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Clock } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { declaredTraffic } from '../packet/declared.js';
import { tellSecp256k1 } from '../payment/bolt11/secp256k1.js';
import { refusedInvoice, type InvoiceVerdict } from '../payment/invoice.js';
import { PacketState } from './batch-memory.js';
import { VerdictCounts } from './counts.js';
import { Crew, type Batch, type CrewOptions } from './crew.js';
import { refusedVerdict } from './judge.js';
import type { JudgeStats, OnVerdict, PacketJudge, PacketSender, PacketVerdict } from './judge-port.js';

/** How often a packet may be with a worker that is lost. */
const ATTEMPTS = 2;

export interface VerdictPoolOptions extends CrewOptions {
  readonly policy: JudgePolicy;
  /** Unix time for the verdicts. How long a batch waits is real time whatever this says. */
  readonly clock: Clock;
}

/** A packet that has no verdict yet. */
interface Pending {
  readonly bytes: Uint8Array;
  readonly sender: PacketSender;
  readonly resolve: OnVerdict;
  attempts: number;
}

/** A batch that is being filled, or out. */
interface Load {
  readonly crew: Crew;
  readonly batch: Batch;
  readonly packets: Pending[];
  readonly openedMillis: number;
}

export class VerdictPool implements PacketJudge {
  readonly #options: VerdictPoolOptions;
  readonly #counts = new VerdictCounts();
  /** Waits for a place in a batch, first come first served; `#again` goes before. */
  #queue: Pending[] = [];
  #head = 0;
  #queuedBytes = 0;
  readonly #again: Pending[] = [];
  #crew: Crew;
  #policy: SharedArrayBuffer;
  #policyVersion = 0;
  #open: Load | null = null;
  #isLingering = false;
  #inFlight = 0;
  #batches = 0;
  #workersLostBefore = 0;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  /** Called when nothing waits and nothing is out, while closing. */
  #onDrained: (() => void) | null = null;

  private constructor(options: VerdictPoolOptions, crew: Crew, policy: SharedArrayBuffer) {
    this.#options = options;
    this.#crew = crew;
    this.#policy = policy;
  }

  /**
   * Starts the workers; resolves when all of them can judge.
   * @throws MeshError WASM_MISSING or WORKER_LOST where they cannot start
   */
  static async start(options: VerdictPoolOptions): Promise<VerdictPool> {
    assert(Number.isInteger(options.workers) && options.workers >= 1, 'a pool has at least one worker');
    const policy = shared(options.policy);
    const crew = await Crew.start(options, { nowSeconds: 0, policyVersion: 0, policy });
    tellSecp256k1(options.log);
    return new VerdictPool(options, crew, policy);
  }

  judge(bytes: Uint8Array, sender: PacketSender, onVerdict: OnVerdict): void {
    const refusal = this.#refusal(bytes);
    if (refusal !== null) {
      const verdict = refusedVerdict(refusal);
      this.#counts.add(verdict);
      onVerdict(verdict);
      return;
    }
    this.#queue.push({ bytes, sender, resolve: onVerdict, attempts: 0 });
    this.#queuedBytes += bytes.length;
    this.#fill();
  }

  isFull(): boolean {
    return !this.#hasRoom(1, 1);
  }

  onRoom(_peer: string, resume: () => void): void {
    resume();
  }

  async readInvoices(texts: readonly string[]): Promise<readonly InvoiceVerdict[]> {
    const unread = (detail: string): readonly InvoiceVerdict[] =>
      texts.map(() => refusedInvoice(Reason.JudgeUnavailable, detail));
    if (this.#isClosed) return unread('no worker reads any more');
    try {
      return await this.#crew.readInvoices(texts);
    } catch (error) {
      return unread(errorText(error));
    }
  }

  updatePolicy(policy: JudgePolicy): void {
    this.#policy = shared(policy);
    this.#policyVersion++;
  }

  /**
   * Changes the number of workers while running: new ones are started, then take over; the old ones finish what
   * they have.
   * @throws MeshError as `start`; the old ones go on then
   */
  async resize(workers: number): Promise<void> {
    assert(Number.isInteger(workers) && workers >= 1, 'a pool has at least one worker');
    const crew = await Crew.start({ ...this.#options, workers }, this.#how());
    if (this.#isClosed) {
      await crew.close();
      return;
    }
    this.#dispatch();
    const old = this.#crew;
    this.#crew = crew;
    this.#fill();
    await old.idle();
    this.#workersLostBefore += old.workersLost;
    await old.close();
  }

  stats(): JudgeStats {
    return {
      judged: this.#counts.judged,
      byReason: this.#counts.byReason(),
      queued: this.#queued,
      inFlight: this.#inFlight + (this.#open?.packets.length ?? 0),
      batches: this.#batches,
      workers: this.#crew.workers,
      workersLost: this.#workersLostBefore + this.#crew.workersLost,
    };
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#drain();
    return this.#closing;
  }

  get #queued(): number {
    return this.#queue.length - this.#head + this.#again.length;
  }

  get #isDrained(): boolean {
    return this.#queued === 0 && this.#inFlight === 0 && this.#open === null;
  }

  async #drain(): Promise<void> {
    if (!this.#isDrained) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    }
    await this.#crew.close();
  }

  /** Why a packet is refused without being looked at; null where it is not. */
  #refusal(bytes: Uint8Array): Reason | null {
    if (this.#isClosed) return Reason.JudgeUnavailable;
    if (bytes.length > LIMITS.PACKET_BYTES) return Reason.PacketTooLarge;
    const isShareFull = !this.#hasRoom(bytes.length, LIMITS.FREE_SHARE_PERCENT / 100);
    if (!isShareFull) return null;
    // The rest is for paid packets: a flood of free ones, from however many peers, must not keep them out.
    const isFull = declaredTraffic(bytes) === 'free' || !this.#hasRoom(bytes.length, 1);
    return isFull ? Reason.Overloaded : null;
  }

  /** Whether so many bytes more fit in a share of the queue. */
  #hasRoom(bytes: number, share: number): boolean {
    return (
      this.#queue.length - this.#head < share * LIMITS.PACKETS_QUEUED &&
      this.#queuedBytes + bytes <= share * LIMITS.PACKETS_QUEUED_BYTES
    );
  }

  /** What a task says beside its region. */
  #how(): {
    readonly nowSeconds: number;
    readonly policyVersion: number;
    readonly policy: SharedArrayBuffer;
  } {
    return {
      nowSeconds: this.#options.clock.unixSeconds(),
      policyVersion: this.#policyVersion,
      policy: this.#policy,
    };
  }

  /** Puts waiting packets into batches, as long as there are regions. */
  #fill(): void {
    for (let next = this.#peek(); next !== null; next = this.#peek()) {
      this.#open ??= this.#openLoad();
      if (this.#open === null) return;
      if (this.#open.batch.region.put(next.bytes, next.sender)) {
        this.#take();
        this.#open.packets.push(next);
      } else {
        this.#dispatch();
      }
    }
    if (this.#open?.batch.region.count === LIMITS.BATCH_PACKETS) this.#dispatch();
    else if (this.#open !== null) this.#linger();
  }

  #openLoad(): Load | null {
    const batch = this.#crew.takeBatch();
    return batch === null ? null : { crew: this.#crew, batch, packets: [], openedMillis: performance.now() };
  }

  #peek(): Pending | null {
    return this.#again[0] ?? this.#queue[this.#head] ?? null;
  }

  /** Takes the packet that `peek` showed. */
  #take(): void {
    if (this.#again.shift() !== undefined) return;
    this.#queuedBytes -= present(this.#queue[this.#head], 'a packet was seen').bytes.length;
    this.#head++;
    // The array is cut when half of it was taken: each packet is moved once at most.
    if (this.#head * 2 >= this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /**
   * Sends the open batch at the end of this turn of the event loop where the workers have nothing else to do, else
   * when it is old enough. Timers are too coarse for 200 us, so it looks once per turn.
   */
  #linger(): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    setImmediate(() => {
      this.#isLingering = false;
      if (this.#open === null) return;
      const ageMicros = (performance.now() - this.#open.openedMillis) * 1_000;
      if (this.#inFlight === 0 || ageMicros >= LIMITS.BATCH_LINGER_MICROS) this.#dispatch();
      else this.#linger();
    });
  }

  #dispatch(): void {
    const load = this.#open;
    this.#open = null;
    if (load === null) return;
    this.#batches++;
    this.#inFlight += load.packets.length;
    void load.crew.judge(load.batch, this.#how()).then((isJudged) => {
      this.#inFlight -= load.packets.length;
      this.#settle(load, isJudged);
      load.crew.giveBack(load.batch);
      this.#fill();
      if (this.#isDrained) this.#onDrained?.();
    });
  }

  #settle({ batch: { region }, packets }: Load, isJudged: boolean): void {
    const states = packets.map((_, index) => region.state(index));
    const hasSuspect = states.includes(PacketState.Judging) || states.includes(PacketState.Claiming);
    packets.forEach((packet, index) => {
      const state = present(states[index], 'every packet has a state');
      if (state === PacketState.Judged) {
        this.#answer(packet, region.readVerdict(index));
        return;
      }
      assert(!isJudged, 'a batch that came back is judged');
      if (state === PacketState.Judging || !hasSuspect) packet.attempts++;
      if (state === PacketState.Claiming || packet.attempts >= ATTEMPTS) {
        this.#answer(packet, refusedVerdict(Reason.JudgeUnavailable));
      } else {
        this.#again.push(packet);
      }
    });
  }

  #answer(packet: Pending, verdict: PacketVerdict): void {
    this.#counts.add(verdict);
    packet.resolve(verdict);
  }
}

/** A policy as workers read it: bytes in shared memory, so that a task carries a handle alone. */
function shared(policy: JudgePolicy): SharedArrayBuffer {
  const bytes = serialize(policy);
  const memory = new SharedArrayBuffer(bytes.length);
  new Uint8Array(memory).set(bytes);
  return memory;
}
