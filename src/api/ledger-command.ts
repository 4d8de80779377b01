/**
 * `blvm-mesh ledger statement PAYEE`: what a payee owes this node, from the journal of a stopped module.
 *
 * Rules: payments.md, Lightning, Bounded trust. Exit codes: 0 done, 1 the data directory cannot be read, 2 asked wrongly.
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../core/clock.js';
import type { Json } from '../core/codec.js';
import { errorText, MeshError } from '../core/errors.js';
import { lightningKey } from '../config/kinds.js';
import { statementOf, type Statement } from '../engine/statement.js';
import { openDataDir, type DataDir } from '../store/data-dir.js';
import { nodeDisk } from '../store/disk.js';
import { Journal, JOURNAL_FILE } from '../store/journal.js';

interface StatementFlags {
  readonly dataDir?: string;
  readonly json?: true;
}

export function ledgerCommand(): Command {
  const ledger = new Command('ledger').description('what the ledger of a stopped module says');
  ledger
    .command('statement')
    .exitOverride()
    .description('what a payee owes this node, payment by payment')
    .argument('<payee>', 'Lightning key, 33 bytes in hex', payeeOf)
    .option('--data-dir <path>', 'where the journal is kept (default: DATA_DIR of the environment)')
    .option('--json', 'one JSON object, amounts as decimal text in msat')
    .addHelpText('after', `\nOf a running module, ask its node: ${RUNNING}.`)
    .action((payee: string, flags: StatementFlags) => printStatement(payee, flags, process.stdout));
  return ledger;
}

const RUNNING = '`mesh status --json` shows what each payee owes';

function payeeOf(text: string): string {
  const key = lightningKey.parse(text);
  if (key === null) throw new InvalidArgumentError(`a payee is ${lightningKey.allowed}.`);
  return key;
}

/** @throws MeshError where the data directory is used by a running module, holds no journal, or a damaged one */
async function printStatement(payee: string, flags: StatementFlags, out: Writable): Promise<void> {
  const path = flags.dataDir ?? process.env['DATA_DIR'] ?? '';
  if (path === '')
    throw new MeshError('CONFIG_INVALID', 'no --data-dir was given and DATA_DIR is not set: name it.');
  const dataDir = await lockedDataDir(path);
  try {
    const journal = await Journal.open({
      disk: nodeDisk,
      path: dataDir.file(JOURNAL_FILE),
      clock: systemClock,
      log: { log: () => undefined },
      isFirstRun: false,
    });
    try {
      const statement = await statementOf(payee, journal.batches());
      out.write(
        flags.json === true ? `${JSON.stringify(statementJson(statement))}\n` : statementText(statement),
      );
    } finally {
      await journal.close();
    }
  } finally {
    await dataDir.release();
  }
}

/** A journal must be there: asking for one makes neither a directory nor a first run. */
async function lockedDataDir(path: string): Promise<DataDir> {
  try {
    await access(join(path, JOURNAL_FILE));
  } catch (cause) {
    const facts = { dataDir: path };
    throw new MeshError('DATA_DIR_UNUSABLE', `${path} holds no journal of a mesh.`, facts, { cause });
  }
  try {
    return await openDataDir(path);
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    throw new MeshError(
      error.code,
      `${errorText(error)} While a module runs, ask its node: ${RUNNING}.`,
      {},
      { cause: error },
    );
  }
}

/** For scripts: amounts are decimal text in msat. */
function statementJson({ payee, owedMsat, carriedMsat, payments, items }: Statement): Json {
  return {
    payee,
    owedMsat: String(owedMsat),
    carriedMsat: String(carriedMsat),
    payments,
    items: items.map(({ postedAt, payment, amountMsat }) => ({
      postedAt,
      payment,
      amountMsat: String(amountMsat),
    })),
  };
}

function statementText({ payee, owedMsat, carriedMsat, payments, items }: Statement): string {
  const lines = items.map(({ postedAt, payment, amountMsat }) => {
    return `${new Date(postedAt * 1_000).toISOString()}  ${payment}  ${amountMsat} msat`;
  });
  const left = payments - items.length;
  return [
    `payee    ${payee}`,
    `owes     ${owedMsat} msat`,
    ...(carriedMsat === 0n
      ? []
      : [`carried  ${carriedMsat} msat, of payments whose records are no longer kept`]),
    `payments ${payments}`,
    ...(left === 0 ? [] : [`(the newest ${items.length})`]),
    ...lines,
    '',
  ].join('\n');
}
