/**
 * What a mesh stands on: its identity, the journal, the replay table and the workers, opened in this order, and
 * what earlier runs left in the journal.
 *
 * Rules: payments.md, any proof, 8 (a claimed key lives over restarts); architecture.md (threads). Main thread.
 */
import { join } from 'node:path';
import { MeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { Clock, Log, Random } from '../core/ports.js';
import { judgePolicyOf, type MeshConfig } from '../config/config.js';
import type { ModuleIntegration } from '../node/module-integration.js';
import type { PacketJudge } from '../pool/judge-port.js';
import { VerdictPool } from '../pool/verdict-pool.js';
import { FINGERPRINT_SECRET_BYTES } from '../replay/fingerprint.js';
import { SharedReplayTable } from '../replay/shared-table.js';
import type { ReplayTable } from '../replay/table.js';
import { nodeDisk } from '../store/disk.js';
import { openIdentity } from '../store/identity.js';
import { Journal, JOURNAL_FILE } from '../store/journal.js';
import { compileKernel, WasmKernel } from '../wasm/kernel.js';
import type { Accounts } from './accounts.js';
import { CarriedBalances } from './carried.js';
import { lightningKey } from './lightning-key.js';

export interface MeshModuleOptions {
  readonly config: MeshConfig;
  /** Locked by the caller. */
  readonly dataDir: string;
  /** Connected; closed by the caller, after the mesh. */
  readonly integration: ModuleIntegration;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The node is going down and so should this process. */
  readonly onNodeShutdown: () => void;
}

export interface Foundations {
  readonly self: NodeId;
  /** This node's own Lightning key, 33 bytes in hex, or null. */
  readonly ownPayee: string | null;
  /** Shared with the workers. */
  readonly table: ReplayTable;
  readonly journal: Journal;
  readonly judge: PacketJudge;
}

/** @throws MeshError when the data directory or the workers cannot be used */
export async function layFoundations(options: MeshModuleOptions): Promise<Foundations> {
  const { config, dataDir, clock, random, log, integration } = options;
  const { nodeId: self } = await openIdentity(dataDir, log);
  const ownPayee = config.ownPayee ?? (await lightningKey(integration.nodeApi(), log));
  const secret = random.bytes(FINGERPRINT_SECRET_BYTES);
  const table = SharedReplayTable.create(new WasmKernel(compileKernel(), secret), config.replayCapacity);
  const journal = await Journal.open({
    disk: nodeDisk,
    path: join(dataDir, JOURNAL_FILE),
    clock,
    log,
    fold: new CarriedBalances(clock, random),
  });
  const policy = judgePolicyOf(config, { self, ownPayee });
  const judge = await VerdictPool.start({
    workers: config.workers,
    policy,
    table: table.memory,
    secret,
    log,
    clock,
  });
  return { self, ownPayee, table, journal, judge };
}

/**
 * Takes what earlier runs accepted from the journal: their payments stay used, their fees stay owed.
 * @throws MeshError JOURNAL_CORRUPT; CONFIG_INVALID where the replay table is too small for them
 */
export async function restore({ journal, table }: Foundations, accounts: Accounts, log: Log): Promise<void> {
  let records = 0;
  for await (const record of journal.records()) {
    const key = accounts.restore(record);
    if (key !== null && table.claim(key, record.keepUntil) === 'full') {
      throw new MeshError(
        'CONFIG_INVALID',
        'the journal remembers more payments than replay_capacity allows: raise replay_capacity and start again.',
        { replayCapacity: table.stats().capacity },
      );
    }
    records += 1;
  }
  if (records > 0) log.log('info', 'restored accepted payments from the journal', { records });
}
