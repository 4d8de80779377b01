/**
 * Which protocol some bytes belong to, by strict parses alone.
 *
 * Rules: payments.md, Free traffic; api.md, RoutingPolicyEngine. This is the plain twin: the WebAssembly
 * detector of src/wasm must give the same answer for all bytes (test/contract/protocol-detector.ts).
 */
import { isBitcoinMessage } from './bitcoin-wire.js';
import { hasMagic } from './packet.js';
import { isStratumMessage } from './stratum-wire.js';

/** The index of a name is its code in WebAssembly and in verdict records. */
export const DETECTED_PROTOCOLS = [
  'BitcoinP2P',
  'CommonsGovernance',
  'StratumV2',
  'MeshPacket',
  'Unknown',
] as const;

/**
 * Governance has no byte format of its own, so no detector ever answers CommonsGovernance: that is found from a
 * packet's declared type, protocol id and source (policy.ts).
 */
export type DetectedProtocol = (typeof DETECTED_PROTOCOLS)[number];

/** Implementations must pass test/contract/protocol-detector.ts. */
export interface ProtocolDetector {
  /**
   * The protocol of exactly these bytes; anything in front of or behind a message makes it Unknown. Mesh packets
   * are told by their first four bytes only.
   * @param data not kept, not changed
   */
  detectProtocol(data: Uint8Array): DetectedProtocol;
}

/** A detector that also takes many messages in one call. */
export interface BatchDetector extends ProtocolDetector {
  /**
   * The protocols of many messages; each as detectProtocol says.
   * @param data the messages, one behind another
   * @param ends where each of them ends in `data`, in order
   * @param codes is filled with the index in DETECTED_PROTOCOLS of each
   */
  detectMany(data: Uint8Array, ends: Uint32Array, codes: Uint8Array): void;
}

export class PlainProtocolDetector implements ProtocolDetector {
  detectProtocol(data: Uint8Array): DetectedProtocol {
    if (hasMagic(data)) return 'MeshPacket';
    if (isBitcoinMessage(data)) return 'BitcoinP2P';
    if (isStratumMessage(data)) return 'StratumV2';
    return 'Unknown';
  }
}
