/**
 * The running mesh: every part made, joined, started and stopped in the right order.
 *
 * Rules: architecture.md (threads), node-ipc.md (two ways to run; what the node refuses is done without).
 * What must survive a SIGKILL is on disk before it is acted on. Main thread.
 */
import { nodeKey, type NodeId } from '../core/ids.js';
import type { Clock } from '../core/ports.js';
import type { JudgePolicy, MeshMode } from '../core/policy.js';
import { randomU64 } from '../core/random.js';
import { Reason } from '../core/reasons.js';
import { judgePolicyOf, type MeshConfig } from '../config/config.js';
import { changedOptions, type ConfigChanges } from '../config/live.js';
import { Counters } from '../metrics/counters.js';
import { FlightRecorder } from '../metrics/recorder.js';
import { Ledger } from '../ledger/ledger.js';
import { helloPacket, type ControlHeader } from '../packet/control.js';
import { encodePacket } from '../packet/packet.js';
import type { ConnectionStats } from '../node/connection.js';
import { PlainProtocolDetector } from '../packet/detect.js';
import { RoutingPolicyEngine } from '../packet/policy.js';
import type { VerdictPool } from '../pool/verdict-pool.js';
import { ReplayPrevention } from '../replay/replay-prevention.js';
import { RouteDiscovery } from '../routing/discovery.js';
import { NetworkGroups } from '../routing/network-group.js';
import type { RoutingTable } from '../routing/table.js';
import type { Journal, JournalStats } from '../store/journal.js';
import { Accounts } from './accounts.js';
import { Debts } from './debts.js';
import type { DeliveryDesk } from './delivery.js';
import { SUBSCRIBED_EVENTS } from './event-table.js';
import { followEvents } from './events.js';
import { layFoundations, restore, type Foundations, type MeshModuleOptions } from './foundations.js';
import { Links } from './links.js';
import { MeshManager } from './mesh-manager.js';
import {
  configureParts,
  deliveryDeskOf,
  greetPeersOf,
  peerSettings,
  questionsPerSecond,
  routingTableOf,
} from './module-parts.js';
import { Outbound } from './outbound.js';
import { PeerBook } from './peers.js';
import { EventPublisher } from './publisher.js';
import { IssuedInvoices } from './registry.js';
import { Settlements } from './settlements.js';
import type { Timings } from './timings.js';
import { Upkeep } from './upkeep.js';

export class MeshModule {
  readonly self: NodeId;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly recorder: FlightRecorder;
  readonly timings: Timings;
  readonly table: RoutingTable;
  readonly discovery: RouteDiscovery;
  readonly links: Links;
  readonly peers: PeerBook;
  readonly delivery: DeliveryDesk;
  readonly manager: MeshManager;
  readonly outbound: Outbound;
  readonly accounts: Accounts;
  readonly debts: Debts;
  readonly ledger: Ledger;
  readonly judge: VerdictPool;
  readonly replay: ReplayPrevention;
  readonly settlements: Settlements;
  readonly invoices: IssuedInvoices;
  readonly #options: MeshModuleOptions;
  readonly #journal: Journal;
  readonly #invoiceJournal: Journal | null;
  readonly #ownPayee: string | null;
  readonly #startedMillis: number;
  readonly #upkeep: Upkeep;
  #config: MeshConfig;
  #policy: RoutingPolicyEngine;
  #controlSequence: bigint;

  /**
   * Starts the mesh on a connected node: restores what the journal holds, starts the workers, subscribes.
   * @throws MeshError when the data directory or the workers cannot be used, or the node refuses the subscription
   */
  static async start(options: MeshModuleOptions): Promise<MeshModule> {
    const foundations = await layFoundations(options);
    const mesh = new MeshModule(options, foundations);
    try {
      await restore(foundations, mesh.accounts, options.clock, options.logs('store'));
      await mesh.invoices.restore();
      await mesh.#join();
    } catch (error) {
      // Workers keep the process alive.
      await foundations.judge.close();
      throw error;
    }
    return mesh;
  }

  private constructor(options: MeshModuleOptions, parts: Foundations) {
    const { config, clock, random, logs, integration } = options;
    const log = logs('peers');
    const { identity, judge, journal, timings } = parts;
    const { nodeId: self } = identity;
    this.#options = options;
    this.#config = config;
    this.#journal = journal;
    this.#invoiceJournal = parts.invoiceJournal;
    this.#ownPayee = parts.ownPayee;
    this.#startedMillis = clock.monotonicMillis();
    this.#controlSequence = randomU64(random) >> 1n;
    this.self = self;
    this.clock = clock;
    this.judge = judge;
    this.replay = new ReplayPrevention(parts.table, clock);
    this.counters = new Counters();
    this.recorder = new FlightRecorder({ clock });
    this.timings = timings;
    this.ledger = new Ledger();
    const groups = new NetworkGroups(config.asnMap.map(([prefix, group]) => ({ prefix, group })));
    this.links = new Links({
      identity,
      config: () => this.#config,
      clock,
      random,
      log: logs('transport'),
      counters: this.counters,
      groups,
      judge,
      ownPayee: parts.ownPayee,
      relay: timings.sent({
        send: (address, bytes) => integration.nodeApi().sendMeshPacketToPeer(address, bytes),
      }),
      header: () => this.#header(),
      peers: () => this.peers,
      manager: () => this.manager,
      onDeclared: (nodeId, declared, arePayeesOther) => {
        this.table.entities.declareFamily(nodeKey(nodeId), declared?.family.map(nodeKey) ?? []);
        this.table.prices.declare(nodeId, declared);
        if (arePayeesOther) this.#judgeBy(this.#config);
      },
    });
    const { links } = this;
    this.debts = new Debts({
      ownPayee: parts.ownPayee?.toLowerCase() ?? null,
      ledger: this.ledger,
      capMsat: config.maxUnsettledMsat,
      log: logs('payments'),
      onCapsChanged: () => {
        judge.updatePolicy(this.#judgePolicy());
      },
    });
    this.#policy = this.#policyEngine();

    const publisher = new EventPublisher(
      (event) => integration.publish(event),
      clock,
      logs('node'),
      this.counters,
    );
    this.table = routingTableOf(self, options, groups);
    this.discovery = new RouteDiscovery({
      self,
      table: this.table,
      clock,
      random,
      transmit: (peer, message) => {
        const address = this.table.addressOf(peer);
        if (address !== null) links.sendDiscovery(address, peer, message);
      },
      onRouteFound: (route, tookMillis) => {
        this.counters.count('routes_discovered');
        timings.found(route.ids.length - 1, tookMillis);
        this.manager.routesChanged();
        publisher.routeDiscovered(route);
      },
      onRouteFailed: (destination, reason) => {
        this.counters.count('routes_not_found');
        publisher.routeFailed(destination, reason);
      },
    });
    this.peers = new PeerBook({
      self,
      clock,
      random,
      ...peerSettings(config),
      sendHello: (address) => {
        const nodeId = this.peers.at(address)?.nodeId ?? null;
        links.sendControl(address, encodePacket(helloPacket(this.#header(), nodeId)));
      },
      challenge: (address, claimed) => {
        links.challenge(address, claimed);
      },
      onJoined: (nodeId, address) => {
        const reason = this.table.addDirectPeer(nodeId, address);
        if (reason === Reason.Accepted) {
          log.log('info', 'a peer joined', { nodeId: nodeKey(nodeId), address });
          this.manager.routesChanged();
        }
        return reason;
      },
      onMoved: (nodeId, address) => {
        log.log('info', 'a peer is reached another way', { nodeId: nodeKey(nodeId), address });
        this.table.moveDirectPeer(nodeId, address);
      },
      onLost: (nodeId, address) => {
        log.log('info', 'a peer was lost', { nodeId: nodeKey(nodeId), address });
        links.neighbourLost(nodeId, address);
        this.table.removeDirectPeer(nodeId);
        this.discovery.announceLoss(nodeId);
        this.manager.neighbourLost(nodeId);
      },
      onReturned: (nodeId) => {
        log.log('info', 'a peer was restarted', { nodeId: nodeKey(nodeId) });
        this.manager.neighbourLost(nodeId);
      },
    });
    this.delivery = deliveryDeskOf(integration, clock, logs('packets'));
    this.accounts = new Accounts({
      self,
      clock,
      random,
      ledger: this.ledger,
      append: (records) => journal.append(records),
      hasRoom: (payloadBytes) => journal.hasRoom(payloadBytes),
      debts: this.debts,
      routerWeights: (routers) => this.table.chooser.feeWeights(routers),
    });
    this.settlements = new Settlements({
      node: integration.nodeApi(),
      clock,
      log: logs('payments'),
      counters: this.counters,
      policy: this.#judgePolicy(),
      questionsPerSecond: questionsPerSecond(config),
    });
    this.invoices = new IssuedInvoices({
      registry: parts.registry,
      journal: parts.invoiceJournal,
      judge,
      clock,
      log: logs('payments'),
      counters: this.counters,
      payee: parts.ownPayee?.toLowerCase() ?? null,
      network: config.network,
    });
    this.manager = new MeshManager({
      self,
      clock,
      random,
      log: logs('packets'),
      counters: this.counters,
      recorder: this.recorder,
      judge: timings.judged(judge),
      peers: this.peers,
      table: this.table,
      discovery: this.discovery,
      accounts: this.accounts,
      replay: this.replay,
      settlements: this.settlements,
      delivery: this.delivery,
      link: links,
      onSignedHello: (peer, packet) => links.onSignedHello(peer, packet),
      fees: () => this.#config.fees,
      packetTtlSeconds: () => this.#config.packetTtlSeconds,
      publisher,
    });
    this.outbound = new Outbound({
      self,
      clock,
      table: this.table,
      discovery: this.discovery,
      manager: this.manager,
      policy: () => this.#policy,
      fees: () => this.#config.fees,
      packetTtlSeconds: () => this.#config.packetTtlSeconds,
    });
    const { accounts, invoices, discovery, replay, recorder } = this;
    this.#upkeep = new Upkeep({ clock, random, journal, accounts, invoices, discovery, replay, recorder });
  }

  /** In force. */
  get config(): MeshConfig {
    return this.#config;
  }

  /** Seconds since the start. */
  get uptimeSeconds(): number {
    return Math.floor((this.clock.monotonicMillis() - this.#startedMillis) / 1_000);
  }

  /** Holds for every packet from now on; not written to the configuration file. */
  setMode(mode: MeshMode): void {
    this.#judgeBy({ ...this.#config, mode });
  }

  /**
   * Takes over what can change while running; config/live.ts says what.
   * @throws MeshError where the workers cannot be changed; then nothing has
   */
  async reconfigure(read: MeshConfig): Promise<ConfigChanges> {
    const { workers, batchMax: batchPackets, batchLingerMicros } = read;
    await this.judge.reshape({ workers, batchPackets, batchLingerMicros });
    const before = this.#config;
    const changes = changedOptions(before, read);
    const { config } = changes;
    this.#judgeBy(config);
    configureParts(this, this.#options.integration, before);
    await this.links.configure(before);
    return changes;
  }

  #judgeBy(config: MeshConfig): void {
    this.#config = config;
    this.#policy = this.#policyEngine();
    this.judge.updatePolicy(this.#judgePolicy());
    this.settlements.updatePolicy(this.#judgePolicy());
  }

  /** What came of the connection to the node, and what the node refuses. */
  nodeStats(): ConnectionStats {
    return this.#options.integration.stats();
  }

  /** Of the journal of payments. */
  journalStats(): JournalStats {
    return this.#journal.stats();
  }

  /** Stops taking packets, finishes those that are judged, and closes the journal. */
  async close(): Promise<void> {
    this.#upkeep.stop();
    this.peers.stop();
    await this.links.close();
    await this.judge.close();
    this.manager.close();
    this.discovery.close();
    await this.invoices.idle();
    await this.#invoiceJournal?.close();
    await this.#journal.close();
  }

  #policyEngine(): RoutingPolicyEngine {
    return new RoutingPolicyEngine(this.#judgePolicy(), new PlainProtocolDetector());
  }

  #judgePolicy(): JudgePolicy {
    return judgePolicyOf(this.#config, {
      declaredPayees: this.links.declaredPayees(),
      self: this.self,
      ownPayee: this.#ownPayee,
      paymentsSince: this.#journal.knowsSince,
      cappedPayees: this.debts.capped(),
    });
  }

  #header(): ControlHeader {
    this.#controlSequence += 1n;
    return { self: this.self, sequence: this.#controlSequence, nowSeconds: this.clock.unixSeconds() };
  }

  /** Subscribes, greets the peers that are connected already, and follows the node's events. */
  async #join(): Promise<void> {
    const { integration, logs, onNodeShutdown, onConfigLoaded } = this.#options;
    const { manager, peers, settlements, invoices, delivery, timings } = this;
    const events = integration.eventReceiver();
    void followEvents(events, {
      manager: timings.handled(manager),
      peers,
      settlements,
      invoices,
      delivery,
      log: logs('node'),
      onNodeShutdown,
      greetPeers: () => this.greetPeers(),
      reload: onConfigLoaded,
      maintain: () => this.#upkeep.compact(),
    });
    await integration.subscribeEvents(SUBSCRIBED_EVENTS);
    await this.greetPeers();
    integration.onStateChange((state) => {
      if (state !== 'connected') return;
      // What the chain did meanwhile was told to nobody.
      settlements.chainChanged();
      void this.greetPeers();
    });
    await this.links.start();
    this.peers.start();
    this.discovery.start();
    this.#upkeep.start();
  }

  /** Says hello to every peer that the node has. */
  greetPeers(): Promise<void> {
    return greetPeersOf(this.#options.integration, this.peers, this.#options.logs('node'));
  }
}
