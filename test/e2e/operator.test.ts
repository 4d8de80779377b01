// What an operator sees over HTTP: metrics that Prometheus reads, health, and the page's own data.
import { spawnSync } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/packet/packet.js';
import type { LightningProof } from '../../src/packet/proof.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, runCli, temporaryDirectory, waitFor } from '../support/mesh-process.js';
import { freePort } from '../../src/dev/free-port.js';

let bed: MeshBed;
let port: number;
let proofs: readonly LightningProof[];

const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);

beforeAll(async () => {
  port = await freePort();
  bed = await MeshBed.start({ nodes: 2, links: [[0, 1]] });
  await bed.greeted();
  // One of the two opens its door: the address is taken once.
  await bed.at(0).module.stop();
  appendFileSync(
    `${bed.at(0).dataDir}/config.toml`,
    `dashboard_addr = "127.0.0.1:${port}"\nlog_level = "trace"\n`,
  );
  await bed.restart(0);
  await bed.greeted();
  proofs = [bed.pay(0, 1n), bed.pay(0, 100_000n)];
  for (const proof of proofs) bed.sendRaw(1, 0, encodePacket(bed.packet([1, 0], proof)));
  await waitFor('a packet accepted and one refused', async () => {
    const { counts, refused } = (await bed.status(0)).counters;
    return counts['packets_delivered'] === 1 && refused['AmountTooLow'] === 1;
  });
});

afterAll(endAll);

/** What promtool says of this module's metrics: those of Node.js are named by prom-client. */
function ownComplaints(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith('blvm_mesh_'));
}

describe('metrics', () => {
  it('tell packets, refusals, fees, latencies and the process, as Prometheus reads them', async () => {
    expect((await get('/metrics')).headers.get('content-type')).toMatch(/^text\/plain/);
    // The peer that was told of the restart introduces itself anew.
    const text = await waitFor('the peer in the metrics', async () => {
      const read = await (await get('/metrics')).text();
      return read.includes('blvm_mesh_peers{state="greeted",transport="relay"} 1') && read;
    });
    expect(text).toContain('blvm_mesh_packets_total{event="delivered"} 1');
    expect(text).toContain('blvm_mesh_refused_total{reason="AmountTooLow",area="payment"} 1');
    expect(text).toContain('blvm_mesh_proofs_total{kind="Lightning",reason="AmountTooLow"} 1');
    expect(text).toContain('blvm_mesh_proofs_total{kind="Lightning",reason="Accepted"} 1');
    expect(text).toContain('blvm_mesh_proofs_total{kind="OnChainSettlement",reason="Accepted"} 0');
    expect(text).toMatch(/blvm_mesh_passed_bytes_total\{class="paid"\} [1-9]\d\d/);
    expect(text).toMatch(/blvm_mesh_refused_bytes_total\{reason="AmountTooLow"\} [1-9]\d\d/);
    for (const part of ['replay', 'batches', 'invoices']) {
      expect(text).toMatch(new RegExp(`blvm_mesh_shared_memory_bytes\\{part="${part}"\\} [1-9]\\d{4}`));
    }
    for (const stage of ['judge', 'queue', 'worker', 'verify']) {
      expect(text).toMatch(new RegExp(`blvm_mesh_${stage}_seconds_count [1-9]`));
    }
    expect(text).toContain('blvm_mesh_conservation_error_msat 0');
    expect(text).toContain('blvm_mesh_node_connected 1');
    expect(text).toMatch(/blvm_mesh_fees_msat_total\{role="destination"\} 90000/);
    expect(text).toMatch(/blvm_mesh_judge_seconds_bucket\{le="\+Inf"\} [1-9]/);
    expect(text).toMatch(/blvm_mesh_journal_fsync_seconds_count [1-9]/);
    expect(text).toMatch(/nodejs_eventloop_lag_seconds/);
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
    if (checked.error !== undefined) process.stderr.write('promtool is not installed: metrics not checked\n');
    else {
      // 1: it cannot be read; 3: a name that is not as Prometheus would have it, as some of Node.js are.
      expect(checked.status).not.toBe(1);
      expect(ownComplaints(checked.stderr)).toEqual([]);
    }
  });
});

describe('health', () => {
  it('is alive and ready while the node is there', async () => {
    for (const path of ['/healthz', '/readyz']) {
      const response = await get(path);
      expect([response.status, await response.json()]).toEqual([200, { status: 'ok', faults: [] }]);
    }
  });
});

describe('doctor', () => {
  it('reaches the addresses at which a running module listens, and misses them where they are others', async () => {
    const { dataDir } = bed.at(0);
    const statusOf = async (check: string, ...args: readonly string[]): Promise<unknown> => {
      const { stdout } = await runCli(['doctor', '--json', '--data-dir', dataDir, ...args]);
      const found = JSON.parse(stdout) as readonly { readonly check: string; readonly status: string }[];
      return found.find((finding) => finding.check === check)?.status;
    };
    expect(await statusOf('page and metrics')).toBe('ok');
    const other = join(temporaryDirectory(), 'other.toml');
    writeFileSync(other, `network = "regtest"\nlisten_addr = "127.0.0.1:${await freePort()}"\n`);
    expect(await statusOf('listen address', '--config', other)).toBe('fail');
  });
});

describe('the log', () => {
  it('holds no preimage and not the token, whatever was asked at the door', async () => {
    const { dataDir } = bed.at(0);
    const token = readFileSync(join(dataDir, 'http.token'), 'utf8').trim();
    const spent = bed.pay(0, 100_000n);
    for (const given of [token, `${token}x`]) {
      await fetch(`http://127.0.0.1:${port}/rpc?token=${token}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${given}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'meshsendpacket',
          params: { request_hex: 'zz' },
        }),
      });
    }
    // A packet that is paid, sent and refused here, with its preimage on the command line.
    const preimage = Buffer.from(spent.preimage).toString('hex');
    const paid = ['--invoice', spent.invoice, '--preimage', preimage];
    await runCli(['send', 'ab'.repeat(32), 'text', ...paid, '--data-dir', dataDir]);
    const secrets = [
      token,
      ...[...proofs, spent].map((proof) => Buffer.from(proof.preimage).toString('hex')),
    ];
    expect(secrets.every((secret) => secret.length >= 32)).toBe(true);
    const logs = [0, 1].map((at) => readFileSync(join(bed.at(at).dataDir, 'logs', 'mesh.log'), 'utf8'));
    expect(logs[0]).toContain('"component":"peers"');
    for (const secret of secrets) {
      for (const text of logs) {
        expect(text).not.toContain(secret);
        expect(text).not.toContain(Buffer.from(secret, 'hex').toString('base64'));
      }
    }
  });
});
