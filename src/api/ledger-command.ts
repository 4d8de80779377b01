/**
 * `blvm-mesh ledger show | verify | statement | settle`: the ledger of a data directory, read from its journal.
 *
 * Rules: payments.md, Lightning (Bounded trust) and Fee split. They take the lock of a stopped module; where a module
 * runs, `settle` asks it at its door, and the others say whom to ask. Exit codes: 0 done, 1 the data directory cannot be
 * read, the ledger is not conserved or the settlement is refused, 2 asked wrongly.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { present } from '../core/assert.js';
import { fromHex, toHex } from '../core/bytes.js';
import { systemClock } from '../core/clock.js';
import type { Json } from '../core/codec.js';
import { errorText, MeshError } from '../core/errors.js';
import { Params, recordOf } from '../core/params.js';
import { systemRandom } from '../core/random.js';
import { lightningKey } from '../config/kinds.js';
import { Accounts } from '../engine/accounts.js';
import { Debts } from '../engine/debts.js';
import { postingBytesOf } from '../engine/ledger-records.js';
import { statementOf } from '../engine/statement.js';
import { Ledger } from '../ledger/ledger.js';
import { recount } from '../ledger/recount.js';
import { openDataDir, type DataDir } from '../store/data-dir.js';
import { nodeDisk } from '../store/disk.js';
import { openIdentity } from '../store/identity.js';
import { Journal, JOURNAL_FILE } from '../store/journal.js';
import { askModule } from './door/client.js';
import { dataDirOf } from './door/flags.js';
import { parseMsat } from './ledger-settle.js';
import {
  balancesJson,
  balancesText,
  faultsOf,
  settledJson,
  settledText,
  statementJson,
  statementText,
  verificationJson,
  verificationText,
  type Verification,
} from './ledger-text.js';

interface LedgerFlags {
  readonly dataDir?: string;
  readonly json?: true;
}

interface SettleFlags extends LedgerFlags {
  readonly amount?: bigint;
  readonly reference?: string;
}

const RUNNING = 'ask it: `blvm-mesh rpc ledger` shows its sums and what each payee owes';
const silent = { log: (): void => undefined };

export function ledgerCommand(): Command {
  const ledger = new Command('ledger').description('what the ledger says, and debts that were settled');
  subcommand(ledger, 'show', 'all balances, by role and account').action((flags: LedgerFlags) =>
    onJournal(flags, async (journal) => {
      const { balances, logged } = await recount(() => logOf(journal), journal.stats().records);
      print(flags, balancesJson(balances.list(), logged), balancesText(balances.list(), logged));
    }),
  );
  subcommand(ledger, 'verify', 'recompute everything from the journal and say what is wrong').action(
    (flags: LedgerFlags) =>
      onJournal(flags, async (journal) => {
        const verification = await verify(journal);
        print(flags, verificationJson(verification), verificationText(verification));
        if (faultsOf(verification).length > 0) process.exitCode = 1;
      }),
  );
  subcommand(ledger, 'statement', 'what a payee owes this node and has settled, one by one')
    .argument('<payee>', 'Lightning key, 33 bytes in hex', payeeOf)
    .action((payee: string, flags: LedgerFlags) =>
      onJournal(flags, async (journal) => {
        const statement = await statementOf(payee, journal.batches());
        print(flags, statementJson(statement), statementText(statement));
      }),
    );
  subcommand(ledger, 'settle', 'record that a payee has settled what it owes, or a part of it')
    .argument('<payee>', 'Lightning key, 33 bytes in hex', payeeOf)
    .option('--amount <msat>', 'how much (default: all that it owes)', amountOf)
    .option('--reference <text>', 'your own text to it; of a payee each is taken once')
    .addHelpText('after', '\nOn the data directory of a running module, the module records it.')
    .action(settle);
  return ledger;
}

function subcommand(ledger: Command, name: string, about: string): Command {
  return ledger
    .command(name)
    .exitOverride()
    .description(about)
    .option('--data-dir <path>', 'where the journal is kept (default: DATA_DIR of the environment)')
    .option('--json', 'one JSON object, amounts as decimal text in msat')
    .addHelpText('after', name === 'settle' ? '' : `\nWhile a module runs, ${RUNNING}.`);
}

function payeeOf(text: string): string {
  const key = lightningKey.parse(text);
  if (key === null) throw new InvalidArgumentError(`a payee is ${lightningKey.allowed}.`);
  return key;
}

function amountOf(text: string): bigint {
  const amount = parseMsat(text);
  if (amount === null) throw new InvalidArgumentError('an amount is a whole number of msat, 1 or more.');
  return amount;
}

async function verify(journal: Journal): Promise<Verification> {
  const { records } = journal.stats();
  const audit = await recount(() => logOf(journal), records);
  const overSettled: string[] = [];
  for (const { account, balanceMsat } of audit.balances.list('Payee')) {
    if (account.kind === 'Payee' && balanceMsat < 0n) overSettled.push(toHex(account.key));
  }
  return { audit, records, overSettled };
}

async function settle(payee: string, flags: SettleFlags): Promise<void> {
  const { amount = null, reference = '' } = flags;
  const path = dataDirOf(flags);
  await journalThere(path);
  let dataDir: DataDir;
  try {
    dataDir = await openDataDir(path);
  } catch (error) {
    await settleAtDoor(path, payee, flags, error);
    return;
  }
  await withJournal(dataDir, async (journal) => {
    const accounts = await accountsOf(dataDir, journal);
    const key = present(fromHex(payee), 'a parsed payee is hex');
    const outcome = await accounts.settle({ payee: key, amountMsat: amount, reference });
    if (outcome.ok) print(flags, settledJson(payee, outcome), `${settledText(payee, outcome)}\n`);
    else {
      process.stderr.write(`${outcome.why}\n`);
      process.exitCode = 1;
    }
  });
}

/** The module that holds the lock records it. @param locked why the directory could not be taken */
async function settleAtDoor(path: string, payee: string, flags: SettleFlags, locked: unknown): Promise<void> {
  const { amount = 'all', reference = '' } = flags;
  const args = [payee, String(amount), reference, ...(flags.json === true ? ['--json'] : [])];
  let answer: unknown;
  try {
    answer = await askModule(path, 'command', { name: 'settle', args });
  } catch (cause) {
    const text = `${errorText(locked)} Nor could it be asked at its door (${errorText(cause)}).`;
    throw new MeshError(
      'DATA_DIR_UNUSABLE',
      `${text} Its node can ask it: \`mesh settle PAYEE AMOUNT|all REFERENCE\`.`,
      { dataDir: path },
      { cause },
    );
  }
  const outcome = new Params(recordOf(answer, 'an outcome'));
  process.stdout.write(outcome.text('stdout'));
  process.stderr.write(outcome.text('stderr'));
  process.exitCode = outcome.count('exitCode');
}

/** The accounts as they stand in a journal. */
async function accountsOf(dataDir: DataDir, journal: Journal): Promise<Accounts> {
  const { nodeId: self } = await openIdentity(dataDir.path, silent);
  const ledger = new Ledger();
  const debts = new Debts({
    ownPayee: null,
    ledger,
    capMsat: 0n,
    log: silent,
    onCapsChanged: () => undefined,
  });
  const accounts = new Accounts({
    self,
    clock: systemClock,
    random: systemRandom,
    ledger,
    append: (records) => journal.append(records),
    hasRoom: (payloadBytes) => journal.hasRoom(payloadBytes),
    debts,
  });
  for await (const batch of journal.batches()) for (const record of batch) accounts.restore(record);
  return accounts;
}

/** @throws MeshError where the data directory is used by a running module, holds no journal, or a damaged one */
async function onJournal(flags: LedgerFlags, work: (journal: Journal) => Promise<void>): Promise<void> {
  const path = dataDirOf(flags);
  await journalThere(path);
  let dataDir: DataDir;
  try {
    dataDir = await openDataDir(path);
  } catch (cause) {
    if (!(cause instanceof MeshError)) throw cause;
    throw new MeshError(cause.code, `${errorText(cause)} While a module runs, ${RUNNING}.`, {}, { cause });
  }
  await withJournal(dataDir, work);
}

/** Gives the lock back afterwards. */
async function withJournal(dataDir: DataDir, work: (journal: Journal) => Promise<void>): Promise<void> {
  try {
    const path = dataDir.file(JOURNAL_FILE);
    const parts = { disk: nodeDisk, path, clock: systemClock, log: silent, isFirstRun: false };
    const journal = await Journal.open(parts);
    try {
      await work(journal);
    } finally {
      await journal.close();
    }
  } finally {
    await dataDir.release();
  }
}

/** A journal must be there: asking for one makes neither a directory nor a first run. */
async function journalThere(path: string): Promise<void> {
  try {
    await access(join(path, JOURNAL_FILE));
  } catch (cause) {
    const facts = { dataDir: path };
    throw new MeshError('DATA_DIR_UNUSABLE', `${path} holds no journal of a mesh.`, facts, { cause });
  }
}

async function* logOf(journal: Journal): AsyncGenerator<readonly Uint8Array[]> {
  for await (const batch of journal.batches()) yield batch.map(postingBytesOf);
}

function print({ json }: LedgerFlags, value: Json, text: string): void {
  process.stdout.write(json === true ? `${JSON.stringify(value)}\n` : text);
}
