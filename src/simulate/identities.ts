/** Who is who in a simulated network: ids and addresses of nodes, by their numbers. */
import { sha256 } from '../core/hash.js';
import { nodeIdOf, type NodeId } from '../core/ids.js';

/** The id of a node: its number stands in the last four bytes, so that it is found without a search. */
export function idOf(index: number): NodeId {
  const bytes = sha256(new TextEncoder().encode(`node ${index}`));
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(28, index);
  return nodeIdOf(bytes);
}

/** The number that an id bears; any where it is made up. */
export function indexIn(id: NodeId): number {
  return (((id[28] ?? 0) << 24) | ((id[29] ?? 0) << 16) | ((id[30] ?? 0) << 8) | (id[31] ?? 0)) >>> 0;
}

/** Its address on the links of all others. */
export function addressOf(index: number): string {
  return `node-${index}`;
}
