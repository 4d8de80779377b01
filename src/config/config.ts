/**
 * The configuration: TOML file, then environment on top, checked against schema.ts.
 *
 * Rules: api.md (flat keys and a `[mesh]` table mean the same), node-ipc.md 1 (MODULE_CONFIG_<KEY>). A bad value
 * stops the start with a MeshError that names file, line and what is allowed; an unknown key only warns.
 */
import { open } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorText, MeshError } from '../core/errors.js';
import { nodeIdOfKey, nodeKey, type NodeId, type NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import type {
  BindingRule,
  ConcentrationRule,
  FeeSchedule,
  JudgePolicy,
  MeshMode,
  Network,
} from '../core/policy.js';
import type { LogComponent, LogLevel } from '../core/ports.js';
import type { HostPort } from './kinds.js';
import { parsePeerList } from './peer-list.js';
import { readOptions } from './read.js';
import type { OptionValues } from './schema.js';

/** Checked and frozen. The names are those of docs/config.md in camelCase. */
export interface MeshConfig {
  readonly enabled: boolean;
  readonly mode: MeshMode;
  readonly network: Network;
  /** Where the direct transport listens, or null. */
  readonly listenAddr: HostPort | null;
  /** Where the HTTP door listens, or null. */
  readonly dashboardAddr: HostPort | null;
  /** `host:port` each. */
  readonly advertisedAddresses: readonly string[];
  readonly workers: number;
  /** Packets in one batch for a worker at most. */
  readonly batchMax: number;
  /** Microseconds that packets gather before a worker that sleeps is woken. */
  readonly batchLingerMicros: number;
  /** `host:port` or `NODEID@host:port` each; from loadConfig with those of the peer list. */
  readonly peers: readonly string[];
  /** As it is written in the file. */
  readonly peerList: string | null;
  /** As peers. */
  readonly bootstrapNodes: readonly string[];
  readonly maxPeers: number;
  readonly outboundPeers: number;
  readonly family: readonly NodeId[];
  /** Packets per minute of one peer. */
  readonly rateLimitPerMinute: number;
  /** Free packets per minute of one peer. */
  readonly freePacketsPerMinute: number;
  /** Bytes of free packets per minute of one peer. */
  readonly freeBytesPerMinute: number;
  /** 33 bytes in hex each. */
  readonly acceptedPayees: readonly string[];
  /** Lightning key (33 bytes in hex) by node. */
  readonly payees: readonly (readonly [NodeKey, string])[];
  /** 33 bytes in hex; overrides what the node tells. */
  readonly ownPayee: string | null;
  /** What a payee may owe this node; 0 for no cap. */
  readonly maxUnsettledMsat: bigint;
  readonly binding: BindingRule;
  /** Whether payments by covenant are accepted. */
  readonly ctv: boolean;
  /** Hex each. */
  readonly receiveScripts: readonly string[];
  /** Blocks, the payment's own included. */
  readonly minConfirmations: number;
  readonly fees: FeeSchedule;
  readonly governanceProtocols: readonly string[];
  readonly governanceNodes: readonly NodeKey[];
  readonly helloIntervalSeconds: number;
  readonly routeExpirySeconds: number;
  /** 0 to 1. */
  readonly maxEntityShare: number;
  readonly concentration: ConcentrationRule;
  /** Owner by network in CIDR notation. */
  readonly asnMap: readonly (readonly [string, string])[];
  /** Payments to which the table may grow. */
  readonly replayCapacity: number;
  readonly packetTtlSeconds: number;
  readonly nodeRequestsPerSecond: number;
  readonly logLevel: LogLevel;
  /** Of single components. */
  readonly logLevels: readonly (readonly [LogComponent, LogLevel])[];
}

export interface LoadedConfig {
  readonly config: MeshConfig;
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads a configuration from text.
 * @param source `text` is TOML ("" for none), `fileName` is what messages call it
 * @throws MeshError CONFIG_INVALID
 */
export function parseConfig(source: {
  readonly text: string;
  readonly fileName: string;
  readonly env: NodeJS.ProcessEnv;
}): LoadedConfig {
  const { values, warnings } = readOptions(source);
  return { config: configOf(values), warnings };
}

/**
 * Reads the configuration file and the peer list that it names.
 * @param source without `file` only the environment counts; `mayBeAbsent` takes a missing file for an empty one
 * @throws MeshError CONFIG_INVALID, CONFIG_UNREADABLE
 */
export async function loadConfig(source: {
  readonly file?: string;
  readonly mayBeAbsent?: boolean;
  readonly env: NodeJS.ProcessEnv;
}): Promise<LoadedConfig> {
  const { file, mayBeAbsent = false, env } = source;
  const text = file === undefined ? '' : await readText(file, mayBeAbsent);
  const loaded = parseConfig({ text, fileName: file ?? 'config.toml', env });
  const { peerList } = loaded.config;
  if (peerList === null) return loaded;
  const path = resolve(file === undefined ? '.' : dirname(file), peerList);
  const listed = parsePeerList(await readText(path, false), path);
  const peers = Object.freeze([...new Set([...loaded.config.peers, ...listed])]);
  return { config: Object.freeze({ ...loaded.config, peers }), warnings: loaded.warnings };
}

/** What the workers must know to judge packets. `ownPayee` is what the node told; the configuration overrides it. */
export function judgePolicyOf(
  config: MeshConfig,
  node: Pick<JudgePolicy, 'ownPayee' | 'paymentsSince'> &
    Partial<Pick<JudgePolicy, 'cappedPayees'>> & {
      readonly self: NodeId;
      /** Keys that neighbours declare in their signed hello. */
      readonly declaredPayees?: ReadonlyMap<NodeKey, readonly string[]>;
    },
): JudgePolicy {
  return {
    enabled: config.enabled,
    mode: config.mode,
    network: config.network,
    self: nodeKey(node.self),
    ownPayee: config.ownPayee ?? node.ownPayee,
    acceptedPayees: config.acceptedPayees,
    declaredPayees: [
      ...config.payees,
      ...[...(node.declaredPayees ?? [])].flatMap(([key, payees]) =>
        payees.map((payee) => [key, payee] as const),
      ),
    ],
    cappedPayees: node.cappedPayees ?? [],
    binding: config.binding,
    ctv: config.ctv,
    receiveScripts: config.receiveScripts,
    minConfirmations: config.minConfirmations,
    paymentsSince: node.paymentsSince,
    fees: config.fees,
    governanceProtocols: config.governanceProtocols,
    governanceNodes: config.governanceNodes,
  };
}

function configOf(values: Readonly<OptionValues>): MeshConfig {
  const { listen_addr: listenAddr, dashboard_addr: dashboardAddr } = values;
  return Object.freeze({
    enabled: values.enabled,
    mode: values.mode,
    network: values.network,
    listenAddr: listenAddr === null ? null : Object.freeze({ ...listenAddr }),
    dashboardAddr: dashboardAddr === null ? null : Object.freeze({ ...dashboardAddr }),
    advertisedAddresses: Object.freeze(values.advertised_addresses.slice(0, LIMITS.HELLO_ADDRESSES)),
    workers: values.workers,
    batchMax: values.batch_max,
    batchLingerMicros: values.batch_linger_us,
    peers: Object.freeze(values.peers),
    peerList: values.peer_list,
    bootstrapNodes: Object.freeze(values.bootstrap_nodes),
    maxPeers: values.max_peers,
    outboundPeers: values.outbound_peers,
    family: Object.freeze(values.family.slice(0, LIMITS.FAMILY_MEMBERS).map(nodeIdOfKey)),
    rateLimitPerMinute: values.rate_limit_per_minute,
    freePacketsPerMinute: values.free_packets_per_minute,
    freeBytesPerMinute: values.free_bytes_per_minute,
    acceptedPayees: Object.freeze(values.accepted_payees),
    payees: Object.freeze(values.payees.map((pair) => Object.freeze(pair))),
    ownPayee: values.own_payee,
    maxUnsettledMsat: values.max_unsettled_msats,
    binding: values.binding,
    ctv: values.ctv,
    receiveScripts: Object.freeze(values.receive_scripts),
    minConfirmations: values.min_confirmations,
    fees: Object.freeze({
      baseMsat: values['fees.base_msats'],
      perHopMsat: values['fees.per_hop_msats'],
      perKibMsat: values['fees.per_kib_msats'],
      proportionalPpm: values['fees.proportional_ppm'],
    }),
    governanceProtocols: Object.freeze(values.governance_protocols),
    governanceNodes: Object.freeze(values.governance_nodes),
    helloIntervalSeconds: values.hello_interval_seconds,
    routeExpirySeconds: values.route_expiry_seconds,
    maxEntityShare: values.max_entity_share / 100,
    concentration: values.concentration,
    asnMap: Object.freeze(values.asn_map.map((pair) => Object.freeze(pair))),
    replayCapacity: values.replay_capacity,
    packetTtlSeconds: values.packet_ttl_seconds,
    nodeRequestsPerSecond: values.node_requests_per_second,
    logLevel: values.log_level,
    logLevels: Object.freeze(values.log_levels.map((pair) => Object.freeze(pair))),
  });
}

/** The text of a file of bounded size, strict UTF-8. */
async function readText(path: string, mayBeAbsent: boolean): Promise<string> {
  try {
    const handle = await open(path, 'r');
    try {
      // One byte more than allowed shows that there is more, whatever kind of file it is.
      const buffer = new Uint8Array(LIMITS.CONFIG_FILE_BYTES + 1);
      let length = 0;
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
        length += bytesRead;
        if (bytesRead === 0 || length === buffer.length) break;
      }
      if (length > LIMITS.CONFIG_FILE_BYTES) throw tooLarge(path);
      return decodeText(buffer.subarray(0, length), path);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (error instanceof MeshError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (code === 'ENOENT' && mayBeAbsent) return '';
    throw new MeshError(
      'CONFIG_UNREADABLE',
      `cannot read ${path}: ${errorText(error)}. Check that it exists and that this user may read it.`,
      { file: path, code },
      { cause: error },
    );
  }
}

function tooLarge(path: string): MeshError {
  return new MeshError(
    'CONFIG_INVALID',
    `${path} is larger than ${LIMITS.CONFIG_FILE_BYTES} bytes. Is it the right file?`,
    { file: path, allowed: `at most ${LIMITS.CONFIG_FILE_BYTES} bytes` },
  );
}

function decodeText(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new MeshError(
      'CONFIG_INVALID',
      `${path} is not valid UTF-8. Save it as UTF-8 text.`,
      { file: path },
      { cause },
    );
  }
}
