/**
 * Every option of the configuration: the one table behind validation, docs/config.md and module.toml.
 *
 * Rules: api.md (names and defaults of the documents), payments.md (modes, payees, governance), routing.md (fees,
 * expiry), node-ipc.md (request rate). A dot in a name is a TOML table: `fees.base_msats` is `base_msats` in `[fees]`.
 */
import { availableParallelism } from 'node:os';
import type { NodeKey } from '../core/ids.js';
import { LIMITS } from '../core/limits.js';
import {
  BINDING_RULES,
  CONCENTRATION_RULES,
  MESH_MODES,
  type BindingRule,
  type ConcentrationRule,
  type MeshMode,
  type Network,
} from '../core/policy.js';
import { LOG_COMPONENTS, LOG_LEVELS, type LogComponent, type LogLevel } from '../core/ports.js';
import {
  address,
  filePath,
  hostPort,
  lightningKey,
  networkPrefix,
  nodeIdText,
  oneOf,
  outputScript,
  peerAddress,
  protocolId,
  type HostPort,
} from './kinds.js';
import {
  amountOption,
  booleanOption,
  choiceOption,
  integerOption,
  listOption,
  pairsOption,
  textOption,
  type Option,
} from './options.js';

/** What each option yields. */
export interface OptionValues {
  enabled: boolean;
  mode: MeshMode;
  network: Network;
  listen_addr: HostPort | null;
  dashboard_addr: HostPort | null;
  advertised_addresses: readonly string[];
  workers: number;
  batch_max: number;
  batch_linger_us: number;
  peers: readonly string[];
  peer_list: string | null;
  bootstrap_nodes: readonly string[];
  max_peers: number;
  outbound_peers: number;
  family: readonly NodeKey[];
  rate_limit_per_minute: number;
  free_packets_per_minute: number;
  free_bytes_per_minute: number;
  accepted_payees: readonly string[];
  payees: readonly (readonly [NodeKey, string])[];
  own_payee: string | null;
  max_unsettled_msats: bigint;
  binding: BindingRule;
  ctv: boolean;
  receive_scripts: readonly string[];
  min_confirmations: number;
  'fees.base_msats': bigint;
  'fees.per_hop_msats': bigint;
  'fees.per_kib_msats': bigint;
  'fees.proportional_ppm': bigint;
  governance_protocols: readonly string[];
  governance_nodes: readonly NodeKey[];
  hello_interval_seconds: number;
  route_expiry_seconds: number;
  max_entity_share: number;
  concentration: ConcentrationRule;
  asn_map: readonly (readonly [string, string])[];
  replay_capacity: number;
  packet_ttl_seconds: number;
  node_requests_per_second: number;
  log_level: LogLevel;
  log_levels: readonly (readonly [LogComponent, LogLevel])[];
}

export type OptionName = keyof OptionValues;

const NETWORKS: readonly Network[] = ['mainnet', 'testnet', 'testnet4', 'signet', 'regtest'];

/** 0.1 BTC: a price above it is a slip of the keyboard. */
const MAX_PRICE_MSATS = 10_000_000_000n;

/** All bitcoin that can exist. */
const MAX_UNSETTLED_MSATS = 2_100_000_000_000_000_000n;

export const OPTIONS: { readonly [N in OptionName]: Option<OptionValues[N]> } = {
  enabled: booleanOption(
    true,
    'Whether the module carries traffic. When false it connects to the node and answers its API, and refuses every packet.',
  ),
  mode: choiceOption(
    MESH_MODES,
    'payment_gated',
    'What is carried: Bitcoin P2P alone; free protocols and paid mesh packets; or everything for free.',
  ),
  network: choiceOption(
    NETWORKS,
    'mainnet',
    'The network of the node. Invoices and Bitcoin messages of another one are refused.',
  ),
  listen_addr: textOption(
    hostPort,
    '0.0.0.0:8334',
    'Where the direct transport takes connections of other mesh nodes (docs/transport.md); "[::]:8334" takes IPv6 and ' +
      'IPv4. "" switches listening off: this node then only dials. Bitcoin Core uses port 8334 too, for Tor.',
  ),
  advertised_addresses: listOption(
    address,
    'Where this node can be dialled from outside, told to its peers: behind NAT the address and port that are forwarded ' +
      'to listen_addr. The first four count. Without one nobody learns where this node is.',
  ),
  dashboard_addr: textOption(
    hostPort,
    '',
    'Address of the HTTP door (JSON-RPC at /rpc), such as "127.0.0.1:8335"; "" keeps it closed. Its token is in ' +
      'http.token of the data directory. On an address that others reach put a proxy with TLS before it.',
  ),
  workers: integerOption(
    {
      low: 1,
      high: 64,
      fallback: () => Math.min(64, Math.max(1, availableParallelism() - 1)),
      fallbackText: 'cores - 1, at least 1',
      unit: 'threads',
    },
    'Worker threads that decode packets and verify payments.',
  ),
  batch_max: integerOption(
    { low: 1, high: 4_096, fallback: LIMITS.BATCH_PACKETS, unit: 'packets' },
    'Packets that one worker takes at once. Where packets take long, fewer: about two milliseconds of work.',
  ),
  batch_linger_us: integerOption(
    { low: 0, high: 100_000, fallback: LIMITS.BATCH_LINGER_MICROS, unit: 'microseconds' },
    'How long packets that come one right after another gather at most before a worker that sleeps is woken for ' +
      'them. A packet that comes alone waits for nothing, and a worker that is awake takes what is there.',
  ),
  peers: listOption(
    peerAddress,
    'Static peers, dialled by the direct transport until they answer: they always have a place. With a node id in front ' +
      "nobody else is taken at that address. One that is an address of the node's own peer is also greeted over the " +
      'node until it answers (others are left alone after five greetings).',
  ),
  peer_list: textOption(
    filePath,
    '',
    'A file with more static peers, one to a line, # before a comment. A relative path is relative to the folder of the configuration file.',
  ),
  bootstrap_nodes: listOption(
    peerAddress,
    'Public entry points, dialled as long as outbound_peers leaves room; they tell the addresses of others.',
  ),
  max_peers: integerOption(
    { low: 1, high: LIMITS.DIRECT_PEERS, fallback: 128, unit: 'peers' },
    'Peers of the direct transport at most, and as many over the node; later ones are refused.',
  ),
  outbound_peers: integerOption(
    { low: 0, high: LIMITS.DIRECT_PEERS, fallback: 8, unit: 'peers' },
    'Bootstrap nodes and nodes of which others told that this node dials by itself, each in another network group.',
  ),
  family: listOption(
    nodeIdText,
    'Node ids of the same owner, told to peers: nodes that name each other count as one entity (docs/anti-monopoly.md).',
  ),
  rate_limit_per_minute: integerOption(
    { low: 1, high: 100_000_000, fallback: 60_000, unit: 'packets per minute' },
    'Packets taken from one peer. The default, 1,000 a second, is below what one worker verifies, so that one peer alone cannot keep the workers busy.',
  ),
  free_packets_per_minute: integerOption(
    { low: 1, high: 100_000_000, fallback: 12_000, unit: 'packets per minute' },
    'Free packets (Bitcoin P2P, Stratum V2, governance, or whatever else says it is free) taken from one peer, ' +
      'never more than half of rate_limit_per_minute: the rest is for what is paid.',
  ),
  free_bytes_per_minute: integerOption(
    { low: 1, high: 1_000_000_000_000, fallback: 60_000_000, unit: 'bytes per minute' },
    'Bytes of free packets taken from one peer. The default, 1 MB a second, is a few times what a Bitcoin node relays.',
  ),
  accepted_payees: listOption(
    lightningKey,
    'Lightning keys that a packet of any destination may be paid to: a treasury or a gateway. The key of this node needs no mention.',
  ),
  payees: pairsOption(
    nodeIdText,
    lightningKey,
    'Lightning keys of other nodes, by node id: a packet for that node may be paid to its key. You vouch for them. What a neighbour declares in its signed hello needs no mention.',
  ),
  own_payee: textOption(
    lightningKey,
    '',
    "This node's Lightning key where the node does not tell it, or another than it tells.",
  ),
  max_unsettled_msats: amountOption(
    MAX_UNSETTLED_MSATS,
    1_000_000_000n,
    'msat',
    'What one payee other than this node may owe it: its shares of payments that went to their key. Packets paid to a ' +
      'payee that owes so much are refused; 0 is no cap. `blvm-mesh ledger statement` shows what a payee owes.',
  ),
  binding: choiceOption(
    BINDING_RULES,
    'payee',
    'What an invoice must commit to: nothing but an accepted payee; or its use, by a description hash over route, ' +
      'price and quote. An invoice with a description hash is good for that use alone under either rule.',
  ),
  ctv: booleanOption(
    false,
    'Whether covenants (InstantSettlement, BIP119) are accepted as payments: those that pay to one of receive_scripts ' +
      'and are funded, which the node is asked. Only for a network that enforces BIP119: on others anybody may ' +
      'spend what funds a covenant.',
  ),
  receive_scripts: listOption(
    outputScript,
    'Output scripts by which a covenant may pay this node: those of its wallet, or of whoever it trusts.',
  ),
  min_confirmations: integerOption(
    { low: 1, high: 1_000, fallback: 1, unit: 'blocks' },
    'Blocks that must hold a payment on the chain (OnChainSettlement) before it counts, its own included.',
  ),
  'fees.base_msats': amountOption(MAX_PRICE_MSATS, 1_000n, 'msat', 'Price of any paid packet.'),
  'fees.per_hop_msats': amountOption(MAX_PRICE_MSATS, 100n, 'msat', 'Price of each hop of its route.'),
  'fees.per_kib_msats': amountOption(
    MAX_PRICE_MSATS,
    10n,
    'msat',
    'Price of each started 1,024 bytes of payload.',
  ),
  'fees.proportional_ppm': amountOption(
    1_000_000n,
    0n,
    'millionths',
    'Share of the amount carried, where a caller names one.',
  ),
  governance_protocols: listOption(
    protocolId,
    'Protocol ids whose governance packets are free, from the nodes of governance_nodes only.',
  ),
  governance_nodes: listOption(nodeIdText, 'Nodes whose governance packets are free.'),
  hello_interval_seconds: integerOption(
    { low: 1, high: 3_600, fallback: 30, unit: 'seconds' },
    'Time between two hellos to each peer; a peer that is silent for several of them is lost.',
  ),
  route_expiry_seconds: integerOption(
    { low: 10, high: 604_800, fallback: 3_600, unit: 'seconds' },
    'Age at which a learned route is forgotten.',
  ),
  max_entity_share: integerOption(
    { low: 1, high: 100, fallback: 25, unit: '% of the paid msat forwarded' },
    'The largest share that one owner of nodes should forward, as this node sees it over a day. With fewer than five ' +
      'owners it is 125 % divided by their number. See docs/anti-monopoly.md.',
  ),
  concentration: choiceOption(
    CONCENTRATION_RULES,
    'degrade',
    'What to do where every known route gives one owner more than its share: use the least concentrated one, count it ' +
      'and look for others; or refuse the packet as RouteConcentrated.',
  ),
  asn_map: pairsOption(
    networkPrefix,
    protocolId,
    'Owners of networks, by prefix: neighbours in prefixes of one owner count as one. Without it those of one IPv4 /16 ' +
      'or IPv6 /32 do.',
  ),
  replay_capacity: integerOption(
    { low: 1_024, high: LIMITS.REPLAY_KEYS_MOST, fallback: LIMITS.REPLAY_KEYS, unit: 'payments' },
    'Used payments remembered at once, at most: the table grows up to that. Each is kept for a day or longer; when the ' +
      'table is full, paid packets are refused. Up to 34 bytes of address space each, of which at most 32 bytes are ' +
      'used for each payment that is remembered.',
  ),
  packet_ttl_seconds: integerOption(
    { low: 1, high: 3_600, fallback: LIMITS.PACKET_TTL_SECONDS, unit: 'seconds' },
    'How long an accepted packet is retried before it is given up.',
  ),
  node_requests_per_second: integerOption(
    { low: 1, high: 1_000_000, fallback: 80, unit: 'requests per second' },
    'Requests to the node. A real node closes the connection at the 101st within a second; the development node ' +
      'grants more.',
  ),
  log_level: choiceOption(LOG_LEVELS, 'info', 'The least serious messages that are logged.'),
  log_levels: pairsOption(
    oneOf(LOG_COMPONENTS),
    oneOf(LOG_LEVELS),
    'Levels of single components, in place of log_level, as in `log_levels = { transport = "debug" }`. ' +
      '`blvm-mesh log-level` shows and changes them while the module runs.',
  ),
};

/** All names, in the order of the table. */
export const OPTION_NAMES: readonly OptionName[] = Object.keys(OPTIONS) as OptionName[];

/** Whether a text names an option. */
export function isOptionName(text: string): text is OptionName {
  return Object.hasOwn(OPTIONS, text);
}
