// Cheats 37 to 43: the gate.
import { SeededRandom } from '../../src/core/random.js';
import type { PacketOutcome } from '../../src/engine/packet-outcome.js';
import { DISCOVERY_PROTOCOL } from '../../src/packet/control.js';
import { encodeStratumMessage } from '../../src/packet/stratum-wire.js';
import { free, over, packet, ping } from '../support/engine-cheats.js';
import { cheat, type Cheat } from './catalogue.js';

export const GATE_CHEATS: readonly Cheat[] = [
  cheat(
    37,
    'type says BitcoinP2P, payload is not',
    'a text under type BitcoinP2P',
    'TypeMismatch',
    free({ packetType: 'BitcoinP2P' }),
  ),
  cheat(
    38,
    'type says governance from an unknown node',
    'a text under type CommonsGovernance',
    'GovernanceNotAllowed',
    free({ packetType: 'CommonsGovernance' }),
  ),
  cheat(
    39,
    'Stratum-like random bytes',
    'a right Stratum header before 40 random bytes',
    'TypeMismatch',
    free({
      packetType: 'StratumV2',
      payload: encodeStratumMessage(0x15, true, new SeededRandom(1).bytes(40)),
    }),
  ),
  cheat(
    40,
    'paid packet in bitcoin_only',
    'a well-paid packet where Bitcoin alone is carried',
    'ModeForbids',
    (net) => {
      for (const node of net.nodes) node.setMode('bitcoin_only');
      const honest = (): Promise<PacketOutcome> => net.inject(0, 1, net.packet([0, 1, 2], ping(net)));
      return { ...over(net, 0, 1, net.packet([0, 1, 2])), honest };
    },
  ),
  cheat(41, 'Paid without proof', 'type Paid and no proof', 'PaymentRequired', free({ packetType: 'Paid' })),
  cheat(
    42,
    'control protocol name on a paid-size payload',
    '100 kB under the name of discovery',
    'ControlTooLarge',
    free({
      packetType: 'CommonsGovernance',
      payload: new Uint8Array(100_000),
      metadata: { protocol: DISCOVERY_PROTOCOL, fields: new Map() },
    }),
  ),
  cheat(
    43,
    'loopback: destination = source',
    'a route from 0 over 1 back to 0',
    'Loopback',
    packet(() => ({}), [0, 1, 0]),
  ),
];
