/** Parts of MeshModule that need nothing of it: its routing table, and the greeting of the node's peers. Main thread. */
import { errorText } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { Log } from '../core/ports.js';
import type { ModuleIntegration } from '../node/module-integration.js';
import type { NetworkGroups } from '../routing/network-group.js';
import { RoutingTable } from '../routing/table.js';
import type { MeshModuleOptions } from './foundations.js';
import type { PeerBook } from './peers.js';

export function routingTableOf(
  self: NodeId,
  { config, clock, random }: Pick<MeshModuleOptions, 'config' | 'clock' | 'random'>,
  groups: NetworkGroups,
): RoutingTable {
  return new RoutingTable({
    self,
    clock,
    random,
    routeExpirySeconds: config.routeExpirySeconds,
    fees: config.fees,
    monopoly: { maxEntityShare: config.maxEntityShare, concentration: config.concentration },
    groups,
  });
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
