/**
 * The direct transport: who listens, who is dialled, which connection to a peer is kept, and what goes over it.
 *
 * Rules: docs/transport.md. One connection for each node id: of two that were dialled from both ends at once the one that
 * the smaller id dialled is kept, on both sides alike; a second one in the same direction replaces the first, since its
 * owner has lost that. Main thread.
 */
import { equalBytes } from '../core/bytes.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Timer } from '../core/ports.js';
import { Reason, reasonName } from '../core/reasons.js';
import { TokenBucket } from '../core/token-bucket.js';
import type { HelloBody } from '../packet/signed-hello.js';
import { AcceptGate } from './accept-gate.js';
import { AddressBook, type Candidate } from './address-book.js';
import { hostAndPort, hostPortText, mayLearn, plainHost } from './addresses.js';
import { Bans, type Ban } from './bans.js';
import { Blocks } from './blocks.js';
import type { Channel, Dialled, Knock, Listening } from './channel.js';
import { ORDINARY, STRIKES } from './ends.js';
import type { TransportOptions, TransportSettings, TransportStats } from './options.js';
import { Session, type SessionHooks } from './session.js';

const BAD_AT_ONCE_SECONDS = 10;

export class Transport {
  readonly #options: TransportOptions;
  readonly #blocks = new Blocks();
  /** The same for all sessions. */
  readonly #hooks: SessionHooks;
  readonly #gate: AcceptGate;
  readonly #bans: Bans;
  readonly #book: AddressBook;
  /** Kept connections. */
  readonly #byNode = new Map<NodeKey, Session>();
  readonly #byAddress = new Map<string, Session>();
  /** All connections, those that have not said hello among them. */
  readonly #sessions = new Set<Session>();
  /** Host by connection that was accepted: its place is given back when it is gone. */
  readonly #accepted = new Map<Session, string>();
  /** Of connections that this node dialled: whom it wanted. */
  readonly #dialled = new Map<Session, Candidate>();
  readonly #dialling = new Map<string, Candidate>();
  readonly #bad = new WeakMap<Session, TokenBucket>();
  #settings: TransportSettings;
  /** null until somebody is to be told, and where it may be another now. */
  #declared: HelloBody | null = null;
  #listening: Listening | null = null;
  #timer: Timer | null = null;
  /** Set when it takes in nothing more: when it listens no more either. */
  #leaving: Promise<void> | null = null;
  #onAllGone: () => void = () => undefined;

  private constructor(options: TransportOptions) {
    const { clock, random, groups, outboundPeers, peers, acceptLimits } = options;
    this.#options = options;
    this.#settings = options;
    this.#hooks = {
      onHello: (session, body) => this.#greeted(session, body),
      onPacket: options.onPacket,
      onTurn: options.onTurn,
      onRoom: options.onRoom,
      onClosed: (session, reason) => {
        this.#closed(session, reason);
      },
    };
    this.#gate = new AcceptGate(clock, groups, acceptLimits);
    this.#bans = new Bans(clock);
    this.#book = new AddressBook({ clock, random, groups, slots: outboundPeers });
    for (const peer of peers) this.#book.add(peer);
  }

  /**
   * Listens, and begins to dial.
   * @throws MeshError LISTEN_ADDR_IN_USE, LISTEN_ADDR_UNUSABLE
   */
  static async start(options: TransportOptions): Promise<Transport> {
    const transport = new Transport(options);
    const { listen, net } = options;
    if (listen !== null) {
      transport.#listening = await net.listen(listen.host, listen.port, {
        admits: (knock) => transport.#admits(knock),
        onDone: (knock, result) => {
          transport.#accept(knock, result);
        },
      });
    }
    transport.#tick();
    return transport;
  }

  /** The port on which it listens, or null. */
  get port(): number | null {
    return this.#listening?.port ?? null;
  }

  /** Connections that are kept. */
  get peers(): readonly Session[] {
    return [...this.#byNode.values()];
  }

  stats(): TransportStats {
    return {
      connections: this.#byNode.size,
      handshakes: this.#gate.handshakes,
      bans: this.#bans.size,
      known: this.#book.size,
    };
  }

  /** Who is kept out for now, the newest bans first, so many at most. */
  bans(most: number): readonly Ban[] {
    return this.#bans.list(most);
  }

  /** The connection behind the address of a link, or null. */
  at(address: string): Session | null {
    return this.#byAddress.get(address) ?? null;
  }

  /**
   * Sends a packet.
   * @param source whose turn it takes where it has to wait
   * @returns false where as much waits as may: onRoom tells when there is room
   */
  send(session: Session, packet: Uint8Array, source: string): boolean {
    if (session.send(packet, source)) return true;
    this.#options.onRefused(Reason.LinkFull);
    return false;
  }

  /** A peer sent something that does not decode or fit: too much of it ends the connection. */
  misbehaved(session: Session): void {
    const now = this.#options.clock.monotonicMillis();
    let bucket = this.#bad.get(session);
    if (bucket === undefined) {
      const perSecond = LIMITS.TRANSPORT_BAD_PER_SECOND;
      bucket = new TokenBucket(perSecond, BAD_AT_ONCE_SECONDS * perSecond, now);
      this.#bad.set(session, bucket);
    }
    if (bucket.take(now)) return;
    this.#bans.ban(nodeKey(session.nodeId));
    session.close(Reason.PeerMisbehaved);
  }

  /** Holds from now on; connections past another bound stay. */
  configure(settings: TransportSettings): void {
    this.#settings = settings;
    this.#declared = null;
    this.#book.slots = settings.outboundPeers;
    this.#dialDue();
  }

  /** Whether there is a connection to whoever answers at an address that is dialled. */
  isConnectedTo(address: string): boolean {
    const nodeId = this.#book.nodeAt(address);
    return nodeId !== null && this.#byNode.has(nodeKey(nodeId));
  }

  /** Connects to an address from now on. */
  addPeer(candidate: Candidate): void {
    this.#book.add(candidate);
    this.#dialDue();
  }

  /** Dials an address no more, and ends the connection that leads there. False where it was not known. */
  removePeer(address: string): boolean {
    const wasKnown = this.#book.remove(address);
    const leading = [...this.#sessions].filter(
      (session) => session.remote === address || this.#dialled.get(session)?.address === address,
    );
    for (const session of leading) session.close(Reason.ConnectionLost);
    return wasKnown || leading.length > 0;
  }

  /** Takes in nothing more: nobody enters or is dialled, and what connections bring is left. What this node sends still goes. */
  leave(): void {
    this.#leaving ??= this.#listening?.close() ?? Promise.resolve();
    for (const session of this.#sessions) session.leave();
  }

  /** Ends every connection when all has gone that waits for it, or after a while. */
  async close(): Promise<void> {
    this.leave();
    this.#timer?.cancel();
    const deadline = this.#options.clock.after(LIMITS.TRANSPORT_FAREWELL_MILLIS, () => {
      for (const session of [...this.#sessions]) session.close(Reason.ConnectionLost);
    });
    const gone = new Promise<void>((resolve) => (this.#onAllGone = resolve));
    for (const session of [...this.#sessions]) session.finish();
    if (this.#sessions.size > 0) await gone;
    deadline.cancel();
    await this.#leaving;
  }

  #admits({ host }: Knock): boolean {
    const reason = this.#mayEnter(plainHost(host));
    if (reason !== Reason.Accepted) this.#options.onRefused(reason);
    return reason === Reason.Accepted;
  }

  #mayEnter(host: string): Reason {
    if (this.#leaving !== null) return Reason.ConnectionLost;
    return this.#bans.isBanned(host) ? Reason.PeerBanned : this.#gate.enter(host);
  }

  #accept({ host: named }: Knock, result: Dialled): void {
    const host = plainHost(named);
    if (result.ok && this.#leaving === null) {
      this.#accepted.set(this.#session(result.channel, false), host);
      return;
    }
    this.#gate.handshakeDone();
    this.#gate.left(host);
    if (result.ok) result.channel.destroy();
    else this.#refused(result.reason, host);
  }

  #session(channel: Channel, isOutbound: boolean): Session {
    const { self, privateKey, network, clock, header } = this.#options;
    const { atEndOfTurn = setImmediate } = this.#options;
    const session = new Session(
      {
        channel,
        isOutbound,
        self,
        privateKey,
        network,
        clock,
        blocks: this.#blocks,
        atEndOfTurn,
        header,
        declare: () => this.#declare(),
      },
      this.#hooks,
    );
    this.#sessions.add(session);
    // With what TLS says at the end of its handshake: one write for both.
    session.outbox.flush();
    return session;
  }

  /** The same for all who come within a tick, so that it is made and encoded once. */
  #declare(): HelloBody {
    const { self, network, declare } = this.#options;
    this.#declared ??= {
      ...declare(),
      nodeId: self,
      network,
      addresses: this.#settings.advertised,
      known: this.#book.known(LIMITS.HELLO_KNOWN),
    };
    return this.#declared;
  }

  /** The peer has proven who it is: whether its connection is kept. */
  #greeted(session: Session, body: HelloBody): Reason {
    const { self, log } = this.#options;
    if (this.#accepted.has(session)) this.#gate.handshakeDone();
    const key = nodeKey(session.nodeId);
    const wanted = this.#dialled.get(session);
    if (equalBytes(session.nodeId, self)) return Reason.SelfConnection;
    if (wanted?.pin !== null && wanted !== undefined && !equalBytes(wanted.pin, session.nodeId)) {
      return Reason.PinMismatch;
    }
    if (this.#bans.isBanned(key)) return Reason.PeerBanned;
    const before = this.#byNode.get(key);
    if (before !== undefined && !this.#isBetter(session, before)) return Reason.DuplicateConnection;
    const isStatic = wanted?.source === 'static' || this.#book.isStatic(session.nodeId);
    if (before === undefined && this.#byNode.size >= this.#settings.maxPeers && !isStatic) {
      return Reason.TooManyPeers;
    }
    if (wanted !== undefined) this.#book.answered(wanted.address, session.nodeId);
    this.#byNode.set(key, session);
    this.#byAddress.set(session.address, session);
    this.#learn(session, body);
    log.log('info', 'a peer is connected by the direct transport', {
      nodeId: key,
      remote: session.remote,
      dialled: session.isOutbound,
    });
    this.#options.onJoined(session, body);
    // The other one goes when the new one is in place, so that no packet finds none.
    before?.close(Reason.DuplicateConnection);
    return Reason.Accepted;
  }

  /** Which of two connections to one node is kept: both sides must decide alike. */
  #isBetter(session: Session, before: Session): boolean {
    if (session.isOutbound === before.isOutbound) return true;
    const selfIsSmaller = Buffer.compare(this.#options.self, session.nodeId) < 0;
    return session.isOutbound === selfIsSmaller;
  }

  #learn(session: Session, { addresses, known }: HelloBody): void {
    const { groups, self } = this.#options;
    const teller = hostAndPort(session.remote).host;
    const told = [...addresses.map((address) => ({ nodeId: session.nodeId, address })), ...known];
    for (const { nodeId, address } of told) {
      if (equalBytes(nodeId, self) || !mayLearn(address, teller, groups)) continue;
      const { host, port } = hostAndPort(address);
      this.#book.add({ address: hostPortText(host, port), source: 'learned', pin: nodeId });
    }
  }

  #closed(session: Session, reason: Reason): void {
    const { log, onLost } = this.#options;
    this.#sessions.delete(session);
    const host = this.#accepted.get(session);
    const isGreeted = session.hello !== null;
    if (host !== undefined) {
      this.#accepted.delete(session);
      if (!isGreeted) this.#gate.handshakeDone();
      this.#gate.left(host);
    }
    const wanted = this.#dialled.get(session);
    this.#dialled.delete(session);
    const key = nodeKey(session.nodeId);
    const wasKept = this.#byAddress.get(session.address) === session;
    if (wasKept) this.#byAddress.delete(session.address);
    if (this.#byNode.get(key) === session) this.#byNode.delete(key);
    if (wanted !== undefined) {
      if (reason === Reason.DuplicateConnection) this.#book.answered(wanted.address, session.nodeId);
      else if (!wasKept) this.#book.failed(wanted.address);
    }
    if (!ORDINARY.has(reason)) {
      log.log('info', 'a connection of the direct transport was closed', {
        remote: session.remote,
        nodeId: key,
        reason: reasonName(reason),
      });
      this.#refused(reason, hostAndPort(session.remote).host);
    }
    if (wasKept) onLost(session);
    if (this.#sessions.size === 0) this.#onAllGone();
  }

  /** Counts, and remembers who does what no honest node does. */
  #refused(reason: Reason, host: string): void {
    this.#options.onRefused(reason);
    if (STRIKES.has(reason) && this.#bans.strike(host)) {
      this.#options.log.log('warn', 'an address is banned for a while', { host, reason: reasonName(reason) });
    }
  }

  /** Once a second: who is silent, who does not read, who is to be dialled. */
  #tick(): void {
    const { clock, keepAlive } = this.#options;
    this.#timer = clock.after(LIMITS.TRANSPORT_TICK_MILLIS, () => {
      this.#tick();
    });
    this.#declared = null;
    const now = clock.monotonicMillis();
    for (const session of [...this.#sessions]) {
      const { outbox } = session;
      if (outbox.stalledMillis > LIMITS.TRANSPORT_SLOW_MILLIS) session.close(Reason.SlowReader);
      else if (!session.isPaused && now - session.lastHeardMillis > this.#settings.idleMillis) {
        session.close(Reason.PeerIdle);
      } else if (now - outbox.lastWriteMillis >= this.#settings.keepAliveMillis) {
        session.send(keepAlive(session.nodeId), '');
      }
    }
    this.#dialDue();
  }

  #dialDue(): void {
    const room = LIMITS.TRANSPORT_DIALS - this.#dialling.size;
    if (this.#leaving !== null || room <= 0) return;
    const slotted = [...this.#dialling.values(), ...this.#dialled.values()].filter(
      ({ source }) => source !== 'static',
    );
    const connected = {
      has: (nodeId: NodeId) => this.#byNode.has(nodeKey(nodeId)),
      slotHosts: slotted.map(({ address }) => hostAndPort(address).host),
    };
    for (const candidate of this.#book.due(connected, room)) void this.#dial(candidate);
  }

  async #dial(candidate: Candidate): Promise<void> {
    const { net, log } = this.#options;
    const { address } = candidate;
    const { host, port } = hostAndPort(address);
    this.#dialling.set(address, candidate);
    const result = await net.dial(host, port);
    this.#dialling.delete(address);
    if (this.#leaving !== null) {
      if (result.ok) result.channel.destroy();
      return;
    }
    if (!result.ok) {
      this.#book.failed(address);
      if (result.reason !== Reason.DialFailed) this.#options.onRefused(result.reason);
      log.log('debug', 'a peer could not be dialled', { address, reason: reasonName(result.reason) });
      return;
    }
    this.#dialled.set(this.#session(result.channel, true), candidate);
  }
}
