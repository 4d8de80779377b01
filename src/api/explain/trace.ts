/**
 * `trace`: asks the network for a fresh route to a node, whatever the table knows, and then each hop of it for itself.
 *
 * Rules: routing.md, Discovery (the probe is a route request; a node beside the asked one whose own search found a way
 * moments ago may answer in its place). Main thread.
 */
import type { Json } from '../../core/codec.js';
import { nodeKey, type NodeId } from '../../core/ids.js';
import { priceMsat } from '../../ledger/fee.js';
import type { MeshModule } from '../../engine/module.js';
import { tableText } from '../status.js';

/** Together shorter than a command waits for its answer (DOOR_ANSWER_MILLIS), on the longest route. */
const PROBE_MILLIS = 10_000;
const HOP_PROBE_MILLIS = 2_000;

export interface TracedHop {
  readonly nodeId: string;
  /** null where the hop is no direct peer. */
  readonly address: string | null;
  /** From asking for the hop to the first answer; null for this node, and where none came in time. */
  readonly answeredMillis: number | null;
}

export interface Trace {
  readonly destination: string;
  readonly isFound: boolean;
  readonly hops: readonly TracedHop[];
  readonly costSats: string;
  /** What a packet without payload over this way costs here. */
  readonly priceMsat: string;
  /** Neighbours that could be asked. */
  readonly peers: number;
  readonly knownRoutes: number;
}

type Traced = Pick<MeshModule, 'clock' | 'discovery' | 'table' | 'self' | 'config'>;

/** Sends the probes; never rejects. */
export async function trace(mesh: Traced, destination: NodeId): Promise<Trace> {
  const { table, config } = mesh;
  const knownRoutes = table.alternatives(destination).length;
  const probed = await probe(mesh, destination, PROBE_MILLIS);
  const about = {
    destination: nodeKey(destination),
    peers: table.directPeers().length,
    knownRoutes,
  };
  if (probed.route === null) {
    return { ...about, isFound: false, hops: [], costSats: '0', priceMsat: '0' };
  }
  const { ids, cost } = probed.route;
  // One after another: asked at once they would be each other's wait.
  const answered: (number | null)[] = [null];
  for (const id of ids.slice(1, -1)) answered.push((await probe(mesh, id, HOP_PROBE_MILLIS)).millis);
  answered.push(probed.millis);
  return {
    ...about,
    isFound: true,
    hops: ids.map((id, index) => ({
      nodeId: nodeKey(id),
      address: table.addressOf(id),
      answeredMillis: answered[index] ?? null,
    })),
    costSats: String(cost),
    priceMsat: String(priceMsat(config.fees, ids.length - 1, 0)),
  };
}

async function probe(
  { clock, discovery }: Traced,
  destination: NodeId,
  timeoutMillis: number,
): Promise<{
  readonly route: Awaited<ReturnType<Traced['discovery']['discover']>>;
  readonly millis: number | null;
}> {
  const since = clock.monotonicMillis();
  const route = await discovery.discover(destination, { timeoutMillis });
  const millis = Math.round(10 * (clock.monotonicMillis() - since)) / 10;
  return { route, millis: route === null ? null : millis };
}

export function traceJson(traced: Trace): Json {
  return { ...traced, hops: traced.hops.map((hop) => ({ ...hop })) };
}

export function traceText(traced: Trace): string {
  const { destination, hops, costSats, knownRoutes, peers } = traced;
  if (!traced.isFound) {
    return [
      `no answer about ${destination} within ${PROBE_MILLIS / 1_000} s.`,
      `Asked were ${peers} peers; ${knownRoutes} routes to it were known before.`,
      peers === 0
        ? 'what to do: this node has no peer that has said hello: `blvm-mesh doctor` says what is missing'
        : 'what to do: check the id, and that this node is up; it may lie more than 10 hops away, or behind nodes that are down',
    ].join('\n');
  }
  const rows = hops.map(({ nodeId, address, answeredMillis }, index) => [
    index,
    nodeId,
    index === 0 ? 'this node' : (address ?? ''),
    answeredMillis === null ? (index === 0 ? '' : 'no answer') : `${answeredMillis} ms`,
  ]);
  const count = hops.length - 1;
  return [
    tableText(['hop', 'node id', 'address', 'answered in'], rows),
    `${count} ${count === 1 ? 'hop' : 'hops'}, costs ${costSats} sats as announced; a packet without payload is ${traced.priceMsat} msat here`,
  ].join('\n');
}
