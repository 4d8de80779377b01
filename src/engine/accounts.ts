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

/** The fees of packets that ended at this node and whose records are still in the journal, in msat. */
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
}

export class Accounts {
  readonly #parts: AccountsParts;
  readonly #received = { packets: 0, totalMsat: 0n, destinationMsat: 0n, routersMsat: 0n, treasuryMsat: 0n };

  constructor(parts: AccountsParts) {
    this.#parts = parts;
  }

  /**
   * Records an accepted payment: durable first, then in the balances.
   * @throws MeshError when it could not be made durable; then nothing was posted
   */
  async accept(packet: MeshPacket, verdict: PacketVerdict): Promise<void> {
    const routers = packet.route.slice(1, -1);
    const posting = paymentPosting({
      key: present(verdict.replayKey, 'an accepted payment has a key'),
      postedAt: BigInt(this.#parts.clock.unixSeconds()),
      destination: packet.destination,
      routers,
      // Routers share equally: a packet does not say what each of them asked for.
      distribution: splitFee(
        verdict.amountMsat,
        routers.map(() => 1n),
      ),
    });
    const { payment: type } = RECORD_TYPES;
    await this.#parts.append([{ type, keepUntil: verdict.expiresAt, payload: encodePosting(posting) }]);
    this.#post(posting);
  }

  /**
   * Takes a record of an earlier run into the balances.
   * @returns the replay key that it keeps used, or null where it keeps none
   * @throws MeshError JOURNAL_CORRUPT where it is none of ours
   */
  restore(record: JournalRecord): Uint8Array | null {
    const posting = postingOf(record);
    if (record.type === RECORD_TYPES.payment) {
      this.#post(posting);
      return posting.key;
    }
    // It sums up many packets, of this node and of others.
    this.#parts.ledger.post(posting);
    return null;
  }

  received(): ReceivedFees {
    return { ...this.#received };
  }

  #post(posting: Posting): void {
    if (this.#parts.ledger.post(posting) !== 'posted') return;
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
      else received.treasuryMsat += amountMsat;
    }
  }
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
