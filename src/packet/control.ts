/**
 * Control packets: how a node says who it is and asks for routes. They are free, small, and for neighbours only.
 *
 * Rules: wire.md, Control protocols; payments.md, Free traffic (own quotas). A hello of mesh-hello-v1 is unsigned: it
 * proves nothing by itself, the link that brought it must vouch for it. mesh-hello-v2 is signed (docs/transport.md).
 */
import { nodeIdOf, NODE_ID_BYTES, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { equalBytes } from '../core/bytes.js';
import {
  decodeDiscovery,
  encodeDiscovery,
  withEncodedDiscovery,
  type DiscoveryMessage,
} from './discovery.js';
import { PACKET_VERSION, withEncodedPacket, type MeshPacket } from './packet.js';
import { decodeSignedHello, encodeSignedHello, type SignedHello } from './signed-hello.js';

export const HELLO_PROTOCOL = 'mesh-hello-v1';
export const DISCOVERY_PROTOCOL = 'mesh-discovery-v1';
export const SIGNED_HELLO_PROTOCOL = 'mesh-hello-v2';

/** The index of a name is its code in verdict records. */
export const CONTROL_PROTOCOLS: readonly [
  typeof HELLO_PROTOCOL,
  typeof DISCOVERY_PROTOCOL,
  typeof SIGNED_HELLO_PROTOCOL,
] = [HELLO_PROTOCOL, DISCOVERY_PROTOCOL, SIGNED_HELLO_PROTOCOL];

export type ControlProtocol = (typeof CONTROL_PROTOCOLS)[number];

/** The longest payload of each. */
const MOST_BYTES: { readonly [P in ControlProtocol]: number } = {
  [HELLO_PROTOCOL]: NODE_ID_BYTES,
  [DISCOVERY_PROTOCOL]: LIMITS.CONTROL_PAYLOAD_BYTES,
  [SIGNED_HELLO_PROTOCOL]: LIMITS.HELLO_BYTES,
};

/** Stands for a peer whose id is not known yet: 32 zero bytes, which is no Ed25519 key that anyone holds. */
export const UNKNOWN_PEER: NodeId = nodeIdOf(new Uint8Array(NODE_ID_BYTES));

export function isUnknownPeer(id: NodeId): boolean {
  return equalBytes(id, UNKNOWN_PEER);
}

export function isControlProtocol(protocol: string): protocol is ControlProtocol {
  return (CONTROL_PROTOCOLS as readonly string[]).includes(protocol);
}

/** Protocols that a peer may speak before this node knows who it is. */
export function isHelloProtocol(protocol: string | null): boolean {
  return protocol === HELLO_PROTOCOL || protocol === SIGNED_HELLO_PROTOCOL;
}

/** What stands in a control packet beside its payload. */
export interface ControlHeader {
  readonly self: NodeId;
  readonly sequence: bigint;
  /** Unix seconds. */
  readonly nowSeconds: number;
}

/** This node's hello to a neighbour; `peer` is null while the neighbour's id is not known. */
export function helloPacket(header: ControlHeader, peer: NodeId | null): MeshPacket {
  return controlPacket(header, peer ?? UNKNOWN_PEER, HELLO_PROTOCOL, header.self.slice());
}

/** A signed hello, or the challenge that asks for one; `peer` is null while the neighbour's id is not known. */
export function signedHelloPacket(
  header: ControlHeader,
  peer: NodeId | null,
  message: SignedHello,
): MeshPacket {
  return controlPacket(header, peer ?? UNKNOWN_PEER, SIGNED_HELLO_PROTOCOL, encodeSignedHello(message));
}

/** A discovery message to a neighbour. */
export function discoveryPacket(header: ControlHeader, peer: NodeId, message: DiscoveryMessage): MeshPacket {
  return controlPacket(header, peer, DISCOVERY_PROTOCOL, encodeDiscovery(message));
}

/**
 * Calls with its bytes, which are valid during the call alone: a round of advertisements makes one for each neighbour,
 * and leaves no memory behind.
 */
export function withDiscoveryPacket(
  header: ControlHeader,
  peer: NodeId,
  message: DiscoveryMessage,
  use: (bytes: Uint8Array) => void,
): void {
  withEncodedDiscovery(message, (payload) => {
    withEncodedPacket(controlPacket(header, peer, DISCOVERY_PROTOCOL, payload), use);
  });
}

/**
 * Whether a packet under a control protocol's name is one: small, without payment, for a neighbour, and with
 * exactly the payload that the protocol has.
 */
export function judgeControl(packet: MeshPacket, protocol: ControlProtocol): Reason {
  const { payload } = packet;
  if (payload.length > MOST_BYTES[protocol]) return Reason.ControlTooLarge;
  if (packet.packetType !== 'CommonsGovernance') return Reason.TypeMismatch;
  if (packet.paymentProof !== null) return Reason.UnexpectedProof;
  if (packet.route.length > 2) return Reason.RouteTooLong;
  if (protocol === HELLO_PROTOCOL) {
    return equalBytes(payload, packet.source) ? Reason.Accepted : Reason.HelloMismatch;
  }
  if (protocol === SIGNED_HELLO_PROTOCOL) {
    return decodeSignedHello(payload) === null ? Reason.HelloMismatch : Reason.Accepted;
  }
  const decoded = decodeDiscovery(payload);
  return decoded.ok ? Reason.Accepted : decoded.failure.reason;
}

function controlPacket(
  { self, sequence, nowSeconds }: ControlHeader,
  destination: NodeId,
  protocol: ControlProtocol,
  payload: Uint8Array,
): MeshPacket {
  return {
    version: PACKET_VERSION,
    packetType: 'CommonsGovernance',
    source: self,
    destination,
    route: [self, destination],
    sequence,
    timestamp: BigInt(nowSeconds),
    paymentProof: null,
    payload,
    metadata: { protocol, fields: new Map() },
  };
}
