// What payees owe a node, as an operator sees it: in the status of a running module, in a statement of a stopped one,
// and in what is refused past the cap.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { encodePacket } from '../../src/packet/packet.js';
import { MeshBed } from '../support/mesh-bed.js';
import { endAll, MeshProcess, temporaryDirectory, waitFor } from '../support/mesh-process.js';

afterEach(endAll);

/** Of a router between two others. */
const SHARE = 3_000n;
const PAID = 10_000n;

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function ledger(...args: readonly string[]): Promise<Run> {
  const run = new MeshProcess(['ledger', ...args]);
  const { code } = await run.ended;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

async function debts(bed: MeshBed): Promise<unknown> {
  const { stdout } = await bed.cli(1, 'status', '--json');
  return (JSON.parse(stdout) as { readonly debts: unknown }).debts;
}

describe('debts', () => {
  it('are shown, told in a statement, and refused past the cap, also after a kill', async () => {
    const bed = await MeshBed.start({
      nodes: 3,
      links: [
        [0, 1],
        [1, 2],
      ],
      config: [`max_unsettled_msats = ${2n * SHARE}`],
    });
    await bed.greeted();
    const { payee } = bed.at(2).node;
    const { dataDir } = bed.at(1);
    const send = (): void => {
      bed.sendRaw(0, 1, encodePacket(bed.packet([0, 1, 2], bed.pay(2, PAID))));
    };
    send();
    send();
    await waitFor('both are forwarded', async () => {
      return (await bed.status(1)).counters.counts['packets_forwarded'] === 2;
    });
    const owed = { payee, owedMsat: String(2n * SHARE), isCapped: true };
    expect(await debts(bed)).toEqual({ capMsat: String(2n * SHARE), payees: [owed] });
    send();
    await waitFor('the third is refused', async () => (await bed.refusals(1, 'DebtCapReached')) === 1);

    const running = await ledger('statement', payee, '--data-dir', dataDir);
    expect(running).toMatchObject({ code: 1, stdout: '' });
    expect(running.stderr).toContain('mesh status --json');

    bed.at(1).module.process.kill('SIGKILL');
    await bed.at(1).module.ended;
    const told = await ledger('statement', payee.toUpperCase(), '--data-dir', dataDir, '--json');
    expect(told).toMatchObject({ code: 0, stderr: '' });
    const statement = JSON.parse(told.stdout) as { readonly items: readonly unknown[] };
    expect(statement).toMatchObject({ payee, owedMsat: String(2n * SHARE), carriedMsat: '0', payments: 2 });
    expect(statement.items).toHaveLength(2);
    const text = await ledger('statement', payee, '--data-dir', dataDir);
    expect(text.stdout).toContain(`owes     ${2n * SHARE} msat`);

    await bed.restart(1);
    await bed.greeted();
    send();
    await waitFor('it is refused again', async () => (await bed.refusals(1, 'DebtCapReached')) === 1);
  });

  it('are asked for wrongly: nothing is made, and the text helps', async () => {
    const directory = join(temporaryDirectory(), 'nothing-here');
    const key = `0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798`;
    const none = await ledger('statement', key, '--data-dir', directory);
    expect(none).toMatchObject({ code: 1, stdout: '' });
    expect(none.stderr).toContain('holds no journal');
    expect(existsSync(directory)).toBe(false);
    expect((await ledger('statement', 'nobody', '--data-dir', directory)).code).toBe(2);
    expect((await ledger('statement', key)).stderr).toContain('DATA_DIR');
    expect((await ledger()).code).toBe(2);
  });
});
