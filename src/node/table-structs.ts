/**
 * The messages themselves and the types inside them, newest generation (0.1.81 to 0.1.83), in wire order.
 *
 * Source: node-ipc.md and its tables, read from the published crates. Notation: generations.ts.
 */

/** Fields in wire order. */
export const STRUCTS = {
  RequestMessage: { correlation_id: 'CorrelationId', request_type: 'MessageType', payload: 'RequestPayload' },
  ResponseMessage: {
    correlation_id: 'CorrelationId',
    success: 'bool',
    payload: 'Option<ResponsePayload>',
    error: 'Option<String>',
  },
  EventMessage: { event_type: 'EventType', payload: 'EventPayload' },
  LogMessage: {
    level: 'LogLevel',
    module_id: 'String',
    message: 'String',
    target: 'String',
    timestamp: 'u64',
  },
  InvocationMessage: { correlation_id: 'CorrelationId', invocation_type: 'InvocationType' },
  InvocationResultMessage: {
    correlation_id: 'CorrelationId',
    success: 'bool',
    payload: 'Option<InvocationResultPayload>',
    error: 'Option<String>',
  },
  CliSpec: { version: 'u32', name: 'String', about: 'Option<String>', subcommands: 'Vec<CliSubcommandSpec>' },
  CliSubcommandSpec: { name: 'String', about: 'Option<String>', args: 'Vec<CliArgSpec>' },
  CliArgSpec: {
    name: 'String',
    long_name: 'Option<String>',
    short_name: 'Option<String>',
    required: 'Option<bool>',
    takes_value: 'Option<bool>',
    default: 'Option<String>',
  },
  PeerInfo: {
    addr: 'String',
    transport_type: 'String',
    services: 'u64',
    version: 'u32',
    connected_since: 'u64',
  },
  NetworkStats: { peer_count: 'usize', hash_rate: 'f64', bytes_sent: 'u64', bytes_received: 'u64' },
  ChainInfo: { tip_hash: 'Hash', height: 'u64', difficulty: 'f64', chain_work: 'u64', is_synced: 'bool' },
  MempoolSize: { transaction_count: 'usize', size_bytes: 'usize', total_fee_sats: 'u64' },
  PaymentState: {
    payment_id: 'String',
    status: 'String',
    amount_sats: 'u64',
    tx_hash: 'Option<Hash>',
    confirmations: 'Option<u32>',
    reason: 'Option<String>',
  },
  LightningInfo: {
    node_url: 'String',
    node_pubkey: 'Vec<u8>',
    channel_count: 'usize',
    total_capacity_sats: 'u64',
  },
  ModuleInfo: {
    module_id: 'String',
    module_name: 'String',
    version: 'String',
    capabilities: 'Vec<String>',
    status: 'ModuleState',
    api_version: 'u32',
  },
  Metric: { name: 'String', value: 'MetricValue', labels: 'HashMap<String, String>', timestamp: 'u64' },
  SyncStatus: { phase: 'String', progress: 'f64', is_synced: 'bool', error_message: 'Option<String>' },
  TxBlockMetadata: { block_hash: 'Hash', block_height: 'u64' },
  FileMetadata: {
    path: 'String',
    size: 'u64',
    is_file: 'bool',
    is_directory: 'bool',
    modified: 'Option<u64>',
    created: 'Option<u64>',
  },
  MempoolFeeRateSummary: { sample_count: 'usize', avg_sat_vb: 'u64', median_sat_vb: 'u64' },

  // Not in the tables: the layout follows from the golden bytes. Bitcoin's own types are signed where i64 stands.
  OutPoint: { hash: 'Hash', index: 'u32' },
  UTXO: { value: 'i64', script_pubkey: 'Vec<u8>', height: 'u64', is_coinbase: 'bool' },
  BlockHeader: {
    version: 'i64',
    prev_block_hash: 'Hash',
    merkle_root: 'Hash',
    timestamp: 'u64',
    bits: 'u64',
    nonce: 'u64',
  },
} as const;

/** Variants in tag order. */
export const ENUMS = {
  ModuleMessage: {
    Request: 'RequestMessage',
    Response: 'ResponseMessage',
    Event: 'EventMessage',
    Log: 'LogMessage',
    Invocation: 'InvocationMessage',
    InvocationResult: 'InvocationResultMessage',
  },
  LogLevel: { Trace: null, Debug: null, Info: null, Warn: null, Error: null },
  InvocationType: {
    Cli: { subcommand: 'String', args: 'Vec<String>' },
    Rpc: { method: 'String', params: 'serde_json::Value' },
    ModuleApi: { method: 'String', params: 'Vec<u8>', caller_module_id: 'String' },
  },
  InvocationResultPayload: {
    Cli: { stdout: 'String', stderr: 'String', exit_code: 'i32' },
    Rpc: 'serde_json::Value',
    ModuleApi: 'Vec<u8>',
  },
  ModuleState: { Stopped: null, Initializing: null, Running: null, Stopping: null, Error: 'String' },
  ModuleHealth: { Healthy: null, Unresponsive: null, Crashed: 'String' },
  MetricValue: { Counter: 'u64', Gauge: 'f64', Histogram: 'Vec<f64>' },
} as const;
