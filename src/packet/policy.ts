/**
 * The gate: whether a packet passes free, must show a payment, or is refused.
 *
 * Rules: payments.md, Free traffic; api.md, RoutingPolicyEngine. A packet is free only if its declared type and
 * a strict parse of its payload agree; whether the sender's quota allows it is the engine's to say.
 */
import { nodeKey, type NodeKey } from '../core/ids.js';
import type { JudgePolicy } from '../core/policy.js';
import { Reason } from '../core/reasons.js';
import { bitcoinNetwork } from './bitcoin-wire.js';
import { isControlProtocol, judgeControl, type ControlProtocol } from './control.js';
import { DETECTED_PROTOCOLS, type DetectedProtocol, type ProtocolDetector } from './detect.js';
import type { MeshPacket } from './packet.js';

/** What the documents call a protocol's policy. */
export type RoutingPolicy = 'Free' | 'PaymentRequired';

export type GateVerdict =
  | { readonly kind: 'control'; readonly protocol: ControlProtocol }
  | { readonly kind: 'free'; readonly protocol: DetectedProtocol }
  | { readonly kind: 'paid' }
  | { readonly kind: 'refused'; readonly reason: Reason };

// The verdicts on nearly all packets, made once.
const PAID: GateVerdict = { kind: 'paid' };
const FREE = Object.fromEntries(
  DETECTED_PROTOCOLS.map((protocol) => [protocol, { kind: 'free', protocol }]),
) as { readonly [P in DetectedProtocol]: GateVerdict };

export class RoutingPolicyEngine {
  readonly #policy: JudgePolicy;
  readonly #detector: ProtocolDetector;
  readonly #governanceProtocols: ReadonlySet<string>;
  readonly #governanceNodes: ReadonlySet<NodeKey>;

  constructor(policy: JudgePolicy, detector: ProtocolDetector) {
    this.#policy = policy;
    this.#detector = detector;
    this.#governanceProtocols = new Set(policy.governanceProtocols);
    this.#governanceNodes = new Set(policy.governanceNodes);
  }

  /** Whether free packets are told by their bytes and all others must show a payment: the mode payment_gated, in use. */
  get isGated(): boolean {
    return this.#policy.enabled && this.#policy.mode === 'payment_gated';
  }

  /** The protocol of exactly these bytes. */
  detectProtocol(data: Uint8Array): DetectedProtocol {
    return this.#detector.detectProtocol(data);
  }

  /** Whether traffic of a protocol is free in this node's mode. In bitcoin_only not even payment helps the rest. */
  determinePolicy(protocol: DetectedProtocol): RoutingPolicy {
    switch (this.#policy.mode) {
      case 'open':
        return 'Free';
      case 'bitcoin_only':
        return protocol === 'BitcoinP2P' ? 'Free' : 'PaymentRequired';
      case 'payment_gated':
        return protocol === 'Unknown' || protocol === 'MeshPacket' ? 'PaymentRequired' : 'Free';
    }
  }

  /**
   * Judges a packet whose structure was accepted. `paid` means: to be verified now.
   * Control packets pass in every mode, since without them no neighbour would be known.
   */
  judgeGate(packet: MeshPacket): GateVerdict {
    if (!this.#policy.enabled) return refuse(Reason.ModuleDisabled);
    const protocol = packet.metadata?.protocol ?? null;
    if (protocol !== null && isControlProtocol(protocol)) {
      const reason = judgeControl(packet, protocol);
      return reason === Reason.Accepted ? { kind: 'control', protocol } : refuse(reason);
    }
    switch (this.#policy.mode) {
      case 'open':
        return FREE[this.detectProtocol(packet.payload)];
      case 'bitcoin_only':
        return packet.packetType === 'BitcoinP2P' ? this.#judgeFree(packet) : refuse(Reason.ModeForbids);
      case 'payment_gated':
        if (packet.packetType !== 'Paid') return this.#judgeFree(packet);
        return packet.paymentProof === null ? refuse(Reason.PaymentRequired) : PAID;
    }
  }

  /** A packet of a free type. A proof in it would be bytes that nobody pays for and nobody checks. */
  #judgeFree(packet: MeshPacket): GateVerdict {
    if (packet.paymentProof !== null) return refuse(Reason.UnexpectedProof);
    if (packet.packetType === 'CommonsGovernance') return this.#judgeGovernance(packet);
    const protocol = this.detectProtocol(packet.payload);
    if (protocol !== packet.packetType) return refuse(Reason.TypeMismatch);
    if (protocol === 'BitcoinP2P' && bitcoinNetwork(packet.payload) !== this.#policy.network) {
      return refuse(Reason.OtherBitcoinNetwork);
    }
    return FREE[protocol];
  }

  #judgeGovernance(packet: MeshPacket): GateVerdict {
    const protocol = packet.metadata?.protocol ?? null;
    const isAllowed =
      protocol !== null &&
      this.#governanceProtocols.has(protocol) &&
      this.#governanceNodes.has(nodeKey(packet.source));
    return isAllowed ? FREE.CommonsGovernance : refuse(Reason.GovernanceNotAllowed);
  }
}

function refuse(reason: Reason): GateVerdict {
  return { kind: 'refused', reason };
}
