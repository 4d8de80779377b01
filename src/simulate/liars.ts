/**
 * Dishonest nodes: each shows one family of lies (routing.md, Discovery; payments.md, cheats 51 to 54).
 *
 * A liar is a neighbour like any other: its links vouch for its id, and nothing else that it says need be true.
 */
import type { NodeId } from '../core/ids.js';
import { nodeIdOf } from '../core/ids.js';
import type { Random } from '../core/ports.js';
import { randomBelow, randomU64 } from '../core/random.js';
import type { DiscoveryMessage, RouteRequest, RouteResponse } from '../packet/discovery.js';
import { UNREACHABLE } from '../routing/route.js';
import type { Network, SimNode } from './network.js';

/** What a liar does with packets that should pass it: drop them, or send them round in circles. */
export type PacketTreatment = 'pass' | 'drop' | 'circle';

export interface Liar {
  readonly packets: PacketTreatment;
  /**
   * What it does with a message, in place of handling it or before it does.
   * @returns whether the message is handled honestly as well
   */
  onMessage(node: SimNode, from: NodeId, message: DiscoveryMessage, network: Network): boolean;
}

type Forgery = (asker: NodeId, self: NodeId, request: RouteRequest, random: Random) => Partial<RouteResponse>;

const RAISED_HOPS = 255;
/** How often a thief acts on a request: more, and each of its floods would come back to it and start another. */
const THEFT_CHANCE = 0.05;

/** Responses that a careful receiver can see through. */
export const FORGERIES: { readonly [name: string]: Forgery } = {
  loop: (asker, self, { destination }, random) => {
    const stranger = madeUp(random);
    return { route: [asker, self, stranger, self, destination] };
  },
  throughAsker: (asker, self, { destination }) => ({ route: [asker, self, asker, destination] }),
  throughSource: (asker, self, { destination, source }) => ({ route: [asker, self, source, destination] }),
  overlong: (asker, self, { destination }, random) => ({
    route: [asker, self, ...Array.from({ length: 9 }, () => madeUp(random)), destination],
  }),
  startsElsewhere: (_asker, self, { destination }, random) => ({
    route: [madeUp(random), self, destination],
  }),
  withoutSelf: (asker, _self, { destination }, random) => ({ route: [asker, madeUp(random), destination] }),
  endsElsewhere: (asker, self, _request, random) => ({ route: [asker, self, madeUp(random)] }),
  otherDestination: (asker, self, _request, random) => {
    const destination = madeUp(random);
    return { route: [asker, self, destination], destination };
  },
  empty: () => ({ route: [] }),
  alone: (asker) => ({ route: [asker] }),
  unreachable: (asker, self, { destination }) => ({ route: [asker, self, destination], cost: UNREACHABLE }),
  neverAsked: (asker, self, { destination }, random) => ({
    route: [asker, self, destination],
    requestId: randomU64(random),
  }),
  unknownSource: (asker, self, { destination }, random) => ({
    route: [asker, self, destination],
    source: madeUp(random),
  }),
};

/** A response as a forgery would have it. */
export function forge(
  forgery: Forgery,
  asker: NodeId,
  self: NodeId,
  request: RouteRequest,
  random: Random,
): RouteResponse {
  const { destination, source, requestId } = request;
  return {
    kind: 'RouteResponse',
    destination,
    source,
    requestId,
    route: [asker, self, destination],
    cost: 0n,
    ...forgery(asker, self, request, random),
  };
}

/** Answers every request with forgeries and advertises itself as the way to everywhere; passes messages on. */
export const forger: Liar = {
  packets: 'pass',
  onMessage: (node, from, message, network) => {
    if (message.kind !== 'RouteRequest') return true;
    const forgeries = Object.values(FORGERIES);
    for (let i = 0; i < 3; i++) {
      const forgery = forgeries[randomBelow(network.random, forgeries.length)];
      if (forgery !== undefined) {
        network.send(node, from, forge(forgery, from, node.id, message, network.random));
      }
    }
    const route = { destination: message.destination, nextHop: node.id, cost: 0n, hopCount: 1 };
    network.send(node, from, { kind: 'RouteAdvertisement', routes: [route], source: node.id });
    return true;
  },
};

/** Swallows everything. */
export const blackHole: Liar = { packets: 'drop', onMessage: () => false };

/** Routes like anybody, and drops every packet: only its victims' ends can tell. */
export const sink: Liar = { packets: 'drop', onMessage: () => true };

/** Claims to be the neighbour of whatever is looked for: nothing in an unsigned response can refute it. */
export const pretender: Liar = {
  packets: 'drop',
  onMessage: (node, from, message, network) => {
    if (message.kind !== 'RouteRequest') return false;
    network.send(
      node,
      from,
      forge(() => ({}), from, node.id, message, network.random),
    );
    return false;
  },
};

/** Passes requests on as if they had come with all hops left, and swallows the answers. */
export const inflater: Liar = {
  packets: 'drop',
  onMessage: (node, from, message, network) => {
    // What another of its kind has raised already would go back and forth between them for ever.
    if (message.kind !== 'RouteRequest' || message.maxHops === RAISED_HOPS) return false;
    for (const { nodeId } of node.table.directPeers()) {
      if (nodeId !== from) network.send(node, nodeId, { ...message, maxHops: RAISED_HOPS });
    }
    return false;
  },
};

/** Passes answers back as if the whole way behind it were free, to draw traffic; sends packets round in circles. */
export const undercutter: Liar = {
  packets: 'circle',
  onMessage: (node, from, message) => {
    if (message.kind !== 'RouteResponse') return true;
    node.discovery.handleMessage(from, { ...message, cost: 0n });
    return false;
  },
};

/** Greets, asks and advertises under the ids of others, and repeats the hellos that it hears. */
export const thief: Liar = {
  packets: 'circle',
  onMessage: (node, from, message, network) => {
    const victim = network.node(randomBelow(network.random, network.nodes.length)).id;
    const neighbour = network.nodeOf(from);
    if (neighbour === null || message.kind !== 'RouteRequest') return true;
    if (network.random.unit() >= THEFT_CHANCE) return true;
    // A stolen id, and a hello that the victim once said.
    network.hello(node, neighbour, victim);
    network.hello(node, neighbour, from);
    network.hello(node, neighbour, message.source);
    network.send(node, from, { ...message, source: victim, requestId: randomU64(network.random) });
    const route = { destination: message.destination, nextHop: victim, cost: 0n, hopCount: 1 };
    network.send(node, from, { kind: 'RouteAdvertisement', routes: [route], source: victim });
    return true;
  },
};

/** All kinds, in the order in which a scenario deals them out. */
export const LIARS: readonly Liar[] = [forger, blackHole, undercutter, thief, sink, inflater, pretender];

function madeUp(random: Random): NodeId {
  return nodeIdOf(random.bytes(32));
}
