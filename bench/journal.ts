/**
 * Durable claims: a payment's key claimed in the shared table, and all that its acceptance leaves behind, on the disk and
 * in the balances, in groups of 256, beside the bare appending and syncing of as many bytes. On the disk that holds this
 * project.
 */
import { randomBytes } from 'node:crypto';
import { openSync, closeSync, fdatasyncSync, rmSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '#dist/core/clock.js';
import { Reason } from '#dist/core/reasons.js';
import { PostingSlab } from '#dist/ledger/posting-slab.js';
import { refusedVerdict } from '#dist/pool/judge.js';
import type { PacketVerdict } from '#dist/pool/judge-port.js';
import { SharedReplayTable } from '#dist/replay/shared-table.js';
import type { ReplayTable } from '#dist/replay/table.js';
import { compileKernel, WasmKernel } from '#dist/wasm/kernel.js';
import { accountsOf, benchJournal, packetOver, randomNode, randomPayment } from './ledger.js';
import { atLeast } from './stats.js';
import type { Group } from './suite.js';

/** Claims that become durable together. */
const GROUP = 256;
const GROUPS_PER_RUN = 8;
const LIFE_SECONDS = 60;

/** A payment to another node's key: it leaves a debt. */
const PAID: PacketVerdict = {
  ...refusedVerdict(Reason.Accepted),
  kind: 'paid',
  position: 1,
  amountMsat: 10_000n,
  payee: '02'.padEnd(66, 'a'),
};

export async function durableClaims(): Promise<Group> {
  const kernel = new WasmKernel(compileKernel(), new Uint8Array(randomBytes(16)));
  const makeTable = (capacity: number): ReplayTable => SharedReplayTable.create(kernel, capacity);
  const { folder, journal } = await benchJournal();
  const bare = openSync(join(folder, 'bare'), 'w');
  const bareHandle = await open(join(folder, 'bare-async'), 'w');
  const self = randomNode();
  const accounts = accountsOf(self, (records) => journal.append(records));
  const head = packetOver([randomNode(), self, randomNode(), randomNode()]);
  const makePayment = randomPayment();
  const slab = new PostingSlab();
  const payloads = Array.from({ length: GROUP }, () => slab.write(makePayment()));
  const bytes = new Uint8Array(payloads.reduce((sum, { length }) => sum + length + 13, 28));
  const operations = GROUP * GROUPS_PER_RUN;
  let table = makeTable(1 << 20);
  const repeated = async (group: () => unknown): Promise<void> => {
    for (let n = 0; n < GROUPS_PER_RUN; n++) await group();
  };
  const appendGroup = (payloads: readonly Uint8Array[]): Promise<unknown> => {
    const keepUntil = systemClock.unixSeconds() + LIFE_SECONDS;
    return Promise.all(payloads.map((payload) => journal.append([{ type: 1, keepUntil, payload }])));
  };
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
        name: 'claim, split, posting, debt, journal, balances',
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
            return new Promise<void>((resolve, reject) => {
              let left = won.length;
              const onRecorded = (error: unknown): void => {
                if (error !== null) reject(new Error('a payment was not recorded', { cause: error }));
                else if (--left === 0) resolve();
              };
              for (const replayKey of won)
                accounts.record(head, { ...PAID, replayKey, expiresAt }, onRecorded);
            });
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
