// docs/monitoring: what it asks for exists, and Prometheus' own tool accepts it where it is installed.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { METRIC_PREFIX, METRICS } from '../../../src/api/metrics/families.js';
import { ROOT, textOf } from '../../support/imports.js';

const hasPromtool = spawnSync('promtool', ['--version']).status === 0;
if (!hasPromtool) process.stderr.write('promtool is not installed: the rules are not checked by it\n');

const FILES = ['docs/monitoring/alerts.yml', 'docs/monitoring/grafana.json'];

describe('monitoring', () => {
  it.each(FILES)('%s names only metrics and labels that there are', (path) => {
    const names = [...textOf(path).matchAll(/blvm_mesh_[a-z_]+/g)].map(([name]) => name);
    const unknown = names.filter((name) => {
      const short = name.slice(METRIC_PREFIX.length);
      return !(short in METRICS) && METRICS[short.replace(/_bucket$/, '')]?.kind !== 'histogram';
    });
    expect(unknown).toEqual([]);
    expect(names.length).toBeGreaterThan(10);
  });

  it('gives every alert a severity, a summary and a remedy', () => {
    const alerts = textOf('docs/monitoring/alerts.yml').split('- alert:').slice(1);
    const bare = alerts.filter((text) => !/severity:[^]*summary:[^]*remedy:/.test(text));
    expect(bare).toEqual([]);
  });

  it.runIf(hasPromtool)('passes promtool', () => {
    const folder = join(ROOT, 'docs', 'monitoring');
    execFileSync('promtool', ['check', 'rules', 'alerts.yml'], { cwd: folder });
    execFileSync('promtool', ['check', 'config', 'prometheus.yml'], { cwd: folder });
  });
});
