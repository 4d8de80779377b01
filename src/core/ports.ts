/**
 * What the domain takes from the world: clock, randomness, peers, log. The simulator, the tests and production
 * differ only in these (style.md, effects come in at the edge).
 */
import type { NodeId } from './ids.js';

/** A timer that was started; `cancel` is safe to call again. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Unix time in whole seconds: for what stands on the wire. */
  unixSeconds(): number;
  /** Milliseconds that never go back: for deadlines. */
  monotonicMillis(): number;
  /** Runs the callback once after the delay, on the main thread. */
  after(delayMillis: number, callback: () => void): Timer;
}

export interface Random {
  /** Fresh random bytes. */
  bytes(count: number): Uint8Array;
  /** A number in [0, 1). */
  unit(): number;
}

/**
 * What comes of giving a packet to a link: it has taken it, or as much waits as may (it will tell when there is room);
 * or it says later, and rejects with a MeshError when it cannot.
 */
export type Handover = 'taken' | 'full' | Promise<void>;

/** A link to a directly connected peer, by whatever path (node relay, direct transport, simulation). */
export interface PeerLink {
  /**
   * Sends packet bytes to the peer at an address.
   * @param source the peer that they came from, so that links which are fair among sources can be; '' for this node
   */
  send(peerAddress: string, packetBytes: Uint8Array, source?: string): Handover;
  /**
   * As `send`, for packets that need not be held where the link takes them at once.
   * @param packetBytes lent for the call @param nowMillis by the monotonic clock
   * @returns false where it does not: then nothing was done
   */
  passOn(peerAddress: string, packetBytes: Uint8Array, source: string, nowMillis: number): boolean;
}

/** The node's relay: it never has an answer at once. */
export interface RelayLink {
  /** As PeerLink's. */
  send(peerAddress: string, packetBytes: Uint8Array): Promise<void>;
}

/** From the least serious one. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error'] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];

/** Parts of the module whose lines have a level of their own. */
export const LOG_COMPONENTS = [
  'module', // start, end, configuration
  'node', // the connection to the node, and what its events say
  'peers', // who joins and who is lost
  'transport', // listening, dialling, bans
  'packets', // what became of packets that had passed
  'payments', // invoices, debts, payments on the chain
  'workers',
  'store', // journal, identity
  'api', // the doors, reports to the node
] as const;

export type LogComponent = (typeof LOG_COMPONENTS)[number];

/** Structured log. Facts must hold no secret and no preimage. */
export interface Log {
  log(level: LogLevel, message: string, facts?: Readonly<Record<string, unknown>>): void;
}

/** The log of each component. */
export type Logs = (component: LogComponent) => Log;

/** Who sent bytes, as far as the link knows. */
export interface Sender {
  /** The peer's address on its link. */
  readonly address: string;
  /** The id that the link vouches for, or null before the peer has said who it is. */
  readonly nodeId: NodeId | null;
}
