/**
 * The commands that ask a running module at its own door: those that its node offers too, `send`,
 * `explain`, `trace` and `rpc`.
 *
 * Rules: wire.md, Command line. Exit codes: 0 done, 1 could not be done, 2 asked wrongly.
 */
import { Command } from 'commander';
import type { Json } from '../../core/codec.js';
import { MeshError } from '../../core/errors.js';
import { Params, recordOf } from '../../core/params.js';
import { MODULE_COMMANDS, type CommandFacts } from '../module-commands.js';
import { explainCommand, traceCommand } from '../explain/commands.js';
import { askModule, RefusedRequest } from './client.js';
import { dataDirOf, withDataDir, withDoorOptions, type DoorFlags } from './flags.js';
import { sendCommand } from './send.js';

/** Each of them by name. */
export const DOOR_COMMANDS: Readonly<Record<string, () => Command>> = {
  ...Object.fromEntries(
    Object.entries(MODULE_COMMANDS).map(([name, facts]) => [name, () => askingCommand(name, facts)]),
  ),
  send: () => sendCommand(),
  explain: () => explainCommand(),
  trace: () => traceCommand(),
  rpc: () => rpcCommand(),
};

function askingCommand(name: string, { about, args, optional = [] }: CommandFacts): Command {
  const command = withDoorOptions(new Command(name).description(`${about} (of a running module)`));
  for (const arg of args) command.argument(`<${arg}>`);
  for (const arg of optional) command.argument(`[${arg}]`);
  return command.action(async () => {
    const flags = command.opts<DoorFlags>();
    // The flag goes last: the module takes it for one only where the arguments are complete.
    const given = [...command.args, ...(flags.json === true ? ['--json'] : [])];
    const outcome = new Params(
      recordOf(await askModule(dataDirOf(flags), 'command', { name, args: given }), 'an outcome'),
    );
    process.stdout.write(outcome.text('stdout'));
    process.stderr.write(outcome.text('stderr'));
    process.exitCode = outcome.count('exitCode');
  });
}

/** For scripts: any method of the door. */
function rpcCommand(): Command {
  return withDataDir(new Command('rpc'))
    .description('ask a running module by JSON-RPC and print the result as JSON')
    .argument('<method>', 'such as meshsendpacket, status, reasons; `version` lists them')
    .argument('[params]', 'a JSON object', '{}')
    .addHelpText('after', `\nExample:\n  $ blvm-mesh rpc meshquoteroute '{"destination_hex":"…"}'`)
    .action(async (method: string, text: string, flags: DoorFlags) => {
      try {
        process.stdout.write(
          `${JSON.stringify(await askModule(dataDirOf(flags), method, objectOf(text)))}\n`,
        );
      } catch (error) {
        if (!(error instanceof RefusedRequest)) throw error;
        process.stderr.write(`${JSON.stringify(error.error)}\n`);
        process.exitCode = 1;
      }
    });
}

function objectOf(text: string): { readonly [name: string]: Json } {
  try {
    return recordOf(JSON.parse(text), 'params') as { readonly [name: string]: Json };
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `the parameters are no JSON object: ${text}`, {}, { cause });
  }
}
