/**
 * Who may come in, asked before a handshake is paid for: so many connections, and so many a second, of one address and of
 * one network group, and so many handshakes at once of all.
 *
 * Rules: docs/transport.md, Limits. What is counted is bounded: the addresses of which nothing was heard for longest are
 * forgotten, as if they had been quiet. Main thread.
 */
import { LRUCache } from 'lru-cache';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { TokenBucket } from '../core/token-bucket.js';
import type { NetworkGroups } from '../routing/network-group.js';

/** What one address, or one group, may have. */
export interface AcceptLimits {
  readonly perAddress: number;
  readonly perGroup: number;
  readonly addressPerSecond: number;
  readonly groupPerSecond: number;
  readonly handshakes: number;
}

export const ACCEPT_LIMITS: AcceptLimits = {
  perAddress: LIMITS.TRANSPORT_PER_ADDRESS,
  perGroup: LIMITS.TRANSPORT_PER_GROUP,
  addressPerSecond: LIMITS.TRANSPORT_ADDRESS_PER_SECOND,
  groupPerSecond: LIMITS.TRANSPORT_GROUP_PER_SECOND,
  handshakes: LIMITS.TRANSPORT_HANDSHAKES,
};

/** Connections that may come at once after a quiet time, in seconds of the rate. */
const BURST_SECONDS = 8;

export class AcceptGate {
  readonly #limits: AcceptLimits;
  readonly #clock: Clock;
  readonly #groups: NetworkGroups;
  readonly #open = new Map<string, number>();
  readonly #rates: LRUCache<string, TokenBucket>;
  #handshakes = 0;

  constructor(clock: Clock, groups: NetworkGroups, limits: AcceptLimits = ACCEPT_LIMITS) {
    this.#limits = limits;
    this.#clock = clock;
    this.#groups = groups;
    this.#rates = new LRUCache({ max: LIMITS.TRANSPORT_ADDRESSES_COUNTED });
  }

  /** Handshakes under way. */
  get handshakes(): number {
    return this.#handshakes;
  }

  /** Asks for a place; one that was given counts until `left`. */
  enter(host: string): Reason {
    const { perAddress, perGroup, addressPerSecond, groupPerSecond, handshakes } = this.#limits;
    const group = this.#groupOf(host);
    if (this.#count(host) >= perAddress || this.#count(group) >= perGroup) return Reason.AddressLimit;
    if (this.#handshakes >= handshakes) return Reason.HandshakeLimit;
    // What the group has no room for takes nothing from the address, and the other way round.
    const address = this.#rate(host, addressPerSecond);
    const network = this.#rate(group, groupPerSecond);
    const now = this.#clock.monotonicMillis();
    if (address.waitMillis(now) > 0 || network.waitMillis(now) > 0) return Reason.AddressLimit;
    address.take(now);
    network.take(now);
    this.#handshakes += 1;
    this.#open.set(host, this.#count(host) + 1);
    this.#open.set(group, this.#count(group) + 1);
    return Reason.Accepted;
  }

  /** A handshake that was let in is over, its signed hello included. */
  handshakeDone(): void {
    this.#handshakes -= 1;
  }

  /** A connection that was let in is gone. */
  left(host: string): void {
    for (const name of [host, this.#groupOf(host)]) {
      const count = this.#count(name) - 1;
      if (count > 0) this.#open.set(name, count);
      else this.#open.delete(name);
    }
  }

  /** Addresses that nobody owns from outside are each a group of their own, under the limits of a group. */
  #groupOf(host: string): string {
    return `group ${this.#groups.of(host) ?? host}`;
  }

  #count(name: string): number {
    return this.#open.get(name) ?? 0;
  }

  #rate(name: string, perSecond: number): TokenBucket {
    const known = this.#rates.get(name);
    if (known !== undefined) return known;
    const made = new TokenBucket(perSecond, BURST_SECONDS * perSecond, this.#clock.monotonicMillis());
    this.#rates.set(name, made);
    return made;
  }
}
