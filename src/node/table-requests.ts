/**
 * What a module asks of the node, newest generation (0.1.81 to 0.1.83), in the order of the tags.
 *
 * Source: node-ipc.md and its tables, read from the published crates. Notation: generations.ts.
 */
/** RequestPayload. */
export const REQUESTS = {
  Handshake: { module_id: 'String', module_name: 'String', version: 'String' },
  GetBlock: { hash: 'Hash' },
  GetBlockHeader: { hash: 'Hash' },
  GetTransaction: { hash: 'Hash' },
  HasTransaction: { hash: 'Hash' },
  GetChainTip: null,
  GetBlockHeight: null,
  GetUtxo: { outpoint: 'OutPoint' },
  SubscribeEvents: { event_types: 'Vec<EventType>' },
  GetMempoolTransactions: null,
  GetMempoolTransaction: { tx_hash: 'Hash' },
  GetMempoolSize: null,
  GetNetworkStats: null,
  GetNetworkPeers: null,
  GetChainInfo: null,
  GetBlockByHeight: { height: 'u64' },
  GetBlockAndWitnesses: { hash: 'Hash' },
  GetLightningNodeUrl: null,
  GetLightningInfo: null,
  GetPaymentState: { payment_id: 'String' },
  CheckTransactionInMempool: { tx_hash: 'Hash' },
  GetFeeEstimate: { target_blocks: 'u32' },
  ReadFile: { path: 'String' },
  WriteFile: { path: 'String', data: 'Vec<u8>' },
  DeleteFile: { path: 'String' },
  ListDirectory: { path: 'String' },
  CreateDirectory: { path: 'String' },
  GetFileMetadata: { path: 'String' },
  RegisterRpcEndpoint: { method: 'String', description: 'String' },
  UnregisterRpcEndpoint: { method: 'String' },
  RegisterCoreRpcOverride: { method: 'String', description: 'String' },
  UnregisterCoreRpcOverride: { method: 'String' },
  RegisterTimer: { interval_seconds: 'u64' },
  CancelTimer: { timer_id: 'u64' },
  ScheduleTask: { delay_seconds: 'u64' },
  ReportMetric: { metric: 'Metric' },
  GetModuleMetrics: { module_id: 'String' },
  GetAllMetrics: null,
  DiscoverModules: null,
  GetModuleInfo: { module_id: 'String' },
  IsModuleAvailable: { module_id: 'String' },
  PublishEvent: { event_type: 'EventType', payload: 'EventPayload' },
  CallModule: { target_module_id: 'Option<String>', method: 'String', params: 'Vec<u8>' },
  RegisterModuleApi: { methods: 'Vec<String>', api_version: 'u32' },
  UnregisterModuleApi: null,
  GetModuleHealth: { module_id: 'String' },
  GetAllModuleHealth: null,
  ReportModuleHealth: { health: 'ModuleHealth' },
  SendMeshPacketToPeer: { peer_addr: 'String', packet_data: 'Vec<u8>' },
  SendStratumV2MessageToPeer: { peer_addr: 'String', message_data: 'Vec<u8>' },
  GetBlockTemplate: {
    rules: 'Vec<String>',
    coinbase_script: 'Option<Vec<u8>>',
    coinbase_address: 'Option<String>',
  },
  SubmitBlock: { block: 'Block' },
  QueueReceivedBlock: { block_bytes: 'Vec<u8>' },
  MergeBlockServeDenylist: { block_hashes: 'Vec<Hash>' },
  GetBlockServeDenylistSnapshot: null,
  ClearBlockServeDenylist: null,
  ReplaceBlockServeDenylist: { block_hashes: 'Vec<Hash>' },
  MergeTxServeDenylist: { tx_hashes: 'Vec<Hash>' },
  GetTxServeDenylistSnapshot: null,
  ClearTxServeDenylist: null,
  ReplaceTxServeDenylist: { tx_hashes: 'Vec<Hash>' },
  GetSyncStatus: null,
  BanPeer: { peer_addr: 'String', ban_duration_seconds: 'Option<u64>' },
  SetBlockServeMaintenanceMode: { enabled: 'bool' },
  RegisterCliSpec: { spec: 'CliSpec' },
  GetBlockTemplateWithOutputs: {
    rules: 'Vec<String>',
    coinbase_script: 'Option<Vec<u8>>',
    coinbase_outputs: 'Vec<(i64, Vec<u8>)>',
  },
  GetBlockTemplateDeclared: {
    rules: 'Vec<String>',
    coinbase_script: 'Option<Vec<u8>>',
    coinbase_outputs: 'Vec<(i64, Vec<u8>)>',
    declared_txids: 'Vec<Hash>',
  },
  SubmitMempoolTransaction: { tx: 'Transaction', witnesses: 'Option<Vec<Witness>>' },
  GetTxMetadata: { txid: 'Hash' },
  GetMempoolFeeRateSummary: null,
} as const;

/** MessageType: the same names under other tags, since later requests were put in between, and some more. */
export const MESSAGE_TYPES: string = `
  GetBlock GetBlockHeader GetTransaction HasTransaction GetChainTip GetBlockHeight GetUtxo
  SubscribeEvents Handshake GetMempoolTransactions GetMempoolTransaction GetMempoolSize
  GetNetworkStats GetNetworkPeers GetChainInfo GetBlockByHeight GetBlockAndWitnesses
  GetLightningNodeUrl GetLightningInfo GetPaymentState CheckTransactionInMempool GetFeeEstimate
  ReadFile WriteFile DeleteFile ListDirectory CreateDirectory GetFileMetadata RegisterRpcEndpoint
  UnregisterRpcEndpoint RegisterCoreRpcOverride UnregisterCoreRpcOverride RegisterTimer CancelTimer
  ScheduleTask ReportMetric GetModuleMetrics GetAllMetrics DiscoverModules GetModuleInfo
  IsModuleAvailable PublishEvent CallModule RegisterModuleApi UnregisterModuleApi GetModuleHealth
  GetAllModuleHealth ReportModuleHealth SendMeshPacketToPeer SendStratumV2MessageToPeer
  GetBlockTemplate SubmitBlock QueueReceivedBlock MergeBlockServeDenylist
  GetBlockServeDenylistSnapshot ClearBlockServeDenylist ReplaceBlockServeDenylist MergeTxServeDenylist
  GetTxServeDenylistSnapshot ClearTxServeDenylist ReplaceTxServeDenylist GetSyncStatus BanPeer
  SetBlockServeMaintenanceMode RegisterCliSpec Invocation InvocationResult Log Response Event Error
  GetBlockTemplateWithOutputs GetBlockTemplateDeclared SubmitMempoolTransaction GetTxMetadata
  GetMempoolFeeRateSummary
`;
