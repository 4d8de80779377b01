/**
 * What the node's events do to the mesh.
 *
 * Rules: api.md (events subscribed), event-table.ts (each event and its effect). The node drops what a module does not
 * read fast enough (node-ipc.md, 8), so packets are taken off the stream at once and judged side by side, up to a
 * bound. Main thread only.
 */
import { LIMITS } from '../core/limits.js';
import type { Log } from '../core/ports.js';
import { Reason, reasonName } from '../core/reasons.js';
import type { NodeEvent } from '../node/messages.js';
import type { DeliveryDesk } from './delivery.js';
import type { MeshManager } from './mesh-manager.js';
import type { PeerBook } from './peers.js';
import type { IssuedInvoices } from './registry.js';
import type { Settlements } from './settlements.js';

export interface EventParts {
  readonly manager: Pick<MeshManager, 'handlePacket'>;
  readonly peers: PeerBook;
  readonly settlements: Settlements;
  readonly invoices: Pick<IssuedInvoices, 'created' | 'settled'>;
  readonly delivery: Pick<DeliveryDesk, 'moduleGone'>;
  readonly log: Log;
  /** The node is going down. */
  readonly onNodeShutdown: () => void;
  /** The node may have other peers than this module knows of. */
  readonly greetPeers: () => unknown;
  /** The configuration may have changed. */
  readonly reload: () => unknown;
  /** Now is the time to tidy up what is on the disk. */
  readonly maintain: () => unknown;
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
  const { peers, settlements, invoices, delivery, log } = parts;
  switch (event.name) {
    case 'PeerConnected': {
      const { peer_addr: address } = event.value;
      const reason = peers.connected(address);
      if (reason === Reason.Accepted) break;
      log.log('warn', 'a peer was not taken in', { address, reason: reasonName(reason) });
      break;
    }
    case 'PeerBanned':
      log.log('warn', 'the node banned a peer', { address: event.value.peer_addr });
      peers.disconnected(event.value.peer_addr);
      break;
    case 'PeerDisconnected':
      peers.disconnected(event.value.peer_addr);
      break;
    case 'NetworkPartition':
      for (const address of event.value.disconnected_peers) peers.disconnected(address);
      break;
    case 'NetworkReconnected':
    case 'NodeStartupCompleted':
      parts.greetPeers();
      break;
    case 'DoSAttackDetected':
    case 'RateLimitExceeded':
      log.log('warn', 'the node says that a peer floods it', {
        address: event.value.peer_addr,
        event: event.name,
      });
      peers.restrain(event.value.peer_addr);
      break;
    case 'NewBlock':
    case 'MempoolTransactionRemoved':
      settlements.outputsChanged();
      break;
    case 'BlockDisconnected':
    case 'ChainReorg':
    case 'MempoolCleared':
    case 'PaymentSettled':
    case 'PaymentFailed':
      settlements.chainChanged();
      break;
    case 'PaymentRequestCreated':
      if (event.value.invoice !== null) invoices.created(event.value.invoice);
      break;
    case 'PaymentVerified':
      invoices.settled(event.value.invoice, event.value.amount_msats);
      break;
    case 'ModuleUnloaded':
    case 'ModuleStopped':
    case 'ModuleCrashed':
    case 'ModuleRemoved':
      delivery.moduleGone(event.value.module_name);
      break;
    case 'ConfigLoaded':
      parts.reload();
      break;
    case 'DataMaintenance':
      parts.maintain();
      break;
    case 'DiskSpaceLow':
      log.log('warn', 'the disk is filling up: without room for the journal paid packets are refused', {
        path: event.value.disk_path,
        availableBytes: event.value.available_bytes,
      });
      break;
    case 'ResourceLimitWarning':
      log.log('warn', 'the node is short of something', {
        resource: event.value.resource_type,
        usagePercent: event.value.usage_percent,
      });
      break;
    case 'NodeShutdown':
      log.log('info', 'the node is shutting down', { reason: event.value.reason });
      parts.onNodeShutdown();
      break;
    default:
      // The table says why it has no effect.
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
