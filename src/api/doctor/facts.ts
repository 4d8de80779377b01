/**
 * What a running module tells its doctor, over the door. Everything is read at the moment of the question; the
 * node is asked once, whether it has Lightning.
 */
import type { Json } from '../../core/codec.js';
import { nodeKey } from '../../core/ids.js';
import { errorText } from '../../core/errors.js';
import { Reason, REASON_TABLE } from '../../core/reasons.js';
import { peerEntry } from '../../config/kinds.js';
import type { MeshModule } from '../../engine/module.js';
import { capabilityFor } from '../../node/capabilities.js';
import type { ModuleIntegration } from '../../node/module-integration.js';
import { secp256k1 } from '../../payment/bolt11/secp256k1.js';
import { remedyOf } from '../explain/remedies.js';

/** Reasons that stand for the whole in what an operator is told. */
const MOST_REASONS = 5;

/** As JSON, since it comes over the door. */
export interface ModuleFacts {
  readonly version: string;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly node: {
    readonly state: string;
    readonly version: string;
    readonly lost: number;
    readonly refusedRequests: readonly string[];
    readonly missingCapabilities: readonly string[];
    readonly eventsDropped: number;
    readonly timedOut: number;
  };
  /** This node's Lightning key; null where it has none; the error where the node did not answer. */
  readonly lightning: { readonly key: string | null; readonly error: string | null };
  readonly secp256k1: { readonly name: string; readonly passedOver: readonly string[] };
  readonly workers: { readonly wanted: number; readonly running: number; readonly lost: number };
  readonly journal: { readonly isFailed: boolean; readonly records: number; readonly bytes: number };
  readonly replay: { readonly keys: number; readonly capacity: number; readonly refused: number };
  readonly routes: number;
  readonly peers: readonly {
    readonly address: string;
    readonly hasSaidHello: boolean;
    readonly clockAheadSeconds: number | null;
  }[];
  /** Configured peers to which there is no connection, neither of the node nor of the direct transport. */
  readonly missingPeers: readonly string[];
  readonly received: number;
  readonly accepted: number;
  readonly topReasons: readonly {
    readonly name: string;
    readonly count: number;
    readonly meaning: string;
    readonly remedy: string;
  }[];
  readonly logLinesDropped: number;
}

export interface FactsParts {
  readonly mesh: MeshModule;
  readonly integration: ModuleIntegration;
  readonly version: string;
  readonly logLinesDropped: () => number;
}

export async function moduleFacts({
  mesh,
  integration,
  version,
  logLinesDropped,
}: FactsParts): Promise<Json> {
  const { config, peers, table, replay, judge } = mesh;
  const connection = integration.stats();
  const { counts, refused } = mesh.counters.snapshot();
  const { keys, capacity, refused: full } = replay.tableStats();
  const judged = judge.stats();
  const known = peers.list();
  const addresses = new Set(known.map(({ address }) => address));
  const topReasons = REASON_TABLE.map(([, name, meaning]) => ({
    name,
    count: refused[name] ?? 0,
    meaning,
    remedy: remedyOf(Reason[name]),
  }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, MOST_REASONS);
  const facts = {
    version,
    pid: process.pid,
    uptimeSeconds: mesh.uptimeSeconds,
    node: {
      state: connection.state,
      version: connection.nodeVersion,
      lost: connection.lost,
      refusedRequests: connection.refusedRequests,
      missingCapabilities: missingCapabilities(connection.refusedRequests),
      eventsDropped: connection.events.dropped,
      timedOut: connection.requests.timedOut,
    },
    lightning: await lightningOf(mesh, integration),
    secp256k1: { name: secp256k1.name, passedOver: secp256k1.passedOver },
    workers: { wanted: config.workers, running: judged.workers, lost: judged.workersLost },
    journal: mesh.journalStats(),
    replay: { keys, capacity, refused: full },
    routes: table.stats().totalRoutes,
    peers: known.map(({ address, nodeId, clockAheadSeconds }) => ({
      address,
      hasSaidHello: nodeId !== null,
      clockAheadSeconds,
    })),
    missingPeers: [...config.peers, ...config.bootstrapNodes].filter((text) => {
      const address = peerEntry(text)?.address ?? text;
      return !addresses.has(address) && mesh.links.transport?.isConnectedTo(address) !== true;
    }),
    received: counts['packets_received'] ?? 0,
    accepted:
      (counts['packets_paid'] ?? 0) + (counts['packets_free'] ?? 0) + (counts['packets_control'] ?? 0),
    topReasons,
    logLinesDropped: logLinesDropped(),
    nodeId: nodeKey(mesh.self),
  } satisfies ModuleFacts & { nodeId: string };
  return JSON.parse(JSON.stringify(facts)) as Json;
}

function missingCapabilities(refused: readonly string[]): readonly string[] {
  return [...new Set(refused.map((request) => capabilityFor(request) ?? `(for ${request})`))];
}

async function lightningOf(
  { config }: MeshModule,
  integration: ModuleIntegration,
): Promise<ModuleFacts['lightning']> {
  if (config.ownPayee !== null) return { key: config.ownPayee, error: null };
  try {
    const info = await integration.nodeApi().getLightningInfo();
    return { key: info === null ? null : Buffer.from(info.node_pubkey).toString('hex'), error: null };
  } catch (error) {
    return { key: null, error: errorText(error) };
  }
}
