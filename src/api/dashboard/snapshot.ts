/** Everything that the page shows at one moment, as JSON. Amounts are decimal text in msat. Main thread. */
import type { Json } from '../../core/codec.js';
import { nodeKey, type NodeId } from '../../core/ids.js';
import { LIMITS } from '../../core/limits.js';
import { Reason, REASON_TABLE } from '../../core/reasons.js';
import type { MeshModule } from '../../engine/module.js';
import type { Histogram } from '../../metrics/latency.js';
import type { ModuleIntegration } from '../../node/module-integration.js';
import { remedyOf } from '../explain/remedies.js';
import { newestPackets } from '../explain/explain.js';
import { healthOf } from '../metrics/health.js';
import type { RecentLine } from '../../store/log.js';
import { ledgerFacts, routesJson } from '../status.js';
import type { History } from './history.js';

export interface SnapshotParts {
  readonly mesh: MeshModule;
  readonly integration: ModuleIntegration;
  readonly history: History;
  /** Newest last. */
  readonly recentWarnings: () => readonly RecentLine[];
}

const ROUTES_SHOWN = 100;
const PACKETS_SHOWN = 25;
const PAYEES_SHOWN = 50;
const NODES_SHOWN = 150;
const BANS_SHOWN = 50;

export function snapshotOf({ mesh, integration, history, recentWarnings }: SnapshotParts): Json {
  const { config, counters, judge, table, recorder, timings } = mesh;
  const judged = judge.stats();
  const sample = history.samples.at(-1) ?? null;
  const { refused } = counters.snapshot();
  const { ledger, monopoly, debts } = ledgerFacts(mesh);
  const received = mesh.accounts.received();
  const snapshot = {
    nodeId: nodeKey(mesh.self),
    mode: config.mode,
    network: config.network,
    faults: healthOf(mesh, integration).faults,
    uptimeSeconds: mesh.uptimeSeconds,
    rates: sample?.rates ?? {
      received: 0,
      paid: 0,
      free: 0,
      control: 0,
      delivered: 0,
      forwarded: 0,
      refused: 0,
    },
    sample,
    historyLength: LIMITS.DASHBOARD_SAMPLES,
    latency: {
      ...quantiles('packet', timings.endToEnd),
      ...quantiles('judge', timings.judge),
      ...quantiles('fsync', timings.fsync),
      ...quantiles('node', timings.nodeRequest),
    },
    workers: judged.workers,
    queued: judged.queued + judged.inFlight,
    earnedMsat: String(received.destinationMsat),
    peers: mesh.peers.list().map(({ address, nodeId, clockAheadSeconds }) => ({
      address,
      nodeId: nodeId === null ? null : nodeKey(nodeId),
      clockAheadSeconds,
      ...history.trafficOf(address),
    })),
    topology: topologyOf(mesh, history),
    routes:
      table.stats().totalRoutes > LIMITS.ROUTES_PER_NEIGHBOUR * ROUTES_SHOWN
        ? []
        : routesJson(mesh).slice(0, ROUTES_SHOWN),
    packets: newestPackets(mesh, PACKETS_SHOWN),
    ledger,
    debtCapMsat: debts.capMsat,
    payees: debts.payees.slice(0, PAYEES_SHOWN),
    monopoly,
    refusals: REASON_TABLE.flatMap(([code, name, meaning]) => {
      const count = refused[name] ?? 0;
      return count === 0 ? [] : [{ code, name, meaning, count, remedy: remedyOf(Reason[name]) }];
    }).sort((a, b) => b.count - a.count),
    floodedOut: recorder.stats().floodedOut,
    bans: mesh.links.transport?.bans(BANS_SHOWN) ?? [],
    allBans: mesh.links.transport?.stats().bans ?? 0,
    warnings: [...recentWarnings()].reverse(),
  };
  return snapshot as unknown as Json;
}

function quantiles(name: string, histogram: Histogram): Readonly<Record<string, number | null>> {
  return { [`${name}P50`]: histogram.quantile(0.5), [`${name}P99`]: histogram.quantile(0.99) };
}

/** The nodes of known routes by their distance, and the links between them; those of this node with their rates. */
function topologyOf({ self, table }: MeshModule, history: History): Json {
  const hops = new Map<string, { readonly id: NodeId; hops: number }>([
    [nodeKey(self), { id: self, hops: 0 }],
  ]);
  const links = new Map<
    string,
    { readonly a: string; readonly b: string; readonly packetsPerSecond: number | null }
  >();
  const routes = [
    ...table.directPeers().map(({ nodeId }) => [self, nodeId]),
    ...table.newestRoutes(ROUTES_SHOWN).map(({ ids }) => ids),
  ];
  for (const ids of routes) {
    for (const [index, id] of ids.entries()) {
      const key = nodeKey(id);
      const known = hops.get(key);
      if (known === undefined) hops.set(key, { id, hops: index });
      else known.hops = Math.min(known.hops, index);
      const before = ids[index - 1];
      if (before === undefined) continue;
      const [a = '', b = ''] = [nodeKey(before), key].sort();
      if (!links.has(`${a} ${b}`)) links.set(`${a} ${b}`, { a, b, packetsPerSecond: rateOf(before, id) });
    }
  }
  function rateOf(from: NodeId, to: NodeId): number | null {
    const address = nodeKey(from) === nodeKey(self) ? table.addressOf(to) : null;
    if (address === null) return null;
    const { inPerSecond, outPerSecond } = history.trafficOf(address);
    return inPerSecond + outPerSecond;
  }
  const { chooser, entities } = table;
  const shares = new Map(chooser.stats().shares.map(({ entity, share }) => [String(entity), share]));
  const nodes = [...hops]
    .sort(([, a], [, b]) => a.hops - b.hops)
    .slice(0, NODES_SHOWN)
    .map(([id, node]) => {
      const entity = String(entities.entityOfId(node.id));
      return { id, hops: node.hops, entity, share: shares.get(entity) ?? 0, isSelf: id === nodeKey(self) };
    });
  return { nodes, links: [...links.values()], leftOut: hops.size - nodes.length };
}
