/**
 * Receiving for a module beside the mesh: packets of a protocol by async iterator.
 *
 * Rules: wire.md (register_protocol_handler; the mesh calls the handler's method with packet bytes and peer address,
 * and keeps for polling what a handler does not take). The mesh calls again where our answer came too late: the packets
 * given last are known by their id, and are answered as taken without being given twice.
 * A mesh that was restarted has forgotten its handlers, so each is registered again now and then: what was kept
 * meanwhile comes with that. Runs on the thread that owns the ModuleIntegration.
 */
import { LRUCache } from 'lru-cache';
import { toHex } from '../core/bytes.js';
import { MeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Timer } from '../core/ports.js';
import type { InvocationHandler, InvocationOutcome } from '../node/module-integration.js';
import type { Invocation } from '../node/messages.js';
import { decode } from '../core/codec.js';
import { packetFromPeer } from '../packet/module-api.js';
import { decodePacket, packetId } from '../packet/packet.js';

/** The method that the mesh calls, for all protocols alike. */
export const HANDLER_METHOD = 'on_mesh_packet';

const API_VERSION = 1;
const ACCEPTED: InvocationOutcome = {
  success: true,
  payload: { name: 'ModuleApi', value: new Uint8Array([1]) },
};

export interface ReceivedPacket {
  readonly protocolId: string;
  readonly payload: Uint8Array;
  /** Who sent it, as its payment or its free quota was judged by; nothing signs it. */
  readonly source: NodeId;
}

/** What a module offers to others beside receiving packets. */
export interface OwnApi {
  readonly methods: readonly string[];
  /** Answers what is not a packet of the mesh. */
  readonly handler: InvocationHandler;
}

export interface ReceiverParts {
  /** Those of the module's integration with its node. */
  readonly onInvocation: (handler: InvocationHandler) => void;
  readonly registerModuleApi: (methods: readonly string[], apiVersion: number) => Promise<void>;
  readonly clock: Clock;
  readonly ownApi: OwnApi | null;
  readonly register: (protocolId: string, handlerMethod: string) => Promise<boolean>;
}

export class Receiver {
  readonly #parts: ReceiverParts;
  readonly #inboxes = new Map<string, Inbox>();
  /** Ids of packets that were given, in hex. */
  readonly #given = new LRUCache<string, true>({ max: LIMITS.RECEIVED_REMEMBERED });
  #isOffered: Promise<void> | null = null;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** @throws MeshError where the node does not let this module offer methods, or does not answer */
  async open(protocolId: string): Promise<AsyncIterableIterator<ReceivedPacket, undefined>> {
    this.#isOffered ??= this.#offer();
    await this.#isOffered;
    const inbox = new Inbox(() => {
      if (this.#inboxes.get(protocolId) === inbox) this.#inboxes.delete(protocolId);
    });
    this.#inboxes.get(protocolId)?.end();
    this.#inboxes.set(protocolId, inbox);
    const keep = async (): Promise<void> => {
      if (inbox.isEnded) return;
      await this.#renew(protocolId);
      inbox.timer = this.#parts.clock.after(LIMITS.HANDLER_RENEW_MILLIS, () => void keep());
    };
    await keep();
    return inbox;
  }

  async #offer(): Promise<void> {
    const { onInvocation, registerModuleApi, ownApi } = this.#parts;
    onInvocation((invocation) => this.#answer(invocation));
    await registerModuleApi([HANDLER_METHOD, ...(ownApi?.methods ?? [])], API_VERSION);
  }

  /** Where the mesh is away, it is asked again later. */
  async #renew(protocolId: string): Promise<void> {
    try {
      await this.#parts.register(protocolId, HANDLER_METHOD);
    } catch (error) {
      if (!(error instanceof MeshError)) throw error;
    }
  }

  #answer(invocation: Invocation): InvocationOutcome | Promise<InvocationOutcome> {
    const isPacket = invocation.name === 'ModuleApi' && invocation.value.method === HANDLER_METHOD;
    if (!isPacket) {
      const { ownApi } = this.#parts;
      return ownApi === null ? refused('this module has no such method') : ownApi.handler(invocation);
    }
    const call = decode(packetFromPeer, invocation.value.params);
    if (!call.ok) return refused(call.failure.detail);
    const decoded = decodePacket(call.value[0]);
    if (!decoded.ok) return refused(decoded.failure.detail);
    const { payload, source, metadata } = decoded.value.packet;
    const protocolId = metadata?.protocol ?? '';
    const inbox = this.#inboxes.get(protocolId);
    if (inbox === undefined) return refused(`nobody receives ${protocolId} here`);
    const id = toHex(packetId(call.value[0]));
    if (this.#given.has(id)) return ACCEPTED;
    if (inbox.room === 0) return refused('too many packets wait to be read');
    this.#given.set(id, true);
    inbox.push({ protocolId, payload: payload.slice(), source });
    return ACCEPTED;
  }
}

/** What one reader has not read yet: bounded, in order. */
class Inbox implements AsyncIterableIterator<ReceivedPacket, undefined> {
  timer: Timer | null = null;
  readonly #onEnd: () => void;
  #waiting: ReceivedPacket[] = [];
  #wake: ((result: IteratorResult<ReceivedPacket, undefined>) => void) | null = null;
  #isEnded = false;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Packets that still fit. */
  get room(): number {
    return this.#isEnded ? 0 : Math.max(0, LIMITS.HANDLER_QUEUE - this.#waiting.length);
  }

  push(packet: ReceivedPacket): void {
    const wake = this.#wake;
    this.#wake = null;
    if (wake === null) this.#waiting.push(packet);
    else wake({ done: false, value: packet });
  }

  next(): Promise<IteratorResult<ReceivedPacket, undefined>> {
    const value = this.#waiting.shift();
    if (value !== undefined) return Promise.resolve({ done: false, value });
    if (this.#isEnded) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  return(): Promise<IteratorResult<ReceivedPacket, undefined>> {
    this.end();
    this.#waiting = [];
    return Promise.resolve({ done: true, value: undefined });
  }

  /** No more packets are taken; those that wait can still be read. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.timer?.cancel();
    this.#wake?.({ done: true, value: undefined });
    this.#wake = null;
    this.#onEnd();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function refused(error: string): InvocationOutcome {
  return { success: false, error };
}
