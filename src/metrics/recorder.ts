/**
 * The flight recorder: the packets of the last while, so that it can be said afterwards what came of each and why.
 *
 * Rules: architecture.md (one packet's way: for a refusal, its reason in the flight recorder). Every refusal is kept;
 * of what passed, everything up to a rate, and above it one of many. Refusals for a used-up quota say nothing of
 * the packet and come in floods: above the same rate they are only counted. A ring in memory made once: recording
 * allocates nothing. What is kept of a packet stays in memory only, since it may hold preimages. Main thread only.
 */
import { createHash } from 'node:crypto';
import { present } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { Reason, reasonOf } from '../core/reasons.js';
import { hasMagic } from '../packet/packet.js';

/** What became of a packet. `held` waits for its next hop; `expired` was accepted and could not be delivered. */
export const RECORDED_OUTCOMES = ['refused', 'delivered', 'forwarded', 'held', 'expired', 'control'] as const;

export type RecordedOutcome = (typeof RECORDED_OUTCOMES)[number];

/** One entry, copied out of the ring. */
export interface FlightRecord {
  /** Counts up from 0 with each entry. */
  readonly sequence: number;
  /** Unix milliseconds, by the clock of now. */
  readonly atMillis: number;
  readonly outcome: RecordedOutcome;
  /** Accepted where it passed; why it waits where it is `held`. */
  readonly reason: Reason;
  /** Address of the peer that sent it; null where it started here. */
  readonly from: string | null;
  /** The id that the link vouched for, where it was looked at. */
  readonly previousHop: NodeId | null;
  /** Of the whole packet. */
  readonly length: number;
  /** The packet, or its first bytes, or nothing where newer ones took their place. */
  readonly head: Uint8Array;
  /** SHA-256 of the whole packet without `MESH`, where it was made while recording. */
  readonly digest: Uint8Array | null;
}

export interface RecorderStats {
  /** Entries in the ring. */
  readonly entries: number;
  /** Entries since the start. */
  readonly recorded: number;
  /** Packets that passed above the rate, of which few were recorded. */
  readonly aboveRate: number;
  /** Refusals for a used-up quota that were only counted. */
  readonly floodedOut: number;
}

/** Layout of an entry, in bytes. */
const STRIDE = 32;
const AT = 0; // f64, monotonic ms
const PLACE = 8; // f64, bytes ever written to the arena before this packet's
const LENGTH = 16; // u32
const KEPT = 20; // u16
const REASON = 22; // u16
const OUTCOME = 24; // u8
const HAS_DIGEST = 25; // u8

const DIGEST_BYTES = 32;
const MAGIC_BYTES = 4;

const OUTCOME_CODES = Object.fromEntries(RECORDED_OUTCOMES.map((name, code) => [name, code])) as {
  readonly [O in RecordedOutcome]: number;
};

/** What a flood is refused for before anything of the packet is looked at. */
const FLOOD: ReadonlySet<Reason> = new Set([
  Reason.FreeQuotaExceeded,
  Reason.ControlQuotaExceeded,
  Reason.PacketQuotaExceeded,
  Reason.Overloaded,
  Reason.TooManyPeers,
]);

export interface RecorderOptions {
  readonly clock: Clock;
  /** Entries of the ring. */
  readonly entries?: number;
  /** Bytes kept of all packets together. */
  readonly bytes?: number;
}

export class FlightRecorder {
  readonly #clock: Clock;
  readonly #entries: number;
  readonly #view: DataView;
  readonly #arena: Uint8Array;
  readonly #from: (string | null)[];
  readonly #hops: (NodeId | null)[];
  #recorded = 0;
  /** Bytes ever written to the arena, those left free at its end included. */
  #written = 0;
  #passCredit = LIMITS.RECORDER_PER_SECOND;
  #floodCredit = LIMITS.RECORDER_PER_SECOND;
  #digestCredit = LIMITS.RECORDER_DIGEST_BYTES;
  #aboveRate = 0;
  /** Packets above the rate until one of them is recorded. */
  #untilSample: number = LIMITS.RECORDER_SAMPLE;
  #floodedOut = 0;

  constructor({ clock, entries = LIMITS.RECORDER_PACKETS, bytes = LIMITS.RECORDER_BYTES }: RecorderOptions) {
    this.#clock = clock;
    this.#entries = entries;
    this.#view = new DataView(new ArrayBuffer(entries * STRIDE));
    this.#arena = new Uint8Array(Math.max(bytes, LIMITS.RECORDER_PACKET_BYTES + DIGEST_BYTES));
    this.#from = new Array<string | null>(entries).fill(null);
    this.#hops = new Array<NodeId | null>(entries).fill(null);
  }

  /**
   * A packet was refused.
   * @param bytes copied
   * @param from address of the peer, or null where it started here
   * @param previousHop what its link vouched for
   */
  refused(reason: Reason, bytes: Uint8Array, from: string | null, previousHop: NodeId | null): void {
    if (FLOOD.has(reason)) {
      if (this.#floodCredit === 0) {
        this.#floodedOut++;
        return;
      }
      this.#floodCredit--;
    }
    this.#record('refused', reason, bytes, from, previousHop);
  }

  /** A packet passed: it was delivered, handed on, is held for a while, or was for this node itself. */
  passed(
    outcome: 'delivered' | 'forwarded' | 'held' | 'control',
    packet: PassedPacket,
    reason: Reason,
  ): void {
    if (this.#passCredit > 0) this.#passCredit--;
    else {
      this.#aboveRate++;
      if (--this.#untilSample > 0) return;
      this.#untilSample = LIMITS.RECORDER_SAMPLE;
    }
    this.#record(outcome, reason, packet.bytes, packet.from, null);
  }

  /** A packet that was accepted could not be delivered in its time. */
  expired(reason: Reason, packet: PassedPacket): void {
    this.#record('expired', reason, packet.bytes, packet.from, null);
  }

  /** To be called every second: what the rates allow is there again. */
  renew(): void {
    this.#passCredit = LIMITS.RECORDER_PER_SECOND;
    this.#floodCredit = LIMITS.RECORDER_PER_SECOND;
    this.#digestCredit = LIMITS.RECORDER_DIGEST_BYTES;
  }

  /** The sequence of the next entry, and of the oldest that is still there. */
  get range(): { readonly oldest: number; readonly next: number } {
    return { oldest: Math.max(0, this.#recorded - this.#entries), next: this.#recorded };
  }

  /** The entry of a sequence, or null where it is gone or not there yet. */
  at(sequence: number): FlightRecord | null {
    const { oldest, next } = this.range;
    if (sequence < oldest || sequence >= next) return null;
    const slot = sequence % this.#entries;
    const start = slot * STRIDE;
    const view = this.#view;
    const sinceMillis = this.#clock.monotonicMillis() - view.getFloat64(start + AT, true);
    const place = view.getFloat64(start + PLACE, true);
    const kept = view.getUint16(start + KEPT, true);
    const hasDigest = view.getUint8(start + HAS_DIGEST) === 1;
    const isThere = this.#written - place <= this.#arena.length;
    const at = place % this.#arena.length;
    return {
      sequence,
      atMillis: this.#clock.unixSeconds() * 1_000 - Math.round(sinceMillis),
      outcome: present(RECORDED_OUTCOMES[view.getUint8(start + OUTCOME)], 'an entry has an outcome'),
      reason: present(reasonOf(view.getUint16(start + REASON, true)), 'an entry has a reason'),
      from: this.#from[slot] ?? null,
      previousHop: this.#hops[slot] ?? null,
      length: view.getUint32(start + LENGTH, true),
      head: isThere ? this.#arena.slice(at, at + kept) : new Uint8Array(0),
      digest: isThere && hasDigest ? this.#arena.slice(at + kept, at + kept + DIGEST_BYTES) : null,
    };
  }

  stats(): RecorderStats {
    const { oldest, next } = this.range;
    return {
      entries: next - oldest,
      recorded: this.#recorded,
      aboveRate: this.#aboveRate,
      floodedOut: this.#floodedOut,
    };
  }

  #record(
    outcome: RecordedOutcome,
    reason: Reason,
    bytes: Uint8Array,
    from: string | null,
    previousHop: NodeId | null,
  ): void {
    const kept = Math.min(bytes.length, LIMITS.RECORDER_PACKET_BYTES);
    const hasDigest = kept < bytes.length && this.#digestCredit >= bytes.length;
    const place = this.#reserve(kept + (hasDigest ? DIGEST_BYTES : 0));
    const at = place % this.#arena.length;
    this.#arena.set(kept === bytes.length ? bytes : bytes.subarray(0, kept), at);
    if (hasDigest) {
      this.#digestCredit -= bytes.length;
      this.#arena.set(digestOf(bytes), at + kept);
    }
    const slot = this.#recorded % this.#entries;
    const start = slot * STRIDE;
    const view = this.#view;
    view.setFloat64(start + AT, this.#clock.monotonicMillis(), true);
    view.setFloat64(start + PLACE, place, true);
    view.setUint32(start + LENGTH, bytes.length, true);
    view.setUint16(start + KEPT, kept, true);
    view.setUint16(start + REASON, reason, true);
    view.setUint8(start + OUTCOME, OUTCOME_CODES[outcome]);
    view.setUint8(start + HAS_DIGEST, hasDigest ? 1 : 0);
    this.#from[slot] = from;
    this.#hops[slot] = previousHop;
    this.#recorded++;
  }

  /** Room in one piece; what is left at the end of the arena is left free. */
  #reserve(bytes: number): number {
    const left = this.#arena.length - (this.#written % this.#arena.length);
    if (bytes > left) this.#written += left;
    const place = this.#written;
    this.#written += bytes;
    return place;
  }
}

/** As care keeps it. */
export interface PassedPacket {
  readonly bytes: Uint8Array;
  /** Address of the peer, or null where it started here. */
  readonly from: string | null;
}

/** The packet id (wire.md, ModuleAPI), by the host's own SHA-256: large packets are hashed while they are recorded. */
export function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256')
    .update(hasMagic(bytes) ? bytes.subarray(MAGIC_BYTES) : bytes)
    .digest();
}
