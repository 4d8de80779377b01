/** The command line: every subcommand in one place. Exit codes: 0 done, 1 failed, 2 asked wrongly, 130 interrupted. */
import { Command, CommanderError } from 'commander';
import { VERSION } from './core/version.js';
import { errorText, MeshError } from './core/errors.js';
import { requireHost } from './config/host.js';
import { MODULE_COMMANDS } from './api/module-commands.js';
import { mindStandardOutput } from './api/standard-output.js';

/** Subcommands are loaded when they are asked for, so that each starts as fast as it can. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => {
    requireHost(process.env['DATA_DIR']);
    return (await import('./api/run-command.js')).runCommand();
  },
  doctor: async () => (await import('./api/doctor/command.js')).doctorCommand(),
  install: async () => (await import('./api/install/command.js')).installCommand(),
  uninstall: async () => (await import('./api/install/command.js')).uninstallCommand(),
  demo: async () => (await import('./demo/command.js')).demoCommand(),
  'dev-node': async () => (await import('./dev/command.js')).devNodeCommand(),
  inspect: async () => (await import('./api/inspect/command.js')).inspectCommand(),
  identity: async () => (await import('./api/identity-command.js')).identityCommand(),
  ledger: async () => (await import('./api/ledger-command.js')).ledgerCommand(),
  fuzz: async () => (await import('./api/fuzz/command.js')).fuzzCommand(),
  'crash-campaign': async () => (await import('./stress/command.js')).crashCommand(),
  simulate: async () => (await import('./simulate/command.js')).simulateCommand(),
  'overload-campaign': async () => (await import('./stress/command.js')).overloadCommand(),
  'flood-campaign': async () => (await import('./stress/command.js')).floodCommand(),
  'worker-kill-campaign': async () => (await import('./stress/command.js')).workerKillCommand(),
  'replay-campaign': async () => (await import('./stress/command.js')).replayCommand(),
  'twin-campaign': async () => (await import('./stress/command.js')).twinCommand(),
  'simulate-campaign': async () => (await import('./simulate/campaign-command.js')).simulateCampaignCommand(),
  'fee-campaign': async () => (await import('./api/fuzz/fee-command.js')).feeCommand(),
  'gate-campaign': async () => (await import('./api/fuzz/gate-command.js')).gateCommand(),
};

/** Those that ask a running module. */
const AT_THE_DOOR = new Set([...Object.keys(MODULE_COMMANDS), 'send', 'explain', 'trace', 'rpc']);

/** Those that are there for what they do, not for what they print. */
const SERVICES = new Set(['run', 'dev-node', 'demo']);

async function atTheDoor(): Promise<readonly Command[]> {
  const { DOOR_COMMANDS } = await import('./api/door/commands.js');
  return Object.values(DOOR_COMMANDS).map((make) => make());
}

async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('blvm-mesh')
    .description('Payment-gated mesh networking for blvm-node')
    .version(VERSION)
    .addHelpText('after', '\nEvery command explains itself with --help.');
  const asked = SUBCOMMANDS[argv[2] ?? ''];
  const isAtTheDoor = AT_THE_DOOR.has(argv[2] ?? '');
  const wanted = asked === undefined ? Object.values(SUBCOMMANDS) : [asked];
  try {
    for (const load of isAtTheDoor ? [] : wanted) program.addCommand(await load());
    if (asked === undefined) for (const command of await atTheDoor()) program.addCommand(command);
    for (const command of [program, ...program.commands]) command.exitOverride();
    await program.parseAsync(argv);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    process.stderr.write(`${error instanceof MeshError ? `${error.code}: ` : ''}${errorText(error)}\n`);
    return 1;
  }
}

mindStandardOutput(SERVICES.has(process.argv[2] ?? ''));
process.exitCode = await main(process.argv);
