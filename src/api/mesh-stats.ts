/** What the mesh counts, as the module API reports it. Rules: wire.md, MeshStats. */
import type { MeshMode } from '../core/policy.js';
import type { MeshModule } from '../engine/module.js';
import type { MeshStats, ReportedMode } from '../packet/module-api.js';

const REPORTED: { readonly [M in MeshMode]: ReportedMode } = {
  bitcoin_only: 'BitcoinOnly',
  payment_gated: 'PaymentGated',
  open: 'Open',
};

export function meshStats(mesh: MeshModule): MeshStats {
  const routing = mesh.table.stats();
  const replay = mesh.replay.stats();
  return {
    enabled: mesh.config.enabled,
    mode: REPORTED[mesh.config.mode],
    routing: {
      totalRoutes: BigInt(routing.totalRoutes),
      directPeers: BigInt(routing.directPeers),
      cachedRoutes: BigInt(routing.cachedRoutes),
      routeExpirySeconds: BigInt(routing.routeExpirySeconds),
    },
    replay: {
      activeHashes: BigInt(replay.activeHashes),
      trackedPeers: BigInt(replay.trackedPeers),
      expirySeconds: BigInt(replay.expirySeconds),
    },
  };
}
