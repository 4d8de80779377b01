/**
 * What the node and its modules tell each other, newest generation (0.1.81 to 0.1.83), in the order of the tags.
 *
 * Source: node-ipc.md and its tables, read from the published crates. Notation: generations.ts.
 */
/** EventPayload. */
export const EVENTS = {
  NewBlock: { block_hash: 'Hash', height: 'u64' },
  NewTransaction: { tx_hash: 'Hash' },
  BlockDisconnected: { hash: 'Hash', height: 'u64' },
  ChainReorg: { old_tip: 'Hash', new_tip: 'Hash' },
  PaymentRequestCreated: { payment_id: 'String', amount_sats: 'u64', invoice: 'Option<String>' },
  PaymentSettled: { payment_id: 'String', tx_hash: 'Hash', confirmations: 'u32' },
  PaymentFailed: { payment_id: 'String', reason: 'String' },
  PaymentVerified: { payment_id: 'String', amount_msats: 'u64', invoice: 'String' },
  PaymentRouteFound: { payment_id: 'String', route_hops: 'usize', route_cost_msats: 'u64' },
  PaymentRouteFailed: { payment_id: 'String', reason: 'String' },
  ChannelOpened: { channel_id: 'String', peer_pubkey: 'Vec<u8>', capacity_sats: 'u64' },
  ChannelClosed: { channel_id: 'String', reason: 'String' },
  BlockMined: { block_hash: 'Hash', height: 'u64', miner_id: 'Option<String>' },
  BlockTemplateUpdated: { prev_hash: 'Hash', height: 'u64', tx_count: 'usize' },
  MiningDifficultyChanged: { old_difficulty: 'u32', new_difficulty: 'u32', height: 'u64' },
  MiningJobCreated: { job_id: 'String', prev_hash: 'Hash', height: 'u64' },
  ShareSubmitted: { job_id: 'String', share_hash: 'Hash', miner_id: 'Option<String>' },
  MergeMiningReward: { secondary_chain: 'String', reward_amount: 'u64', block_hash: 'Hash' },
  MiningPoolConnected: { pool_url: 'String', pool_id: 'Option<String>' },
  MiningPoolDisconnected: { pool_url: 'String', reason: 'String' },
  GovernanceProposalCreated: {
    proposal_id: 'String',
    repository: 'String',
    pr_number: 'u64',
    tier: 'String',
  },
  GovernanceProposalVoted: { proposal_id: 'String', voter: 'String', vote: 'String' },
  GovernanceProposalMerged: { proposal_id: 'String', repository: 'String', pr_number: 'u64' },
  WebhookSent: { webhook_url: 'String', event_type: 'String', success: 'bool' },
  WebhookFailed: { webhook_url: 'String', event_type: 'String', error: 'String' },
  GovernanceForkDetected: { fork_id: 'String', ruleset_version: 'String', adoption_count: 'usize' },
  PeerConnected: {
    peer_addr: 'String',
    transport_type: 'String',
    services: 'u64',
    version: 'u32',
    peer_node_id: 'Option<Vec<u8>>',
  },
  PeerDisconnected: { peer_addr: 'String', reason: 'String' },
  PeerBanned: { peer_addr: 'String', reason: 'String', ban_duration_seconds: 'u64' },
  PeerUnbanned: { peer_addr: 'String' },
  MessageReceived: {
    peer_addr: 'String',
    message_type: 'String',
    message_size: 'usize',
    protocol_version: 'u32',
  },
  MessageSent: { peer_addr: 'String', message_type: 'String', message_size: 'usize' },
  BroadcastStarted: { message_type: 'String', target_peers: 'usize' },
  BroadcastCompleted: { message_type: 'String', successful: 'usize', failed: 'usize' },
  RouteDiscovered: { destination: 'Vec<u8>', route_path: 'Vec<String>', route_cost: 'u64' },
  RouteFailed: { destination: 'Vec<u8>', reason: 'String' },
  ConnectionAttempt: { peer_addr: 'String', success: 'bool', error: 'Option<String>' },
  AddressDiscovered: { peer_addr: 'String', source: 'String' },
  AddressExpired: { peer_addr: 'String' },
  NetworkPartition: { partition_id: 'Vec<u8>', disconnected_peers: 'Vec<String>', partition_size: 'usize' },
  NetworkReconnected: { partition_id: 'Vec<u8>', reconnected_peers: 'Vec<String>' },
  DoSAttackDetected: { peer_addr: 'String', attack_type: 'String', severity: 'String' },
  RateLimitExceeded: { peer_addr: 'String', limit_type: 'String', current_rate: 'f64', limit: 'f64' },
  BlockValidationStarted: { block_hash: 'Hash', height: 'u64' },
  BlockValidationCompleted: {
    block_hash: 'Hash',
    height: 'u64',
    success: 'bool',
    validation_time_ms: 'u64',
    error: 'Option<String>',
  },
  ScriptVerificationStarted: { tx_hash: 'Hash', input_index: 'usize' },
  ScriptVerificationCompleted: {
    tx_hash: 'Hash',
    input_index: 'usize',
    success: 'bool',
    verification_time_ms: 'u64',
  },
  UTXOValidationStarted: { block_hash: 'Hash', height: 'u64' },
  UTXOValidationCompleted: { block_hash: 'Hash', height: 'u64', success: 'bool' },
  DifficultyAdjusted: { old_difficulty: 'u32', new_difficulty: 'u32', height: 'u64' },
  SoftForkActivated: { fork_name: 'String', height: 'u64' },
  SoftForkLockedIn: { fork_name: 'String', height: 'u64' },
  ConsensusRuleViolation: {
    rule_name: 'String',
    block_hash: 'Option<Hash>',
    tx_hash: 'Option<Hash>',
    error: 'String',
  },
  HeadersSyncStarted: { start_height: 'u64' },
  HeadersSyncProgress: { current_height: 'u64', target_height: 'u64', progress_percent: 'f64' },
  HeadersSyncCompleted: { final_height: 'u64', duration_seconds: 'u64' },
  BlockSyncStarted: { start_height: 'u64', target_height: 'u64' },
  BlockSyncProgress: {
    current_height: 'u64',
    target_height: 'u64',
    progress_percent: 'f64',
    blocks_per_second: 'f64',
  },
  BlockSyncCompleted: { final_height: 'u64', duration_seconds: 'u64' },
  SyncStateChanged: { old_state: 'String', new_state: 'String' },
  MempoolTransactionAdded: { tx_hash: 'Hash', fee_rate: 'f64', mempool_size: 'usize' },
  MempoolTransactionRemoved: { tx_hash: 'Hash', reason: 'String', mempool_size: 'usize' },
  MempoolThresholdExceeded: { current_size: 'usize', threshold: 'usize' },
  FeeRateChanged: { old_fee_rate: 'f64', new_fee_rate: 'f64', mempool_size: 'usize' },
  MempoolCleared: { cleared_count: 'usize' },
  StorageRead: { operation: 'String', duration_ms: 'u64' },
  StorageWrite: { operation: 'String', duration_ms: 'u64', bytes_written: 'usize' },
  StorageQuery: { query_type: 'String', duration_ms: 'u64' },
  DatabaseBackupStarted: { backup_path: 'String' },
  DatabaseBackupCompleted: {
    backup_path: 'String',
    success: 'bool',
    size_bytes: 'u64',
    duration_seconds: 'u64',
  },
  ModuleLoaded: { module_name: 'String', version: 'String' },
  ModuleUnloaded: { module_name: 'String', version: 'String' },
  ModuleReloaded: { module_name: 'String', old_version: 'String', new_version: 'String' },
  ModuleStarted: { module_name: 'String' },
  ModuleStopped: { module_name: 'String' },
  MeshPacketReceived: { packet_data: 'Vec<u8>', peer_addr: 'String' },
  StratumV2MessageReceived: { message_data: 'Vec<u8>', peer_addr: 'String' },
  ModuleCrashed: { module_name: 'String', error: 'String' },
  ModuleHealthChanged: { module_name: 'String', old_health: 'String', new_health: 'String' },
  ModuleStateChanged: { module_name: 'String', old_state: 'String', new_state: 'String' },
  ConfigLoaded: { changed_sections: 'Vec<String>', config_json: 'Option<String>' },
  NodeShutdown: { reason: 'String', timeout_seconds: 'u64' },
  NodeShutdownCompleted: { duration_ms: 'u64' },
  NodeStartupCompleted: { duration_ms: 'u64', components: 'Vec<String>' },
  MaintenanceStarted: { maintenance_type: 'String', estimated_duration_seconds: 'Option<u64>' },
  MaintenanceCompleted: {
    maintenance_type: 'String',
    success: 'bool',
    duration_ms: 'u64',
    results: 'Option<String>',
  },
  DataMaintenance: {
    operation: 'String',
    urgency: 'String',
    reason: 'String',
    target_age_days: 'Option<u64>',
    timeout_seconds: 'Option<u64>',
  },
  HealthCheck: { check_type: 'String', node_healthy: 'bool', health_report: 'Option<String>' },
  DiskSpaceLow: { available_bytes: 'u64', total_bytes: 'u64', percent_free: 'f64', disk_path: 'String' },
  ResourceLimitWarning: {
    resource_type: 'String',
    usage_percent: 'f64',
    current_usage: 'u64',
    limit: 'u64',
    threshold_percent: 'f64',
  },
  DandelionStemStarted: { tx_hash: 'Hash', current_peer: 'String', next_peer: 'String' },
  DandelionStemAdvanced: { tx_hash: 'Hash', hop_count: 'u8', next_peer: 'String' },
  DandelionFluffed: { tx_hash: 'Hash', stem_hops: 'u8' },
  DandelionStemPathExpired: { peer_addr: 'String' },
  CompactBlockReceived: { block_hash: 'Hash', height: 'u64', short_ids_count: 'usize' },
  BlockReconstructionStarted: { block_hash: 'Hash', height: 'u64' },
  BlockReconstructionCompleted: { block_hash: 'Hash', height: 'u64', success: 'bool', missing_txs: 'usize' },
  FibreBlockEncoded: { block_hash: 'Hash', height: 'u64', chunks: 'usize', encoding_time_ms: 'u64' },
  FibreBlockSent: { block_hash: 'Hash', height: 'u64', peer_addr: 'String' },
  CompanionUdpPeerRegistered: { p2p_peer_addr: 'String', udp_addr: 'String' },
  CompanionUdpPeerUnregistered: { p2p_peer_addr: 'String' },
  PackageReceived: { package_id: 'Vec<u8>', transaction_count: 'usize', peer_addr: 'String' },
  PackageRejected: { package_id: 'Vec<u8>', reason: 'String', peer_addr: 'String' },
  UtxoCommitmentReceived: { block_hash: 'Hash', height: 'u64', commitment_hash: 'Hash', peer_addr: 'String' },
  UtxoCommitmentVerified: { block_hash: 'Hash', height: 'u64', commitment_hash: 'Hash', valid: 'bool' },
  BanListShared: { peer_addr: 'String', ban_count: 'usize' },
  BanListReceived: { peer_addr: 'String', ban_count: 'usize' },
  SelectiveSyncPolicyApplied: { policy_source: 'String', registry_count: 'usize' },
  ActionExecuted: { action_id: 'String', action_type: 'String', target: 'String', success: 'bool' },
  ModulePurchaseCompleted: { module_id: 'String', payment_id: 'String', amount_sats: 'u64' },
  StratumClientConnected: { endpoint: 'String', protocol_version: 'u32' },
  StratumClientDisconnected: { endpoint: 'String', reason: 'String' },
  IBDBlockFiltered: { block_hash: 'Hash', height: 'u64', reason: 'String' },
  ModuleDiscovered: { module_name: 'String', version: 'String', source: 'String' },
  ModuleInstalled: { module_name: 'String', version: 'String' },
  ModuleUpdated: { module_name: 'String', old_version: 'String', new_version: 'String' },
  ModuleRemoved: { module_name: 'String', version: 'String' },
  PeerPayment: { command: 'String', payload: 'Vec<u8>', peer_addr: 'String' },
} as const;

/** EventType: the same names as EventPayload, two of them under other tags. */
export const EVENT_TYPES: string = `
  NewBlock NewTransaction BlockDisconnected ChainReorg PaymentRequestCreated PaymentSettled
  PaymentFailed PaymentVerified PaymentRouteFound PaymentRouteFailed ChannelOpened ChannelClosed
  BlockMined BlockTemplateUpdated MiningDifficultyChanged MiningJobCreated MeshPacketReceived
  StratumV2MessageReceived ShareSubmitted MergeMiningReward MiningPoolConnected MiningPoolDisconnected
  GovernanceProposalCreated GovernanceProposalVoted GovernanceProposalMerged WebhookSent WebhookFailed
  GovernanceForkDetected PeerConnected PeerDisconnected PeerBanned PeerUnbanned MessageReceived
  MessageSent BroadcastStarted BroadcastCompleted RouteDiscovered RouteFailed ConnectionAttempt
  AddressDiscovered AddressExpired NetworkPartition NetworkReconnected DoSAttackDetected
  RateLimitExceeded BlockValidationStarted BlockValidationCompleted ScriptVerificationStarted
  ScriptVerificationCompleted UTXOValidationStarted UTXOValidationCompleted DifficultyAdjusted
  SoftForkActivated SoftForkLockedIn ConsensusRuleViolation HeadersSyncStarted HeadersSyncProgress
  HeadersSyncCompleted BlockSyncStarted BlockSyncProgress BlockSyncCompleted SyncStateChanged
  MempoolTransactionAdded MempoolTransactionRemoved MempoolThresholdExceeded FeeRateChanged
  MempoolCleared StorageRead StorageWrite StorageQuery DatabaseBackupStarted DatabaseBackupCompleted
  ModuleLoaded ModuleUnloaded ModuleReloaded ModuleStarted ModuleStopped ModuleCrashed
  ModuleHealthChanged ModuleStateChanged ConfigLoaded NodeShutdown NodeShutdownCompleted
  NodeStartupCompleted MaintenanceStarted MaintenanceCompleted DataMaintenance HealthCheck
  DiskSpaceLow ResourceLimitWarning DandelionStemStarted DandelionStemAdvanced DandelionFluffed
  DandelionStemPathExpired CompactBlockReceived BlockReconstructionStarted
  BlockReconstructionCompleted FibreBlockEncoded FibreBlockSent CompanionUdpPeerRegistered
  CompanionUdpPeerUnregistered PackageReceived PackageRejected UtxoCommitmentReceived
  UtxoCommitmentVerified BanListShared BanListReceived SelectiveSyncPolicyApplied ActionExecuted
  ModulePurchaseCompleted StratumClientConnected StratumClientDisconnected IBDBlockFiltered
  ModuleDiscovered ModuleInstalled ModuleUpdated ModuleRemoved PeerPayment
`;
