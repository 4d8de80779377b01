/** The demonstration's result: one object for scripts (amounts in msat), tables for people. */
import Table from 'cli-table3';
import type { Json } from '../core/codec.js';
import type { TrafficRecord } from './traffic.js';

/** One hop of the route that is shown. */
export interface ShownHop {
  readonly node: string;
  readonly address: string;
  readonly nodeId: string;
  readonly role: string;
}

/** One direction of a connection of the direct transport. */
export interface ShownLink {
  readonly from: string;
  readonly to: string;
  readonly packets: number;
  readonly packetsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface DemoResult {
  readonly seconds: number;
  readonly records: readonly TrafficRecord[];
  readonly lost: number;
  readonly cheatsSent: number;
  /** Cheats that got through: must be 0. */
  readonly cheatsAccepted: number;
  /** How many cheats must be refused for each reason. */
  readonly expected: Readonly<Record<string, number>>;
  /** Refusals of all nodes, by reason. */
  readonly refused: Readonly<Record<string, number>>;
  /** Packets that came a second time while the node still had the first in care: acknowledged, and nothing more. */
  readonly repeated: number;
  readonly fees: {
    readonly destinationMsat: bigint;
    readonly routersMsat: bigint;
    readonly treasuryMsat: bigint;
    readonly totalMsat: bigint;
  };
  /** Whether every node's ledger adds up, and together they hold what was paid for the delivered packets. */
  readonly conserved: boolean;
  /** None where packets go over the nodes. */
  readonly links: readonly ShownLink[];
  readonly route: readonly ShownHop[];
  readonly firstDeliverySeconds: number | null;
}

export function resultJson(result: DemoResult): Json {
  const latencies = sortedLatencies(result.records);
  return {
    delivered: result.records.length,
    lost: result.lost,
    cheats: { sent: result.cheatsSent, accepted: result.cheatsAccepted, expected: result.expected },
    refused: result.refused,
    repeated: result.repeated,
    packetsPerSecond: round(result.records.length / result.seconds),
    latencyMs: { p50: round(quantile(latencies, 0.5)), p99: round(quantile(latencies, 0.99)) },
    hops: countBy(result.records, ({ hops }) => String(hops)),
    protocols: countBy(result.records, ({ protocol }) => protocol),
    fees: {
      destination: Number(result.fees.destinationMsat),
      routers: Number(result.fees.routersMsat),
      treasury: Number(result.fees.treasuryMsat),
      total: Number(result.fees.totalMsat),
      conserved: result.conserved,
    },
    firstDeliverySeconds: result.firstDeliverySeconds === null ? null : round(result.firstDeliverySeconds),
    links: result.links.map((link) => ({
      ...link,
      packetsPerSecond: round(link.packetsPerSecond),
      bytesPerSecond: round(link.bytesPerSecond),
    })),
    route: result.route.map((hop) => ({ ...hop })),
  };
}

export function resultText(result: DemoResult): string {
  const latencies = sortedLatencies(result.records);
  const { fees } = result;
  const hops = countBy(result.records, ({ hops }) => `${hops} hop${hops === 1 ? '' : 's'}`);
  const protocols = countBy(result.records, ({ protocol }) => protocol);

  const main = tableOf(['paid packets', '']);
  main.push(
    ['delivered', String(result.records.length)],
    ['lost', String(result.lost)],
    ['by route length', listed(hops)],
    ['by protocol', listed(protocols)],
    ['packets/s', String(round(result.records.length / result.seconds))],
    ['latency p50 / p99', `${round(quantile(latencies, 0.5))} / ${round(quantile(latencies, 0.99))} ms`],
  );
  const refusals = tableOf(['replays and cheats refused', 'count']);
  for (const [reason, count] of Object.entries(result.refused)) refusals.push([reason, String(count)]);
  if (result.repeated > 0) refusals.push(['came again, in care still', String(result.repeated)]);
  refusals.push([`sent ${result.cheatsSent}, got through`, String(result.cheatsAccepted)]);

  const split = tableOf(['fees of the delivered packets', 'msat', 'share']);
  const share = (part: bigint): string =>
    fees.totalMsat === 0n ? '-' : `${(Number((part * 10_000n) / fees.totalMsat) / 100).toFixed(2)} %`;
  split.push(
    ['destinations', String(fees.destinationMsat), share(fees.destinationMsat)],
    ['routers', String(fees.routersMsat), share(fees.routersMsat)],
    ['treasury', String(fees.treasuryMsat), share(fees.treasuryMsat)],
    ['together', String(fees.totalMsat), `conserved: ${result.conserved ? 'yes' : 'NO'}`],
  );
  const route = tableOf(['one packet, hop by hop', 'address', 'node id', 'role']);
  for (const hop of result.route) route.push([hop.node, hop.address, hop.nodeId, hop.role]);
  const links = tableOf(['direct links', 'packets', 'packets/s', 'kB/s']);
  for (const { from, to, packets, packetsPerSecond, bytesPerSecond } of result.links) {
    const rates = [round(packetsPerSecond), round(bytesPerSecond / 1_000)].map(String);
    links.push([`${from} to ${to}`, String(packets), ...rates]);
  }
  const shown = result.links.length === 0 ? [main, refusals, split] : [main, refusals, split, links];
  return [...shown, route].map(String).join('\n\n');
}

/** Without colours, so that it reads the same in a file, and without lines between rows. */
function tableOf(head: string[]): Table.Table {
  const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  return new Table({ head, chars, style: { head: [], border: [] } });
}

function sortedLatencies(records: readonly TrafficRecord[]): readonly number[] {
  return records.map(({ latencyMillis }) => latencyMillis).sort((a, b) => a - b);
}

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
}

function countBy(
  records: readonly TrafficRecord[],
  key: (record: TrafficRecord) => string,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const record of records) counts[key(record)] = (counts[key(record)] ?? 0) + 1;
  return Object.fromEntries(Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function listed(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
