/**
 * The module API: requests and responses that other modules exchange with this one by `call_module`.
 *
 * Rules: wire.md, ModuleAPI (api_version 1). Each method is one row of MODULE_API: its request and its response.
 */
import {
  bool,
  bytes,
  decode,
  encode,
  fixedBytes,
  nodeId,
  option,
  string,
  struct,
  u64,
  u8,
  unitEnum,
  vec,
  type Codec,
  type Decoded,
} from '../core/codec.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { decodeEither, oldestPaymentProof, paymentProof, type PaymentProof } from './proof.js';

/** The version that is registered with the node. */
export const API_VERSION = 1;

export interface SendPacketRequest {
  readonly destination: NodeId;
  readonly payload: Uint8Array;
  readonly paymentProof: PaymentProof | null;
  readonly protocolId: string | null;
  /** Seconds. */
  readonly ttl: bigint | null;
}

export interface SendPacketResponse {
  readonly success: boolean;
  /** 32 bytes; zeros where nothing was sent. */
  readonly packetId: Uint8Array;
  /** Ids on the route. */
  readonly routeLength: bigint;
  readonly estimatedCostSats: bigint;
  readonly error: string | null;
}

export interface DiscoverRouteRequest {
  readonly destination: NodeId;
  readonly maxHops: number | null;
  readonly timeoutSeconds: bigint | null;
}

export interface DiscoverRouteResponse {
  readonly route: readonly NodeId[] | null;
  readonly routeCostSats: bigint;
  readonly discoveryTimeMs: bigint;
}

export interface RegisterProtocolHandlerRequest {
  readonly protocolId: string;
  /** Called on the module that registered, with (packet bytes, peer address). */
  readonly handlerMethod: string;
}

export interface RegisterProtocolHandlerResponse {
  readonly success: boolean;
}

export interface RouteStats {
  readonly totalRoutes: bigint;
  readonly directPeers: bigint;
  readonly cachedRoutes: bigint;
  readonly routeExpirySeconds: bigint;
}

export interface ReplayStatsReport {
  readonly activeHashes: bigint;
  readonly trackedPeers: bigint;
  readonly expirySeconds: bigint;
}

/** In tag order. */
export const REPORTED_MODES = ['BitcoinOnly', 'PaymentGated', 'Open'] as const;

export type ReportedMode = (typeof REPORTED_MODES)[number];

export interface MeshStats {
  readonly enabled: boolean;
  readonly mode: ReportedMode;
  readonly routing: RouteStats;
  readonly replay: ReplayStatsReport;
}

export interface PeerEntry {
  readonly nodeIdHex: string;
  readonly address: string;
}

/** (packet bytes, peer address): the request of handle_mesh_packet and the argument of protocol handlers. */
export type PacketFromPeer = readonly [Uint8Array, string];

export interface QuoteRouteFeeRequest {
  readonly destination: NodeId;
  readonly baseFeeSats: bigint;
}

export interface RequestHopInvoiceRequest {
  readonly destination: NodeId;
  readonly amountMsats: bigint;
  readonly expirySeconds: bigint | null;
}

export interface RequestHopInvoiceResponse {
  readonly invoice: string;
  readonly amountMsats: bigint;
  /** Unix seconds. */
  readonly expiresAt: bigint;
}

export interface PollLocalDeliveriesRequest {
  readonly protocolId: string | null;
  readonly maxPackets: bigint | null;
}

export interface LocalDelivery {
  readonly protocolId: string;
  readonly payload: Uint8Array;
  readonly source: NodeId;
}

/** A method's request and response. */
export interface MethodCodecs<Request, Response> {
  readonly request: Codec<Request>;
  readonly response: Codec<Response>;
}

/** A request without fields: no bytes. */
const empty: Codec<null> = {
  minBytes: 0,
  read: () => null,
  write: () => undefined,
  json: () => null,
};

const namedPair = struct<{ readonly packet: Uint8Array; readonly address: string }>({
  packet: bytes,
  address: string,
});

/** The wire form of PacketFromPeer. */
export const packetFromPeer: Codec<PacketFromPeer> = {
  minBytes: bytes.minBytes + string.minBytes,
  read: (reader) => {
    const { packet, address } = namedPair.read(reader);
    return [packet, address];
  },
  write: (writer, [packet, address]) => {
    writer.bytes(packet);
    writer.string(address);
  },
  json: ([packet, address], integers) => [bytes.json(packet, integers), address],
};

function sendPacketRequest(proof: Codec<PaymentProof>): Codec<SendPacketRequest> {
  return struct<SendPacketRequest>({
    destination: nodeId,
    payload: bytes,
    paymentProof: option(proof),
    protocolId: option(string),
    ttl: option(u64),
  });
}

const routeStats: Codec<RouteStats> = struct({
  totalRoutes: u64,
  directPeers: u64,
  cachedRoutes: u64,
  routeExpirySeconds: u64,
});

const meshStats: Codec<MeshStats> = struct({
  enabled: bool,
  mode: unitEnum('mode', REPORTED_MODES),
  routing: routeStats,
  replay: struct<ReplayStatsReport>({ activeHashes: u64, trackedPeers: u64, expirySeconds: u64 }),
});

/** Every method with what it is asked and what it answers. */
export interface ModuleApi {
  readonly send_packet: MethodCodecs<SendPacketRequest, SendPacketResponse>;
  readonly discover_route: MethodCodecs<DiscoverRouteRequest, DiscoverRouteResponse>;
  readonly register_protocol_handler: MethodCodecs<
    RegisterProtocolHandlerRequest,
    RegisterProtocolHandlerResponse
  >;
  readonly get_routing_stats: MethodCodecs<null, MeshStats>;
  readonly get_node_id: MethodCodecs<null, NodeId>;
  readonly get_peer_list: MethodCodecs<null, readonly PeerEntry[]>;
  readonly get_route_stats: MethodCodecs<null, RouteStats>;
  readonly get_network_stats: MethodCodecs<null, MeshStats>;
  readonly handle_mesh_packet: MethodCodecs<PacketFromPeer, boolean>;
  readonly quote_route_fee: MethodCodecs<QuoteRouteFeeRequest, bigint>;
  readonly request_hop_invoice: MethodCodecs<RequestHopInvoiceRequest, RequestHopInvoiceResponse>;
  readonly poll_local_deliveries: MethodCodecs<PollLocalDeliveriesRequest, readonly LocalDelivery[]>;
}

export type MethodName = keyof ModuleApi;

/** What a method is asked. */
export type RequestOf<M extends MethodName> =
  ModuleApi[M] extends MethodCodecs<infer Request, unknown> ? Request : never;

/** What a method answers. */
export type ResponseOf<M extends MethodName> =
  ModuleApi[M] extends MethodCodecs<infer _, infer Response> ? Response : never;

export const MODULE_API: ModuleApi = {
  send_packet: {
    request: sendPacketRequest(paymentProof),
    response: struct<SendPacketResponse>({
      success: bool,
      packetId: fixedBytes(32),
      routeLength: u64,
      estimatedCostSats: u64,
      error: option(string),
    }),
  },
  discover_route: {
    request: struct<DiscoverRouteRequest>({
      destination: nodeId,
      maxHops: option(u8),
      timeoutSeconds: option(u64),
    }),
    response: struct<DiscoverRouteResponse>({
      route: option(vec(nodeId)),
      routeCostSats: u64,
      discoveryTimeMs: u64,
    }),
  },
  register_protocol_handler: {
    request: struct<RegisterProtocolHandlerRequest>({ protocolId: string, handlerMethod: string }),
    response: struct<RegisterProtocolHandlerResponse>({ success: bool }),
  },
  get_routing_stats: { request: empty, response: meshStats },
  get_node_id: { request: empty, response: nodeId },
  get_peer_list: {
    request: empty,
    response: vec(struct<PeerEntry>({ nodeIdHex: string, address: string })),
  },
  get_route_stats: { request: empty, response: routeStats },
  get_network_stats: { request: empty, response: meshStats },
  handle_mesh_packet: { request: packetFromPeer, response: bool },
  quote_route_fee: {
    request: struct<QuoteRouteFeeRequest>({ destination: nodeId, baseFeeSats: u64 }),
    response: u64,
  },
  request_hop_invoice: {
    request: struct<RequestHopInvoiceRequest>({
      destination: nodeId,
      amountMsats: u64,
      expirySeconds: option(u64),
    }),
    response: struct<RequestHopInvoiceResponse>({ invoice: string, amountMsats: u64, expiresAt: u64 }),
  },
  poll_local_deliveries: {
    request: struct<PollLocalDeliveriesRequest>({ protocolId: option(string), maxPackets: option(u64) }),
    response: vec(struct<LocalDelivery>({ protocolId: string, payload: bytes, source: nodeId })),
  },
};

/** In the order of wire.md. */
export const METHOD_NAMES: readonly MethodName[] = Object.keys(MODULE_API) as MethodName[];

export function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(MODULE_API, name);
}

/** As the request of send_packet, for proofs of the oldest generation. */
export const oldestSendPacketRequest: Codec<SendPacketRequest> = sendPacketRequest(oldestPaymentProof);

/**
 * Decodes a request. One of send_packet may hold a proof of either generation.
 * @returns a failure whose detail opens with the field at fault
 */
export function decodeRequest<M extends MethodName>(method: M, input: Uint8Array): Decoded<RequestOf<M>>;
export function decodeRequest(method: MethodName, input: Uint8Array): Decoded<unknown> {
  if (input.length > LIMITS.API_REQUEST_BYTES) {
    const detail = `${input.length} bytes, at most ${LIMITS.API_REQUEST_BYTES} are allowed`;
    return { ok: false, failure: { reason: Reason.RequestTooLarge, offset: 0, detail } };
  }
  if (method === 'send_packet') {
    return decodeEither(MODULE_API.send_packet.request, oldestSendPacketRequest, input);
  }
  return decode<unknown>(MODULE_API[method].request, input);
}

export function encodeRequest<M extends MethodName>(method: M, request: RequestOf<M>): Uint8Array;
export function encodeRequest(method: MethodName, request: unknown): Uint8Array {
  return encode<unknown>(MODULE_API[method].request, request);
}

export function decodeResponse<M extends MethodName>(method: M, input: Uint8Array): Decoded<ResponseOf<M>>;
export function decodeResponse(method: MethodName, input: Uint8Array): Decoded<unknown> {
  return decode<unknown>(MODULE_API[method].response, input);
}

export function encodeResponse<M extends MethodName>(method: M, response: ResponseOf<M>): Uint8Array;
export function encodeResponse(method: MethodName, response: unknown): Uint8Array {
  return encode<unknown>(MODULE_API[method].response, response);
}
