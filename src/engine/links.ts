/**
 * The ways to the neighbours: the node's relay and the direct transport, behind one interface.
 *
 * Rules: architecture.md (back-pressure on the socket that fills a queue), docs/transport.md (proofs, what hellos
 * declare). An address tells its way: those of the transport begin with its scheme. Main thread.
 */
import { present } from '../core/assert.js';
import { equalBytes, keepable, toHex } from '../core/bytes.js';
import { errorText, MeshError } from '../core/errors.js';
import { nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Handover, Log, PeerLink, Random, RelayLink } from '../core/ports.js';
import { Reason, reasonName } from '../core/reasons.js';
import type { MeshConfig } from '../config/config.js';
import { peerEntry } from '../config/kinds.js';
import type { Counters } from '../metrics/counters.js';
import { helloPacket, type ControlHeader } from '../packet/control.js';
import { encodePacket, type MeshPacket } from '../packet/packet.js';
import { FEATURES, PROTOCOL_VERSIONS, type HelloBody } from '../packet/signed-hello.js';
import type { PacketJudge } from '../pool/judge-port.js';
import type { NetworkGroups } from '../routing/network-group.js';
import type { Identity } from '../store/identity.js';
import type { Candidate } from '../transport/address-book.js';
import type { TransportSettings } from '../transport/options.js';
import { LINK_SCHEME, type Session } from '../transport/session.js';
import { TlsNet } from '../transport/tls-net.js';
import { Transport } from '../transport/transport.js';
import type { MeshManager } from './mesh-manager.js';
import type { TakePacket } from './packet-outcome.js';
import { idleMillisOf, type Peer, type PeerBook } from './peers.js';
import { Proofs } from './proofs.js';

export interface LinksParts {
  readonly identity: Identity;
  /** In force. */
  readonly config: () => MeshConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly groups: NetworkGroups;
  readonly judge: PacketJudge;
  /** This node's own Lightning key, 33 bytes in hex, or null. */
  readonly ownPayee: string | null;
  /** Sends over the node's relay. */
  readonly relay: RelayLink;
  readonly header: () => ControlHeader;
  readonly peers: () => PeerBook;
  readonly manager: () => Pick<MeshManager, 'wayIn' | 'isCrowded' | 'roomAt'>;
  /**
   * A neighbour has declared what it is, or is gone: then that is null.
   * @param arePayeesOther whether its Lightning keys are not what they were: judges must be told
   */
  readonly onDeclared: (nodeId: NodeId, declared: HelloBody | null, arePayeesOther: boolean) => void;
}

/** Wait before a connection is read again that was stopped since there is no room for what it brings. */
const CROWDED_MILLIS = 5;

/** Reasons below this one, and these, are the sender's own fault: no honest node passes such packets on. */
const BROKEN_BELOW = 300;
const NOBODYS_FAULT: ReadonlySet<Reason> = new Set([Reason.UnknownPeer, Reason.PacketExpired]);

const OVER_QUOTA: ReadonlySet<Reason> = new Set([
  Reason.PacketQuotaExceeded,
  Reason.FreeQuotaExceeded,
  Reason.ControlQuotaExceeded,
]);

/** Kept by connection of the transport. */
interface Flow {
  readonly session: Session;
  /** The peer's way in. */
  readonly take: TakePacket;
  /** Packets refused for their quota since one was accepted. */
  overQuota: number;
}

export class Links implements PeerLink {
  readonly #parts: LinksParts;
  readonly #proofs: Proofs;
  readonly #flows = new Map<string, Flow>();
  /** Whose packet came last, and to whom one was passed on last: both come in runs. */
  #lastFlow: Flow | null = null;
  #lastHop: Session | null = null;
  /** Links without room, and the connections that are not read meanwhile; null where it took too long. */
  readonly #roomless = new Map<string, Set<Session> | null>();
  /** What neighbours have declared. */
  readonly #declared = new Map<NodeKey, HelloBody>();
  #transport: Transport | null = null;

  constructor(parts: LinksParts) {
    this.#parts = parts;
    this.#proofs = new Proofs({
      identity: parts.identity,
      network: parts.config().network,
      random: parts.random,
      header: parts.header,
      declare: () => ({ ...this.#declaration(), addresses: [], known: [] }),
      send: (address, packet) => {
        this.sendControl(address, packet);
      },
      onProven: (address, body) => {
        const reason = parts.peers().proven(address, body.nodeId);
        if (reason === Reason.Accepted) this.#noteDeclared(body);
        return reason;
      },
    });
  }

  /**
   * Listens and dials, where the configuration says so.
   * @throws MeshError LISTEN_ADDR_IN_USE, LISTEN_ADDR_UNUSABLE
   */
  async start(): Promise<void> {
    const { identity, clock, random, log, groups, header, counters, peers } = this.#parts;
    const config = this.#parts.config();
    const { listenAddr } = config;
    const candidates = candidatesOf(config);
    if (listenAddr === null && candidates.length === 0) return;
    this.#transport = await Transport.start({
      self: identity.nodeId,
      privateKey: identity.privateKey,
      network: config.network,
      net: new TlsNet(identity.privateKey),
      clock,
      random,
      log,
      groups,
      listen: listenAddr,
      peers: candidates,
      ...settingsOf(config),
      header,
      declare: () => this.#declaration(),
      keepAlive: (peer) => encodePacket(helloPacket(header(), peer)),
      onJoined: (session, body) => {
        const reason = peers().connectedDirectly(session.address, session.nodeId);
        if (reason !== Reason.Accepted) {
          log.log('warn', 'a peer was not taken in', {
            address: session.address,
            reason: reasonName(reason),
          });
          session.close(reason);
          return;
        }
        this.#flows.set(session.address, this.#flowOf(session));
        this.#noteDeclared(body);
      },
      onPacket: (session, packet) => {
        const last = this.#lastFlow;
        const flow = last?.session === session ? last : (this.#flows.get(session.address) ?? null);
        this.#lastFlow = flow;
        flow?.take(packet, session.lastHeardMillis);
      },
      onTurn: (session) => {
        this.#holdBack(session);
      },
      onRoom: (session) => {
        this.#waitNoMore(session.address);
        this.#parts.manager().roomAt(session.address);
      },
      onLost: (session) => {
        this.#waitNoMore(session.address);
        this.#flows.delete(session.address);
        if (this.#lastFlow?.session === session) this.#lastFlow = null;
        peers().disconnected(session.address);
      },
      onRefused: (reason) => {
        counters.refuse(reason);
      },
    });
    const { port } = this.#transport;
    if (port !== null) log.log('info', 'the direct transport listens', { host: listenAddr?.host, port });
  }

  /** The configuration has changed: whom to dial, and the bounds. Starts a transport that had nobody to dial before. */
  async configure(before: MeshConfig): Promise<void> {
    const config = this.#parts.config();
    if (this.#transport === null) {
      await this.start();
      return;
    }
    const wanted = candidatesOf(config);
    const had = candidatesOf(before);
    const has = (list: readonly Candidate[], one: Candidate): boolean =>
      list.some((other) => nameOf(other) === nameOf(one));
    for (const gone of had.filter((one) => !has(wanted, one))) this.#transport.removePeer(gone.address);
    for (const fresh of wanted.filter((one) => !has(had, one))) this.#transport.addPeer(fresh);
    this.#transport.configure(settingsOf(config));
  }

  async close(): Promise<void> {
    await this.#transport?.close();
  }

  /** The direct transport, or null where the configuration has none. */
  get transport(): Transport | null {
    return this.#transport;
  }

  send(address: string, packetBytes: Uint8Array, source = ''): Handover {
    const transport = this.#transport;
    if (transport === null || !address.startsWith(LINK_SCHEME)) {
      // What waits for the node waits with little memory.
      return this.#parts.relay.send(address, keepable(packetBytes));
    }
    const session = transport.at(address);
    if (session === null) {
      const text = `there is no connection to ${address} any more`;
      return Promise.reject(new MeshError('PEER_UNKNOWN', text, { address }));
    }
    if (transport.send(session, packetBytes, source)) return 'taken';
    this.#waitForRoom(address, source);
    return 'full';
  }

  passOn(address: string, packetBytes: Uint8Array, source: string, nowMillis: number): boolean {
    const last = this.#lastHop;
    const isSame = last?.address === address && last.isOpen;
    const session = isSame ? last : (this.#transport?.at(address) ?? null);
    this.#lastHop = session;
    return session?.send(packetBytes, source, nowMillis) === true;
  }

  /**
   * Sends a control packet, of which nobody waits for the end.
   * @param packet lent for the call
   */
  sendControl(address: string, packet: Uint8Array): void {
    const isClear = this.#transport?.at(address)?.outbox.isClear === true;
    const handover = this.send(address, isClear ? packet : packet.slice());
    const failed = (error: string): void => {
      this.#parts.log.log('debug', 'a control packet was not sent', { address, error });
    };
    if (handover === 'full') failed(reasonName(Reason.LinkFull));
    else if (handover !== 'taken') {
      handover.catch((error: unknown) => {
        failed(errorText(error));
      });
    }
  }

  /** Asks a peer of the relay to prove the id that it claims. */
  challenge(address: string, claimed: NodeId): void {
    this.#proofs.challenge(address, claimed);
  }

  /** See MeshManagerParts.onSignedHello. On the transport it was said already. */
  onSignedHello(peer: Peer, packet: MeshPacket): Reason {
    return peer.address.startsWith(LINK_SCHEME) ? Reason.HelloMismatch : this.#proofs.take(peer, packet);
  }

  /** A neighbour is gone for good. */
  neighbourLost(nodeId: NodeId, address: string): void {
    this.#proofs.forget(address);
    const key = nodeKey(nodeId);
    const before = this.#declared.get(key);
    if (before === undefined) return;
    this.#declared.delete(key);
    this.#parts.onDeclared(nodeId, null, before.payees.length > 0);
  }

  /** What a neighbour has declared, or null. */
  declared(nodeId: NodeId): HelloBody | null {
    return this.#declared.get(nodeKey(nodeId)) ?? null;
  }

  /** Lightning keys, in hex, to which packets for each neighbour may be paid by its own word. */
  declaredPayees(): ReadonlyMap<NodeKey, readonly string[]> {
    return new Map([...this.#declared].map(([key, { payees }]) => [key, payees.map(toHex)]));
  }

  #noteDeclared(body: HelloBody): void {
    const key = nodeKey(body.nodeId);
    const payeesBefore = this.#declared.get(key)?.payees ?? [];
    this.#declared.set(key, body);
    // Each change is sent to every worker: most connections of one node bring none.
    const areSame =
      payeesBefore.length === body.payees.length &&
      payeesBefore.every((payee, index) => equalBytes(payee, body.payees[index] ?? new Uint8Array(0)));
    this.#parts.onDeclared(body.nodeId, body, !areSame);
  }

  #declaration(): Omit<HelloBody, 'addresses' | 'known'> {
    const { ownPayee, identity } = this.#parts;
    const { fees, acceptedPayees, listenAddr, ctv, family, network } = this.#parts.config();
    const payees = [...new Set([...(ownPayee === null ? [] : [ownPayee]), ...acceptedPayees])];
    return {
      leastVersion: PROTOCOL_VERSIONS.least,
      mostVersion: PROTOCOL_VERSIONS.most,
      network,
      nodeId: identity.nodeId,
      payees: payees.slice(0, LIMITS.HELLO_PAYEES).map((key) => new Uint8Array(Buffer.from(key, 'hex'))),
      family,
      baseMsat: fees.baseMsat,
      perHopMsat: fees.perHopMsat,
      perKibMsat: fees.perKibMsat,
      proportionalPpm: fees.proportionalPpm,
      features: (listenAddr === null ? 0n : FEATURES.Transport) | (ctv ? FEATURES.Covenants : 0n),
    };
  }

  #flowOf(session: Session): Flow {
    const take = this.#parts.manager().wayIn(session.address, (outcome) => {
      if (outcome.kind === 'refused') this.#refused(session, flow, outcome.reason);
      else flow.overQuota = 0;
    });
    const flow: Flow = { session, take, overQuota: 0 };
    return flow;
  }

  #refused(session: Session, flow: Flow, reason: Reason): void {
    if (reason < BROKEN_BELOW && !NOBODYS_FAULT.has(reason)) this.#transport?.misbehaved(session);
    if (!OVER_QUOTA.has(reason)) return;
    if (++flow.overQuota < LIMITS.TRANSPORT_THROTTLE_REFUSALS || session.isPaused) return;
    // It floods: what it sends from here on waits at its own end.
    flow.overQuota = 0;
    this.#parts.counters.count('links_throttled');
    this.#pauseFor(session, LIMITS.TRANSPORT_THROTTLE_MILLIS);
  }

  /**
   * Does not read the connection that fills a link until that has room; once for a few milliseconds. Whoever takes longer
   * is not waited for, so that it holds up what others are sent by the same connection no more than that.
   */
  #waitForRoom(address: string, source: string): void {
    const session = this.#transport?.at(source) ?? null;
    const known = this.#roomless.get(address);
    if (session === null || session.isPaused || known === null) return;
    const waiting = known ?? new Set<Session>();
    waiting.add(session);
    session.pause();
    if (known !== undefined) return;
    this.#roomless.set(address, waiting);
    this.#parts.clock.after(LIMITS.TRANSPORT_ROOM_MILLIS, () => {
      if (this.#roomless.get(address) !== waiting) return;
      this.#resumeSources(address);
      this.#roomless.set(address, null);
    });
  }

  #waitNoMore(address: string): void {
    this.#resumeSources(address);
    this.#roomless.delete(address);
  }

  #resumeSources(address: string): void {
    for (const session of this.#roomless.get(address) ?? []) session.resume();
  }

  /** Stops reading a connection while there is no room for what it brings. */
  #holdBack(session: Session): void {
    if (session.isPaused) return;
    const { judge, manager } = this.#parts;
    if (judge.isFull(session.address)) {
      session.pause();
      judge.onRoom(session.address, () => {
        session.resume();
      });
    } else if (manager().isCrowded) this.#pauseFor(session, CROWDED_MILLIS);
  }

  #pauseFor(session: Session, millis: number): void {
    session.pause();
    this.#parts.clock.after(millis, () => {
      // At least what has come meanwhile is taken before it waits again: paid packets may be among it.
      session.resume();
    });
  }
}

function settingsOf(config: MeshConfig): TransportSettings {
  const { advertisedAddresses: advertised, maxPeers, outboundPeers, helloIntervalSeconds } = config;
  const helloMillis = helloIntervalSeconds * 1_000;
  return {
    advertised,
    maxPeers,
    outboundPeers,
    idleMillis: idleMillisOf(helloMillis),
    keepAliveMillis: Math.min(helloMillis, LIMITS.TRANSPORT_KEEP_ALIVE_MILLIS),
  };
}

/** Whom the configuration names. */
function candidatesOf({ peers, bootstrapNodes }: MeshConfig): readonly Candidate[] {
  return [
    ...peers.map((text) => candidateOf(text, 'static')),
    ...bootstrapNodes.map((text) => candidateOf(text, 'bootstrap')),
  ];
}

function nameOf({ source, address, pin }: Candidate): string {
  return `${source} ${pin === null ? '' : nodeKey(pin)}@${address}`;
}

/** An entry of the configuration, which has checked it. */
function candidateOf(text: string, source: Candidate['source']): Candidate {
  return { ...present(peerEntry(text), 'a checked peer is one'), source };
}
