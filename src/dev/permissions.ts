/**
 * Which module may do what on a development node.
 *
 * Rules: node-ipc.md, 4 (looked up by the id that a module gives in its handshake); the capabilities are those of
 * src/node/capabilities.ts.
 */
import { CAPABILITIES, type Capability } from '../node/capabilities.js';

/** What a module has that no manifest speaks for (node-ipc.md, 4). */
export const UNKNOWN_MODULE_CAPABILITIES: readonly Capability[] = [
  'read_blockchain',
  'read_utxo',
  'read_chain_state',
  'subscribe_events',
];

/** What blvm-mesh asks for in its module.toml (api.md). */
export const MESH_CAPABILITIES: readonly Capability[] = [
  ...UNKNOWN_MODULE_CAPABILITIES,
  'register_module_api',
  'network_access',
  'publish_events',
  'call_module',
  'read_network',
  'read_mempool',
  'read_lightning',
  'read_payment',
  'report_metrics',
  'discover_modules',
  'register_rpc_endpoint',
];

/** Who may do what on one node. */
export class Permissions {
  readonly #byName: ReadonlyMap<string, readonly Capability[]>;
  readonly #others: readonly Capability[];

  /**
   * @param byName capabilities of the modules that have a manifest
   * @param others capabilities of every other module; all by default, so that a test needs no manifest. A real
   *   node gives UNKNOWN_MODULE_CAPABILITIES.
   */
  constructor(
    byName: ReadonlyMap<string, readonly Capability[]> = new Map(),
    others: readonly Capability[] = CAPABILITIES,
  ) {
    this.#byName = byName;
    this.#others = others;
  }

  /** @param moduleId as the module gave it in its handshake */
  of(moduleId: string): readonly Capability[] {
    return this.#byName.get(moduleId) ?? this.#others;
  }
}
