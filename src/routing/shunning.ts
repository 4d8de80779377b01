/**
 * Requests that leave out certain nodes.
 *
 * Whoever loses packets suspects some of the routers that they went over, and nobody else can know it: a liar that is
 * quick would have the next answer as well. So a request for everybody may shun nodes: its id holds a few bits of a hash
 * of each of those that its source suspects. No node sends such a request on to one that it shuns, or takes an answer that
 * leads over one. Of the others one in a hundred is shunned by chance, other ones with each id, since what the id begins
 * with is drawn and goes into the hash. A node that knows nothing of this floods the request.
 */
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Random } from '../core/ports.js';
import { randomU64 } from '../core/random.js';

/** The last eight bits of the id of such a request; the last of them makes it one for everybody. */
const MARK = 0xd7;
const MARK_BITS = 8n;
/** Of each node that is shunned. */
const PRINT_BITS = 9;
const PRINTS = 1 << PRINT_BITS;
/** Before the mark. */
const ALL_PRINTS_BITS = BigInt(PRINT_BITS * LIMITS.SHUNNED_NODES);
const DRAWN_SHIFT = MARK_BITS + ALL_PRINTS_BITS;

/** Whom a request shuns, or null where it shuns nobody. */
export function shunnedBy(requestId: bigint): ((node: NodeId) => boolean) | null {
  if (Number(BigInt.asUintN(Number(MARK_BITS), requestId)) !== MARK) return null;
  const drawn = Number(requestId >> DRAWN_SHIFT);
  const prints = new Set<number>();
  let left = Number(BigInt.asUintN(Number(ALL_PRINTS_BITS), requestId >> MARK_BITS));
  for (let i = 0; i < LIMITS.SHUNNED_NODES; i++) {
    prints.add(left % PRINTS);
    left = Math.floor(left / PRINTS);
  }
  return (node) => prints.has(printOf(drawn, node));
}

/** A random request id that shuns these nodes; those after the first LIMITS.SHUNNED_NODES it may not. */
export function shunningId(random: Random, nodes: readonly NodeId[]): bigint {
  let id = randomU64(random);
  const drawn = id >> DRAWN_SHIFT;
  let shift = MARK_BITS;
  for (const node of nodes.slice(0, LIMITS.SHUNNED_NODES)) {
    const here = BigInt(PRINTS - 1) << shift;
    id = (id & ~here) | (BigInt(printOf(Number(drawn), node)) << shift);
    shift += BigInt(PRINT_BITS);
  }
  return ((id >> MARK_BITS) << MARK_BITS) | BigInt(MARK);
}

/** By the last steps of Murmur3 over what was drawn and the first eight bytes of the node's id. */
function printOf(drawn: number, node: NodeId): number {
  const mixed = Math.imul(mix(drawn ^ wordAt(node, 0)), 31);
  return mix(mixed ^ wordAt(node, 4)) >>> (32 - PRINT_BITS);
}

function mix(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return h ^ (h >>> 16);
}

function wordAt(id: NodeId, at: number): number {
  return ((id[at] ?? 0) << 24) | ((id[at + 1] ?? 0) << 16) | ((id[at + 2] ?? 0) << 8) | (id[at + 3] ?? 0);
}
