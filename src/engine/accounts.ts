/**
 * What an accepted payment leaves behind: its key in the journal, so that no restart forgets it, and one posting
 * in the ledger.
 *
 * Rules: payments.md, any proof, 5 and 8 (claim, write durably, then act), Fee split (exactly one posting per
 * accepted payment, durable with the journal). Main thread only.
 */
import { present } from '../core/assert.js';
import { bytes, decode, encode, fixedBytes, struct, u64, type Codec, type Decoded } from '../core/codec.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Clock } from '../core/ports.js';
import { splitFee } from '../ledger/fee.js';
import type { Ledger } from '../ledger/ledger.js';
import { decodePosting, encodePosting, paymentPosting, type Posting } from '../ledger/posting.js';
import type { MeshPacket } from '../packet/packet.js';
import type { PacketVerdict } from '../pool/judge-port.js';

/** One journal record: a payment that was accepted. */
export interface AcceptedPayment {
  /** 32 bytes (payments.md, any proof, 4). */
  readonly key: Uint8Array;
  /** Unix seconds until which the key must be remembered. */
  readonly keepUntil: bigint;
  /** The posting's own bytes. */
  readonly posting: Uint8Array;
}

const acceptedPayment: Codec<AcceptedPayment> = struct<AcceptedPayment>({
  key: fixedBytes(32),
  keepUntil: u64,
  posting: bytes,
});

/** Reads a journal record back. */
export function decodeAccepted(record: Uint8Array): Decoded<AcceptedPayment> {
  return decode(acceptedPayment, record);
}

/** Makes one record durable: resolves when it is on disk. */
export type AppendDurably = (record: Uint8Array) => Promise<void>;

export class Accounts {
  readonly #self: NodeId;
  readonly #clock: Clock;
  readonly #ledger: Ledger;
  readonly #append: AppendDurably;
  readonly #received = { packets: 0, totalMsat: 0n, destinationMsat: 0n, routersMsat: 0n, treasuryMsat: 0n };

  constructor(parts: {
    self: NodeId;
    clock: Clock;
    ledger: Ledger;

    append: AppendDurably;
  }) {
    this.#self = parts.self;
    this.#clock = parts.clock;
    this.#ledger = parts.ledger;
    this.#append = parts.append;
  }

  /**
   * Records an accepted payment: durable first, then in the balances.
   * @throws MeshError when it could not be made durable; then nothing was posted
   */
  async accept(packet: MeshPacket, verdict: PacketVerdict): Promise<void> {
    const key = present(verdict.replayKey, 'an accepted payment has a key');
    const routers = packet.route.slice(1, -1);
    const posting = paymentPosting({
      key,
      postedAt: BigInt(this.#clock.unixSeconds()),
      destination: packet.destination,
      routers,
      // Routers share equally: a packet does not say what each of them asked for.
      distribution: splitFee(
        verdict.amountMsat,
        routers.map(() => 1n),
      ),
    });
    const record = { key, keepUntil: BigInt(verdict.expiresAt), posting: encodePosting(posting) };
    await this.#append(encode(acceptedPayment, record));
    this.#post(posting);
  }

  /** Takes a record of an earlier run into the balances. */
  restore(accepted: AcceptedPayment): boolean {
    const posting = decodePosting(accepted.posting);
    if (!posting.ok) return false;
    this.#post(posting.value);
    return true;
  }

  /** The fees of packets that ended at this node. */
  received(): Readonly<{
    packets: number;
    totalMsat: bigint;
    destinationMsat: bigint;
    routersMsat: bigint;
    treasuryMsat: bigint;
  }> {
    return { ...this.#received };
  }

  #post(posting: Posting): void {
    if (this.#ledger.post(posting) !== 'posted') return;
    const own = nodeKey(this.#self);
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
