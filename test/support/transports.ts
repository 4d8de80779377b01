// Transports of test nodes, with what they were told.
import type { Clock } from '../../src/core/ports.js';
import { SeededRandom } from '../../src/core/random.js';
import type { Reason } from '../../src/core/reasons.js';
import { helloPacket } from '../../src/packet/control.js';
import { encodePacket } from '../../src/packet/packet.js';
import { NetworkGroups } from '../../src/routing/network-group.js';
import type { Candidate } from '../../src/transport/address-book.js';
import type { ChannelNet } from '../../src/transport/channel.js';
import type { Session } from '../../src/transport/session.js';
import type { Declaration, TransportOptions } from '../../src/transport/options.js';
import { Transport } from '../../src/transport/transport.js';
import type { TestIdentity } from './identities.js';

/** As with the default hello interval. */
export const IDLE_MILLIS = 90_000;

export const DECLARATION: Declaration = {
  leastVersion: 1,
  mostVersion: 1,
  payees: [],
  family: [],
  baseMsat: 1_000n,
  perHopMsat: 100n,
  perKibMsat: 10n,
  proportionalPpm: 0n,
  features: 1n,
};

export interface TestNode {
  readonly identity: TestIdentity;
  readonly transport: Transport;
  readonly joined: Session[];
  readonly lost: Session[];
  readonly packets: { readonly from: Session; readonly packet: Uint8Array }[];
  readonly refused: Reason[];
}

export function candidate(address: string, changes: Partial<Candidate> = {}): Candidate {
  return { address, source: 'static', pin: null, ...changes };
}

export async function startTransport(
  identity: TestIdentity,
  net: ChannelNet,
  clock: Clock,
  changes: Partial<TransportOptions> = {},
): Promise<TestNode> {
  const { nodeId: self, privateKey } = identity;
  const joined: Session[] = [];
  const lost: Session[] = [];
  const packets: { from: Session; packet: Uint8Array }[] = [];
  const refused: Reason[] = [];
  let sequence = 0n;
  const header = () => ({ self, sequence: ++sequence, nowSeconds: clock.unixSeconds() });
  const transport = await Transport.start({
    self,
    privateKey,
    network: 'regtest',
    net,
    clock,
    random: new SeededRandom(self[0] ?? 1),
    log: { log: () => undefined },
    groups: new NetworkGroups(),
    listen: null,
    advertised: [],
    peers: [],
    maxPeers: 128,
    outboundPeers: 8,
    idleMillis: IDLE_MILLIS,
    keepAliveMillis: 20_000,
    header,
    declare: () => DECLARATION,
    keepAlive: (peer) => encodePacket(helloPacket(header(), peer)),
    atEndOfTurn: (callback) => clock.after(0, callback),
    onJoined: (session) => joined.push(session),
    onPacket: (from, packet) => packets.push({ from, packet }),
    onTurn: () => undefined,
    onRoom: () => undefined,
    onLost: (session) => lost.push(session),
    onRefused: (reason) => refused.push(reason),
    ...changes,
  });
  return { identity, transport, joined, lost, packets, refused };
}
