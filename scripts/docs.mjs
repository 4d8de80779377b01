// Writes the reference documents that are made from tables in the source. Run after a build.
import { readFileSync, writeFileSync } from 'node:fs';
import { configMarkdown, configSchemaToml } from '../dist/config/markdown.js';
import { eventsMarkdown } from '../dist/engine/event-table.js';
import { metricsMarkdown } from '../dist/api/metrics/families.js';
import { limitsMarkdown, reasonsMarkdown } from '../dist/core/markdown.js';

const path = (name) => new URL(`../${name}`, import.meta.url);

writeFileSync(path('docs/limits.md'), limitsMarkdown());
writeFileSync(path('docs/reasons.md'), reasonsMarkdown());
writeFileSync(path('docs/config.md'), configMarkdown());
writeFileSync(path('docs/events.md'), eventsMarkdown());
writeFileSync(path('docs/metrics.md'), metricsMarkdown());

// In module.toml everything from [config_schema] on is made; what stands before it is written by hand.
const manifest = readFileSync(path('module.toml'), 'utf8');
const written = manifest.slice(0, manifest.indexOf('[config_schema]'));
writeFileSync(path('module.toml'), written + configSchemaToml());
