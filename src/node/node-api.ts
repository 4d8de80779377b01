/**
 * What this module asks of its node, as typed calls.
 *
 * Rules: node-ipc.md (which answer belongs to which request). Every call may reject with a MeshError:
 * NODE_CONNECTION_LOST, NODE_REQUEST_TIMEOUT, NODE_REQUEST_REFUSED, NODE_QUEUE_FULL, NODE_PROTOCOL,
 * SHUTTING_DOWN. Hashes are 32 bytes in internal order (the reverse of what explorers print). Main thread; never
 * to be awaited while answering an invocation (node-ipc.md, 7).
 */
import { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import type {
  BlockHeader,
  ChainInfo,
  CliSpec,
  LightningInfo,
  MempoolSize,
  Metric,
  ModuleHealth,
  ModuleInfo,
  NetworkStats,
  NodeEvent,
  OutPoint,
  PaymentState,
  PeerInfo,
  RequestPayload,
  ResponseName,
  ResponseValue,
  SyncStatus,
  TxBlockMetadata,
  Utxo,
} from './messages.js';
import type { Registrations } from './registrations.js';
import type { RequestDesk } from './request-desk.js';

const MODULE_API = 'the module API';
const CLI = 'the command line';

export class NodeApi {
  readonly #requests: RequestDesk;
  readonly #registrations: Registrations;
  readonly #clock: Clock;

  constructor(parts: {
    readonly requests: RequestDesk;
    readonly registrations: Registrations;
    readonly clock: Clock;
  }) {
    this.#requests = parts.requests;
    this.#registrations = parts.registrations;
    this.#clock = parts.clock;
  }

  // The chain.

  /** Hash of the newest block. */
  getChainTip(): Promise<Uint8Array> {
    return this.#ask({ name: 'GetChainTip', value: null }, 'Hash');
  }

  getBlockHeight(): Promise<bigint> {
    return this.#ask({ name: 'GetBlockHeight', value: null }, 'U64');
  }

  getChainInfo(): Promise<ChainInfo> {
    return this.#ask({ name: 'GetChainInfo', value: null }, 'ChainInfo');
  }

  getSyncStatus(): Promise<SyncStatus> {
    return this.#ask({ name: 'GetSyncStatus', value: null }, 'NodeSyncStatus');
  }

  getBlockHeader(hash: Uint8Array): Promise<BlockHeader | null> {
    return this.#ask({ name: 'GetBlockHeader', value: { hash } }, 'BlockHeader');
  }

  /** The unspent output, or null where it is spent or never was. */
  getUtxo(outpoint: OutPoint): Promise<Utxo | null> {
    return this.#ask({ name: 'GetUtxo', value: { outpoint } }, 'Utxo');
  }

  hasTransaction(hash: Uint8Array): Promise<boolean> {
    return this.#ask({ name: 'HasTransaction', value: { hash } }, 'Bool');
  }

  /** Which block a transaction is in, or null where it is in none. Nodes from 0.1.81 on. */
  getTransactionMetadata(txid: Uint8Array): Promise<TxBlockMetadata | null> {
    return this.#ask({ name: 'GetTxMetadata', value: { txid } }, 'TxMetadata');
  }

  isInMempool(txHash: Uint8Array): Promise<boolean> {
    return this.#ask(
      { name: 'CheckTransactionInMempool', value: { tx_hash: txHash } },
      'CheckTransactionInMempool',
    );
  }

  getMempoolSize(): Promise<MempoolSize> {
    return this.#ask({ name: 'GetMempoolSize', value: null }, 'MempoolSize');
  }

  /** @param targetBlocks within how many blocks the transaction should confirm */
  getFeeEstimate(targetBlocks: number): Promise<bigint> {
    return this.#ask({ name: 'GetFeeEstimate', value: { target_blocks: targetBlocks } }, 'FeeEstimate');
  }

  // The network.

  getNetworkPeers(): Promise<readonly PeerInfo[]> {
    return this.#ask({ name: 'GetNetworkPeers', value: null }, 'NetworkPeers');
  }

  getNetworkStats(): Promise<NetworkStats> {
    return this.#ask({ name: 'GetNetworkStats', value: null }, 'NetworkStats');
  }

  /**
   * Has the node send packet bytes to one of its peers.
   * @returns when the node has taken them
   */
  async sendMeshPacketToPeer(peerAddress: string, packetBytes: Uint8Array): Promise<void> {
    const isTaken = await this.#ask(
      { name: 'SendMeshPacketToPeer', value: { peer_addr: peerAddress, packet_data: packetBytes } },
      'Bool',
    );
    if (!isTaken) {
      throw new MeshError('NODE_REQUEST_REFUSED', `the node did not send to ${peerAddress}: it may be gone`, {
        peerAddress,
      });
    }
  }

  // Payments.

  getPaymentState(paymentId: string): Promise<PaymentState | null> {
    return this.#ask({ name: 'GetPaymentState', value: { payment_id: paymentId } }, 'PaymentState');
  }

  /** The node's own Lightning wallet, or null where it has none. */
  getLightningInfo(): Promise<LightningInfo | null> {
    return this.#ask({ name: 'GetLightningInfo', value: null }, 'LightningInfo');
  }

  getLightningNodeUrl(): Promise<string | null> {
    return this.#ask({ name: 'GetLightningNodeUrl', value: null }, 'LightningNodeUrl');
  }

  // Other modules.

  async publishEvent(event: NodeEvent): Promise<void> {
    await this.#ask(
      { name: 'PublishEvent', value: { event_type: event.name, payload: event } },
      'EventPublished',
    );
  }

  /** @param targetModuleId null asks whichever module has the method */
  callModule(
    targetModuleId: string | null,
    method: string,
    params: Uint8Array,
    timeoutMillis: number = LIMITS.NODE_CALL_MILLIS,
  ): Promise<Uint8Array> {
    return this.#ask(
      { name: 'CallModule', value: { target_module_id: targetModuleId, method, params } },
      'ModuleApiResponse',
      timeoutMillis,
    );
  }

  discoverModules(): Promise<readonly ModuleInfo[]> {
    return this.#ask({ name: 'DiscoverModules', value: null }, 'ModuleList');
  }

  getModuleInfo(moduleId: string): Promise<ModuleInfo | null> {
    return this.#ask({ name: 'GetModuleInfo', value: { module_id: moduleId } }, 'ModuleInfo');
  }

  isModuleAvailable(moduleId: string): Promise<boolean> {
    return this.#ask({ name: 'IsModuleAvailable', value: { module_id: moduleId } }, 'ModuleAvailable');
  }

  // What this module offers. Each registration is made again on every later connection.

  async registerModuleApi(methods: readonly string[], apiVersion: number): Promise<void> {
    await this.#registrations.register(MODULE_API, {
      name: 'RegisterModuleApi',
      value: { methods, api_version: apiVersion },
    });
  }

  async unregisterModuleApi(): Promise<void> {
    this.#registrations.forget(MODULE_API);
    await this.#ask({ name: 'UnregisterModuleApi', value: null }, 'ModuleApiUnregistered');
  }

  async registerCliSpec(spec: CliSpec): Promise<void> {
    await this.#registrations.register(CLI, { name: 'RegisterCliSpec', value: { spec } });
  }

  /** Registers commands with the next connection instead of now: for use before the first one. */
  registerCliSpecLater(spec: CliSpec): void {
    this.#registrations.registerLater(CLI, { name: 'RegisterCliSpec', value: { spec } });
  }

  /** A JSON-RPC method of the node that this module answers. Published nodes refuse it (node-ipc.md, 10). */
  async registerRpcEndpoint(method: string, description: string): Promise<void> {
    await this.#registrations.register(`the RPC method ${method}`, {
      name: 'RegisterRpcEndpoint',
      value: { method, description },
    });
  }

  // Reports.

  /** A measurement; its time is added here. */
  async reportMetric(metric: Omit<Metric, 'timestamp'>): Promise<void> {
    const timestamp = BigInt(this.#clock.unixSeconds());
    await this.#ask({ name: 'ReportMetric', value: { metric: { ...metric, timestamp } } }, 'MetricReported');
  }

  async reportHealth(health: ModuleHealth): Promise<void> {
    await this.#ask({ name: 'ReportModuleHealth', value: { health } }, 'HealthReported');
  }

  async #ask<N extends ResponseName>(
    payload: RequestPayload,
    expected: N,
    timeoutMillis: number = LIMITS.NODE_REQUEST_MILLIS,
  ): Promise<ResponseValue<N>> {
    const answer: NamedAnswer = await this.#requests.submit(payload, { timeoutMillis });
    if (isNamed(answer, expected)) return answer.value;
    throw new MeshError(
      'NODE_PROTOCOL',
      `the node answered ${payload.name} with ${answer.name} instead of ${expected}`,
      { request: payload.name, answer: answer.name },
    );
  }
}

interface NamedAnswer {
  readonly name: string;
  readonly value: unknown;
}

function isNamed<N extends ResponseName>(
  answer: NamedAnswer,
  name: N,
): answer is { readonly name: N; readonly value: ResponseValue<N> } {
  return answer.name === name;
}
