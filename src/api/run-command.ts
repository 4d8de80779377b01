/**
 * `blvm-mesh run`: the module on a node, spawned by it or attached to it.
 *
 * Rules: node-ipc.md (environment of a spawned module; handshake under the module's name, so that its capabilities
 * apply; stopping is SIGKILL, so nothing depends on a clean end).
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../core/clock.js';
import { errorText, MeshError } from '../core/errors.js';
import type { LogLevel } from '../core/ports.js';
import { systemRandom } from '../core/random.js';
import { MODULE_NAME, VERSION } from '../core/version.js';
import { loadConfig, type LoadedConfig } from '../config/config.js';
import { MeshModule } from '../engine/module.js';
import type { LogLevelName } from '../node/messages.js';
import { ModuleIntegration } from '../node/module-integration.js';
import { openDataDir } from '../store/data-dir.js';
import { logDirectory, MeshLog } from '../store/log.js';
import { serve } from './serve.js';

interface RunFlags {
  readonly socket?: string;
  readonly dataDir?: string;
  readonly config?: string;
  readonly exitWithParent?: true;
}

/** The node's names of the log's levels. */
const NODE_LEVELS: { readonly [L in LogLevel]: LogLevelName } = {
  trace: 'Trace',
  debug: 'Debug',
  info: 'Info',
  warn: 'Warn',
  error: 'Error',
};

export function runCommand(): Command {
  return new Command('run')
    .description('run the mesh on a node: started by the node, or attached to its module socket')
    .option('--socket <path>', "the node's module socket (default: SOCKET_PATH of the environment)")
    .option('--data-dir <path>', 'where identity, journal and logs are kept (default: DATA_DIR)')
    .option('--config <file>', 'configuration file (default: config.toml in the data directory)')
    .option('--exit-with-parent', 'end when standard input closes')
    .addHelpText(
      'after',
      '\nOptions of the configuration are also read from MODULE_CONFIG_<KEY>.' +
        '\nExample: blvm-mesh run --socket ~/.blvm/modules/node.sock --data-dir ~/.blvm/mesh',
    )
    .action(runModule);
}

async function runModule(flags: RunFlags): Promise<void> {
  const { env } = process;
  const socketPath = given(flags.socket ?? env['SOCKET_PATH'], '--socket', 'SOCKET_PATH');
  const dataPath = given(flags.dataDir ?? env['DATA_DIR'], '--data-dir', 'DATA_DIR');
  const configPath = flags.config ?? join(dataPath, 'config.toml');
  const { config, warnings } = await configOf(flags, configPath);
  const dataDir = await openDataDir(dataPath);
  const log = new MeshLog({
    directory: logDirectory(dataDir.path),
    level: config.logLevel,
    clock: systemClock,
  });
  const stopped = untilStopped(flags.exitWithParent === true);
  try {
    for (const warning of warnings) log.log('warn', warning);
    log.log('info', 'starting', { version: VERSION, socketPath, dataDir: dataDir.path, configPath });
    const integration = await ModuleIntegration.connect({
      socketPath,
      moduleId: MODULE_NAME,
      moduleName: MODULE_NAME,
      version: VERSION,
      clock: systemClock,
      random: systemRandom,
      log,
      requestsPerSecond: config.nodeRequestsPerSecond,
    });
    log.setSink((level, message, facts) => {
      const shown = Object.keys(facts).length === 0 ? message : `${message} ${JSON.stringify(facts)}`;
      integration.logToNode(NODE_LEVELS[level], MODULE_NAME, shown);
    });
    const mesh = await MeshModule.start({
      config,
      dataDir: dataDir.path,
      integration,
      clock: systemClock,
      random: systemRandom,
      log,
      onNodeShutdown: stopped.stop,
    });
    await serve(mesh, integration, configPath, log);
    log.log('info', 'the mesh is up', {
      mode: config.mode,
      network: config.network,
      workers: config.workers,
    });
    log.log('info', 'stopping', { because: await stopped.reason });
    await mesh.close();
    await integration.close();
  } catch (error) {
    log.log('error', 'the mesh could not run', { error: errorText(error) });
    throw error;
  } finally {
    await log.close();
    await dataDir.release();
  }
}

/** A configuration file that was asked for by name must exist. */
function configOf(flags: RunFlags, file: string): Promise<LoadedConfig> {
  return loadConfig({ file, mayBeAbsent: flags.config === undefined, env: process.env });
}

function given(value: string | undefined, option: string, variable: string): string {
  if (value !== undefined && value !== '') return value;
  throw new MeshError(
    'CONFIG_INVALID',
    `no ${option} was given and ${variable} is not set. A node sets it when it starts the module; otherwise name it.`,
  );
}

interface Stopping {
  /** Resolves with what ended the run. */
  readonly reason: Promise<string>;
  readonly stop: () => void;
}

function untilStopped(withParent: boolean): Stopping {
  let stop: (reason: string) => void = () => undefined;
  const reason = new Promise<string>((resolve) => {
    stop = resolve;
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stop(signal);
    });
  }
  if (withParent) {
    process.stdin.once('close', () => {
      stop('the parent process is gone');
    });
    process.stdin.resume();
  }
  return {
    reason,
    stop: () => {
      stop('the node is shutting down');
    },
  };
}
