/** `mesh settle`: a running module records that a payee has settled a debt. */
import { fromHex } from '../core/bytes.js';
import { errorText, MeshError } from '../core/errors.js';
import { lightningKey } from '../config/kinds.js';
import type { Accounts } from '../engine/accounts.js';
import type { CliOutcome } from './outcome.js';
import { settledJson, settledText } from './ledger-text.js';

/** Stands for all that is owed. */
const ALL = 'all';

/** A positive whole number of msat, or null. */
export function parseMsat(text: string): bigint | null {
  return /^[1-9]\d{0,29}$/.test(text) ? BigInt(text) : null;
}

/** Runs the command. @param args payee, amount in msat or `all`, reference (empty for none) */
export async function settleCommand(
  accounts: Accounts,
  [payeeText = '', amountText = '', reference = '']: readonly string[],
  asJson: boolean,
): Promise<CliOutcome> {
  const payee = lightningKey.parse(payeeText);
  const key = payee === null ? null : fromHex(payee);
  if (payee === null || key === null) return refused(2, `a payee is ${lightningKey.allowed}`);
  const amountMsat = amountText === ALL ? null : parseMsat(amountText);
  if (amountMsat === null && amountText !== ALL) {
    return refused(2, `an amount is a whole number of msat, 1 or more, or '${ALL}'`);
  }
  try {
    const outcome = await accounts.settle({ payee: key, amountMsat, reference });
    if (!outcome.ok) return refused(1, outcome.why);
    const text = asJson ? JSON.stringify(settledJson(payee, outcome)) : settledText(payee, outcome);
    return { stdout: `${text}\n`, stderr: '', exitCode: 0 };
  } catch (error) {
    if (!(error instanceof MeshError)) throw error;
    return refused(1, errorText(error));
  }
}

function refused(exitCode: 1 | 2, why: string): CliOutcome {
  return { stdout: '', stderr: `${why}\n`, exitCode };
}
