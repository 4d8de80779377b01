/**
 * The running mesh: every part made, joined, started and stopped in the right order.
 *
 * Rules: architecture.md (threads), node-ipc.md (two ways to run; what the node refuses is done without).
 * What must survive a SIGKILL is on disk before it is acted on. Main thread.
 */
import { nodeKey, type NodeId } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type { Clock } from '../core/ports.js';
import type { JudgePolicy, MeshMode } from '../core/policy.js';
import { judgePolicyOf, type MeshConfig } from '../config/config.js';
import { changedOptions, type ConfigChanges } from '../config/live.js';
import { Counters } from '../metrics/counters.js';
import { FlightRecorder } from '../metrics/recorder.js';
import { Ledger } from '../ledger/ledger.js';
import type { ConnectionStats } from '../node/connection.js';
import { PlainProtocolDetector } from '../packet/detect.js';
import { RoutingPolicyEngine } from '../packet/policy.js';
import type { VerdictPool } from '../pool/verdict-pool.js';
import { ReplayPrevention } from '../replay/replay-prevention.js';
import type { RouteDiscovery } from '../routing/discovery.js';
import { NetworkGroups } from '../routing/network-group.js';
import type { RoutingTable } from '../routing/table.js';
import type { Journal, JournalStats } from '../store/journal.js';
import type { Accounts } from './accounts.js';
import { Debts } from './debts.js';
import type { DeliveryDesk } from './delivery.js';
import { SUBSCRIBED_EVENTS } from './event-table.js';
import { followEvents } from './events.js';
import { layFoundations, restore, type Foundations, type MeshModuleOptions } from './foundations.js';
import { controlHeaders, joinParts } from './joined.js';
import { Links } from './links.js';
import type { MeshManager } from './mesh-manager.js';
import {
  configureParts,
  deliveryDeskOf,
  greetPeersOf,
  peerSettings,
  questionsPerSecond,
  routingTableOf,
} from './module-parts.js';
import type { Outbound } from './outbound.js';
import type { PeerBook } from './peers.js';
import { EventPublisher } from './publisher.js';
import { IssuedInvoices } from './registry.js';
import type { Settlements } from './settlements.js';
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
    const { identity, judge, journal, timings } = parts;
    const { nodeId: self } = identity;
    this.#options = options;
    this.#config = config;
    this.#journal = journal;
    this.#invoiceJournal = parts.invoiceJournal;
    this.#ownPayee = parts.ownPayee;
    this.#startedMillis = clock.monotonicMillis();
    const header = controlHeaders({ self, clock, random });
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
      header,
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
    this.delivery = deliveryDeskOf(integration, clock, logs('packets'));
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
    const joined = joinParts({
      self,
      clock,
      random,
      logs,
      counters: this.counters,
      recorder: this.recorder,
      judge: timings.judged(judge),
      replay: this.replay,
      ledger: this.ledger,
      debts: this.debts,
      journal,
      table: this.table,
      delivery: this.delivery,
      node: integration.nodeApi(),
      questionsPerSecond: questionsPerSecond(config),
      peerSettings: peerSettings(config),
      header,
      link: links,
      sendControl: (address, packet) => {
        links.sendControl(address, packet);
      },
      challenge: (address, claimed) => {
        links.challenge(address, claimed);
      },
      onSignedHello: (peer, packet) => links.onSignedHello(peer, packet),
      onNeighbourLost: (nodeId, address) => {
        links.neighbourLost(nodeId, address);
      },
      onRouteFound: (route, tookMillis) => {
        timings.found(route.ids.length - 1, tookMillis);
        publisher.routeDiscovered(route);
      },
      publisher,
      judgePolicy: () => this.#judgePolicy(),
      routingPolicy: () => this.#policy,
      fees: () => this.#config.fees,
      packetTtlSeconds: () => this.#config.packetTtlSeconds,
    });
    this.discovery = joined.discovery;
    this.peers = joined.peers;
    this.accounts = joined.accounts;
    this.settlements = joined.settlements;
    this.manager = joined.manager;
    this.outbound = joined.outbound;
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

  /**
   * Stops taking packets, judges those that are here, and gives all that were accepted to whoever is next, as far as that takes
   * them within a few seconds; then closes the journal.
   */
  async close(): Promise<void> {
    this.#upkeep.stop();
    this.peers.stop();
    this.links.transport?.leave();
    await this.judge.close();
    await this.accounts.idle();
    await this.#moved();
    this.manager.close();
    await this.links.close();
    this.discovery.close();
    await this.invoices.idle();
    await this.#invoiceJournal?.close();
    await this.#journal.close();
  }

  /** Resolves when no accepted packet is on its way any more, or after a while: what waits for a route is not waited for. */
  async #moved(): Promise<void> {
    const { clock, logs } = this.#options;
    const until = clock.monotonicMillis() + LIMITS.STOP_MILLIS;
    while (this.manager.isMoving || this.delivery.isMoving) {
      if (clock.monotonicMillis() >= until) break;
      await new Promise<void>((resolve) => void clock.after(LIMITS.STOP_LOOK_MILLIS, resolve));
    }
    const { waiting } = this.manager.stats();
    const { inbox } = this.delivery.stats();
    if (waiting + inbox > 0)
      logs('packets').log('warn', 'accepted packets are left behind', {
        undelivered: waiting,
        unpolled: inbox,
      });
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
