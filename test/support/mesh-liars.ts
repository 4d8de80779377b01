/** Dishonest nodes for simulations: each shows one family of lies about routes (payments.md, cheats 51 to 54). */
import type { NodeId } from '../../src/core/ids.js';
import { nodeIdOf } from '../../src/core/ids.js';
import type { Random } from '../../src/core/ports.js';
import { randomBelow, randomU64 } from '../../src/core/random.js';
import type { RouteRequest, RouteResponse } from '../../src/packet/discovery.js';
import type { Liar } from './mesh-sim.js';

type Forgery = (asker: NodeId, self: NodeId, request: RouteRequest, random: Random) => Partial<RouteResponse>;

const UNREACHABLE = 2n ** 64n - 1n;

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
  onMessage: (node, from, message, sim) => {
    if (message.kind !== 'RouteRequest') return true;
    const forgeries = Object.values(FORGERIES);
    for (let i = 0; i < 3; i++) {
      const forgery = forgeries[randomBelow(sim.random, forgeries.length)];
      if (forgery !== undefined) sim.send(node, from, forge(forgery, from, node.id, message, sim.random));
    }
    const route = { destination: message.destination, nextHop: node.id, cost: 0n, hopCount: 1 };
    sim.send(node, from, { kind: 'RouteAdvertisement', routes: [route], source: node.id });
    return true;
  },
};

/** Swallows everything. */
export const blackHole: Liar = { onMessage: () => false };

/** Claims to be the neighbour of whatever is looked for: nothing in an unsigned response can refute it. */
export const pretender: Liar = {
  onMessage: (node, from, message, sim) => {
    if (message.kind !== 'RouteRequest') return false;
    sim.send(
      node,
      from,
      forge(() => ({}), from, node.id, message, sim.random),
    );
    return false;
  },
};

/** Passes requests on as if they had come with all hops left, and swallows the answers. */
export const inflater: Liar = {
  onMessage: (node, from, message, sim) => {
    if (message.kind !== 'RouteRequest') return false;
    for (const { nodeId } of node.table.directPeers()) {
      if (nodeId !== from) sim.send(node, nodeId, { ...message, maxHops: 255 });
    }
    return false;
  },
};

function madeUp(random: Random): NodeId {
  return nodeIdOf(random.bytes(32));
}
