/**
 * `blvm-mesh identity show | rotate`: the key that is this node's id.
 *
 * Rules: docs/transport.md (the node id is the key of the certificate). The private key is never shown.
 */
import { Command } from 'commander';
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Log } from '../core/ports.js';
import { openDataDir } from '../store/data-dir.js';
import { hasIdentity, openIdentity, retireIdentity } from '../store/identity.js';
import { dataDirOf } from './door/flags.js';

interface IdentityFlags {
  readonly dataDir?: string;
}

const DATA_DIR_OPTION = [
  '--data-dir <path>',
  'the data directory of the module (default: DATA_DIR)',
] as const;

/** What opening a key warns of is for whoever ran the command. */
const stderrLog: Log = {
  log: (level, message) => {
    if (level === 'warn' || level === 'error') process.stderr.write(`${message}\n`);
  },
};

export function identityCommand(): Command {
  const command = new Command('identity').description(
    "this node's identity key: its public key is the node id",
  );
  command
    .command('show')
    .description('print the node id; makes the key where there is none yet')
    .option(...DATA_DIR_OPTION)
    .action(async (flags: IdentityFlags) => {
      const open = async (path: string): Promise<NodeId> => (await openIdentity(path, stderrLog)).nodeId;
      const path = dataDirOf(flags);
      // A key that is there is only read, also beside a running module.
      const nodeId = (await hasIdentity(path)) ? await open(path) : await withDataDir(flags, open);
      process.stdout.write(`${nodeKey(nodeId)}\n`);
    });
  command
    .command('rotate')
    .description('make a new key, and keep the old one beside it; the module must not run')
    .option(...DATA_DIR_OPTION)
    .addHelpText(
      'after',
      '\nThe node is another one afterwards: peers that pin the old node id, and payees and governance lists that name it,' +
        ' must be told the new one.',
    )
    .action(async (flags: IdentityFlags) => {
      await withDataDir(flags, async (path) => {
        const before = await openIdentity(path, stderrLog);
        const kept = await retireIdentity(path, before.nodeId);
        const { nodeId } = await openIdentity(path, stderrLog);
        process.stdout.write(`${nodeKey(nodeId)}\n`);
        process.stderr.write(`${nodeKey(before.nodeId)} is retired; its key is kept in ${kept}\n`);
      });
    });
  return command;
}

/** Locked meanwhile, so that no module runs on a key that changes under it. */
async function withDataDir<T>(flags: IdentityFlags, work: (path: string) => Promise<T>): Promise<T> {
  const dataDir = await openDataDir(dataDirOf(flags));
  try {
    return await work(dataDir.path);
  } finally {
    await dataDir.release();
  }
}
