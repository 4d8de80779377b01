/**
 * Durable claims: a payment's key claimed in the shared table and its posting on the disk, in groups of 256, beside
 * the bare appending and syncing of as many bytes. On the disk that holds this project.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, openSync, closeSync, fdatasyncSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#dist/core/clock.js';
import { nodeIdOf } from '#dist/core/ids.js';
import { splitFee } from '#dist/ledger/fee.js';
import { encodePosting, paymentPosting } from '#dist/ledger/posting.js';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import type { ReplayTable } from '#dist/replay/table.js';
import { nodeDisk } from '#dist/store/disk.js';
import { Journal } from '#dist/store/journal.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { atLeast } from './stats.js';
import type { Group } from './suite.js';

/** Claims that become durable together. */
const GROUP = 256;
const GROUPS_PER_RUN = 8;
const LIFE_SECONDS = 60;

export async function durableClaims(): Promise<Group> {
  const kernel = new WasmKernel(compileKernel(), new Uint8Array(randomBytes(16)));
  const makeTable = (capacity: number): ReplayTable => SharedReplayTable.create(kernel, capacity);
  const folder = mkdtempSync(join(process.cwd(), 'dist', 'bench-journal-'));
  const journal = await Journal.open({
    disk: nodeDisk,
    path: join(folder, 'payments.journal'),
    clock: systemClock,
    log: { log: () => undefined },
    isFirstRun: true,
  });
  const bare = openSync(join(folder, 'bare'), 'w');
  const bareHandle = await open(join(folder, 'bare-async'), 'w');
  const node = (): ReturnType<typeof nodeIdOf> => nodeIdOf(new Uint8Array(randomBytes(32)));
  const parties = { destination: node(), routers: [node(), node()] };
  const distribution = splitFee(10_000n, [1n, 1n]);
  const posting = (key: Uint8Array): Uint8Array =>
    encodePosting(
      paymentPosting({ key, postedAt: BigInt(systemClock.unixSeconds()), ...parties, distribution }),
    );
  const bytes = new Uint8Array(GROUP * (posting(new Uint8Array(32)).length + 13) + 28);
  const operations = GROUP * GROUPS_PER_RUN;
  let table = makeTable(1 << 20);
  const repeated = async (group: () => unknown): Promise<void> => {
    for (let n = 0; n < GROUPS_PER_RUN; n++) await group();
  };
  const appendGroup = (payloads: readonly Uint8Array[]): Promise<unknown> => {
    const keepUntil = systemClock.unixSeconds() + LIFE_SECONDS;
    return Promise.all(payloads.map((payload) => journal.append([{ type: 1, keepUntil, payload }])));
  };
  const payloads = Array.from({ length: GROUP }, () => posting(new Uint8Array(randomBytes(32))));
  return {
    name: `durable, groups of ${GROUP}`,
    tasks: [
      {
        name: 'write and fdatasync alone',
        unit: 'records/s',
        operations,
        run: () =>
          repeated(() => {
            writeSync(bare, bytes);
            fdatasyncSync(bare);
          }),
      },
      {
        name: 'the same, off the main thread',
        unit: 'records/s',
        operations,
        run: () =>
          repeated(async () => {
            await bareHandle.write(bytes);
            await bareHandle.datasync();
          }),
      },
      {
        name: 'journal',
        unit: 'records/s',
        operations,
        run: () => repeated(() => appendGroup(payloads)),
      },
      {
        name: 'claim, posting, journal',
        unit: 'claims/s',
        operations,
        target: atLeast(100_000),
        run: async () => {
          const { keys, capacity } = table.stats();
          if (keys + operations > capacity / 2) table = makeTable(capacity);
          await repeated(() => {
            // One call for all: otherwise it would be chance that is measured.
            const drawn = new Uint8Array(randomBytes(GROUP * 32));
            const fresh = payloads.map((_, index) => drawn.subarray(32 * index, 32 * index + 32));
            const expiresAt = systemClock.unixSeconds() + LIFE_SECONDS;
            const won = fresh.filter((key) => table.claim(key, expiresAt) === 'claimed');
            return appendGroup(won.map(posting));
          });
        },
      },
    ],
    close: async () => {
      await journal.close();
      closeSync(bare);
      await bareHandle.close();
      rmSync(folder, { recursive: true });
    },
  };
}
