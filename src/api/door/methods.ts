/**
 * What the module's own door serves: the four methods of the documents, and what an operator asks.
 *
 * Rules: wire.md, JSON-RPC endpoints and Command line. Amounts of msat are decimal text, since JSON numbers are not
 * exact; counts and sats of the documents' methods are numbers as the documents have them. A hop invoice and `doctor`
 * wait for the node, which does not wait for us here, and `trace` for peers, up to their deadlines. Main thread only.
 */
import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0';
import { toHex } from '../../core/bytes.js';
import type { Json } from '../../core/codec.js';
import { nodeKey, parseNodeId, type NodeId } from '../../core/ids.js';
import { BadRequest, Params, recordOf } from '../../core/params.js';
import { REASON_TABLE } from '../../core/reasons.js';
import { MeshError } from '../../core/errors.js';
import type { MeshModule } from '../../engine/module.js';
import {
  decodeResponse,
  encodeRequest,
  type MethodName,
  type RequestOf,
  type ResponseOf,
} from '../../packet/module-api.js';
import { explainMethod, traceMethod } from '../explain/methods.js';
import type { MeshModuleApi } from '../module-api.js';
import { configJson, ledgerJson, peersJson, routesJson, statusJson } from '../status.js';
import type { ModuleCli } from '../module-cli.js';
import type { Reloader } from '../reload.js';
import { moduleFacts } from '../doctor/facts.js';
import type { ModuleIntegration } from '../../node/module-integration.js';
import { VERSION } from '../../core/version.js';

/** Who asks, where the module API wants to know. */
const CALLER = 'door';
const DEFAULT_BASE_FEE_SATS = 1;

/** Codes of this module's own errors, outside the range that JSON-RPC keeps for itself. */
export const REFUSED_CODE = 1;

export interface DoorParts {
  readonly mesh: MeshModule;
  readonly api: MeshModuleApi;
  readonly cli: ModuleCli;
  readonly integration: ModuleIntegration;
  readonly logLinesDropped: () => number;
  readonly reloader: Pick<Reloader, 'needRestart'>;
}

export type DoorMethod = (params: Params) => Json | Promise<Json>;

/** By name. Each throws BadRequest on parameters that it does not understand. */
export function doorMethods(parts: DoorParts): ReadonlyMap<string, DoorMethod> {
  const { mesh, api, cli } = parts;
  const callBytes = async <M extends MethodName>(method: M, request: Uint8Array): Promise<ResponseOf<M>> => {
    const outcome = await api.call(method, request, CALLER, 'asked');
    if (!outcome.ok) throw new JSONRPCErrorException(outcome.error, REFUSED_CODE);
    const response = decodeResponse(method, outcome.response);
    if (response.ok) return response.value;
    throw new MeshError('DOOR_FAILED', `the mesh answered ${method} with bytes that do not decode`);
  };
  const call = <M extends MethodName>(method: M, request: RequestOf<M>): Promise<ResponseOf<M>> =>
    callBytes(method, encodeRequest(method, request));

  const methods: Record<string, DoorMethod> = {
    meshsendpacket: async (params) => {
      const response = await callBytes('send_packet', params.hex('request_hex'));
      return {
        success: response.success,
        packet_id: toHex(response.packetId),
        route_length: Number(response.routeLength),
        estimated_cost_sats: Number(response.estimatedCostSats),
        error: response.error,
      };
    },
    meshpollreceived: async (params) => {
      const most = params.optionalCount('max_packets');
      const deliveries = await call('poll_local_deliveries', {
        protocolId: params.optionalText('protocol_id') ?? null,
        maxPackets: most === undefined ? null : BigInt(most),
      });
      const packets = deliveries.map(({ protocolId, payload, source }) => ({
        protocol_id: protocolId,
        payload_hex: toHex(payload),
        source_hex: toHex(source),
      }));
      return { packets };
    },
    meshquoteroute: async (params) => {
      const fee = await call('quote_route_fee', {
        destination: destinationOf(params),
        baseFeeSats: BigInt(params.count('base_fee_sats', DEFAULT_BASE_FEE_SATS)),
      });
      return { fee_sats: Number(fee) };
    },
    meshrequesthopinvoice: async (params) => {
      const expiry = params.optionalCount('expiry_seconds');
      const { invoice, amountMsats, expiresAt } = await call('request_hop_invoice', {
        destination: destinationOf(params),
        amountMsats: BigInt(params.count('amount_msats')),
        expirySeconds: expiry === undefined ? null : BigInt(expiry),
      });
      return { invoice, amount_msats: Number(amountMsats), expires_at: Number(expiresAt) };
    },
    status: () => statusJson(mesh),
    peers: () => peersJson(mesh),
    routes: () => routesJson(mesh),
    ledger: () => ledgerJson(mesh),
    config: () => ({ ...configJson(mesh), needRestart: parts.reloader.needRestart }),
    reasons: () => reasonsJson(mesh),
    explain: (params) => explainMethod(mesh, params),
    doctor: () => moduleFacts({ ...parts, version: VERSION }),
    trace: (params) => traceMethod(mesh, params),
    command: async (params) => {
      const { stdout, stderr, exitCode } = await cli.run(params.text('name'), params.texts('args'));
      return { stdout, stderr, exitCode };
    },
    version: () => ({ nodeId: nodeKey(mesh.self), methods: Object.keys(methods) }),
  };
  return new Map(Object.entries(methods));
}

/** JSON-RPC parameters: an object, or none. */
export function paramsOf(value: unknown): Params {
  return new Params(recordOf(value ?? {}, 'params'));
}

/** As a response carries it. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** What a caller is told of whatever a method threw. */
export function rpcError(error: unknown): RpcError {
  if (error instanceof JSONRPCErrorException) return error;
  if (error instanceof BadRequest)
    return new JSONRPCErrorException(error.message, JSONRPCErrorCode.InvalidParams);
  if (error instanceof MeshError)
    return new JSONRPCErrorException(error.message, REFUSED_CODE, { code: error.code });
  return new JSONRPCErrorException(
    'the module failed to answer; its log says why',
    JSONRPCErrorCode.InternalError,
  );
}

function destinationOf(params: Params): NodeId {
  const nodeId = parseNodeId(params.text('destination_hex'));
  if (nodeId === null) throw new BadRequest('destination_hex is a node id of 64 hex digits');
  return nodeId;
}

/** Every reason with what it has counted. */
function reasonsJson(mesh: MeshModule): Json {
  const { refused } = mesh.counters.snapshot();
  return REASON_TABLE.map(([code, name, text]) => ({ code, name, text, count: refused[name] ?? 0 }));
}
