/**
 * The metrics as prom-client serves them: each family reads its values when it is asked for.
 *
 * prom-client writes the format and gives the usual metrics of process and runtime; counting and timing is done by
 * the parts themselves, since its own observations cost microseconds each.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Histogram } from '../../metrics/latency.js';
import { METRIC_PREFIX, METRICS, type MetricSources } from './families.js';
import type { Sample } from './readings.js';

/** Between two looks at how late the event loop is; each is a wake-up. */
const LOOP_LAG_MILLIS = 100;

export function metricsRegistry(sources: MetricSources): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LOOP_LAG_MILLIS });
  const registers = [registry];
  for (const [short, family] of Object.entries(METRICS)) {
    const name = METRIC_PREFIX + short;
    const { help, labels = [] } = family;
    const labelNames = [...labels];
    if (family.kind === 'histogram') continue;
    if (family.kind === 'gauge') {
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const { labels: of = {}, value } of samplesOf(family.read(sources))) this.set(of, value);
        },
      });
    } else {
      new Counter({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const { labels: of = {}, value } of samplesOf(family.read(sources))) this.inc(of, value);
        },
      });
    }
  }
  return registry;
}

function samplesOf(read: readonly Sample[] | number): readonly Sample[] {
  return typeof read === 'number' ? [{ value: read }] : read;
}

/** All metrics in the text format of Prometheus. */
export async function metricsText(registry: Registry, sources: MetricSources): Promise<string> {
  const parts = [await registry.metrics()];
  for (const [short, family] of Object.entries(METRICS)) {
    if (family.kind === 'histogram')
      parts.push(histogramText(METRIC_PREFIX + short, family.help, family.of(sources)));
  }
  return parts.join('\n');
}

/** Written here, since prom-client takes no counts that somebody else has counted. */
function histogramText(name: string, help: string, histogram: Histogram): string {
  const buckets = histogram
    .cumulative()
    .map((count, index) => `${name}_bucket{le="${histogram.bounds[index] ?? '+Inf'}"} ${count}`);
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} histogram`,
    ...buckets,
    `${name}_sum ${histogram.sum}`,
    `${name}_count ${histogram.count}`,
    '',
  ].join('\n');
}
