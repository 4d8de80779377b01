// What payees owe a node, as an operator sees it: in the status of a running module, in a statement of a stopped one,
// in what is refused past the cap, and once they have settled. And what the ledger shows and verifies.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/core/clock.js';
import { encodePosting } from '../../src/ledger/posting-bytes.js';
import { encodePacket } from '../../src/packet/packet.js';
import { nodeDisk } from '../../src/store/disk.js';
import { Journal, JOURNAL_FILE, KEEP_FOREVER } from '../../src/store/journal.js';
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
    expect(running.stderr).toContain('blvm-mesh rpc ledger');

    bed.at(1).module.process.kill('SIGKILL');
    await bed.at(1).module.ended;
    const told = await ledger('statement', payee.toUpperCase(), '--data-dir', dataDir, '--json');
    expect(told).toMatchObject({ code: 0, stderr: '' });
    const statement = JSON.parse(told.stdout) as { readonly items: readonly unknown[] };
    expect(statement).toMatchObject({ payee, owedMsat: String(2n * SHARE), carriedMsat: '0', payments: 2 });
    expect(statement.items).toHaveLength(2);
    const text = await ledger('statement', payee, '--data-dir', dataDir);
    expect(text.stdout).toContain(`owes     ${2n * SHARE} msat`);

    const shown = JSON.parse((await ledger('show', '--data-dir', dataDir, '--json')).stdout) as object;
    expect(shown).toMatchObject({
      postings: 2,
      sums: {
        paid_in: String(2n * PAID),
        owed_to_router: String(2n * SHARE),
        owed_by_payee: String(2n * SHARE),
      },
    });
    expect((await ledger('show', '--data-dir', dataDir)).stdout).toContain(payee);
    const verified = await ledger('verify', '--data-dir', dataDir);
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(verified.stdout).toContain('conserved: 20,000 msat');

    // Settled while it is stopped, to just below the cap.
    const tooMuch = await ledger('settle', payee, '--amount', String(2n * SHARE + 1n), '--data-dir', dataDir);
    expect(tooMuch).toMatchObject({ code: 1, stdout: '' });
    expect(tooMuch.stderr).toContain('no more than that');
    const settle = ['settle', payee, '--amount', '1', '--reference', 'cash', '--data-dir', dataDir] as const;
    expect(await ledger(...settle)).toMatchObject({ code: 0, stderr: '' });
    expect(await ledger(...settle)).toMatchObject({ code: 1, stdout: '' });
    expect((await ledger('statement', payee, '--data-dir', dataDir)).stdout).toContain(
      'settled (cash)  -1 msat',
    );

    await bed.restart(1);
    await bed.greeted();
    send();
    await waitFor('one more is forwarded', async () => {
      return (await bed.status(1)).counters.counts['packets_forwarded'] === 1;
    });
    send();
    await waitFor('it is refused again', async () => (await bed.refusals(1, 'DebtCapReached')) === 1);

    // Settled while it runs: at its door, and by its node.
    const atDoor = await ledger('settle', payee, '--amount', '9', '--data-dir', dataDir, '--json');
    expect(JSON.parse(atDoor.stdout)).toEqual({
      payee,
      settledMsat: '9',
      owedMsat: String(3n * SHARE - 10n),
    });
    expect(await bed.cli(1, 'settle', payee, '1', 'cash')).toMatchObject({ exitCode: 1, stdout: '' });
    expect(await bed.cli(1, 'settle', payee, 'all', '')).toMatchObject({ exitCode: 0, stderr: '' });
    expect(await debts(bed)).toMatchObject({ payees: [{ payee, owedMsat: '0', isCapped: false }] });
    send();
    await waitFor('it is taken again', async () => {
      return (await bed.status(1)).counters.counts['packets_forwarded'] === 2;
    });
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
    for (const amount of ['0', '1.5']) {
      expect((await ledger('settle', key, '--amount', amount, '--data-dir', directory)).code).toBe(2);
    }
    expect((await ledger('verify', '--data-dir', directory)).stderr).toContain('holds no journal');
  });

  it('of a damaged ledger are not conserved: verify says what is wrong', async () => {
    const path = temporaryDirectory();
    const log = { log: (): void => undefined };
    const parts = {
      disk: nodeDisk,
      path: join(path, JOURNAL_FILE),
      clock: systemClock,
      log,
      isFirstRun: true,
    };
    const journal = await Journal.open(parts);
    const payload = encodePosting({
      key: new Uint8Array(32),
      postedAt: 1n,
      entries: [{ account: { kind: 'PaidIn' }, side: 'Debit', amountMsat: 7n }],
    });
    const keepUntil = KEEP_FOREVER;
    await journal.append([1, 1].map((type) => ({ type, keepUntil, payload })));
    await journal.close();
    const verified = await ledger('verify', '--data-dir', path);
    expect(verified.code).toBe(1);
    expect(verified.stdout).toContain('2 postings whose debits are not their credits');
    expect(verified.stdout).toContain('1 postings whose key stands in the journal more than once');
    expect(verified.stdout).toContain('14 msat were paid in, and 0 msat are owed of it');
    const json = await ledger('verify', '--data-dir', path, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ conserved: false, duplicates: 1, unbalanced: 2 });
  });
});
