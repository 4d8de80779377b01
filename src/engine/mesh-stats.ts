/** The statistics of a running mesh as the module API reports them (wire.md, MeshStats). */
import type { MeshMode } from '../core/policy.js';
import type { MeshStats, ReportedMode } from '../packet/module-api.js';
import type { MeshModule } from './module.js';

const REPORTED: { readonly [M in MeshMode]: ReportedMode } = {
  bitcoin_only: 'BitcoinOnly',
  payment_gated: 'PaymentGated',
  open: 'Open',
};

export function meshStats({ table, replay: used, config }: MeshModule): MeshStats {
  const routing = table.stats();
  const replay = used.stats();
  return {
    enabled: config.enabled,
    mode: REPORTED[config.mode],
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
