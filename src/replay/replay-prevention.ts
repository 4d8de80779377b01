/**
 * Replay prevention as the documents name it: payments by their keys, authenticated senders by their sequence.
 *
 * Rules: api.md, ReplayPrevention; payments.md, any proof, 5 and 6. Main thread only; the workers claim keys of
 * packets in the same table by themselves (src/pool).
 */
import { LRUCache } from 'lru-cache';
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { SequenceWindow, type Sequence } from './sequence-window.js';
import type { ClaimOutcome, ReplayStats, ReplayTable } from './table.js';

/** What names a verified payment. */
export interface PaymentKey {
  /** 32 bytes (payments.md, any proof, 4). */
  readonly key: Uint8Array;
  /** Unix seconds until which it must be remembered. */
  readonly expiresAt: number;
}

/** As in the module API's MeshStats. */
export interface ReplayPreventionStats {
  readonly activeHashes: number;
  readonly trackedPeers: number;
  readonly expirySeconds: number;
}

/** The reason of a claim's outcome. */
export function claimReason(outcome: ClaimOutcome): Reason {
  switch (outcome) {
    case 'claimed':
      return Reason.Accepted;
    case 'taken':
      return Reason.ReplayedPayment;
    case 'full':
      return Reason.ReplayTableFull;
  }
}

export class ReplayPrevention {
  readonly #table: ReplayTable;
  readonly #clock: Clock;
  /** The sender that was silent longest makes room: only authenticated ones get in. */
  readonly #windows: LRUCache<NodeKey, SequenceWindow>;
  /** Of the sender whose packet was accepted last: the newest of them, so that nothing changes in their order. */
  #last: { readonly source: NodeId; readonly window: SequenceWindow } | null = null;

  /** Tells the table the time, which it needs before its first key. */
  constructor(table: ReplayTable, clock: Clock, senders: number = LIMITS.SEQUENCE_SENDERS) {
    this.#table = table;
    this.#clock = clock;
    this.#windows = new LRUCache({ max: senders });
    this.cleanupExpired();
  }

  /**
   * Accepts a packet once; a refusal changes nothing.
   * @param proof the verified payment, or null for free traffic
   * @param source kept; the packet's source where the link authenticated it as the sender itself; null for a relayed
   *   packet, whose source is only a claim: its sequence is then not looked at
   */
  checkReplay(proof: PaymentKey | null, source: NodeId | null, sequence: Sequence): Reason {
    const window = source === null ? null : this.#windowOf(source);
    if (window?.isFresh(sequence) === false) return Reason.SequenceReplayed;
    if (proof !== null) {
      const reason = claimReason(this.#table.claim(proof.key, proof.expiresAt));
      if (reason !== Reason.Accepted) return reason;
    }
    window?.accept(sequence);
    if (source !== null && window !== null) this.#keep(source, window);
    return Reason.Accepted;
  }

  #windowOf(source: NodeId): SequenceWindow {
    const last = this.#last;
    if (last !== null && equalBytes(source, last.source)) return last.window;
    return this.#windows.get(nodeKey(source)) ?? new SequenceWindow();
  }

  #keep(source: NodeId, window: SequenceWindow): void {
    if (this.#last?.window === window) return;
    this.#windows.set(nodeKey(source), window);
    this.#last = { source, window };
  }

  /**
   * Gives back the key of a payment that was claimed for a packet on which nobody acted, and never will. Only for the
   * one that the claim was for.
   */
  release(key: Uint8Array): void {
    this.#table.release(key);
  }

  /**
   * A few microseconds of the table's own work, so that it has room before it is needed: to be called once for each
   * packet that was judged.
   */
  tend(): void {
    this.#table.tend();
  }

  /** Forgets keys whose time is over, in bounded work: to be called every second or so. @returns keys forgotten */
  cleanupExpired(): number {
    return this.#table.expire(this.#clock.unixSeconds());
  }

  stats(): ReplayPreventionStats {
    return {
      activeHashes: this.#table.stats().keys,
      trackedPeers: this.#windows.size,
      expirySeconds: LIMITS.REPLAY_TTL_SECONDS,
    };
  }

  /** How the table of used payments fares. */
  tableStats(): ReplayStats {
    return this.#table.stats();
  }
}
