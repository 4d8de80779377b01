/**
 * What an accepted payment leaves behind: one journal record, which keeps its key used over restarts, and with it
 * one posting in the ledger.
 *
 * Rules: payments.md, any proof, 5 and 8 (claim, write durably, then act), Fee split (exactly one posting per
 * accepted payment, durable with the journal). Main thread only.
 */
import { present } from '../core/assert.js';
import { MeshError } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Clock } from '../core/ports.js';
import { splitFee } from '../ledger/fee.js';
import type { Ledger } from '../ledger/ledger.js';
import { decodePosting, encodePosting, paymentPosting, type Posting } from '../ledger/posting.js';
import type { MeshPacket } from '../packet/packet.js';
import type { PacketVerdict } from '../pool/judge-port.js';
import type { Debts } from './debts.js';
import type { JournalRecord } from '../store/journal.js';

/** Types of journal records. */
export const RECORD_TYPES = {
  /** The posting of an accepted payment; its key is the payment's replay key, kept until the record's time. */
  payment: 1,
  /** A posting that stands for dropped records: their balances, carried forward. Its key is nobody's payment. */
  carried: 2,
} as const;

/** Makes records durable: resolves when they are on disk. */
export type AppendDurably = (records: readonly JournalRecord[]) => Promise<void>;

/** Bytes of the largest posting: 9 routers, the three accounts that every payment has, and a debt. */
const POSTING_BYTES_MAX = 640;

/** A record of an earlier run. */
export interface RestoredRecord {
  /** The replay key that it keeps used, 32 bytes, or null where it keeps none. */
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

export interface AccountsParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly ledger: Ledger;
  readonly append: AppendDurably;
  /** Whether the journal would take a record with a payload of so many bytes now. */
  readonly hasRoom: (payloadBytes: number) => boolean;
  readonly debts: Debts;
}

export class Accounts {
  readonly #parts: AccountsParts;
  readonly #received = { packets: 0, totalMsat: 0n, destinationMsat: 0n, routersMsat: 0n, treasuryMsat: 0n };

  constructor(parts: AccountsParts) {
    this.#parts = parts;
  }

  /** Whether a payment could be recorded now: asked before one is claimed. */
  canRecord(): boolean {
    return this.#parts.hasRoom(POSTING_BYTES_MAX);
  }

  /**
   * Records an accepted payment: durable first, then in the balances.
   * @throws MeshError when it could not be made durable; then nothing was posted
   */
  async accept(packet: MeshPacket, verdict: PacketVerdict): Promise<void> {
    const { destination } = packet;
    const routers = packet.route.slice(1, -1);
    // Routers share equally: a packet does not say what each of them asked for.
    const distribution = splitFee(
      verdict.amountMsat,
      routers.map(() => 1n),
    );
    const { payee } = verdict;
    const posting = paymentPosting({
      key: present(verdict.replayKey, 'an accepted payment has a key'),
      postedAt: BigInt(this.#parts.clock.unixSeconds()),
      destination,
      routers,
      distribution,
      due: this.#parts.debts.dueOf({ payee, destination, routers, distribution }),
    });
    const { payment: type } = RECORD_TYPES;
    await this.#parts.append([{ type, keepUntil: verdict.expiresAt, payload: encodePosting(posting) }]);
    this.#post(posting);
  }

  /**
   * Takes a record of an earlier run into the balances.
   * @throws MeshError JOURNAL_CORRUPT where it is none of ours
   */
  restore(record: JournalRecord): RestoredRecord {
    const posting = postingOf(record);
    const postedAt = Number(posting.postedAt);
    if (record.type === RECORD_TYPES.payment) {
      this.#post(posting);
      return { key: posting.key, postedAt };
    }
    // It sums up many packets, of this node and of others.
    if (this.#parts.ledger.post(posting) === 'posted') this.#parts.debts.posted(posting);
    return { key: null, postedAt };
  }

  /** The journal was rewritten (Journal.compact). */
  logRewritten(dropped: number, carried: number): void {
    this.#parts.ledger.rewritten(dropped, carried);
  }

  received(): ReceivedFees {
    return { ...this.#received };
  }

  #post(posting: Posting): void {
    if (this.#parts.ledger.post(posting) !== 'posted') return;
    this.#parts.debts.posted(posting);
    const own = nodeKey(this.#parts.self);
    const endsHere = posting.entries.some(
      ({ account }) => account.kind === 'Destination' && nodeKey(account.node) === own,
    );
    if (!endsHere) return;
    const received = this.#received;
    received.packets += 1;
    for (const { account, amountMsat } of posting.entries) {
      if (account.kind === 'PaidIn') received.totalMsat += amountMsat;
      else if (account.kind === 'Destination') received.destinationMsat += amountMsat;
      else if (account.kind === 'Router') received.routersMsat += amountMsat;
      else if (account.kind === 'Treasury') received.treasuryMsat += amountMsat;
    }
  }
}

/** Whether a payment that could not be recorded is surely not on the disk, so that its key may be used again. */
export function isSurelyUnwritten(error: unknown): boolean {
  return error instanceof MeshError && (error.code === 'JOURNAL_BUSY' || error.code === 'SHUTTING_DOWN');
}

/**
 * The posting in a journal record.
 * @throws MeshError JOURNAL_CORRUPT
 */
export function postingOf(record: JournalRecord): Posting {
  const decoded = decodePosting(record.payload);
  const isKnown = record.type === RECORD_TYPES.payment || record.type === RECORD_TYPES.carried;
  if (decoded.ok && isKnown) return decoded.value;
  throw new MeshError(
    'JOURNAL_CORRUPT',
    'a journal record is whole but not one that this version writes. Was the data directory used by a newer one?',
    { type: record.type, detail: decoded.ok ? 'unknown type' : decoded.failure.detail },
  );
}
