/**
 * A peer of the flood campaign: a connection of the direct transport without a mesh node behind it.
 *
 * Rules: docs/transport.md (Connection, Hello, After the hello). It proves who it is, and says now and then that it is
 * there.
 */
import { createPublicKey } from 'node:crypto';
import { systemClock } from '../core/clock.js';
import { MeshError } from '../core/errors.js';
import { nodeIdOf, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import { Reason, reasonName } from '../core/reasons.js';
import { helloPacket, type ControlHeader } from '../packet/control.js';
import { encodePacket } from '../packet/packet.js';
import { PROTOCOL_VERSIONS } from '../packet/signed-hello.js';
import { bytesOfPublicKey, privateKeyOf } from '../transport/keys.js';
import { Blocks } from '../transport/blocks.js';
import { Session } from '../transport/session.js';
import { TlsNet } from '../transport/tls-net.js';

export interface BarePeerOptions {
  /** Where the node listens on this machine. */
  readonly port: number;
  /** 32 bytes: who it is. */
  readonly secret: Uint8Array;
  /** Lightning keys to which packets for it may be paid. */
  readonly payees?: readonly Uint8Array[];
  /** A packet from the node. */
  readonly onPacket?: (packet: Uint8Array) => void;
  readonly onClosed?: () => void;
}

export class BarePeer {
  readonly nodeId: NodeId;
  readonly session: Session;
  readonly #hello: () => Uint8Array;
  readonly #timer: NodeJS.Timeout;

  private constructor(nodeId: NodeId, session: Session, hello: () => Uint8Array) {
    this.nodeId = nodeId;
    this.session = session;
    this.#hello = hello;
    this.#timer = setInterval(() => {
      session.send(this.#hello(), '');
    }, LIMITS.TRANSPORT_KEEP_ALIVE_MILLIS);
  }

  /**
   * Resolves when both sides have said hello.
   * @throws MeshError DEV_NODE_FAILED
   */
  static async dial(options: BarePeerOptions): Promise<BarePeer> {
    const { port, secret, payees = [], onPacket, onClosed } = options;
    const [privateKey, self] = [privateKeyOf(secret), BarePeer.idOf(secret)];
    const dialled = await new TlsNet(privateKey).dial('127.0.0.1', port);
    if (!dialled.ok) throw failure(dialled.reason);
    const { channel } = dialled;
    const header = (): ControlHeader => ({ self, sequence: 1n, nowSeconds: systemClock.unixSeconds() });
    let peer: BarePeer | null = null;
    const session = await new Promise<Session>((resolve, reject) => {
      const made = new Session(
        {
          channel,
          isOutbound: true,
          self,
          privateKey,
          network: 'regtest',
          clock: systemClock,
          blocks: new Blocks(),
          atEndOfTurn: setImmediate,
          header,
          declare: () => ({
            leastVersion: PROTOCOL_VERSIONS.least,
            mostVersion: PROTOCOL_VERSIONS.most,
            network: 'regtest',
            nodeId: self,
            payees,
            family: [],
            baseMsat: 0n,
            perHopMsat: 0n,
            perKibMsat: 0n,
            proportionalPpm: 0n,
            features: 0n,
            addresses: [],
            known: [],
          }),
        },
        {
          onHello: () => {
            resolve(made);
            return Reason.Accepted;
          },
          onPacket: (_, packet) => onPacket?.(packet),
          onTurn: () => undefined,
          onRoom: () => undefined,
          onClosed: (_, reason) => {
            reject(failure(reason));
            peer?.close();
            onClosed?.();
          },
        },
      );
    });
    peer = new BarePeer(self, session, () => encodePacket(helloPacket(header(), channel.nodeId)));
    return peer;
  }

  /** Whose id a secret of 32 bytes is. */
  static idOf(secret: Uint8Array): NodeId {
    return nodeIdOf(bytesOfPublicKey(createPublicKey(privateKeyOf(secret))));
  }

  close(): void {
    clearInterval(this.#timer);
    this.session.close(Reason.ConnectionLost);
  }
}

function failure(reason: Reason): MeshError {
  return new MeshError('DEV_NODE_FAILED', `the node did not take a peer: ${reasonName(reason)}`);
}
