/**
 * The bare ends of the transport bench: TLS sockets as node:tls gives them, with this module's certificate and, where
 * the other end is a mesh node, its signed hello. What they cost is the same on both sides of every comparison.
 *
 * Rules: docs/transport.md, Connection and Hello.
 */
import { constants, createPublicKey, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { connect, type SecureContextOptions, type TLSSocket } from 'node:tls';
import { encodeFrame, FrameReader } from '#dist/core/frame.js';
import { nodeIdOf, type NodeId } from '#dist/core/ids.js';
import { signedHelloPacket } from '#dist/packet/control.js';
import { encodePacket } from '#dist/packet/packet.js';
import type { HelloBody } from '#dist/packet/signed-hello.js';
import { CertificateReader, identityCertificate } from '#dist/transport/certificate.js';
import { sayHello } from '#dist/transport/greeting.js';
import { bytesOfPublicKey, privateKeyOf } from '#dist/transport/keys.js';

const ALPN = 'blvm-mesh/1';
const EXPORTER_LABEL = 'EXPORTER-blvm-mesh-hello';
const BINDING_BYTES = 32;
const CERTIFICATES = new CertificateReader();

export interface BenchIdentity {
  readonly nodeId: NodeId;
  readonly privateKey: KeyObject;
  readonly pair: { readonly cert: string; readonly key: string | Buffer };
  /** The pair, and the settings of this module. */
  readonly credentials: SecureContextOptions;
}

/** The same number always gives the same identity, in every process. */
export function benchIdentity(number: number): BenchIdentity {
  const secret = Buffer.alloc(32, 0x5a);
  secret.writeUInt32BE(number);
  const privateKey = privateKeyOf(secret);
  const pair = {
    cert: identityCertificate(privateKey),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  const credentials: SecureContextOptions = {
    ...pair,
    minVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_128_GCM_SHA256',
    sigalgs: 'ed25519',
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
  return { nodeId: nodeIdOf(bytesOfPublicKey(createPublicKey(privateKey))), privateKey, pair, credentials };
}

/** With node:tls left as it comes: it gives session tickets, and takes whatever both sides prefer. */
export function asItComes(own: BenchIdentity): BenchIdentity {
  return { ...own, credentials: own.pair };
}

/** What a bare end declares of itself. @param payees Lightning keys to which packets for it may be paid */
export function benchHello(nodeId: NodeId, payees: readonly Uint8Array[] = []): HelloBody {
  return {
    leastVersion: 1,
    mostVersion: 1,
    network: 'regtest',
    nodeId,
    payees,
    family: [],
    baseMsat: 1_000n,
    perHopMsat: 100n,
    perKibMsat: 10n,
    proportionalPpm: 0n,
    features: 0n,
    addresses: [],
    known: [],
  };
}

/** A connection that only TLS knows of. @param from the own address, where it matters */
export async function dialPlainly(own: BenchIdentity, port: number, from?: string): Promise<TLSSocket> {
  const socket = connect({
    ...own.credentials,
    ALPNProtocols: [ALPN],
    rejectUnauthorized: false,
    host: '127.0.0.1',
    port,
    ...(from === undefined ? {} : { localAddress: from }),
  });
  socket.setNoDelay(true);
  await once(socket, 'secureConnect');
  socket.on('error', () => socket.destroy());
  return socket;
}

/** A connection to a mesh node: both have said hello when it is there. What the node says later is the caller's. */
export async function dialNode(
  own: BenchIdentity,
  port: number,
  payees: readonly Uint8Array[] = [],
  from?: string,
): Promise<TLSSocket> {
  const socket = await dialPlainly(own, port, from);
  const audience = CERTIFICATES.nodeIdOf(socket.getPeerX509Certificate());
  if (audience === null) throw new Error('a node has a certificate');
  const binding = new Uint8Array(socket.exportKeyingMaterial(BINDING_BYTES, EXPORTER_LABEL, Buffer.alloc(0)));
  const scope = { kind: 'tls-exporter', binding, speaker: own.nodeId, audience } as const;
  const hello = sayHello(benchHello(own.nodeId, payees), scope, own.privateKey);
  const header = { self: own.nodeId, sequence: 1n, nowSeconds: Math.floor(Date.now() / 1_000) };
  socket.write(encodeFrame(encodePacket(signedHelloPacket(header, audience, hello))));
  const reader = new FrameReader();
  await new Promise<void>((resolve, reject) => {
    const failed = (): void => {
      reject(new Error('the node has hung up'));
    };
    const onData = (chunk: Uint8Array): void => {
      reader.push(chunk, () => {
        socket.off('data', onData);
        socket.off('close', failed);
        resolve();
        return false;
      });
    };
    socket.on('data', onData);
    socket.once('close', failed);
  });
  socket.resume();
  return socket;
}
