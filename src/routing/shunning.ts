/**
 * Requests that leave out certain nodes.
 *
 * Whoever loses packets suspects some of the routers that they went over, and nobody else can know it: a liar that is
 * quick would have the next answer as well. So a request for everybody may shun nodes: with each of its ids about one
 * node in sixteen is told by a hash of both to be left out, and its source draws the id until those that it suspects are
 * among them. No node sends such a request on to one that it shuns, or takes an answer that leads over one. The others
 * that are shunned by chance are other ones with each id. A node that knows nothing of this floods the request.
 */
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Random } from '../core/ports.js';
import { randomU64 } from '../core/random.js';

/** The last eight bits of the id of such a request; the last of them makes it one for everybody. */
const MARK = 0xd7;
const MARK_MASK = 0xff;
const WORD = 32n;
/** Of the 32 bits of a hash, those that must be 0 where a node is shunned: one in sixteen is. */
const SHUNNED_SHIFT = 28;
/** Three nodes are shunned by one id in 4,096: that none of so many is one happens once in 10^7 times. */
const TRIES = 65_536;

/** Whom a request shuns, or null where it shuns nobody. */
export function shunnedBy(requestId: bigint): ((node: NodeId) => boolean) | null {
  const low = Number(BigInt.asUintN(32, requestId));
  if ((low & MARK_MASK) !== MARK) return null;
  const high = Number(requestId >> WORD);
  return (node) => isShunned(low, high, node);
}

/** A random request id that shuns these nodes; those after the first LIMITS.SHUNNED_NODES it may not. */
export function shunningId(random: Random, nodes: readonly NodeId[]): bigint {
  const wanted = nodes.slice(0, LIMITS.SHUNNED_NODES);
  const drawn = randomU64(random);
  const low = ((Number(BigInt.asUintN(32, drawn)) & ~MARK_MASK) | MARK) >>> 0;
  let high = Number(drawn >> WORD);
  for (let tries = 0; tries < TRIES; tries++) {
    const tried = high;
    if (wanted.every((node) => isShunned(low, tried, node))) break;
    high = (high + 1) >>> 0;
  }
  return (BigInt(high) << WORD) | BigInt(low);
}

/** By the last steps of Murmur3 over the id of a request and the first eight bytes of the node's. */
function isShunned(low: number, high: number, node: NodeId): boolean {
  const mixed = Math.imul(mix(low ^ wordAt(node, 0)), 31);
  return mix(mixed ^ mix(high ^ wordAt(node, 4))) >>> SHUNNED_SHIFT === 0;
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
