// Health and figures for the node (ReportModuleHealth, ReportMetric), and the probes of the HTTP door.
import { describe, expect, it, vi } from 'vitest';
import { HttpDoor } from '../../../src/api/http/http-door.js';
import { healthOf } from '../../../src/api/metrics/health.js';
import { metricsRoutes } from '../../../src/api/metrics/routes.js';
import { Reports, type ReportSources } from '../../../src/api/metrics/reports.js';
import { parseConfig } from '../../../src/config/config.js';
import { present } from '../../../src/core/assert.js';
import { systemClock, VirtualClock } from '../../../src/core/clock.js';
import { LIMITS } from '../../../src/core/limits.js';
import { Reason } from '../../../src/core/reasons.js';
import { SeededRandom } from '../../../src/core/random.js';
import type { DevNode } from '../../../src/dev/index.js';
import { MESH_CAPABILITIES } from '../../../src/dev/permissions.js';
import { Counters } from '../../../src/metrics/counters.js';
import { ModuleIntegration } from '../../../src/node/module-integration.js';
import { startDevNetwork } from '../../support/dev.js';
import { testLog } from '../../support/log.js';

const NAME = 'blvm-mesh';

interface Source {
  readonly mesh: ReportSources;
  readonly clock: VirtualClock;
  readonly counters: Counters;
  readonly state: { isFailed: boolean; workers: number };
}

/** As much of a mesh as is reported. */
function source(text = ''): Source {
  const clock = new VirtualClock();
  const counters = new Counters();
  const state = { isFailed: false, workers: 1 };
  const { config } = parseConfig({ text, fileName: 'config.toml', env: {} });
  const mesh = {
    clock,
    counters,
    config,
    table: { directPeers: () => [{}, {}], stats: () => ({ totalRoutes: 5 }) },
    journalStats: () => ({ isFailed: state.isFailed }),
    judge: { stats: () => ({ workers: state.workers }) },
  } as unknown as ReportSources;
  return { mesh, clock, counters, state };
}

async function attach(node: DevNode): Promise<ModuleIntegration> {
  return ModuleIntegration.connect({
    socketPath: node.socketPath,
    moduleId: NAME,
    moduleName: NAME,
    version: '0.1.0',
    clock: systemClock,
    random: new SeededRandom(1),
    log: { log: () => undefined },
    requestsPerSecond: 10_000,
  });
}

const connectionOf = (node: DevNode) =>
  present(
    node.modules.find(NAME, () => true),
    'it is connected',
  );

describe('reports to the node', () => {
  it('tell health and figures every half a minute, and what is broken', async () => {
    const { network } = await startDevNetwork({ nodes: 1 });
    const node = network.node('node-1');
    const integration = await attach(node);
    const { mesh, clock, counters, state } = source();
    counters.count('packets_received', 7);
    counters.refuse(Reason.AmountTooLow);
    const reports = new Reports(mesh, integration, testLog());
    reports.start();
    expect(connectionOf(node).metrics.size).toBe(0);
    clock.advance(LIMITS.REPORT_MILLIS);
    await vi.waitFor(() => {
      const { metrics, health } = connectionOf(node);
      const values = Object.fromEntries([...metrics].map(([name, { value }]) => [name, value.value]));
      expect(values).toEqual({
        blvm_mesh_packets_received: 7n,
        blvm_mesh_packets_delivered: 0n,
        blvm_mesh_packets_forwarded: 0n,
        blvm_mesh_packets_refused: 1n,
        blvm_mesh_peers: 2,
        blvm_mesh_routes: 5,
      });
      expect(health.name).toBe('Healthy');
    });
    state.isFailed = true;
    // The next one is due when the first is through.
    await vi.waitFor(() => {
      clock.advance(LIMITS.REPORT_MILLIS);
      expect(connectionOf(node).health).toEqual({ name: 'Crashed', value: 'the journal cannot be written' });
    });
    reports.stop();
    await integration.close();
  });

  // As the documents have it, and as nodes do.
  it.each(['answer', 'close'] as const)(
    'end for good when the node refuses them (%s), and the log says so once',
    async (failedRequests) => {
      const without = MESH_CAPABILITIES.filter((capability) => capability !== 'report_metrics');
      const { network } = await startDevNetwork({
        nodes: [{ capabilities: new Map([[NAME, without]]), failedRequests }],
      });
      const node = network.node('node-1');
      const integration = await attach(node);
      const { mesh, clock } = source();
      const log = testLog();
      const reports = new Reports(mesh, integration, log);
      reports.start();
      await vi.waitFor(() => {
        clock.advance(LIMITS.REPORT_MILLIS);
        expect(log.lines.map(({ message }) => message)).toEqual([
          'the node takes no reports of health and metrics',
        ]);
      }, 10_000);
      const { sent } = integration.stats().requests;
      await vi.waitFor(() => {
        expect(integration.state).toBe('connected');
      }, 10_000);
      for (let time = 0; time < 5; time++) clock.advance(LIMITS.REPORT_MILLIS);
      expect(integration.stats().requests.sent).toBe(sent);
      expect(log.lines).toHaveLength(1);
      await integration.close();
    },
    20_000,
  );
});

describe('health', () => {
  const state = 'connected' as const;

  it('is well where all works', () => {
    expect(healthOf(source().mesh, { state })).toEqual({ isAlive: true, isReady: true, faults: [] });
  });

  it('is not ready without the node, and where it is switched off, but alive', () => {
    expect(healthOf(source().mesh, { state: 'waiting' })).toMatchObject({ isAlive: true, isReady: false });
    expect(healthOf(source('enabled = false').mesh, { state })).toEqual({
      isAlive: true,
      isReady: false,
      faults: ['the mesh is switched off'],
    });
  });

  it('is told by the status of the probes, with what is wrong', async () => {
    const { mesh, state: broken } = source();
    const integration = { state: 'connected' as ModuleIntegration['state'] };
    const routes = metricsRoutes({ mesh, integration, logLinesDropped: () => 0 } as unknown as Parameters<
      typeof metricsRoutes
    >[0]);
    const address = { host: '127.0.0.1', port: 0 };
    const door = await HttpDoor.open({ address, token: 'none', routes, log: testLog() });
    const probe = async (path: string): Promise<unknown> => {
      const response = await fetch(`http://127.0.0.1:${door.port}${path}`);
      return [response.status, await response.json()];
    };
    expect(await probe('/healthz')).toEqual([200, { status: 'ok', faults: [] }]);
    integration.state = 'waiting';
    const faults = ['the node is not connected'];
    expect(await probe('/healthz')).toEqual([200, { status: 'ok', faults }]);
    expect(await probe('/readyz')).toEqual([503, { status: 'failed', faults }]);
    broken.workers = 0;
    expect(await probe('/healthz')).toMatchObject([503, { status: 'failed' }]);
    await door.close();
  });

  it('is not alive where only a restart helps', () => {
    const broken = source();
    broken.state.isFailed = true;
    expect(healthOf(broken.mesh, { state })).toMatchObject({ isAlive: false, isReady: false });
    const idle = source();
    idle.state.workers = 0;
    expect(healthOf(idle.mesh, { state })).toMatchObject({
      isAlive: false,
      faults: ['no worker judges packets'],
    });
  });
});
