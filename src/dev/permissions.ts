/**
 * What each request to a node needs, and which module may do it.
 *
 * Rules: the capability names and the requests behind them are those of the node (api.md, module.toml;
 * node-ipc.md, 4: looked up by the id that a module gives in its handshake).
 */

export const CAPABILITIES = [
  'read_blockchain',
  'read_utxo',
  'read_chain_state',
  'subscribe_events',
  'send_transactions',
  'read_mempool',
  'read_network',
  'network_access',
  'read_lightning',
  'read_payment',
  'read_filesystem',
  'write_filesystem',
  'manage_filesystem',
  'register_rpc_endpoint',
  'manage_timers',
  'report_metrics',
  'read_metrics',
  'discover_modules',
  'publish_events',
  'call_module',
  'register_module_api',
  'submit_block',
] as const;

export type Capability = (typeof CAPABILITIES)[number];

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

/** Requests by the capability they need. A request that stands nowhere here is not served at all. */
const REQUESTS: { readonly [C in Capability]?: readonly string[] } = {
  read_blockchain: [
    'GetBlock',
    'GetBlockHeader',
    'GetTransaction',
    'HasTransaction',
    'GetBlockByHeight',
    'GetBlockAndWitnesses',
    'GetBlockTemplate',
    'GetTxMetadata',
  ],
  read_utxo: ['GetUtxo'],
  read_chain_state: ['GetChainTip', 'GetBlockHeight', 'GetChainInfo', 'GetSyncStatus'],
  subscribe_events: ['SubscribeEvents'],
  send_transactions: ['SubmitMempoolTransaction'],
  read_mempool: [
    'GetMempoolTransactions',
    'GetMempoolTransaction',
    'GetMempoolSize',
    'CheckTransactionInMempool',
    'GetFeeEstimate',
    'GetMempoolFeeRateSummary',
  ],
  read_network: ['GetNetworkStats', 'GetNetworkPeers'],
  network_access: ['SendMeshPacketToPeer', 'SendStratumV2MessageToPeer', 'BanPeer'],
  read_lightning: ['GetLightningNodeUrl', 'GetLightningInfo'],
  read_payment: ['GetPaymentState'],
  read_filesystem: ['ReadFile', 'ListDirectory', 'GetFileMetadata'],
  write_filesystem: ['WriteFile'],
  manage_filesystem: ['DeleteFile', 'CreateDirectory'],
  register_rpc_endpoint: [
    'RegisterRpcEndpoint',
    'UnregisterRpcEndpoint',
    'RegisterCoreRpcOverride',
    'UnregisterCoreRpcOverride',
    'RegisterCliSpec',
  ],
  manage_timers: ['RegisterTimer', 'CancelTimer', 'ScheduleTask'],
  report_metrics: ['ReportMetric', 'ReportModuleHealth'],
  read_metrics: ['GetModuleMetrics', 'GetAllMetrics', 'GetModuleHealth', 'GetAllModuleHealth'],
  discover_modules: ['DiscoverModules', 'GetModuleInfo', 'IsModuleAvailable'],
  publish_events: ['PublishEvent'],
  call_module: ['CallModule'],
  register_module_api: ['RegisterModuleApi', 'UnregisterModuleApi'],
  submit_block: ['SubmitBlock'],
};

const NEEDED = new Map<string, Capability>(
  CAPABILITIES.flatMap((capability) =>
    (REQUESTS[capability] ?? []).map((request): [string, Capability] => [request, capability]),
  ),
);

/** The capability that a request needs, or null for one that no capability opens here. */
export function capabilityFor(request: string): Capability | null {
  return NEEDED.get(request) ?? null;
}

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
