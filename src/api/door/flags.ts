/** What all commands at the door take. */
import type { Command } from 'commander';
import { MeshError } from '../../core/errors.js';

export interface DoorFlags {
  readonly dataDir?: string;
  readonly json?: true;
}

/** Adds what all of them take. */
export function withDataDir(command: Command): Command {
  return command.option(
    '--data-dir <path>',
    'data directory of the running module (default: DATA_DIR of the environment)',
  );
}

/** Adds what those take that print for people too. */
export function withDoorOptions(command: Command): Command {
  return withDataDir(command).option('--json', 'print JSON');
}

/** @throws MeshError CONFIG_INVALID */
export function dataDirOf({ dataDir = process.env['DATA_DIR'] ?? '' }: Pick<DoorFlags, 'dataDir'>): string {
  if (dataDir !== '') return dataDir;
  throw new MeshError(
    'CONFIG_INVALID',
    'no --data-dir was given and DATA_DIR is not set: name the data directory of the module.',
  );
}
