/** Reference documents as Markdown, made from the tables in the source: docs/limits.md and docs/reasons.md. */
import { ALL_LIMITS } from './limits.js';
import { REASON_TABLE } from './reasons.js';

/** The first line of every document that is made from a table. */
export function madeFrom(source: string): string {
  return `<!-- Made from ${source} by \`npm run docs\`; do not edit. -->`;
}

/** A table with aligned columns, as Prettier leaves it. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = head.map((_, column) => Math.max(3, ...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[], fill: string): string =>
    `| ${widths.map((width, column) => (row[column] ?? '').padEnd(width, fill)).join(' | ')} |`;
  const [top, ...body] = cells;
  return [line(top ?? [], ' '), line([], '-'), ...body.map((row) => line(row, ' '))].join('\n');
}

/** docs/limits.md */
export function limitsMarkdown(): string {
  const rows = Object.entries(ALL_LIMITS).map(([name, [value, unit, reason]]) => [
    `\`${name}\``,
    value.toLocaleString('en-US'),
    unit,
    reason,
  ]);
  return [
    madeFrom('src/core/limits.ts'),
    '# Limits',
    'Every queue, map, message and wait of this module has a bound. Section names are those of the specification.',
    `${markdownTable(['limit', 'value', 'unit', 'what it bounds, and where it comes from'], rows)}\n`,
  ].join('\n\n');
}

/** The areas of the reason codes, by their hundreds. */
const REASON_AREAS: readonly string[] = [
  'Nothing wrong',
  'Bytes that do not decode',
  'Packets that are not allowed',
  'The gate: modes, quotas, load',
  'Payments',
  'Discovery and routing',
  'Module API and delivery',
  'Connections of the direct transport',
];

/** docs/reasons.md */
export function reasonsMarkdown(): string {
  const sections = REASON_AREAS.flatMap((area, hundreds) => {
    const rows = REASON_TABLE.filter(([code]) => Math.floor(code / 100) === hundreds);
    const cells = rows.map(([code, name, sentence]) => [String(code), `\`${name}\``, sentence]);
    return [`## ${area}`, markdownTable(['code', 'name', 'meaning'], cells)];
  });
  return [
    madeFrom('src/core/reasons.ts'),
    '# Reasons',
    'Why a packet, a payment or a message was refused. `status` counts refusals by these names. A code keeps its meaning for ever.',
    `${sections.join('\n\n')}\n`,
  ].join('\n\n');
}
