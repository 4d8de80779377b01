/**
 * Every bound of this module, with where it comes from. docs/limits.md is made from this table.
 */

/** Value, unit, reason: the table behind the constants below. */
export const LIMIT_TABLE = {
  PACKET_BYTES: [1_000_000, 'bytes', 'a whole packet (wire.md, Packet)'],
  PAYLOAD_BYTES: [262_144, 'bytes', 'a payload (wire.md, Packet)'],
  API_REQUEST_BYTES: [262_144, 'bytes', 'a module API request (wire.md, ModuleAPI)'],
  NODE_FRAME_BYTES: [41_943_040, 'bytes', 'a frame of the node: 40 MiB (node-ipc.md, Transport)'],
  ROUTE_IDS: [11, 'ids', 'source, destination and at most 9 between: 10 hops (routing.md, Routes)'],
  ROUTE_HOPS: [10, 'hops', 'the longest route (routing.md, Routes)'],
  INVOICE_CHARS: [7_089, 'characters', 'the longest invoice that fits a QR code of version 40 (BOLT11)'],
  METADATA_FIELDS: [64, 'pairs', 'metadata of one packet; far above any protocol seen'],
  METADATA_BYTES: [4_096, 'bytes', 'names and values of one metadata, which the price does not count'],
  FUTURE_SECONDS: [120, 'seconds', 'how far ahead a peer may date a proof (payments.md, any proof, 2)'],
  CONTROL_PAYLOAD_BYTES: [
    65_536,
    'bytes',
    'a control message, and so at most 890 routes in one advertisement',
  ],
  DISCOVERY_TIMEOUT_MILLIS: [30_000, 'ms', 'a route request over all its rings (routing.md, Discovery)'],
  PENDING_DISCOVERIES: [1_024, 'requests', 'route requests of this node in flight at once'],
  SEEN_REQUESTS: [65_536, 'requests', 'route requests remembered for 30 s so that each is handled once'],
  REQUESTS_PER_NEIGHBOUR: [10, 'per second', 'route requests of one neighbour (routing.md, Discovery)'],
  ROUTES_PER_DESTINATION: [3, 'routes', 'alternatives kept per destination (routing.md, Anti-monopoly, 2)'],
  ROUTE_DESTINATIONS: [100_000, 'destinations', 'learned destinations in the routing table'],
  ROUTE_CACHE: [65_536, 'routes', 'entries of the route cache'],
  PACKET_TTL_SECONDS: [
    60,
    'seconds',
    'how long an accepted packet is retried by default (payments.md, any proof, 7)',
  ],
  PACKETS_IN_CARE: [65_536, 'packets', 'accepted packets that still wait for their next hop'],
  PACKETS_IN_CARE_BYTES: [
    67_108_864,
    'bytes',
    'memory of accepted packets that still wait for their next hop',
  ],
  CONTROL_PER_PEER: [
    50,
    'per second',
    'hellos and discovery messages of one peer, before they are looked at',
  ],
  HELLOS_UNANSWERED: [
    5,
    'hellos',
    'to a peer that never answers, before it is left alone: it may not speak mesh',
  ],
  SILENT_HELLO_INTERVALS: [3, 'intervals', 'without a word from a peer, after which it counts as lost'],
  RESEND_MIN_MILLIS: [100, 'ms', 'first wait before an accepted packet is offered to its next hop again'],
  RESEND_MAX_MILLIS: [5_000, 'ms', 'longest wait before an accepted packet is offered to its next hop again'],
  HANDLER_QUEUE: [1_024, 'packets', 'packets that wait for one protocol handler'],
  HANDLER_TRIES: [3, 'tries', 'of one delivery to a handler, before the packet goes to the inbox instead'],
  INBOX_BYTES: [67_108_864, 'bytes', 'memory of local deliveries that wait to be polled'],
  EVENTS_PUBLISHED_PER_SECOND: [5, 'per second', 'events of one name that this module publishes on the node'],
  HANDLERS: [1_024, 'handlers', 'registered protocol handlers'],
  INBOX_PACKETS: [4_096, 'packets', 'local deliveries that wait to be polled, over all protocols'],
  POLL_PACKETS: [64, 'packets', 'deliveries in one poll (wire.md, poll_local_deliveries)'],
  NODE_REQUESTS_IN_FLIGHT: [4_096, 'requests', 'requests to the node that wait for an answer or for a token'],
  NODE_REQUEST_MILLIS: [10_000, 'ms', 'deadline of a request to the node'],
  NODE_CALL_MILLIS: [60_000, 'ms', 'deadline of a call to another module (node-ipc.md, 7)'],
  NODE_EVENTS_QUEUED: [100_000, 'events', 'events read from the node and not yet handled'],
  RECONNECT_MIN_MILLIS: [100, 'ms', 'first wait before connecting to the node again'],
  RECONNECT_MAX_MILLIS: [30_000, 'ms', 'longest wait before connecting to the node again'],
  BATCH_PACKETS: [256, 'packets', 'packets in one batch for a worker (architecture.md)'],
  BATCH_BYTES: [1_114_112, 'bytes', 'packet bytes in one batch: the largest packet and 64 kB more'],
  BATCH_LINGER_MICROS: [200, 'us', 'how long a batch waits to fill (architecture.md)'],
  BATCHES_PER_WORKER: [4, 'batches', 'batches in flight per worker'],
  PACKETS_QUEUED: [16_384, 'packets', 'packets that wait for a place in a batch'],
  REPLAY_TTL_SECONDS: [
    86_400,
    'seconds',
    'a used payment is remembered at least that long (payments.md, any proof, 8)',
  ],
  REPLAY_EXTRA_SECONDS: [
    7_200,
    'seconds',
    'and at least that long after its invoice expired (payments.md, any proof, 8)',
  ],
  SEQUENCE_WINDOW: [
    8_192,
    'sequence numbers',
    "behind the newest, per sender, as in WireGuard's filter (style.md)",
  ],
  SEQUENCE_SENDERS: [65_536, 'senders', 'senders whose sequence window is kept'],
  DEV_NODES: [1_024, 'nodes', 'nodes and light peers of one development network'],
  DEV_CONNECTIONS: [64, 'connections', 'module connections that one development node serves at once'],
  DEV_EVENTS_QUEUED: [
    100_000,
    'events',
    'events that wait for one module of a development node; the rest drop',
  ],
  DEV_EVENT_BYTES_QUEUED: [67_108_864, 'bytes', 'memory of events that wait for one module'],
  DEV_SOCKET_BYTES: [1_048_576, 'bytes', 'bytes handed to one socket before the sender waits'],
  DEV_LINK_PACKETS: [
    100_000,
    'packets',
    'packets under way in one direction of a virtual link; the rest drop',
  ],
  DEV_LINK_BYTES: [67_108_864, 'bytes', 'memory of the packets under way in one direction of a virtual link'],
  DEV_INVOCATIONS: [4_096, 'invocations', 'invocations of one module that wait for its answer'],
  DEV_INVOICES: [100_000, 'invoices', 'invoices that one development wallet remembers'],
  DEV_BLOCKS: [100_000, 'blocks', 'height of the development chain'],
  DEV_MEMPOOL: [10_000, 'transactions', 'transactions that wait for a block of the development chain'],
  DEV_CONTROL_LINE_BYTES: [
    4_194_304,
    'bytes',
    'a line on the control socket: a packet in hex, and room for more',
  ],
  DEV_CONTROL_IN_FLIGHT: [1_024, 'requests', 'control requests of one connection that wait for an answer'],
  UNIX_PATH_BYTES: [
    107,
    'bytes',
    'the longest path of a Unix socket on Linux (sun_path holds 108 with its NUL)',
  ],
  LEDGER_ACCOUNTS: [
    100_000,
    'accounts',
    'balances kept by node, as many as destinations; routes name ids that nobody vouches for',
  ],
  LEDGER_RECENT_KEYS: [
    262_144,
    'keys',
    'newest postings that the ledger itself knows again, behind the replay table',
  ],
  LEDGER_AUDIT_KEYS: [1_048_576, 'keys', 'held at once while `ledger verify` looks for repeated ones'],
} as const;

export type LimitName = keyof typeof LIMIT_TABLE;

/** The bounds by name. Units are in the table. */
export const LIMITS: { readonly [N in LimitName]: number } = Object.fromEntries(
  Object.entries(LIMIT_TABLE).map(([name, entry]) => [name, entry[0]]),
) as { readonly [N in LimitName]: number };
