/**
 * One connection: the signed hello in both directions, then packets until it ends.
 *
 * Rules: docs/transport.md (Hello, Frames, Limits). Every wait has a deadline, and every end a reason that is counted
 * once. What does not belong ends the connection: after a bad frame the stream has no boundary any more. Main thread.
 */
import type { KeyObject } from 'node:crypto';
import { FrameReader } from '../core/frame.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { signedHelloPacket, type ControlHeader } from '../packet/control.js';
import { encodePacket } from '../packet/packet.js';
import type { HelloBody } from '../packet/signed-hello.js';
import type { Blocks } from './blocks.js';
import type { Channel } from './channel.js';
import { readHelloFrame, sayHello, type HelloScope } from './greeting.js';
import { Outbox } from './outbox.js';

export interface SessionHooks {
  /** The peer's hello holds: whether it is kept. */
  readonly onHello: (session: Session, body: HelloBody) => Reason;
  /** A packet of a peer that was kept. It is the taker's. */
  readonly onPacket: (session: Session, packet: Uint8Array) => void;
  /** All of a chunk was handed out. */
  readonly onTurn: (session: Session) => void;
  /** There is room again for what was refused. */
  readonly onRoom: (session: Session) => void;
  readonly onClosed: (session: Session, reason: Reason) => void;
}

export interface SessionParts {
  readonly channel: Channel;
  /** Whether this node dialled. */
  readonly isOutbound: boolean;
  readonly self: NodeId;
  readonly privateKey: KeyObject;
  readonly network: string;
  readonly clock: Clock;
  readonly blocks: Blocks;
  readonly atEndOfTurn: (callback: () => void) => void;
  readonly header: () => ControlHeader;
  /** What this node declares of itself. */
  readonly declare: () => HelloBody;
}

/** Scheme of the addresses by which the rest of the module knows peers of this transport. */
export const LINK_SCHEME = 'tls://';

type State = 'greeting' | 'open' | 'ending' | 'closed';

export class Session {
  readonly nodeId: NodeId;
  readonly isOutbound: boolean;
  /** `host:port` of the socket's other end. */
  readonly remote: string;
  /** As the rest of the module knows it. */
  readonly address: string;
  /** When it began, by the monotonic clock. */
  readonly sinceMillis: number;
  readonly outbox: Outbox;
  readonly #parts: SessionParts;
  readonly #hooks: SessionHooks;
  readonly #reader = new FrameReader(LIMITS.PACKET_BYTES, true);
  /** Until the hello is there. */
  #deadline: Timer | null;
  #state: State = 'greeting';
  #hello: HelloBody | null = null;
  #isPaused = false;
  #isLeaving = false;
  lastHeardMillis: number;
  /** Packets and their bytes that came in. */
  framesIn = 0;
  bytesIn = 0;

  constructor(parts: SessionParts, hooks: SessionHooks) {
    const { channel, clock, blocks, atEndOfTurn } = parts;
    this.#parts = parts;
    this.#hooks = hooks;
    this.nodeId = channel.nodeId;
    this.isOutbound = parts.isOutbound;
    this.remote = channel.remote;
    this.address = LINK_SCHEME + channel.remote;
    this.sinceMillis = clock.monotonicMillis();
    this.lastHeardMillis = this.sinceMillis;
    const onRoom = (): void => {
      if (this.isOpen) hooks.onRoom(this);
    };
    this.outbox = new Outbox({ channel, clock, blocks, atEndOfTurn, onRoom });
    this.#deadline = clock.after(LIMITS.TRANSPORT_HANDSHAKE_MILLIS, () => {
      if (this.#state === 'greeting') this.close(Reason.HandshakeFailed);
    });
    channel.listen({
      onData: (chunk) => {
        this.#data(chunk);
      },
      onClose: () => {
        this.close(Reason.ConnectionLost);
      },
    });
    this.#greet();
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** What the peer has declared, once it has. */
  get hello(): HelloBody | null {
    return this.#hello;
  }

  /** Sends a packet; false where there is no room, or no connection any more. `source`: whose turn it takes. */
  send(packet: Uint8Array, source: string, nowMillis?: number): boolean {
    return this.#state === 'open' && this.outbox.put(packet, source, nowMillis);
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    if (this.#isPaused || this.#isLeaving || this.#state === 'closed') return;
    this.#isPaused = true;
    this.#parts.channel.pause();
  }

  resume(): void {
    if (!this.#isPaused || this.#state === 'closed') return;
    this.#isPaused = false;
    // Its silence until now was of our own making.
    this.lastHeardMillis = this.#parts.clock.monotonicMillis();
    this.#parts.channel.resume();
  }

  /**
   * Looks at nothing more that comes; what this node sends still goes. The peer keeps what is thrown away here, and sends it
   * another way once the connection is gone. It is read all the same: a stream with something unread ends with a reset, which
   * takes along what is under way.
   */
  leave(): void {
    this.resume();
    this.#isLeaving = true;
  }

  /** Ends the connection, which was left, once all is sent that waits, and the peer has it. */
  finish(): void {
    if (this.#state === 'greeting') this.close(Reason.ConnectionLost);
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.outbox.whenEmpty(() => {
      this.#parts.channel.end();
    });
  }

  /** Ends the connection. The first reason counts. */
  close(reason: Reason): void {
    if (this.#state === 'closed') return;
    // What was said before the end is still sent, as far as the system takes it at once.
    this.outbox.flush();
    this.#state = 'closed';
    this.#endDeadline();
    this.outbox.close();
    this.#parts.channel.destroy();
    this.#hooks.onClosed(this, reason);
  }

  #greet(): void {
    const { self, channel, privateKey, declare, header } = this.#parts;
    const scope = this.#scope(self, channel.nodeId);
    const message = sayHello(declare(), scope, privateKey);
    this.outbox.put(encodePacket(signedHelloPacket(header(), channel.nodeId, message)), '');
  }

  #scope(speaker: NodeId, audience: NodeId): HelloScope {
    return { kind: 'tls-exporter', binding: this.#parts.channel.binding, speaker, audience };
  }

  #data(chunk: Uint8Array): void {
    if (this.#isLeaving) return;
    this.lastHeardMillis = this.#parts.clock.monotonicMillis();
    this.bytesIn += chunk.length;
    const fault = this.#reader.push(chunk, (frame) => this.#frame(frame));
    if (fault !== Reason.Accepted) this.close(fault);
    else if (this.#state === 'open') this.#hooks.onTurn(this);
  }

  /** @returns whether more is wanted */
  #frame(frame: Uint8Array): boolean {
    if (this.#state === 'open') {
      this.framesIn += 1;
      this.#hooks.onPacket(this, frame);
      return this.isOpen;
    }
    if (this.#state !== 'greeting') return false;
    const { self, channel, network } = this.#parts;
    const verdict = readHelloFrame(frame, this.#scope(channel.nodeId, self), network);
    const reason = verdict.ok ? this.#admit(verdict.body) : verdict.reason;
    if (reason !== Reason.Accepted) this.close(reason);
    return reason === Reason.Accepted;
  }

  #admit(body: HelloBody): Reason {
    this.#hello = body;
    this.#state = 'open';
    this.#endDeadline();
    return this.#hooks.onHello(this, body);
  }

  #endDeadline(): void {
    this.#deadline?.cancel();
    this.#deadline = null;
  }
}
