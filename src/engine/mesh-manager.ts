/**
 * The coordinator: every packet's way from the peer that sent it to the next hop or the local handler.
 *
 * Rules: architecture.md (one packet's way and back), payments.md (order of checks; nothing is acted on before its
 * payment is claimed and durable), routing.md (source routes, repair). Main thread only.
 */
import { equalBytes, keepable, textKey, textKeyOfWords, toHex } from '../core/bytes.js';
import { errorText, MeshError } from '../core/errors.js';
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock, Log, PeerLink, Random } from '../core/ports.js';
import type { FeeSchedule } from '../core/policy.js';
import { Reason, reasonName } from '../core/reasons.js';
import { present } from '../core/assert.js';
import { declaredTraffic, isDeclaredFor } from '../packet/declared.js';
import { PacketHead } from '../packet/head.js';
import { encodePacket, packetId, type MeshPacket } from '../packet/packet.js';
import type { Counters } from '../metrics/counters.js';
import type { FlightRecorder } from '../metrics/recorder.js';
import type { OnVerdict, PacketJudge, PacketSender, PacketVerdict } from '../pool/judge-port.js';
import type { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import type { RoutingTable } from '../routing/table.js';
import { isSurelyUnwritten, type Accounts } from './accounts.js';
import { ATTEMPTED } from './attempts.js';
import { PacketCare } from './care.js';
import { CaredPacket, judgedPacket, ttlSecondsOf } from './cared-packet.js';
import { handleControl } from './control-messages.js';
import type { DeliveryDesk } from './delivery.js';
import { FreePackets } from './free-packets.js';
import { Introductions } from './introductions.js';
import { NextHops } from './next-hops.js';
import type { OnOutcome, PacketOutcome, TakePacket } from './packet-outcome.js';
import { PassedPackets } from './passed.js';
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

const ACCEPTED = { kind: 'accepted' } as const;

export class MeshManager {
  readonly #parts: MeshManagerParts;
  readonly #care: PacketCare;
  readonly #free: FreePackets;
  readonly #introductions = new Introductions();

  constructor(parts: MeshManagerParts) {
    this.#parts = parts;
    const hops = new NextHops(parts);
    const keepMillis = (): number => parts.peers.noticedWithinMillis;
    const ttlMillis = (): number => parts.packetTtlSeconds() * 1_000;
    const passed = new PassedPackets({
      clock: parts.clock,
      keepMillis: () => Math.min(keepMillis(), ttlMillis()),
    });
    this.#care = new PacketCare({
      clock: parts.clock,
      random: parts.random,
      keepMillis,
      passed,
      ttlMillis,
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
    this.#free = new FreePackets(parts, this.#care, passed, hops);
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
      this.#takePacket(packetBytes, peerAddress, resolve, until);
    });
  }

  /**
   * The way in for the packets of a neighbour that is connected directly, and has proven who it is: what each of them
   * needs is made once.
   * @param onOutcome told what became of each, once its first attempt is over
   */
  wayIn(peerAddress: string, onOutcome: OnOutcome): TakePacket {
    const peer = present(this.#parts.peers.at(peerAddress), 'a peer that was taken in is known');
    const judge = this.#judgeOf(
      senderOf(peer),
      { from: peer.address, patience: 'asked' },
      (verdict, bytes) => {
        this.#act(bytes, verdict, peer, 'attempted', onOutcome);
      },
    );
    return (packetBytes, nowMillis) => {
      if (this.#heard(packetBytes, peer.address, nowMillis, onOutcome) !== null) judge(packetBytes);
    };
  }

  #takePacket(packetBytes: Uint8Array, peerAddress: string, onOutcome: OnOutcome, until: Until): void {
    const nowMillis = this.#parts.clock.monotonicMillis();
    const peer = this.#heard(packetBytes, peerAddress, nowMillis, onOutcome);
    if (peer === null) return;
    this.#introductions.inTurn(peer, (done) => {
      const asker = { from: peer.address, patience: until === 'attempted' ? 'asked' : 'known' } as const;
      const judge = this.#judgeOf(senderOf(peer), asker, (verdict) => {
        this.#act(packetBytes, verdict, peer, until, onOutcome);
        done();
      });
      judge(packetBytes);
    });
  }

  /** Counts a packet that came. @returns who sent it; null where it is refused before it is judged */
  #heard(packetBytes: Uint8Array, peerAddress: string, nowMillis: number, onOutcome: OnOutcome): Peer | null {
    const { counters, peers } = this.#parts;
    counters.hot.packets_received.count++;
    const isTooLarge = packetBytes.length > LIMITS.PACKET_BYTES;
    const peer = isTooLarge ? null : peers.heard(peerAddress, nowMillis);
    if (peer === null) {
      const reason = isTooLarge ? Reason.PacketTooLarge : Reason.TooManyPeers;
      this.#refuse(reason, onOutcome, packetBytes, peerAddress);
      return null;
    }
    const reason = this.#admit(packetBytes, peer, nowMillis);
    if (reason === Reason.Accepted) return peer;
    this.#refuse(reason, onOutcome, packetBytes, peerAddress, peer.nodeId);
    return null;
  }

  /** Whether a peer's packet is judged at all: its quota, and room for what it may become. */
  #admit(packetBytes: Uint8Array, peer: Peer, nowMillis: number): Reason {
    const { accounts, counters, peers, self } = this.#parts;
    const traffic = declaredTraffic(packetBytes);
    counters.arrived(traffic, packetBytes.length);
    const isClaimed = peer.nodeId !== null && !peer.isProven;
    if (isClaimed && traffic !== 'control' && !isDeclaredFor(packetBytes, self)) {
      return Reason.UnprovenPeer;
    }
    const charged = peers.charge(peer.address, traffic, packetBytes.length, nowMillis);
    if (charged !== Reason.Accepted) return charged;
    if (!this.#care.hasRoom(packetBytes.length, traffic === 'free')) return Reason.Overloaded;
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
      const ttlSeconds = ttlSecondsOf(packetBytes, verdict.hasTtl, this.#parts);
      this.#accept(packetBytes, verdict, { from: peer.address, ttlSeconds, until, onOutcome });
    }
  }

  /**
   * Judges and sends a packet that starts at this node.
   * @returns when the packet was refused or accepted, without waiting for its first hop or for the node, as
   *   handlePacket until `accepted`; never rejects
   */
  submitPacket(packet: MeshPacket, ttlSeconds: number): Promise<PacketOutcome> {
    const packetBytes = encodePacket(packet);
    return new Promise((onOutcome) => {
      if (!this.#care.hasRoom(packetBytes.length))
        this.#refuse(Reason.Overloaded, onOutcome, packetBytes, null);
      else if (packet.packetType === 'Paid' && !this.#parts.accounts.canRecord())
        this.#refuse(Reason.NotRecorded, onOutcome, packetBytes, null);
      else {
        const sender = { previousHop: null, origin: 'local', peer: '' } as const;
        const judge = this.#judgeOf(sender, { from: null, patience: 'known' }, (verdict) => {
          if (verdict.kind === 'refused') this.#refuse(verdict.reason, onOutcome, packetBytes, null);
          else this.#accept(packetBytes, verdict, { from: null, ttlSeconds, until: 'accepted', onOutcome });
        });
        judge(packetBytes);
      }
    });
  }

  /**
   * Sends bytes to a directly connected peer, unjudged.
   * @throws MeshError when the link does not take them
   */
  async sendMeshPacket(address: string, packetData: Uint8Array): Promise<void> {
    if ((await this.#parts.link.send(address, packetData)) === 'full') {
      throw new MeshError('LINK_UNUSABLE', `${address} does not read what waits for it`, { address });
    }
    this.#parts.counters.hot.packets_sent.count++;
    this.#parts.peers.sentTo(address);
  }

  /** A neighbour is gone or was restarted: what it was given lately goes another way, or to it again. */
  neighbourLost(nodeId: NodeId): void {
    this.#care.neighbourLost((nextHop) => equalBytes(nextHop, nodeId));
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
    return !this.#care.hasRoom(LIMITS.PACKET_BYTES, true);
  }

  /** Whether accepted packets are on their way out. */
  get isMoving(): boolean {
    return this.#care.isMoving;
  }

  stats(): ReturnType<PacketCare['stats']> {
    return this.#care.stats();
  }

  close(): void {
    this.#care.close();
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

  /** Has packets judged; where the judge leaves a question to the node, the verdict is what the answer makes of it. */
  #judgeOf(sender: PacketSender, asker: Asker, act: OnVerdict): (packetBytes: Uint8Array) => void {
    const { judge, replay } = this.#parts;
    const onVerdict: OnVerdict = (verdict, bytes) => {
      // A worker claimed a key: the table gets its room for the next ones.
      if (verdict.kind === 'paid') replay.tend();
      if (verdict.kind !== 'question') act(verdict, bytes);
      else
        void this.#settled(bytes, verdict, asker).then((settled) => {
          act(settled, bytes);
        });
    };
    return (packetBytes) => {
      judge.judge(packetBytes, sender, onVerdict);
    };
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
      this.#acceptFree(bytes, verdict, how);
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

  #acceptFree(bytes: Uint8Array, verdict: PacketVerdict, how: Accepting): void {
    const { from, until, onOutcome } = how;
    const reason = this.#free.admit(bytes, verdict, from);
    if (reason === 'duplicate') this.#duplicate(onOutcome);
    else if (reason !== Reason.Accepted) this.#refuse(reason, onOutcome, bytes, from);
    else if (from !== null && this.#free.passOn(bytes, verdict, from)) {
      onOutcome(until === 'attempted' ? ATTEMPTED.handedOver : ACCEPTED);
    } else this.#take(new PacketHead(bytes), verdict, textKeyOfWords(verdict.mark), how);
  }

  #take(head: PacketHead, verdict: PacketVerdict, key: string, how: Accepting): void {
    const { from, ttlSeconds, until, onOutcome } = how;
    const { position, amountMsat: paidMsat } = verdict;
    const isPaid = verdict.kind === 'paid';
    this.#parts.counters.passed(isPaid ? 'paid' : 'free', head.bytes.length);
    const mark = isPaid ? null : verdict.mark.slice();
    const cared = new CaredPacket({ key, mark, from, position, paidMsat }, head);
    this.#care.take(cared, ttlSeconds * 1_000, (outcome) => {
      if (until === 'attempted') onOutcome(ATTEMPTED[outcome.kind]);
    });
    if (until === 'accepted') onOutcome(ACCEPTED);
  }
}

function senderOf(peer: Peer): PacketSender {
  return { previousHop: peer.nodeId, origin: 'peer', peer: peer.address };
}
