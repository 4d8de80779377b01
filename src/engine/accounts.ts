/**
 * What an accepted payment leaves behind: one journal record, which keeps its key used over restarts, and with it
 * one posting in the ledger. And what a payee leaves behind that has settled its debt.
 *
 * Rules: payments.md, any proof, 5 and 8 (claim, write durably, then act), Lightning, Bounded trust, Fee split (exactly
 * one posting per accepted payment, durable with the journal). Main thread only.
 */
import { present } from '../core/assert.js';
import { U64_MAX } from '../core/bincode.js';
import { toHex, utf8 } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { equalWeights, splitFee } from '../ledger/fee.js';
import type { Ledger } from '../ledger/ledger.js';
import { ACCOUNT_KINDS, type AccountKind } from '../ledger/posting.js';
import { KEY_BYTES, PostingView } from '../ledger/posting-bytes.js';
import { POSTING_BYTES_MAX, PostingSlab } from '../ledger/posting-slab.js';
import { Sums } from '../ledger/sums.js';
import type { PacketHead } from '../packet/head.js';
import type { PacketVerdict } from '../pool/judge-port.js';
import type { JournalRecord } from '../store/journal.js';
import type { Debts } from './debts.js';
import {
  foreignRecord,
  postingBytesOf,
  RECORD_TYPES,
  settlementKey,
  settlementRecord,
} from './ledger-records.js';

/**
 * Makes records durable: resolves when they are on disk, with one promise for all that become so together. Copies their
 * bytes at once.
 */
export type AppendDurably = (records: readonly JournalRecord[]) => Promise<void>;

/** Told once what became of a payment: null when it is on the disk and in the balances, else why it is in neither. */
export type OnRecorded = (error: unknown) => void;

/** Payments that become durable together, in order. */
interface Recording {
  readonly durable: Promise<void>;
  readonly postings: Uint8Array[];
  readonly waiting: OnRecorded[];
}

/** A record of an earlier run. */
export interface RestoredRecord {
  /** The replay key that it keeps used, 32 bytes, a part of the record; null where it keeps none. */
  readonly key: Uint8Array | null;
  /** Unix seconds at which it was written. */
  readonly postedAt: number;
}

/**
 * The fees of packets that ended at this node, in msat: in this run, and in earlier ones as far as their records were
 * still in the journal when it began.
 */
export interface ReceivedFees {
  readonly packets: number;
  readonly totalMsat: bigint;
  readonly destinationMsat: bigint;
  readonly routersMsat: bigint;
  readonly treasuryMsat: bigint;
}

/** What is to be settled. */
export interface SettlementRequest {
  /** 33 bytes. */
  readonly payee: Uint8Array;
  /** null for all that is owed. */
  readonly amountMsat: bigint | null;
  /** The operator's own text, at most LIMITS.SETTLEMENT_REFERENCE_BYTES of UTF-8; empty for none. */
  readonly reference: string;
}

/** What became of it: `why` is a sentence for the operator. */
export type SettlementOutcome =
  | { readonly ok: true; readonly settledMsat: bigint; readonly owedMsat: bigint }
  | { readonly ok: false; readonly why: string };

export interface AccountsParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly append: AppendDurably;
  /** Whether the journal would take a record with a payload of so many bytes now. */
  readonly hasRoom: (payloadBytes: number) => boolean;
  readonly debts: Debts;
  /** Weights of a route's routers in their 30 % (routing.md, Anti-monopoly, 3); equal where left out. */
  readonly routerWeights?: (routers: readonly NodeId[]) => readonly bigint[];
}

export class Accounts {
  readonly #parts: AccountsParts;
  readonly #slab = new PostingSlab();
  readonly #posting = new PostingView();
  /** What was appended last; those before settle by themselves. */
  #recording: Recording | null = null;
  /** Keys of settlements, in hex, oldest first. */
  readonly #settlements = new Set<string>();
  /** A settlement that is being made durable. */
  #isSettling = false;
  #receivedPackets = 0;
  /** By the kind of account. */
  readonly #received = new Sums();

  constructor(parts: AccountsParts) {
    this.#parts = parts;
  }

  /** Whether a payment could be recorded now: asked before one is claimed. */
  canRecord(): boolean {
    return this.#parts.hasRoom(POSTING_BYTES_MAX);
  }

  /**
   * Records an accepted payment: durable first, then in the balances.
   * @param head of its packet, read before this returns
   * @param onRecorded called in a later turn, in the order of the calls; must not throw
   */
  record(head: PacketHead, verdict: PacketVerdict, onRecorded: OnRecorded): void {
    const { clock, debts, append } = this.#parts;
    const { payee, position, expiresAt: keepUntil } = verdict;
    const distribution = splitFee(verdict.amountMsat, this.#weightsOf(head));
    const payload = this.#slab.write({
      key: present(verdict.replayKey, 'an accepted payment has a key'),
      postedAt: clock.unixSeconds(),
      head,
      distribution,
      due: debts.dueOf({ payee, position, distribution }),
    });
    const durable = append([{ type: RECORD_TYPES.payment, keepUntil, payload }]);
    const recording = this.#recording?.durable === durable ? this.#recording : this.#begin(durable);
    recording.postings.push(payload);
    recording.waiting.push(onRecorded);
  }

  /** Resolves when all that was recorded so far is durable, or has failed, and has been told. */
  async idle(): Promise<void> {
    await this.#recording?.durable.catch(() => undefined);
  }

  /** The first payment of those that become durable with this promise. */
  #begin(durable: Promise<void>): Recording {
    const recording: Recording = { durable, postings: [], waiting: [] };
    this.#recording = recording;
    durable.then(
      () => {
        this.#settleAll(recording, null);
      },
      (error: unknown) => {
        this.#settleAll(recording, error);
      },
    );
    return recording;
  }

  #settleAll(recording: Recording, error: unknown): void {
    const { postings, waiting } = recording;
    if (this.#recording === recording) this.#recording = null;
    for (const [index, onRecorded] of waiting.entries()) {
      if (error === null && this.#posting.load(present(postings[index], 'each has its posting'))) {
        this.#takePayment(this.#posting);
      }
      onRecorded(error);
    }
  }

  /** A packet does not say what each router asked for, so that their weights differ by the share of each alone. */
  #weightsOf(head: PacketHead): readonly bigint[] {
    return this.#parts.routerWeights?.(head.routers()) ?? equalWeights(head.ids - 2);
  }

  /**
   * Records that a payee has settled what it owes, or a part of it: durable first, then in the balances. One at a time.
   * @throws MeshError when it could not be made durable; then nothing was posted
   */
  async settle({ payee, amountMsat, reference }: SettlementRequest): Promise<SettlementOutcome> {
    const { debts, clock, random, append } = this.#parts;
    const owedMsat = debts.owedBy(payee);
    const settledMsat = amountMsat ?? (owedMsat < U64_MAX ? owedMsat : U64_MAX);
    const key = reference === '' ? random.bytes(KEY_BYTES) : settlementKey({ payee, reference });
    const why = this.#whyNotSettled(toHex(key), reference, settledMsat, owedMsat);
    if (why !== null) return { ok: false, why };
    const record = settlementRecord(key, { payee, amountMsat: settledMsat, reference }, clock.unixSeconds());
    this.#isSettling = true;
    try {
      await append([record]);
    } finally {
      this.#isSettling = false;
    }
    this.restore(record);
    return { ok: true, settledMsat, owedMsat: debts.owedBy(payee) };
  }

  /**
   * Takes a record of an earlier run into the balances.
   * @throws MeshError JOURNAL_CORRUPT where it is none of ours
   */
  restore(record: JournalRecord): RestoredRecord {
    const posting = this.#load(record);
    const { postedAt } = posting;
    switch (record.type) {
      case RECORD_TYPES.payment:
        this.#takePayment(posting);
        return { key: posting.keyIn(record.payload), postedAt };
      case RECORD_TYPES.settlement:
        this.#takeSettlement(posting);
        return { key: null, postedAt };
      default:
        // It sums up many packets, of this node and of others.
        this.#take(posting);
        return { key: null, postedAt };
    }
  }

  /** The journal was rewritten (Journal.compact). */
  logRewritten(dropped: number, carried: number): void {
    this.#parts.ledger.rewritten(dropped, carried);
  }

  received(): ReceivedFees {
    const sum = (kind: AccountKind): bigint => this.#received.of(ACCOUNT_KINDS.indexOf(kind));
    return {
      packets: this.#receivedPackets,
      totalMsat: sum('PaidIn'),
      destinationMsat: -sum('Destination'),
      routersMsat: -sum('Router'),
      treasuryMsat: -sum('Treasury'),
    };
  }

  #whyNotSettled(key: string, reference: string, amountMsat: bigint, owedMsat: bigint): string | null {
    if (this.#isSettling) return 'another settlement is being recorded: try again';
    if (utf8(reference).length > LIMITS.SETTLEMENT_REFERENCE_BYTES)
      return `a reference has at most ${LIMITS.SETTLEMENT_REFERENCE_BYTES} bytes`;
    if (this.#settlements.has(key))
      return `a settlement of this payee with the reference '${reference}' is recorded already`;
    if (owedMsat === 0n) return 'the payee owes nothing';
    if (amountMsat > owedMsat || amountMsat > U64_MAX)
      return `the payee owes ${owedMsat} msat: no more than that can be settled, and ${amountMsat} msat is more`;
    return amountMsat > 0n ? null : 'an amount is 1 msat at least';
  }

  #load(record: JournalRecord): PostingView {
    if (!this.#posting.load(postingBytesOf(record))) throw foreignRecord(record.type, 'no posting');
    return this.#posting;
  }

  #take(posting: PostingView): boolean {
    if (this.#parts.ledger.post(posting) !== 'posted') return false;
    this.#parts.debts.posted(posting);
    return true;
  }

  #takePayment(posting: PostingView): void {
    if (!this.#take(posting) || !this.#endsHere(posting)) return;
    this.#receivedPackets += 1;
    for (let entry = 0; entry < posting.entries; entry++) {
      this.#received.add(posting.kindCodeOf(entry), posting, entry);
    }
  }

  #takeSettlement(posting: PostingView): void {
    if (!this.#take(posting)) return;
    this.#settlements.add(toHex(posting.key()));
    if (this.#settlements.size <= LIMITS.SETTLEMENTS) return;
    const [oldest] = this.#settlements;
    if (oldest !== undefined) this.#settlements.delete(oldest);
  }

  #endsHere(posting: PostingView): boolean {
    for (let entry = 0; entry < posting.entries; entry++) {
      if (posting.isOf(entry, 'Destination', this.#parts.self)) return true;
    }
    return false;
  }
}

/** Whether a payment that could not be recorded is surely not on the disk, so that its key may be used again. */
export function isSurelyUnwritten(error: unknown): boolean {
  return error instanceof MeshError && (error.code === 'JOURNAL_BUSY' || error.code === 'SHUTTING_DOWN');
}
