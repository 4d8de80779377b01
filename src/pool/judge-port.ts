/**
 * What the main thread asks for every packet: is it allowed, and was it paid.
 *
 * Rules: payments.md (order of checks, a reason for every refusal), architecture.md (verdicts are numbers between
 * threads). `InlineJudge` is the plain twin on the caller's thread, `VerdictPool` the one over worker threads;
 * test/contract/packet-judge.ts runs on both.
 */
import type { NodeId } from '../core/ids.js';
import type { JudgePolicy } from '../core/policy.js';
import type { Reason } from '../core/reasons.js';
import type { ControlProtocol } from '../packet/control.js';
import type { DetectedProtocol } from '../packet/detect.js';
import type { InvoiceVerdict } from '../payment/invoice.js';
import type { PacketOrigin } from '../packet/structure.js';

/** Where packet bytes came from. */
export interface PacketSender {
  /** The id that the link vouches for; null before the peer has said who it is, and for this node's own packets. */
  readonly previousHop: NodeId | null;
  readonly origin: PacketOrigin;
  /** In whose queue its packets wait: the address of the peer on its link; empty for this node's own. */
  readonly peer: string;
}

/**
 * What a packet passed as; `control` and `free` packets passed the gate without a payment. `question` passed all but
 * what the node must be asked about its payment (PaymentVerifier.verify says what): nothing is claimed yet.
 */
export const VERDICT_KINDS = ['refused', 'control', 'free', 'paid', 'question'] as const;

export type VerdictKind = (typeof VERDICT_KINDS)[number];

export interface PacketVerdict {
  readonly kind: VerdictKind;
  /** Accepted unless `kind` is `refused`, or `question`: then what it is refused as where the node does not answer. */
  readonly reason: Reason;
  /** The strict parse of a free packet's payload; MeshPacket for all others but refused ones, which are Unknown. */
  readonly protocol: DetectedProtocol;
  /** Set for `control` alone. */
  readonly controlProtocol: ControlProtocol | null;
  /** This node's index on the route; 0 when refused. */
  readonly position: number;
  /** What was paid; 0 unless `paid`. */
  readonly amountMsat: bigint;
  /** What the packet costs here; 0 where no payment was looked at. */
  readonly priceMsat: bigint;
  /** Unix seconds until which the replay key must be remembered; 0 unless `paid`. */
  readonly expiresAt: number;
  /** The payment's key, 32 bytes, as soon as it is known; claimed for this packet only where `paid`. */
  readonly replayKey: Uint8Array | null;
  /** The payee's Lightning key, 33 bytes in hex, as soon as it is known; null for payments on the chain. */
  readonly payee: string | null;
  /**
   * What tells a free packet from all others in this process: a fingerprint of its bytes (packet/mark.ts), four words, under the
   * secret of the replay table (a packet id, which is a SHA-256, would cost as much as all checks of a free packet). All zeros for
   * all others: one that is paid for is named by its replay key.
   */
  readonly mark: Int32Array;
  /** Whether its sender gave a packet that was accepted a time (packet/ttl.ts): most have none. */
  readonly hasTtl: boolean;
  /**
   * Whether a free packet came from the same sender as the one whose verdict was told right before in the same turn of the
   * event loop, which was free too, and begins as that did, with all that stands before its sequence number. A hint: false says
   * nothing.
   */
  readonly follows: boolean;
  /** The sequence number of a packet that follows; 0 for others. */
  readonly sequence: number;
}

/**
 * Called once for a packet.
 * @param verdict of a free packet lent for the call: there are too many of them for an object each
 * @param bytes as they were given to the judge, so that a caller need not keep them for each packet
 */
export type OnVerdict = (verdict: PacketVerdict, bytes: Uint8Array) => void;

export interface JudgeStats {
  /** Verdicts given. */
  readonly judged: number;
  /** Verdicts by reason; Accepted counts those that passed. */
  readonly byReason: ReadonlyMap<Reason, number>;
  /** Packets that wait for a place in a batch. */
  readonly queued: number;
  /** Packets in batches that are not back yet. */
  readonly inFlight: number;
  /** Batches that workers took and came back with or were lost with. */
  readonly batches: number;
  /** Threads that judge; 0 where the caller's thread does. */
  readonly workers: number;
  /** Workers lost since the start. */
  readonly workersLost: number;
  /** Memory shared with the workers for batches, verdicts and policy. */
  readonly sharedBytes: number;
}

export interface PacketJudge {
  /**
   * Reads invoices where packets are judged, with their signatures: for those that this node issued.
   * @returns a verdict for each; those that could not be read are refused as JudgeUnavailable; never rejects
   */
  readInvoices(texts: readonly string[]): Promise<readonly InvoiceVerdict[]>;
  /**
   * Judges packet bytes; a payment that passes is claimed in the replay table before its verdict is told. Those of one peer
   * are told in the order in which they were given, but for paid ones that pass its free ones, and where a worker is lost.
   * @param bytes read until the verdict; the caller must not change them meanwhile
   * @param onVerdict called once, always: what cannot be judged is refused as Overloaded or JudgeUnavailable. It may
   *   be called before this returns, and must not throw. (`judged` makes a promise of it.)
   */
  judge(bytes: Uint8Array, sender: PacketSender, onVerdict: OnVerdict): void;
  /** Whether so many of a peer's packets wait that it is time to stop reading its socket. */
  isFull(peer: string): boolean;
  /**
   * Calls back once, when half of what waited of a peer is judged; at once where its queue is not full. A peer has one such
   * callback: another takes its place.
   */
  onRoom(peer: string, onRoom: () => void): void;
  /** Holds for every packet given to `judge` afterwards. */
  updatePolicy(policy: JudgePolicy): void;
  stats(): JudgeStats;
  /** Judges what was given, then stops. Safe to call again. */
  close(): Promise<void>;
}

/** A judge that passes on all but `judge`, which is the caller's. */
export function judgingBy(judge: PacketJudge, ownJudge: PacketJudge['judge']): PacketJudge {
  return {
    judge: ownJudge,
    readInvoices: (texts) => judge.readInvoices(texts),
    isFull: (peer) => judge.isFull(peer),
    onRoom: (peer, onRoom) => {
      judge.onRoom(peer, onRoom);
    },
    updatePolicy: (policy) => {
      judge.updatePolicy(policy);
    },
    stats: () => judge.stats(),
    close: () => judge.close(),
  };
}

/** What a verdict says of its packet: all but hints, which depend on what was judged before. */
export function withoutHints(verdict: PacketVerdict): PacketVerdict {
  return { ...verdict, follows: false, sequence: 0 };
}

/** The verdict on one packet as a promise, which never rejects: for callers who wait for it anyway. */
export function judged(
  judge: Pick<PacketJudge, 'judge'>,
  bytes: Uint8Array,
  sender: PacketSender,
): Promise<PacketVerdict> {
  return new Promise((resolve) => {
    judge.judge(bytes, sender, (verdict) => {
      resolve({ ...verdict, mark: verdict.mark.slice() });
    });
  });
}
