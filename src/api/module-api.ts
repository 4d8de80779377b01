/**
 * MeshModuleApi: what other modules ask of the mesh by `call_module`.
 *
 * Rules: wire.md, ModuleAPI. Bytes in, bytes out; a request that does not decode is an error that names what is
 * wrong; a well-formed one that cannot be served gets a response that says so. Nothing here waits for a request
 * of our own to the node (node-ipc.md, 7). Main thread only.
 */
import { U64_MAX } from '../core/bincode.js';
import { toHex } from '../core/bytes.js';
import { LIMITS } from '../core/limits.js';
import { Reason, reasonName, reasonText } from '../core/reasons.js';
import {
  API_VERSION,
  METHOD_NAMES,
  decodeRequest,
  encodeResponse,
  isMethodName,
  type MethodName,
  type RequestOf,
  type ResponseOf,
} from '../packet/module-api.js';
import type { MeshModule } from '../engine/module.js';
import type { Patience } from '../engine/settlements.js';
import type { HopInvoices } from './hop-invoices.js';
import { meshStats } from './mesh-stats.js';

/** A response's bytes, or the text of an error for the calling module. */
export type ApiOutcome =
  { readonly ok: true; readonly response: Uint8Array } | { readonly ok: false; readonly error: string };

/** A response, or why the method cannot serve this request. */
type Answer<T> = { readonly value: T } | { readonly error: string };

type Methods = {
  readonly [M in MethodName]: (
    request: RequestOf<M>,
    callerModuleId: string,
    patience: Patience,
  ) => Answer<ResponseOf<M>> | Promise<Answer<ResponseOf<M>>>;
};

/** wire.md, request_hop_invoice. */
const DEFAULT_INVOICE_SECONDS = 3_600n;

const NO_PACKET_ID = new Uint8Array(32);

/** Default and largest number of deliveries in one poll (wire.md, poll_local_deliveries). */
const DEFAULT_POLL = 16;

export class MeshModuleApi {
  readonly apiVersion: number = API_VERSION;
  readonly methods: readonly MethodName[] = METHOD_NAMES;
  readonly #mesh: MeshModule;
  readonly #hopInvoices: HopInvoices;
  readonly #serve: Methods;

  constructor(mesh: MeshModule, hopInvoices: HopInvoices) {
    this.#mesh = mesh;
    this.#hopInvoices = hopInvoices;
    this.#serve = this.#table();
  }

  /**
   * Serves one call.
   * @param params the request's bytes, borrowed
   * @param callerModuleId who asks, as the node vouches for it
   * @param patience `known` where the node waits for the answer, and so cannot be asked meanwhile
   */
  async call(
    method: string,
    params: Uint8Array,
    callerModuleId: string,
    patience: Patience = 'known',
  ): Promise<ApiOutcome> {
    if (!isMethodName(method))
      return { ok: false, error: `UnknownMethod: the mesh has no method '${method}'` };
    return this.#call(method, this.#serve[method], params, callerModuleId, patience);
  }

  async #call<M extends MethodName>(
    method: M,
    serve: Methods[M],
    params: Uint8Array,
    caller: string,
    patience: Patience,
  ): Promise<ApiOutcome> {
    const request = decodeRequest(method, params);
    if (!request.ok) {
      return {
        ok: false,
        error: `${reasonName(request.failure.reason)}: ${method}: ${request.failure.detail}`,
      };
    }
    const answer = await serve(request.value, caller, patience);
    if ('error' in answer) return { ok: false, error: answer.error };
    return { ok: true, response: encodeResponse(method, answer.value) };
  }

  #table(): Methods {
    const mesh = this.#mesh;
    return {
      send_packet: async ({ destination, payload, paymentProof, protocolId, ttl }) => {
        const ttlSeconds = ttl === null ? null : Number(atMost(BigInt(LIMITS.PACKET_TTL_MOST_SECONDS), ttl));
        const result = await mesh.outbound.send({
          destination,
          payload,
          paymentProof,
          protocolId,
          ttlSeconds,
        });
        return result.ok
          ? {
              value: {
                success: true,
                packetId: result.packetId,
                routeLength: BigInt(result.route.ids.length),
                estimatedCostSats: ceilSats(result.priceMsat),
                error: null,
              },
            }
          : {
              value: {
                success: false,
                packetId: NO_PACKET_ID,
                routeLength: 0n,
                estimatedCostSats: 0n,
                error: result.error,
              },
            };
      },
      discover_route: ({ destination, maxHops, timeoutSeconds }) => {
        const startedMillis = mesh.clock.monotonicMillis();
        const longest = BigInt(LIMITS.DISCOVERY_TIMEOUT_MILLIS);
        const timeoutMillis = timeoutSeconds === null ? longest : atMost(longest, timeoutSeconds * 1_000n);
        const [best] = mesh.outbound.routes(destination, {
          maxHops: Math.min(maxHops ?? LIMITS.ROUTE_HOPS, LIMITS.ROUTE_HOPS),
          timeoutMillis: Number(timeoutMillis),
        });
        return {
          value: {
            route: best?.ids ?? null,
            routeCostSats: best?.cost ?? 0n,
            discoveryTimeMs: BigInt(Math.round(mesh.clock.monotonicMillis() - startedMillis)),
          },
        };
      },
      register_protocol_handler: ({ protocolId, handlerMethod }, caller) => {
        const isNamed = protocolId !== '' && handlerMethod !== '';
        const reason = isNamed ? mesh.delivery.register(protocolId, caller, handlerMethod) : Reason.BadLimit;
        return { value: { success: reason === Reason.Accepted } };
      },
      get_routing_stats: () => ({ value: meshStats(mesh) }),
      get_network_stats: () => ({ value: meshStats(mesh) }),
      get_route_stats: () => ({ value: meshStats(mesh).routing }),
      get_node_id: () => ({ value: mesh.self }),
      get_peer_list: () => ({
        value: mesh.table.directPeers().map(({ nodeId, address }) => ({ nodeIdHex: toHex(nodeId), address })),
      }),
      handle_mesh_packet: async ([packetBytes, peerAddress]) => {
        // Only the node says who is connected: a module cannot bring in peers of its own making.
        if (mesh.peers.at(peerAddress) === null) {
          mesh.counters.refuse(Reason.UnknownPeer);
          return { error: refusal(Reason.UnknownPeer) };
        }
        const outcome = await mesh.manager.handlePacket(packetBytes, peerAddress, 'accepted');
        return outcome.kind === 'refused' ? { error: refusal(outcome.reason) } : { value: true };
      },
      quote_route_fee: ({ destination, baseFeeSats }) => {
        const routes = mesh.outbound.routes(destination);
        if (routes.length === 0) return { value: 0n };
        // The dearest of the kept routes, so that the packet may take any of them; for a payload of one KiB.
        const prices = routes.map((route) => mesh.table.prices.ofPacket(route, 1_024));
        const dearest = prices.reduce((most, price) => (price > most ? price : most), 0n);
        return { value: atMost(U64_MAX, baseFeeSats + ceilSats(dearest)) };
      },
      request_hop_invoice: async ({ destination, amountMsats, expirySeconds }, caller, patience) => {
        const request = {
          caller,
          destination,
          amountMsat: amountMsats,
          expirySeconds: expirySeconds ?? DEFAULT_INVOICE_SECONDS,
        };
        const answer =
          patience === 'asked' ? await this.#hopInvoices.order(request) : this.#hopInvoices.take(request);
        // A node may close the connection of a caller whose call fails (node-ipc.md, 5), and this one is to ask again.
        const isPending = !answer.ok && answer.reason === Reason.InvoicePending;
        if (isPending) return { value: { invoice: '', amountMsats, expiresAt: 0n } };
        if (!answer.ok) return { error: answer.error };
        const { invoice, amountMsat, expiresAt } = answer.value;
        return { value: { invoice, amountMsats: amountMsat, expiresAt: BigInt(expiresAt) } };
      },
      poll_local_deliveries: ({ protocolId, maxPackets }) => {
        if (maxPackets !== null && (maxPackets < 1n || maxPackets > BigInt(LIMITS.POLL_PACKETS))) {
          return { error: `BadLimit: max_packets is from 1 to ${LIMITS.POLL_PACKETS}` };
        }
        return { value: mesh.delivery.poll(protocolId, Number(maxPackets ?? DEFAULT_POLL)) };
      },
    };
  }
}

function refusal(reason: Reason): string {
  return `${reasonName(reason)}: ${reasonText(reason)}`;
}

function ceilSats(amountMsat: bigint): bigint {
  return (amountMsat + 999n) / 1_000n;
}

function atMost(bound: bigint, value: bigint): bigint {
  return value < bound ? value : bound;
}
