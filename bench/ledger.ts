/**
 * What a paid packet costs in the ledger: its price and split, its posting as bytes, the balances; and how fast a start
 * reads them all again. On the disk that holds this project.
 */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#dist/core/clock.js';
import { encode } from '#dist/core/codec.js';
import { nodeIdOf, type NodeId } from '#dist/core/ids.js';
import { systemRandom } from '#dist/core/random.js';
import { Accounts, type AppendDurably } from '#dist/engine/accounts.js';
import { Debts } from '#dist/engine/debts.js';
import { calculateFee, splitFee } from '#dist/ledger/fee.js';
import { Ledger } from '#dist/ledger/ledger.js';
import { paymentPosting, postingCodec, type Posting } from '#dist/ledger/posting.js';
import { encodePosting, PostingView } from '#dist/ledger/posting-bytes.js';
import { PostingSlab, type PaidPacket } from '#dist/ledger/posting-slab.js';
import { PacketHead } from '#dist/packet/head.js';
import { encodePacket } from '#dist/packet/packet.js';
import { nodeDisk, type Disk } from '#dist/store/disk.js';
import { Journal } from '#dist/store/journal.js';
import { benchFolder } from './folder.js';
import { atLeast } from './stats.js';
import type { Group } from './suite.js';

const POSTINGS = 8_192;
/** Postings in the journal that a start reads. */
const RESTORED = 65_536;
const KEPT_SECONDS = 86_400;
const FEES = { baseMsat: 1_000n, perHopMsat: 100n, perKibMsat: 10n, proportionalPpm: 2_500n };

/** The accounts of a node, without a node. @param ownPayee what is paid to another key leaves a debt */
export function accountsOf(self: NodeId, append: AppendDurably, ownPayee: string | null = null): Accounts {
  const ledger = new Ledger();
  const debts = new Debts({
    ownPayee,
    ledger,
    capMsat: 0n,
    log: { log: () => undefined },
    onCapsChanged: () => undefined,
  });
  return new Accounts({
    self,
    clock: systemClock,
    random: systemRandom,
    ledger,
    append,
    hasRoom: () => true,
    debts,
  });
}

export function randomNode(): NodeId {
  return nodeIdOf(new Uint8Array(randomBytes(32)));
}

/** A journal in a folder of its own. */
export async function benchJournal(
  disk: Disk = nodeDisk,
): Promise<{ readonly folder: string; readonly journal: Journal }> {
  const folder = benchFolder();
  return { folder, journal: await openJournal(folder, true, disk) };
}

function openJournal(folder: string, isFirstRun: boolean, disk: Disk = nodeDisk): Promise<Journal> {
  const path = join(folder, 'payments.journal');
  return Journal.open({
    disk,
    path,
    clock: systemClock,
    log: { log: () => undefined },
    isFirstRun,
  });
}

export async function ledgerCosts(): Promise<Group> {
  const payments = Array.from({ length: POSTINGS }, randomPayment());
  const postings = payments.map(postingOf);
  const slab = new PostingSlab();
  const encoded = postings.map(encodePosting);
  const view = new PostingView();
  const { folder, journal } = await benchJournal();
  const keepUntil = systemClock.unixSeconds() + KEPT_SECONDS;
  const fresh = randomPayment();
  await Promise.all(
    Array.from({ length: RESTORED }, () =>
      journal.append([{ type: 1, keepUntil, payload: slab.write(fresh()) }]),
    ),
  );
  await journal.close();
  const self = randomNode();
  return {
    name: 'ledger',
    tasks: [
      {
        name: 'posting encoded, codec',
        unit: 'postings/s',
        operations: POSTINGS,
        run: () => {
          for (const posting of postings) encode(postingCodec, posting);
        },
      },
      {
        name: 'posting written from its packet',
        unit: 'postings/s',
        operations: POSTINGS,
        run: () => {
          for (const payment of payments) slab.write(payment);
        },
      },
      {
        name: 'posting read, checked, taken into the balances',
        unit: 'postings/s',
        operations: POSTINGS,
        run: () => {
          const ledger = new Ledger();
          for (const bytes of encoded) if (view.load(bytes)) ledger.post(view);
        },
      },
      {
        name: 'fee of a route calculated and split',
        unit: 'routes/s',
        operations: POSTINGS,
        target: atLeast(1_000_000),
        run: () => {
          for (let i = 0; i < POSTINGS; i++) {
            const declared = BigInt(1_000 + (i & 1_023));
            splitFee(calculateFee(FEES, 3, BigInt(i), [declared, 5n]), [declared, 5n]);
          }
        },
      },
      {
        name: 'journal opened, checked, restored',
        unit: 'postings/s',
        operations: RESTORED,
        target: atLeast(500_000),
        run: async () => {
          const found = await openJournal(folder, false);
          const accounts = accountsOf(self, () => Promise.resolve());
          for await (const batch of found.batches()) for (const record of batch) accounts.restore(record);
          await found.close();
        },
      },
    ],
    close: () => {
      rmSync(folder, { recursive: true });
      return Promise.resolve();
    },
  };
}

/** A packet over a route, as far as accounts look at it. */
export function packetOver(route: readonly NodeId[]): PacketHead {
  const [source, destination] = [route[0], route.at(-1)];
  if (source === undefined || destination === undefined) throw new Error('a route has two ends');
  const bytes = encodePacket({
    version: 1,
    packetType: 'Paid',
    source,
    destination,
    route,
    sequence: 1n,
    timestamp: 0n,
    paymentProof: null,
    payload: new Uint8Array(0),
    metadata: null,
  });
  return new PacketHead(bytes);
}

/** Makes payments over two routers, between a few hundred nodes, of which half leave a debt. */
export function randomPayment(): () => PaidPacket {
  const nodes = Array.from({ length: 256 }, randomNode);
  const payee = Uint8Array.of(2, ...randomBytes(32));
  let made = 0;
  const node = (): NodeId => nodes[made++ % nodes.length] ?? randomNode();
  return () => {
    const amountMsat = BigInt(1_000 + (made % 9_000));
    return {
      key: new Uint8Array(randomBytes(32)),
      postedAt: systemClock.unixSeconds(),
      head: packetOver([node(), node(), node(), node()]),
      distribution: splitFee(amountMsat, [1n, 1n]),
      due: made % 2 === 0 ? { payee, amountMsat: amountMsat / 10n } : null,
    };
  };
}

/** The plain form of one. */
export function postingOf({ key, postedAt, head, distribution, due }: PaidPacket): Posting {
  const { destination } = head;
  const routers = head.routers();
  return paymentPosting({ key, postedAt: BigInt(postedAt), destination, routers, distribution, due });
}
