/**
 * The coordinator: every packet's way from the peer that sent it to the next hop or the local handler.
 *
 * Rules: architecture.md (one packet's way and back), payments.md (order of checks; nothing is acted on before its
 * payment is claimed and durable), routing.md (source routes, repair). Main thread only.
 */
import { keepable, textKey, toHex } from '../core/bytes.js';
import { errorText, MeshError } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, PeerLink, Random } from '../core/ports.js';
import type { FeeSchedule } from '../core/policy.js';
import { Reason, reasonName } from '../core/reasons.js';
import { present } from '../core/assert.js';
import { declaredTraffic, isDeclaredFor, type DeclaredTraffic } from '../packet/declared.js';
import { PacketHead } from '../packet/head.js';
import { encodePacket, packetId, type MeshPacket } from '../packet/packet.js';
import { secondsLeft } from '../packet/ttl.js';
import type { Counters } from '../metrics/counters.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import type { OnVerdict, PacketJudge, PacketSender, PacketVerdict } from '../pool/judge-port.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { RoutingTable } from '../routing/table.js';
import { isSurelyUnwritten, type Accounts } from './accounts.js';
import { ATTEMPTED, PacketCare } from './care.js';
import { CaredPacket, judgedPacket } from './cared-packet.js';
import { handleControl } from './control-messages.js';
import type { DeliveryDesk } from './delivery.js';
import { Introductions } from './introductions.js';
import { NextHops } from './next-hops.js';
import type { OnOutcome, PacketOutcome } from './packet-outcome.js';
import type { Peer, PeerBook } from './peers.js';
import type { EventPublisher } from './publisher.js';
import type { Asker, Settlements } from './settlements.js';

export interface MeshManagerParts {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly counters: Counters;
  readonly recorder: FlightRecorder;
  readonly judge: PacketJudge;
  readonly peers: PeerBook;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly accounts: Accounts;
  readonly replay: ReplayPrevention;
  readonly settlements: Settlements;
  readonly delivery: DeliveryDesk;
  readonly link: PeerLink;
  /** A signed hello, or the challenge that asks for one, from a peer of the node's relay. */
  readonly onSignedHello: (peer: Peer, packet: MeshPacket) => Reason;
  /** In force. */
  readonly fees: () => FeeSchedule;
  readonly packetTtlSeconds: () => number;
  /** Told of payments that were accepted, and of packets that could not be delivered within their ttl, or at all. */
  readonly publisher: Pick<EventPublisher, 'paymentVerified' | 'routeFailed'>;
}

/** What a caller waits for. */
type Until = 'attempted' | 'accepted';

/** How a packet came that passed, and who waits for what becomes of it. */
interface Accepting {
  readonly from: string | null;
  readonly ttlSeconds: number;
  readonly until: Until;
  readonly onOutcome: OnOutcome;
}

export class MeshManager {
  readonly #parts: MeshManagerParts;
  readonly #care: PacketCare;
  readonly #introductions = new Introductions();

  constructor(parts: MeshManagerParts) {
    this.#parts = parts;
    const hops = new NextHops(parts);
    this.#care = new PacketCare({
      clock: parts.clock,
      random: parts.random,
      keepMillis: () => parts.peers.noticedWithinMillis,
      attempt: (cared, onOutcome) => {
        hops.attempt(cared, onOutcome);
      },
      onExpired: (cared, reason) => {
        parts.counters.refuse(reason);
        parts.recorder.expired(reason, cared);
        parts.log.log('warn', 'an accepted packet could not be delivered in time', {
          packetId: toHex(packetId(cared.bytes)),
          destination: nodeKey(cared.packet.destination),
          reason: reasonName(reason),
        });
        if (cared.position === 0) parts.table.chooser.outcome({ ids: cared.packet.route }, false, null);
        parts.publisher.routeFailed(cared.packet.destination, reason);
      },
    });
  }

  /**
   * Judges a packet from a peer and acts on it.
   * @param packetBytes kept; the caller must not change them afterwards
   * @param until `attempted` waits for the first attempt to deliver or forward it; `accepted` does not, for callers
   *   whom the node waits for, since forwarding asks the node (node-ipc.md, 7), and so does a payment on the chain:
   *   one that nothing is known of yet is refused as PaymentUnknown, and known the next time
   * @returns when the packet was refused or is in care; never rejects
   */
  handlePacket(
    packetBytes: Uint8Array,
    peerAddress: string,
    until: Until = 'attempted',
  ): Promise<PacketOutcome> {
    return new Promise((resolve) => {
      this.takePacket(packetBytes, peerAddress, resolve, until);
    });
  }

  /** As handlePacket, for whoever has many: tells the outcome once, without a promise for each. */
  takePacket(
    packetBytes: Uint8Array,
    peerAddress: string,
    onOutcome: OnOutcome,
    until: Until = 'attempted',
  ): void {
    const { counters, peers } = this.#parts;
    counters.hot.packets_received.count++;
    const isTooLarge = packetBytes.length > LIMITS.PACKET_BYTES;
    const peer = isTooLarge ? null : peers.heard(peerAddress);
    if (peer === null) {
      const reason = isTooLarge ? Reason.PacketTooLarge : Reason.TooManyPeers;
      this.#refuse(reason, onOutcome, packetBytes, peerAddress);
      return;
    }
    const reason = this.#admit(packetBytes, peer);
    if (reason !== Reason.Accepted) {
      this.#refuse(reason, onOutcome, packetBytes, peerAddress, peer.nodeId);
      return;
    }
    this.#introductions.inTurn(peer, (done) => {
      const sender = { previousHop: peer.nodeId, origin: 'peer', peer: peer.address } as const;
      const asker = { from: peer.address, patience: until === 'attempted' ? 'asked' : 'known' } as const;
      this.#judge(packetBytes, sender, asker, (verdict) => {
        this.#act(packetBytes, verdict, peer, until, onOutcome);
        done();
      });
    });
  }

  /** Whether a peer's packet is judged at all: its quota, and room for what it may become. */
  #admit(packetBytes: Uint8Array, peer: Peer): Reason {
    const { accounts, counters, peers, self } = this.#parts;
    const traffic = declaredTraffic(packetBytes);
    counters.arrived(traffic, packetBytes.length);
    const isClaimed = peer.nodeId !== null && !peer.isProven;
    if (isClaimed && traffic !== 'control' && !isDeclaredFor(packetBytes, self)) {
      return Reason.UnprovenPeer;
    }
    const charged = peers.charge(peer.address, traffic, packetBytes.length);
    if (charged !== Reason.Accepted) return charged;
    if (!this.#hasRoom(packetBytes.length, traffic)) return Reason.Overloaded;
    return traffic === 'paid' && !accounts.canRecord() ? Reason.NotRecorded : Reason.Accepted;
  }

  /** What a verdict on a peer's packet comes to. */
  #act(
    packetBytes: Uint8Array,
    verdict: PacketVerdict,
    peer: Peer,
    until: Until,
    onOutcome: OnOutcome,
  ): void {
    if (verdict.kind === 'refused') {
      const { replayKey } = verdict;
      const isReplay = verdict.reason === Reason.ReplayedPayment && replayKey !== null;
      if (isReplay && this.#care.holds(textKey(replayKey), packetBytes)) this.#duplicate(onOutcome);
      else this.#refuse(verdict.reason, onOutcome, packetBytes, peer.address, peer.nodeId);
    } else if (verdict.kind === 'control') {
      onOutcome(handleControl(this.#parts, packetBytes, verdict, peer));
    } else {
      const ttlSeconds = verdict.hasTtl ? this.#ttlOf(packetBytes) : this.#parts.packetTtlSeconds();
      this.#accept(packetBytes, verdict, { from: peer.address, ttlSeconds, until, onOutcome });
    }
  }

  /** Seconds for which a packet is kept whose sender gave it a time: that, or this node's own where it is less. */
  #ttlOf(packetBytes: Uint8Array): number {
    const { clock, packetTtlSeconds } = this.#parts;
    const most = packetTtlSeconds();
    const left = secondsLeft(judgedPacket(packetBytes), clock.unixSeconds()) ?? most;
    return Math.max(0, Math.min(most, left));
  }

  /**
   * Judges and sends a packet that starts at this node.
   * @returns when the packet was refused or accepted, without waiting for its first hop or for the node, as
   *   handlePacket until `accepted`; never rejects
   */
  submitPacket(packet: MeshPacket, ttlSeconds: number): Promise<PacketOutcome> {
    const packetBytes = encodePacket(packet);
    return new Promise((onOutcome) => {
      const isPaid = packet.packetType === 'Paid';
      if (!this.#care.hasRoom(packetBytes.length))
        this.#refuse(Reason.Overloaded, onOutcome, packetBytes, null);
      else if (isPaid && !this.#parts.accounts.canRecord())
        this.#refuse(Reason.NotRecorded, onOutcome, packetBytes, null);
      else {
        const sender = { previousHop: null, origin: 'local', peer: '' } as const;
        this.#judge(packetBytes, sender, { from: null, patience: 'known' }, (verdict) => {
          if (verdict.kind === 'refused') this.#refuse(verdict.reason, onOutcome, packetBytes, null);
          else this.#accept(packetBytes, verdict, { from: null, ttlSeconds, until: 'accepted', onOutcome });
        });
      }
    });
  }

  /**
   * Sends bytes to a directly connected peer, unjudged.
   * @throws MeshError when the link does not take them
   */
  async sendMeshPacket(peerAddress: string, packetData: Uint8Array): Promise<void> {
    if ((await this.#parts.link.send(peerAddress, packetData)) === 'full') {
      const address = peerAddress;
      throw new MeshError('LINK_UNUSABLE', `${address} does not read what waits for it`, { address });
    }
    this.#parts.counters.hot.packets_sent.count++;
    this.#parts.peers.sentTo(peerAddress);
  }

  /** A neighbour is gone or was restarted: what it was given lately goes another way, or to it again. */
  neighbourLost(nodeId: NodeId): void {
    const lost = nodeKey(nodeId);
    this.#care.neighbourLost((nextHop) => nodeKey(nextHop) === lost);
  }

  /** A neighbour or a route was found: packets that wait for one are tried at once. */
  routesChanged(): void {
    // Once the caller is done: a new neighbour is told who we are before it gets packets from us.
    queueMicrotask(() => {
      this.#care.nudge();
    });
  }

  /** A link that had no room has some. */
  roomAt(address: string): void {
    this.#care.roomAt(address);
  }

  /** Whether most of the room for packets that wait for their next hop is taken: sources that can wait should. */
  get isCrowded(): boolean {
    return !this.#hasRoom(LIMITS.PACKET_BYTES, 'free');
  }

  stats(): ReturnType<PacketCare['stats']> {
    return this.#care.stats();
  }

  close(): void {
    this.#care.close();
  }

  /** Whether a packet fits in care. Free ones leave a part of the room to paid ones, from however many peers they come. */
  #hasRoom(bytes: number, traffic: DeclaredTraffic): boolean {
    if (traffic !== 'free') return this.#care.hasRoom(bytes);
    const { waiting } = this.#care.stats();
    const share = LIMITS.FREE_SHARE_PERCENT / 100;
    const reserved = (1 - share) * LIMITS.PACKETS_IN_CARE_BYTES;
    return waiting < share * LIMITS.PACKETS_IN_CARE && this.#care.hasRoom(bytes + reserved);
  }

  #refuse(
    reason: Reason,
    onOutcome: OnOutcome,
    packetBytes: Uint8Array,
    from: string | null,
    previousHop: NodeId | null = null,
  ): void {
    this.#parts.counters.refuse(reason, packetBytes.length);
    this.#parts.recorder.refused(reason, packetBytes, from, previousHop);
    onOutcome({ kind: 'refused', reason });
  }

  /** The same packet from the same peer while it is in care: acknowledged, not sent twice, no penalty. */
  #duplicate(onOutcome: OnOutcome): void {
    this.#parts.counters.count('packets_duplicate');
    onOutcome({ kind: 'duplicate' });
  }

  /** The judge's verdict; where it left a question to the node, what the answer makes of it. */
  #judge(packetBytes: Uint8Array, sender: PacketSender, asker: Asker, onVerdict: OnVerdict): void {
    const { judge, replay } = this.#parts;
    judge.judge(packetBytes, sender, (verdict) => {
      // A worker claimed a key: the table gets its room for the next ones.
      if (verdict.kind === 'paid') replay.tend();
      if (verdict.kind !== 'question') onVerdict(verdict);
      else void this.#settled(packetBytes, verdict, asker).then(onVerdict);
    });
  }

  /** What the node's answer makes of a verdict that left a question to it. */
  async #settled(packetBytes: Uint8Array, verdict: PacketVerdict, asker: Asker): Promise<PacketVerdict> {
    const { accounts, settlements, replay } = this.#parts;
    const settled = await settlements.settle(judgedPacket(packetBytes), asker);
    const refuse = (reason: Reason): PacketVerdict => ({ ...verdict, kind: 'refused', reason });
    if (!settled.verified) return refuse(settled.reason);
    // The node took its time, in which others may have filled the room.
    if (!this.#care.hasRoom(packetBytes.length)) return refuse(Reason.Overloaded);
    if (!accounts.canRecord()) return refuse(Reason.NotRecorded);
    const { amountMsat, expiresAt } = settled;
    const key = present(settled.replayKey, 'a verified payment has a key');
    const claim = replay.checkReplay({ key, expiresAt }, null, 0n);
    return claim === Reason.Accepted
      ? { ...verdict, kind: 'paid', reason: claim, amountMsat, expiresAt, replayKey: key }
      : refuse(claim);
  }

  /** Makes a payment durable, and takes the packet into care. */
  #accept(bytes: Uint8Array, verdict: PacketVerdict, how: Accepting): void {
    const { accounts, publisher, replay, log } = this.#parts;
    if (verdict.kind !== 'paid') {
      this.#acceptFree(new PacketHead(bytes), verdict, how);
      return;
    }
    const head = new PacketHead(keepable(bytes));
    const key = present(verdict.replayKey, 'an accepted payment has a key');
    accounts.record(head, verdict, (error) => {
      if (error === null) {
        publisher.paymentVerified(bytes, verdict);
        // Most are paid by Lightning, which is what is left of all.
        if (verdict.payee === null) this.#countProof(bytes);
        this.#take(head, verdict, textKey(key), how);
        return;
      }
      log.log('error', 'a payment could not be recorded; its packet is refused', {
        error: errorText(error),
      });
      // Where nobody can tell whether it was written, the key stays used until a restart reads the disk.
      if (isSurelyUnwritten(error)) replay.release(key);
      this.#refuse(Reason.NotRecorded, how.onOutcome, bytes, how.from);
    });
  }

  #countProof(bytes: Uint8Array): void {
    const { paymentProof } = judgedPacket(bytes);
    if (paymentProof !== null) this.#parts.counters.count(`proofs_${paymentProof.kind}`);
  }

  #acceptFree(head: PacketHead, verdict: PacketVerdict, how: Accepting): void {
    const { peers, replay } = this.#parts;
    const { from, onOutcome } = how;
    const { bytes } = head;
    const mark = textKey(verdict.mark);
    // Nothing else tells a free packet that was relayed from the same one offered again.
    if (this.#care.holds(mark, bytes)) {
      this.#duplicate(onOutcome);
      return;
    }
    if (this.#isBacklogged(head, verdict.position)) {
      this.#refuse(Reason.LinkFull, onOutcome, bytes, from);
      return;
    }
    // Where all is free, so is what says that it is paid.
    const isUncharged = declaredTraffic(bytes) === 'paid';
    if (isUncharged && from !== null && !peers.chargeFree(from, bytes.length)) {
      this.#refuse(Reason.FreeQuotaExceeded, onOutcome, bytes, from);
      return;
    }
    if (from !== null && verdict.position === 1) {
      // A payment's own key protects paid packets.
      const source = peers.windowOf(from, head.node(0));
      const reason = replay.checkReplay(null, source, head.sequence);
      if (reason !== Reason.Accepted) {
        this.#refuse(reason, onOutcome, bytes, from);
        return;
      }
    }
    this.#take(head, verdict, mark, how);
  }

  /** Whether so much waits for the link to the next hop already that free packets are refused. */
  #isBacklogged(head: PacketHead, position: number): boolean {
    if (!this.#care.isAnyBlocked || position === head.ids - 1) return false;
    const address = this.#parts.table.addressOf(head.node(position + 1));
    return address !== null && this.#care.blockedBytesAt(address) >= LIMITS.LINK_BLOCKED_BYTES;
  }

  #take(head: PacketHead, verdict: PacketVerdict, key: string, how: Accepting): void {
    const { from, ttlSeconds, until, onOutcome } = how;
    const { position, amountMsat: paidMsat } = verdict;
    const isPaid = verdict.kind === 'paid';
    this.#parts.counters.passed(isPaid ? 'paid' : 'free', head.bytes.length);
    const cared = new CaredPacket({ key, from, position, paidMsat }, head);
    this.#care.take(cared, ttlSeconds * 1_000, (outcome) => {
      if (until === 'attempted') onOutcome(ATTEMPTED[outcome.kind]);
    });
    if (until === 'accepted') onOutcome({ kind: 'accepted' });
  }
}
