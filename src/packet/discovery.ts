/**
 * Messages by which nodes find routes: the payload of control packets of the protocol mesh-discovery-v1.
 *
 * Rules: wire.md, Control protocols. What a node may believe of them is judged in src/routing.
 */
import {
  decode,
  encode,
  nodeId,
  struct,
  taggedEnum,
  u64,
  u8,
  vec,
  withEncoded,
  type Codec,
  type Decoded,
  type Json,
  type SmallIntegers,
} from '../core/codec.js';
import type { NodeId } from '../core/ids.js';

export interface RouteRequest {
  readonly kind: 'RouteRequest';
  readonly destination: NodeId;
  /** Who asks. */
  readonly source: NodeId;
  readonly requestId: bigint;
  readonly maxHops: number;
}

export interface RouteResponse {
  readonly kind: 'RouteResponse';
  readonly destination: NodeId;
  /** Who had asked. */
  readonly source: NodeId;
  readonly requestId: bigint;
  /** From the asking node to the destination, both included. */
  readonly route: readonly NodeId[];
  /** Sats; 2^64-1 means unreachable. */
  readonly cost: bigint;
}

export interface AdvertisedRoute {
  readonly destination: NodeId;
  readonly nextHop: NodeId;
  /** Sats; 2^64-1 takes the route back. */
  readonly cost: bigint;
  readonly hopCount: number;
}

export interface RouteAdvertisement {
  readonly kind: 'RouteAdvertisement';
  readonly routes: readonly AdvertisedRoute[];
  readonly source: NodeId;
}

export type DiscoveryMessage = RouteRequest | RouteResponse | RouteAdvertisement;

/** The wire form of DiscoveryMessage. */
export const discoveryMessage: Codec<DiscoveryMessage> = taggedEnum<DiscoveryMessage>('discovery_message', {
  RouteRequest: struct({ destination: nodeId, source: nodeId, requestId: u64, maxHops: u8 }),
  RouteResponse: struct({
    destination: nodeId,
    source: nodeId,
    requestId: u64,
    route: vec(nodeId),
    cost: u64,
  }),
  RouteAdvertisement: struct({
    routes: vec(struct<AdvertisedRoute>({ destination: nodeId, nextHop: nodeId, cost: u64, hopCount: u8 })),
    source: nodeId,
  }),
});

export function decodeDiscovery(input: Uint8Array): Decoded<DiscoveryMessage> {
  return decode(discoveryMessage, input);
}

export function encodeDiscovery(message: DiscoveryMessage): Uint8Array {
  return encode(discoveryMessage, message);
}

/** The same without a copy; see withEncoded. */
export function withEncodedDiscovery<R>(message: DiscoveryMessage, use: (bytes: Uint8Array) => R): R {
  return withEncoded(discoveryMessage, message, use);
}

/** The JSON form of the vectors. */
export function discoveryJson(message: DiscoveryMessage, integers: SmallIntegers = 'text'): Json {
  return discoveryMessage.json(message, integers);
}
