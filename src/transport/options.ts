/** What the direct transport is made of, and whom it tells what: the interface between it and the engine. */
import type { KeyObject } from 'node:crypto';
import type { NodeId } from '../core/ids.js';
import type { Clock, Log, Random } from '../core/ports.js';
import type { Reason } from '../core/reasons.js';
import type { ControlHeader } from '../packet/control.js';
import type { HelloBody } from '../packet/signed-hello.js';
import type { NetworkGroups } from '../routing/network-group.js';
import type { AcceptLimits } from './accept-gate.js';
import type { Candidate } from './address-book.js';
import type { ChannelNet } from './channel.js';
import type { Session } from './session.js';

/** What this node says of itself, but for what the transport knows best. */
export type Declaration = Omit<HelloBody, 'addresses' | 'known' | 'nodeId' | 'network'>;

/** As configured; see Transport.configure. */
export interface TransportSettings {
  /** Where this node can be dialled from outside: `host:port` each. */
  readonly advertised: readonly string[];
  readonly maxPeers: number;
  /** Connections to bootstrap nodes and learned addresses. */
  readonly outboundPeers: number;
  /** Silence after which a connection is closed, and after which the peer is told that this node is alive. */
  readonly idleMillis: number;
  readonly keepAliveMillis: number;
}

export interface TransportOptions extends TransportSettings {
  readonly self: NodeId;
  readonly privateKey: KeyObject;
  readonly network: string;
  readonly net: ChannelNet;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly groups: NetworkGroups;
  /** null: this node only dials. */
  readonly listen: { readonly host: string; readonly port: number } | null;
  readonly peers: readonly Candidate[];
  readonly acceptLimits?: AcceptLimits;
  readonly header: () => ControlHeader;
  readonly declare: () => Declaration;
  /** A packet that tells a silent peer that this node is alive. */
  readonly keepAlive: (peer: NodeId) => Uint8Array;
  /** Runs a callback at the end of this turn of the event loop; left out, by the loop itself. */
  readonly atEndOfTurn?: (callback: () => void) => void;
  readonly onJoined: (peer: Session, hello: HelloBody) => void;
  /** A packet, which is the taker's from now on. */
  readonly onPacket: (peer: Session, packet: Uint8Array) => void;
  /** All packets of a chunk were handed out. */
  readonly onTurn: (peer: Session) => void;
  /** There is room again for what was refused. */
  readonly onRoom: (peer: Session) => void;
  readonly onLost: (peer: Session) => void;
  /** Something was refused; counted by whoever counts. */
  readonly onRefused: (reason: Reason) => void;
}

/** How many there are. */
export interface TransportStats {
  readonly connections: number;
  readonly handshakes: number;
  readonly bans: number;
  /** Addresses that are known. */
  readonly known: number;
}
