/**
 * Free packets that their next hop has taken, the newest of them: what may be lost where that hop dies, and what
 * tells the same packet from a new one where it is offered again.
 *
 * Rules: payments.md, any proof, 7, as far as it can hold for packets that nobody paid for: bounded by FREE_KEPT_PACKETS
 * and FREE_KEPT_BYTES. Two rings in memory made once, since they are all that a busy router is given: one of entries,
 * one of bytes. Keeping one allocates nothing. Main thread only.
 */
import { assert } from '../core/assert.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';
import { FINGERPRINT_WORDS } from '../replay/fingerprint.js';

/** One that is taken back. */
export interface TakenBack {
  /** Address of the peer that gave it to us, or null where it started here. */
  readonly from: string | null;
  /** Where this node stands on its route. */
  readonly position: number;
  /** A copy. */
  readonly bytes: Uint8Array;
  readonly mark: Int32Array;
  /** When it came, by the monotonic clock. */
  readonly takenMillis: number;
}

const ENTRIES: number = LIMITS.FREE_KEPT_PACKETS;
const ARENA_BYTES: number = LIMITS.FREE_KEPT_BYTES;
/** A power of two, as ENTRIES is: chains of entries whose marks begin alike. */
const CHAINS = 4_096;
const NONE = -1;

for (const size of [ENTRIES, ARENA_BYTES])
  assert((size & (size - 1)) === 0, 'rings have sizes of powers of two');

export interface PassedOptions {
  readonly clock: Clock;
  /** How long a packet is kept since it came. */
  readonly keepMillis: () => number;
}

export class PassedPackets {
  readonly #options: PassedOptions;
  #forgetting: Timer | null = null;
  /** The next entry's number; they count up. */
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
  readonly #marks = new Int32Array(ENTRIES * FINGERPRINT_WORDS);
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

  /** Whether the packet with this mark is kept. */
  has(mark: Int32Array): boolean {
    // Newer ones stand in front: behind one that is gone there is none left.
    for (
      let n = this.#chains[chainOf(mark)] ?? NONE;
      n >= this.#oldest;
      n = this.#before[placeOf(n)] ?? NONE
    ) {
      if (this.#lengths[placeOf(n)] !== 0 && this.#isMarked(placeOf(n), mark)) return true;
    }
    return false;
  }

  /**
   * Keeps a packet, in place of the oldest where there is no more room.
   * @param bytes copied, unless they are more than all room
   * @param mark four words @param from who gave it to us, or null @param position of this node on its route
   * @param nextHop who took it, kept
   */
  add(
    bytes: Uint8Array,
    mark: Int32Array,
    from: string | null,
    position: number,
    nextHop: NodeId,
    nowMillis: number,
  ): void {
    const { length } = bytes;
    if (length > ARENA_BYTES) return;
    const left = ARENA_BYTES - offsetOf(this.#written);
    const start = this.#written + (length > left ? left : 0);
    const n = this.#next;
    while (this.#oldest < n && (n - this.#oldest >= ENTRIES || this.#isOverwritten(start + length)))
      this.#dropOldest();
    this.#written = start + length;
    this.#arena.set(bytes, offsetOf(start));
    const place = placeOf(n);
    this.#starts[place] = start;
    this.#lengths[place] = length;
    this.#takenMillis[place] = nowMillis;
    this.#positions[place] = position;
    this.#nextHops[place] = nextHop;
    this.#froms[place] = from;
    for (let i = 0; i < mark.length; i++) this.#marks[place * FINGERPRINT_WORDS + i] = mark[i] ?? 0;
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
      const place = placeOf(n);
      const nextHop = this.#nextHops[place] ?? null;
      const length = this.#lengths[place] ?? 0;
      if (length === 0 || nextHop === null || !isLost(nextHop)) continue;
      const at = offsetOf(this.#starts[place] ?? 0);
      taken.push({
        bytes: this.#arena.slice(at, at + length),
        mark: this.#marks.slice(place * FINGERPRINT_WORDS, (place + 1) * FINGERPRINT_WORDS),
        from: this.#froms[place] ?? null,
        position: this.#positions[place] ?? 0,
        takenMillis: this.#takenMillis[place] ?? 0,
      });
      this.#release(place);
    }
    return taken;
  }

  #isMarked(place: number, mark: Int32Array): boolean {
    for (let i = 0; i < mark.length; i++) {
      if (this.#marks[place * FINGERPRINT_WORDS + i] !== mark[i]) return false;
    }
    return true;
  }

  /** Whether the oldest would not be whole any more where so much was written. */
  #isOverwritten(written: number): boolean {
    return written - (this.#starts[placeOf(this.#oldest)] ?? 0) > ARENA_BYTES;
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
    return this.#takenMillis[placeOf(this.#oldest)] ?? 0;
  }

  #dropOldest(): void {
    this.#release(placeOf(this.#oldest));
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

function chainOf(mark: Int32Array): number {
  return (mark[0] ?? 0) & (CHAINS - 1);
}

// By bits: the remainder of numbers that grow for ever is a division of floating point.

/** Where the entry of a number lies. */
function placeOf(n: number): number {
  return n & (ENTRIES - 1);
}

/** Where a byte lies in the arena, of all that were ever written. */
function offsetOf(written: number): number {
  return written & (ARENA_BYTES - 1);
}
