/** What the mesh says of itself: objects for scripts, texts for people. Amounts are decimal strings in msat. */
import Table from 'cli-table3';
import { bigintAsText, type Json } from '../core/codec.js';
import { nodeKey } from '../core/ids.js';
import type { MeshModule } from '../engine/module.js';
import { consequenceOf, remedyFor } from '../node/refusals.js';
import { secp256k1 } from '../payment/bolt11/secp256k1.js';

export function statusJson(mesh: MeshModule): Json {
  const received = mesh.accounts.received();
  const judge = mesh.judge.stats();
  return {
    nodeId: nodeKey(mesh.self),
    mode: mesh.config.mode,
    network: mesh.config.network,
    enabled: mesh.config.enabled,
    uptimeSeconds: mesh.uptimeSeconds,
    peers: mesh.table.directPeers().length,
    routes: mesh.table.stats().totalRoutes,
    workers: judge.workers,
    secp256k1: { name: secp256k1.name, passedOver: secp256k1.passedOver },
    node: nodeJson(mesh),
    counters: { ...mesh.counters.snapshot() },
    replay: { ...mesh.replay.tableStats() },
    inCare: { ...mesh.manager.stats() },
    delivery: { ...mesh.delivery.stats() },
    transport: transportJson(mesh),
    ...ledgerFacts(mesh),
    received: {
      packets: received.packets,
      totalMsat: String(received.totalMsat),
      destinationMsat: String(received.destinationMsat),
      routersMsat: String(received.routersMsat),
      treasuryMsat: String(received.treasuryMsat),
    },
  };
}

/** The connection to the node; what it refuses, with what that means and what helps. */
function nodeJson(mesh: MeshModule): Json {
  const { state, nodeVersion, generation, connections, lost, corrupt, ...stats } = mesh.nodeStats();
  return {
    state,
    version: nodeVersion,
    generation,
    connections,
    lost,
    corrupt,
    refused: stats.refusedRequests.map((request) => ({
      request,
      consequence: consequenceOf(request),
      remedy: remedyFor(request),
    })),
    requests: { ...stats.requests },
    events: { ...stats.events },
    invocations: { ...stats.invocations },
  };
}

/** The direct transport and its connections, or null where the configuration has none. Bytes are those of frames. */
function transportJson({ links }: MeshModule): Json {
  const { transport } = links;
  if (transport === null) return null;
  return {
    ...transport.stats(),
    port: transport.port,
    links: transport.peers.map((session) => ({
      nodeId: nodeKey(session.nodeId),
      address: session.address,
      dialled: session.isOutbound,
      packetsIn: session.framesIn,
      packetsOut: session.outbox.frames,
      bytesIn: session.bytesIn,
      bytesOut: session.outbox.bytes,
      waitingBytes: session.outbox.pendingBytes,
    })),
  };
}

/** What was earned, for whom, and what each payee owes. */
export function ledgerJson(mesh: MeshModule): Json {
  return { ...ledgerFacts(mesh) };
}

/** Peers that have said who they are. */
export function peersJson(
  mesh: MeshModule,
): readonly { readonly nodeId: string; readonly address: string }[] {
  return mesh.table.directPeers().map(({ nodeId, address }) => ({ nodeId: nodeKey(nodeId), address }));
}

/** Known routes, hop by hop. */
export function routesJson(
  mesh: MeshModule,
): readonly { readonly ids: readonly string[]; readonly costSats: string; readonly ageSeconds: number }[] {
  return mesh.table.list().map(({ ids, cost, ageSeconds }) => ({
    ids: ids.map(nodeKey),
    costSats: String(cost),
    ageSeconds,
  }));
}

/** The configuration in force, by the names of MeshConfig. It holds no secrets. */
export function configJson(mesh: MeshModule): { readonly [key: string]: Json } {
  return JSON.parse(JSON.stringify(mesh.config, bigintAsText)) as { readonly [key: string]: Json };
}

/** A table for people: a head, and a line for each row. */
export function tableText(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const chars = { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' };
  const table = new Table({ head: [...head], chars, style: { head: [], border: [] } });
  table.push(...rows.map((row) => [...row]));
  return table.toString();
}

/** As `ledgerJson`, part by part. */
export function ledgerFacts(mesh: MeshModule): LedgerFacts {
  const totals = mesh.ledger.totals();
  return {
    ledger: {
      postings: totals.postings,
      totalMsat: String(totals.totalMsat),
      destinationMsat: String(totals.destinationMsat),
      routersMsat: String(totals.routersMsat),
      treasuryMsat: String(totals.treasuryMsat),
      conserved: totals.destinationMsat + totals.routersMsat + totals.treasuryMsat === totals.totalMsat,
    },
    monopoly: monopolyJson(mesh),
    debts: {
      capMsat: String(mesh.config.maxUnsettledMsat),
      payees: mesh.debts.list().map(({ payee, owedMsat, isCapped }) => ({
        payee,
        owedMsat: String(owedMsat),
        isCapped,
      })),
    },
  };
}

export interface LedgerFacts {
  readonly ledger: { readonly [name: string]: Json };
  readonly monopoly: Json;
  readonly debts: { readonly capMsat: string; readonly payees: readonly { readonly [name: string]: Json }[] };
}

/** Who forwards how much of what is paid (docs/anti-monopoly.md); shares from 0 to 1, the ten largest. */
function monopolyJson(mesh: MeshModule): Json {
  const { shares, ...stats } = mesh.table.chooser.stats();
  return {
    ...stats,
    concentration: mesh.config.concentration,
    shares: shares.slice(0, 10).map(({ entity, share }) => ({ entity, share })),
  };
}

function portText(port: number | null): string {
  return port === null ? 'not listening' : `port ${port}`;
}

export function statusText(mesh: MeshModule): string {
  const totals = mesh.ledger.totals();
  const node = mesh.nodeStats();
  const { counts, refused } = mesh.counters.snapshot();
  const refusals = Object.entries(refused).map(([reason, count]) => `  ${reason}: ${count}`);
  return [
    `node      ${nodeKey(mesh.self)}`,
    `mode      ${mesh.config.mode} on ${mesh.config.network}${mesh.config.enabled ? '' : ' (disabled)'}`,
    `up        ${mesh.uptimeSeconds} s`,
    `connected ${node.state === 'connected' ? `to a node ${node.nodeVersion}` : `no (${node.state})`}` +
      (node.lost === 0 ? '' : `, ${node.lost} connections lost`),
    ...node.refusedRequests.map((request) => `refused   ${request} by the node: ${consequenceOf(request)}`),
    `peers     ${mesh.table.directPeers().length}, routes ${mesh.table.stats().totalRoutes}`,
    mesh.links.transport === null
      ? 'transport off'
      : `transport ${mesh.links.transport.stats().connections} connections, ${portText(mesh.links.transport.port)}`,
    `packets   ${counts['packets_received'] ?? 0} received, ${counts['packets_delivered'] ?? 0} delivered, ` +
      `${counts['packets_forwarded'] ?? 0} forwarded`,
    `curve     ${secp256k1.name}${secp256k1.passedOver.length === 0 ? '' : ' (the native one does not load)'}`,
    `fees      ${totals.totalMsat} msat over ${totals.postings} payments`,
    refusals.length === 0 ? 'refused   nothing' : `refused\n${refusals.join('\n')}`,
  ].join('\n');
}
