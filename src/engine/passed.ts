/**
 * Free packets that their next hop has taken, the newest of them: what may be lost where that hop dies, and what
 * tells the same packet from a new one where it is offered again.
 *
 * Rules: payments.md, any proof, 7, as far as it can hold for packets that nobody paid for: bounded by FREE_KEPT_PACKETS
 * and FREE_KEPT_BYTES. Two rings in memory made once, since they are all that a busy router is given: one of entries,
 * one of bytes. Keeping one allocates nothing. Main thread only.
 */
import { holdsAt } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';
import { MARK_BYTES } from '../pool/judge.js';

/** One that is taken back. */
export interface TakenBack {
  /** Address of the peer that gave it to us, or null where it started here. */
  readonly from: string | null;
  /** Where this node stands on its route. */
  readonly position: number;
  /** A copy. */
  readonly bytes: Uint8Array;
  readonly mark: Uint8Array;
  /** When it came, by the monotonic clock. */
  readonly takenMillis: number;
}

const ENTRIES: number = LIMITS.FREE_KEPT_PACKETS;
const ARENA_BYTES: number = LIMITS.FREE_KEPT_BYTES;
/** A power of two: chains of entries whose marks begin alike. */
const CHAINS = 4_096;
const NONE = -1;

export interface PassedOptions {
  readonly clock: Clock;
  /** How long a packet is kept since it came. */
  readonly keepMillis: () => number;
}

export class PassedPackets {
  readonly #options: PassedOptions;
  #forgetting: Timer | null = null;
  /** The next entry's number; they count up, and the one of number n lies in place n % ENTRIES. */
  #next = 0;
  /** The number of the oldest. */
  #oldest = 0;
  /** Bytes ever written to the arena, those left free at its end included. */
  #written = 0;
  #bytes = 0;
  #size = 0;
  readonly #arena = new Uint8Array(ARENA_BYTES);
  readonly #starts = new Float64Array(ENTRIES);
  /** 0 where the entry was taken back. */
  readonly #lengths = new Int32Array(ENTRIES);
  readonly #takenMillis = new Float64Array(ENTRIES);
  readonly #positions = new Uint8Array(ENTRIES);
  readonly #marks = new Uint8Array(ENTRIES * MARK_BYTES);
  readonly #nextHops = new Array<NodeId | null>(ENTRIES).fill(null);
  readonly #froms = new Array<string | null>(ENTRIES).fill(null);
  /** By what a mark begins with: the number of the newest such entry; and of each entry, that of the one before it. */
  readonly #chains = new Float64Array(CHAINS).fill(NONE);
  readonly #before = new Float64Array(ENTRIES).fill(NONE);

  constructor(options: PassedOptions) {
    this.#options = options;
  }

  /** Packets that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of them. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the packet with this mark, 16 bytes, is kept. */
  has(mark: Uint8Array): boolean {
    // Newer ones stand in front: behind one that is gone there is none left.
    for (
      let n = this.#chains[chainOf(mark)] ?? NONE;
      n >= this.#oldest;
      n = this.#before[n % ENTRIES] ?? NONE
    ) {
      if (this.#lengths[n % ENTRIES] !== 0 && this.#isMarked(n % ENTRIES, mark)) return true;
    }
    return false;
  }

  /**
   * Keeps a packet, in place of the oldest where there is no more room.
   * @param bytes copied, unless they are more than all room
   * @param mark 16 bytes @param from who gave it to us, or null @param position of this node on its route
   * @param nextHop who took it, kept
   */
  add(
    bytes: Uint8Array,
    mark: Uint8Array,
    from: string | null,
    position: number,
    nextHop: NodeId,
    nowMillis: number,
  ): void {
    const { length } = bytes;
    if (length > ARENA_BYTES) return;
    const left = ARENA_BYTES - (this.#written % ARENA_BYTES);
    const start = this.#written + (length > left ? left : 0);
    const n = this.#next;
    while (this.#oldest < n && (n - this.#oldest >= ENTRIES || this.#isOverwritten(start + length)))
      this.#dropOldest();
    this.#written = start + length;
    this.#arena.set(bytes, start % ARENA_BYTES);
    const place = n % ENTRIES;
    this.#starts[place] = start;
    this.#lengths[place] = length;
    this.#takenMillis[place] = nowMillis;
    this.#positions[place] = position;
    this.#nextHops[place] = nextHop;
    this.#froms[place] = from;
    for (let i = 0; i < MARK_BYTES; i++) this.#marks[place * MARK_BYTES + i] = mark[i] ?? 0;
    const chain = chainOf(mark);
    this.#before[place] = this.#chains[chain] ?? NONE;
    this.#chains[chain] = n;
    this.#next = n + 1;
    this.#size += 1;
    this.#bytes += length;
    if (this.#forgetting === null) this.#forgetAfter(nowMillis);
  }

  /** Forgets all. */
  close(): void {
    this.#forgetting?.cancel();
    this.#forgetting = null;
    while (this.#oldest < this.#next) this.#dropOldest();
  }

  /** Takes those out that were given to a hop, oldest first. */
  takeBack(isLost: (nextHop: NodeId) => boolean): TakenBack[] {
    const taken: TakenBack[] = [];
    for (let n = this.#oldest; n < this.#next; n++) {
      const place = n % ENTRIES;
      const nextHop = this.#nextHops[place] ?? null;
      const length = this.#lengths[place] ?? 0;
      if (length === 0 || nextHop === null || !isLost(nextHop)) continue;
      const at = (this.#starts[place] ?? 0) % ARENA_BYTES;
      taken.push({
        bytes: this.#arena.slice(at, at + length),
        mark: this.#marks.slice(place * MARK_BYTES, (place + 1) * MARK_BYTES),
        from: this.#froms[place] ?? null,
        position: this.#positions[place] ?? 0,
        takenMillis: this.#takenMillis[place] ?? 0,
      });
      this.#release(place);
    }
    return taken;
  }

  #isMarked(place: number, mark: Uint8Array): boolean {
    return holdsAt(this.#marks, place * MARK_BYTES, mark);
  }

  /** Whether the oldest would not be whole any more where so much was written. */
  #isOverwritten(written: number): boolean {
    return written - (this.#starts[this.#oldest % ENTRIES] ?? 0) > ARENA_BYTES;
  }

  /** One timer for all: those that came at that time, and earlier, go when they have been kept long enough. */
  #forgetAfter(takenMillis: number): void {
    const { clock, keepMillis } = this.#options;
    const wait = Math.max(0, takenMillis + keepMillis() - clock.monotonicMillis());
    this.#forgetting = clock.after(wait, () => {
      this.#forgetting = null;
      const latest = clock.monotonicMillis() - keepMillis();
      while (this.#oldest < this.#next && this.#oldestMillis <= latest) this.#dropOldest();
      if (this.#oldest < this.#next) this.#forgetAfter(this.#oldestMillis);
    });
  }

  get #oldestMillis(): number {
    return this.#takenMillis[this.#oldest % ENTRIES] ?? 0;
  }

  #dropOldest(): void {
    this.#release(this.#oldest % ENTRIES);
    this.#oldest += 1;
  }

  #release(place: number): void {
    const length = this.#lengths[place] ?? 0;
    if (length === 0) return;
    this.#lengths[place] = 0;
    this.#nextHops[place] = null;
    this.#bytes -= length;
    this.#size -= 1;
  }
}

function chainOf(mark: Uint8Array): number {
  return ((mark[0] ?? 0) | ((mark[1] ?? 0) << 8)) & (CHAINS - 1);
}
