/**
 * MeshClient: the mesh as another module sees it. Wraps `call_module` and does the serialization.
 *
 * Rules: wire.md, ModuleAPI; api.md, MeshClient. Runs in the calling module's process, on the thread that owns its
 * ModuleIntegration.
 */
import { systemClock } from '../core/clock.js';
import { MeshError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import { MODULE_NAME } from '../core/version.js';
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
import { Receiver, type OwnApi, type ReceivedPacket } from './receiver.js';

/** What `sendPacket` may leave out. */
export type SendOptions = Partial<Pick<SendPacketRequest, 'paymentProof' | 'protocolId' | 'ttl'>>;

export interface MeshClientOptions {
  /** The name under which the mesh runs on this node. */
  readonly meshModule?: string;
  readonly clock?: Clock;
  /** What this module offers to others itself; needed only beside `receive`, which answers the node's invocations. */
  readonly ownApi?: OwnApi;
}

export class MeshClient {
  readonly #integration: ModuleIntegration;
  readonly #meshModule: string;
  readonly #receiver: Receiver;
  readonly #clock: Clock;

  constructor(integration: ModuleIntegration, options: MeshClientOptions = {}) {
    this.#integration = integration;
    this.#meshModule = options.meshModule ?? MODULE_NAME;
    this.#clock = options.clock ?? systemClock;
    this.#receiver = new Receiver({
      onInvocation: (handler) => {
        integration.onInvocation(handler);
      },
      registerModuleApi: (methods, apiVersion) =>
        integration.nodeApi().registerModuleApi(methods, apiVersion),
      clock: this.#clock,
      ownApi: options.ownApi ?? null,
      register: (protocolId, handlerMethod) => this.registerProtocolHandler(protocolId, handlerMethod),
    });
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

  /**
   * The best known route of at most so many hops. Without a time it is answered at once: null while none is known, and a
   * search has begun. With one, it is asked for again until a route is found or the time is over.
   */
  async discoverRoute(
    destination: NodeId,
    maxHops: number | null = null,
    timeoutSeconds: bigint | null = null,
  ): Promise<DiscoverRouteResponse> {
    const startedMillis = this.#clock.monotonicMillis();
    const response = await this.#again(
      () => this.#call('discover_route', { destination, maxHops, timeoutSeconds }),
      ({ route }) => route !== null,
      Math.min(1_000 * Number(timeoutSeconds ?? 0n), LIMITS.DISCOVERY_TIMEOUT_MILLIS),
    );
    const tookMillis = Math.round(this.#clock.monotonicMillis() - startedMillis);
    return { ...response, discoveryTimeMs: BigInt(tookMillis) };
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

  /**
   * An invoice that pays this node for carrying a packet of another node to the destination. The mesh has it made, and
   * it is asked for again until it is there.
   * @throws MeshError as the mesh refuses it; WALLET_REFUSED where it was not made in time
   */
  async requestHopInvoice(
    destination: NodeId,
    amountMsats: bigint,
    expirySeconds: bigint | null = null,
  ): Promise<RequestHopInvoiceResponse> {
    const response = await this.#again(
      () => this.#call('request_hop_invoice', { destination, amountMsats, expirySeconds }),
      ({ invoice }) => invoice !== '',
      LIMITS.HOP_INVOICE_MILLIS / 2,
    );
    if (response.invoice !== '') return response;
    throw new MeshError(
      'WALLET_REFUSED',
      'the Lightning provider of the node did not make the invoice in time',
    );
  }

  /** Packets for this node whose protocol has no handler, oldest first. */
  pollLocalDeliveries(
    protocolId: string | null = null,
    maxPackets: bigint | null = null,
  ): Promise<readonly LocalDelivery[]> {
    return this.#call('poll_local_deliveries', { protocolId, maxPackets });
  }

  /**
   * Packets of a protocol that arrive for this node, in order, until the iterator is left. Takes over the answering of
   * the node's invocations (see `ownApi`). What came while nobody received is given first; none of the last
   * RECEIVED_REMEMBERED packets is given twice. A second call for the same protocol ends the first one's iterator.
   * @throws MeshError where the node does not let this module offer methods, or does not answer
   */
  receive(protocolId: string): Promise<AsyncIterableIterator<ReceivedPacket, undefined>> {
    return this.#receiver.open(protocolId);
  }

  /** Asks until the answer is done or the time is over. */
  async #again<T>(ask: () => Promise<T>, isDone: (answer: T) => boolean, forMillis: number): Promise<T> {
    const until = this.#clock.monotonicMillis() + forMillis;
    for (let wait = LIMITS.ASK_AGAIN_MIN_MILLIS; ; wait = Math.min(2 * wait, LIMITS.ASK_AGAIN_MAX_MILLIS)) {
      const answer = await ask();
      const left = until - this.#clock.monotonicMillis();
      if (isDone(answer) || left <= 0) return answer;
      await new Promise<void>((resolve) => this.#clock.after(Math.min(wait, left), resolve));
    }
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
