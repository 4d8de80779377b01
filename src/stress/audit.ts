/**
 * Reads what a killed module left on disk, as its next start will: the journal's own recovery, on a copy.
 *
 * Rules: payments.md, any proof, 8, and Fee split (`ledger verify` recomputes all balances from the log).
 */
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '../core/assert.js';
import { toHex } from '../core/bytes.js';
import { systemClock } from '../core/clock.js';
import { postingBytesOf } from '../engine/ledger-records.js';
import { Ledger, type LedgerAudit } from '../ledger/ledger.js';
import { PostingView } from '../ledger/posting-bytes.js';
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
  const posting = new PostingView();
  const log = async function* (): AsyncGenerator<readonly Uint8Array[]> {
    for await (const batch of journal.batches()) yield batch.map(postingBytesOf);
  };
  for await (const bytes of log()) {
    for (const each of bytes) {
      assert(posting.load(each), 'a posting that the journal holds');
      const key = toHex(posting.key());
      if (paidMsat.has(key)) doubled.push(key);
      paidMsat.set(key, paidInBy(posting));
      ledger.post(posting);
    }
  }
  return { paidMsat, doubled, audit: await ledger.verify(log) };
}

function paidInBy(posting: PostingView): bigint {
  let sum = 0n;
  for (let entry = 0; entry < posting.entries; entry++) {
    if (posting.kindOf(entry) === 'PaidIn') sum += posting.msatOf(entry);
  }
  return sum;
}
