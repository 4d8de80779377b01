/**
 * The observer of a simulation: knows the real links, hears every message, and judges each route that an honest node
 * installs. It shares no code with what it judges but the form of a route.
 *
 * Rules: routing.md, Routes and Discovery (what a response and an advertisement must satisfy).
 */
import { equalBytes } from '../core/bytes.js';
import type { NodeId } from '../core/ids.js';
import { Reason } from '../core/reasons.js';
import type { DiscoveryMessage, RouteRequest, RouteResponse } from '../packet/discovery.js';
import type { Route } from '../routing/table.js';
import type { Network, SimNode } from './network.js';

/** How long a request may be answered, and a route name a link that is gone: the 30 s of a search, and its grace. */
const STALE_MILLIS = 31_000;
const MOST_IDS = 11;
/** Answers that one request may have: each neighbour that was asked may give four, all of them together eight. */
const MOST_ANSWERS = 8;
const MOST_ANSWERS_OF_ONE = 4;
const UNREACHABLE = 2n ** 64n - 1n;
/** Faults that are told in words; the rest are counted. */
const FAULTS_TOLD = 20;

/** Faults by what the route came from. */
export interface Faults {
  /** From somebody who is no neighbour, or a neighbour under another's id. */
  unauthenticated: number;
  /** From an answer to nothing that this node had asked that neighbour, or one too many. */
  unasked: number;
  /** From a message that may install nothing. */
  infeasible: number;
  /** A route that breaks a rule of its shape, or names a link that the node before it could not have vouched for. */
  malformed: number;
}

/** What a node knew: how many routes, and whether the route of a message was among them. */
export interface Look {
  readonly routes: number;
  readonly isKnown: boolean;
}

interface Ask {
  readonly destination: NodeId;
  /** Who was asked, and how often each has answered with a route that was installed. */
  readonly asked: Map<number, number>;
  readonly sinceMillis: number;
  answers: number;
}

export class Oracle {
  readonly faults: Faults = { unauthenticated: 0, unasked: 0, infeasible: 0, malformed: 0 };
  /** The first faults, in words. */
  readonly badRoutes: string[] = [];
  /** Routes installed by honest nodes. */
  installed = 0;
  readonly #network: Network;
  /** What each node has asked, by request id, oldest first. */
  readonly #asks = new Map<number, Map<bigint, Ask>>();

  constructor(network: Network) {
    this.#network = network;
  }

  /** A message left a node. */
  sent(from: SimNode, to: SimNode, message: DiscoveryMessage): void {
    if (message.kind !== 'RouteRequest' || message.source !== from.id) return;
    this.#noteAsk(from.index, to.index, message);
  }

  /** What a node knows: noted before it takes a message. */
  look(node: SimNode, message: DiscoveryMessage): Look {
    const isKnown =
      message.kind === 'RouteResponse' &&
      node.table.alternatives(message.destination).some(({ ids }) => isSame(ids, message.route));
    return { routes: node.table.learnedCount, isKnown };
  }

  /** An honest node took a message. @param before what it knew until then */
  took(node: SimNode, from: SimNode, message: DiscoveryMessage, before: Look): void {
    const { routes, isKnown } = this.look(node, message);
    // A route may have taken another's place, so that there are no more than before.
    if (routes <= before.routes && (!isKnown || before.isKnown)) return;
    if (message.kind === 'RouteResponse') this.#judge(node, from, message);
    else this.#fault('infeasible', node, `a ${message.kind} installed a route`);
  }

  /** A node answered a hello. */
  greeted(from: SimNode, to: SimNode, claimed: NodeId, verdict: Reason): void {
    if (verdict === Reason.Accepted && claimed !== from.id) {
      this.#fault('unauthenticated', to, 'a neighbour passed as another');
    }
  }

  /** Judges all routes that a node has to a destination. */
  audit(node: SimNode, destination: NodeId): void {
    for (const route of node.table.alternatives(destination)) this.#judgeShape(node, destination, route);
  }

  #noteAsk(asker: number, asked: number, { requestId, destination }: RouteRequest): void {
    const { now } = this.#network;
    const ofNode = this.#asks.get(asker) ?? new Map<bigint, Ask>();
    this.#asks.set(asker, ofNode);
    for (const [id, ask] of ofNode) {
      if (now - ask.sinceMillis <= STALE_MILLIS) break;
      ofNode.delete(id);
    }
    const ask = ofNode.get(requestId);
    if (ask === undefined) {
      ofNode.set(requestId, { destination, asked: new Map([[asked, 0]]), sinceMillis: now, answers: 0 });
    } else {
      ask.asked.set(asked, 0);
    }
  }

  #judge(node: SimNode, from: SimNode, response: RouteResponse): void {
    this.installed += 1;
    const { links, now } = this.#network;
    const link = links.between(node.index, from.index);
    if (link < 0 || !links.isUp(link)) this.#fault('unauthenticated', node, 'a route from a stranger');
    const ask = this.#asks.get(node.index)?.get(response.requestId);
    const ofOne = ask?.asked.get(from.index) ?? MOST_ANSWERS_OF_ONE;
    const isAsked =
      ask !== undefined &&
      ofOne < MOST_ANSWERS_OF_ONE &&
      ask.answers < MOST_ANSWERS &&
      now - ask.sinceMillis <= STALE_MILLIS &&
      equalBytes(ask.destination, response.destination) &&
      equalBytes(response.source, node.id);
    if (!isAsked) this.#fault('unasked', node, 'an answer to nothing');
    if (ask !== undefined) {
      ask.answers += 1;
      ask.asked.set(from.index, ofOne + 1);
    }
    this.audit(node, response.destination);
  }

  #judgeShape(node: SimNode, destination: NodeId, route: Route): void {
    const fault = this.#shapeFault(node, destination, route);
    if (fault !== null) this.#fault('malformed', node, fault);
  }

  #shapeFault(node: SimNode, destination: NodeId, { ids, cost, learnedAtMillis }: Route): string | null {
    const last = ids[ids.length - 1];
    if (ids.length < 2 || ids.length > MOST_IDS) return `a route of ${ids.length} ids`;
    if (ids.some((id, i) => ids.some((other, j) => j > i && equalBytes(id, other))))
      return 'a route that loops';
    if (ids[0] === undefined || !equalBytes(ids[0], node.id)) return 'a route that starts elsewhere';
    if (last === undefined || !equalBytes(last, destination)) return 'a route that ends elsewhere';
    if (cost >= UNREACHABLE) return 'an unreachable route';
    const { links } = this.#network;
    let here = node;
    for (const id of ids.slice(1)) {
      // What a liar says of the part behind itself nobody can check; up to it each node vouched for the next.
      if (here.liar !== null) return null;
      const next = this.#network.nodeOf(id);
      if (next === null) return 'a made-up node before any liar';
      const link = links.between(here.index, next.index);
      if (link < 0) return 'a made-up link before any liar';
      const isLongGone = !links.isUp(link) && learnedAtMillis - links.downSince(link) > STALE_MILLIS;
      if (isLongGone) return 'a link long gone';
      here = next;
    }
    return null;
  }

  #fault(kind: keyof Faults, node: SimNode, what: string): void {
    this.faults[kind] += 1;
    if (this.badRoutes.length < FAULTS_TOLD) this.badRoutes.push(`node ${node.index}: ${what}`);
  }
}

function isSame(ids: readonly NodeId[], others: readonly NodeId[]): boolean {
  return (
    ids.length === others.length && ids.every((id, i) => id === others[i] || equalBytes(id, others[i] ?? id))
  );
}
