/**
 * Whether the module is alive and can work: for probes of an init system or a load balancer, and for the node.
 *
 * Alive: what is broken does not mend without a restart where this is false. Ready: it can take packets now.
 */
import type { MeshModule } from '../../engine/module.js';
import type { ModuleIntegration } from '../../node/module-integration.js';

export interface Health {
  readonly isAlive: boolean;
  readonly isReady: boolean;
  /** What is wrong, a few words each. */
  readonly faults: readonly string[];
}

/** What is looked at. */
export type HealthSources = Pick<MeshModule, 'journalStats' | 'judge' | 'config'>;

export function healthOf(mesh: HealthSources, integration: Pick<ModuleIntegration, 'state'>): Health {
  const isJournalSound = !mesh.journalStats().isFailed;
  const canJudge = mesh.judge.stats().workers > 0;
  const isConnected = integration.state === 'connected';
  const faults = [
    ...(isJournalSound ? [] : ['the journal cannot be written']),
    ...(canJudge ? [] : ['no worker judges packets']),
    ...(isConnected ? [] : ['the node is not connected']),
    ...(mesh.config.enabled ? [] : ['the mesh is switched off']),
  ];
  return { isAlive: isJournalSound && canJudge, isReady: faults.length === 0, faults };
}
