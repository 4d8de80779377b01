/**
 * Joins the running mesh to those who ask it: the node's invocations (module API calls, commands) and its own door.
 *
 * Rules: node-ipc.md 5, 9, 10 (a refused registration closes the connection; `Rpc` results cannot be sent).
 */
import { join } from 'node:path';
import { errorText } from '../core/errors.js';
import type { Log } from '../core/ports.js';
import type { HostPort } from '../config/kinds.js';
import type { MeshModule } from '../engine/module.js';
import type { InvocationOutcome, ModuleIntegration } from '../node/module-integration.js';
import type { NodeApi } from '../node/node-api.js';
import { NodeLightning } from '../node/node-lightning.js';
import { lightningKey } from '../engine/lightning-key.js';
import { HopInvoices } from './hop-invoices.js';
import type { Invocation } from '../node/messages.js';
import { systemRandom } from '../core/random.js';
import type { MeshLog } from '../store/log.js';
import { dashboard } from './dashboard/routes.js';
import { Door, DOOR_FILE } from './door/door.js';
import { JsonRpc } from './door/json-rpc.js';
import { doorMethods } from './door/methods.js';
import { HttpDoor, type HttpRoute } from './http/http-door.js';
import { rpcRoute } from './http/rpc-route.js';
import { Reports } from './metrics/reports.js';
import { metricsRoutes } from './metrics/routes.js';
import { openToken } from './http/token.js';
import { MeshModuleApi } from './module-api.js';
import { ModuleCli } from './module-cli.js';
import type { Reloader } from './reload.js';

/** By which this module is asked. */
export interface Doors {
  close(): Promise<void>;
}

export interface ServeParts {
  readonly mesh: MeshModule;
  readonly integration: ModuleIntegration;
  /** Where the configuration is read from. */
  readonly configPath: string;
  /** Where the doors have their socket and token. */
  readonly dataDir: string;
  readonly log: Pick<MeshLog, 'of' | 'linesDropped' | 'recent' | 'levels' | 'setLevel' | 'setLevels'>;
  readonly reloader: Reloader;
}

/**
 * Answers invocations, registers what this module offers, and opens its doors. What the node refuses, or a door that
 * cannot be opened, is logged and done without.
 * @returns the doors, to be closed before the mesh
 */
export async function serve(parts: ServeParts): Promise<Doors> {
  const { mesh, integration, configPath, dataDir, log: meshLog, reloader } = parts;
  const log = meshLog.of('api');
  const api = new MeshModuleApi(mesh, hopInvoicesOf(mesh, integration.nodeApi(), meshLog.of('payments')));
  const cli = new ModuleCli({ mesh, configPath, reloader, log: meshLog });
  integration.onInvocation((invocation) => answer(invocation, api, cli));
  const nodeApi = integration.nodeApi();
  await attempt(log, 'the module API', () => nodeApi.registerModuleApi(api.methods, api.apiVersion));
  await attempt(log, "the node's command line", () => nodeApi.registerCliSpec(cli.spec()));
  const logLinesDropped = (): number => meshLog.linesDropped;
  const rpc = new JsonRpc(doorMethods({ mesh, api, cli, integration, logLinesDropped, reloader }), log);
  const address = mesh.config.dashboardAddr;
  const page =
    address === null ? null : dashboard({ mesh, integration, recentWarnings: () => meshLog.recent });
  const routes =
    page === null ? [] : [...metricsRoutes({ mesh, integration, logLinesDropped }), ...page.routes];
  const reports = new Reports(mesh, integration, log);
  reports.start();
  const doors = await openDoors(rpc, [rpcRoute(rpc), ...routes], { dataDir, address, log });
  return {
    close: async () => {
      reports.stop();
      page?.close();
      await doors.close();
    },
  };
}

function hopInvoicesOf(mesh: MeshModule, node: NodeApi, log: Log): HopInvoices {
  const { self, judge, clock, config } = mesh;
  return new HopInvoices({
    provider: new NodeLightning(node),
    ownPayee: async () => mesh.config.ownPayee ?? (await lightningKey(node, log)),
    judge,
    onIssued: (invoice) => {
      mesh.invoices.created(invoice);
    },
    hopsTo: (destination) => mesh.outbound.routes(destination).map(({ ids }) => ids.length - 1),
    self,
    network: config.network,
    fees: () => mesh.config.fees,
    isStrict: () => mesh.config.binding === 'strict',
    clock,
    log,
  });
}

/** Opens the Unix socket, and the HTTP door where it has an address. */
async function openDoors(
  rpc: JsonRpc,
  routes: readonly HttpRoute[],
  where: { readonly dataDir: string; readonly address: HostPort | null; readonly log: Log },
): Promise<Doors> {
  const { dataDir, address, log } = where;
  const opened: (Door | HttpDoor)[] = [];
  try {
    opened.push(await Door.open(join(dataDir, DOOR_FILE), rpc));
  } catch (error) {
    const facts = { error: errorText(error) };
    log.log('warn', 'the door is closed: commands reach this module through its node alone', facts);
  }
  if (address !== null) {
    try {
      const token = await openToken(dataDir, systemRandom, log);
      opened.push(await HttpDoor.open({ address, token, routes, log }));
      log.log('info', 'the HTTP door is open', { ...address });
    } catch (error) {
      log.log('warn', 'the HTTP door is closed', { error: errorText(error) });
    }
  }
  return {
    close: async () => {
      for (const door of opened) await door.close();
    },
  };
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
