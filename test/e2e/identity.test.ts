// `blvm-mesh identity`: the node id of a data directory, and another one in its place.
import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { endAll, runCli, temporaryDirectory } from '../support/mesh-process.js';

afterEach(endAll);

describe('identity', () => {
  it('shows the same id each time, and after a rotation another; the old key is kept, for its owner alone', async () => {
    const directory = temporaryDirectory();
    const identity = (...args: readonly string[]) => runCli(['identity', ...args, '--data-dir', directory]);
    const first = await identity('show');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^[0-9a-f]{64}\n$/);
    expect((await identity('show')).stdout).toBe(first.stdout);
    const rotated = await identity('rotate');
    expect(rotated.code).toBe(0);
    expect(rotated.stdout).not.toBe(first.stdout);
    expect(rotated.stderr).toContain(first.stdout.trim());
    expect((await identity('show')).stdout).toBe(rotated.stdout);
    const kept = join(directory, `retired-${first.stdout.slice(0, 16)}.pem`);
    expect(existsSync(kept)).toBe(true);
    expect(statSync(kept).mode & 0o777).toBe(0o600);
  });
});
