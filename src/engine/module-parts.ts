/** What MeshModule is made of that needs nothing of it: settings of its parts, the routing table, greetings. Main thread. */
import { errorText } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { Clock, Log } from '../core/ports.js';
import type { MeshConfig } from '../config/config.js';
import { peerEntry } from '../config/kinds.js';
import type { ModuleIntegration } from '../node/module-integration.js';
import { encodeRequest } from '../packet/module-api.js';
import type { NetworkGroups } from '../routing/network-group.js';
import type { Entities } from '../routing/entities.js';
import { RoutingTable } from '../routing/table.js';
import type { RoutingSettings } from '../routing/table-types.js';
import { DeliveryDesk } from './delivery.js';
import type { MeshModule } from './module.js';
import type { MeshModuleOptions } from './foundations.js';
import type { PeerBook, PeerSettings } from './peers.js';

/** Of the requests to the node, the part that questions about payments may take: the rest sends packets. */
const QUESTIONS_SHARE = 4;

export function questionsPerSecond({ nodeRequestsPerSecond }: MeshConfig): number {
  return Math.max(1, nodeRequestsPerSecond / QUESTIONS_SHARE);
}

export function peerSettings(config: MeshConfig): PeerSettings {
  return {
    maxPeers: config.maxPeers,
    staticPeers: new Set(config.peers.map((text) => peerEntry(text)?.address ?? text)),
    packetsPerMinute: config.rateLimitPerMinute,
    freePacketsPerMinute: config.freePacketsPerMinute,
    freeBytesPerMinute: config.freeBytesPerMinute,
    helloIntervalMillis: config.helloIntervalSeconds * 1_000,
  };
}

function routingSettings(config: MeshConfig): RoutingSettings {
  const { fees, routeExpirySeconds, maxEntityShare, concentration } = config;
  return { fees, routeExpirySeconds, monopoly: { maxEntityShare, concentration } };
}

/** The payees that the operator vouches for: nodes of one payee are one entity. */
function vouchForPayees(entities: Entities, before: MeshConfig['payees'], now: MeshConfig['payees']): void {
  const kept = new Set(now.map(([node]) => node));
  for (const [node] of before) if (!kept.has(node)) entities.setPayee(node, null);
  for (const [node, payee] of now) entities.setPayee(node, payee);
}

export function routingTableOf(
  self: NodeId,
  { config, clock, random }: Pick<MeshModuleOptions, 'config' | 'clock' | 'random'>,
  groups: NetworkGroups,
): RoutingTable {
  const table = new RoutingTable({ self, clock, random, ...routingSettings(config), groups });
  vouchForPayees(table.entities, [], config.payees);
  return table;
}

/** Tells the parts of a mesh that its configuration has changed. */
export function configureParts(
  mesh: Pick<MeshModule, 'config' | 'table' | 'peers' | 'debts' | 'settlements'>,
  integration: Pick<ModuleIntegration, 'setRequestRate'>,
  before: MeshConfig,
): void {
  const { config, table, peers, debts, settlements } = mesh;
  vouchForPayees(table.entities, before.payees, config.payees);
  table.configure(routingSettings(config));
  peers.configure(peerSettings(config));
  debts.setCap(config.maxUnsettledMsat);
  settlements.setRate(questionsPerSecond(config));
  integration.setRequestRate(config.nodeRequestsPerSecond);
}

/** Hands packets to the modules that take them. */
export function deliveryDeskOf(integration: ModuleIntegration, clock: Clock, log: Log): DeliveryDesk {
  return new DeliveryDesk(
    async (moduleId, method, packet, peerAddress) => {
      const request = encodeRequest('handle_mesh_packet', [packet, peerAddress]);
      await integration.callModule(moduleId, method, request);
    },
    clock,
    log,
  );
}

/** Says hello to every peer that the node has. Never rejects. */
export async function greetPeersOf(
  integration: Pick<ModuleIntegration, 'nodeApi'>,
  peerBook: Pick<PeerBook, 'reconcile'>,
  log: Log,
): Promise<void> {
  try {
    const peers = await integration.nodeApi().getNetworkPeers();
    peerBook.reconcile(peers.map(({ addr }) => addr));
  } catch (error) {
    log.log('warn', 'the node did not tell its peers; they are greeted as they connect', {
      error: errorText(error),
    });
  }
}
