// Cheats 51 to 56: routes, and who a peer says it is.
import { discoveryPacket, helloPacket } from '../../src/packet/control.js';
import { encodePacket } from '../../src/packet/packet.js';
import { advertisement, answer, discovery, headerOf, over, packet } from '../support/engine-cheats.js';
import { testNode } from '../support/paid-packets.js';
import { cheat, type Cheat } from './catalogue.js';

export const ROUTE_CHEATS: readonly Cheat[] = [
  cheat(
    51,
    'advertisement of 0 cost from a non-neighbour',
    'a stranger offers a route for nothing',
    'UnknownPeer',
    (net) => {
      const stranger = net.stranger(1, 'stranger');
      const id = testNode(7);
      const bytes = encodePacket(discoveryPacket(headerOf(net, id), net.idOf(1), advertisement(id)));
      return { victim: 1, strike: () => stranger.send(bytes) };
    },
  ),
  cheat(
    51,
    "in a non-neighbour's name",
    "a neighbour offers a stranger's route",
    'UnauthenticatedPeer',
    discovery(() => advertisement(testNode(7))),
  ),
  cheat(
    51,
    'of a neighbour',
    'a neighbour offers a route for nothing to a node that nobody knows',
    'AdvertisementInfeasible',
    discovery((net) => advertisement(net.idOf(0))),
  ),
  cheat(
    52,
    'response never asked for',
    'a route response to a request that was not made',
    'ResponseNotAsked',
    discovery((net) => ({
      kind: 'RouteResponse',
      destination: net.idOf(3),
      source: net.idOf(1),
      requestId: 7n,
      route: [1, 0, 3].map((index) => net.idOf(index)),
      cost: 0n,
    })),
  ),
  cheat(
    53,
    'response with a loop',
    'an answer whose route crosses the liar twice',
    'RouteRepeatsNode',
    answer((net, liar, wanted) => [net.idOf(1), liar, net.idOf(0), liar, wanted]),
  ),
  cheat(
    53,
    'response that starts elsewhere',
    'an answer whose route starts at the liar',
    'RouteEndsMismatch',
    answer((_, liar, wanted) => [liar, wanted]),
  ),
  cheat(
    54,
    'route through the sender twice',
    'a route from 0 over 1 and 0 to 2',
    'RouteRepeatsNode',
    packet(() => ({}), [0, 1, 0, 2]),
  ),
  cheat(55, 'spoofed source id on a connection', "node 2 sends in node 0's name", 'WrongPreviousHop', (net) =>
    over(net, 2, 1, net.packet([0, 1])),
  ),
  cheat(55, "this node's own id as source", "node 0 sends in the victim's name", 'SpoofedSource', (net) =>
    over(net, 0, 1, net.packet([1, 2])),
  ),
  cheat(
    55,
    'on a connection that has not said hello',
    "a stranger sends in node 0's name",
    'UnknownPeer',
    (net) => {
      const stranger = net.stranger(1, 'stranger');
      return { victim: 1, strike: () => stranger.send(encodePacket(net.packet([0, 1]))) };
    },
  ),
  cheat(
    56,
    'hello replayed from another connection',
    "a stranger sends node 0's hello",
    'HelloMismatch',
    (net) => {
      const stranger = net.stranger(1, 'stranger');
      const hello = encodePacket(helloPacket(headerOf(net, net.idOf(0)), net.idOf(1)));
      return { victim: 1, strike: () => stranger.send(hello) };
    },
  ),
];
