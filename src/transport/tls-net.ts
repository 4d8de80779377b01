/**
 * Channels over TLS 1.3 with mutual authentication (node:tls).
 *
 * Rules: docs/transport.md, Connection (RFC 8446; exporter: RFC 8446, 7.5). Ed25519 alone, no authorities, no resumption;
 * who may knock is asked before the handshake is paid for. Main thread.
 */
import type { KeyObject } from 'node:crypto';
import { constants } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import {
  connect,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
} from 'node:tls';
import { LIMITS } from '../core/limits.js';
import { Reason } from '../core/reasons.js';
import { BINDING_BYTES } from '../packet/signed-hello.js';
import { hostPortText } from './addresses.js';
import { CertificateReader, identityCertificate } from './certificate.js';
import type {
  AcceptHooks,
  Channel,
  ChannelEvents,
  ChannelNet,
  Dialled,
  Knock,
  Listening,
} from './channel.js';
import { listenFailure } from './listen-failure.js';

/** ALPN: what speaks anything else is refused in the handshake. */
const ALPN = 'blvm-mesh/1';

/** RFC 8446, 7.5; docs/transport.md, Hello. */
const EXPORTER_LABEL = 'EXPORTER-blvm-mesh-hello';

/** AES with the shorter key first: the faster one, and as strong as the curve. */
const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384';

/** Connections that the system completes while this process is busy. */
const BACKLOG = 512;

export class TlsNet implements ChannelNet {
  readonly #credentials: SecureContextOptions;
  /** For dialling: made once. tls.Server makes its own. */
  readonly #context: SecureContext;
  readonly #certificates = new CertificateReader();

  constructor(privateKey: KeyObject) {
    const cert = identityCertificate(privateKey);
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' });
    this.#credentials = {
      cert,
      key,
      minVersion: 'TLSv1.3',
      maxVersion: 'TLSv1.3',
      ciphers: CIPHERS,
      sigalgs: 'ed25519',
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
    this.#context = createSecureContext(this.#credentials);
  }

  async listen(host: string, port: number, hooks: AcceptHooks): Promise<Listening> {
    /** Handshakes under way, by the other end of their socket. */
    const knocks = new Map<string, { readonly knock: Knock; readonly socket: Socket }>();
    const secure = createTlsServer({
      ...this.#credentials,
      ALPNProtocols: [ALPN],
      requestCert: true,
      // Nobody signs for anybody: the certificate is looked at in channelOf.
      rejectUnauthorized: false,
      handshakeTimeout: LIMITS.TRANSPORT_HANDSHAKE_MILLIS,
    });
    const server = createServer({ noDelay: true }, (socket) => {
      const knock = { host: socket.remoteAddress ?? '' };
      socket.on('error', () => socket.destroy());
      if (!hooks.admits(knock)) {
        socket.resetAndDestroy();
        return;
      }
      const end = otherEnd(socket);
      knocks.set(end, { knock, socket });
      // It may end in the middle of the handshake: its place is given back once.
      socket.once('close', () => {
        if (knocks.get(end)?.socket === socket) done(end, { ok: false, reason: Reason.HandshakeFailed });
      });
      secure.emit('connection', socket);
    });
    const done = (end: string, result: Dialled): void => {
      const known = knocks.get(end);
      if (known === undefined) {
        if (result.ok) result.channel.destroy();
        return;
      }
      knocks.delete(end);
      hooks.onDone(known.knock, result);
    };
    secure.on('secureConnection', (socket: TLSSocket) => {
      done(otherEnd(socket), channelOf(socket, this.#certificates));
    });
    secure.on('tlsClientError', (_error, socket) => {
      socket.destroy();
    });
    await listening(server, host, port);
    const address = server.address();
    return {
      port: typeof address === 'object' && address !== null ? address.port : port,
      close: () =>
        new Promise((resolve) => {
          server.close(() => {
            resolve();
          });
          for (const { socket } of [...knocks.values()]) socket.destroy();
        }),
    };
  }

  dial(host: string, port: number): Promise<Dialled> {
    return new Promise((resolve) => {
      const socket = connect({
        secureContext: this.#context,
        ALPNProtocols: [ALPN],
        rejectUnauthorized: false,
        host,
        port,
      });
      socket.setNoDelay(true);
      let reason: Reason = Reason.DialFailed;
      const timer = setTimeout(() => socket.destroy(), LIMITS.TRANSPORT_HANDSHAKE_MILLIS);
      const fail = (): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve({ ok: false, reason });
      };
      socket.once('connect', () => {
        reason = Reason.HandshakeFailed;
      });
      socket.on('error', fail);
      socket.once('close', fail);
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.off('error', fail);
        socket.off('close', fail);
        resolve(channelOf(socket, this.#certificates));
      });
    });
  }
}

/** What tells connections apart while they live. */
function otherEnd(socket: Socket): string {
  return `${socket.remoteAddress ?? ''} ${socket.remotePort ?? ''}`;
}

/** The channel of a finished handshake, where the other side is one of ours; else the socket is destroyed. */
function channelOf(socket: TLSSocket, certificates: CertificateReader): Dialled {
  socket.on('error', () => socket.destroy());
  const nodeId = certificates.nodeIdOf(socket.getPeerX509Certificate());
  const { remoteAddress, remotePort } = socket;
  const isOurs = socket.alpnProtocol === ALPN && !socket.isSessionReused();
  if (nodeId === null || !isOurs || remoteAddress === undefined || remotePort === undefined) {
    socket.destroy();
    return { ok: false, reason: nodeId === null ? Reason.CertificateForeign : Reason.HandshakeFailed };
  }
  const binding = new Uint8Array(socket.exportKeyingMaterial(BINDING_BYTES, EXPORTER_LABEL, Buffer.alloc(0)));
  const remote = hostPortText(remoteAddress, remotePort);
  return { ok: true, channel: new TlsChannel(socket, { remote, nodeId, binding }) };
}

class TlsChannel implements Channel {
  readonly remote: Channel['remote'];
  readonly nodeId: Channel['nodeId'];
  readonly binding: Channel['binding'];
  readonly #socket: TLSSocket;

  constructor(socket: TLSSocket, facts: Pick<Channel, 'remote' | 'nodeId' | 'binding'>) {
    this.#socket = socket;
    this.remote = facts.remote;
    this.nodeId = facts.nodeId;
    this.binding = facts.binding;
    // A peer whose machine is gone ends by the system's own probes, beside the silence that is noticed above.
    socket.setKeepAlive(true, LIMITS.TRANSPORT_KEEP_ALIVE_MILLIS);
  }

  listen({ onData, onClose }: ChannelEvents): void {
    const socket = this.#socket;
    socket.on('data', onData);
    socket.once('end', () => socket.destroy());
    socket.once('close', onClose);
    if (socket.closed) queueMicrotask(onClose);
  }

  write(bytes: Uint8Array, onWritten: () => void): void {
    this.#socket.write(bytes, (error) => {
      if (error === undefined || error === null) onWritten();
    });
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

async function listening(server: Server, host: string, port: number): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      // "::" takes IPv4 too, where the system has both.
      server.listen({ host, port, backlog: BACKLOG, ipv6Only: false }, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    throw await listenFailure(error, host, port);
  }
  // Out of descriptors: the next ones are refused by the system until there are some.
  server.on('error', () => undefined);
}
