/**
 * Requests to the node: any number under way, each with a deadline, matched to its answer by correlation id.
 *
 * Rules: node-ipc.md, 5 to 7 and Consequences. A request waits in line until the pace allows it, the socket takes
 * it, and nothing under suspicion of being refused is under way. A lost connection rejects what was sent: nobody
 * knows whether the node has done it. What was not sent waits for the next connection, up to its deadline. Main
 * thread.
 */
import type { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';
import { IpcCodec } from './ipc-codec.js';
import type { RequestPayload, ResponseMessage, ResponsePayload } from './messages.js';
import { RequestPace } from './pace.js';
import type { Refusals } from './refusals.js';
import {
  connectionLost,
  failedRequest,
  missingRequest,
  notConnected,
  oversized,
  queueFull,
  refusedRequest,
  shuttingDown,
  timedOut,
  unreadableAnswer,
} from './request-errors.js';
import { HANDSHAKE_CORRELATION_ID } from './session.js';

/** What the desk needs of a connection. */
export interface RequestCarrier {
  readonly codec: IpcCodec;
  readonly nodeVersion: string;
  /** Whether the node has not yet read what was written. */
  readonly isBlocked: boolean;
  sendFrame(frame: Uint8Array): void;
}

export interface RequestOptions {
  /** From the call, waiting in line included. */
  readonly timeoutMillis?: number;
  /** For what a connection needs first: goes before others, and is rejected when the connection is lost. */
  readonly isUrgent?: boolean;
}

export interface RequestStats {
  /** Requests that wait for their turn, and for their answer. */
  readonly waiting: number;
  readonly inFlight: number;
  readonly sent: number;
  readonly answered: number;
  readonly timedOut: number;
  /** Answers to requests that were not asked, were answered already, or had been given up. */
  readonly unasked: number;
}

interface Entry {
  readonly name: string;
  readonly payload: RequestPayload;
  readonly correlationId: bigint;
  /** Of the generation that the codec writes. */
  frame: Uint8Array;
  codec: IpcCodec;
  readonly isUrgent: boolean;
  readonly resolve: (payload: ResponsePayload) => void;
  readonly reject: (error: MeshError) => void;
  timer: Timer | null;
}

export class RequestDesk {
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  readonly #pace: RequestPace;
  #carrier: RequestCarrier | null = null;
  /** Of the last connection, and that node's version. */
  #codec = IpcCodec.newest();
  #nodeVersion = '';
  /** Why nothing is sent any more, or null. */
  #over: MeshError | null = null;
  /** Whether requests that are not urgent may go. */
  #isOpen = false;
  /** In order of their asking; urgent ones first. */
  readonly #urgent = new Set<Entry>();
  readonly #waiting = new Set<Entry>();
  #waitingBytes = 0;
  readonly #inFlight = new Map<bigint, Entry>();
  #lastCorrelationId = HANDSHAKE_CORRELATION_ID;
  #paceTimer: Timer | null = null;
  #sent = 0;
  #answered = 0;
  #timedOut = 0;
  #unasked = 0;

  constructor(options: {
    readonly clock: Clock;
    readonly requestsPerSecond: number;
    readonly refusals: Refusals;
  }) {
    this.#clock = options.clock;
    this.#refusals = options.refusals;
    this.#pace = new RequestPace(options.requestsPerSecond, options.clock.monotonicMillis());
  }

  get stats(): RequestStats {
    return {
      waiting: this.#urgent.size + this.#waiting.size,
      inFlight: this.#inFlight.size,
      sent: this.#sent,
      answered: this.#answered,
      timedOut: this.#timedOut,
      unasked: this.#unasked,
    };
  }

  /**
   * Asks the node.
   * @throws MeshError NODE_CONNECTION_LOST, NODE_REQUEST_REFUSED, NODE_REQUEST_TIMEOUT, NODE_QUEUE_FULL,
   *   NODE_PROTOCOL, SHUTTING_DOWN (as a rejection)
   */
  submit(payload: RequestPayload, options: RequestOptions = {}): Promise<ResponsePayload> {
    const { name } = payload;
    const isUrgent = options.isUrgent ?? false;
    const refused = this.#refuse(payload, isUrgent);
    if (refused !== null) return Promise.reject(refused);
    const correlationId = ++this.#lastCorrelationId;
    const frame = encodeRequest(this.#codec, correlationId, payload);
    const tooLarge = this.#refuseFrame(name, frame.length);
    if (tooLarge !== null) return Promise.reject(tooLarge);

    return new Promise((resolve, reject) => {
      const codec = this.#codec;
      const entry: Entry = {
        name,
        payload,
        correlationId,
        frame,
        codec,
        isUrgent,
        resolve,
        reject,
        timer: null,
      };
      const millis = options.timeoutMillis ?? LIMITS.NODE_REQUEST_MILLIS;
      entry.timer = this.#clock.after(millis, () => {
        this.#onTimeout(entry, millis);
      });
      (isUrgent ? this.#urgent : this.#waiting).add(entry);
      this.#waitingBytes += frame.length;
      this.pump();
    });
  }

  /** Another rate from now on. */
  setRate(requestsPerSecond: number): void {
    this.#pace.change(requestsPerSecond, this.#clock.monotonicMillis());
    this.pump();
  }

  /** Whether there is a connection. */
  get isAttached(): boolean {
    return this.#carrier !== null;
  }

  /** Whether the node of the last connection has the event. */
  hasEvent(name: string): boolean {
    return this.#codec.hasEvent(name);
  }

  /** A connection shook hands: urgent requests may go. */
  attach(carrier: RequestCarrier): void {
    this.#carrier = carrier;
    this.#codec = carrier.codec;
    this.#nodeVersion = carrier.nodeVersion;
    this.#isOpen = false;
    this.pump();
  }

  /** The connection has what it needs first: all requests may go. */
  open(): void {
    this.#isOpen = true;
    this.pump();
  }

  /**
   * The connection is gone: rejects what was sent, and what was for this connection alone.
   * @param byNode whether the node closed it, which is how it refuses
   * @returns the kind of request that counts as refused from now on, or null
   */
  detach(why: string, byNode: boolean): string | null {
    this.#carrier = null;
    this.#isOpen = false;
    this.#paceTimer?.cancel();
    this.#paceTimer = null;
    const sent = [...this.#inFlight.values()];
    const refused = byNode ? this.#refusals.nodeClosed(sent.map(({ name }) => name)) : null;
    const now = this.#clock.monotonicMillis();
    for (const _ of sent) this.#pace.answered(now);
    this.#inFlight.clear();
    for (const entry of sent) settle(entry, connectionLost(entry.name, why, true));
    for (const entry of [...this.#urgent]) this.#drop(entry, connectionLost(entry.name, why, false));
    return refused;
  }

  /** No connection will come any more: rejects everything, also what is asked later. */
  end(): void {
    this.detach('closed by this module', false);
    this.#over = shuttingDown();
    for (const entry of [...this.#waiting]) this.#drop(entry, this.#over);
  }

  onResponse(response: ResponseMessage): void {
    const entry = this.#takeInFlight(response.correlation_id);
    if (entry === null) return;
    this.#refusals.answered(entry.name);
    entry.timer?.cancel();
    if (response.success && response.payload !== null) {
      this.#answered++;
      entry.resolve(response.payload);
    } else {
      settle(entry, failedRequest(entry.name, response));
    }
    this.pump();
  }

  /** An answer came whose content this module cannot read. */
  onUnreadable(correlationId: bigint): void {
    const entry = this.#takeInFlight(correlationId);
    if (entry === null) return;
    this.#refusals.answered(entry.name);
    settle(entry, unreadableAnswer(entry.name));
    this.pump();
  }

  /** Sends what may go now. */
  pump(): void {
    for (;;) {
      const carrier = this.#carrier;
      const [next] = this.#urgent.size > 0 || !this.#isOpen ? this.#urgent : this.#waiting;
      if (carrier === null || next === undefined || carrier.isBlocked || this.#mustStayAlone(next)) return;
      if (!this.#isStillGood(next, carrier)) continue;
      const now = this.#clock.monotonicMillis();
      const wait = this.#pace.waitMillis(now);
      if (wait > 0) {
        this.#pumpAfter(wait);
        return;
      }
      this.#pace.sent(now);
      this.#sent++;
      this.#forgetWaiting(next);
      this.#inFlight.set(next.correlationId, next);
      carrier.sendFrame(next.frame);
    }
  }

  /** What has changed since a request was asked: the node may have learnt to refuse it, or be another. */
  #isStillGood(entry: Entry, carrier: RequestCarrier): boolean {
    const refused = this.#refuse(entry.payload, entry.isUrgent);
    if (refused !== null) {
      this.#drop(entry, refused);
      return false;
    }
    if (entry.codec !== carrier.codec) {
      this.#waitingBytes -= entry.frame.length;
      entry.frame = encodeRequest(carrier.codec, entry.correlationId, entry.payload);
      entry.codec = carrier.codec;
      this.#waitingBytes += entry.frame.length;
    }
    return true;
  }

  /** While a suspect is under way nothing joins it, and a suspect joins nothing. */
  #mustStayAlone(next: Entry): boolean {
    if (this.#inFlight.size === 0) return false;
    if (this.#refusals.isSuspect(next.name)) return true;
    const [underWay] = this.#inFlight.values();
    return underWay !== undefined && this.#refusals.isSuspect(underWay.name);
  }

  #pumpAfter(millis: number): void {
    this.#paceTimer?.cancel();
    this.#paceTimer = null;
    // Without an end the next answer pumps.
    if (millis === Infinity) return;
    this.#paceTimer = this.#clock.after(Math.ceil(millis), () => {
      this.#paceTimer = null;
      this.pump();
    });
  }

  #refuse(payload: RequestPayload, isUrgent: boolean): MeshError | null {
    const { name } = payload;
    if (this.#over !== null) return this.#over;
    if (isUrgent && this.#carrier === null) return notConnected(name);
    if (!this.#codec.hasRequest(name)) return missingRequest(name, this.#nodeVersion);
    if (payload.name === 'PublishEvent' && !this.#codec.hasEvent(payload.value.event_type))
      return missingRequest(payload.value.event_type, this.#nodeVersion);
    if (this.#refusals.isRefused(name)) return refusedRequest(name);
    return null;
  }

  #refuseFrame(name: string, bytes: number): MeshError | null {
    if (bytes > LIMITS.NODE_FRAME_BYTES) return oversized(name, bytes);
    const requests = this.#urgent.size + this.#waiting.size + this.#inFlight.size;
    const isFull =
      requests >= LIMITS.NODE_REQUESTS_IN_FLIGHT ||
      this.#waitingBytes + bytes > LIMITS.NODE_REQUEST_BYTES_QUEUED;
    return isFull ? queueFull(name, requests) : null;
  }

  #onTimeout(entry: Entry, millis: number): void {
    const wasSent = this.#inFlight.delete(entry.correlationId);
    if (wasSent) {
      this.#pace.answered(this.#clock.monotonicMillis());
      this.#refusals.cleared(entry.name);
    } else {
      this.#forgetWaiting(entry);
    }
    this.#timedOut++;
    settle(entry, timedOut(entry.name, millis, wasSent));
    this.pump();
  }

  #drop(entry: Entry, error: MeshError): void {
    this.#forgetWaiting(entry);
    settle(entry, error);
  }

  #forgetWaiting(entry: Entry): void {
    if ((entry.isUrgent ? this.#urgent : this.#waiting).delete(entry))
      this.#waitingBytes -= entry.frame.length;
  }

  #takeInFlight(correlationId: bigint): Entry | null {
    const entry = this.#inFlight.get(correlationId);
    if (entry === undefined) {
      this.#unasked++;
      return null;
    }
    this.#inFlight.delete(correlationId);
    this.#pace.answered(this.#clock.monotonicMillis());
    return entry;
  }
}

function encodeRequest(codec: IpcCodec, correlationId: bigint, payload: RequestPayload): Uint8Array {
  return codec.encodeFrame({
    name: 'Request',
    value: { correlation_id: correlationId, request_type: payload.name, payload },
  });
}

function settle(entry: Entry, error: MeshError): void {
  entry.timer?.cancel();
  entry.reject(error);
}
