/**
 * What the workers must know of the configuration to judge a packet: plain data, copied to each of them.
 *
 * Rules: payments.md (price, accepted payees, free traffic), api.md (modes).
 */
import type { NodeKey } from './ids.js';

/** bitcoin_only: Bitcoin P2P alone. payment_gated: free protocols and paid mesh. open: all free. */
export type MeshMode = 'bitcoin_only' | 'payment_gated' | 'open';

export const MESH_MODES: readonly MeshMode[] = ['bitcoin_only', 'payment_gated', 'open'];

/** payee: a payment to an accepted payee is enough. strict: its invoice must commit to this very use. */
export type BindingRule = 'payee' | 'strict';

export const BINDING_RULES: readonly BindingRule[] = ['payee', 'strict'];

/** degrade: where every known route is concentrated, the least is used and flagged. strict: none is. */
export type ConcentrationRule = 'degrade' | 'strict';

export const CONCENTRATION_RULES: readonly ConcentrationRule[] = ['degrade', 'strict'];

export type Network = 'mainnet' | 'testnet' | 'testnet4' | 'signet' | 'regtest';

/** The prefix of each network's invoices behind `ln` (BOLT11). Both testnets write `tb`. */
export const INVOICE_PREFIXES: { readonly [N in Network]: string } = {
  mainnet: 'bc',
  testnet: 'tb',
  testnet4: 'tb',
  signet: 'tbs',
  regtest: 'bcrt',
};

/** The prices of this node (routing.md, Fees). */
export interface FeeSchedule {
  readonly baseMsat: bigint;
  readonly perHopMsat: bigint;
  /** For each started 1,024 bytes of payload. */
  readonly perKibMsat: bigint;
  /** Millionths of the amount carried; only where a caller names an amount. */
  readonly proportionalPpm: bigint;
}

export interface JudgePolicy {
  readonly enabled: boolean;
  readonly mode: MeshMode;
  readonly network: Network;
  /** This node. */
  readonly self: NodeKey;
  /** This node's own Lightning key, 33 bytes in hex, or null where the node has none. */
  readonly ownPayee: string | null;
  /** Lightning keys that any packet may be paid to (config `accepted_payees`), 33 bytes in hex. */
  readonly acceptedPayees: readonly string[];
  /** Lightning keys by the node that declared them: accepted where that node is the destination. */
  readonly declaredPayees: readonly (readonly [NodeKey, string])[];
  /** Lightning keys that nothing may be paid to any more, since they owe this node as much as they may: hex. */
  readonly cappedPayees: readonly string[];
  readonly binding: BindingRule;
  /** Whether payments by covenant (CTV) are accepted. */
  readonly ctv: boolean;
  /** Output scripts by which a covenant may pay this node, in hex. */
  readonly receiveScripts: readonly string[];
  /** Blocks that a settled payment on the chain needs, its own included. */
  readonly minConfirmations: number;
  /**
   * Unix seconds: what could have been paid with before is refused, since nobody knows whether it was. 0 where every
   * payment that was ever accepted is known (Journal.knowsSince).
   */
  readonly paymentsSince: number;
  readonly fees: FeeSchedule;
  /** Protocol ids that are free governance traffic, from the nodes below only. */
  readonly governanceProtocols: readonly string[];
  readonly governanceNodes: readonly NodeKey[];
}
