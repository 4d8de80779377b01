/**
 * MeshClient: the mesh as another module sees it. Wraps `call_module` and does the serialization.
 *
 * Rules: wire.md, ModuleAPI; api.md, MeshClient. Runs in the calling module's process, on the thread that owns its
 * ModuleIntegration.
 */
import { MeshError } from '../core/errors.js';
import type { NodeId } from '../core/ids.js';
import type { ModuleIntegration } from '../node/module-integration.js';
import {
  decodeResponse,
  encodeRequest,
  type DiscoverRouteResponse,
  type LocalDelivery,
  type MeshStats,
  type MethodName,
  type PeerEntry,
  type RequestOf,
  type RequestHopInvoiceResponse,
  type ResponseOf,
  type SendPacketRequest,
  type SendPacketResponse,
} from '../packet/module-api.js';

/** What `sendPacket` may leave out. */
export type SendOptions = Partial<Pick<SendPacketRequest, 'paymentProof' | 'protocolId' | 'ttl'>>;

export class MeshClient {
  readonly #integration: ModuleIntegration;
  readonly #meshModule: string;

  /** @param meshModule the name under which the mesh runs on this node */
  constructor(integration: ModuleIntegration, meshModule = 'blvm-mesh') {
    this.#integration = integration;
    this.#meshModule = meshModule;
  }

  /**
   * Sends a packet along a known route. Without one the response has success false, and a search has begun.
   * @throws MeshError when the node or the mesh does not answer
   */
  sendPacket(
    destination: NodeId,
    payload: Uint8Array,
    options: SendOptions = {},
  ): Promise<SendPacketResponse> {
    const { paymentProof = null, protocolId = null, ttl = null } = options;
    return this.#call('send_packet', { destination, payload, paymentProof, protocolId, ttl });
  }

  /** The best known route; null while none is known, and a search has begun. */
  discoverRoute(
    destination: NodeId,
    maxHops: number | null = null,
    timeoutSeconds: bigint | null = null,
  ): Promise<DiscoverRouteResponse> {
    return this.#call('discover_route', { destination, maxHops, timeoutSeconds });
  }

  /** Packets of this protocol then arrive as calls of `handlerMethod` on this module, one at a time, in order. */
  async registerProtocolHandler(protocolId: string, handlerMethod: string): Promise<boolean> {
    return (await this.#call('register_protocol_handler', { protocolId, handlerMethod })).success;
  }

  getNodeId(): Promise<NodeId> {
    return this.#call('get_node_id', null);
  }

  getPeerList(): Promise<readonly PeerEntry[]> {
    return this.#call('get_peer_list', null);
  }

  getRoutingStats(): Promise<MeshStats> {
    return this.#call('get_routing_stats', null);
  }

  /** Sats that a packet of up to 1,024 bytes costs on the dearest kept route; 0 where no route is known. */
  quoteRouteFee(destination: NodeId, baseFeeSats = 0n): Promise<bigint> {
    return this.#call('quote_route_fee', { destination, baseFeeSats });
  }

  requestHopInvoice(
    destination: NodeId,
    amountMsats: bigint,
    expirySeconds: bigint | null = null,
  ): Promise<RequestHopInvoiceResponse> {
    return this.#call('request_hop_invoice', { destination, amountMsats, expirySeconds });
  }

  /** Packets for this node whose protocol has no handler, oldest first. */
  pollLocalDeliveries(
    protocolId: string | null = null,
    maxPackets: bigint | null = null,
  ): Promise<readonly LocalDelivery[]> {
    return this.#call('poll_local_deliveries', { protocolId, maxPackets });
  }

  async #call<M extends MethodName>(method: M, request: RequestOf<M>): Promise<ResponseOf<M>> {
    const bytes = await this.#integration.callModule(
      this.#meshModule,
      method,
      encodeRequest(method, request),
    );
    const response = decodeResponse(method, bytes);
    if (response.ok) return response.value;
    throw new MeshError('NODE_PROTOCOL', `the mesh answered ${method} with bytes that do not decode`, {
      method,
      detail: response.failure.detail,
    });
  }
}
