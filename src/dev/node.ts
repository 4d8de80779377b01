/**
 * One development node: a Unix socket that speaks the node's module IPC, peers on the virtual network, a wallet.
 *
 * Rules: node-ipc.md for the protocol; where that measured node and its documents differ (many connections,
 * errors that are answered), this one does as documented unless its options say `as measured`.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log } from '../core/ports.js';
import type { Capability } from '../node/capabilities.js';
import { IpcCodec } from '../node/ipc-codec.js';
import type { EventPayload, PeerInfo, RequestPayload } from '../node/messages.js';
import type { ChainObserver, DevBlock, StoredTransaction } from './chain.js';
import { FEE_RATE_SATS_PER_VBYTE } from './chain.js';
import { ModuleConnection, type Answer, type ConnectionHost } from './connection.js';
import { lightningModule } from './lightning-module.js';
import { ModuleRegistry } from './modules.js';
import type { DevNetwork, NetworkMember } from './network.js';
import { PaymentDesk } from './payments.js';
import { Permissions } from './permissions.js';
import { answerRequest } from './requests.js';
import { listenOn } from '../node/unix-listen.js';
import { DevWallet } from './wallet.js';

/** The newest generation that is known. */
export const DEFAULT_NODE_VERSION = '0.1.83';

export interface DevNodeOptions {
  /** Where the node listens; at most 107 bytes. A socket left over there by a dead process is replaced. */
  readonly socketPath: string;
  /** Default node-N. */
  readonly name?: string;
  /** Default 10.0.0.N:18444. */
  readonly address?: string;
  /** Version in HandshakeAck; it chooses the wire generation. Default 0.1.83. */
  readonly nodeVersion?: string;
  /** Capabilities of the modules that have a manifest, by the id they give in the handshake. */
  readonly capabilities?: ReadonlyMap<string, readonly Capability[]>;
  /** Capabilities of all other modules. Default: all. */
  readonly defaultCapabilities?: readonly Capability[];
  /** Past so many requests within a second a module's connection is closed; a real node has 100. Default: none. */
  readonly requestsPerSecond?: number | null;
  /** Events that may wait for one module; a real node has 100. Default 100,000. */
  readonly eventQueue?: number;
  /** What a failed request gets: its error (default, as documented) or a closed connection (as measured). */
  readonly failedRequests?: 'answer' | 'close';
  /** Connections served at once; later ones wait unheard. A real node serves 1. Default 64. */
  readonly connections?: number;
}

export interface DevNodeStats {
  readonly modules: number;
  readonly peers: number;
  /** Packets that this node's modules sent to peers, and that peers sent to it. */
  readonly packetsSent: number;
  readonly packetsReceived: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** Received bytes that did not begin with MESH: no module hears of them (node-ipc.md, 13). */
  readonly notMesh: number;
  readonly eventsRaised: number;
  /** Events that a module did not read in time, over all modules. */
  readonly eventsDropped: number;
  readonly requests: number;
  readonly connectionsClosed: number;
}

/** Protocol version and services of a current node: NODE_NETWORK and NODE_WITNESS. */
const PROTOCOL_VERSION = 70_016;
const SERVICES = 9n;
const MESH_MAGIC = [0x4d, 0x45, 0x53, 0x48] as const;
/** Connections that may wait for a place. */
const WAITING_CONNECTIONS = 64;

export class DevNode implements NetworkMember, ChainObserver, ConnectionHost {
  readonly network: DevNetwork;
  readonly name: string;
  readonly address: string;
  readonly socketPath: string;
  readonly nodeVersion: string;
  readonly codec: IpcCodec;
  readonly wallet: DevWallet;
  readonly payments: PaymentDesk;
  readonly modules: ModuleRegistry;
  readonly requestsPerSecond: number | null;
  readonly eventQueue: number;
  readonly failedRequests: 'answer' | 'close';
  readonly #permissions: Permissions;
  readonly #maxConnections: number;
  readonly #server: Server;
  readonly #connections = new Set<ModuleConnection>();
  readonly #waiting: Socket[] = [];
  /** Peers by address, with the Unix second of their connection. */
  readonly #peers = new Map<string, number>();
  /** Banned addresses, with the Unix second their ban ends. */
  readonly #bans = new Map<string, number>();
  #isClosed = false;
  #packetsSent = 0;
  #packetsReceived = 0;
  #bytesSent = 0;
  #bytesReceived = 0;
  #notMesh = 0;
  #eventsRaised = 0;
  #eventsDropped = 0;
  #requests = 0;
  #connectionsClosed = 0;

  /** Made by DevNetwork.addNode. */
  constructor(network: DevNetwork, name: string, address: string, options: DevNodeOptions) {
    this.network = network;
    this.name = name;
    this.address = address;
    this.socketPath = options.socketPath;
    this.nodeVersion = options.nodeVersion ?? DEFAULT_NODE_VERSION;
    this.codec = IpcCodec.forVersion(this.nodeVersion);
    this.requestsPerSecond = options.requestsPerSecond ?? null;
    this.eventQueue = options.eventQueue ?? LIMITS.DEV_EVENTS_QUEUED;
    this.failedRequests = options.failedRequests ?? 'answer';
    this.#maxConnections = options.connections ?? LIMITS.DEV_CONNECTIONS;
    this.#permissions = new Permissions(options.capabilities, options.defaultCapabilities);
    this.modules = new ModuleRegistry(network.clock, this.#permissions);
    this.payments = new PaymentDesk(name, network.chain, (event) => {
      this.publish(event);
    });
    this.wallet = new DevWallet(`${network.seed}/${name}`, network.clock, network.invoices, this.payments);
    this.modules.addLocal(lightningModule(this.wallet));
    network.chain.observe(this);
    this.#server = createServer((socket) => {
      this.#accept(socket);
    });
  }

  get clock(): Clock {
    return this.network.clock;
  }

  get log(): Log {
    return this.network.log;
  }

  /** The Lightning key of this node's wallet, 33 bytes in hex. */
  get payee(): string {
    return this.wallet.payee;
  }

  /** Where its Lightning node would be reached. */
  get lightningUrl(): string {
    return `${this.payee}@${this.address.slice(0, this.address.lastIndexOf(':'))}:9735`;
  }

  /** Addresses of the connected peers. */
  get peers(): readonly string[] {
    return [...this.#peers.keys()];
  }

  /**
   * Opens the socket.
   * @throws MeshError DEV_NODE_FAILED where the path is too long or not usable
   */
  async listen(): Promise<void> {
    await listenOn(this.#server, this.socketPath, 'DEV_NODE_FAILED');
  }

  /** Raises an event to every module that subscribed to it; an event that this generation lacks reaches no one. */
  publish(event: EventPayload): void {
    this.publishAs(event.name, event);
  }

  /** As `publish`, under the type that a module named: the node does not compare the two. */
  publishAs(type: string, event: EventPayload): void {
    this.#eventsRaised++;
    if (!this.codec.hasEvent(type) || !this.codec.hasEvent(event.name)) return;
    let frame: Uint8Array | undefined;
    for (const connection of this.modules.connected) {
      if (!connection.subscriptions.has(type)) continue;
      // Written once for all who hear it.
      frame ??= this.codec.encodeFrame({ name: 'Event', value: { event_type: type, payload: event } });
      connection.sendEvent(frame);
    }
  }

  /**
   * Sends packet bytes to a connected peer, as SendMeshPacketToPeer does.
   * @returns false where the peer is not connected, or the packet is larger than a message between nodes
   */
  sendToPeer(peerAddress: string, packetBytes: Uint8Array): boolean {
    if (!this.network.send(this.address, peerAddress, packetBytes)) return false;
    this.#packetsSent++;
    this.#bytesSent += packetBytes.length;
    return true;
  }

  /** Disconnects an address and refuses it for a while; raises PeerBanned. */
  ban(peerAddress: string, seconds: bigint): void {
    const now = this.clock.unixSeconds();
    for (const [address, until] of this.#bans) if (until <= now) this.#bans.delete(address);
    // Only members of the network can ever connect, so the list needs no more room than they.
    if (this.#bans.size >= LIMITS.DEV_NODES) return;
    this.#bans.set(peerAddress, now + Number(seconds));
    if (this.#peers.has(peerAddress)) this.network.disconnect(this.address, peerAddress, 'banned');
    this.publish({
      name: 'PeerBanned',
      value: { peer_addr: peerAddress, reason: 'asked by a module', ban_duration_seconds: seconds },
    });
  }

  hasBanned(address: string): boolean {
    return (this.#bans.get(address) ?? 0) > this.clock.unixSeconds();
  }

  peerInfos(): readonly PeerInfo[] {
    return [...this.#peers].map(([addr, since]) => ({
      addr,
      transport_type: 'tcp',
      services: SERVICES,
      version: PROTOCOL_VERSION,
      connected_since: BigInt(since),
    }));
  }

  /** Cuts every module's connection, as a node that restarts does; modules may come back at once. */
  dropConnections(reason = 'the node restarts'): void {
    for (const connection of this.#connections) connection.close(reason);
  }

  stats(): DevNodeStats {
    let dropped = this.#eventsDropped;
    let requests = this.#requests;
    for (const connection of this.#connections) {
      dropped += connection.eventsDropped;
      requests += connection.requests;
    }
    return {
      modules: this.modules.connected.size,
      peers: this.#peers.size,
      packetsSent: this.#packetsSent,
      packetsReceived: this.#packetsReceived,
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      notMesh: this.#notMesh,
      eventsRaised: this.#eventsRaised,
      eventsDropped: dropped,
      requests,
      connectionsClosed: this.#connectionsClosed,
    };
  }

  /** Closes all connections and removes the socket. Called by DevNetwork.close. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.network.chain.unobserve(this);
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    for (const connection of this.#connections) connection.destroy('the node shuts down');
    if (!this.#server.listening) return;
    await new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
  }

  // --- ConnectionHost ---

  capabilitiesOf(moduleId: string): readonly Capability[] {
    return this.#permissions.of(moduleId);
  }

  answer(from: ModuleConnection, request: RequestPayload): Answer | Promise<Answer> {
    return answerRequest(this, from, request);
  }

  onReady(connection: ModuleConnection): void {
    this.modules.add(connection);
  }

  onClosed(connection: ModuleConnection): void {
    this.#connections.delete(connection);
    this.#connectionsClosed++;
    this.#eventsDropped += connection.eventsDropped;
    this.#requests += connection.requests;
    this.modules.remove(connection);
    const next = this.#waiting.shift();
    if (next !== undefined) this.#serve(next);
  }

  // --- NetworkMember ---

  onBytes(from: string, bytes: Uint8Array): void {
    this.#bytesReceived += bytes.length;
    if (!MESH_MAGIC.every((byte, i) => bytes[i] === byte)) {
      this.#notMesh++;
      return;
    }
    this.#packetsReceived++;
    this.publish({ name: 'MeshPacketReceived', value: { packet_data: bytes, peer_addr: from } });
  }

  onPeerConnected(address: string): void {
    this.#peers.set(address, this.clock.unixSeconds());
    this.publish({
      name: 'PeerConnected',
      value: {
        peer_addr: address,
        transport_type: 'tcp',
        services: SERVICES,
        version: PROTOCOL_VERSION,
        peer_node_id: null,
      },
    });
  }

  onPeerDisconnected(address: string, reason: string): void {
    this.#peers.delete(address);
    this.publish({ name: 'PeerDisconnected', value: { peer_addr: address, reason } });
  }

  // --- ChainObserver ---

  onBlock(block: DevBlock): void {
    this.publish({ name: 'NewBlock', value: { block_hash: block.hash, height: BigInt(block.height) } });
    this.payments.onBlock(block);
  }

  onBlockDisconnected(block: DevBlock): void {
    this.payments.onBlockDisconnected(block);
    this.publish({ name: 'BlockDisconnected', value: { hash: block.hash, height: BigInt(block.height) } });
  }

  onReorg(oldTip: Uint8Array, newTip: Uint8Array): void {
    this.publish({ name: 'ChainReorg', value: { old_tip: oldTip, new_tip: newTip } });
  }

  onTransaction(stored: StoredTransaction, mempoolSize: number): void {
    this.publish({ name: 'NewTransaction', value: { tx_hash: stored.txid } });
    this.publish({
      name: 'MempoolTransactionAdded',
      value: {
        tx_hash: stored.txid,
        fee_rate: Number(FEE_RATE_SATS_PER_VBYTE),
        mempool_size: BigInt(mempoolSize),
      },
    });
  }

  onMempoolRemoved(txid: Uint8Array, reason: string, mempoolSize: number): void {
    this.publish({
      name: 'MempoolTransactionRemoved',
      value: { tx_hash: txid, reason, mempool_size: BigInt(mempoolSize) },
    });
  }

  #accept(socket: Socket): void {
    if (this.#isClosed || this.#waiting.length >= WAITING_CONNECTIONS) {
      socket.destroy();
    } else if (this.#connections.size >= this.#maxConnections) {
      // Accepted by the system but not read: its handshake waits for an answer (node-ipc.md, 3).
      this.#waiting.push(socket);
      socket.on('error', () => undefined);
    } else {
      this.#serve(socket);
    }
  }

  #serve(socket: Socket): void {
    this.#connections.add(new ModuleConnection(this, socket));
  }
}
