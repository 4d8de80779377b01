/**
 * What a session runs on: an encrypted stream to a peer whose certificate was checked. TLS in production
 * (tls-net.ts), memory in tests, so that who is dialled, kept and dropped can be tested without sockets.
 */
import type { NodeId } from '../core/ids.js';
import type { Reason } from '../core/reasons.js';

export interface ChannelEvents {
  /** @param chunk the listener's from now on */
  readonly onData: (chunk: Uint8Array) => void;
  /** The other side is gone, or `destroy` was called. Once. */
  readonly onClose: () => void;
}

/** Main thread. Gives nothing before `listen` was called and the turn of the event loop is over. */
export interface Channel {
  /** Where the peer is, `host:port`. */
  readonly remote: string;
  /** Whose certificate it is. */
  readonly nodeId: NodeId;
  /** 32 bytes that the two ends of this very stream share and nobody else has. */
  readonly binding: Uint8Array;
  listen(events: ChannelEvents): void;
  /**
   * @param bytes the channel's until `onWritten`
   * @param onWritten the system has taken them; not called when the channel is closed before that
   */
  write(bytes: Uint8Array, onWritten: () => void): void;
  /** No more data until `resume`: the other side has to wait. */
  pause(): void;
  resume(): void;
  /** Nothing more will be written: when all that was has gone, the other side is told the end, and answers it with its own. */
  end(): void;
  destroy(): void;
}

/** A connection that has come in, before anything was spent on it. */
export interface Knock {
  /** Without the port. */
  readonly host: string;
}

/** A channel, or why there is none. */
export type Dialled =
  { readonly ok: true; readonly channel: Channel } | { readonly ok: false; readonly reason: Reason };

export interface Listening {
  /** Where it really listens: with the port that was chosen where 0 was asked for. */
  readonly port: number;
  close(): Promise<void>;
}

export interface AcceptHooks {
  /** Asked before the handshake is paid for; false closes the connection. */
  readonly admits: (knock: Knock) => boolean;
  /** The end of each handshake that was admitted: with a channel or without. */
  readonly onDone: (knock: Knock, result: Dialled) => void;
}

export interface ChannelNet {
  /** @throws MeshError LISTEN_ADDR_IN_USE, LISTEN_ADDR_UNUSABLE */
  listen(host: string, port: number, hooks: AcceptHooks): Promise<Listening>;
  /** Never rejects; gives up after the deadline of a handshake. */
  dial(host: string, port: number): Promise<Dialled>;
}
