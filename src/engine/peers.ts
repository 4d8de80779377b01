/**
 * The peers of this node: who is connected, who has said who it is, who fell silent.
 *
 * Rules: wire.md (mesh-hello-v1), routing.md (a lost neighbour's routes retract at once), docs/transport.md (who has
 * proven who it is, and what the others may do). A neighbour may be reached by several ways, the node's relay and the
 * direct transport: packets take the transport, and the other where that is gone. Main thread only.
 */
import { LIMITS } from '../core/limits.js';
import { nodeIdOf, nodeKey, NODE_ID_BYTES, type NodeId, type NodeKey } from '../core/ids.js';
import { equalBytes, utf8 } from '../core/bytes.js';
import { sha256 } from '../core/hash.js';
import type { Clock, Random, Timer } from '../core/ports.js';
import { jittered } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import type { DeclaredTraffic } from '../packet/declared.js';
import { Quotas, type QuotaSettings } from './quotas.js';

/** One connected peer. The fields change as it speaks. */
export interface Peer {
  /** Its address on its link. */
  readonly address: string;
  /** The id it said hello with, or null before that and after it fell silent. */
  readonly nodeId: NodeId | null;
  /** Whether it has proven that id: the others teach no routes, and nothing is forwarded for or to them. */
  readonly isProven: boolean;
  /** When it last sent anything, by the monotonic clock. */
  readonly lastHeardMillis: number;
  /** How far its clock was ahead of ours when it last told it; null before that. */
  readonly clockAheadSeconds: number | null;
  /** Packets that came from it and went to it. */
  readonly packetsIn: number;
  readonly packetsOut: number;
}

interface PeerState extends Peer {
  nodeId: NodeId | null;
  isProven: boolean;
  /** Whether it is a connection of the direct transport, which ends by itself where its peer is silent. */
  isDirect: boolean;
  lastHeardMillis: number;
  clockAheadSeconds: number | null;
  packetsIn: number;
  packetsOut: number;
  lastHelloMillis: number;
  hellosUnanswered: number;
  returnedMillis: number;
  quotas: Quotas;
}

/** As configured; see `configure`. */
export interface PeerSettings extends QuotaSettings {
  readonly maxPeers: number;
  /** Addresses that always have a place, and are greeted until they answer. */
  readonly staticPeers: ReadonlySet<string>;
  readonly helloIntervalMillis: number;
}

export interface PeerBookOptions extends PeerSettings {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  /** Sends a hello; failures are the link's to report. */
  readonly sendHello: (address: string) => void;
  /**
   * Asks a peer to prove the id that it claims; the answer is told by `proven`. null: what it claims is believed, in
   * networks whose links vouch for it.
   */
  readonly challenge: ((address: string, claimed: NodeId) => void) | null;
  /** A neighbour is there: asks the routing table to take it in. */
  readonly onJoined: (nodeId: NodeId, address: string) => Reason;
  /** A neighbour is reached at another of its addresses from now on. */
  readonly onMoved: (nodeId: NodeId, address: string) => void;
  readonly onLost: (nodeId: NodeId, address: string) => void;
  /** A neighbour was restarted, or a way to it was lost: it may have lost what it was given lately. */
  readonly onReturned: (nodeId: NodeId) => void;
}

export class PeerBook {
  readonly #options: PeerBookOptions;
  readonly #byAddress = new Map<string, PeerState>();
  /** Who sent the last packet, as long as it is there: packets come in runs of one peer, and each is asked of thrice. */
  #speaker: PeerState | null = null;
  /** Who was sent the last packet, alike. */
  #listener: PeerState | null = null;
  /** The proven ways to each neighbour, the one in use first. */
  readonly #waysTo = new Map<NodeKey, PeerState[]>();
  #settings: PeerSettings;
  #timer: Timer | null = null;

  constructor(options: PeerBookOptions) {
    this.#options = options;
    this.#settings = options;
  }

  /** Starts the hello rounds. */
  start(): void {
    const { clock, random } = this.#options;
    this.#timer = clock.after(jittered(random, this.#settings.helloIntervalMillis / 2), () => {
      this.#tick();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** Holds from now on, also for the peers that are there; those past another bound stay. */
  configure(settings: PeerSettings): void {
    this.#settings = settings;
    const now = this.#options.clock.monotonicMillis();
    for (const { quotas } of this.#byAddress.values()) quotas.configure(settings, now);
    if (this.#timer === null) return;
    this.stop();
    this.start();
  }

  /** A link to an address came up. */
  connected(address: string): Reason {
    const peer = this.#byAddress.get(address) ?? this.#admit(address);
    if (peer === null) return Reason.TooManyPeers;
    peer.hellosUnanswered = 0;
    this.#hello(peer);
    return Reason.Accepted;
  }

  /** A connection of the direct transport came up, whose peer has proven who it is. */
  connectedDirectly(address: string, nodeId: NodeId): Reason {
    // The transport has a bound of its own.
    const peer = this.#byAddress.get(address) ?? this.#enter(address);
    peer.isDirect = true;
    return this.proven(address, nodeId);
  }

  /** A link went down. */
  disconnected(address: string): void {
    const peer = this.#byAddress.get(address);
    if (peer === undefined) return;
    this.#delete(peer);
    this.#forget(peer);
  }

  /** A packet went to an address. */
  sentTo(address: string): void {
    const peer = this.#listener?.address === address ? this.#listener : this.#byAddress.get(address);
    if (peer === undefined) return;
    this.#listener = peer;
    peer.packetsOut++;
  }

  /** A peer's own control message told its clock. @param unixSeconds its claim */
  clockTold(address: string, unixSeconds: bigint): void {
    const peer = this.#byAddress.get(address);
    if (peer !== undefined) peer.clockAheadSeconds = Number(unixSeconds) - this.#options.clock.unixSeconds();
  }

  /** The node says that a peer asks too much of it: what the peer had saved up of its quotas is gone. */
  restrain(address: string): void {
    const peer = this.#byAddress.get(address);
    if (peer === undefined) return;
    peer.quotas.empty(this.#options.clock.monotonicMillis());
  }

  /**
   * The node tells all its peers: they are greeted, and addresses that it does not have and that never said who
   * they are are forgotten. Whoever has spoken stays until its link goes down or it falls silent.
   */
  reconcile(addresses: readonly string[]): void {
    const listed = new Set(addresses);
    for (const peer of this.#byAddress.values()) {
      if (peer.nodeId === null && !listed.has(peer.address)) this.#delete(peer);
    }
    for (const address of listed) this.connected(address);
  }

  /** Something arrived from an address: the peer, admitted if there is room, or null. */
  heard(address: string, now: number = this.#options.clock.monotonicMillis()): Peer | null {
    const peer = this.#find(address) ?? this.#admit(address);
    if (peer === null) return null;
    this.#speaker = peer;
    peer.lastHeardMillis = now;
    peer.hellosUnanswered = 0;
    peer.packetsIn++;
    return peer;
  }

  /**
   * Charges a packet to the peer's allowances: that of what it says it is, then that of all its packets. What a flood
   * of free packets is refused for is taken from nothing else, so the peer's paid ones still pass.
   * @returns Accepted, or which of them is used up
   */
  charge(
    address: string,
    traffic: DeclaredTraffic,
    bytes: number,
    now: number = this.#options.clock.monotonicMillis(),
  ): Reason {
    const peer = this.#find(address);
    if (peer === undefined) return Reason.UnknownPeer;
    if (traffic === 'control' && !peer.quotas.control.take(now)) return Reason.ControlQuotaExceeded;
    if (traffic === 'free' && !peer.quotas.takeFree(bytes, now)) return Reason.FreeQuotaExceeded;
    return peer.quotas.packets.take(now) ? Reason.Accepted : Reason.PacketQuotaExceeded;
  }

  /** Charges a packet to the peer's allowance of free traffic alone; false where that is used up. */
  chargeFree(address: string, bytes: number): boolean {
    const peer = this.#find(address);
    return peer !== undefined && peer.quotas.takeFree(bytes, this.#options.clock.monotonicMillis());
  }

  /**
   * The peer at an address said hello.
   * @param payload what it said: its id
   * @param isIntroduction whether it does not know this node's id yet, and so wants an answer
   */
  hello(address: string, payload: Uint8Array, isIntroduction: boolean): Reason {
    const peer = this.#byAddress.get(address);
    if (peer === undefined || payload.length !== NODE_ID_BYTES) return Reason.HelloMismatch;
    const claimed = nodeIdOf(payload.slice());
    if (equalBytes(claimed, this.#options.self)) return Reason.HelloMismatch;
    const { nodeId: known } = peer;
    const verdict = known === null ? this.#claim(peer, claimed) : sameId(known, claimed);
    if (verdict !== Reason.Accepted) return verdict;
    // It must know us before anything else of ours reaches it.
    if (known === null || isIntroduction) this.#hello(peer);
    if (!peer.isProven) this.#options.challenge?.(address, claimed);
    else if (known !== null && isIntroduction) this.#returned(peer, claimed);
    return Reason.Accepted;
  }

  /**
   * The peer at an address has proven who it is. It is a neighbour from now on; where it was one by another way
   * already, it has one more.
   */
  proven(address: string, nodeId: NodeId): Reason {
    const peer = this.#byAddress.get(address);
    if (peer === undefined || equalBytes(nodeId, this.#options.self)) return Reason.HelloMismatch;
    if (peer.isProven) return peer.nodeId === null ? Reason.HelloMismatch : sameId(peer.nodeId, nodeId);
    const key = nodeKey(nodeId);
    const ways = this.#waysTo.get(key) ?? [];
    const [used] = ways;
    if (used === undefined) {
      const verdict = this.#options.onJoined(nodeId, address);
      if (verdict !== Reason.Accepted) return verdict;
    } else peer.quotas = used.quotas; // a second way is no second allowance
    peer.nodeId = nodeId;
    peer.isProven = true;
    const isBetter = used !== undefined && peer.isDirect && !used.isDirect;
    this.#waysTo.set(key, isBetter ? [peer, ...ways] : [...ways, peer]);
    if (isBetter) this.#options.onMoved(nodeId, address);
    return Reason.Accepted;
  }

  /** The peer at an address, or null. */
  at(address: string): Peer | null {
    return this.#byAddress.get(address) ?? null;
  }

  /**
   * Whose window of sequence numbers a packet moves that started at the peer: its own, where its link vouches for it; else
   * one of the connection's, so that nobody moves the window of another.
   */
  windowOf(address: string): NodeId {
    const peer = this.#find(address);
    const vouched = peer?.isProven === true ? peer.nodeId : null;
    return vouched ?? nodeIdOf(sha256(utf8(address)));
  }

  /** Whether a peer with this id is here. */
  has(nodeId: NodeId): boolean {
    return this.#waysTo.has(nodeKey(nodeId));
  }

  /** How long a silent peer still counts as present. */
  get silenceMillis(): number {
    return LIMITS.SILENT_HELLO_INTERVALS * this.#settings.helloIntervalMillis;
  }

  /** The longest that a peer's death goes unnoticed: its silence, and the round in which that is seen. */
  get noticedWithinMillis(): number {
    const direct = idleMillisOf(this.#settings.helloIntervalMillis) + LIMITS.TRANSPORT_TICK_MILLIS;
    return Math.max(this.silenceMillis + this.#settings.helloIntervalMillis, direct);
  }

  list(): readonly Peer[] {
    return [...this.#byAddress.values()];
  }

  #find(address: string): PeerState | undefined {
    return this.#speaker?.address === address ? this.#speaker : this.#byAddress.get(address);
  }

  #delete(peer: PeerState): void {
    this.#byAddress.delete(peer.address);
    if (this.#speaker === peer) this.#speaker = null;
    if (this.#listener === peer) this.#listener = null;
  }

  #admit(address: string): PeerState | null {
    const { maxPeers, staticPeers } = this.#settings;
    const hasRoom = this.#byAddress.size < maxPeers || staticPeers.has(address);
    return hasRoom ? this.#enter(address) : null;
  }

  #enter(address: string): PeerState {
    const now = this.#options.clock.monotonicMillis();
    const peer: PeerState = {
      address,
      nodeId: null,
      isProven: false,
      isDirect: false,
      lastHeardMillis: now,
      clockAheadSeconds: null,
      packetsIn: 0,
      packetsOut: 0,
      lastHelloMillis: Number.NEGATIVE_INFINITY,
      hellosUnanswered: 0,
      returnedMillis: Number.NEGATIVE_INFINITY,
      quotas: new Quotas(this.#settings, now),
    };
    this.#byAddress.set(address, peer);
    return peer;
  }

  /** What a peer says of itself. */
  #claim(peer: PeerState, nodeId: NodeId): Reason {
    if (this.#options.challenge === null) {
      return this.has(nodeId) ? Reason.HelloMismatch : this.proven(peer.address, nodeId);
    }
    peer.nodeId = nodeId;
    return Reason.Accepted;
  }

  /** At most once an interval, whatever the peer says. */
  #returned(peer: PeerState, nodeId: NodeId): void {
    const now = this.#options.clock.monotonicMillis();
    if (now - peer.returnedMillis < this.#settings.helloIntervalMillis) return;
    peer.returnedMillis = now;
    this.#options.onReturned(nodeId);
  }

  #tick(): void {
    const now = this.#options.clock.monotonicMillis();
    for (const peer of this.#byAddress.values()) {
      const isSilent = !peer.isDirect && now - peer.lastHeardMillis > this.silenceMillis;
      if (peer.nodeId !== null && isSilent) this.#forget(peer);
      const isDue = this.#sinceHello(peer) >= 0.9 * this.#settings.helloIntervalMillis;
      const isGivenUp =
        peer.hellosUnanswered >= LIMITS.HELLOS_UNANSWERED && !this.#settings.staticPeers.has(peer.address);
      if (isDue && !isGivenUp) this.#hello(peer);
    }
  }

  #sinceHello(peer: PeerState): number {
    return this.#options.clock.monotonicMillis() - peer.lastHelloMillis;
  }

  #hello(peer: PeerState): void {
    peer.lastHelloMillis = this.#options.clock.monotonicMillis();
    peer.hellosUnanswered += 1;
    this.#options.sendHello(peer.address);
  }

  /** The id leaves; the address may stay and say hello again. */
  #forget(peer: PeerState): void {
    const { nodeId, isProven } = peer;
    if (nodeId === null) return;
    peer.nodeId = null;
    peer.isProven = false;
    if (!isProven) return;
    const key = nodeKey(nodeId);
    const before = this.#waysTo.get(key) ?? [];
    const ways = before.filter((way) => way !== peer);
    const [next] = ways;
    if (next === undefined) {
      this.#waysTo.delete(key);
      this.#options.onLost(nodeId, peer.address);
      return;
    }
    this.#waysTo.set(key, ways);
    if (before[0] !== peer) return;
    this.#options.onMoved(nodeId, next.address);
    this.#options.onReturned(nodeId);
  }
}

/** After which silence a connection of the direct transport is closed. */
export function idleMillisOf(helloIntervalMillis: number): number {
  return Math.max(LIMITS.SILENT_HELLO_INTERVALS * helloIntervalMillis, LIMITS.TRANSPORT_IDLE_LEAST_MILLIS);
}

function sameId(known: NodeId, claimed: NodeId): Reason {
  return equalBytes(known, claimed) ? Reason.Accepted : Reason.HelloMismatch;
}
