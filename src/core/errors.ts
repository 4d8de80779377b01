/**
 * Operating failures: the world failed us, nothing is wrong with a peer's bytes (style.md, three kinds of failure).
 *
 * The documents name the families (api.md, MeshError); each code belongs to one and says what to do.
 */

/** The documents' families. */
export type MeshErrorFamily =
  | 'NetworkError'
  | 'PaymentVerificationFailed'
  | 'ReplayDetected'
  | 'RoutingError'
  | 'InvalidPacket'
  | 'ConfigError';

/** Stable codes, each with its family. */
export const MESH_ERROR_CODES = {
  CONFIG_INVALID: 'ConfigError',
  CONFIG_UNREADABLE: 'ConfigError',
  IDENTITY_INVALID: 'ConfigError',
  DATA_DIR_UNUSABLE: 'ConfigError',
  HOST_TOO_SMALL: 'ConfigError',
  WASM_MISSING: 'ConfigError',
  CURVE_MISSING: 'ConfigError',
  NODE_UNREACHABLE: 'NetworkError',
  NODE_CONNECTION_LOST: 'NetworkError',
  NODE_PROTOCOL: 'NetworkError',
  NODE_REQUEST_REFUSED: 'NetworkError',
  NODE_REQUEST_TIMEOUT: 'NetworkError',
  NODE_QUEUE_FULL: 'NetworkError',
  PEER_UNKNOWN: 'NetworkError',
  SHUTTING_DOWN: 'NetworkError',
  JOURNAL_FAILED: 'NetworkError',
  JOURNAL_CORRUPT: 'ConfigError',
  JOURNAL_BUSY: 'NetworkError',
  WORKER_LOST: 'NetworkError',
  PAYMENT_REFUSED: 'PaymentVerificationFailed',
  PAYMENT_REPLAYED: 'ReplayDetected',
  ROUTE_UNKNOWN: 'RoutingError',
  ROUTE_LOST: 'RoutingError',
  PACKET_INVALID: 'InvalidPacket',
  WALLET_REFUSED: 'PaymentVerificationFailed',
  DEV_NODE_FAILED: 'NetworkError',
  DOOR_FAILED: 'NetworkError',
  INSTALL_FAILED: 'ConfigError',
  LISTEN_ADDR_IN_USE: 'ConfigError',
  LISTEN_ADDR_UNUSABLE: 'ConfigError',
  LINK_UNUSABLE: 'NetworkError',
} as const;

export type MeshErrorCode = keyof typeof MESH_ERROR_CODES;

/** Facts that help to find the cause; shown in logs, so never a secret. */
export type MeshErrorFacts = Readonly<Record<string, string | number | bigint | boolean | null>>;

export class MeshError extends Error {
  override readonly name = 'MeshError';
  readonly code: MeshErrorCode;
  readonly family: MeshErrorFamily;
  readonly facts: MeshErrorFacts;

  /** @param message what failed and what to do about it, in one or two lines */
  constructor(code: MeshErrorCode, message: string, facts: MeshErrorFacts = {}, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
    this.family = MESH_ERROR_CODES[code];
    this.facts = facts;
  }
}

/** The text of whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
