import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { CLI, endAll, MeshProcess, runCli, temporaryDirectory, waitFor } from '../support/mesh-process.js';

afterEach(endAll);

describe('a command whose output nobody reads', () => {
  it.each([[['--help']], [['demo', '--help']], [['simulate', '--nodes', '4', '--hours', '0.05', '--json']]])(
    '%j ends without a complaint',
    async (args) => {
      const child = new MeshProcess(args);
      child.process.stdout?.destroy();
      expect(await child.ended).toEqual({ code: 0, signal: null });
      expect(child.stderr).not.toMatch(/error|EPIPE/i);
    },
  );

  it('ends in the middle of its answers', async () => {
    const child = new MeshProcess(['inspect', 'packet', '--stdin'], { stdin: '00\n'.repeat(100_000) });
    child.process.stdout?.once('data', () => child.process.stdout?.destroy());
    expect(await child.ended).toEqual({ code: 0, signal: null });
    expect(child.stderr).toBe('');
  });

  it('goes on where it is a service', async () => {
    const dir = temporaryDirectory();
    const child = new MeshProcess(['dev-node', '--nodes', '1', '--dir', dir]);
    child.process.stdout?.destroy();
    await waitFor('the node is up', () => existsSync(join(dir, 'node-1.sock')));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(child.isAlive).toBe(true);
    expect(await child.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a command whose output cannot be written', () => {
  it.runIf(existsSync('/dev/full'))('says so, and fails', async () => {
    const intoFull = 'exec "$0" "$@" > /dev/full';
    const { code, stderr } = await runCli(['--help'], {
      command: ['sh', '-c', intoFull, process.execPath, CLI],
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^the output cannot be written: ENOSPC/);
  });
});
