/**
 * What a development node answers to each request of a module.
 *
 * Rules: the requests and answers are those of the node (node-ipc.md); hashes in internal byte order. What the
 * node has and this one does not (files, timers, mining) fails as a request that a real node cannot serve.
 */
import { MeshError, errorText } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { RequestPayload } from '../node/messages.js';
import { FEE_RATE_SATS_PER_VBYTE, type DevBlock } from './chain.js';
import type { Answer, ModuleConnection } from './connection.js';
import type { DevNode } from './node.js';

/** Names of metrics that one module may have. */
const METRIC_NAMES = 1_024;
const DEFAULT_BAN_SECONDS = 86_400n;
/** Regtest's least difficulty. */
const REGTEST_DIFFICULTY = 1;

export function answerRequest(
  node: DevNode,
  from: ModuleConnection,
  request: RequestPayload,
): Answer | Promise<Answer> {
  switch (request.name) {
    case 'SendMeshPacketToPeer':
      return node.sendToPeer(request.value.peer_addr, request.value.packet_data)
        ? { name: 'Bool', value: true }
        : { failed: `no peer ${request.value.peer_addr} is connected, or the packet is too long` };
    case 'SubscribeEvents':
      for (const type of request.value.event_types) from.subscriptions.add(type);
      node.modules.changed();
      return { name: 'SubscribeAck', value: null };
    case 'PublishEvent':
      // After the answer, as a real node does.
      queueMicrotask(() => {
        node.publishAs(request.value.event_type, request.value.payload);
      });
      return { name: 'EventPublished', value: null };
    case 'CallModule':
      return callModule(node, from, request.value);
    case 'RegisterModuleApi':
      from.api = { methods: new Set(request.value.methods), version: request.value.api_version };
      node.modules.changed();
      return { name: 'ModuleApiRegistered', value: null };
    case 'UnregisterModuleApi':
      from.api = null;
      return { name: 'ModuleApiUnregistered', value: null };
    case 'RegisterCliSpec':
      from.cliSpec = request.value.spec;
      node.modules.changed();
      return { name: 'Bool', value: true };
    case 'RegisterRpcEndpoint':
      if (from.rpcEndpoints.size >= LIMITS.DEV_RPC_ENDPOINTS)
        return { failed: `a module has at most ${LIMITS.DEV_RPC_ENDPOINTS} RPC endpoints` };
      from.rpcEndpoints.set(request.value.method, request.value.description);
      return { name: 'RpcEndpointRegistered', value: null };
    case 'UnregisterRpcEndpoint':
      from.rpcEndpoints.delete(request.value.method);
      return { name: 'RpcEndpointUnregistered', value: null };
    case 'BanPeer':
      node.ban(request.value.peer_addr, request.value.ban_duration_seconds ?? DEFAULT_BAN_SECONDS);
      return { name: 'Bool', value: true };
    default:
      return answerAboutModules(node, from, request);
  }
}

async function callModule(
  node: DevNode,
  from: ModuleConnection,
  call: Extract<RequestPayload, { name: 'CallModule' }>['value'],
): Promise<Answer> {
  try {
    const caller = from.facts?.moduleId ?? '';
    const value = await node.modules.call(call.target_module_id, call.method, call.params, caller);
    return { name: 'ModuleApiResponse', value };
  } catch (error) {
    if (error instanceof MeshError) return { failed: errorText(error) };
    throw error;
  }
}

function answerAboutModules(node: DevNode, from: ModuleConnection, request: RequestPayload): Answer {
  switch (request.name) {
    case 'DiscoverModules':
      return { name: 'ModuleList', value: node.modules.list() };
    case 'GetModuleInfo':
      return { name: 'ModuleInfo', value: node.modules.info(request.value.module_id) };
    case 'IsModuleAvailable':
      return { name: 'ModuleAvailable', value: node.modules.info(request.value.module_id) !== null };
    case 'ReportMetric':
      if (!from.metrics.has(request.value.metric.name) && from.metrics.size >= METRIC_NAMES)
        return { failed: `a module has at most ${METRIC_NAMES} metrics` };
      from.metrics.set(request.value.metric.name, request.value.metric);
      return { name: 'MetricReported', value: null };
    case 'GetModuleMetrics': {
      const connection = node.modules.find(request.value.module_id, () => true);
      return { name: 'ModuleMetrics', value: [...(connection?.metrics.values() ?? [])] };
    }
    case 'ReportModuleHealth':
      from.health = request.value.health;
      node.modules.changed();
      return { name: 'HealthReported', value: null };
    case 'GetModuleHealth': {
      const connection = node.modules.find(request.value.module_id, () => true);
      return { name: 'ModuleHealth', value: connection?.health ?? null };
    }
    default:
      return answerAboutChain(node, request);
  }
}

function answerAboutChain(node: DevNode, request: RequestPayload): Answer {
  const { chain } = node.network;
  switch (request.name) {
    case 'GetChainTip':
      return { name: 'Hash', value: chain.tip.hash };
    case 'GetBlockHeight':
      return { name: 'U64', value: BigInt(chain.height) };
    case 'GetBlockHeader': {
      const block = chain.block(request.value.hash);
      return { name: 'BlockHeader', value: block === null ? null : shownHeader(block) };
    }
    case 'GetChainInfo':
      return {
        name: 'ChainInfo',
        value: {
          tip_hash: chain.tip.hash,
          height: BigInt(chain.height),
          difficulty: REGTEST_DIFFICULTY,
          chain_work: chain.work,
          is_synced: true,
        },
      };
    case 'GetSyncStatus':
      return {
        name: 'NodeSyncStatus',
        value: { phase: 'Synced', progress: 1, is_synced: true, error_message: null },
      };
    case 'GetUtxo': {
      const utxo = chain.utxo(request.value.outpoint);
      return {
        name: 'Utxo',
        value:
          utxo === null
            ? null
            : {
                value: utxo.valueSats,
                script_pubkey: utxo.script,
                height: BigInt(utxo.height),
                is_coinbase: utxo.isCoinbase,
              },
      };
    }
    case 'HasTransaction':
      return { name: 'Bool', value: chain.transaction(request.value.hash) !== null };
    case 'GetTxMetadata': {
      const block = chain.transaction(request.value.txid)?.block ?? null;
      return {
        name: 'TxMetadata',
        value: block === null ? null : { block_hash: block.hash, block_height: BigInt(block.height) },
      };
    }
    case 'CheckTransactionInMempool':
      return { name: 'CheckTransactionInMempool', value: chain.isInMempool(request.value.tx_hash) };
    case 'GetMempoolTransactions':
      return { name: 'MempoolTransactions', value: chain.mempool().map((stored) => stored.txid) };
    case 'GetMempoolSize': {
      const size = chain.mempoolSize();
      return {
        name: 'MempoolSize',
        value: {
          transaction_count: BigInt(size.transactions),
          size_bytes: BigInt(size.bytes),
          total_fee_sats: 0n,
        },
      };
    }
    case 'GetFeeEstimate':
      return { name: 'FeeEstimate', value: FEE_RATE_SATS_PER_VBYTE };
    default:
      return answerAboutNode(node, request);
  }
}

function answerAboutNode(node: DevNode, request: RequestPayload): Answer {
  switch (request.name) {
    case 'GetNetworkPeers':
      return { name: 'NetworkPeers', value: node.peerInfos() };
    case 'GetNetworkStats': {
      const { bytesSent, bytesReceived } = node.stats();
      return {
        name: 'NetworkStats',
        value: {
          peer_count: BigInt(node.peers.length),
          hash_rate: 0,
          bytes_sent: BigInt(bytesSent),
          bytes_received: BigInt(bytesReceived),
        },
      };
    }
    case 'GetPaymentState':
      return { name: 'PaymentState', value: node.payments.state(request.value.payment_id, node.wallet) };
    case 'GetLightningNodeUrl':
      return { name: 'LightningNodeUrl', value: node.lightningUrl };
    case 'GetLightningInfo':
      return {
        name: 'LightningInfo',
        value: {
          node_url: node.lightningUrl,
          node_pubkey: node.wallet.publicKey,
          channel_count: BigInt(node.peers.length),
          total_capacity_sats: BigInt(node.peers.length) * CHANNEL_SATS,
        },
      };
    default:
      return { failed: `the development node does not serve ${request.name}` };
  }
}

/** What each peer counts for in the wallet's imagined capacity: one channel of 0.01 bitcoin. */
const CHANNEL_SATS = 1_000_000n;

function shownHeader(block: DevBlock): {
  readonly version: bigint;
  readonly prev_block_hash: Uint8Array;
  readonly merkle_root: Uint8Array;
  readonly timestamp: bigint;
  readonly bits: bigint;
  readonly nonce: bigint;
} {
  const { header } = block;
  return {
    version: BigInt(header.version),
    prev_block_hash: header.prevBlockHash,
    merkle_root: header.merkleRoot,
    timestamp: BigInt(header.timestamp),
    bits: BigInt(header.bits),
    nonce: BigInt(header.nonce),
  };
}
