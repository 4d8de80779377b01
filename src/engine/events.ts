/**
 * What the node's events do to the mesh.
 *
 * Rules: api.md (events subscribed). Only events with an effect are subscribed to; the node drops what a module
 * does not read fast enough (node-ipc.md, 8), so packets are taken off the stream at once and judged side by
 * side, up to a bound. Main thread only.
 */
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import { Reason, reasonName } from '../core/reasons.js';
import type { NodeEvent } from '../node/messages.js';
import type { MeshManager } from './mesh-manager.js';
import type { PeerBook } from './peers.js';
import type { IssuedInvoices } from './registry.js';
import type { Settlements } from './settlements.js';

/** The events that have an effect; all of them exist in every generation of the node. */
export const SUBSCRIBED_EVENTS = [
  'MeshPacketReceived',
  'PeerConnected',
  'PeerDisconnected',
  'PeerBanned',
  'NewBlock',
  'BlockDisconnected',
  'ChainReorg',
  'PaymentRequestCreated',
  'PaymentVerified',
  'NodeShutdown',
] as const;

export interface EventParts {
  readonly manager: MeshManager;
  readonly peers: PeerBook;
  readonly settlements: Settlements;
  readonly invoices: Pick<IssuedInvoices, 'created' | 'settled'>;
  readonly log: Log;
  /** The node is going down. */
  readonly onNodeShutdown: () => void;
}

/** Handles events until the stream ends. */
export async function followEvents(events: AsyncIterable<NodeEvent>, parts: EventParts): Promise<void> {
  const inFlight = new InFlight(LIMITS.PACKETS_QUEUED);
  for await (const event of events) {
    if (event.name !== 'MeshPacketReceived') {
      handleEvent(event, parts);
      continue;
    }
    const { packet_data: packetBytes, peer_addr: peerAddress } = event.value;
    // Past the bound the stream waits, and the node's socket behind it.
    if (inFlight.isFull) await inFlight.oneDone();
    inFlight.add(parts.manager.handlePacket(packetBytes, peerAddress));
  }
}

function handleEvent(event: NodeEvent, parts: EventParts): void {
  const { peers, settlements, invoices, log, onNodeShutdown } = parts;
  switch (event.name) {
    case 'PeerConnected': {
      const reason = peers.connected(event.value.peer_addr);
      if (reason !== Reason.Accepted) {
        log.log('warn', 'a peer was not taken in', {
          address: event.value.peer_addr,
          reason: reasonName(reason),
        });
      }
      break;
    }
    case 'PeerDisconnected':
    case 'PeerBanned':
      peers.disconnected(event.value.peer_addr);
      break;
    case 'NewBlock':
      settlements.blockConnected();
      break;
    case 'BlockDisconnected':
    case 'ChainReorg':
      settlements.chainChanged();
      break;
    case 'PaymentRequestCreated':
      if (event.value.invoice !== null) invoices.created(event.value.invoice);
      break;
    case 'PaymentVerified':
      invoices.settled(event.value.invoice, event.value.amount_msats);
      break;
    case 'NodeShutdown':
      log.log('info', 'the node is shutting down', { reason: event.value.reason });
      onNodeShutdown();
      break;
    default:
      // Events that others' subscriptions bring along have no effect here.
      break;
  }
}

/** Counts work under way, up to a bound. */
class InFlight {
  readonly #most: number;
  #count = 0;
  #wake: (() => void) | null = null;

  constructor(most: number) {
    this.#most = most;
  }

  get isFull(): boolean {
    return this.#count >= this.#most;
  }

  add(work: Promise<unknown>): void {
    this.#count += 1;
    void work.finally(() => {
      this.#count -= 1;
      this.#wake?.();
      this.#wake = null;
    });
  }

  oneDone(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
