/**
 * Control messages that were judged good: hellos, signed hellos, discovery, each to whom it concerns.
 *
 * Rules: wire.md (control protocols), routing.md (only an authenticated neighbour may teach routes). Main thread only.
 */
import { Reason } from '../core/reasons.js';
import { DISCOVERY_PROTOCOL, HELLO_PROTOCOL, isUnknownPeer } from '../packet/control.js';
import { decodeDiscovery } from '../packet/discovery.js';
import type { MeshPacket } from '../packet/packet.js';
import type { PacketVerdict } from '../pool/judge-port.js';
import { judgedPacket } from './cared-packet.js';
import type { MeshManagerParts } from './mesh-manager.js';
import type { PacketOutcome } from './packet-outcome.js';
import type { Peer } from './peers.js';

/** How every request that is flooded ends somewhere: nothing is wrong with it. */
const ROUTINE: ReadonlySet<Reason> = new Set([Reason.RequestSeen, Reason.HopsExhausted]);

type ControlParts = Pick<MeshManagerParts, 'discovery' | 'counters' | 'peers' | 'recorder' | 'onSignedHello'>;

export function handleControl(
  parts: ControlParts,
  bytes: Uint8Array,
  verdict: PacketVerdict,
  peer: Peer,
): PacketOutcome {
  const { counters, peers, recorder } = parts;
  const packet = judgedPacket(bytes);
  const reason = control(parts, packet, verdict, peer);
  if (reason !== Reason.Accepted && !ROUTINE.has(reason)) {
    counters.refuse(reason, bytes.length);
    recorder.refused(reason, bytes, peer.address, peer.nodeId);
    return { kind: 'refused', reason };
  }
  counters.passed('control', bytes.length);
  peers.clockTold(peer.address, packet.timestamp);
  recorder.passed('control', { bytes, from: peer.address }, reason);
  return { kind: 'control' };
}

function control(parts: ControlParts, packet: MeshPacket, verdict: PacketVerdict, peer: Peer): Reason {
  switch (verdict.controlProtocol) {
    case HELLO_PROTOCOL:
      return parts.peers.hello(peer.address, packet.payload, isUnknownPeer(packet.destination));
    case DISCOVERY_PROTOCOL: {
      if (peer.nodeId === null || !peer.isProven) return Reason.UnauthenticatedPeer;
      const message = decodeDiscovery(packet.payload);
      return message.ok ? parts.discovery.handleMessage(peer.nodeId, message.value) : message.failure.reason;
    }
    case null:
      return Reason.UnknownControl;
    default:
      return parts.onSignedHello(peer, packet);
  }
}
