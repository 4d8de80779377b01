/**
 * The parts that carry packets, joined: who asks whom, and who tells whom of what. What they stand on is given (disk,
 * judge, links, the node), so that a whole engine runs on a virtual clock and links in memory as it does on a node.
 *
 * Rules: architecture.md (one packet's way). Main thread.
 */
import type { Clock, Logs, PeerLink, Random } from '../core/ports.js';
import type { FeeSchedule, JudgePolicy } from '../core/policy.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { randomU64 } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import type { Ledger } from '../ledger/ledger.js';
import type { Counters } from '../metrics/counters.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import { helloPacket, withDiscoveryPacket, type ControlHeader } from '../packet/control.js';
import { encodePacket } from '../packet/packet.js';
import type { RoutingPolicyEngine } from '../packet/policy.js';
import type { PacketJudge } from '../pool/judge-port.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import { RouteDiscovery } from '../routing/discovery.js';
import type { Route, RoutingTable } from '../routing/table.js';
import type { Journal } from '../store/journal.js';
import { Accounts } from './accounts.js';
import type { Debts } from './debts.js';
import type { DeliveryDesk } from './delivery.js';
import { MeshManager, type MeshManagerParts } from './mesh-manager.js';
import { Outbound } from './outbound.js';
import { PeerBook, type PeerBookOptions, type PeerSettings } from './peers.js';
import type { EventPublisher } from './publisher.js';
import { Settlements, type SettlementNode } from './settlements.js';

/** What the parts stand on. */
export interface Ground {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly logs: Logs;
  readonly counters: Counters;
  readonly recorder: FlightRecorder;
  readonly judge: PacketJudge;
  readonly replay: ReplayPrevention;
  readonly ledger: Ledger;
  readonly debts: Debts;
  readonly journal: Pick<Journal, 'append' | 'hasRoom'>;
  readonly table: RoutingTable;
  readonly delivery: DeliveryDesk;
  readonly node: SettlementNode;
  readonly questionsPerSecond: number;
  readonly peerSettings: PeerSettings;
  /** Of control packets: see `controlHeaders`. */
  readonly header: () => ControlHeader;
  readonly link: PeerLink;
  /** Sends a control packet, lent for the call, of which nobody waits for the end. */
  readonly sendControl: (address: string, packet: Uint8Array) => void;
  readonly challenge: PeerBookOptions['challenge'];
  readonly onSignedHello: MeshManagerParts['onSignedHello'];
  /** A neighbour is gone for good: for what the links know of it. */
  readonly onNeighbourLost: (nodeId: NodeId, address: string) => void;
  /** A search found its first route. */
  readonly onRouteFound: (route: Route, tookMillis: number) => void;
  readonly publisher: Pick<EventPublisher, 'routeFailed' | 'paymentVerified'>;
  /** In force, all four. */
  readonly judgePolicy: () => JudgePolicy;
  readonly routingPolicy: () => RoutingPolicyEngine;
  readonly fees: () => FeeSchedule;
  readonly packetTtlSeconds: () => number;
}

export interface Joined {
  readonly discovery: RouteDiscovery;
  readonly peers: PeerBook;
  readonly accounts: Accounts;
  readonly settlements: Settlements;
  readonly manager: MeshManager;
  readonly outbound: Outbound;
}

/** Numbers the control packets of one run, from a random start. */
export function controlHeaders({
  self,
  clock,
  random,
}: Pick<Ground, 'self' | 'clock' | 'random'>): () => ControlHeader {
  let sequence = randomU64(random) >> 1n;
  return () => ({ self, sequence: ++sequence, nowSeconds: clock.unixSeconds() });
}

/** Makes the parts; none of them does anything of its own accord before it is started. */
export function joinParts(ground: Ground): Joined {
  const { self, clock, random, logs, counters, table, journal, publisher, header, sendControl } = ground;
  const log = logs('peers');
  const discovery = new RouteDiscovery({
    self,
    table,
    clock,
    random,
    transmit: (peer, message) => {
      const address = table.addressOf(peer);
      if (address === null) return;
      withDiscoveryPacket(header(), peer, message, (packet) => {
        sendControl(address, packet);
      });
    },
    onRouteFound: (route, tookMillis) => {
      counters.count('routes_discovered');
      manager.routesChanged();
      ground.onRouteFound(route, tookMillis);
    },
    onRouteFailed: (destination, reason) => {
      counters.count('routes_not_found');
      publisher.routeFailed(destination, reason);
    },
  });
  const peers = new PeerBook({
    self,
    clock,
    random,
    ...ground.peerSettings,
    sendHello: (address) => {
      sendControl(address, encodePacket(helloPacket(header(), peers.at(address)?.nodeId ?? null)));
    },
    challenge: ground.challenge,
    onJoined: (nodeId, address) => {
      const reason = table.addDirectPeer(nodeId, address);
      if (reason === Reason.Accepted) {
        log.log('info', 'a peer joined', { nodeId: nodeKey(nodeId), address });
        manager.routesChanged();
      }
      return reason;
    },
    onMoved: (nodeId, address) => {
      log.log('info', 'a peer is reached another way', { nodeId: nodeKey(nodeId), address });
      table.moveDirectPeer(nodeId, address);
    },
    onLost: (nodeId, address) => {
      log.log('info', 'a peer was lost', { nodeId: nodeKey(nodeId), address });
      ground.onNeighbourLost(nodeId, address);
      table.removeDirectPeer(nodeId);
      discovery.announceLoss(nodeId);
      manager.neighbourLost(nodeId);
    },
    onReturned: (nodeId) => {
      log.log('info', 'a peer was restarted', { nodeId: nodeKey(nodeId) });
      manager.neighbourLost(nodeId);
    },
  });
  const accounts = new Accounts({
    self,
    clock,
    random,
    ledger: ground.ledger,
    append: (records) => journal.append(records),
    hasRoom: (payloadBytes) => journal.hasRoom(payloadBytes),
    debts: ground.debts,
    routerWeights: (routers) => table.chooser.feeWeights(routers),
  });
  const settlements = new Settlements({
    node: ground.node,
    clock,
    log: logs('payments'),
    counters,
    policy: ground.judgePolicy(),
    questionsPerSecond: ground.questionsPerSecond,
  });
  const { fees, packetTtlSeconds } = ground;
  const manager = new MeshManager({
    self,
    clock,
    random,
    log: logs('packets'),
    counters,
    recorder: ground.recorder,
    judge: ground.judge,
    peers,
    table,
    discovery,
    accounts,
    replay: ground.replay,
    settlements,
    delivery: ground.delivery,
    link: ground.link,
    onSignedHello: ground.onSignedHello,
    fees,
    packetTtlSeconds,
    publisher,
  });
  const policy = ground.routingPolicy;
  const outbound = new Outbound({ self, clock, table, discovery, manager, policy, packetTtlSeconds });
  return { discovery, peers, accounts, settlements, manager, outbound };
}
