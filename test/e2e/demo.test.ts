import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CLI } from '../support/mesh-process.js';

const PACKETS = 200;

interface Report {
  readonly delivered: number;
  readonly lost: number;
  readonly cheats: {
    readonly sent: number;
    readonly accepted: number;
    readonly expected: Readonly<Record<string, number>>;
  };
  readonly refused: Readonly<Record<string, number>>;
  readonly repeated: number;
  readonly packetsPerSecond: number;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
  readonly hops: Readonly<Record<string, number>>;
  readonly protocols: Readonly<Record<string, number>>;
  readonly fees: {
    readonly destination: number;
    readonly routers: number;
    readonly treasury: number;
    readonly total: number;
    readonly conserved: boolean;
  };
  readonly firstDeliverySeconds: number;
  readonly links: readonly { readonly from: string; readonly packets: number }[];
  readonly route: readonly { readonly role: string }[];
}

async function runDemo(
  args: readonly string[],
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, 'demo', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}

describe('demo › npm start', () => {
  it('delivers every honest packet over several hops, refuses every cheat, and conserves every msat', async () => {
    const { code, stdout, stderr } = await runDemo(['--packets', String(PACKETS), '--once', '--json']);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout) as Report;
    expect(report.delivered).toBe(PACKETS * 0.9);
    expect(report.lost).toBe(0);
    expect(report.cheats).toMatchObject({ sent: PACKETS * 0.1, accepted: 0 });
    const { ReplayedPayment: replays = 0, ...others } = report.cheats.expected;
    const { ReplayedPayment: refusedReplays = 0, ...othersRefused } = report.refused;
    expect(replays + sum(Object.values(others))).toBe(report.cheats.sent);
    expect(othersRefused).toEqual(others);
    // A replay is acknowledged, not refused, while its first is in care; and where a connection is lost, nodes send
    // honest packets again themselves, which are turned away in the same two ways.
    expect(replays).toBeGreaterThan(0);
    expect(refusedReplays + report.repeated).toBeGreaterThanOrEqual(replays);
    expect(Object.keys(report.protocols)).toHaveLength(3);
    expect(Object.keys(report.hops).length).toBeGreaterThanOrEqual(3);
    const { fees } = report;
    expect(fees.conserved).toBe(true);
    expect(fees.destination + fees.routers + fees.treasury).toBe(fees.total);
    expect(Math.abs(fees.treasury - fees.total / 10)).toBeLessThan(report.delivered);
    expect(report.packetsPerSecond).toBeGreaterThan(0);
    expect(report.latencyMs.p99).toBeGreaterThanOrEqual(report.latencyMs.p50);
    expect(report.route.length).toBeGreaterThanOrEqual(4);
    expect(report.route[0]?.role).toBe('source');
    // Ring and chords over the direct transport: both directions of every link.
    expect(new Set(report.links.map(({ from }) => from)).size).toBe(5);
    expect(report.links.reduce((sum, { packets }) => sum + packets, 0)).toBeGreaterThan(report.delivered);
  }, 90_000);

  it('delivers everything where two nodes have their node alone and three the direct transport', async () => {
    const args = ['--packets', '100', '--once', '--json', '--relay', 'mixed'];
    const { code, stdout, stderr } = await runDemo(args);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const report = JSON.parse(stdout) as Report;
    expect(report).toMatchObject({ delivered: 90, lost: 0, cheats: { sent: 10, accepted: 0 } });
    expect(new Set(report.links.map(({ from }) => from)).size).toBe(3);
    expect(report.links.every(({ packets }) => packets > 0)).toBe(true);
  }, 90_000);

  it('ends every child and removes its directory on Ctrl-C', async () => {
    // A folder of its own: other demonstrations may come and go on this machine.
    const directory = mkdtempSync(join(tmpdir(), 'demo-'));
    const child = spawn(process.execPath, [CLI, 'demo', '--packets', '100000'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: directory },
    });
    let stderr = '';
    await new Promise<void>((resolve) => {
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
        if (stderr.includes('modules are up')) resolve();
      });
    });
    expect(readdirSync(directory)).toHaveLength(1);
    child.kill('SIGINT');
    await once(child, 'close');
    expect(child.exitCode).toBe(130);
    expect(readdirSync(directory)).toEqual([]);
    rmdirSync(directory);
  }, 60_000);

  it('explains itself, and refuses what it does not know with exit code 2', async () => {
    expect((await runDemo(['--help'])).stdout).toContain('--packets');
    expect((await runDemo(['--packets', 'many'])).code).toBe(2);
    expect((await runDemo(['--no-such-option'])).code).toBe(2);
  });
});
