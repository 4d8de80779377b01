/**
 * Identities of the mesh: a node id is the 32 raw bytes of the node's Ed25519 public key (wire.md).
 */
import { assert } from './assert.js';
import { fromHex, toHex } from './bytes.js';

/** Length of a node id. An Ed25519 public key (wire.md, mesh-hello-v1). */
export const NODE_ID_BYTES = 32;

declare const nodeIdBrand: unique symbol;
declare const nodeKeyBrand: unique symbol;

/** 32 bytes. Never changed after it was made. */
export type NodeId = Uint8Array & { readonly [nodeIdBrand]: true };

/** A node id as 64 lower-case hex digits: the form for map keys, logs and JSON. */
export type NodeKey = string & { readonly [nodeKeyBrand]: true };

/** Takes bytes whose length was already checked as a node id; the array is kept, not copied. */
export function nodeIdOf(bytes: Uint8Array): NodeId {
  assert(bytes.length === NODE_ID_BYTES, 'a node id has 32 bytes');
  return bytes as NodeId;
}

/** The node id written as 64 hex digits; null for anything else. */
export function parseNodeId(text: string): NodeId | null {
  const bytes = fromHex(text);
  return bytes?.length === NODE_ID_BYTES ? (bytes as NodeId) : null;
}

/** The map key of a node id. */
export function nodeKey(id: NodeId): NodeKey {
  return toHex(id) as NodeKey;
}

/** The node id of a map key. */
export function nodeIdOfKey(key: NodeKey): NodeId {
  const id = parseNodeId(key);
  assert(id !== null, 'a node key is 64 hex digits');
  return id;
}
