/**
 * Reads what a killed module left on disk, as its next start will: the journal's own recovery, on a copy.
 *
 * Rules: payments.md, any proof, 8, and Fee split (`ledger verify` recomputes all balances from the log).
 */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '../core/bytes.js';
import { systemClock } from '../core/clock.js';
import { postingOf } from '../engine/accounts.js';
import { Ledger, type LedgerAudit } from '../ledger/ledger.js';
import type { Posting } from '../ledger/posting.js';
import { nodeDisk } from '../store/disk.js';
import { Journal, JOURNAL_FILE } from '../store/journal.js';

/** What is durable at one node. */
export interface Durable {
  /** What each key paid in, in msat, by its 32 bytes in hex. */
  readonly paidMsat: ReadonlyMap<string, bigint>;
  /** Keys that stand in the journal more than once. */
  readonly doubled: readonly string[];
  readonly audit: LedgerAudit;
}

/** @throws MeshError JOURNAL_CORRUPT where the next start would fail */
export async function readDurable(dataDir: string): Promise<Durable> {
  const copy = await mkdtemp(join(tmpdir(), 'blvm-mesh-audit-'));
  try {
    const names = (await readdir(dataDir)).filter((name) => name.startsWith(JOURNAL_FILE));
    for (const name of names) await cp(join(dataDir, name), join(copy, name));
    const journal = await Journal.open({
      disk: nodeDisk,
      path: join(copy, JOURNAL_FILE),
      clock: systemClock,
      log: { log: () => undefined },
      isFirstRun: false,
    });
    try {
      return await auditOf(journal);
    } finally {
      await journal.close();
    }
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}

async function auditOf(journal: Journal): Promise<Durable> {
  const ledger = new Ledger();
  const paidMsat = new Map<string, bigint>();
  const doubled: string[] = [];
  const postings = async function* (): AsyncGenerator<Posting> {
    for await (const record of journal.records()) yield postingOf(record);
  };
  for await (const posting of postings()) {
    const key = toHex(posting.key);
    if (paidMsat.has(key)) doubled.push(key);
    const paidIn = posting.entries.filter(({ account }) => account.kind === 'PaidIn');
    paidMsat.set(
      key,
      paidIn.reduce((sum, { amountMsat }) => sum + amountMsat, 0n),
    );
    ledger.post(posting);
  }
  return { paidMsat, doubled, audit: await ledger.verify(postings) };
}
