/**
 * What a mesh stands on: its identity, the journal, the replay table and the workers, opened in this order, and
 * what earlier runs left in the journal.
 *
 * Rules: payments.md, any proof, 8 (a claimed key lives over restarts); architecture.md (threads). Main thread.
 */
import { join } from 'node:path';
import { MeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, Logs, Random } from '../core/ports.js';
import { judgePolicyOf, type MeshConfig } from '../config/config.js';
import type { ModuleIntegration } from '../node/module-integration.js';
import { InvoiceRegistry } from '../payment/registry.js';
import { VerdictPool } from '../pool/verdict-pool.js';
import { FINGERPRINT_SECRET_BYTES } from '../replay/fingerprint.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import type { ReplayTable } from '../replay/table.js';
import { nodeDisk, type Disk } from '../store/disk.js';
import { hasIdentity, openIdentity, type Identity } from '../store/identity.js';
import { Journal, JOURNAL_FILE } from '../store/journal.js';
import { SlowWork } from '../store/slow-work.js';
import { compileKernel, WasmKernel } from '../wasm/kernel.js';
import type { Accounts } from './accounts.js';
import { CarriedBalances } from './carried.js';
import { openInvoiceJournal } from './registry.js';
import { lightningKey } from './lightning-key.js';
import { Timings } from './timings.js';

export interface MeshModuleOptions {
  readonly config: MeshConfig;
  /** Locked by the caller. */
  readonly dataDir: string;
  /** Connected; closed by the caller, after the mesh. */
  readonly integration: ModuleIntegration;
  readonly clock: Clock;
  readonly random: Random;
  readonly logs: Logs;
  /** The node is going down and so should this process. */
  readonly onNodeShutdown: () => void;
  /** The node has loaded its configuration anew: ours may have changed too. */
  readonly onConfigLoaded: () => void;
}

export interface Foundations {
  readonly identity: Identity;
  /** This node's own Lightning key, 33 bytes in hex, or null. */
  readonly ownPayee: string | null;
  /** Shared with the workers. */
  readonly table: ReplayTable;
  readonly journal: Journal;
  readonly judge: VerdictPool;
  /** The invoices that this node issued, shared with the workers, and where they are kept over restarts. */
  readonly registry: InvoiceRegistry;
  readonly invoiceJournal: Journal | null;
  /** Of everything that was opened here, and of what is built on it. */
  readonly timings: Timings;
}

/**
 * Makes in a data directory what a first start would, for whoever must know the node id before it.
 * @throws MeshError when the data directory cannot be used
 */
export async function prepareDataDir(dataDir: string, clock: Clock, log: Log): Promise<NodeId> {
  const { journal, identity } = await openDurables(dataDir, clock, log, nodeDisk);
  await journal.close();
  return identity.nodeId;
}

/** The journal is made before the identity: a crash between the two leaves a first run. */
async function openDurables(
  dataDir: string,
  clock: Clock,
  log: Log,
  disk: Disk,
): Promise<{ readonly journal: Journal; readonly identity: Identity }> {
  const path = join(dataDir, JOURNAL_FILE);
  const isFirstRun = !(await hasIdentity(dataDir));
  const journal = await Journal.open({ disk, path, clock, log, isFirstRun });
  const identity = await openIdentity(dataDir, log);
  return { journal, identity };
}

/** @throws MeshError when the data directory or the workers cannot be used */
export async function layFoundations(options: MeshModuleOptions): Promise<Foundations> {
  const timings = new Timings(options.clock);
  const { config, dataDir, clock, random, logs, integration } = options;
  const log = logs('store');
  const { journal, identity } = await openDurables(dataDir, clock, log, timings.synced(nodeDisk));
  const { nodeId: self } = identity;
  const ownPayee = config.ownPayee ?? (await lightningKey(integration.nodeApi(), logs('payments')));
  const secret = random.bytes(FINGERPRINT_SECRET_BYTES);
  const kernel = new WasmKernel(compileKernel(), secret);
  const table = SharedReplayTable.create(kernel, config.replayCapacity);
  const registry = InvoiceRegistry.create(kernel);
  const invoiceJournal = await openInvoiceJournal(dataDir, clock, log);
  // Nothing is in the ledger yet that the rewritten log would have to agree with.
  await journal.compact(
    () => new CarriedBalances(clock, random),
    () => undefined,
  );
  const policy = judgePolicyOf(config, { self, ownPayee, paymentsSince: journal.knowsSince });
  const judge = await VerdictPool.start({
    workers: config.workers,
    batchPackets: config.batchMax,
    batchLingerMicros: config.batchLingerMicros,
    policy,
    table: table.memory,
    registry: registry.memory,
    secret,
    log: logs('workers'),
    clock,
    onBatch: (times) => {
      timings.batchDone(times);
    },
  });
  return { identity, ownPayee, table, journal, judge, registry, invoiceJournal, timings };
}

/**
 * Takes what earlier runs accepted from the journal: their payments stay used, their fees stay owed. A clock that was
 * set back meanwhile does not revive what has expired by then: payments are judged at the time of the newest record.
 * @throws MeshError JOURNAL_CORRUPT; CONFIG_INVALID where the replay table is too small for them
 */
export async function restore(
  { journal, table }: Pick<Foundations, 'journal' | 'table'>,
  accounts: Accounts,
  clock: Clock,
  log: Log,
): Promise<void> {
  const progress = new SlowWork(clock, log, 'restoring accepted payments from the journal');
  const all = journal.stats().records;
  let records = 0;
  let newest = journal.droppedAt;
  for await (const batch of journal.batches()) {
    // The table follows the time of the records: it files keys by what is left of their time.
    table.expire(newest);
    for (const record of batch) {
      const { key, postedAt } = accounts.restore(record);
      if (key !== null && table.claim(key, record.keepUntil) === 'full') {
        throw new MeshError(
          'CONFIG_INVALID',
          'the journal remembers more payments than replay_capacity allows: raise replay_capacity and start again.',
          { replayCapacity: table.stats().capacity },
        );
      }
      newest = Math.max(newest, postedAt);
    }
    records += batch.length;
    progress.at({ records, of: all });
  }
  if (records > 0) log.log('info', 'restored accepted payments from the journal', { records });
  const behindSeconds = newest - clock.unixSeconds();
  if (behindSeconds > LIMITS.FUTURE_SECONDS) {
    log.log('warn', 'the clock is behind the journal: payments are judged at the time of its newest record', {
      behindSeconds,
    });
  }
  table.expire(newest);
  const { knowsSince } = journal;
  if (knowsSince > clock.unixSeconds() - LIMITS.REPLAY_TTL_SECONDS) {
    log.log('warn', 'the journal is younger than this node: payments from before it are refused', {
      since: knowsSince,
    });
  }
}
