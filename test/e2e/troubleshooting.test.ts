// docs/troubleshooting.md is true: each of its ten faults is caused again, and the one command of the page finds it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { endAll, MeshProcess } from '../support/mesh-process.js';
import { FAULTS } from '../../scripts/troubleshooting-page.mjs';

const SCRIPT = fileURLToPath(new URL('../../scripts/troubleshooting.mjs', import.meta.url));
const PAGE = fileURLToPath(new URL('../../docs/troubleshooting.md', import.meta.url));

afterAll(endAll);

describe('troubleshooting', () => {
  it('finds each fault by the command of the page', { timeout: 600_000 }, async () => {
    const script = new MeshProcess(['--check'], { command: [process.execPath, SCRIPT] });
    const { code } = await script.ended;
    expect([code, script.stderr]).toEqual([0, expect.stringContaining('killed worker: found')]);
    const told = script.stderr.trim().split('\n');
    // A full disk needs one that may be mounted.
    expect(told.filter((line) => !line.endsWith(': found'))).toEqual(
      told.filter((line) => line === 'full disk: cannot be caused on this machine'),
    );
    expect(told).toHaveLength(Object.keys(FAULTS).length);
  });

  it.each(Object.entries(FAULTS))('the page shows the finding of: %s', (name, { finds }) => {
    const sections = readFileSync(PAGE, 'utf8').split(/^## /m);
    const section = sections.find((text) => text.toLowerCase().startsWith(name)) ?? '';
    expect(section).toMatch(finds);
    expect(section).toContain('**Remedy:**');
  });
});
