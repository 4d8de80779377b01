/**
 * Which Lightning keys a packet may be paid to.
 *
 * Rules: payments.md, Lightning, Payee: this node's key, the key that the destination declared, keys listed in
 * the configuration; never the source's own; Bounded trust: none that owes this node as much as it may.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeIdOfKey, nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import type { JudgePolicy } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import type { MeshPacket } from '../packet/packet.js';

/** Where a packet comes from and goes to. */
type Ends = Pick<MeshPacket, 'source' | 'destination'>;

/** The payee rules of one policy, indexed once. Keys are compared as lower-case hex. */
export class PayeeRules {
  readonly #self: NodeId;
  readonly #ownPayee: string | null;
  readonly #accepted: ReadonlySet<string>;
  readonly #capped: ReadonlySet<string>;
  readonly #declared: ReadonlyMap<NodeKey, ReadonlySet<string>>;

  constructor(policy: JudgePolicy) {
    this.#self = nodeIdOfKey(policy.self);
    this.#ownPayee = policy.ownPayee?.toLowerCase() ?? null;
    this.#accepted = new Set(policy.acceptedPayees.map((key) => key.toLowerCase()));
    this.#capped = new Set(policy.cappedPayees.map((key) => key.toLowerCase()));
    const declared = new Map<NodeKey, Set<string>>();
    for (const [node, payee] of policy.declaredPayees) {
      const keys = declared.get(node) ?? new Set<string>();
      declared.set(node, keys.add(payee.toLowerCase()));
    }
    this.#declared = declared;
  }

  /**
   * Whether a payee counts for a packet. The source's own key is named first, so that the reason tells a
   * sender that pays itself from one that pays a stranger.
   */
  judge(payee: string, packet: Ends): Reason {
    if (this.#belongsTo(payee, packet, 'source')) return Reason.PayeeIsSource;
    const isAccepted =
      payee === this.#ownPayee || this.#accepted.has(payee) || this.#belongsTo(payee, packet, 'destination');
    if (!isAccepted) return Reason.PayeeNotAccepted;
    return this.#capped.has(payee) ? Reason.DebtCapReached : Reason.Accepted;
  }

  #belongsTo(payee: string, packet: Ends, end: keyof Ends): boolean {
    if (payee === this.#ownPayee && equalBytes(packet[end], this.#self)) return true;
    if (this.#declared.size === 0) return false;
    return this.#declared.get(nodeKey(packet[end]))?.has(payee) ?? false;
  }
}
