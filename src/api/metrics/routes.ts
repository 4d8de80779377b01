/** `/metrics`, `/healthz` and `/readyz` of the HTTP door. */
import type { ServerResponse } from 'node:http';
import type { HttpRoute } from '../http/http-door.js';
import type { MeshModule } from '../../engine/module.js';
import type { ModuleIntegration } from '../../node/module-integration.js';
import type { MetricSources } from './families.js';
import { healthOf, type Health } from './health.js';
import { metricsRegistry, metricsText } from './registry.js';

export function metricsRoutes(
  sources: MetricSources & { readonly mesh: MeshModule; readonly integration: ModuleIntegration },
): readonly HttpRoute[] {
  const { mesh, integration } = sources;
  const registry = metricsRegistry(sources);
  const health = (isGood: (health: Health) => boolean) => (_: unknown, response: ServerResponse) => {
    const found = healthOf(mesh, integration);
    response.statusCode = isGood(found) ? 200 : 503;
    response.setHeader('Content-Type', 'application/json');
    response.end(`${JSON.stringify({ status: isGood(found) ? 'ok' : 'failed', faults: found.faults })}\n`);
  };
  return [
    {
      method: 'GET',
      path: '/metrics',
      access: 'local',
      handle: async (_, response) => {
        response.setHeader('Content-Type', registry.contentType);
        response.end(await metricsText(registry, sources));
      },
    },
    { method: 'GET', path: '/healthz', access: 'local', handle: health(({ isAlive }) => isAlive) },
    { method: 'GET', path: '/readyz', access: 'local', handle: health(({ isReady }) => isReady) },
  ];
}
