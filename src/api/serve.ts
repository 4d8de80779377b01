/**
 * Joins the running mesh to those who ask it: the node's invocations (module API calls, commands) and its own door.
 *
 * Rules: node-ipc.md 5, 9, 10 (a refused registration closes the connection; `Rpc` results cannot be sent).
 */
import { errorText } from '../core/errors.js';
import type { Log } from '../core/ports.js';
import type { MeshModule } from '../engine/module.js';
import type { InvocationOutcome, ModuleIntegration } from '../node/module-integration.js';
import type { Invocation } from '../node/messages.js';
import { Door } from './door/door.js';
import { doorMethods } from './door/methods.js';
import { MeshModuleApi } from './module-api.js';
import { ModuleCli } from './module-cli.js';

export interface ServeParts {
  readonly mesh: MeshModule;
  readonly integration: ModuleIntegration;
  /** Where the configuration is read from. */
  readonly configPath: string;
  /** Path of the door's socket. */
  readonly doorPath: string;
  readonly log: Log;
}

/**
 * Answers invocations, registers what this module offers, and opens its door. What the node refuses, or a door that
 * cannot be opened, is logged and done without.
 * @returns the door, to be closed before the mesh; null where it could not be opened
 */
export async function serve({
  mesh,
  integration,
  configPath,
  doorPath,
  log,
}: ServeParts): Promise<Door | null> {
  const api = new MeshModuleApi(mesh);
  const cli = new ModuleCli(mesh, configPath);
  integration.onInvocation((invocation) => answer(invocation, api, cli));
  const nodeApi = integration.nodeApi();
  await attempt(log, 'the module API', () => nodeApi.registerModuleApi(api.methods, api.apiVersion));
  await attempt(log, "the node's command line", () => nodeApi.registerCliSpec(cli.spec()));
  try {
    return await Door.open(doorPath, doorMethods({ mesh, api, cli }), log);
  } catch (error) {
    log.log('warn', 'the door is closed: commands reach this module through its node alone', {
      error: errorText(error),
    });
    return null;
  }
}

async function answer(
  invocation: Invocation,
  api: MeshModuleApi,
  cli: ModuleCli,
): Promise<InvocationOutcome> {
  switch (invocation.name) {
    case 'ModuleApi': {
      const { method, params, caller_module_id: caller } = invocation.value;
      const outcome = await api.call(method, params, caller);
      return outcome.ok
        ? { success: true, payload: { name: 'ModuleApi', value: outcome.response } }
        : { success: false, error: outcome.error };
    }
    case 'Cli': {
      const { stdout, stderr, exitCode } = await cli.run(invocation.value.subcommand, invocation.value.args);
      return { success: true, payload: { name: 'Cli', value: { stdout, stderr, exit_code: exitCode } } };
    }
    default:
      return { success: false, error: 'JSON-RPC through the node is not served: its results cannot be sent' };
  }
}

async function attempt(log: Log, what: string, register: () => Promise<unknown>): Promise<void> {
  try {
    await register();
  } catch (error) {
    log.log('warn', `the node refused ${what}; the mesh runs without it`, { error: errorText(error) });
  }
}
