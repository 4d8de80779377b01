/**
 * One node of an EngineNet: every part of the engine, joined as MeshModule has them (src/engine/joined.ts), mostly with
 * the plain judge in place of the worker pool, a disk in memory and the net's links.
 *
 * What a restart finds is on the disk alone: `EngineNode.start` on the same disk is the same node's next run.
 */
import { nodeKey, type NodeId } from '../../src/core/ids.js';
import type { JudgePolicy, MeshMode } from '../../src/core/policy.js';
import type { Clock, Log, Random, PeerLink, RelayLink } from '../../src/core/ports.js';
import { Reason, reasonName, type ReasonName } from '../../src/core/reasons.js';
import type { Accounts } from '../../src/engine/accounts.js';
import { judgedPacket } from '../../src/engine/cared-packet.js';
import { CarriedBalances } from '../../src/engine/carried.js';
import { Debts } from '../../src/engine/debts.js';
import { DeliveryDesk } from '../../src/engine/delivery.js';
import { restore } from '../../src/engine/foundations.js';
import { controlHeaders, joinParts } from '../../src/engine/joined.js';
import { postingBytesOf } from '../../src/engine/ledger-records.js';
import type { MeshManager } from '../../src/engine/mesh-manager.js';
import type { PacketOutcome } from '../../src/engine/packet-outcome.js';
import type { Outbound } from '../../src/engine/outbound.js';
import type { PeerBook } from '../../src/engine/peers.js';
import type { Settlements } from '../../src/engine/settlements.js';
import type { PaymentState, Utxo } from '../../src/node/messages.js';
import { Ledger, type LedgerAudit } from '../../src/ledger/ledger.js';
import { Counters } from '../../src/metrics/counters.js';
import { FlightRecorder } from '../../src/metrics/recorder.js';
import { PlainProtocolDetector } from '../../src/packet/detect.js';
import type { LocalDelivery } from '../../src/packet/module-api.js';
import { RoutingPolicyEngine } from '../../src/packet/policy.js';
import type { PaymentProof } from '../../src/packet/proof.js';
import { InlineJudge } from '../../src/pool/inline-judge.js';
import type { PacketJudge } from '../../src/pool/judge-port.js';
import { VerdictPool } from '../../src/pool/verdict-pool.js';
import { FINGERPRINT_SECRET_BYTES, PlainFingerprinter } from '../../src/replay/fingerprint.js';
import { ReplayPrevention } from '../../src/replay/replay-prevention.js';
import { SharedReplayTable } from '../../src/replay/shared-table.js';
import { PlainReplayTable, type ReplayTable } from '../../src/replay/table.js';
import type { RouteDiscovery } from '../../src/routing/discovery.js';
import { RoutingTable } from '../../src/routing/table.js';
import { Journal, JOURNAL_FILE } from '../../src/store/journal.js';
import { hinting } from './follows.js';
import type { MemoryDisk } from '../unit/store/memory-disk.js';

/** The parts run on the net's steps instead of module.ts's timer; as often. */
const SWEEP_MILLIS = 1_000;

export interface EngineNodeOptions {
  readonly self: NodeId;
  readonly policy: JudgePolicy;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: MemoryDisk;
  readonly link: RelayLink & PeerLink;
  readonly helloIntervalMillis: number;
  readonly packetTtlSeconds: number;
  readonly packetsPerMinute: number;
  readonly freePacketsPerMinute: number;
  readonly freeBytesPerMinute: number;
  readonly maxPeers: number;
  readonly replayKeys: number;
  /** Worker threads that judge its packets; 0 for the plain judge on this thread. */
  readonly workers: number;
  /** Whether the plain judge says of packets that they follow each other. */
  readonly hints: boolean;
  /** What a payee may owe the node; 0 for no cap. */
  readonly maxUnsettledMsat: bigint;
}

/** Something that could not be routed. */
export interface RouteFailure {
  readonly destination: NodeId;
  readonly reason: ReasonName;
}

/** What judges a node's packets, and the payments that it knows. */
interface Judging {
  readonly table: ReplayTable;
  readonly judge: PacketJudge;
}

async function judgingOf(options: EngineNodeOptions, log: Log): Promise<Judging> {
  const { policy, clock, random, replayKeys, workers, hints } = options;
  const secret = random.bytes(FINGERPRINT_SECRET_BYTES);
  if (workers === 0) {
    const table = new PlainReplayTable(replayKeys);
    const judge = new InlineJudge({ policy, table, secret, clock });
    return { table, judge: hints ? hinting(judge) : judge };
  }
  const table = SharedReplayTable.create(new PlainFingerprinter(secret), replayKeys);
  const judge = await VerdictPool.start({ workers, policy, table: table.memory, secret, log, clock });
  return { table, judge };
}

export class EngineNode {
  readonly self: NodeId;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly peers: PeerBook;
  readonly delivery: DeliveryDesk;
  readonly manager: MeshManager;
  readonly outbound: Outbound;
  readonly accounts: Accounts;
  readonly debts: Debts;
  readonly replay: ReplayPrevention;
  readonly replayTable: ReplayTable;
  readonly ledger = new Ledger();
  readonly counters = new Counters();
  readonly recorder: FlightRecorder;
  readonly settlements: Settlements;
  /** What the node says about payments on the chain: it knows of none until a test says otherwise. */
  readonly chain = {
    getUtxo: (): Promise<Utxo | null> => Promise.resolve(null),
    getPaymentState: (): Promise<PaymentState | null> => Promise.resolve(null),
  };
  readonly judge: PacketJudge;
  readonly journal: Journal;
  readonly disk: MemoryDisk;
  /** Ids, in hex, of accepted packets whose time ran out here. */
  readonly expired: string[] = [];
  readonly failures: RouteFailure[] = [];
  /** Proofs of payments that it announced as accepted. */
  readonly announced: PaymentProof[] = [];
  readonly #options: EngineNodeOptions;
  readonly #delivered: LocalDelivery[] = [];
  #policy: JudgePolicy;
  #isClosed = false;

  /** Opens the journal on the disk, takes what earlier runs accepted, and starts the hello rounds. */
  static async start(options: EngineNodeOptions): Promise<EngineNode> {
    const { disk, clock, random } = options;
    const log: Log = { log: () => undefined };
    const isFirstRun = disk.files.size === 0;
    const journal = await Journal.open({ disk, path: JOURNAL_FILE, clock, log, isFirstRun });
    await journal.compact(
      () => new CarriedBalances(clock, random),
      () => undefined,
    );
    const policy = { ...options.policy, paymentsSince: journal.knowsSince };
    const judging = await judgingOf({ ...options, policy }, log);
    const node = new EngineNode({ ...options, policy }, journal, judging);
    await restore({ journal, table: node.replayTable }, node.accounts, clock, log);
    node.peers.start();
    node.#sweepLater();
    return node;
  }

  private constructor(options: EngineNodeOptions, journal: Journal, { table, judge }: Judging) {
    const { self, policy, clock, random, link } = options;
    const log: Log = {
      log: (_level, message, facts) => {
        if (message.startsWith('an accepted packet could not be delivered'))
          this.expired.push(String(facts?.['packetId']));
      },
    };
    this.#options = options;
    this.#policy = policy;
    this.self = self;
    this.disk = options.disk;
    this.journal = journal;
    this.replayTable = table;
    this.replay = new ReplayPrevention(this.replayTable, clock);
    this.judge = judge;
    this.recorder = new FlightRecorder({ clock, entries: 1_000, bytes: 262_144 });
    this.table = new RoutingTable({ self, clock, random, fees: policy.fees });
    this.delivery = new DeliveryDesk(() => Promise.reject(new Error('no module here')), clock, log);
    this.debts = new Debts({
      ownPayee: policy.ownPayee,
      ledger: this.ledger,
      capMsat: options.maxUnsettledMsat,
      log,
      onCapsChanged: () => {
        this.#setPolicy({ cappedPayees: this.debts.capped() });
      },
    });
    const joined = joinParts({
      self,
      clock,
      random,
      logs: () => log,
      counters: this.counters,
      recorder: this.recorder,
      judge: this.judge,
      replay: this.replay,
      ledger: this.ledger,
      debts: this.debts,
      journal,
      table: this.table,
      delivery: this.delivery,
      node: {
        getUtxo: () => this.chain.getUtxo(),
        getPaymentState: () => this.chain.getPaymentState(),
      },
      questionsPerSecond: 20,
      peerSettings: {
        maxPeers: options.maxPeers,
        staticPeers: new Set(),
        packetsPerMinute: options.packetsPerMinute,
        freePacketsPerMinute: options.freePacketsPerMinute,
        freeBytesPerMinute: options.freeBytesPerMinute,
        helloIntervalMillis: options.helloIntervalMillis,
      },
      header: controlHeaders({ self, clock, random }),
      link,
      sendControl: (address, packet) => {
        link.send(address, packet.slice()).catch(() => undefined);
      },
      challenge: null,
      onSignedHello: () => Reason.UnknownControl,
      onNeighbourLost: () => undefined,
      onRouteFound: () => undefined,
      publisher: {
        routeFailed: (destination, reason) => {
          this.failures.push({ destination, reason: reasonName(reason) });
        },
        paymentVerified: (packetBytes) => {
          const { paymentProof } = judgedPacket(packetBytes);
          if (paymentProof !== null) this.announced.push(paymentProof);
        },
      },
      judgePolicy: () => this.#policy,
      routingPolicy: () => new RoutingPolicyEngine(this.#policy, new PlainProtocolDetector()),
      fees: () => policy.fees,
      packetTtlSeconds: () => options.packetTtlSeconds,
    });
    this.discovery = joined.discovery;
    this.peers = joined.peers;
    this.accounts = joined.accounts;
    this.settlements = joined.settlements;
    this.manager = joined.manager;
    this.outbound = joined.outbound;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  setMode(mode: MeshMode): void {
    this.#setPolicy({ mode });
  }

  handle(packetBytes: Uint8Array, address: string): Promise<PacketOutcome> {
    return this.manager.handlePacket(packetBytes.slice(), address);
  }

  /** Everything that was delivered here in this run, oldest first. */
  delivered(): readonly LocalDelivery[] {
    this.#delivered.push(...this.delivery.poll(null, Number.POSITIVE_INFINITY));
    return this.#delivered;
  }

  /** Recomputes the ledger from the journal. */
  audit(): Promise<LedgerAudit> {
    return this.ledger.verify(() => this.#postings());
  }

  /** How often something was refused here, over all reasons. */
  refusals(): number {
    return Object.values(this.counters.snapshot().refused).reduce((sum, count) => sum + count, 0);
  }

  /** What a packet that is refused must leave as it was: all but the peer's own allowance and the counters. */
  state(): Readonly<Record<string, unknown>> {
    return {
      keys: this.replay.stats().activeHashes,
      windows: this.replay.stats().trackedPeers,
      ledger: this.ledger.totals(),
      journal: this.journal.stats(),
      care: this.manager.stats(),
      delivered: this.delivered().length,
      sent: this.counters.countOf('packets_sent'),
      peers: this.table.directPeers().map(({ nodeId, address }) => `${nodeKey(nodeId)} ${address}`),
      routes: this.table.stats().totalRoutes,
    };
  }

  /** Ends this run: in an orderly way, or as a kill -9 would, with what was not yet durable lost. */
  async stop(way: 'close' | 'kill'): Promise<void> {
    this.#isClosed = true;
    this.peers.stop();
    this.manager.close();
    this.discovery.close();
    await this.judge.close();
    if (way === 'close') await this.journal.close();
  }

  #setPolicy(changes: Partial<JudgePolicy>): void {
    this.#policy = { ...this.#policy, ...changes };
    this.judge.updatePolicy(this.#policy);
    this.settlements.updatePolicy(this.#policy);
  }

  #sweepLater(): void {
    this.#options.clock.after(SWEEP_MILLIS, () => {
      if (this.#isClosed) return;
      this.discovery.sweep();
      this.replay.cleanupExpired();
      this.#sweepLater();
    });
  }

  async *#postings(): AsyncGenerator<readonly Uint8Array[]> {
    for await (const batch of this.journal.batches()) yield batch.map(postingBytesOf);
  }
}
