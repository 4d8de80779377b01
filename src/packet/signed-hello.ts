/**
 * The signed hello: what a node declares of itself, signed by its identity key and bound to one connection.
 *
 * Rules: docs/transport.md (bytes, and what the signature covers). It travels as a control packet of the protocol
 * mesh-hello-v2: on the direct transport as the first frame of either side, bound to the TLS session; over the node's
 * relay as the answer to a challenge. This file reads and writes; who signs and verifies has the key.
 */
import {
  decode,
  encode,
  fixedBytes,
  nodeId,
  string,
  struct,
  taggedEnum,
  bytes,
  u16,
  u64,
  vec,
  type Codec,
} from '../core/codec.js';
import { concatBytes, utf8 } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';

/** Versions of the mesh protocol that this module speaks, both included. */
export const PROTOCOL_VERSIONS: { readonly least: number; readonly most: number } = { least: 1, most: 1 };

/** Bits of HelloBody.features. */
export const FEATURES: { readonly Transport: bigint; readonly Covenants: bigint } = {
  /** It listens on the direct transport. */
  Transport: 1n,
  /** It accepts payments by covenant (CTV). */
  Covenants: 2n,
};

/** Bytes of a nonce, of what a TLS session exports, and of a signature. */
export const BINDING_BYTES = 32;
export const SIGNATURE_BYTES = 64;
const LIGHTNING_KEY_BYTES = 33;

/** Where another node can be dialled. */
export interface KnownNode {
  readonly nodeId: NodeId;
  /** `host:port`. */
  readonly address: string;
}

/** What a node declares of itself. */
export interface HelloBody {
  readonly leastVersion: number;
  readonly mostVersion: number;
  /** The name of the network, as in the configuration. */
  readonly network: string;
  readonly nodeId: NodeId;
  /** Lightning keys (33 bytes each) to which packets for this node may be paid. */
  readonly payees: readonly Uint8Array[];
  /** Nodes of the same owner. */
  readonly family: readonly NodeId[];
  /** The prices of routing.md, Fees: msat, the last one in millionths. */
  readonly baseMsat: bigint;
  readonly perHopMsat: bigint;
  readonly perKibMsat: bigint;
  readonly proportionalPpm: bigint;
  /** Unknown bits mean nothing. */
  readonly features: bigint;
  /** Where it can be dialled itself: `host:port` each. */
  readonly addresses: readonly string[];
  /** Others that it has lately been connected to. */
  readonly known: readonly KnownNode[];
}

/** The payload of mesh-hello-v2. */
export type SignedHello =
  /** Asks whoever is at the other end of the node's relay to prove its id. */
  | { readonly kind: 'Challenge'; readonly nonce: Uint8Array }
  | { readonly kind: 'Hello'; readonly body: Uint8Array; readonly signature: Uint8Array };

/** By what a hello is bound to one connection. The index is its byte in the statement. */
export type HelloBinding = 'tls-exporter' | 'relay-nonce';
const BINDINGS: readonly HelloBinding[] = ['tls-exporter', 'relay-nonce'];

const STATEMENT_PREFIX = utf8('blvm-mesh/hello/2');

const helloBody: Codec<HelloBody> = struct<HelloBody>({
  leastVersion: u16,
  mostVersion: u16,
  network: string,
  nodeId,
  payees: vec(fixedBytes(LIGHTNING_KEY_BYTES)),
  family: vec(nodeId),
  baseMsat: u64,
  perHopMsat: u64,
  perKibMsat: u64,
  proportionalPpm: u64,
  features: u64,
  addresses: vec(string),
  known: vec(struct<KnownNode>({ nodeId, address: string })),
});

const signedHello: Codec<SignedHello> = taggedEnum<SignedHello>('signed_hello', {
  Challenge: struct({ nonce: fixedBytes(BINDING_BYTES) }),
  Hello: struct({ body: bytes, signature: fixedBytes(SIGNATURE_BYTES) }),
});

export function encodeSignedHello(message: SignedHello): Uint8Array {
  return encode(signedHello, message);
}

/** The payload of a mesh-hello-v2 packet; null where it is none. */
export function decodeSignedHello(payload: Uint8Array): SignedHello | null {
  if (payload.length > LIMITS.HELLO_BYTES) return null;
  const decoded = decode(signedHello, payload);
  return decoded.ok ? decoded.value : null;
}

export function encodeHelloBody(body: HelloBody): Uint8Array {
  return encode(helloBody, body);
}

/** The body of a hello; null where it does not decode or a list in it is too long. */
export function decodeHelloBody(input: Uint8Array): HelloBody | null {
  if (input.length > LIMITS.HELLO_BYTES) return null;
  const decoded = decode(helloBody, input);
  if (!decoded.ok) return null;
  const { payees, family, addresses, known } = decoded.value;
  const fits =
    payees.length <= LIMITS.HELLO_PAYEES &&
    family.length <= LIMITS.FAMILY_MEMBERS &&
    addresses.length <= LIMITS.HELLO_ADDRESSES &&
    known.length <= LIMITS.HELLO_KNOWN &&
    [...addresses, ...known.map(({ address }) => address)].every(
      ({ length }) => length <= LIMITS.HELLO_ADDRESS_CHARS,
    );
  return fits ? decoded.value : null;
}

/** Whether two nodes have a protocol version in common. */
export function hasCommonVersion(body: HelloBody): boolean {
  return body.leastVersion <= PROTOCOL_VERSIONS.most && body.mostVersion >= PROTOCOL_VERSIONS.least;
}

/**
 * The bytes that the signature of a hello covers.
 * @param binding 32 bytes: what the TLS session exports, or the nonce of the challenge
 * @param audience who it is said to: a hello that another node was given is none here
 */
export function helloStatement(
  kind: HelloBinding,
  binding: Uint8Array,
  audience: NodeId,
  body: Uint8Array,
): Uint8Array {
  return concatBytes(STATEMENT_PREFIX, Uint8Array.of(BINDINGS.indexOf(kind)), binding, audience, body);
}
