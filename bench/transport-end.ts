/**
 * An end of the transport bench, or what stands between two of them without being a mesh node, in a process of its own.
 * It sends, receives and counts as it is told; transport.ts tells it.
 */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { setTimeout as pause } from 'node:timers/promises';
import { present } from '#dist/core/assert.js';
import { fromHex } from '#dist/core/bytes.js';
import { systemClock } from '#dist/core/clock.js';
import { encodeFrame, FRAME_HEADER_BYTES, FrameReader } from '#dist/core/frame.js';
import { nodeIdOfKey, type NodeId, type NodeKey } from '#dist/core/ids.js';
import { LIMITS } from '#dist/core/limits.js';
import { systemRandom } from '#dist/core/random.js';
import { helloPacket, type ControlHeader } from '#dist/packet/control.js';
import { PacketHead } from '#dist/packet/head.js';
import { encodePacket } from '#dist/packet/packet.js';
import { NetworkGroups } from '#dist/routing/network-group.js';
import type { Session } from '#dist/transport/session.js';
import { TlsNet } from '#dist/transport/tls-net.js';
import { Transport } from '#dist/transport/transport.js';
import { answerCalls } from './child.js';
import { residentBytes } from './memory.js';
import { paidPacketsAlong, POLICY } from './samples.js';
import { percentile } from './stats.js';
import {
  asItComes,
  benchHello,
  benchIdentity,
  dialNode,
  dialPlainly,
  type BenchIdentity,
} from './transport-link.js';
import { Flow, forwardedPacket } from './transport-load.js';

/** Ids in hex. */
type RouteText = readonly NodeKey[];

/** Of how many dials this process waits at once. */
const DIAL_LANES = 4;
const SILENCE_MILLIS = 90_000;
const AWAIT_MILLIS = 10_000;

/**
 * What is dialled at a port of this machine: TLS as it comes or set as this module sets it, or a node that knows this peer or
 * does not, and how often.
 */
interface Dials {
  readonly port: number;
  readonly kind: 'default' | 'plain' | 'node' | 'stranger';
  readonly count: number;
}

/** All bytes that came in, over whatever. */
let received = 0;
/** Numbers of the packets that this process sends to mesh nodes begin above those of its earlier ones. */
let nextNumber = 1;
/** Numbers of identities that nobody has seen. */
let nextStranger = 100_000;
const links: TLSSocket[] = [];
/** Connections that others have made to this process. */
const served: TLSSocket[] = [];
const sessions: Session[] = [];
/** Links that stay, and who each of them is. */
const staying: { readonly socket: TLSSocket; readonly self: NodeId }[] = [];
let flow: Flow | null = null;
let isSending = false;
let paid: readonly Uint8Array[] = [];

function linkAt(link: number): TLSSocket {
  const socket = links[link];
  if (socket === undefined) throw new Error('there is such a link');
  return socket;
}

async function listen(
  { credentials }: BenchIdentity,
  onConnection: (socket: TLSSocket) => void,
): Promise<number> {
  const server = createServer(
    {
      ...credentials,
      ALPNProtocols: ['blvm-mesh/1'],
      requestCert: true,
      rejectUnauthorized: false,
      noDelay: true,
    },
    (socket) => {
      socket.on('error', () => socket.destroy());
      onConnection(socket);
    },
  );
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

function headerOf(self: NodeId): ControlHeader {
  return { self, sequence: 1n, nowSeconds: systemClock.unixSeconds() };
}

async function startTransport(number: number, dialled: number | null): Promise<Transport> {
  const { nodeId: self, privateKey } = benchIdentity(number);
  const header = (): ControlHeader => headerOf(self);
  const net = new TlsNet(privateKey);
  const transport = await Transport.start({
    self,
    privateKey,
    network: 'regtest',
    net: {
      // Any port that is free.
      listen: (host, _port, hooks) => net.listen(host, 0, hooks),
      dial: (host, port) => net.dial(host, port),
    },
    clock: systemClock,
    random: systemRandom,
    log: { log: () => undefined },
    groups: new NetworkGroups(),
    listen: dialled === null ? { host: '127.0.0.1', port: 0 } : null,
    advertised: [],
    peers: dialled === null ? [] : [{ address: `127.0.0.1:${dialled}`, source: 'static', pin: null }],
    maxPeers: 4,
    outboundPeers: 0,
    header,
    declare: () => benchHello(self),
    idleMillis: SILENCE_MILLIS,
    keepAliveMillis: LIMITS.TRANSPORT_KEEP_ALIVE_MILLIS,
    keepAlive: (peer) => encodePacket(helloPacket(header(), peer)),
    onJoined: (session) => sessions.push(session),
    onPacket: (_, packet) => (received += FRAME_HEADER_BYTES + packet.length),
    onTurn: () => undefined,
    onRoom: () => undefined,
    onLost: () => undefined,
    onRefused: () => undefined,
  });
  return transport;
}

/** Gives the session packets as long as it has room. */
function feed(session: Session, packet: Uint8Array): void {
  if (!isSending) return;
  while (session.outbox.pendingBytes < LIMITS.TRANSPORT_UNSENT_BYTES) session.send(packet, '');
  setImmediate(() => {
    feed(session, packet);
  });
}

async function hungUp(socket: TLSSocket): Promise<void> {
  socket.end();
  await once(socket, 'close');
}

/** Calls back with each frame of this length from now on. @returns what ends it */
function eachFrame(socket: TLSSocket, bytes: number, onFrame: (frame: Uint8Array) => void): () => void {
  const reader = new FrameReader();
  const onData = (chunk: Uint8Array): void => {
    reader.push(chunk, (frame) => {
      if (frame.length === bytes) onFrame(frame);
      return true;
    });
  };
  socket.on('data', onData);
  return () => socket.off('data', onData);
}

const operations = {
  /** Takes plain TLS connections and counts what comes. @returns the port */
  serve: ({ number, isAsItComes = false }: { readonly number: number; readonly isAsItComes?: boolean }) =>
    listen(isAsItComes ? asItComes(benchIdentity(number)) : benchIdentity(number), (socket) => {
      served.push(socket);
      socket.on('data', (chunk: Buffer) => (received += chunk.length));
      // So that who dials knows that the handshake is over here too.
      socket.write(Uint8Array.of(0));
    }),
  /** Takes plain TLS connections, and hands what comes on to another port over a connection of its own. */
  serveRelay: ({ number, to }: { readonly number: number; readonly to: number }) =>
    listen(benchIdentity(number), (socket) => {
      void dialPlainly(benchIdentity(number), to).then((onward) => socket.pipe(onward));
    }),
  /** Takes connections by this module's own transport. */
  serveSessions: async ({ number }: { readonly number: number }) => {
    const { port } = await startTransport(number, null);
    if (port === null) throw new Error('it listens');
    return port;
  },
  /** @returns the link's number in this process */
  dial: async ({
    number,
    port,
    kind,
  }: {
    readonly number: number;
    readonly port: number;
    readonly kind: 'plain' | 'node' | 'payee';
  }) => {
    const own = benchIdentity(number);
    const socket =
      kind === 'plain' ? await dialPlainly(own, port) : await dialNode(own, port, payeesOf(kind));
    socket.on('data', (chunk: Buffer) => (received += chunk.length));
    return links.push(socket) - 1;
  },
  dialSession: async ({ number, port }: { readonly number: number; readonly port: number }) => {
    await startTransport(number, port);
    while (sessions.length === 0) await pause(5);
  },
  /** Sends over a link until `stop`: packets along a route, or frames that are none. */
  send: ({
    link,
    bytes,
    route,
  }: {
    readonly link: number;
    readonly bytes: number;
    readonly route: RouteText | null;
  }) => {
    const ids = route?.map(nodeIdOfKey);
    const body = ids === undefined ? new Uint8Array(bytes).fill(7) : forwardedPacket(ids, bytes);
    flow = new Flow(linkAt(link), body, nextNumber, ids !== undefined);
  },
  stop: async () => {
    if (flow !== null) nextNumber = await flow.stop();
    flow = null;
    isSending = false;
  },
  /** The same through this module's transport. */
  sendBySession: ({ bytes }: { readonly bytes: number }) => {
    const [session] = sessions;
    if (session === undefined) throw new Error('there is a session');
    isSending = true;
    feed(session, new Uint8Array(bytes).fill(7));
  },
  /** Bytes of frames that come in a second, looked at for so long. */
  look: async ({ millis }: { readonly millis: number }) => {
    const [before, since] = [received, performance.now()];
    await pause(millis);
    return ((received - before) * 1_000) / (performance.now() - since);
  },
  /** Resident memory of this process in bytes, after what is no longer used was given back. */
  memory: residentBytes,
  /** Processor time of this process, in microseconds. */
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
  /** Dials and hangs up so often; from many addresses, since one may not come so often. */
  comeAndGo: async ({ port, kind, count }: Dials) => {
    let left = count;
    const lane = async (number: number): Promise<void> => {
      const known = benchIdentity(number);
      while (left-- > 0) {
        const from = loopback(left);
        if (kind === 'node' || kind === 'stranger') {
          const own = kind === 'node' ? known : benchIdentity(nextStranger++);
          await hungUp(await dialNode(own, port, [], from));
          continue;
        }
        const socket = await dialPlainly(kind === 'plain' ? known : asItComes(known), port, from);
        await once(socket, 'data');
        await hungUp(socket);
      }
    };
    await Promise.all(Array.from({ length: DIAL_LANES }, (_, index) => lane(1_000 + index)));
  },
  /** Dials so often, each time as another node, and stays. */
  stay: async ({ port, kind, count }: Dials & { readonly kind: 'plain' | 'node' }) => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < count) {
        const number = next++;
        const [own, from] = [benchIdentity(10_000 + number), loopback(number)];
        const socket =
          kind === 'plain' ? await dialPlainly(own, port, from) : await dialNode(own, port, [], from);
        links.push(socket);
        staying.push({ socket, self: own.nodeId });
      }
    };
    await Promise.all(Array.from({ length: DIAL_LANES }, lane));
  },
  /** All that stay tell a node that they are there. */
  speak: ({ to }: { readonly to: NodeKey }) => {
    const node = nodeIdOfKey(to);
    for (const { socket, self } of staying) {
      socket.write(encodeFrame(encodePacket(helloPacket(headerOf(self), node))));
    }
  },
  /** Makes paid packets along a route. @returns the length of each */
  preparePaid: ({
    route,
    count,
    payloadBytes,
  }: {
    readonly route: RouteText;
    readonly count: number;
    readonly payloadBytes: number;
  }) => {
    paid = paidPacketsAlong(route.map(nodeIdOfKey), count, payloadBytes);
    return paid[0]?.length ?? 0;
  },
  /** Sends them all. */
  sendPaid: ({ link }: { readonly link: number }) => {
    linkAt(link).write(Buffer.concat(paid.map(encodeFrame)));
  },
  /** Waits until so many packets of this length have come. @returns a second, from the first to the last */
  awaitPackets: ({
    link,
    bytes,
    count,
  }: {
    readonly link: number;
    readonly bytes: number;
    readonly count: number;
  }) =>
    new Promise<number>((resolve, reject) => {
      let [left, since] = [count, 0];
      const timer = setTimeout(() => {
        reject(new Error(`${left} of ${count} packets did not come`));
      }, AWAIT_MILLIS);
      const end = eachFrame(linkAt(link), bytes, () => {
        if (left === count) since = performance.now();
        if (--left > 0) return;
        end();
        clearTimeout(timer);
        resolve(((count - 1) * 1_000) / (performance.now() - since));
      });
    }),
  /**
   * Sends packets at a rate over one link and takes them from another of this process, or from the last one that was
   * made to it. @returns how long they took, in milliseconds
   */
  latency: async ({ out, back, route, bytes, perSecond, count }: LatencyOrder) => {
    const body = forwardedPacket(route.map(nodeIdOfKey), bytes);
    const head = new PacketHead(body);
    const numberAt = head.idAt(head.ids);
    const sentAt = new Map<number, number>();
    const took: number[] = [];
    const arriving = back === null ? served[served.length - 1] : linkAt(back);
    if (arriving === undefined) throw new Error('there is a way back');
    const end = eachFrame(arriving, body.length, (frame) => {
      const number = new DataView(frame.buffer, frame.byteOffset).getUint32(numberAt, true);
      const since = sentAt.get(number);
      if (since !== undefined) took.push(performance.now() - since);
    });
    const began = performance.now();
    for (let sent = 0; sent < count;) {
      for (; sent < count && began + (sent * 1_000) / perSecond <= performance.now(); sent++) {
        const frame = Buffer.from(encodeFrame(body));
        frame.writeUInt32LE(nextNumber, FRAME_HEADER_BYTES + numberAt);
        sentAt.set(nextNumber++, performance.now());
        linkAt(out).write(frame);
      }
      await pause(1);
    }
    while (took.length < count) await pause(5);
    end();
    return { p50: percentile(took, 50), p99: percentile(took, 99) };
  },
};

interface LatencyOrder {
  readonly out: number;
  /** null: the last connection that was made to this process. */
  readonly back: number | null;
  readonly route: RouteText;
  readonly bytes: number;
  readonly perSecond: number;
  readonly count: number;
}

export type EndOperations = typeof operations;

/** Whoever is to be paid says so in its hello. */
function payeesOf(kind: 'node' | 'payee'): readonly Uint8Array[] {
  return kind === 'node' ? [] : [present(fromHex(POLICY.ownPayee ?? ''), 'the key of the samples')];
}

/** One of 64,516 addresses of this machine. */
function loopback(number: number): string {
  return `127.1.${1 + (Math.floor(number / 254) % 254)}.${1 + (number % 254)}`;
}

if (process.send !== undefined) answerCalls(operations);
