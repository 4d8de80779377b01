/**
 * The main thread's side of the batches that it shares with one crew of workers: puts packets in, hands verdicts out,
 * and takes batches back from workers that are lost. Knows no threads: crew.ts says who is gone.
 *
 * Where a worker is lost, what it had judged counts; a packet whose payment it may have claimed is refused; the one
 * that it was judging is tried once more, as is a batch of which it had begun nothing; the rest is judged where it lies,
 * by the next worker, as if nothing had been. So a packet that kills workers costs two of them, and no other packet its
 * verdict. The memory-ordering argument is in batch.ts.
 *
 * Workers are done in any order; a peer's packets get their verdicts in the order in which they were put all the same: a
 * batch that is done waits for those before it in which are packets of the same peers.
 */
import { assert, present } from '../core/assert.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { BatchKind, type Batch } from './batch.js';
import type { BatchMemory } from './batch-memory.js';
import type { VerdictCounts } from './counts.js';
import { refusedVerdict } from './judge.js';
import { sharedMillis } from './shared-clock.js';
import type { OnVerdict, PacketSender } from './judge-port.js';

/** How often a packet may be with a worker that is lost. */
const ATTEMPTS = 2;

/** What a packet is taken to cost before any was judged. */
const FIRST_GUESS_MICROS = 10;

/** The part that one batch has in what packets took lately. */
const NEWEST_SHARE = 0.25;

const NO_HOP = { previousHop: null, origin: 'local' } as const;

/** A batch with packets in it, and who waits for their verdicts. */
interface Load {
  readonly batch: Batch;
  readonly waiting: OnVerdict[];
  /** Of those that wait, as they were given. */
  readonly packets: Uint8Array[];
  /** Whose they are. */
  readonly peers: Set<string>;
  /** Whose the newest is. */
  lastPeer: string | null;
  /** For a list of invoices, in place of `waiting`: null where no worker read them. */
  readonly onAnswer: ((answer: Uint8Array | null) => void) | null;
  /** Packets whose verdicts were handed out. */
  answered: number;
  /** The packet that was being judged when a worker was lost, or -1, and how often. */
  suspect: number;
  /** How often a worker was lost before it had begun. */
  unbegun: number;
}

/** What a worker spent on a batch of packets. */
export interface BatchTimes {
  readonly packets: number;
  readonly workMicros: number;
  /** Since it was taken. */
  readonly agoMillis: number;
}

export interface DeskOptions {
  /** Packets in one batch at most. */
  readonly batchPackets: number;
  readonly counts: VerdictCounts;
  /** Unix time for the verdicts. */
  readonly nowSeconds: () => number;
  /** A batch is done: told before its verdicts. */
  readonly onBatch?: (times: BatchTimes) => void;
}

export class Desk {
  readonly #options: DeskOptions;
  readonly #free: Batch[];
  #loads: Load[] = [];
  #open: Load | null = null;
  #sequence = 0;
  #policyVersion: number;
  #packetMicros = FIRST_GUESS_MICROS;
  #batches = 0;
  #inFlight = 0;

  constructor(memory: BatchMemory, policyVersion: number, options: DeskOptions) {
    this.#policyVersion = policyVersion;
    this.#options = options;
    this.#free = [...memory.batches];
  }

  /** Packets without a verdict. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Batches that came back, or were lost. */
  get batches(): number {
    return this.#batches;
  }

  get isIdle(): boolean {
    return this.#loads.length === 0;
  }

  /** Packets in the batch that is still being filled. */
  get gathered(): number {
    return this.#open?.waiting.length ?? 0;
  }

  /** Batches that wait for a worker. */
  get waiting(): number {
    let waiting = 0;
    for (const { batch } of this.#loads) if (batch.waits) waiting++;
    return waiting;
  }

  /**
   * Puts a packet into a batch, which a worker may take from then on.
   * @returns false where no batch has room
   */
  put(bytes: Uint8Array, sender: PacketSender, onVerdict: OnVerdict): boolean {
    for (;;) {
      this.#open ??= this.#begin(BatchKind.Packets, null);
      const open = this.#open;
      if (open === null) return false;
      if (
        open.waiting.length < this.#most &&
        open.batch.fits(bytes.length) &&
        open.batch.put(bytes, sender)
      ) {
        open.waiting.push(onVerdict);
        open.packets.push(bytes);
        if (open.lastPeer !== sender.peer) {
          open.lastPeer = sender.peer;
          open.peers.add(sender.peer);
        }
        this.#inFlight++;
        return true;
      }
      this.#open = null;
    }
  }

  /** Puts a list of invoices into a batch of its own; false where none is free. */
  putInvoices(list: Uint8Array, onAnswer: (answer: Uint8Array | null) => void): boolean {
    const load = this.#begin(BatchKind.Invoices, onAnswer);
    if (load === null) return false;
    assert(load.batch.put(list, NO_HOP), 'an empty batch that nobody knows has room');
    return true;
  }

  /** Holds for every packet that is put from now on. */
  setPolicy(version: number): void {
    this.#policyVersion = version;
    this.close();
  }

  /** Nothing more is put into the batch that is being filled. */
  close(): void {
    this.#open = null;
  }

  /** Hands out the verdicts of all batches that are done, in which no peer's packets would overtake others of it. */
  collect(): void {
    let behind: Set<string> | null = null;
    for (const load of [...this.#loads]) {
      if (!load.batch.isDone || (behind !== null && haveCommon(behind, load.peers))) {
        behind ??= new Set();
        for (const peer of load.peers) behind.add(peer);
        continue;
      }
      this.#learn(load.batch);
      this.#batches++;
      if (load.onAnswer === null) this.#answer(load, load.waiting.length);
      else load.onAnswer(load.batch.answered);
      this.#release(load);
    }
  }

  /** Takes back what a worker held that is gone: its thread has ended, or has left its loop. */
  reclaim(worker: number): void {
    for (const load of [...this.#loads]) {
      if (load.batch.holder !== worker) continue;
      this.#batches++;
      if (this.#open === load) this.#open = null;
      if (load.onAnswer !== null) {
        load.onAnswer(null);
        this.#release(load);
        continue;
      }
      const begin = this.#salvage(load);
      if (begin === load.waiting.length) this.#release(load);
      else load.batch.reopen(begin);
    }
  }

  /** Where a worker is with what it holds: another text after each step; null where it holds nothing. */
  stepOf(worker: number): string | null {
    const load = this.#loads.find(({ batch }) => batch.holder === worker);
    return load === undefined ? null : `${load.batch.sequence} ${load.batch.step}`;
  }

  /** All that has no verdict is refused: no worker is left. Batches that workers hold stay theirs. */
  giveUp(): void {
    this.#open = null;
    for (const load of this.#loads.splice(0)) {
      if (load.onAnswer !== null) load.onAnswer(null);
      else this.#refuse(load, load.waiting.length);
    }
  }

  /** Packets in one batch at most, by what packets took lately. */
  get #most(): number {
    const byWork = Math.max(LIMITS.BATCH_PACKETS_LEAST, LIMITS.BATCH_WORK_MICROS / this.#packetMicros);
    return Math.min(this.#options.batchPackets, byWork);
  }

  #begin(kind: BatchKind, onAnswer: Load['onAnswer']): Load | null {
    const batch = this.#free.pop();
    if (batch === undefined) return null;
    this.#sequence = (this.#sequence + 1) | 0;
    batch.open(this.#sequence, this.#policyVersion, this.#options.nowSeconds(), kind);
    const load: Load = {
      batch,
      waiting: [],
      packets: [],
      peers: new Set(),
      lastPeer: null,
      onAnswer,
      answered: 0,
      suspect: -1,
      unbegun: 0,
    };
    this.#loads.push(load);
    return load;
  }

  /** Settles what can be settled of a batch whose worker is gone; returns the first packet that is still to be judged. */
  #salvage(load: Load): number {
    const { progress } = load.batch;
    if (progress === null) {
      if (++load.unbegun >= ATTEMPTS) this.#refuse(load, load.waiting.length);
      return load.answered;
    }
    const { packet, mayBeClaimed } = progress;
    this.#answer(load, packet);
    if (packet === load.waiting.length) return packet;
    if (mayBeClaimed || load.suspect === packet) this.#refuse(load, packet + 1);
    load.suspect = packet;
    return load.answered;
  }

  /** Hands out the verdicts before a packet. */
  #answer(load: Load, end: number): void {
    const { counts } = this.#options;
    const { batch, waiting, packets } = load;
    this.#inFlight -= end - load.answered;
    for (let index = load.answered; index < end; index++) {
      const verdict = batch.read(index);
      counts.add(verdict.reason);
      const onVerdict = present(waiting[index], 'somebody waits for every packet');
      onVerdict(verdict, present(packets[index], 'its bytes are there'));
    }
    load.answered = end;
  }

  #refuse(load: Load, end: number): void {
    const verdict = refusedVerdict(Reason.JudgeUnavailable);
    this.#inFlight -= end - load.answered;
    for (; load.answered < end; load.answered++) {
      this.#options.counts.add(verdict.reason);
      load.waiting[load.answered]?.(verdict, present(load.packets[load.answered], 'its bytes are there'));
    }
  }

  #learn(batch: Batch): void {
    const judged = batch.taken - batch.begin;
    if (batch.kind !== BatchKind.Packets || judged === 0) return;
    const { workMicros, takenMillis } = batch;
    this.#packetMicros += NEWEST_SHARE * (workMicros / judged - this.#packetMicros);
    const agoMillis = sharedMillis() - takenMillis;
    this.#options.onBatch?.({ packets: judged, workMicros, agoMillis });
  }

  #release(load: Load): void {
    if (this.#open === load) this.#open = null;
    this.#loads = this.#loads.filter((other) => other !== load);
    load.batch.release();
    this.#free.push(load.batch);
  }
}

function haveCommon(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const one of others) if (some.has(one)) return true;
  return false;
}
