/** The bounds of the direct transport and of signed hellos (docs/transport.md): a part of the table in limits.ts. */

/** Value, unit, reason. */
export const TRANSPORT_LIMIT_TABLE = {
  TRANSPORT_BLOCK_BYTES: [
    65_536,
    'bytes',
    'written to a peer at once: a write for each small frame is 9 to 37 times slower',
  ],
  TRANSPORT_HOLD_MILLIS: [1, 'ms', 'that a frame is held at most to be written together with others'],
  TRANSPORT_UNSENT_BYTES: [
    262_144,
    'bytes',
    'handed to the socket of one peer before frames wait in queues by class',
  ],
  TRANSPORT_CONTROL_QUEUE_BYTES: [1_048_576, 'bytes', 'control frames that wait for one peer to read'],
  TRANSPORT_PAID_QUEUE_BYTES: [4_194_304, 'bytes', 'paid frames that wait for one peer to read'],
  TRANSPORT_FREE_QUEUE_BYTES: [2_097_152, 'bytes', 'free frames that wait for one peer to read'],
  TRANSPORT_SLOW_MILLIS: [10_000, 'ms', 'that a peer may read nothing while something waits for it'],
  TRANSPORT_HANDSHAKE_MILLIS: [5_000, 'ms', 'deadline of a TLS handshake, and then of the hello'],
  TRANSPORT_KEEP_ALIVE_MILLIS: [
    20_000,
    'ms',
    'of silence towards a peer, or one hello interval if that is shorter, before it is told that this node is alive',
  ],
  TRANSPORT_IDLE_LEAST_MILLIS: [
    10_000,
    'ms',
    'of silence that a connection survives, however short the hello interval is: else it is closed after three of them',
  ],
  TRANSPORT_THROTTLE_REFUSALS: [
    256,
    'packets',
    'of one connection refused for their quota, none accepted between, after which it is not read for a moment',
  ],
  TRANSPORT_THROTTLE_MILLIS: [50, 'ms', 'that such a connection is not read'],
  TRANSPORT_TICK_MILLIS: [1_000, 'ms', 'between two looks at who is idle, slow, banned or to be dialled'],
  TRANSPORT_HANDSHAKES: [
    128,
    'handshakes',
    'of accepted connections under way at once, signed hello included',
  ],
  TRANSPORT_PER_ADDRESS: [32, 'connections', 'accepted from one address at once'],
  TRANSPORT_PER_GROUP: [64, 'connections', 'accepted from one network group at once (IPv4 /16, IPv6 /32)'],
  TRANSPORT_ADDRESS_PER_SECOND: [4, 'per second', 'connections accepted from one address, 32 at once'],
  TRANSPORT_GROUP_PER_SECOND: [8, 'per second', 'connections accepted from one network group, 64 at once'],
  TRANSPORT_ADDRESSES_COUNTED: [
    8_192,
    'addresses',
    'and groups, of which the connections lately are counted',
  ],
  TRANSPORT_STRIKES: [3, 'strikes', 'within the time of a ban, after which an address or node is banned'],
  TRANSPORT_BAN_MILLIS: [600_000, 'ms', 'that a ban lasts'],
  TRANSPORT_BANS: [8_192, 'entries', 'addresses and nodes with strikes or a ban; the oldest are forgotten'],
  TRANSPORT_BAD_PER_SECOND: [
    50,
    'per second',
    'packets of one peer that do not decode or fit, before it is cut off; 500 at once',
  ],
  TRANSPORT_DIAL_MIN_MILLIS: [1_000, 'ms', 'first wait before an address is dialled again'],
  TRANSPORT_DIAL_MAX_MILLIS: [300_000, 'ms', 'longest wait before an address is dialled again'],
  TRANSPORT_DIALS: [8, 'dials', 'under way at once'],
  TRANSPORT_ADDRESSES_LEARNED: [1_024, 'addresses', 'learned from peers and kept to be dialled'],
  HELLO_BYTES: [16_384, 'bytes', 'a signed hello: its lists at their longest take less'],
  HELLO_PAYEES: [16, 'keys', 'Lightning keys that one hello declares'],
  HELLO_ADDRESSES: [4, 'addresses', 'of its own that one hello tells'],
  HELLO_KNOWN: [16, 'nodes', 'others that one hello tells the addresses of'],
  HELLO_ADDRESS_CHARS: [262, 'characters', 'an address: the longest DNS name, a colon and a port'],
} as const;
