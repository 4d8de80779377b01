/**
 * The links of an EngineNet: they delay, lose and reorder as told, carry bytes in order otherwise, and can be cut
 * or fall silent. Also its clock, whose wall time can be set wrong.
 */
import { present } from '../../src/core/assert.js';
import { VirtualClock } from '../../src/core/clock.js';
import type { Clock, Random, Timer } from '../../src/core/ports.js';

/** How much later than its neighbours a packet arrives that was held back. */
const HELD_BACK_MILLIS = 60;

export interface LinkQuality {
  readonly latencyMillis: readonly [number, number];
  /** Chances per packet. */
  readonly loss: number;
  readonly reordering: number;
}

/** Virtual time whose wall clock can be set wrong. */
export class NetClock implements Clock {
  readonly #virtual = new VirtualClock();
  /** Seconds that the wall clock is ahead. */
  skewSeconds = 0;

  unixSeconds(): number {
    return this.#virtual.unixSeconds() + this.skewSeconds;
  }

  monotonicMillis(): number {
    return this.#virtual.monotonicMillis();
  }

  after(delayMillis: number, callback: () => void): Timer {
    return this.#virtual.after(delayMillis, callback);
  }

  advance(millis: number): void {
    this.#virtual.advance(millis);
  }
}

interface Link {
  state: 'up' | 'silent' | 'down';
  /** What was under way when the link broke never arrives. */
  epoch: number;
  /** When the last packet arrives at each end, so that packets stay in order. */
  readonly lastArrival: Map<number, number>;
}

export class EngineLinks {
  quality: LinkQuality;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #links = new Map<string, Link>();

  constructor(clock: Clock, random: Random, quality: LinkQuality) {
    this.#clock = clock;
    this.#random = random;
    this.quality = quality;
  }

  connect(a: number, b: number): void {
    const link = this.#links.get(linkName(a, b)) ?? { state: 'down', epoch: 0, lastArrival: new Map() };
    link.state = 'up';
    this.#links.set(linkName(a, b), link);
  }

  /** Silent: what is sent vanishes. Down: it is not taken. What is under way is lost either way. */
  break(a: number, b: number, state: 'silent' | 'down'): void {
    const link = present(this.#links.get(linkName(a, b)), 'a link of the net');
    link.state = state;
    link.epoch += 1;
  }

  has(a: number, b: number): boolean {
    return this.#links.has(linkName(a, b));
  }

  isUp(a: number, b: number): boolean {
    return this.#links.get(linkName(a, b))?.state === 'up';
  }

  /** Sends something on its way; false where the link does not take it. */
  carry(from: number, to: number, arrive: () => void): boolean {
    const link = this.#links.get(linkName(from, to));
    if (link === undefined || link.state === 'down') return false;
    const { latencyMillis, loss, reordering } = this.quality;
    if (link.state === 'silent' || this.#random.unit() < loss) return true;
    const now = this.#clock.monotonicMillis();
    const [least, most] = latencyMillis;
    let at = now + least + (most - least) * this.#random.unit();
    if (this.#random.unit() < reordering) at += HELD_BACK_MILLIS;
    else {
      at = Math.max(at, link.lastArrival.get(to) ?? 0);
      link.lastArrival.set(to, at);
    }
    const { epoch } = link;
    this.#clock.after(at - now, () => {
      if (link.epoch === epoch) arrive();
    });
    return true;
  }
}

function linkName(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
