/**
 * Accepted packets that this node still owes somebody: they are offered to their next hop until it takes them,
 * routed anew when it is lost, and kept a while after it took them, since a hop that dies may not have passed
 * them on.
 *
 * Rules: payments.md, any proof, 7 (an accepted packet is this node's to deliver, until its ttl); routing.md
 * (a packet in flight whose next hop is gone gets a repair). A packet offered twice on its way is harmless: its
 * payment key lets it through each node once. Main thread only.
 */
import { assert } from '../core/assert.js';
import { keepable, textKeyOfWords } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { jittered } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import { PacketHead } from '../packet/head.js';
import type { AttemptOutcome, OnAttempted } from './attempts.js';
import { CaredPacket } from './cared-packet.js';
import { Kept, type Keepable } from './kept.js';
import type { PassedPackets } from './passed.js';

export interface CareOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** How long a packet is kept after its next hop took it. */
  readonly keepMillis: () => number;
  /** Free ones that their next hop took: they are held no more. */
  readonly passed: PassedPackets;
  /** How long a packet may take whose sender gave it no time. */
  readonly ttlMillis: () => number;
  /** Delivers or forwards once, and says once what came of it, at once or later. Must not throw. */
  readonly attempt: (cared: CaredPacket, onOutcome: OnAttempted) => void;
  /** The packet's time ran out. */
  readonly onExpired: (cared: CaredPacket, reason: Reason) => void;
}

interface Held extends Keepable<Held> {
  readonly deadlineMillis: number;
  waitMillis: number;
  nextHop: NodeId | null;
  lastReason: Reason;
  busy: boolean;
  /** Set when a neighbour is lost while an attempt is under way: it may be the one that takes the packet. */
  isLost: ((nextHop: NodeId) => boolean) | null;
  /** Of the next attempt. */
  timer: Timer | null;
  /** Until when it is kept after its next hop took it, in monotonic milliseconds. */
  keptUntil: number;
  /** The address of the link whose room it waits for. */
  blockedAt: string | null;
}

/** What waits for the room of one link, in the order in which it was refused. */
interface Blocked {
  readonly packets: Set<Held>;
  bytes: number;
  /** Of the next attempt that nobody told to make: the time of what waits may be over. */
  timer: Timer | null;
}

export class PacketCare {
  readonly #options: CareOptions;
  readonly #held = new Map<string, Held>();
  #bytes = 0;
  #waiting = 0;
  /** Paid packets that their next hop has taken, in that order. */
  readonly #kept = new Kept<Held>();
  /** By the address of the link whose room they wait for. */
  readonly #blocked = new Map<string, Blocked>();
  #forgetting: Timer | null = null;

  constructor(options: CareOptions) {
    this.#options = options;
  }

  /**
   * Whether one more packet fits: asked before a payment is claimed, so that nothing accepted is dropped. Free ones leave
   * a part of the room to paid ones, from however many peers they come.
   */
  hasRoom(bytes: number, isFree = false): boolean {
    const share = isFree ? LIMITS.FREE_SHARE_PERCENT / 100 : 1;
    // What is only kept as a precaution makes room.
    const waitingBytes = this.#bytes - this.#kept.bytes;
    return (
      this.#waiting < share * LIMITS.PACKETS_IN_CARE &&
      waitingBytes + bytes <= share * LIMITS.PACKETS_IN_CARE_BYTES
    );
  }

  /**
   * Whether this very packet is in care already. The peer is the same then too: the bytes name the hop before us,
   * and its link vouched for that.
   * @param key as its acceptance would have it
   */
  holds(key: string, bytes: Uint8Array): boolean {
    return this.#held.get(key)?.cared.cameAs(bytes) === true;
  }

  /** Whether the free packet with this mark is in care already: the mark stands for all its bytes. */
  holdsFree(mark: Int32Array): boolean {
    return this.#options.passed.has(mark) || (this.#held.size > 0 && this.#held.has(textKeyOfWords(mark)));
  }

  /**
   * Takes a packet over that is not in care. Its bytes are borrowed as long as its first attempt takes: what stays longer
   * is moved to memory of its own.
   * @param onOutcome told when its first attempt is over
   */
  take(cared: CaredPacket, ttlMillis: number, onOutcome: OnAttempted): void {
    const now = this.#options.clock.monotonicMillis();
    this.#take(cared, now + ttlMillis, now, onOutcome);
  }

  #take(cared: CaredPacket, deadlineMillis: number, now: number, onOutcome?: OnAttempted): void {
    this.#makeRoom(cared.bytes.length);
    const held: Held = {
      cared,
      deadlineMillis,
      waitMillis: LIMITS.RESEND_MIN_MILLIS,
      nextHop: null,
      lastReason: Reason.NextHopLost,
      busy: false,
      isLost: null,
      timer: null,
      keptUntil: Infinity,
      blockedAt: null,
      slab: null,
      older: null,
      newer: null,
    };
    const { size } = this.#held;
    this.#held.set(cared.key, held);
    assert(this.#held.size > size, 'a packet is taken into care once');
    this.#bytes += cared.bytes.length;
    this.#waiting += 1;
    this.#try(held, onOutcome, now);
  }

  /** A neighbour is gone: what it was given lately goes another way. */
  neighbourLost(isLost: (nextHop: NodeId) => boolean): void {
    for (const held of [...this.#held.values()]) {
      if (held.busy) held.isLost = isLost;
      if (!held.busy && isBlocked(held) && isLost(held.cared.nextHop)) {
        this.#try(held);
        continue;
      }
      if (held.busy || held.nextHop === null || !isLost(held.nextHop)) continue;
      held.keptUntil = Infinity;
      this.#kept.takeBack(held);
      held.nextHop = null;
      held.waitMillis = LIMITS.RESEND_MIN_MILLIS;
      this.#waiting += 1;
      this.#try(held);
    }
    const { clock, ttlMillis } = this.#options;
    const now = clock.monotonicMillis();
    for (const { mark, bytes, takenMillis, from, position } of this.#options.passed.takeBack(isLost)) {
      const key = textKeyOfWords(mark);
      const deadlineMillis = takenMillis + ttlMillis();
      if (deadlineMillis <= now || this.#held.has(key)) continue;
      const cared = new CaredPacket({ key, mark, from, position, paidMsat: 0n }, new PacketHead(bytes));
      this.#take(cared, deadlineMillis, now);
    }
  }

  /** A link that had no room has some: what waits for it is offered in its order, of each source as far as that is taken. */
  roomAt(address: string): void {
    const refused = { paid: new Set<string | null>(), free: new Set<string | null>() };
    for (const held of this.#blocked.get(address)?.packets ?? []) {
      const { from, mark } = held.cared;
      const ofItsClass = mark === null ? refused.paid : refused.free;
      if (held.busy || held.blockedAt !== address || ofItsClass.has(from)) continue;
      this.#try(held);
      if (isBlocked(held)) ofItsClass.add(from);
    }
  }

  /** Whether any packet waits for room of its link. */
  get isAnyBlocked(): boolean {
    return this.#blocked.size > 0;
  }

  /** Whether any packet is being handed over, or waits for the room of its link. To be asked rarely. */
  get isMoving(): boolean {
    return this.isAnyBlocked || [...this.#held.values()].some(({ busy }) => busy);
  }

  /** Bytes that wait for room of the link to an address. */
  blockedBytesAt(address: string): number {
    return this.#blocked.get(address)?.bytes ?? 0;
  }

  /** A new neighbour or route: what waits is tried at once. */
  nudge(): void {
    if (this.#waiting === 0) return;
    for (const held of [...this.#held.values()]) {
      if (!held.busy && held.nextHop === null) this.#try(held);
    }
  }

  /** Packets not yet with their next hop, packets kept after it took them, bytes of both. */
  stats(): { readonly waiting: number; readonly kept: number; readonly bytes: number } {
    const kept = this.#held.size - this.#waiting + this.#options.passed.size;
    return { waiting: this.#waiting, kept, bytes: this.#bytes + this.#options.passed.bytes };
  }

  close(): void {
    for (const held of [...this.#held.values()]) this.#drop(held);
    this.#options.passed.close();
    this.#forgetting?.cancel();
    this.#waiting = 0;
  }

  /** @param now where it is known already: most attempts are over at once */
  #try(held: Held, onOutcome?: OnAttempted, now = this.#options.clock.monotonicMillis()): void {
    held.timer?.cancel();
    held.timer = null;
    held.busy = true;
    held.isLost = null;
    let isAtOnce = true;
    this.#options.attempt(held.cared, (told) => {
      held.busy = false;
      const outcome = tookAndWasLost(held, told) ? LOST : told;
      // What is refused again keeps its place.
      if (outcome.kind !== 'full' || outcome.address !== held.blockedAt) this.#unblock(held);
      if (this.#held.get(held.cared.key) === held) {
        this.#settle(held, outcome, isAtOnce ? now : this.#options.clock.monotonicMillis());
      }
      onOutcome?.(outcome);
    });
    isAtOnce = false;
    // Whoever makes it wait does so with little memory.
    if (held.slab === null) held.cared.moveTo(keepable);
  }

  #settle(held: Held, outcome: AttemptOutcome, now: number): void {
    const left = held.deadlineMillis - now;
    switch (outcome.kind) {
      case 'done':
        this.#waiting -= 1;
        this.#drop(held);
        break;
      case 'handedOver': {
        this.#waiting -= 1;
        const { nextHop, cared } = outcome;
        const { mark, from, position } = cared;
        if (mark === null) {
          held.nextHop = nextHop;
          this.#bytes += cared.bytes.length - held.cared.bytes.length;
          held.cared = cared;
          this.#keep(held, Math.min(left, this.#options.keepMillis()), now);
        } else {
          this.#drop(held);
          const takenMillis = held.deadlineMillis - this.#options.ttlMillis();
          if (left > 0)
            this.#options.passed.add(cared.bytes, mark, from, position, nextHop, Math.min(now, takenMillis));
        }
        break;
      }
      case 'full':
        held.lastReason = Reason.LinkFull;
        // One timer for all that wait for a link: they may be thousands.
        if (left > 0) this.#block(held, outcome.address, left);
        else this.#expire(held);
        break;
      case 'later':
        held.lastReason = outcome.reason;
        this.#tryLater(held, left);
        break;
    }
  }

  #tryLater(held: Held, left: number): void {
    if (left <= 0) {
      this.#expire(held);
      return;
    }
    const wait = Math.min(left, jittered(this.#options.random, held.waitMillis));
    held.waitMillis = Math.min(2 * held.waitMillis, LIMITS.RESEND_MAX_MILLIS);
    held.timer = this.#options.clock.after(wait, () => {
      this.#try(held);
    });
  }

  #expire(held: Held): void {
    this.#waiting -= 1;
    this.#drop(held);
    this.#options.onExpired(held.cared, held.lastReason);
  }

  /** Offers all that waits for a link again, after a while or when the time of the first is over: late by that at most. */
  #lookAfter(address: string, queue: Blocked, left: number): Timer {
    return this.#options.clock.after(Math.min(left, LIMITS.RESEND_MAX_MILLIS), () => {
      queue.timer = null;
      for (const held of queue.packets) if (!held.busy) this.#try(held);
    });
  }

  #block(held: Held, address: string, left: number): void {
    held.blockedAt = address;
    let queue = this.#blocked.get(address);
    if (queue === undefined) {
      queue = { packets: new Set(), bytes: 0, timer: null };
      this.#blocked.set(address, queue);
    }
    queue.timer ??= this.#lookAfter(address, queue, left);
    if (!queue.packets.has(held)) queue.bytes += blockedCost(held);
    queue.packets.add(held);
  }

  #unblock(held: Held): void {
    const address = held.blockedAt;
    if (address === null) return;
    held.blockedAt = null;
    const queue = this.#blocked.get(address);
    if (queue?.packets.delete(held) !== true) return;
    queue.bytes -= blockedCost(held);
    if (queue.packets.size > 0) return;
    queue.timer?.cancel();
    this.#blocked.delete(address);
  }

  /** Keeps a packet for a while that its next hop has taken. */
  #keep(held: Held, millis: number, now: number): void {
    if (millis <= 0) {
      this.#drop(held);
      return;
    }
    held.keptUntil = now + millis;
    this.#kept.push(held);
    if (this.#forgetting === null) this.#forgetIn(millis);
  }

  /** Drops what has been kept longest, as long as it should go. */
  #dropOldest(shouldGo: (oldest: Held) => boolean): void {
    const kept = this.#kept;
    for (let { oldest } = kept; oldest !== null && shouldGo(oldest); oldest = kept.oldest) this.#drop(oldest);
  }

  #keepNoMore(held: Held): void {
    if (held.keptUntil === Infinity) return;
    held.keptUntil = Infinity;
    this.#kept.remove(held);
  }

  /** One timer for all, since they are thousands a second: what is behind one with more time waits for that. */
  #forgetIn(millis: number): void {
    this.#forgetting = this.#options.clock.after(millis, () => {
      this.#forgetting = null;
      const now = this.#options.clock.monotonicMillis();
      this.#dropOldest(({ keptUntil }) => keptUntil <= now);
      const next = this.#kept.oldest?.keptUntil ?? Infinity;
      if (next < Infinity) this.#forgetIn(next - now);
    });
  }

  /** Packets that their next hop has taken are only kept as a precaution: the oldest make room. */
  #makeRoom(bytes: number): void {
    this.#dropOldest(
      () =>
        this.#bytes + bytes > LIMITS.PACKETS_IN_CARE_BYTES || this.#held.size >= 2 * LIMITS.PACKETS_IN_CARE,
    );
  }

  #drop(held: Held): void {
    held.timer?.cancel();
    held.timer = null;
    this.#keepNoMore(held);
    this.#unblock(held);
    if (this.#held.delete(held.cared.key)) this.#bytes -= held.cared.bytes.length;
  }
}

/** What a packet counts while it waits for room: none is free. As it came: a repair does not change it. */
function blockedCost({ cared }: Held): number {
  return cared.bytes.length + LIMITS.PACKET_TURN_BYTES;
}

/** Whether it waits for the room of a link. */
function isBlocked(held: Held): boolean {
  return held.blockedAt !== null;
}

const LOST: AttemptOutcome = { kind: 'later', reason: Reason.NextHopLost };

/** Whether the neighbour that took the packet was lost while it did. */
function tookAndWasLost(held: Held, outcome: AttemptOutcome): boolean {
  return outcome.kind === 'handedOver' && held.isLost !== null && held.isLost(outcome.nextHop);
}
