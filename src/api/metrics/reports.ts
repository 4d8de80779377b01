/**
 * Tells the node now and then how this module is: ReportModuleHealth, and a few figures by ReportMetric.
 *
 * Rules: node-ipc.md (capability report_metrics). A node that refuses is not asked again until the next start. Main
 * thread.
 */
import { errorText, MeshError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import type { Log, Timer } from '../../core/ports.js';
import type { MeshModule } from '../../engine/module.js';
import type { ModuleIntegration } from '../../node/module-integration.js';
import type { Metric, ModuleHealth } from '../../node/messages.js';
import { healthOf, type HealthSources } from './health.js';

export type ReportSources = HealthSources & Pick<MeshModule, 'clock' | 'counters' | 'table'>;

/** What the node is told, by the names of docs/metrics.md. */
function figures(mesh: ReportSources): Readonly<Record<string, Metric['value']>> {
  const { counts, refused } = mesh.counters.snapshot();
  const counter = (value: number): Metric['value'] => ({ name: 'Counter', value: BigInt(value) });
  const count = (name: string): Metric['value'] => counter(counts[name] ?? 0);
  const gauge = (value: number): Metric['value'] => ({ name: 'Gauge', value });
  const refusals = Object.values(refused).reduce((sum, times) => sum + times, 0);
  return {
    blvm_mesh_packets_received: count('packets_received'),
    blvm_mesh_packets_delivered: count('packets_delivered'),
    blvm_mesh_packets_forwarded: count('packets_forwarded'),
    blvm_mesh_packets_refused: counter(refusals),
    blvm_mesh_peers: gauge(mesh.table.directPeers().length),
    blvm_mesh_routes: gauge(mesh.table.stats().totalRoutes),
  };
}

export class Reports {
  readonly #mesh: ReportSources;
  readonly #integration: ModuleIntegration;
  readonly #log: Log;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(mesh: ReportSources, integration: ModuleIntegration, log: Log) {
    this.#mesh = mesh;
    this.#integration = integration;
    this.#log = log;
  }

  start(): void {
    this.#timer = this.#mesh.clock.after(LIMITS.REPORT_MILLIS, () => {
      void this.#report();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #report(): Promise<void> {
    const node = this.#integration.nodeApi();
    const { isAlive, faults } = healthOf(this.#mesh, this.#integration);
    const health: ModuleHealth = isAlive
      ? { name: 'Healthy', value: null }
      : { name: 'Crashed', value: faults.join('; ') };
    try {
      await node.reportHealth(health);
      for (const [name, value] of Object.entries(figures(this.#mesh))) {
        await node.reportMetric({ name, value, labels: new Map() });
      }
    } catch (error) {
      if (error instanceof MeshError && error.code === 'NODE_REQUEST_REFUSED') {
        this.#log.log('info', 'the node takes no reports of health and metrics', { error: errorText(error) });
        return;
      }
    }
    if (!this.#isStopped) this.start();
  }
}
