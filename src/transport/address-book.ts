/**
 * Whom this node could dial: its static peers, its bootstrap nodes, and what authenticated peers have told; and when it
 * is time to.
 *
 * Rules: docs/transport.md, Whom a node dials. Static peers are dialled until they answer, however long it takes; of the
 * learned ones so many as there are slots, each in another network group. Waits double from failure to failure, with
 * jitter. Bounded: learned addresses that failed most make room. Main thread.
 */
import type { NodeId } from '../core/ids.js';
import { nodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Random } from '../core/ports.js';
import { jittered, shuffled } from '../core/random.js';
import type { NetworkGroups } from '../routing/network-group.js';
import { hostAndPort } from './addresses.js';

/** Who says that there is a node at an address. */
export type AddressSource = 'static' | 'bootstrap' | 'learned';

/** One address. The fields change as it is dialled. */
export interface Candidate {
  /** `host:port`. */
  readonly address: string;
  readonly source: AddressSource;
  /** Who must answer there, or null for whoever does. */
  readonly pin: NodeId | null;
}

interface State extends Candidate {
  source: AddressSource;
  pin: NodeId | null;
  failures: number;
  nextMillis: number;
  isDialling: boolean;
  /** Who answered there last. */
  nodeId: NodeId | null;
}

export interface BookOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly groups: NetworkGroups;
  /** Connections to bootstrap nodes and learned addresses at most. */
  readonly slots: number;
}

/** What is connected or being dialled already. */
export interface Connected {
  readonly has: (nodeId: NodeId) => boolean;
  /** Hosts of the outbound connections that take a slot, those being dialled among them. */
  readonly slotHosts: readonly string[];
}

/** A learned address that failed so often in a row is forgotten. */
const GIVE_UP_FAILURES = 8;

export class AddressBook {
  readonly #options: BookOptions;
  readonly #states = new Map<string, State>();
  /** As in the options; may be changed. */
  slots: number;

  constructor(options: BookOptions) {
    this.#options = options;
    this.slots = options.slots;
  }

  get size(): number {
    return this.#states.size;
  }

  /** What the operator says of an address counts more than what peers told of it. */
  add({ address, source, pin }: Candidate): void {
    const known = this.#states.get(address);
    if (known !== undefined) {
      if (known.source !== 'learned' || source === 'learned') return;
      known.source = source;
      known.pin = pin;
      known.nodeId = pin;
      return;
    }
    if (source === 'learned' && !this.#makeRoom()) return;
    this.#states.set(address, {
      address,
      source,
      pin,
      failures: 0,
      nextMillis: this.#options.clock.monotonicMillis(),
      isDialling: false,
      nodeId: pin,
    });
  }

  /** Who answered at an address last, or must answer there; null where nobody knows. */
  nodeAt(address: string): NodeId | null {
    return this.#states.get(address)?.nodeId ?? null;
  }

  remove(address: string): boolean {
    return this.#states.delete(address);
  }

  /** Those to be dialled now, at most so many. Each is under way until `answered` or `failed`. */
  due(connected: Connected, most: number): readonly Candidate[] {
    const now = this.#options.clock.monotonicMillis();
    const ready = [...this.#states.values()].filter(
      (state) =>
        !state.isDialling &&
        state.nextMillis <= now &&
        (state.nodeId === null || !connected.has(state.nodeId)),
    );
    const chosen = ready.filter(({ source }) => source === 'static').slice(0, most);
    const groups = new Set(connected.slotHosts.map((host) => this.#groupOf(host)));
    let slots = this.slots - connected.slotHosts.length;
    // Entry points first while nothing better is known, then in random order.
    const others = shuffled(
      this.#options.random,
      ready.filter(({ source }) => source !== 'static'),
    ).sort((a, b) => Number(b.source === 'bootstrap') - Number(a.source === 'bootstrap'));
    for (const state of others) {
      const group = this.#groupOf(hostAndPort(state.address).host);
      if (slots <= 0 || chosen.length >= most) break;
      if (groups.has(group)) continue;
      groups.add(group);
      slots -= 1;
      chosen.push(state);
    }
    for (const state of chosen) state.isDialling = true;
    return chosen;
  }

  /** Somebody answered, and is known now. */
  answered(address: string, nodeId: NodeId): void {
    const state = this.#states.get(address);
    if (state === undefined) return;
    state.isDialling = false;
    state.failures = 0;
    state.nodeId = nodeId;
    state.nextMillis = this.#options.clock.monotonicMillis() + this.#wait(0);
  }

  /** Nobody answered, or not who was wanted. */
  failed(address: string): void {
    const state = this.#states.get(address);
    if (state === undefined) return;
    state.isDialling = false;
    state.failures += 1;
    if (state.source === 'learned' && state.failures >= GIVE_UP_FAILURES) this.#states.delete(address);
    state.nextMillis = this.#options.clock.monotonicMillis() + this.#wait(state.failures);
  }

  /** Addresses at which nodes have answered this node, in random order. */
  known(most: number): readonly { readonly nodeId: NodeId; readonly address: string }[] {
    const answered = [...this.#states.values()].flatMap(({ nodeId, address, failures }) =>
      nodeId === null || failures > 0 ? [] : [{ nodeId, address }],
    );
    return shuffled(this.#options.random, answered).slice(0, most);
  }

  /** Whether one of these nodes is a static peer that is pinned. */
  isStatic(nodeId: NodeId): boolean {
    const key = nodeKey(nodeId);
    for (const { source, nodeId: known } of this.#states.values()) {
      if (source === 'static' && known !== null && nodeKey(known) === key) return true;
    }
    return false;
  }

  #wait(failures: number): number {
    const base = LIMITS.TRANSPORT_DIAL_MIN_MILLIS * 2 ** Math.min(failures, 16);
    return jittered(this.#options.random, Math.min(base, LIMITS.TRANSPORT_DIAL_MAX_MILLIS));
  }

  /** Names and private addresses are each a group of their own. */
  #groupOf(host: string): string {
    return this.#options.groups.of(host) ?? host;
  }

  #makeRoom(): boolean {
    const learned = [...this.#states.values()].filter(({ source }) => source === 'learned');
    if (learned.length < LIMITS.TRANSPORT_ADDRESSES_LEARNED) return true;
    const worst = learned.reduce((a, b) => (b.failures > a.failures ? b : a));
    return worst.failures > 0 && !worst.isDialling && this.#states.delete(worst.address);
  }
}
