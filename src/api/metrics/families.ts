/**
 * Every metric of this module: name, kind, what it says, and where its values come from.
 *
 * Read when somebody asks, from what the parts count anyway; nothing here runs on the packet path. docs/metrics.md is
 * made from this table. Units are in the names: seconds, bytes, msat.
 */
import { markdownTable, madeFrom } from '../../core/markdown.js';
import { Reason, REASON_TABLE } from '../../core/reasons.js';
import type { MeshModule } from '../../engine/module.js';
import type { Histogram } from '../../metrics/latency.js';
import type { ModuleIntegration } from '../../node/module-integration.js';
import {
  areaOf,
  arrivals,
  labelled,
  middle,
  middleAge,
  peersByState,
  proofs,
  type Sample,
} from './readings.js';

export interface MetricSources {
  readonly mesh: MeshModule;
  readonly integration: Pick<ModuleIntegration, 'stats'>;
  readonly logLinesDropped: () => number;
}

interface Family {
  readonly help: string;
  readonly labels?: readonly string[];
}

interface ValueFamily extends Family {
  readonly kind: 'counter' | 'gauge';
  readonly read: (sources: MetricSources) => readonly Sample[] | number;
}

interface HistogramFamily extends Family {
  readonly kind: 'histogram';
  readonly of: (sources: MetricSources) => Histogram;
}

export type MetricFamily = ValueFamily | HistogramFamily;

export const METRIC_PREFIX = 'blvm_mesh_';

/** Entities with a label of their own; the rest would be labels without end. */
const MOST_ENTITIES = 10;

const counter = (help: string, read: ValueFamily['read'], ...labels: string[]): MetricFamily => ({
  kind: 'counter',
  help,
  labels,
  read,
});
const gauge = (help: string, read: ValueFamily['read'], ...labels: string[]): MetricFamily => ({
  kind: 'gauge',
  help,
  labels,
  read,
});
const histogram = (help: string, of: HistogramFamily['of']): MetricFamily => ({
  kind: 'histogram',
  help,
  of,
});

const sats = (msat: bigint): number => Number(msat);

export const METRICS: Readonly<Record<string, MetricFamily>> = {
  up_seconds: gauge('time since the start', ({ mesh }) => mesh.uptimeSeconds),
  info: gauge(
    'always 1; the mode and the network in force',
    ({ mesh: { config } }) => [
      { labels: { mode: config.mode, network: config.network, enabled: String(config.enabled) }, value: 1 },
    ],
    'mode',
    'network',
    'enabled',
  ),

  peers: gauge(
    'peers by state, greeted (has said hello) or silent, and by transport: direct, or the relay of the node',
    ({ mesh }) => peersByState(mesh),
    'state',
    'transport',
  ),
  peer_clock_ahead_seconds: gauge('how far the clock of the middle peer is ahead of this one', ({ mesh }) =>
    middle(mesh.peers.list().flatMap(({ clockAheadSeconds: ahead }) => ahead ?? [])),
  ),

  packets_total: counter(
    'packets by what happened to them: received, delivered, forwarded, sent, repaired, duplicate, paid, free, control',
    ({ mesh }) =>
      Object.entries(mesh.counters.snapshot().counts).flatMap(([name, value]) =>
        name.startsWith('packets_') ? [{ labels: { event: name.slice('packets_'.length) }, value }] : [],
      ),
    'event',
  ),
  arrived_total: counter(
    'packets that arrived, by the class they say they are of',
    ({ mesh }) => arrivals(mesh, 'packets'),
    'class',
  ),
  arrived_bytes_total: counter('their bytes', ({ mesh }) => arrivals(mesh, 'bytes'), 'class'),
  refused_total: counter(
    'refusals by reason (docs/reasons.md) and its area',
    ({ mesh }) => {
      const { refused } = mesh.counters.snapshot();
      return REASON_TABLE.flatMap(([code, name]) =>
        refused[name] === undefined
          ? []
          : [{ labels: { reason: name, area: areaOf(code) }, value: refused[name] }],
      );
    },
    'reason',
    'area',
  ),
  passed_bytes_total: counter(
    'bytes of packets that passed, by what they were found to be',
    ({ mesh }) => labelled('class', mesh.counters.snapshot().passedBytes),
    'class',
  ),
  refused_bytes_total: counter(
    'bytes of packets that were refused, by reason',
    ({ mesh }) => labelled('reason', mesh.counters.snapshot().refusedBytes),
    'reason',
  ),
  proofs_total: counter(
    'payments by kind of proof and what came of them; of refused ones the kind is told where the reason tells it',
    ({ mesh }) => proofs(mesh),
    'kind',
    'reason',
  ),
  in_care: gauge(
    'accepted packets that wait for their next hop, or are kept until it has surely passed them on',
    ({ mesh }) => {
      const { waiting, kept } = mesh.manager.stats();
      return labelled('state', { waiting, kept });
    },
    'state',
  ),
  in_care_bytes: gauge('their bytes', ({ mesh }) => mesh.manager.stats().bytes),
  inbox_packets: gauge(
    'delivered packets that no module has fetched yet',
    ({ mesh }) => mesh.delivery.stats().inbox,
  ),
  handler_failures_total: counter(
    'handlers that did not take a packet',
    ({ mesh }) => mesh.delivery.stats().failures,
  ),

  judge_seconds: histogram(
    'from the queue of its peer to the verdict of a worker (sampled)',
    ({ mesh }) => mesh.timings.judge,
  ),
  queue_seconds: histogram(
    'of this, from the queue until a worker took the packet (sampled)',
    ({ mesh }) => mesh.timings.queue,
  ),
  worker_seconds: histogram('of a worker with one batch', ({ mesh }) => mesh.timings.worker),
  verify_seconds: histogram(
    'of a worker with one packet, in the mean of its batch',
    ({ mesh }) => mesh.timings.verify,
  ),
  packet_seconds: histogram(
    'from the arrival of a packet to its delivery or its next hop (sampled)',
    ({ mesh }) => mesh.timings.endToEnd,
  ),
  judged_total: counter('verdicts given', ({ mesh }) => mesh.judge.stats().judged),
  judge_queued: gauge('packets that wait for a place in a batch', ({ mesh }) => mesh.judge.stats().queued),
  judge_in_flight: gauge(
    'packets in batches that are not back yet',
    ({ mesh }) => mesh.judge.stats().inFlight,
  ),
  judge_batches_total: counter('batches that workers took', ({ mesh }) => mesh.judge.stats().batches),
  workers: gauge('threads that judge', ({ mesh }) => mesh.judge.stats().workers),
  workers_lost_total: counter(
    'workers that were lost and replaced',
    ({ mesh }) => mesh.judge.stats().workersLost,
  ),

  replay_keys: gauge('used payments that are remembered', ({ mesh }) => mesh.replay.tableStats().keys),
  replay_capacity: gauge('used payments that fit', ({ mesh }) => mesh.replay.tableStats().capacity),
  replay_load: gauge('used part of the slots, 0 to 1', ({ mesh }) => mesh.replay.tableStats().load),
  replay_probes: gauge(
    'places that a check reads, in the mean',
    ({ mesh }) => mesh.replay.tableStats().probes,
  ),
  replay_hits_total: counter('payments that were used before', ({ mesh }) =>
    mesh.counters.refusedFor(Reason.ReplayedPayment),
  ),
  replay_full_total: counter('payments that found no room', ({ mesh }) => mesh.replay.tableStats().refused),
  shared_memory_bytes: gauge(
    'shared memory: touched by the replay table, and reserved for batches with their verdicts and for issued invoices',
    ({ mesh }) =>
      labelled('part', {
        replay: mesh.replay.tableStats().bytes,
        batches: mesh.judge.stats().sharedBytes,
        invoices: mesh.invoices.sharedBytes,
      }),
    'part',
  ),

  journal_records: gauge('records in all files', ({ mesh }) => mesh.journalStats().records),
  journal_bytes: gauge('bytes in all files', ({ mesh }) => mesh.journalStats().bytes),
  journal_segments: gauge('files', ({ mesh }) => mesh.journalStats().segments),
  journal_queued_bytes: gauge('bytes that wait for the disk', ({ mesh }) => mesh.journalStats().queuedBytes),
  journal_groups_total: counter('groups made durable', ({ mesh }) => mesh.journalStats().groups),
  journal_failed: gauge('1 where it could not be written: paid packets are refused', ({ mesh }) =>
    Number(mesh.journalStats().isFailed),
  ),
  journal_fsync_seconds: histogram('one fdatasync of the journal', ({ mesh }) => mesh.timings.fsync),

  routes: gauge(
    'routes known: to direct peers, and learned ones; and destinations ready in the cache',
    ({ mesh }) => {
      const { totalRoutes, directPeers, cachedRoutes } = mesh.table.stats();
      return labelled('kind', {
        direct: directPeers,
        learned: totalRoutes - directPeers,
        cached: cachedRoutes,
      });
    },
    'kind',
  ),
  route_age_seconds: gauge('age of the middle one of the newest learned routes', ({ mesh }) =>
    middleAge(mesh),
  ),
  discovery_requests_total: counter(
    'route requests: sent by this node, forwarded, and answered by it',
    ({ mesh }) => {
      const {
        requestsSent: sent,
        requestsForwarded: forwarded,
        responsesAnswered: answered,
      } = mesh.discovery.stats();
      return labelled('what', { sent, forwarded, answered });
    },
    'what',
  ),
  discovery_searches_total: counter(
    'searches of this node by how they ended',
    ({ mesh }) => {
      const { routesFound: found, routesFailed: failed } = mesh.discovery.stats();
      return labelled('result', { found, failed });
    },
    'result',
  ),
  discovery_pending: gauge('searches in flight', ({ mesh }) => mesh.discovery.stats().pending),
  discovery_seconds: histogram(
    'from the start of a search to its first route',
    ({ mesh }) => mesh.timings.discovery,
  ),
  discovery_path_hops: histogram('hops of the first route of a search', ({ mesh }) => mesh.timings.pathHops),
  feasibility_refused_total: counter(
    'advertised routes that were not feasible',
    ({ mesh }) => mesh.discovery.stats().hintsRefused,
  ),

  fees_msat_total: counter(
    'fees posted since the journal began, by whose part they are',
    ({ mesh }) => {
      const { destinationMsat, routersMsat, treasuryMsat } = mesh.ledger.totals();
      return labelled('role', {
        destination: sats(destinationMsat),
        routers: sats(routersMsat),
        treasury: sats(treasuryMsat),
      });
    },
    'role',
  ),
  fee_postings_total: counter('payments posted', ({ mesh }) => mesh.ledger.totals().postings),
  conservation_error_msat: gauge('paid in less what is owed of it; anything but 0 is a fault', ({ mesh }) => {
    const { totalMsat, destinationMsat, routersMsat, treasuryMsat } = mesh.ledger.totals();
    return sats(totalMsat - destinationMsat - routersMsat - treasuryMsat);
  }),
  payees_capped: gauge(
    'payees that owe as much as they may',
    ({ mesh }) => mesh.debts.list().filter(({ isCapped }) => isCapped).length,
  ),

  entity_share: gauge(
    'share of the ten largest entities in what is forwarded, 0 to 1 (docs/anti-monopoly.md)',
    ({ mesh }) =>
      mesh.table.chooser
        .stats()
        .shares.slice(0, MOST_ENTITIES)
        .map(({ entity, share }) => ({ labels: { entity: entity.slice(0, 16) }, value: share })),
    'entity',
  ),
  entity_cap: gauge(
    'share that one entity may have, as things stand',
    ({ mesh }) => mesh.table.chooser.stats().cap,
  ),
  hhi: gauge('Herfindahl-Hirschman index, 0 to 10,000', ({ mesh }) => mesh.table.chooser.stats().hhi),
  nakamoto: gauge(
    'entities that it takes for more than half',
    ({ mesh }) => mesh.table.chooser.stats().nakamoto,
  ),
  choices_total: counter(
    'routes chosen, degraded (only-route rule) and refused',
    ({ mesh }) => {
      const { chosen, degraded, refused } = mesh.table.chooser.stats();
      return labelled('result', { chosen, degraded, refused });
    },
    'result',
  ),

  node_connected: gauge('1 while the node is connected', ({ integration }) =>
    Number(integration.stats().state === 'connected'),
  ),
  node_requests_total: counter(
    'requests to the node by how they ended',
    ({ integration }) => {
      const { sent, answered, timedOut } = integration.stats().requests;
      return labelled('result', { sent, answered, timed_out: timedOut });
    },
    'result',
  ),
  node_request_seconds: histogram(
    'from a request to send a packet to its answer (sampled)',
    ({ mesh }) => mesh.timings.nodeRequest,
  ),
  node_requests_waiting: gauge(
    'requests that wait for their turn',
    ({ integration }) => integration.stats().requests.waiting,
  ),
  node_events_total: counter(
    'events of the node: received, and missed because this process did not keep up',
    ({ integration }) => {
      const { received, dropped } = integration.stats().events;
      return labelled('result', { received, missed: dropped });
    },
    'result',
  ),
  node_connections_lost_total: counter(
    'connections that ended',
    ({ integration }) => integration.stats().lost,
  ),
  node_refused_requests: gauge(
    'kinds of requests that the node refuses for want of a capability',
    ({ integration }) => integration.stats().refusedRequests.length,
  ),

  recorder_entries: gauge('entries of the flight recorder', ({ mesh }) => mesh.recorder.stats().entries),
  log_lines_dropped_total: counter('log lines that the disk did not take in time', ({ logLinesDropped }) =>
    logLinesDropped(),
  ),
};

/** docs/metrics.md */
export function metricsMarkdown(): string {
  const rows = Object.entries(METRICS).map(([name, { kind, labels = [], help }]) => [
    `\`${METRIC_PREFIX}${name}\``,
    kind,
    labels.join(', '),
    help,
  ]);
  return [
    madeFrom('src/api/metrics/families.ts'),
    '# Metrics',
    'Served at `/metrics` of the HTTP door (`dashboard_addr`), in the text format of Prometheus, together with those of the process and of Node.js (`process_…`, `nodejs_…`: memory, loop lag, garbage collection). [monitoring](monitoring/README.md) has alert rules and a Grafana dashboard for them.',
    `${markdownTable(['metric', 'kind', 'labels', 'what it says'], rows)}\n`,
  ].join('\n\n');
}
