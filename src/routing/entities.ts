/**
 * Who is who behind the node ids: nodes that share an owner count as one entity.
 *
 * Rules: routing.md, Anti-monopoly: an entity is a connected set of nodes that share any of a family declared by
 * both, a network group, a payee key; union-find, rebuilt when a link is withdrawn. Where nothing is known of a node
 * it is an entity of its own. Bounded by LIMITS.ENTITY_NODES: past it nothing more is learned. Main thread only.
 */
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { effectiveCap } from './monopoly.js';

/** An entity by its name: the least key among its nodes. Another one after its nodes have changed. */
export type EntityKey = NodeKey;

interface Facts {
  group: string | null;
  payee: string | null;
  /** The nodes that this one says belong to the same owner. */
  family: ReadonlySet<NodeKey>;
  /** How often it was met and not yet lost. */
  met: number;
}

export class Entities {
  readonly #facts = new Map<NodeKey, Facts>();
  readonly #parent = new Map<NodeKey, NodeKey>();
  /** The first node seen with a group or a payee: whoever has the same joins it. */
  readonly #firstWith = new Map<string, NodeKey>();
  /** null when it must be found anew. */
  #dominant: { readonly maxShare: number; readonly entities: ReadonlySet<EntityKey> } | null = null;
  #isStale = false;
  #version = 0;

  /** Changes whenever an answer of this class may have changed. */
  get version(): number {
    return this.#version;
  }

  /** The node is connected: it counts among the nodes that are known, whatever else is. */
  met(node: NodeKey): void {
    const facts = this.#factsOf(node, false);
    if (facts === null) return;
    facts.met += 1;
    this.#dominant = null;
  }

  /** The node is no longer connected. */
  lost(node: NodeKey): void {
    const facts = this.#facts.get(node);
    if (facts === undefined) return;
    facts.met = Math.max(0, facts.met - 1);
    this.#dominant = null;
    if (facts.met === 0 && facts.group === null && facts.payee === null && facts.family.size === 0) {
      this.#facts.delete(node);
    }
  }

  /** The node is reached in this network group (NetworkGroups.of); null withdraws it. */
  setGroup(node: NodeKey, group: string | null): void {
    const facts = this.#factsOf(node, group === null);
    if (facts === null || facts.group === group) return;
    const before = facts.group;
    facts.group = group;
    this.#changed(node, before !== null);
  }

  /** The node is paid to this Lightning key, in lower-case hex; null withdraws it. */
  setPayee(node: NodeKey, payee: string | null): void {
    const facts = this.#factsOf(node, payee === null);
    if (facts === null || facts.payee === payee) return;
    const before = facts.payee;
    facts.payee = payee;
    this.#changed(node, before !== null);
  }

  /**
   * The node declares its family, in place of what it declared before. A link needs both sides: nobody can draw a
   * rival into an entity by naming it.
   */
  declareFamily(node: NodeKey, members: readonly NodeKey[]): void {
    const facts = this.#factsOf(node, members.length === 0);
    if (facts === null) return;
    const before = facts.family;
    facts.family = new Set(members.slice(0, LIMITS.FAMILY_MEMBERS));
    const isWithdrawn = [...before].some((member) => !facts.family.has(member));
    this.#changed(node, isWithdrawn);
  }

  /** The entity that the node belongs to. */
  entityOf(node: NodeKey): EntityKey {
    if (this.#isStale) this.#rebuild();
    return this.#root(node);
  }

  /** As `entityOf`, by the id. */
  entityOfId(id: NodeId): EntityKey {
    return this.entityOf(nodeKey(id));
  }

  /** Distinct entities of a list of nodes. */
  count(nodes: Iterable<NodeKey>): number {
    const found = new Set<EntityKey>();
    for (const node of nodes) found.add(this.entityOf(node));
    return found.size;
  }

  /**
   * Entities that own more of the known nodes than `maxShare`, or than what few entities cannot help to; never one
   * with a single node.
   */
  dominant(maxShare: number): ReadonlySet<EntityKey> {
    if (this.#dominant?.maxShare === maxShare) return this.#dominant.entities;
    const nodes = new Map<EntityKey, number>();
    for (const node of this.#facts.keys()) {
      const entity = this.entityOf(node);
      nodes.set(entity, (nodes.get(entity) ?? 0) + 1);
    }
    const most = effectiveCap(maxShare, nodes.size) * this.#facts.size;
    const large = [...nodes].filter(([, count]) => count > 1 && count > most).map(([entity]) => entity);
    this.#dominant = { maxShare, entities: new Set(large) };
    return this.#dominant.entities;
  }

  #factsOf(node: NodeKey, isWithdrawal: boolean): Facts | null {
    const known = this.#facts.get(node);
    if (known !== undefined) return known;
    if (isWithdrawal || this.#facts.size >= LIMITS.ENTITY_NODES) return null;
    const fresh = { group: null, payee: null, family: new Set<NodeKey>(), met: 0 };
    this.#facts.set(node, fresh);
    return fresh;
  }

  #changed(node: NodeKey, isWithdrawn: boolean): void {
    this.#version += 1;
    this.#dominant = null;
    if (isWithdrawn) this.#isStale = true;
    else if (!this.#isStale) this.#link(node);
  }

  /** Union-find cannot take a link back, so all of it is made anew. */
  #rebuild(): void {
    this.#isStale = false;
    this.#parent.clear();
    this.#firstWith.clear();
    for (const node of this.#facts.keys()) this.#link(node);
  }

  #link(node: NodeKey): void {
    const facts = this.#facts.get(node);
    if (facts === undefined) return;
    if (facts.group !== null) this.#join(node, `group ${facts.group}`);
    if (facts.payee !== null) this.#join(node, `payee ${facts.payee}`);
    for (const member of facts.family) {
      if (this.#facts.get(member)?.family.has(node) === true) this.#union(node, member);
    }
  }

  #join(node: NodeKey, what: string): void {
    const first = this.#firstWith.get(what);
    if (first === undefined) this.#firstWith.set(what, node);
    else this.#union(node, first);
  }

  /** The smaller name wins, so that an entity has the same one in whatever order its nodes came. */
  #union(a: NodeKey, b: NodeKey): void {
    const [left, right] = [this.#root(a), this.#root(b)];
    if (left === right) return;
    if (left < right) this.#parent.set(right, left);
    else this.#parent.set(left, right);
  }

  /** The root, with every step on the way shortened. */
  #root(node: NodeKey): NodeKey {
    let here = node;
    for (let up = this.#parent.get(here); up !== undefined; up = this.#parent.get(here)) {
      const above = this.#parent.get(up);
      if (above !== undefined) this.#parent.set(here, above);
      here = up;
    }
    return here;
  }
}
