/**
 * Packets for this node: handed to the module that registered their protocol, or kept to be polled.
 *
 * Rules: wire.md (register_protocol_handler, poll_local_deliveries). A handler that fails costs a few tries, ever
 * farther apart, and then the packet waits in the inbox instead: an accepted packet is never dropped for a module's fault.
 * Main thread only.
 */
import { errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import type { MeshPacket } from '../packet/packet.js';
import type { LocalDelivery } from '../packet/module-api.js';

/** Calls a module's handler with one packet; rejects when the module did not take it. */
export type HandlerCall = (
  moduleId: string,
  method: string,
  packet: Uint8Array,
  peerAddress: string,
) => Promise<void>;

interface Waiting {
  readonly protocolId: string;
  readonly packet: MeshPacket;
  readonly bytes: Uint8Array;
  readonly peerAddress: string;
  tries: number;
}

interface Handler {
  readonly moduleId: string;
  /** Its module is gone, or another took its place: what waits goes to the inbox. */
  isGone: boolean;
  /** Calls that failed since the last one that did not. */
  failedInARow: number;
  method: string;
  readonly queue: Waiting[];
  /** Of the packets in the queue. */
  queuedBytes: number;
  running: boolean;
}

export class DeliveryDesk {
  readonly #handlers = new Map<string, Handler>();
  #inbox: Waiting[] = [];
  readonly #call: HandlerCall;
  readonly #clock: Clock;
  readonly #log: Log;
  #inboxBytes = 0;
  /** Of the packets in the queues of all handlers. */
  #queuedBytes = 0;
  #delivered = 0;
  #failures = 0;

  constructor(call: HandlerCall, clock: Clock, log: Log) {
    this.#call = call;
    this.#clock = clock;
    this.#log = log;
  }

  /**
   * Registers a protocol's handler; a module replaces its own as it likes.
   * @returns Accepted, BadLimit, or HandlerTaken where another module has the protocol, answers, and is not gone
   */
  register(protocolId: string, moduleId: string, method: string): Reason {
    const known = this.#handlers.get(protocolId);
    if (known === undefined && this.#handlers.size >= LIMITS.HANDLERS) return Reason.BadLimit;
    const isOwn = known?.moduleId === moduleId;
    // Whoever asks is alive again.
    if (known !== undefined && isOwn) known.failedInARow = 0;
    if (known !== undefined && !isOwn) {
      if (!isFailing(known)) return Reason.HandlerTaken;
      this.#retire(known);
    }
    const handler = known !== undefined && isOwn ? known : newHandler(moduleId, method);
    this.#handlers.set(protocolId, handler);
    handler.method = method;
    // What came before its handler did moves from the inbox to the handler, in order and as far as there is room.
    let isFull = false;
    this.#takeFromInbox((waiting) => {
      if (waiting.protocolId !== protocolId || isFull) return false;
      isFull = !this.#isRoomFor(handler, waiting);
      if (!isFull) this.#enqueue(handler, waiting);
      return !isFull;
    }, LIMITS.HANDLER_QUEUE);
    this.#run(handler);
    return Reason.Accepted;
  }

  /** A module is gone: its protocols are free for others, and what waits for them is kept to be polled. */
  moduleGone(moduleId: string): void {
    for (const [protocolId, handler] of this.#handlers) {
      if (handler.moduleId !== moduleId) continue;
      this.#handlers.delete(protocolId);
      this.#retire(handler);
    }
  }

  /**
   * Takes a packet for a local protocol.
   * @param bytes the packet as it arrived, kept
   * @returns Accepted, or InboxFull: the caller keeps it and comes back
   */
  deliver(packet: MeshPacket, bytes: Uint8Array, peerAddress: string): Reason {
    const protocolId = packet.metadata?.protocol ?? '';
    const waiting: Waiting = { protocolId, packet, bytes, peerAddress, tries: 0 };
    const handler = this.#handlers.get(protocolId);
    if (handler === undefined) return this.#keep(waiting);
    if (!this.#isRoomFor(handler, waiting)) {
      // One that fails may take for ever; what it leaves is there for it when it comes back.
      return isFailing(handler) ? this.#keep(waiting) : Reason.InboxFull;
    }
    this.#enqueue(handler, waiting);
    this.#run(handler);
    return Reason.Accepted;
  }

  /** Takes up to `most` waiting packets out of the inbox, oldest first; of one protocol, or of all where it is null. */
  poll(protocolId: string | null, most: number): LocalDelivery[] {
    const taken = this.#takeFromInbox(
      (waiting) => protocolId === null || waiting.protocolId === protocolId,
      most,
    );
    this.#delivered += taken.length;
    return taken.map(({ protocolId, packet }) => ({
      protocolId,
      payload: packet.payload,
      source: packet.source,
    }));
  }

  /** Whether a handler that takes packets has some to take. */
  get isMoving(): boolean {
    return [...this.#handlers.values()].some((handler) => handler.running && !isFailing(handler));
  }

  stats(): {
    readonly handlers: number;
    readonly inbox: number;
    readonly delivered: number;
    readonly failures: number;
  } {
    return {
      handlers: this.#handlers.size,
      inbox: this.#inbox.length,
      delivered: this.#delivered,
      failures: this.#failures,
    };
  }

  #keep(waiting: Waiting): Reason {
    const bytes = waiting.bytes.length;
    const isFull =
      this.#inbox.length >= LIMITS.INBOX_PACKETS || this.#inboxBytes + bytes > LIMITS.INBOX_BYTES;
    if (isFull) return Reason.InboxFull;
    this.#inbox.push(waiting);
    this.#inboxBytes += bytes;
    return Reason.Accepted;
  }

  #isRoomFor(handler: Handler, { bytes }: Waiting): boolean {
    return (
      handler.queue.length < LIMITS.HANDLER_QUEUE &&
      handler.queuedBytes + bytes.length <= LIMITS.HANDLER_QUEUE_BYTES &&
      this.#queuedBytes + bytes.length <= LIMITS.HANDLER_QUEUES_BYTES
    );
  }

  #enqueue(handler: Handler, waiting: Waiting): void {
    handler.queue.push(waiting);
    handler.queuedBytes += waiting.bytes.length;
    this.#queuedBytes += waiting.bytes.length;
  }

  #dequeue(handler: Handler): void {
    const bytes = handler.queue.shift()?.bytes.length ?? 0;
    handler.queuedBytes -= bytes;
    this.#queuedBytes -= bytes;
  }

  #takeFromInbox(matches: (waiting: Waiting) => boolean, most: number): Waiting[] {
    const taken: Waiting[] = [];
    const left: Waiting[] = [];
    for (const waiting of this.#inbox) (taken.length < most && matches(waiting) ? taken : left).push(waiting);
    if (taken.length === 0) return taken;
    this.#inbox = left;
    for (const waiting of taken) this.#inboxBytes -= waiting.bytes.length;
    return taken;
  }

  #retire(handler: Handler): void {
    handler.isGone = true;
    this.#run(handler);
  }

  #run(handler: Handler): void {
    if (handler.running) return;
    handler.running = true;
    void this.#drain(handler);
  }

  /** One packet at a time, in order. */
  async #drain(handler: Handler): Promise<void> {
    for (let next = handler.queue[0]; next !== undefined; next = handler.queue[0]) {
      if (!handler.isGone && (await this.#isTaken(handler, next))) {
        this.#delivered += 1;
        this.#dequeue(handler);
        continue;
      }
      // Of a handler that fails all the time each further packet costs one try.
      const isGivenUp = next.tries >= LIMITS.HANDLER_TRIES || handler.failedInARow > LIMITS.HANDLER_TRIES;
      const isKept = (handler.isGone || isGivenUp) && this.#keep(next) === Reason.Accepted;
      if (isKept) this.#dequeue(handler);
      if (!isKept || !handler.isGone) await this.#pause(handler.failedInARow);
    }
    handler.running = false;
  }

  async #isTaken(handler: Handler, waiting: Waiting): Promise<boolean> {
    const { moduleId, method } = handler;
    try {
      await this.#call(moduleId, method, waiting.bytes, waiting.peerAddress);
      handler.failedInARow = 0;
      return true;
    } catch (error) {
      waiting.tries += 1;
      handler.failedInARow += 1;
      this.#failures += 1;
      const facts = { protocolId: waiting.protocolId, moduleId, method, error: errorText(error) };
      this.#log.log('warn', 'a protocol handler did not take a packet', facts);
      return false;
    }
  }

  #pause(failures: number): Promise<void> {
    const wait = Math.min(
      LIMITS.RESEND_MIN_MILLIS * 2 ** Math.min(failures, 10),
      LIMITS.HANDLER_PAUSE_MILLIS,
    );
    return new Promise((resolve) => {
      this.#clock.after(wait, resolve);
    });
  }
}

/** Whether a handler takes nothing any more, as far as its last calls tell. */
function isFailing(handler: Handler): boolean {
  return handler.failedInARow >= LIMITS.HANDLER_TRIES;
}

function newHandler(moduleId: string, method: string): Handler {
  return { moduleId, method, isGone: false, failedInARow: 0, queue: [], queuedBytes: 0, running: false };
}
