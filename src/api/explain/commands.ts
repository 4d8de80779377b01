/**
 * `blvm-mesh explain` and `blvm-mesh trace`: asked of a running module at its door.
 *
 * Exit codes: 0 found, 1 nothing found or no module there, 2 asked wrongly.
 */
import { Command, InvalidArgumentError } from 'commander';
import { JSONRPCErrorCode } from 'json-rpc-2.0';
import { Params, recordOf } from '../../core/params.js';
import type { Json } from '../../core/codec.js';
import { askModule, RefusedRequest } from '../door/client.js';
import { dataDirOf, withDoorOptions, type DoorFlags } from '../door/flags.js';
import { MOST_EXPLAINED } from './methods.js';

interface ExplainFlags extends DoorFlags {
  readonly last?: number;
  readonly reason?: string;
  readonly peer?: string;
}

export function explainCommand(): Command {
  return withDoorOptions(new Command('explain'))
    .description('what became of packets, check by check, and what to do (of a running module)')
    .argument('[packet-id]', 'hex digits that it begins with; without it, the newest packets')
    .option('--last <n>', `so many, newest first (1 to ${MOST_EXPLAINED}; default 10)`, countOf)
    .option('--reason <code>', 'only those refused for it: its name or code (docs/reasons.md)')
    .option('--peer <id>', 'only those of a peer: its address, or digits that its node id begins with')
    .addHelpText(
      'after',
      `
Every refusal is recorded, and packets that passed up to a rate. Hellos and discovery that
passed are found by their id alone. docs/troubleshooting.md shows what to do about ten faults.
Example:
  $ blvm-mesh explain --last 3 --reason AmountTooLow`,
    )
    .action((packetId: string | undefined, flags: ExplainFlags) =>
      ask(flags, 'explain', {
        ...(packetId === undefined ? {} : { packet_id: packetId }),
        ...(flags.last === undefined ? {} : { last: flags.last }),
        ...(flags.reason === undefined ? {} : { reason: flags.reason }),
        ...(flags.peer === undefined ? {} : { peer: flags.peer }),
      }),
    );
}

export function traceCommand(): Command {
  return withDoorOptions(new Command('trace'))
    .description('ask the network for a way to a node, and each hop of it for itself (by a running module)')
    .argument('<destination>', 'node id, 64 hex digits')
    .action((destination: string, flags: DoorFlags) => ask(flags, 'trace', { destination_hex: destination }));
}

async function ask(
  flags: DoorFlags,
  method: string,
  params: { readonly [name: string]: Json },
): Promise<void> {
  let result: unknown;
  try {
    result = await askModule(dataDirOf(flags), method, params);
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = error.error.code === (JSONRPCErrorCode.InvalidParams as number) ? 2 : 1;
    return;
  }
  const answer = new Params(recordOf(result, 'an answer'));
  const isFound = answer.flag('isFound');
  if (flags.json === true) process.stdout.write(`${JSON.stringify(answer.value('json'))}\n`);
  else process[isFound ? 'stdout' : 'stderr'].write(`${answer.text('text')}\n`);
  process.exitCode = isFound ? 0 : 1;
}

function countOf(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > MOST_EXPLAINED)
    throw new InvalidArgumentError(`A whole number from 1 to ${MOST_EXPLAINED}.`);
  return count;
}
