/**
 * Who is at the other end of the node's relay: a challenge to whoever says hello without a proof, and the answers to the
 * challenges of others.
 *
 * Rules: docs/transport.md, Hello over the relay. A challenge goes before the answer to one, so that what follows on an
 * orderly link finds both sides proven. A proof shows that the holder of the key is there now and means this node; whoever
 * carries both sides' messages can do no more than carry them. Main thread.
 */
import { LRUCache } from 'lru-cache';
import type { NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Random } from '../core/ports.js';
import { Reason } from '../core/reasons.js';
import { equalBytes } from '../core/bytes.js';
import { signedHelloPacket, type ControlHeader } from '../packet/control.js';
import { encodePacket, type MeshPacket } from '../packet/packet.js';
import { BINDING_BYTES, decodeSignedHello, type HelloBody } from '../packet/signed-hello.js';
import { checkHello, sayHello } from '../transport/greeting.js';
import type { Identity } from '../store/identity.js';
import type { Peer } from './peers.js';

export interface ProofsParts {
  readonly identity: Identity;
  readonly network: string;
  readonly random: Random;
  readonly header: () => ControlHeader;
  readonly declare: () => HelloBody;
  /** Sends a control packet; failures are the link's to report. */
  readonly send: (address: string, packet: Uint8Array) => void;
  /** The peer at an address has proven its id: whether it is taken in. */
  readonly onProven: (address: string, body: HelloBody) => Reason;
}

export class Proofs {
  readonly #parts: ProofsParts;
  /** Nonces that have not been answered, by address: those of as many peers as there can be. */
  readonly #asked = new LRUCache<string, Uint8Array>({ max: LIMITS.DIRECT_PEERS });

  constructor(parts: ProofsParts) {
    this.#parts = parts;
  }

  /** Asks the peer at an address for its proof, by the same nonce until it is answered: an answer may be on its way. */
  challenge(address: string, claimed: NodeId): void {
    const { random, send, header } = this.#parts;
    const nonce = this.#asked.get(address) ?? random.bytes(BINDING_BYTES);
    this.#asked.set(address, nonce);
    send(address, encodePacket(signedHelloPacket(header(), claimed, { kind: 'Challenge', nonce })));
  }

  /** A connection is gone. */
  forget(address: string): void {
    this.#asked.delete(address);
  }

  /** A packet of mesh-hello-v2 from a peer. */
  take(peer: Peer, packet: MeshPacket): Reason {
    const { identity } = this.#parts;
    const message = decodeSignedHello(packet.payload);
    if (message === null || !equalBytes(packet.destination, identity.nodeId)) return Reason.HelloMismatch;
    return message.kind === 'Challenge'
      ? this.#answer(peer, packet.source, message.nonce)
      : this.#check(peer, packet.source, message);
  }

  #answer(peer: Peer, asker: NodeId, nonce: Uint8Array): Reason {
    const { identity, declare, header, send } = this.#parts;
    if (!peer.isProven && !this.#asked.has(peer.address)) this.challenge(peer.address, asker);
    const scope = {
      kind: 'relay-nonce',
      binding: nonce,
      speaker: identity.nodeId,
      audience: asker,
    } as const;
    const hello = sayHello(declare(), scope, identity.privateKey);
    send(peer.address, encodePacket(signedHelloPacket(header(), asker, hello)));
    return Reason.Accepted;
  }

  #check(peer: Peer, speaker: NodeId, message: Parameters<typeof checkHello>[0]): Reason {
    const { identity, network, onProven } = this.#parts;
    const nonce = this.#asked.get(peer.address);
    // An answer to a challenge that was sent again.
    if (nonce === undefined) return peer.isProven ? Reason.Accepted : Reason.HelloMismatch;
    const scope = { kind: 'relay-nonce', binding: nonce, speaker, audience: identity.nodeId } as const;
    const verdict = checkHello(message, scope, network);
    if (!verdict.ok) return verdict.reason;
    this.#asked.delete(peer.address);
    return onProven(peer.address, verdict.body);
  }
}
