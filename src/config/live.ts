/**
 * From when on a changed option holds: for each option, whether it changes while the module runs.
 *
 * One table behind the reload (SIGHUP, the node's ConfigLoaded, `blvm-mesh reload`) and docs/config.md.
 */
import { bigintAsText } from '../core/codec.js';
import type { MeshConfig } from './config.js';
import { OPTION_NAMES, type OptionName } from './schema.js';

interface Rule {
  /** Where its value stands in the configuration. */
  readonly field: keyof MeshConfig;
  /** Its own value, where the field holds more than that. */
  readonly of: (config: MeshConfig) => unknown;
  readonly isLive: boolean;
  /** What a person should know of it: of a live one where it does not reach at once, of another why it is not live. */
  readonly note: string;
}

const live = (
  field: keyof MeshConfig,
  note = '',
  of: Rule['of'] = (config): unknown => config[field],
): Rule => ({ field, of, isLive: true, note });

const atStart = (field: keyof MeshConfig, note: string): Rule => ({
  field,
  of: (config) => config[field],
  isLive: false,
  note,
});

const TOLD = 'a peer is told with its next connection';
const PRICE = `packets that were paid for at a lower price before are refused; ${TOLD}`;
const CREW = 'the next workers are started first, and the former ones finish what they have';
const SOCKET = 'sockets are opened at the start';

export const RELOAD: { readonly [N in OptionName]: Rule } = {
  enabled: live('enabled'),
  mode: live('mode', 'in place of what `set-mode` has set'),
  network: atStart('network', 'the journal, the peers and the invoices that are known are of one network'),
  listen_addr: atStart('listenAddr', SOCKET),
  dashboard_addr: atStart('dashboardAddr', SOCKET),
  advertised_addresses: live('advertisedAddresses', TOLD),
  workers: live('workers', `${CREW}; where the host has no room for both, at the next start`),
  batch_max: live('batchMax', CREW),
  batch_linger_us: live('batchLingerMicros'),
  peers: live('peers', 'new ones are dialled; the connection to one that is gone from the list is closed'),
  peer_list: live('peerList', 'the list itself is read again too'),
  bootstrap_nodes: live('bootstrapNodes', 'as peers'),
  max_peers: live('maxPeers', 'peers that are there stay'),
  outbound_peers: live('outboundPeers', 'connections that are there stay'),
  family: live('family', TOLD),
  rate_limit_per_minute: live('rateLimitPerMinute', 'also for peers that are there'),
  free_packets_per_minute: live('freePacketsPerMinute', 'also for peers that are there'),
  free_bytes_per_minute: live('freeBytesPerMinute', 'also for peers that are there'),
  accepted_payees: live('acceptedPayees', TOLD),
  payees: live('payees'),
  own_payee: atStart(
    'ownPayee',
    'the invoices that are registered and the debts in the books are of the former key',
  ),
  max_unsettled_msats: live('maxUnsettledMsat', 'also for payees that owe more already'),
  binding: live('binding'),
  ctv: live('ctv', TOLD),
  receive_scripts: live('receiveScripts'),
  min_confirmations: live('minConfirmations'),
  'fees.base_msats': live('fees', PRICE, ({ fees }) => fees.baseMsat),
  'fees.per_hop_msats': live('fees', PRICE, ({ fees }) => fees.perHopMsat),
  'fees.per_kib_msats': live('fees', PRICE, ({ fees }) => fees.perKibMsat),
  'fees.proportional_ppm': live('fees', PRICE, ({ fees }) => fees.proportionalPpm),
  governance_protocols: live('governanceProtocols'),
  governance_nodes: live('governanceNodes'),
  hello_interval_seconds: live('helloIntervalSeconds'),
  route_expiry_seconds: live('routeExpirySeconds', 'also for routes that are known'),
  max_entity_share: live('maxEntityShare'),
  concentration: live('concentration'),
  asn_map: atStart('asnMap', 'neighbours are filed under their owners when they join'),
  replay_capacity: atStart(
    'replayCapacity',
    'its memory is shared with the workers and reserved at the start',
  ),
  packet_ttl_seconds: live('packetTtlSeconds', 'for packets that are accepted from then on'),
  node_requests_per_second: live('nodeRequestsPerSecond'),
  log_level: live('logLevel', 'in place of what `log-level` has set'),
  log_levels: live('logLevels', 'in place of what `log-level` has set'),
};

export interface ConfigChanges {
  /** What is in force from now on: the one that was read, but for what needs a start. */
  readonly config: MeshConfig;
  /** Options that differ and hold at once. */
  readonly changed: readonly OptionName[];
  /** Options that differ and hold from the next start on. */
  readonly needRestart: readonly OptionName[];
}

/** What a configuration that was read anew makes of the one in force. */
export function changedOptions(inForce: MeshConfig, read: MeshConfig): ConfigChanges {
  const differing = OPTION_NAMES.filter((name) => {
    const { of } = RELOAD[name];
    return textOf(of(inForce)) !== textOf(of(read));
  });
  const kept = OPTION_NAMES.map((name) => RELOAD[name]).filter(({ isLive }) => !isLive);
  const asBefore: Partial<MeshConfig> = Object.fromEntries(kept.map(({ field }) => [field, inForce[field]]));
  return {
    config: Object.freeze({ ...read, ...asBefore }),
    changed: differing.filter((name) => RELOAD[name].isLive),
    needRestart: differing.filter((name) => !RELOAD[name].isLive),
  };
}

/** From when on a change of an option holds, as docs/config.md says it. */
export function reloadText(name: OptionName): string {
  const { isLive, note } = RELOAD[name];
  if (!isLive) return `no, from the next start on: ${note}`;
  return note === '' ? 'yes' : `yes; ${note}`;
}

function textOf(value: unknown): string {
  return JSON.stringify([value], bigintAsText);
}
