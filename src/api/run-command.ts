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
import type { Log, LogLevel } from '../core/ports.js';
import { systemRandom } from '../core/random.js';
import { MODULE_NAME, VERSION } from '../core/version.js';
import { loadConfig, type LoadedConfig, type MeshConfig } from '../config/config.js';
import { hostLimits, isRoomForOthers, workersThatFit } from '../config/host.js';
import { MeshModule } from '../engine/module.js';
import type { LogLevelName } from '../node/messages.js';
import { ModuleIntegration } from '../node/module-integration.js';
import { openDataDir } from '../store/data-dir.js';
import { logDirectory, MeshLog, type LogLevels } from '../store/log.js';
import { Reloader } from './reload.js';
import { serve, type Doors } from './serve.js';

interface RunFlags {
  readonly socket?: string;
  readonly dataDir?: string;
  readonly config?: string;
  readonly exitWithParent?: true;
}

/** While the node is not there, a line in the log says so this often. */
const STILL_WAITING_MILLIS = 10_000;

/** The longest delay that a timer takes. */
const FOREVER_MILLIS = 2 ** 31 - 1;

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
  const { config: asked, warnings } = await configOf(flags, configPath);
  const config = fitted(asked);
  const dataDir = await openDataDir(dataPath);
  const log = new MeshLog({
    directory: logDirectory(dataDir.path),
    ...levelsOf(config),
    clock: systemClock,
  });
  const stopping = untilStopped(flags.exitWithParent === true);
  const reloader = new Reloader({
    read: async () => {
      const loaded = await configOf(flags, configPath);
      return { ...loaded, config: fitted(loaded.config) };
    },
    hasRoom: (wanted, running) => isRoomForOthers(wanted, running, hostLimits()),
    onChanged: (changed) => {
      log.setLevels(levelsOf(changed));
    },
    log,
  });
  const onHangUp = (): void => {
    reloader.request();
  };
  process.on('SIGHUP', onHangUp);
  // Neither a clock nor a node that is away for a while keeps the process alive.
  const alive = setInterval(() => undefined, FOREVER_MILLIS);
  let wasConnected = true;
  try {
    for (const warning of warnings) log.log('warn', warning);
    if (config.workers < asked.workers) {
      log.log('warn', 'the host has no room for all workers (docs/hosting.md)', {
        asked: asked.workers,
        workers: config.workers,
      });
    }
    log.log('info', 'starting', { version: VERSION, socketPath, dataDir: dataDir.path, configPath });
    const connecting = connected(socketPath, config, log.of('node'), stopping.signal);
    const integration = await Promise.race([connecting, stopping.reason.then(() => null)]);
    if (integration === null) {
      wasConnected = false;
      log.log('info', 'stopping', { because: await stopping.reason });
    } else {
      // A node that started this module takes it along; one that it is attached to may come back.
      const isAttached = flags.socket !== undefined;
      const onNodeShutdown = isAttached ? (): void => undefined : stopping.stop;
      try {
        const where = { configPath, dataDir: dataDir.path };
        await runMesh({ config, ...where, integration, log, onNodeShutdown, reloader }, stopping);
      } finally {
        log.setSink(null);
        await integration.close();
      }
    }
  } catch (error) {
    log.log('error', 'the mesh could not run', { error: errorText(error) });
    throw error;
  } finally {
    clearInterval(alive);
    process.off('SIGHUP', onHangUp);
    stopping.release();
    await log.close();
    await dataDir.release();
  }
  // An attempt to connect that is under way would keep the process until its deadline.
  if (!wasConnected) process.exit(0);
}

/** Waits for the node as long as it takes; null where the run is to end before that. */
async function connected(
  socketPath: string,
  config: MeshConfig,
  log: Log,
  stopped: AbortSignal,
): Promise<ModuleIntegration | null> {
  for (let connectTimeoutMillis = 0; ; connectTimeoutMillis = STILL_WAITING_MILLIS) {
    try {
      return await ModuleIntegration.connect({
        socketPath,
        moduleId: MODULE_NAME,
        moduleName: MODULE_NAME,
        version: VERSION,
        clock: systemClock,
        random: systemRandom,
        log,
        requestsPerSecond: config.nodeRequestsPerSecond,
        connectTimeoutMillis,
      });
    } catch (error) {
      if (stopped.aborted) return null;
      log.log('warn', 'the node is not there yet; waiting for it', { error: errorText(error) });
    }
  }
}

interface RunParts {
  readonly config: MeshConfig;
  readonly configPath: string;
  readonly dataDir: string;
  readonly integration: ModuleIntegration;
  readonly log: MeshLog;
  readonly onNodeShutdown: () => void;
  readonly reloader: Reloader;
}

/** Starts the mesh on a connected node and serves until the run is to end. */
async function runMesh(parts: RunParts, stopping: Stopping): Promise<void> {
  const { config, configPath, dataDir, integration, log, onNodeShutdown, reloader } = parts;
  log.setSink(({ level, component, message, facts }) => {
    const shown = Object.keys(facts).length === 0 ? message : `${message} ${JSON.stringify(facts)}`;
    integration.logToNode(NODE_LEVELS[level], `${MODULE_NAME}::${component}`, shown);
  });
  const mesh = await MeshModule.start({
    config,
    dataDir,
    integration,
    clock: systemClock,
    random: systemRandom,
    logs: log.of,
    onNodeShutdown,
    onConfigLoaded: () => {
      reloader.request();
    },
  });
  let doors: Doors | null = null;
  try {
    doors = await serve({ mesh, integration, configPath, dataDir, log, reloader });
    reloader.attach(mesh);
    log.log('info', 'the mesh is up', {
      mode: config.mode,
      network: config.network,
      workers: config.workers,
    });
    log.log('info', 'stopping', { because: await stopping.reason });
  } finally {
    await doors?.close();
    await mesh.close();
  }
}

/** With as many workers as the host has room for. @throws MeshError HOST_TOO_SMALL where that is none */
function fitted(config: MeshConfig): MeshConfig {
  return { ...config, workers: workersThatFit(config.workers, hostLimits()) };
}

function levelsOf({ logLevel: level, logLevels: components }: MeshConfig): LogLevels {
  return { level, components };
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

/** What is to end the run. */
interface Stopping {
  /** Aborted when the run is to end. */
  readonly signal: AbortSignal;
  /** Resolves with why. */
  readonly reason: Promise<string>;
  readonly stop: () => void;
  /** Lets go of what would keep the process alive. */
  readonly release: () => void;
}

function untilStopped(withParent: boolean): Stopping {
  const ending = new AbortController();
  let resolveReason: (reason: string) => void = () => undefined;
  const reason = new Promise<string>((resolve) => {
    resolveReason = resolve;
  });
  const stop = (why: string): void => {
    resolveReason(why);
    ending.abort();
  };
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
    signal: ending.signal,
    reason,
    stop: () => {
      stop('the node is shutting down');
    },
    release: () => {
      if (withParent) process.stdin.destroy();
    },
  };
}
