/** Dishonest nodes for simulations: each shows one family of lies about routes (payments.md, cheats 51 to 54). */
import { randomBelow } from '../../src/core/random.js';
import { forge, FORGERIES } from '../../src/simulate/liars.js';
import type { Liar } from './mesh-sim.js';

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
