// The direct transport against a client that was written from docs/transport.md alone: client/, in Go. Where Go is absent
// the test skips with a notice.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { toHex } from '../../src/core/bytes.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, MeshProcess, temporaryDirectory, waitFor } from '../support/mesh-process.js';
import { freePort } from '../../src/dev/free-port.js';

const CLIENT = fileURLToPath(new URL('client', import.meta.url));

function isGoMissing(): boolean {
  try {
    execFileSync('go', ['version'], { stdio: 'ignore' });
    return false;
  } catch {
    process.stderr.write('skipped: the independent client of the direct transport needs Go\n');
    return true;
  }
}

afterEach(endAll);

describe('direct transport › an independent client', () => {
  it.skipIf(isGoMissing())(
    'connects, checks and says hello, and sends a paid packet that is delivered',
    async () => {
      const port = await freePort();
      const bed = await MeshBed.start({
        nodes: 1,
        links: [],
        config: [`listen_addr = "127.0.0.1:${port}"`],
      });
      const binary = join(temporaryDirectory(), 'client');
      execFileSync('go', ['build', '-o', binary, '.'], { cwd: CLIENT });
      const mesh = bed.at(0);
      const proof = bed.pay(0, 5_000n);
      const order = {
        seed: randomBytes(32).toString('hex'),
        peer: toHex(mesh.nodeId),
        protocol: 'interop-v1',
        payload: Buffer.from('from another implementation').toString('hex'),
        sequence: 7,
        invoice: proof.invoice,
        preimage: toHex(proof.preimage),
        amount_msat: Number(proof.amountMsats),
        expires_at: Number(proof.expiresAt),
      };
      const run = (changes: object) =>
        new MeshProcess([`127.0.0.1:${port}`, 'regtest'], {
          command: [binary],
          stdin: JSON.stringify({ ...order, ...changes }),
        });
      const client = run({});
      await waitFor('the packet is delivered', async () => {
        const { counters } = await bed.status(0);
        return counters.counts['packets_delivered'] === 1;
      });
      const ended = await client.ended;
      expect({ ...ended, stderr: client.stderr }).toMatchObject({ code: 0, stderr: '' });
      const said = JSON.parse(client.stdout) as Record<string, unknown>;
      expect(said).toMatchObject({ network: 'regtest', node_id: toHex(mesh.nodeId), sent: true });
      expect(said['payees']).toEqual([mesh.node.payee]);
      // A hello on another network is refused, and changes nothing.
      const foreign = new MeshProcess([`127.0.0.1:${port}`, 'mainnet'], {
        command: [binary],
        stdin: JSON.stringify(order),
      });
      expect((await foreign.ended).code).toBe(1);
      await waitFor('it was counted', async () => (await bed.refusals(0, 'HelloOtherNetwork')) > 0);
    },
    180_000,
  );
});
