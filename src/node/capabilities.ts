/**
 * What each request to a node needs.
 *
 * Rules: the capability names and the requests behind them are those of the node (api.md, module.toml).
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
