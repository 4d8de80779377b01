/**
 * The node's events that this module subscribes to: all of the documents' four groups (network, payment, chain,
 * mempool) and of the groups mesh, module and node. Each has an effect, or a reason for having none.
 *
 * Rules: api.md (events subscribed). What a node's generation does not have is left out when subscribing.
 * docs/events.md is made from this table; what the effects are done by is events.ts.
 */
import { madeFrom, markdownTable } from '../core/markdown.js';
import type { EventName } from '../node/messages.js';

const GROUPS = ['mesh', 'network', 'payment', 'chain', 'mempool', 'module', 'node'] as const;

interface EventRow {
  readonly name: EventName;
  readonly group: (typeof GROUPS)[number];
  /** What it does here; null where it does nothing. */
  readonly effect: string | null;
  /** Why it does nothing. */
  readonly whyNone: string;
}

const does = (group: EventRow['group'], name: EventName, effect: string): EventRow => ({
  name,
  group,
  effect,
  whyNone: '',
});
const none = (group: EventRow['group'], name: EventName, whyNone: string): EventRow => ({
  name,
  group,
  effect: null,
  whyNone,
});

const CONFIRMED = 'payments on the chain count with confirmations alone, for which the node is asked';
const OWN = "this module's own announcement, for others";
const FORGOTTEN = 'its protocol handlers are removed; what waits for them goes to the inbox';

export const EVENT_TABLE: readonly EventRow[] = [
  does('mesh', 'MeshPacketReceived', 'the packet is judged'),
  none('mesh', 'RouteDiscovered', OWN),
  none('mesh', 'RouteFailed', OWN),
  none('mesh', 'StratumV2MessageReceived', "a message of the node's own miners: it is no packet of the mesh"),

  does('network', 'PeerConnected', 'the peer is greeted'),
  does('network', 'PeerDisconnected', 'the peer and the routes through it are forgotten'),
  does('network', 'PeerBanned', 'the peer and the routes through it are forgotten'),
  none('network', 'PeerUnbanned', 'it matters when the peer connects again'),
  does('network', 'DoSAttackDetected', "the peer's quotas start empty again"),
  does('network', 'RateLimitExceeded', "the peer's quotas start empty again"),
  does(
    'network',
    'NetworkPartition',
    'the peers behind it are forgotten, so that routes around it are searched',
  ),
  does('network', 'NetworkReconnected', 'the peers are greeted'),
  none('network', 'MessageReceived', 'packets of the mesh come as MeshPacketReceived'),
  none('network', 'MessageSent', 'what this module sends is answered by request'),
  none('network', 'BroadcastStarted', 'the mesh sends to single peers'),
  none('network', 'BroadcastCompleted', 'the mesh sends to single peers'),
  none('network', 'ConnectionAttempt', 'what comes of it is PeerConnected'),
  none('network', 'AddressDiscovered', 'the node chooses whom it connects to'),
  none('network', 'AddressExpired', 'the node chooses whom it connects to'),

  does('payment', 'PaymentRequestCreated', 'an invoice of this node is registered'),
  does('payment', 'PaymentVerified', 'a registered invoice has the amount that was paid'),
  does('payment', 'PaymentSettled', 'answers about payments on the chain are asked for anew'),
  does('payment', 'PaymentFailed', 'answers about payments on the chain are asked for anew'),
  none('payment', 'PaymentRouteFound', 'the way of a Lightning payment does not change what was paid'),
  none('payment', 'PaymentRouteFailed', 'no proof comes of a payment that failed'),
  none('payment', 'ChannelOpened', 'channels are the Lightning provider’s matter'),
  none('payment', 'ChannelClosed', 'channels are the Lightning provider’s matter'),

  does('chain', 'NewBlock', 'outputs may be spent: they are asked for anew'),
  does('chain', 'BlockDisconnected', 'every answer about payments on the chain is forgotten'),
  does('chain', 'ChainReorg', 'every answer about payments on the chain is forgotten'),
  none('chain', 'NewTransaction', CONFIRMED),
  none('chain', 'BlockMined', 'it becomes a NewBlock'),
  none('chain', 'SyncStateChanged', CONFIRMED),

  does('mempool', 'MempoolTransactionRemoved', 'outputs are asked for anew'),
  does('mempool', 'MempoolCleared', 'every answer about payments on the chain is forgotten'),
  none('mempool', 'MempoolTransactionAdded', CONFIRMED),
  none('mempool', 'MempoolThresholdExceeded', CONFIRMED),
  none('mempool', 'FeeRateChanged', `${CONFIRMED}; a covenant pays its own fee`),

  does('module', 'ModuleUnloaded', FORGOTTEN),
  does('module', 'ModuleStopped', FORGOTTEN),
  does('module', 'ModuleCrashed', FORGOTTEN),
  does('module', 'ModuleRemoved', FORGOTTEN),
  none('module', 'ModuleLoaded', 'a module that uses the mesh registers itself'),
  none('module', 'ModuleStarted', 'a module that uses the mesh registers itself'),
  none('module', 'ModuleReloaded', 'a module that uses the mesh registers itself'),
  none('module', 'ModuleInstalled', 'a module that uses the mesh registers itself'),
  none('module', 'ModuleUpdated', 'a module that uses the mesh registers itself'),
  none('module', 'ModuleDiscovered', 'a module that uses the mesh registers itself'),
  none('module', 'ModuleHealthChanged', 'a handler that fails is noticed by its answers'),
  none('module', 'ModuleStateChanged', 'the events above say what matters of it'),

  does('node', 'ConfigLoaded', 'the configuration is read again; what can change while running does'),
  does('node', 'NodeShutdown', 'a module that the node started ends, and closes its journal'),
  does('node', 'NodeStartupCompleted', 'the peers are greeted'),
  does('node', 'DataMaintenance', 'the journal is rewritten without what has expired'),
  does('node', 'DiskSpaceLow', 'a warning in the log: payments are refused when the journal cannot grow'),
  does('node', 'ResourceLimitWarning', 'a warning in the log'),
  none('node', 'NodeShutdownCompleted', 'NodeShutdown said it before'),
  none('node', 'MaintenanceStarted', "the node's own data"),
  none('node', 'MaintenanceCompleted', "the node's own data"),
  none('node', 'HealthCheck', 'the node asks its modules by itself'),
];

/** What to subscribe to. */
export const SUBSCRIBED_EVENTS: readonly EventName[] = EVENT_TABLE.map(({ name }) => name);

/** docs/events.md */
export function eventsMarkdown(): string {
  const sections = GROUPS.flatMap((group) => {
    const rows = EVENT_TABLE.filter((row) => row.group === group);
    const cells = rows.map(({ name, effect, whyNone }) => [`\`${name}\``, effect ?? '—', whyNone]);
    return [`## ${group}`, markdownTable(['event', 'effect', 'why it has none'], cells)];
  });
  return [
    madeFrom('src/engine/event-table.ts'),
    '# Events',
    `The ${EVENT_TABLE.length} events of the node that this module subscribes to, as far as the node's generation has them, and what each does. It publishes \`RouteDiscovered\`, \`RouteFailed\` and \`PaymentVerified\`.`,
    `${sections.join('\n\n')}\n`,
  ].join('\n\n');
}
